/* Row ranges in file order: what HDF5 wants when several parts of a data set are written at once. Only io includes
 * this. */
#ifndef VW_IO_ROWS_H
#define VW_IO_ROWS_H

#include "io/study/study_file.h"

typedef struct vw_row_set {
  vw_row_range *range; /* ascending, adjacent ones joined, none empty; owned */
  int64_t n, total;
  const void *data; /* the rows in that order: the caller's buffer, or `copy` */
  void *copy;
} vw_row_set;

/* Sorts `mine` and copies the rows of `data` where their order changes. row_bytes: of one row; n_rows: of the whole.
 * Errors: VW_ERR_ARG for ranges outside or twice (path is for the message), VW_ERR_MEMORY. Release with
 * vw_row_set_free.
 */
vw_status vw_row_set_sort(vw_row_set *rows, const char *path, int64_t n_rows, const vw_row_range *mine, int64_t n,
                          const void *data, int64_t row_bytes);
void vw_row_set_free(vw_row_set *rows);

#endif
