/* The ranks' devices: which of them share one, and the weights into the memory of all, read once a job. */
#include "jobs/session.h"

#include "core/log.h"
#include "kernels/devices.h"
#include "learn/backend_transport.h"

#include <stdlib.h>
#include <string.h>

typedef struct place {
  char host[VW_HOST_BYTES], bus[32];
} place;

/* Says so once for each device that several of the ranks have. */
static void tell_shared(const place *all, int size) {
  for (int i = 0; i < size; i++) {
    int same = 0, first = i;
    for (int j = size - 1; j >= 0; j--)
      if (!memcmp(&all[i], &all[j], sizeof *all)) same++, first = j;
    if (same > 1 && first == i)
      vw_log(VW_LOG_WARN,
             "%d ranks share the CUDA device %s of %s and take turns on it: start one rank a device (mpirun --map-by "
             "ppr:N:node, srun --gpus-per-task=1)",
             same, all[i].bus, all[i].host);
  }
}

vw_status vw_session_tell_shared_devices(const vw_session *s) {
  place mine, *all = NULL;
  vw_status st = VW_OK;
  if (s->ctx.backend != VW_CUDA) return VW_OK;
  int64_t *bytes = calloc((size_t)s->ranks.size, sizeof *bytes);
  memset(&mine, 0, sizeof mine); /* compared as bytes */
  (void)snprintf(mine.host, sizeof mine.host, "%s", s->ranks.host);
  vw_device_bus(&s->ctx, mine.bus);
  VW_GOTO(vw_agree_message(&s->ranks, bytes ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory")));
  VW_GOTO(vw_ranks_gather(&s->ranks, &mine, sizeof mine, (void **)&all, bytes));
  if (all) tell_shared(all, s->ranks.size);
cleanup:
  free(bytes), free(all);
  return st;
}

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

static vw_status share_all(vw_session *s, vw_transport *t) {
  for (int64_t m = 0; m < s->config->n_models; m++) {
    bool tower = false;
    VW_TRY(needs_tower(s, m, &tower));
    const unsigned parts = VW_NETWORK_STEPS | (tower ? VW_NETWORK_PICTURES : 0);
    VW_TRY(s->networks[m]->kind->share(s->networks[m], parts, &s->ranks, t));
    vw_network *judge = s->judges[m];
    if (judge) VW_TRY(judge->kind->share(judge, VW_NETWORK_STEPS | VW_NETWORK_PICTURES, &s->ranks, t));
  }
  return VW_OK;
}

vw_status vw_session_share_weights(vw_session *s) {
  vw_transport *t = NULL;
  const double start = vw_seconds();
  if (s->has_shared_weights || !is_wanted(s)) return VW_OK;
  VW_TRY(vw_backend_transport_open(&t, &s->ranks, &s->ctx, 0));
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
