/* Between the reader of study.h5 and the child process in which HDF5 runs. Only io includes this.
 *
 * On a socket, in the machine's own byte order: the child sends one reply that lists the data sets; then for each index
 * (int64) that it is asked for, one reply with the values. The parent believes nothing: see study_reader.c. */
#ifndef VW_IO_STUDY_CHILD_H
#define VW_IO_STUDY_CHILD_H

#include "io/study/study_file.h"

/* Before each reply. status not VW_OK: `n` bytes of message follow. Listing: `n` data sets follow. Values: `n` bytes.
 */
typedef struct vw_study_reply {
  int64_t status, n;
} vw_study_reply;

/* A data set; the bytes of its three texts follow, without a zero. -1: there is none. */
enum { VW_STUDY_PATH, VW_STUDY_UNITS, VW_STUDY_DESCRIPTION, VW_STUDY_TEXTS };
typedef struct vw_study_listed {
  int64_t dtype, text_bytes, ndim, dim[VW_MAX_DIMS];
  int64_t text[VW_STUDY_TEXTS];
} vw_study_listed;

/* Sends or receives all of it; false when the other side is gone or, receiving, sends nothing for `seconds` (0: waits
 * for ever; *is_late tells which). Never raises SIGPIPE. */
bool vw_study_send(int socket, const void *data, int64_t bytes);
bool vw_study_receive(int socket, void *data, int64_t bytes, int seconds, bool *is_late);

/* The life of the child: opens `path`, lists it, answers until the other side closes. */
_Noreturn void vw_study_child(const char *path, int socket, int seconds);

/* vw_study_reader_open, with the seconds that the child may think about one answer. */
vw_status vw_study_reader_open_within(const char *path, int seconds, vw_study_reader **reader);

#endif
