/* What a run tells of itself while it runs: each rank its line of log/ranks.jsonl (io/rank_file.h), rank 0 also a line
 * of metrics.jsonl now and then (docs/output.md). Telling never fails a run: where it cannot be written any more there
 * is one warning, and no further try. */
#ifndef VW_JOBS_SIGNS_H
#define VW_JOBS_SIGNS_H

#include "io/rank_file.h"

typedef struct vw_signs {
  bool is_open;
  char path[VW_PATH_BYTES];
  int metrics;          /* of rank 0: descriptor of metrics.jsonl; -1: none */
  double interval, due; /* between lines of this rank; when the next may come (vw_seconds) */
  double next_line;     /* of metrics.jsonl */
  vw_run_record run;    /* the stage; written by rank 0 */
  vw_rank_record mine;
  double begun; /* the item's first step that was timed, of vw_seconds */
  int64_t first;
} vw_signs;

/* part: a lock's name, "": the whole study; DIR/log is there. Rank 0 makes both files; the others may write when the
 * ranks have agreed that it did. Not collective. Errors: VW_ERR_IO, VW_ERR_INPUT (something else has a name), both of
 * rank 0. */
vw_status vw_signs_open(vw_signs *s, const vw_ranks *ranks, const char *dir, const char *part);

/* A stage begins. before, left: units that were done and that are left; cost: of what is left, 0: units count instead. */
typedef struct vw_signs_stage {
  const char *stage, *unit;
  int64_t items, before, left;
  double cost;
  bool is_operations;
} vw_signs_stage;
void vw_signs_begin(vw_signs *s, const vw_signs_stage *stage);

/* This rank begins an item; members of a team that do not lead it give 0 units. */
void vw_signs_item(vw_signs *s, const char *name, int64_t units, double cost);
/* So many of its steps are done. Costs a clock read. */
void vw_signs_step(vw_signs *s, int64_t done, int64_t steps);
/* Mean training loss of the item's words that was seen last; NaN: none. */
void vw_signs_loss(vw_signs *s, double loss);
void vw_signs_item_done(vw_signs *s);
/* No item is left for this rank. */
void vw_signs_waiting(vw_signs *s);

/* All items are done or the stage was stopped. */
void vw_signs_end(vw_signs *s);

/* state: finished, stopped, failed. */
void vw_signs_close(vw_signs *s, const char *state);

#endif
