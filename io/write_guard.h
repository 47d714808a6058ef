/* What study files do where a failing write cannot be agreed on. */
#ifndef VW_IO_WRITE_GUARD_H
#define VW_IO_WRITE_GUARD_H

#include <hdf5.h>

#include "cluster/ranks.h"

/* From 1.14 on, HDF5 writes many pieces in one call (H5FD_write_vector) and puts MPI's view of the file back behind it,
 * which needs all ranks. A rank whose write failed leaves before, and nobody can reach the others any more: they wait
 * for it there. So, with such an HDF5, a rank that MPI tells of a failure of `file` says so, removes `partial` and ends
 * the job with exit code 1 (vw_ranks_abort). Finished files are not touched. With an older HDF5, or without MPI,
 * nothing is done: failures are agreed on.
 *
 * `file` is open; `ranks` and `partial` must live until it is closed; one file at a time. Not collective. */
vw_status vw_write_guard(hid_t file, const vw_ranks *ranks, const char *partial);

#endif
