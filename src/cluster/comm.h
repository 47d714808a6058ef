/* The MPI side of vw_ranks: for src/cluster, io and jobs, which may include mpi.h. */
#ifndef VW_CLUSTER_COMM_H
#define VW_CLUSTER_COMM_H

#include <mpi.h>

#include "cluster/ranks.h"

typedef struct vw_comms {
  MPI_Comm all;  /* a duplicate of MPI_COMM_WORLD with MPI_ERRORS_RETURN */
  MPI_Comm node; /* the ranks that share memory with this one */
  /* A library holds something that MPI_Finalize would try to close and wait for ever: end the process without it. Set
   * on all ranks together. */
  bool no_finalize;
  const char *file_warning; /* of vw_mpi_files_choose: for the user, when files are opened; NULL: nothing to say */
} vw_comms;

/* "MPI_Bcast: MPI_ERR_TRUNCATE: message truncated" as VW_ERR_COMM; VW_OK for MPI_SUCCESS. */
vw_status vw_mpi_status(const char *function, int code);

#define VW_MPI(function, ...) vw_mpi_status(#function, function(__VA_ARGS__))

#endif
