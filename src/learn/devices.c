#include "learn/devices.h"

#include "core/log.h"
#include "kernels/devices.h"
#include "learn/backend_transport.h"

#include <stdio.h>
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

vw_status vw_tell_shared_devices(const vw_ranks *ranks, const vw_context *ctx) {
  place mine, *all = NULL;
  vw_status st = VW_OK;
  if (ctx->backend != VW_CUDA) return VW_OK;
  int64_t *bytes = calloc((size_t)ranks->size, sizeof *bytes);
  memset(&mine, 0, sizeof mine); /* compared as bytes */
  (void)snprintf(mine.host, sizeof mine.host, "%s", ranks->host);
  vw_device_bus(ctx, mine.bus);
  VW_GOTO(vw_agree_message(ranks, bytes ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory")));
  VW_GOTO(vw_ranks_gather(ranks, &mine, sizeof mine, (void **)&all, bytes));
  if (all) tell_shared(all, ranks->size);
cleanup:
  free(bytes), free(all);
  return st;
}

bool vw_wants_shared_weights(const vw_ranks *ranks, const vw_context *ctx) {
  const char *asked = getenv("VISWORDS_SHARE_WEIGHTS");
  return ranks->size > 1 && (!vw_memory_of(ctx->backend)->host || (asked && !strcmp(asked, "1")));
}

vw_status vw_share_weights(const vw_ranks *ranks, vw_context *ctx, const vw_shared_network *networks, int64_t n,
                           bool *broken) {
  vw_transport *t = NULL;
  vw_status st = VW_OK;
  *broken = false;
  VW_TRY(vw_backend_transport_open(&t, ranks, ctx, 0));
  for (int64_t i = 0; i < n && st == VW_OK; i++)
    st = networks[i].network->kind->share(networks[i].network, networks[i].parts, ranks, t);
  *broken = vw_transport_is_broken(t); /* then closing could wait for ever, too */
  if (!*broken) vw_transport_close(t);
  return st;
}
