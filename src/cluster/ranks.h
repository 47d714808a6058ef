/* The ranks of a run. Everything outside src/cluster, io and jobs sees MPI only through this header.
 *
 * A vw_ranks is either opened (MPI is initialised; also without mpirun, as one rank) or single: one rank that never
 * calls MPI, for tests and for commands that run on login nodes. Every function below accepts both. All are
 * collective unless they say otherwise: each rank calls them in the same order. Errors of MPI return; nothing aborts.
 */
#ifndef VW_CLUSTER_RANKS_H
#define VW_CLUSTER_RANKS_H

#include <stdint.h>

#include "core/status.h"

enum { VW_HOST_BYTES = 64 };

typedef struct vw_ranks {
  int rank, size;             /* among all */
  int local_rank, local_size; /* among those that share this node's memory */
  int cores; /* that this rank may use: its part of those it is bound to and of its control group's time, at least 1 */
  bool threads;     /* MPI_THREAD_MULTIPLE was granted */
  int thread_level; /* the level MPI gave; -1 without MPI */
  char host[VW_HOST_BYTES];
  struct vw_comms *comms; /* owned; NULL: a single rank without MPI. cluster/comm.h */
} vw_ranks;

/* Initialises MPI with MPI_THREAD_MULTIPLE and takes what it gives (the environment variable
 * VISWORDS_MPI_THREADS=single|funneled|serialized|multiple asks for another level, for MPI builds whose one-sided
 * operations refuse threads). argc, argv: of main, or NULL. Close with vw_ranks_close, after a failure too. Once a
 * process. Errors: VW_ERR_COMM; VW_ERR_ARG: the launcher started several processes and each is alone in MPI. */
vw_status vw_ranks_open(vw_ranks *r, int *argc, char ***argv);

/* One rank without MPI. Not collective, cannot fail; vw_ranks_close is allowed and not needed. */
void vw_ranks_single(vw_ranks *r);

/* Finalises MPI where vw_ranks_open initialised it. Waits for the other ranks. */
void vw_ranks_close(vw_ranks *r);

/* For the one place that ends a run in which this rank alone cannot go on and the others cannot be told: kills all. Not
 * collective. jobs/ only. */
_Noreturn void vw_ranks_abort(const vw_ranks *r, int exit_code);

vw_status vw_ranks_barrier(const vw_ranks *r);

/* The same status on every rank: the most severe failure of any (negative before positive). The message stays on the
 * rank that failed. */
vw_status vw_agree(const vw_ranks *r, vw_status mine);

/* vw_agree that also brings the message of the first rank with that status to all: there it reads "rank 3 on node7:
 * ...". Call where ranks do the same thing at the same time, before they commit. */
vw_status vw_agree_message(const vw_ranks *r, vw_status mine);

/* `bytes` of rank `root`'s buffer to all; any size (sent in pieces below 2 GiB). */
vw_status vw_ranks_broadcast(const vw_ranks *r, void *buffer, int64_t bytes, int root);

/* Each rank's `bytes` (they may differ, 0 is allowed) to rank 0, in rank order. On rank 0 *all is malloc'ed (the caller
 * frees it) and counts[size] holds the bytes of each rank; elsewhere *all = NULL and counts is not touched (may be
 * NULL). Below 2 GiB in all: for tables, not for weights. */
vw_status vw_ranks_gather(const vw_ranks *r, const void *mine, int64_t bytes, void **all, int64_t *counts);

typedef enum vw_reduce { VW_REDUCE_SUM, VW_REDUCE_MIN, VW_REDUCE_MAX } vw_reduce;

/* x[n] of all ranks combined element by element, in place, the result on every rank. Integers, so that the order of
 * the ranks cannot change it. */
vw_status vw_ranks_reduce(const vw_ranks *r, int64_t *x, int n, vw_reduce how);

#endif
