/* Moves memory between the ranks of a group: broadcast, gather, and the sum of the slices of a gradient.
 *
 * Two kinds. `mpi` works everywhere: on host memory as it lies, on a device's memory in pieces through pinned host
 * memory, two of them, so that one is copied while the other travels. `nccl` goes from device to device; it needs a
 * device of its own for every rank, and the library at run time: it is opened by name, so a program starts without it.
 *
 * Nobody waits for ever: a peer that does not come within `timeout` seconds is VW_ERR_COMM, and the transport is then
 * broken: every later call returns the same at once. What MPI still holds cannot be taken back, and MPI_Finalize would
 * wait for it: the job ends with vw_ranks_abort. (A peer that died is MPI's to tell; Open MPI ends the whole job.)
 *
 * All functions are collective among the ranks of the group, and have moved everything when they return (a sum on a
 * device may only be enqueued). NCCL has run on no GPU yet: tests run it against a stand-in for the library on an
 * emulated device. */
#ifndef VW_CLUSTER_TRANSPORT_H
#define VW_CLUSTER_TRANSPORT_H

#include "cluster/ranks.h"
#include "core/tensor.h"

typedef struct vw_transport vw_transport;

typedef enum vw_transport_kind {
  VW_TRANSPORT_AUTO, /* nccl for a device's memory where it works on all ranks, else mpi and a line in the log that
                        says why; VISWORDS_TRANSPORT=mpi|nccl chooses */
  VW_TRANSPORT_MPI,
  VW_TRANSPORT_NCCL /* or an error that says why not */
} vw_transport_kind;

/* The memory that a transport moves. All zero: the host's own. */
typedef struct vw_transport_memory {
  void *user;   /* first argument of the functions */
  void *stream; /* a cudaStream_t of the device that is current in this thread; NULL: no nccl */
  /* A device's memory to and from the host, done on return; to_host waits for work that is enqueued. Both or none. */
  vw_status (*to_host)(void *user, void *host, const void *memory, size_t bytes);
  vw_status (*from_host)(void *user, void *memory, const void *host, size_t bytes);
  /* Host memory that the device copies from fast (pinned). NULL: malloc and free. */
  vw_status (*allocate_host)(void *user, size_t bytes, void **out);
  void (*release_host)(void *user, void *p);
  /* The sum of vw_transport_sum on the device, same rule and same bits; may only enqueue it. NULL: on the host. */
  vw_status (*sum)(void *user, void *out, const void *slices, int64_t n_slices, int64_t n, vw_dtype type);
} vw_transport_memory;

typedef struct vw_transport_options {
  vw_transport_kind kind;
  int team;       /* ranks that give the same number are one group, in the order of their ranks */
  double timeout; /* seconds that a call waits for a peer; 0: VISWORDS_TRANSPORT_TIMEOUT, else 600 */
  int64_t piece;  /* bytes that travel at once; 0: 16 MiB */
  vw_transport_memory memory;
} vw_transport_options;

/* Collective over all of `ranks` (which must outlive the transport), whatever their teams. The caller closes it. Errors
 * are the same on all ranks: VW_ERR_ARG, VW_ERR_MEMORY, VW_ERR_COMM, and where nccl was asked for and cannot be used
 * VW_ERR_UNSUPPORTED (not built in, library missing or of another version) or VW_ERR_DEVICE. */
vw_status vw_transport_open(vw_transport **t, const vw_ranks *ranks, const vw_transport_options *options);
void vw_transport_close(vw_transport *t); /* NULL allowed */

int vw_transport_rank(const vw_transport *t); /* in the group */
int vw_transport_size(const vw_transport *t);
/* "host memory over MPI", "device memory over MPI, through the host", "NCCL 2.28.9" */
const char *vw_transport_name(const vw_transport *t);
bool vw_transport_is_broken(const vw_transport *t);

/* `bytes` of rank root's memory to all. */
vw_status vw_transport_broadcast(vw_transport *t, void *data, int64_t bytes, int root);

/* Parts of bytes[rank of the group], one behind the other in the order of ranks, 0 allowed. On `root` (on all ranks
 * with VW_ALL_RANKS) `data` has room for all, the rank's own part in its place already; elsewhere it is the rank's
 * part.
 */
enum { VW_ALL_RANKS = -1 };
vw_status vw_transport_gather(vw_transport *t, void *data, const int64_t *bytes, int root);

/* slices [sum of count, n] of type VW_F32 or VW_F64; rank r holds count[r] of them, those of rank 0 first, in their
 * places. All slices come to all ranks, and out[n] is their sum: in the order of slices, in double, rounded once. So
 * its bits depend on the slices, never on how many ranks share them. */
vw_status vw_transport_sum(vw_transport *t, void *slices, const int64_t *count, int64_t n, vw_dtype type, void *out);

#endif
