/* Frozen weights on a backend, shared by all programs of a network. */
#ifndef VW_NETWORKS_WEIGHTS_H
#define VW_NETWORKS_WEIGHTS_H

#include "cluster/transport.h"
#include "graph/graph.h"

typedef struct vw_weights vw_weights;

/* Finds one tensor by its name in the hub's file. The view must live as long as the weights. */
typedef vw_status (*vw_weight_source)(void *user, const char *name, vw_tensor *out);

/* `ctx` must outlive the weights. `where` names the source in messages: "data/clip-tiny". */
vw_status vw_weights_create(vw_weights **w, vw_context *ctx, vw_weight_source source, void *user, const char *where);
void vw_weights_destroy(vw_weights *w); /* NULL allowed; after all programs that are bound to it */

/* Binds every weight leaf of a program, loading what is not there yet: a mapped tensor of the right storage type is
 * used as it lies; what kernels only pack, they pack from the file's type; else it is converted once.
 * "a.{q,k,v}_proj.weight" stacks three tensors along the first axis. Errors name the tensor, the shape found and the
 * shape expected. */
vw_status vw_weights_bind(vw_weights *w, vw_program *p);

/* Collective over `ranks`, all of which make up the group of `transport`: what vw_weights_bind would load for the
 * weight leaves of `g` under `policy`, loaded once: rank 0 reads and converts, the others receive into their backend's
 * memory and read none of it. Later binds find it there. For devices, whose memory holds a copy anyway; where weights
 * are used as they lie in the mapped file, ranks of a node share its pages and sharing would make copies. Errors are
 * the same on all ranks, but for VW_ERR_COMM of a broken transport (vw_transport_is_broken), where the job must end. */
vw_status vw_weights_share(vw_weights *w, const vw_graph *g, const vw_policy *policy, const vw_ranks *ranks,
                           vw_transport *transport);

/* Bytes of the source's tensors that this rank has converted or bound so far. */
int64_t vw_weights_bytes_read(const vw_weights *w);

/* Finds every weight leaf of a graph and checks its shape, without loading anything: bad weights are refused before
 * work. */
vw_status vw_weights_check(const vw_weights *w, const vw_graph *g);

/* The type in which most numbers of the weights of `g` whose names begin with `prefix` lie in the files, for
 * vw_policy.stored; VW_F32 where there are none. Behind vw_weights_check. */
vw_dtype vw_weights_stored(const vw_weights *w, const vw_graph *g, const char *prefix);

/* Bytes held beside the mapped file. */
int64_t vw_weights_bytes(const vw_weights *w);

/* One tensor straight from the source, its shape checked against `expected` (dims only). */
vw_status vw_weights_find(const vw_weights *w, const char *name, const vw_tensor *expected, vw_tensor *out);

#endif
