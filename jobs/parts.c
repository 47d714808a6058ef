/* The share of a study that a part of an array works on (io/parts.h). */
#include "jobs/session.h"

#include "study/schedule.h"

#include <stdlib.h>

/* Blocks that the study asks for, shared among the parts by their cost. */
static vw_status share_blocks(vw_session *s, int64_t parts, const double *cost) {
  const size_t room = (size_t)s->plan->n_blocks + 1;
  double *of_active = calloc(room, sizeof *of_active);
  int64_t *active = calloc(room, sizeof *active), *worker = calloc(room, sizeof *worker), n = 0;
  vw_status st = of_active && active && worker ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; st == VW_OK && i < s->plan->n_blocks; i++)
    if (vw_block_is_active(&s->plan->blocks[i])) active[n] = i, of_active[n++] = cost[i];
  if (st == VW_OK) st = vw_schedule_share(of_active, n, parts, worker);
  for (int64_t k = 0; st == VW_OK && k < n; k++) s->part_of[active[k]] = worker[k] + 1;
  free(of_active), free(active), free(worker);
  return st;
}

vw_status vw_session_share_out(vw_session *s, int64_t parts) {
  double *cost = NULL;
  vw_status st = VW_OK;
  free(s->part_of);
  s->part_of = calloc((size_t)s->plan->n_blocks + 1, sizeof *s->part_of);
  s->parts = parts;
  VW_GOTO(s->part_of ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory"));
  VW_GOTO(vw_session_costs(s, &cost));
  VW_GOTO(share_blocks(s, parts, cost));
cleanup:
  free(cost);
  return vw_agree_message(&s->ranks, st);
}

bool vw_session_has_block(const vw_session *s, int64_t block) {
  return !s->part.n || s->part_of[block] == s->part.i;
}

bool vw_session_has_item(const vw_session *s, int64_t number) {
  return !s->part.n || number % s->part.n + 1 == s->part.i;
}
