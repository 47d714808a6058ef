/* What the ranks of a run tell of themselves while it runs: DIR/log/ranks.jsonl (of a part of a study
 * DIR/log/part-<i>-of-<n>-ranks.jsonl). One line of VW_RANK_RECORD bytes for the run, then one for each rank, padded
 * with blanks. Each rank writes over its own line, so the file never grows and thousands of ranks make one file. Every
 * line holds a checksum: what a killed writer or a file system tore apart counts as nothing. Nothing depends on the
 * file but `viswords status` and the lines of metrics.jsonl.
 *
 * Cost is what a stage orders its items by: operations of learning a block; where a stage has none, units. */
#ifndef VW_IO_RANK_FILE_H
#define VW_IO_RANK_FILE_H

#include <stdint.h>

#include "cluster/ranks.h"
#include "core/durable.h"

enum {
  VW_RANK_RECORD = 640,
  VW_MOST_RANKS = 65536, /* that are read */
  VW_RANK_STATE = 12,
  VW_RANK_STAGE = 24,
  VW_RANK_ITEM = 96
};

/* Of the run, written by rank 0. Times are seconds since 1970. */
typedef struct vw_run_record {
  char state[VW_RANK_STATE]; /* running, finished, stopped, failed */
  char stage[VW_RANK_STAGE], unit[VW_RANK_STAGE];
  char host[VW_HOST_BYTES]; /* of rank 0 */
  int64_t ranks, pid;
  int64_t items, total, before; /* of the stage: items left when it began, all units, units done before */
  double cost;                  /* of the items left when it began */
  bool is_operations;           /* cost counts floating-point operations */
  double started, stage_started, time;
} vw_run_record;

/* Of one rank. */
typedef struct vw_rank_record {
  char state[VW_RANK_STATE]; /* working, waiting (for the others), finished, stopped, failed; "": nothing known */
  char host[VW_HOST_BYTES];
  char stage[VW_RANK_STAGE], item[VW_RANK_ITEM]; /* a block's id, or what else is worked on */
  int64_t rank, pid;
  int64_t step, steps;          /* steps done of the item's; steps 0: the item has none */
  int64_t units, done, items;   /* units of the item; units and items that this rank finished in the stage */
  double unit_steps;            /* steps times units, made in the stage: trial-steps */
  double step_seconds;          /* of the item, a step's mean; 0: not known yet */
  double cost, cost_done;       /* of the item; of those that this rank finished */
  double cost_made;             /* computed by this rank in the stage; less where it resumed */
  double loss;                  /* mean training loss of the words last looked at; NaN: not known */
  double started, item_started; /* when the stage and the item began */
  double ended;                 /* when this rank's last item ended; 0: none has */
  double time;                  /* when this was written */
} vw_rank_record;

/* Seconds since 1970. */
double vw_wall_seconds(void);

/* DIR/log/...ranks.jsonl; part: a lock's name (vw_part_lock_name), "": the whole study. */
vw_status vw_rank_file_path(const char *dir, const char *part, char path[VW_PATH_BYTES]);

/* Makes the file anew, with empty lines for run->ranks ranks. Rank 0, before any rank writes. Errors: VW_ERR_IO,
 * VW_ERR_MEMORY. */
vw_status vw_rank_file_create(const char *path, const vw_run_record *run);

/* Write over the run's or the rank's line. Not collective. Errors: VW_ERR_IO, VW_ERR_INPUT (vw_file_patch). */
vw_status vw_rank_file_put_run(const char *path, const vw_run_record *run);
vw_status vw_rank_file_put(const char *path, const vw_rank_record *rank);

/* The file as it is now; (*ranks)[run->ranks] is malloc'ed, the caller frees it. A line that is empty, torn or damaged
 * is a rank with state "". Errors: VW_ERR_IO (also when there is none), VW_ERR_INPUT (no such file as above),
 * VW_ERR_MEMORY. */
vw_status vw_rank_file_read(const char *path, vw_run_record *run, vw_rank_record **ranks);

/* Part of vw_rank_file_read, of the file's bytes. */
vw_status vw_rank_file_parse(const char *path, const char *text, int64_t bytes, vw_run_record *run,
                             vw_rank_record **ranks);

/* ---- all ranks together ---- */

/* Seconds that the rank's item still takes, as its steps did; < 0: not known. */
double vw_rank_item_left(const vw_rank_record *r);
/* Cost of the item that is left. */
double vw_rank_cost_left(const vw_rank_record *r);
/* Trial-steps a second in this stage; where items have no steps, units a second; 0: none yet. */
double vw_rank_rate(const vw_rank_record *r);
/* Did this rank write something in the run's stage? */
bool vw_rank_counts(const vw_run_record *run, const vw_rank_record *r);

typedef struct vw_rank_totals {
  int64_t heard;             /* ranks that are in the run's stage */
  int64_t items, units;      /* done in the stage; units with those of before */
  double unit_steps, rate;   /* rates add up */
  double cost_left;          /* of the stage */
  double left;               /* seconds of it, at least those of the longest item; < 0: not known */
  double slow, middle, fast; /* rates of ranks that made something: least, mean, most */
  int64_t slowest;           /* place of that rank; -1: none */
  int64_t losses;            /* ranks whose loss is known */
  double loss_least, loss_mean, loss_most;
  double oldest; /* when the rank that is silent longest wrote last; of ranks that work */
} vw_rank_totals;
void vw_rank_totals_of(const vw_run_record *run, const vw_rank_record *ranks, vw_rank_totals *out);

#endif
