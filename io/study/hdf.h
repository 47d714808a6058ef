/* Shared by the writer and the reader of study files: types, and HDF5's errors as ours. Only io includes this. */
#ifndef VW_IO_HDF_H
#define VW_IO_HDF_H

#include <hdf5.h>

#include "core/status.h"
#include "core/tensor.h"

/* HDF5 prints nothing by itself from here on. */
void vw_hdf_quiet(void);

/* The file type of a data set: little-endian numbers, or UTF-8 strings of text_bytes when that is > 0. The caller
 * closes it. Negative: not a type of study files. Memory types are the same, so that nothing is converted: filters and
 * conversion do not go together in parallel. */
hid_t vw_hdf_type(vw_dtype dtype, int64_t text_bytes);

/* The reverse; false when it is another type. */
bool vw_hdf_type_known(hid_t type, vw_dtype *dtype, int64_t *text_bytes);

/* Raises `st` as "PATH: WHAT: the innermost message of HDF5" and clears HDF5's error stack. */
vw_status vw_hdf_raise(vw_status st, const char *file, int line, const char *path, const char *what);

#define VW_HDF(call, path, what)                                                                                       \
  do {                                                                                                                 \
    if ((call) < 0) return vw_hdf_raise(VW_ERR_IO, __FILE__, __LINE__, (path), (what));                                \
  } while (0)
#define VW_HDF_GOTO(call, path, what)                                                                                  \
  do {                                                                                                                 \
    if ((call) < 0) {                                                                                                  \
      st = vw_hdf_raise(VW_ERR_IO, __FILE__, __LINE__, (path), (what));                                                \
      goto cleanup;                                                                                                    \
    }                                                                                                                  \
  } while (0)

#endif
