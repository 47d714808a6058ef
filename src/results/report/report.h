/* DIR/report.html: what a study found, as one page that needs nothing else. The answer stands first, then figures,
 * pictures, tables, and where it all comes from. A study that still runs, or lacks a stage, has a page too: it says of
 * how many trials it is, and which command fills the rest. */
#ifndef VW_RESULTS_REPORT_H
#define VW_RESULTS_REPORT_H

#include "results/collect/collect.h"

/* What the page tells beside the results. Borrowed. */
typedef struct vw_report_about {
  const char *study;  /* the study file, as the commands on the page name it */
  const char *holder; /* who holds the directory ("process 17 on node3"); NULL: nobody, or this run itself */
} vw_report_about;

/* Collective. Reads what there is and writes DIR/report.html; `say` (rank 0; NULL: nobody) gets a line with its path.
 * No other file is written. Errors: of vw_collect_read; VW_ERR_IO, VW_ERR_MEMORY. */
vw_status vw_report_write(const vw_results_source *s, const vw_report_about *about, FILE *say);

/* The page alone, of what was read, on `out`. Not collective. Errors: VW_ERR_MEMORY; what `out` says stays in it. */
vw_status vw_report_print(const vw_collected *c, const vw_report_about *about, FILE *out);

/* ---- how long stages took: DIR/log/times.jsonl ---- */

/* Collective. Appends that `stage` of this run took so many seconds; a log that cannot be written stops nothing. */
vw_status vw_times_keep(const vw_ranks *ranks, const vw_context *ctx, const char *out, const char *stage,
                        double seconds);

#endif
