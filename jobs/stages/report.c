/* The last stage: DIR/report.html, as a page of what the study found. Any time again, also beside a running study. */
#include "jobs/stages/rows.h"

#include "core/text.h"
#include "jobs/report.h"
#include "results/report/report.h"

static vw_status report(vw_session *s, bool *stopped) {
  const vw_results_source source = vw_session_results(s);
  const vw_report_about about = {.study = s->options.study};
  return vw_report_write(&source, &about, s->options.json ? stderr : stdout, stopped);
}

const vw_stage vw_stage_report = {.name = "report",
                                  .summary = "write DIR/report.html: the answer, figures, tables, provenance",
                                  .help = "Writes DIR/report.html.",
                                  .kept = "results and an older report",
                                  .command = vw_job_report,
                                  .end = report};
