/* study.h5: all results of a study in one HDF5 file, written by all ranks together, read by anything.
 *
 * What is in it reads with h5py, netCDF4, xarray and HDFView: flat data sets, fixed-length UTF-8, built-in filters
 * (shuffle, deflate, fletcher32), dimension scales, `units` on every data set. Tables are groups with one data set a
 * column (/trials/id, /trials/anchor ...) that share one scale. The writer refuses what netCDF reads wrongly or not at
 * all: scales of other groups, fp16, texts of one byte.
 *
 * The writer makes PATH.partial-<random>; closing puts it in place, with its checksum in MANIFEST.json: nobody ever
 * sees half a file, and after a failure the old one is still there. Without MPI (vw_ranks_single) it works the same on
 * one rank. */
#ifndef VW_IO_STUDY_FILE_H
#define VW_IO_STUDY_FILE_H

#include <stdint.h>

#include "cluster/ranks.h"
#include "core/status.h"
#include "core/tensor.h"

typedef struct vw_study_file vw_study_file;

/* Texts are a byte wider than the longest: netCDF reads up to a zero. One-byte texts are characters to it, and xarray
 * joins a column of them to one text. */
enum { VW_LEAST_TEXT = 2 };

/* One data set. Strings are borrowed for the call and the same on all ranks. */
typedef struct vw_study_data {
  const char *path;   /* "/words/clip"; groups are made as needed */
  vw_dtype dtype;     /* VW_F32, F64, I32, I64, U32, U8; F16 is read, not written; ignored for text */
  int64_t text_bytes; /* > 0: UTF-8 strings padded with zeros to this many bytes; written: VW_LEAST_TEXT or more */
  int ndim;           /* 1 .. VW_MAX_DIMS; the first dimension counts rows */
  int64_t dim[VW_MAX_DIMS];
  const char *units;              /* "1" for pure numbers, "s", "px" ...; for text "utf-8" */
  const char *description;        /* one line; may be NULL */
  const char *scale[VW_MAX_DIMS]; /* paths of dimension scales written before, in a group on the way to `path` (netCDF
                                   * looks nowhere else); NULL: none */
} vw_study_data;

typedef struct vw_row_range {
  int64_t start, count;
} vw_row_range;

/* How the collective writes really went (H5Pget_mpio_actual_io_mode). Without MPI all stay 0. */
typedef struct vw_study_io {
  int64_t writes, collective;
  uint32_t causes; /* why some were not: H5D_mpio_no_collective_cause_t flags, local or global */
} vw_study_io;

/* ---- writer: every function is collective, and returns the same status on all ranks ---- */

/* Creates `path`.partial-<random>. `ranks` must outlive the file. Errors: VW_ERR_IO, VW_ERR_MEMORY. Close after
 * success. */
vw_status vw_study_file_create(const vw_ranks *ranks, const char *path, vw_study_file **file);

/* Writes one data set. This rank brings the rows of `mine[n_ranges]` (any order, no overlap, n_ranges may be 0),
 * `rows` holds them one after the other in that order. Rows nobody brings are NaN, 0 or "". Errors: VW_ERR_ARG
 * (ranges, type, a scale of another length or group), VW_ERR_IO (full disk): the file cannot be committed any more. */
vw_status vw_study_file_write_rows(vw_study_file *file, const vw_study_data *data, const vw_row_range *mine,
                                   int64_t n_ranges, const void *rows);

/* The same, and makes the data set (one dimension) a scale that others name; its name is the last part of its path. */
vw_status vw_study_file_write_scale(vw_study_file *file, const vw_study_data *data, const vw_row_range *mine,
                                    int64_t n_ranges, const void *rows);

/* A text as one UTF-8 string, any length: the study file, the plan, provenance. Rank 0's bytes count; elsewhere text
 * may be NULL. */
vw_status vw_study_file_write_text(vw_study_file *file, const char *path, const char *text, int64_t bytes);

/* An attribute of a group ("/" is the root) or data set; rank 0's value counts. Texts are below 60 KB. */
vw_status vw_study_file_attribute_text(vw_study_file *file, const char *object, const char *name, const char *text);
vw_status vw_study_file_attribute_number(vw_study_file *file, const char *object, const char *name, double value);

const vw_study_io *vw_study_file_io(const vw_study_file *file); /* not collective */

/* Commits when every rank's `mine` is VW_OK and nothing failed before; else removes the partial file and keeps the old
 * one. Frees `file` in any case. NULL is allowed on all ranks (then returns mine, agreed on nothing). */
vw_status vw_study_file_close(vw_study_file *file, vw_status mine);

/* ---- reader: one process, no MPI ----
 *
 * A checksum that came with a file vouches for its bytes, not for its author, and files made to do so crash HDF5. So a
 * child process reads (study_child.c), with limits of memory and time, and what it sends is checked: when it crashes or
 * hangs that is an error here. */

typedef struct vw_study_reader vw_study_reader;

/* Verifies MANIFEST.json's checksum, then has the child list the file. Errors: VW_ERR_INPUT (damaged, hostile, not a
 * study file), VW_ERR_IO, VW_ERR_MEMORY. */
vw_status vw_study_reader_open(const char *path, vw_study_reader **reader);
void vw_study_reader_close(vw_study_reader *reader);

/* Data sets in the order of their paths. data[i].path, .units and .description belong to the reader; scales are not
 * filled; a text data set has ndim 0. */
int64_t vw_study_reader_count(const vw_study_reader *reader);
const vw_study_data *vw_study_reader_data(const vw_study_reader *reader, int64_t i);
const vw_study_data *vw_study_reader_find(const vw_study_reader *reader, const char *path); /* NULL: not there */

/* The whole data set; *values is malloc'ed (the caller frees it): elements as described by its vw_study_data; one zero
 * byte follows the end, so a text can be used as a string. */
vw_status vw_study_reader_read(vw_study_reader *reader, const char *path, void **values);

#endif
