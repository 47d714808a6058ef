/* Files that are there completely or not at all, whenever the power fails: write beside, fsync, rename, fsync the
 * folder. Deletion the other way round: rename away, then unlink. All errors are VW_ERR_IO and name the path and the
 * reason of the system. */
#ifndef VW_CORE_DURABLE_H
#define VW_CORE_DURABLE_H

#include <stdint.h>

#include "core/hash.h"
#include "core/status.h"

enum { VW_PATH_BYTES = 4096 };

/* printf into a path; VW_ERR_ARG when it does not fit. */
vw_status vw_path_format(char path[VW_PATH_BYTES], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What a user does about a failed write: "; ..." to put behind strerror's text; "" where there is nothing to say. */
const char *vw_way_out(int err);

/* Makes the folder and its parents; no error when it is there. */
vw_status vw_folder_make(const char *path);

/* fsyncs `from` (complete, closed), renames it to `to` (replaced) in the same folder, fsyncs the folder. */
vw_status vw_file_commit(const char *from, const char *to);

/* Writes `bytes` to `path`.partial and commits it. On failure the old file, if any, is untouched and the partial one is
 * removed. */
vw_status vw_file_write(const char *path, const void *data, int64_t bytes);

/* Renames to `path`.deleted, fsyncs the folder, unlinks. No error when there is no such file. */
vw_status vw_file_remove(const char *path);

/* Makes sure that `path`, which exists, can grow to `bytes` without finding the disk full, where the file system can
 * promise that; else compares with the space that is free now. vw_file_trim gives back what was not used. */
vw_status vw_file_reserve(const char *path, int64_t bytes);
vw_status vw_file_trim(const char *path);

/* False also when the system cannot tell. */
bool vw_file_exists(const char *path);
/* The same for those who must not take a failing disk for a missing file: VW_ERR_IO when the system cannot tell. */
vw_status vw_file_find(const char *path, bool *found);

/* XXH3-128 and size of a file's bytes, read in pieces. */
vw_status vw_file_hash(const char *path, vw_hash *hash, int64_t *bytes);

/* The whole file in malloc'ed memory, with a zero byte after the end (not counted). The caller frees *data. bytes may
 * be NULL. */
vw_status vw_file_read(const char *path, char **data, int64_t *bytes);

#endif
