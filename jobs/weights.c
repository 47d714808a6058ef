/* Weights into the memory of all devices, read once a job. */
#include "jobs/session.h"

#include "learn/backend_transport.h"
#include "learn/features.h"

#include <stdlib.h>
#include <string.h>

/* A host's backend uses the mapped file, whose pages all ranks of a node share; VISWORDS_SHARE_WEIGHTS=1 asks for it
 * nevertheless, where many nodes wait for one file server. */
static bool is_wanted(const vw_session *s) {
  const char *asked = getenv("VISWORDS_SHARE_WEIGHTS");
  return s->ranks.size > 1 && (!vw_memory_of(s->ctx.backend)->host || (asked && !strcmp(asked, "1")));
}

/* Does any data set need the image tower of this network? Rank 0 looks; all get its answer. */
static vw_status needs_tower(vw_session *s, int64_t model, bool *needed) {
  int64_t missing = 0;
  vw_status st = VW_OK;
  for (int64_t d = 0; s->ranks.rank == 0 && st == VW_OK && d < s->config->n_data && !missing; d++)
    st = vw_features_missing(s->pictures[d], s->networks[model], s->weights[model], s->cache, &missing);
  VW_TRY(vw_agree_message(&s->ranks, st));
  VW_TRY(vw_ranks_broadcast(&s->ranks, &missing, sizeof missing, 0));
  *needed = missing > 0;
  return VW_OK;
}

static vw_status share_all(vw_session *s, vw_transport *t) {
  for (int64_t m = 0; m < s->config->n_models; m++) {
    bool tower = false;
    VW_TRY(needs_tower(s, m, &tower));
    VW_TRY(vw_clip_network_share(s->networks[m], true, tower, &s->ranks, t));
  }
  return VW_OK;
}

vw_status vw_session_share_weights(vw_session *s) {
  vw_transport *t = NULL;
  const double start = vw_seconds();
  if (s->has_shared_weights || !is_wanted(s)) return VW_OK;
  VW_TRY(vw_backend_transport_open(&t, &s->ranks, &s->ctx));
  const vw_status st = share_all(s, t);
  if (vw_transport_is_broken(t)) { /* the others cannot be asked any more */
    (void)vw_report(st);
    vw_ranks_abort(&s->ranks, VW_EXIT_FAILED);
  }
  vw_transport_close(t);
  s->has_shared_weights = true;
  vw_sections_add(&s->sections, "start", "share weights", vw_seconds() - start);
  return st;
}
