/* What transport.c asks of its two kinds. */
#ifndef VW_CLUSTER_TRANSPORT_INTERNAL_H
#define VW_CLUSTER_TRANSPORT_INTERNAL_H

#include "cluster/comm.h"
#include "cluster/transport.h"

typedef struct vw_nccl vw_nccl;

struct vw_transport {
  const vw_ranks *ranks;
  vw_transport_options o; /* timeout and piece filled in */
  MPI_Comm comm;          /* the group; MPI_COMM_NULL: a single rank without MPI */
  int rank, size;
  vw_nccl *nccl;          /* NULL: mpi */
  void *stage[2];         /* pieces of device memory on their way */
  MPI_Request request[2]; /* of the piece in stage[i]; kept after a timeout */
  bool is_broken;
  char name[64];
};

/* The deadline of the moment: t->o.timeout from now. */
double vw_transport_deadline(const vw_transport *t);

/* Naps longer the longer a wait takes; count starts at 0. */
void vw_transport_nap(int64_t *count);

/* Marks the transport broken and raises VW_ERR_COMM: what was waited for, who waited, how long, and the way out. */
vw_status vw_transport_late(vw_transport *t, const char *what, int peer);

/* transport_mpi.c */
vw_status vw_transport_mpi_open(vw_transport *t);
void vw_transport_mpi_close(vw_transport *t);
vw_status vw_transport_mpi_broadcast(vw_transport *t, void *data, int64_t bytes, int root);
vw_status vw_transport_mpi_gather(vw_transport *t, void *data, const int64_t *bytes, int root);

/* nccl.c. Open is collective over all ranks of t->ranks, like vw_transport_open: status and message are the same
 * everywhere. Writes t->name. After a failure *n is NULL. */
vw_status vw_nccl_open(vw_nccl **n, vw_transport *t);
void vw_nccl_close(vw_nccl *n); /* NULL allowed; aborts what a broken transport left behind */
vw_status vw_nccl_broadcast(vw_nccl *n, void *data, int64_t bytes, int root);
vw_status vw_nccl_gather(vw_nccl *n, void *data, const int64_t *bytes, int root);

#endif
