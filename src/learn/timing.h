/* Times of this machine: a training step of a kind of block, the passes beside it, a large product. Data are made up:
 * they cost the same. */
#ifndef VW_LEARN_TIMING_H
#define VW_LEARN_TIMING_H

#include "learn/cost.h"
#include "learn/rates.h"

/* What is timed: a part of the task's work, or a training step of the block. */
typedef enum vw_timed {
  VW_TIMED_OPEN = VW_PART_OPEN,
  VW_TIMED_JUDGE = VW_PART_JUDGE,
  VW_TIMED_CACHE = VW_PART_CACHE, /* by the task itself: its files too */
  VW_TIMED_STEP = VW_TASK_PARTS,
  VW_TIMED
} vw_timed;

/* Can it be named and timed? A task need not say how its time is made up. */
bool vw_can_name(const vw_block_kind *k, vw_timed what);
bool vw_can_time(const vw_block_kind *k, vw_timed what);

/* How a time is called in vw_rates, and the operations of one run. Errors: as vw_learn_memory_of; VW_ERR_UNSUPPORTED
 * (not vw_can_name). */
typedef struct vw_timed_name {
  char kind[VW_RATE_KIND];
  vw_hash shape;
  double flops;
} vw_timed_name;
vw_status vw_timed_name_of(const vw_block_kind *k, vw_timed what, vw_timed_name *name);

/* Mean seconds of a run, over at least `seconds`: of a machine that is busy as it is busy then. Errors: also
 * VW_ERR_UNSUPPORTED (not vw_can_time). */
vw_status vw_time_runs(const vw_block_kind *k, vw_timed what, double seconds, double *one);

/* A training step of a kind of block with made-up data, ready to run as often as wanted. The caller closes it, after a
 * failure too. Errors: as of vw_time_runs. */
typedef struct vw_timed_program {
  vw_graph *graph;
  vw_program *program;
} vw_timed_program;
vw_status vw_time_open(const vw_block_kind *k, vw_timed_program *out);
void vw_time_close(vw_timed_program *t);

/* Operations a second of the backend's own product of a large matrix with another, the fastest of some. */
vw_status vw_time_product(vw_context *ctx, double seconds, double *flops_per_second);

#endif
