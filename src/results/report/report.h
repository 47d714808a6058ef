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
 * No other file is written. *stopped: s->stop said so, on any rank, and the older page stays. Errors: of vw_collect_read;
 * VW_ERR_IO, VW_ERR_MEMORY. */
vw_status vw_report_write(const vw_results_source *s, const vw_report_about *about, FILE *say, bool *stopped);

/* The page alone, of what was read, on `out`; *stopped: the source's `stop` said so between its parts, and there is but a
 * piece of it. Not collective. Errors: VW_ERR_MEMORY; what `out` says stays in it. */
vw_status vw_report_print(const vw_collected *c, const vw_report_about *about, FILE *out, bool *stopped);

/* ---- how long stages took: DIR/log/times.jsonl ---- */

/* Collective. Appends that `stage` of this run took so many seconds; a log that cannot be written stops nothing. */
vw_status vw_times_keep(const vw_ranks *ranks, const vw_context *ctx, const char *out, const char *stage,
                        double seconds);

enum { VW_MOST_STAGES = 16, VW_STAGE_NAME = 32, VW_STAGE_WITH = 160 };
typedef struct vw_stage_time {
  char name[VW_STAGE_NAME];
  char with[VW_STAGE_WITH], last[VW_STAGE_NAME]; /* ranks and hosts of the last run; when it ended */
  double seconds, rank_seconds;                  /* of all runs */
  int64_t runs;
} vw_stage_time;
typedef struct vw_stage_times {
  vw_stage_time stage[VW_MOST_STAGES];
  int n;
} vw_stage_times;

/* Adds up the lines of that file; *t was zeroed. Lines that are none are passed over: the log is for people. */
void vw_times_read(const char *out, vw_stage_times *t);

#endif
