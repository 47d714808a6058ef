/* What learning takes of a backend's memory, told before anything is taken: from the graphs' plans alone. */
#ifndef VW_LEARN_MEMORY_H
#define VW_LEARN_MEMORY_H

#include "learn/block_graph.h"
#include "tasks/task.h"

/* Bytes. At most one of the task's passes and a block is held at a time, weights always. */
typedef struct vw_learn_memory {
  int64_t weights;              /* of steps and passes, in the backend's memory */
  int64_t pass[VW_MOST_PASSES]; /* the task's passes, in their order */
  int64_t block;                /* all programs of a block (learn/block.h) */
  int64_t peak;
} vw_learn_memory;

/* The sizes of the largest block of `rows` words, whole (slices 0). Errors: VW_ERR_INPUT (a template), VW_ERR_MEMORY.
 */
vw_status vw_learn_shape_of(const vw_task_kind *task, const vw_task_inputs *in, int64_t rows, vw_block_shape *shape);

/* How a block's steps are computed: in slices, which are added (learn/team.h), and with how many segments of the forward
 * pass made again on the way back. At most 1: whole, and all is kept. */
typedef struct vw_step_cut {
  int64_t slices, segments;
} vw_step_cut;

/* For a block of `rows` words, of which this rank computes all slices. Nothing is allocated on the backend. Errors:
 * VW_ERR_INPUT (a template), VW_ERR_UNSUPPORTED, VW_ERR_MEMORY. */
vw_status vw_learn_memory_of(const vw_task_kind *task, const vw_task_inputs *in, int64_t rows, vw_step_cut cut,
                             vw_learn_memory *out);

/* Bytes that a rank has; 0: any. */
typedef struct vw_learn_limit {
  int64_t peak;  /* of everything */
  int64_t block; /* of a block's programs, beside weights (plan.memory) */
} vw_learn_limit;
bool vw_learn_fits(const vw_learn_memory *m, const vw_learn_limit *limit);

/* The most rows, at most `most`, that fit; 0 where not even one does. */
vw_status vw_learn_rows_within(const vw_task_kind *task, const vw_task_inputs *in, vw_step_cut cut,
                               const vw_learn_limit *limit, int64_t most, int64_t *rows);

/* The fewest segments with which a block of `rows` words fits, 1 where all can be kept. Where it fits with none: those
 * with which it needs least. *out: what it takes then. */
vw_status vw_learn_segments_within(const vw_task_kind *task, const vw_task_inputs *in, int64_t rows, int64_t slices,
                                   const vw_learn_limit *limit, int64_t *segments, vw_learn_memory *out);

/* Prepares the programs of a block of `rows` words and of the passes as learning would, without data of their own, and
 * lets them go: kernels make their choices (kernels/algorithms.h). */
vw_status vw_learn_rehearse(const vw_task_kind *task, const vw_task_inputs *in, int64_t rows, int64_t segments);

/* Prepares a graph's program with zeros for its inputs and lets it go: its weights are read, packed or sent. */
vw_status vw_learn_prepare_alone(const vw_network *n, const vw_graph *g, const vw_policy *policy);

#endif
