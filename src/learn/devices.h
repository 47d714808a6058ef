/* The ranks' devices: which of them share one, and the weights into the memory of all, read once a job. */
#ifndef VW_LEARN_DEVICES_H
#define VW_LEARN_DEVICES_H

#include "cluster/ranks.h"
#include "networks/network.h"

/* Collective: rank 0 warns where several ranks have one device. */
vw_status vw_tell_shared_devices(const vw_ranks *ranks, const vw_context *ctx);

/* Do weights go from rank 0 to the others? Not on one rank; not to a host's backend, which uses the mapped file, whose
 * pages all ranks of a node share: VISWORDS_SHARE_WEIGHTS=1 asks for it nevertheless, where many nodes wait for one
 * file server. */
bool vw_wants_shared_weights(const vw_ranks *ranks, const vw_context *ctx);

typedef struct vw_shared_network {
  vw_network *network;
  unsigned parts; /* VW_NETWORK_*, or-ed */
} vw_shared_network;

/* Collective: the parts of n networks, from rank 0 to all. *broken: after a failure, the others cannot be asked any
 * more: the job must be aborted. */
vw_status vw_share_weights(const vw_ranks *ranks, vw_context *ctx, const vw_shared_network *networks, int64_t n,
                           bool *broken);

#endif
