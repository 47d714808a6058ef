/* What a block costs, from its sizes alone: memory, work, rows at which its step is efficient. Nothing is computed. */
#ifndef VW_LEARN_COST_H
#define VW_LEARN_COST_H

#include "graph/graph.h"
#include "learn/memory.h"

/* All that the memory and work of a block follow from. Borrowed pointers, compared as such: a study opens each network
 * and data set once. */
typedef struct vw_block_kind {
  const vw_task_kind *task;
  vw_task_inputs in;
  int64_t rows;
  vw_step_cut cut;
  int piece; /* of judging, where its time is asked for */
} vw_block_kind;

typedef struct vw_block_cost {
  vw_learn_memory memory;
  vw_work step; /* of one training step */
  int64_t runs; /* of a step in the whole block: training, and looking at the fixed set */
} vw_block_cost;

/* Costs that were asked for, each kind measured once. Zero-initialised; freed with vw_costs_free. */
typedef struct vw_costs {
  struct vw_cost_entry *entries;
  int64_t n;
} vw_costs;
void vw_costs_free(vw_costs *c);

/* Errors: as vw_learn_memory_of. */
vw_status vw_costs_find(vw_costs *c, const vw_block_kind *kind, vw_block_cost *out);

/* Rows from which on a step's time grows with them: below, it is the time of reading the weights, which are larger than
 * any cache. 1 where they are not. */
vw_status vw_block_efficient_rows(const vw_block_kind *kind, int64_t *rows);

#endif
