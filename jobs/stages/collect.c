/* The collecting stage: block files to study.h5, summary.csv, figures and a table. Any time again. */
#include "jobs/stages/rows.h"

static vw_status collect(vw_session *s, bool *stopped) {
  int64_t parts = 0; /* of an array that worked here: so that it can be said which one is to go on */
  VW_TRY(vw_agree_message(&s->ranks, s->ranks.rank == 0 ? vw_parts_read(s->out, &parts) : VW_OK));
  VW_TRY(vw_ranks_broadcast(&s->ranks, &parts, sizeof parts, 0));
  if (parts) VW_TRY(vw_session_share_out(s, parts));
  const vw_results_source source = vw_session_results(s);
  return vw_collect(&source, &s->sections, s->options.json, &s->all_failed, stopped);
}

const vw_stage vw_stage_collect = {.name = "collect",
                                   .summary = "gather block files into study.h5",
                                   .help = "Gathers the block files into DIR/study.h5.",
                                   .kept = "block files and an older study.h5",
                                   .end = collect};
