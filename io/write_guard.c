#include "io/write_guard.h"

#include <unistd.h>

#include "cluster/comm.h"
#include "core/log.h"
#include "io/study/hdf.h"

#if H5_VERSION_GE(1, 13, 0)

static struct {
  const vw_ranks *ranks;
  const char *partial;
} guarded;

/* MPI calls it with the file and its error. */
static void end_job(MPI_File *file, int *code, ...) {
  char text[MPI_MAX_ERROR_STRING + 1] = "";
  int length = 0;
  (void)file;
  if (MPI_Error_string(*code, text, &length) != MPI_SUCCESS) text[0] = 0;
  vw_log(VW_LOG_ERROR, "rank %d on %s: %s: cannot write (is the disk full?): %s; the same command goes on",
         guarded.ranks->rank, guarded.ranks->host, guarded.partial, text);
  (void)unlink(guarded.partial);
  vw_ranks_abort(guarded.ranks, 1);
}

vw_status vw_write_guard(hid_t file, const vw_ranks *ranks, const char *partial) {
  static MPI_Errhandler handler = MPI_ERRHANDLER_NULL;
  void *handle = NULL;
  if (!ranks->comms) return VW_OK;
  guarded.ranks = ranks, guarded.partial = partial;
  VW_HDF(H5Fget_vfd_handle(file, H5P_DEFAULT, &handle), partial, "its MPI file");
  if (handler == MPI_ERRHANDLER_NULL) VW_TRY(VW_MPI(MPI_File_create_errhandler, end_job, &handler));
  return VW_MPI(MPI_File_set_errhandler, *(MPI_File *)handle, handler);
}

#else

vw_status vw_write_guard(hid_t file, const vw_ranks *ranks, const char *partial) {
  (void)file, (void)ranks, (void)partial;
  return VW_OK;
}

#endif
