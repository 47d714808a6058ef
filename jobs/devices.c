#include "learn/devices.h"
#include "jobs/session.h"

#include <stdlib.h>

/* Does any data set need the image tower of this network? Rank 0 looks; all get its answer. */
static vw_status needs_tower(vw_session *s, int64_t model, bool *needed) {
  int64_t missing = 0;
  vw_status st = VW_OK;
  for (int64_t d = 0; s->ranks.rank == 0 && st == VW_OK && d < s->config->n_data && !missing; d++) {
    if (!vw_study_learns_on(s->config, model, d)) continue;
    const vw_task_inputs in = vw_session_inputs(s, model, d);
    st = s->kinds[model]->task->missing(&in, &missing);
  }
  VW_TRY(vw_agree_message(&s->ranks, st));
  VW_TRY(vw_ranks_broadcast(&s->ranks, &missing, sizeof missing, 0));
  *needed = missing > 0;
  return VW_OK;
}

static vw_status share(vw_session *s, vw_shared_network *all, bool *broken) {
  const int64_t n = s->config->n_models;
  int64_t count = n;
  VW_TRY(vw_agree_message(&s->ranks, all ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory")));
  for (int64_t m = 0; m < n; m++) {
    bool tower = false;
    VW_TRY(needs_tower(s, m, &tower));
    all[m] = (vw_shared_network){s->networks[m], VW_NETWORK_STEPS | (tower ? VW_NETWORK_PICTURES : 0)};
    if (s->judges[m]) all[count++] = (vw_shared_network){s->judges[m], VW_NETWORK_STEPS | VW_NETWORK_PICTURES};
  }
  return vw_share_weights(&s->ranks, &s->ctx, all, count, broken);
}

vw_status vw_session_share_weights(vw_session *s) {
  const double start = vw_seconds();
  bool broken = false;
  if (s->has_shared_weights || !vw_wants_shared_weights(&s->ranks, &s->ctx)) return VW_OK;
  vw_shared_network *all = calloc(2 * (size_t)s->config->n_models + 1, sizeof *all);
  const vw_status st = share(s, all, &broken);
  free(all);
  if (broken) {
    (void)vw_report(st);
    vw_ranks_abort(&s->ranks, VW_EXIT_FAILED);
  }
  s->has_shared_weights = true;
  vw_sections_add(&s->sections, "start", "share weights", vw_seconds() - start);
  return st;
}
