/* The exchange between ranks (cluster/transport.h) for the memory of a backend. */
#ifndef VW_LEARN_BACKEND_TRANSPORT_H
#define VW_LEARN_BACKEND_TRANSPORT_H

#include "cluster/transport.h"
#include "kernels/memory.h"

/* Fills options->memory; `ctx` must be open and outlive every transport that is opened with it. */
void vw_backend_memory(vw_context *ctx, vw_transport_memory *m);

/* Collective over all ranks, of the kind that VISWORDS_TRANSPORT or the backend chooses; ranks that give the same team
 * are a group. */
vw_status vw_backend_transport_open(vw_transport **t, const vw_ranks *ranks, vw_context *ctx, int team);

#endif
