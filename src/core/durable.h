/* Every file that this program writes is made here.
 *
 * Files are there completely or not at all, whenever the power fails: write beside, fsync, rename, fsync the folder.
 * Deletion the other way round: rename away, then unlink. The name beside is random and must be new, and no link is
 * followed: whoever may write into an output directory can plant a link under a name that is known beforehand, and a
 * program that opens it overwrites what the link points to. Folders that this program makes below an output directory
 * must be real ones, too; the output directory itself, and what is above it, may be links: the user named them.
 *
 * All errors are VW_ERR_IO and name the path and the reason of the system, unless said otherwise. */
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

/* ---- folders ---- */

/* Makes the folder and its parents; no error when it is there. Links are followed: for paths that a user gave. */
vw_status vw_folder_make(const char *path);

/* Makes folder `name` below `dir`, which exists, and puts its path into `path`; no error when it is there. VW_ERR_INPUT
 * when something else has the name, a symbolic link included. */
vw_status vw_subfolder_make(const char *dir, const char *name, char path[VW_PATH_BYTES]);

/* Deletes what killed writers of ours left in `folder`: regular files "NAME.partial-<16 hexadecimal digits>" and
 * "NAME.deleted" for which is_ours(NAME), unchanged for `seconds`. One whose writer lives stays; where the file system
 * has no locks that tell, one of the last day. Not an error: what cannot be deleted, a folder that cannot be listed. */
void vw_folder_sweep(const char *folder, bool (*is_ours)(const char *name), int64_t seconds);

/* ---- writing ---- */

/* A file that is being made beside `to`. */
typedef struct vw_partial {
  char path[VW_PATH_BYTES], to[VW_PATH_BYTES];
  int fd; /* open for writing, locked (flock) so that its writer is known to live; -1: closed */
} vw_partial;

/* Makes the file, empty. After success the caller calls vw_partial_close. */
vw_status vw_partial_open(vw_partial *p, const char *to);
vw_status vw_partial_write(vw_partial *p, const void *data, int64_t bytes);
/* fsync; p->fd stays open. Part of vw_partial_close, for those who put the file in place themselves. */
vw_status vw_partial_sync(vw_partial *p);
/* With st VW_OK: syncs, closes and puts the file in place of `to`. Else, and when that fails, deletes it: an older `to`
 * is untouched. Returns the first failure. */
vw_status vw_partial_close(vw_partial *p, vw_status st);

/* Writes `bytes` to `path`, complete or not at all. On failure the old file, if any, is untouched. */
vw_status vw_file_write(const char *path, const void *data, int64_t bytes);

/* Gives an immutable file a second name; where the file system cannot (another one, no such links), copies it. `to` must
 * not be there. */
vw_status vw_file_link(const char *from, const char *to);

/* fsyncs `from` (complete, closed), renames it to `to` (replaced) in the same folder, fsyncs the folder. For a file
 * whose bytes another library wrote into what vw_partial_open made. */
vw_status vw_file_commit(const char *from, const char *to);

/* Opens a log for appending, made if missing. VW_ERR_INPUT when it is a link, has a second name or is no file. */
vw_status vw_file_append(const char *path, int *fd);

/* Writes over `bytes` of a file that is there and long enough, from `offset` on: for what is of use only while a run
 * lives. Neither synced nor atomic: whoever reads it must know a torn piece. The file is opened and closed each time, so
 * that readers on other nodes see it. Errors: also VW_ERR_INPUT when it is a link, has a second name, is no file or is
 * shorter; the guards'. */
vw_status vw_file_patch(const char *path, int64_t offset, const void *data, int64_t bytes);

/* Renames to `path`.deleted, fsyncs the folder, unlinks. No error when there is no such file. */
vw_status vw_file_remove(const char *path);

/* Makes sure that `path`, which exists, can grow to `bytes` without finding the disk full, where the file system can
 * promise that; else compares with the space that is free now. vw_file_trim gives back what was not used. */
vw_status vw_file_reserve(const char *path, int64_t bytes);
vw_status vw_file_trim(const char *path);

/* Asked before every commit and removal of a file below `dir`; a failure is the commit's. Belongs to its owner, who
 * adds and removes it; not while other threads commit. */
typedef struct vw_commit_guard {
  const char *dir;
  vw_status (*check)(void *user);
  void *user;
  struct vw_commit_guard *next;
} vw_commit_guard;
void vw_commit_guard_add(vw_commit_guard *guard);
void vw_commit_guard_remove(vw_commit_guard *guard); /* harmless when it was not added */

/* ---- reading ---- */

/* False also when the system cannot tell. */
bool vw_file_exists(const char *path);
/* The same for those who must not take a failing disk for a missing file: VW_ERR_IO when the system cannot tell. */
vw_status vw_file_find(const char *path, bool *found);
/* And for those who would write over it: VW_ERR_INPUT when something other than a file has the name. */
vw_status vw_file_find_plain(const char *path, bool *found);

/* XXH3-128 and size of a file's bytes, read in pieces. Errors: those of vw_foreign_open, VW_ERR_MEMORY. */
vw_status vw_file_hash(const char *path, vw_hash *hash, int64_t *bytes);

/* The whole file in malloc'ed memory, with a zero byte after the end (not counted). The caller frees *data. bytes may
 * be NULL. Errors: those of vw_foreign_open, VW_ERR_MEMORY. */
vw_status vw_file_read(const char *path, char **data, int64_t *bytes);

/* The same of a file of lines that people write: without the byte order mark that some editors put before the first.
 * Errors: also VW_ERR_INPUT where it holds a 0 byte (UTF-16, or no text at all). */
vw_status vw_file_read_lines(const char *path, char **text);

#endif
