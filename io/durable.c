#include "io/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/fault.h"
#include "io/inputs.h"

enum { PIECE = 1 << 20 };

vw_status vw_path_format(char path[VW_PATH_BYTES], const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const int n = vsnprintf(path, VW_PATH_BYTES, fmt, ap);
  va_end(ap);
  VW_CHECK(n >= 0 && n < VW_PATH_BYTES, VW_ERR_ARG, "a path is longer than %d bytes: %.80s...", VW_PATH_BYTES - 1,
           path);
  return VW_OK;
}

const char *vw_way_out(int err) {
  if (err == ENOSPC || err == EDQUOT) return "; make space, then the same command goes on";
  if (err == EACCES || err == EPERM || err == EROFS || err == ENOTDIR || err == EEXIST)
    return "; choose a place where you may write";
  return "";
}

vw_status vw_folder_make(const char *path) {
  char part[VW_PATH_BYTES];
  struct stat info;
  int above = 0; /* why the first folder on the way that is missing could not be made */
  VW_TRY(vw_path_format(part, "%s", path));
  for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0; /* what matters is whether the last one is there */
    if (mkdir(part, 0777) != 0 && errno != EEXIST && !above) above = errno;
    *slash = '/';
  }
  if (mkdir(part, 0777) == 0) return VW_OK;
  const int err = errno == ENOENT && above ? above : errno;
  VW_CHECK(err == EEXIST && stat(part, &info) == 0 && S_ISDIR(info.st_mode), VW_ERR_IO,
           "%s: cannot make the folder: %s%s", path, strerror(err), vw_way_out(err));
  return VW_OK;
}

/* fsync of a file or, with its flags, of a folder. */
static vw_status sync_path(const char *path, int flags) {
  const int fd = open(path, flags | O_CLOEXEC);
  VW_CHECK(fd >= 0, VW_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
  const int failed = fsync(fd) != 0, err = errno;
  (void)close(fd);
  /* some network file systems cannot sync a folder and say EINVAL: nothing more can be done there */
  VW_CHECK(!failed || ((flags & O_DIRECTORY) && err == EINVAL), VW_ERR_IO, "%s: fsync: %s", path, strerror(err));
  return VW_OK;
}

static vw_status sync_folder_of(const char *path) {
  char folder[VW_PATH_BYTES];
  VW_TRY(vw_path_format(folder, "%s", path));
  char *slash = strrchr(folder, '/');
  if (!slash)
    (void)snprintf(folder, sizeof folder, ".");
  else
    slash[slash == folder ? 1 : 0] = 0;
  return sync_path(folder, O_RDONLY | O_DIRECTORY);
}

vw_status vw_file_commit(const char *from, const char *to) {
  VW_TRY(vw_fault("written", from));
  VW_TRY(sync_path(from, O_RDONLY));
  VW_TRY(vw_fault("fsynced", from));
  VW_CHECK(rename(from, to) == 0, VW_ERR_IO, "%s: cannot rename to %s: %s", from, to, strerror(errno));
  VW_TRY(vw_fault("renamed", to));
  VW_TRY(sync_folder_of(to));
  return VW_OK;
}

static vw_status write_all(int fd, const char *path, const char *data, int64_t bytes) {
  for (int64_t at = 0; at < bytes;) {
    const int64_t left = bytes - at;
    const ssize_t n = write(fd, data + at, (size_t)(left < PIECE ? left : PIECE));
    if (n < 0 && errno == EINTR) continue;
    const int err = n < 0 ? errno : ENOSPC;
    VW_CHECK(n > 0, VW_ERR_IO, "%s: cannot write: %s%s", path, strerror(err), vw_way_out(err));
    at += n;
  }
  return VW_OK;
}

vw_status vw_file_write(const char *path, const void *data, int64_t bytes) {
  char partial[VW_PATH_BYTES];
  VW_TRY(vw_path_format(partial, "%s.partial", path));
  const int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  VW_CHECK(fd >= 0, VW_ERR_IO, "%s: cannot create: %s%s", partial, strerror(errno), vw_way_out(errno));
  vw_status st = vw_fault("writing", partial);
  if (st == VW_OK) st = write_all(fd, partial, data, bytes);
  if (close(fd) != 0 && st == VW_OK) st = VW_RAISE(VW_ERR_IO, "%s: cannot close: %s", partial, strerror(errno));
  if (st == VW_OK) st = vw_file_commit(partial, path);
  if (st != VW_OK) (void)unlink(partial);
  return st;
}

vw_status vw_file_remove(const char *path) {
  char away[VW_PATH_BYTES];
  VW_TRY(vw_path_format(away, "%s.deleted", path));
  if (rename(path, away) != 0) {
    VW_CHECK(errno == ENOENT, VW_ERR_IO, "%s: cannot delete: %s", path, strerror(errno));
    return VW_OK;
  }
  VW_TRY(sync_folder_of(path));
  VW_CHECK(unlink(away) == 0 || errno == ENOENT, VW_ERR_IO, "%s: cannot delete: %s", away, strerror(errno));
  return VW_OK;
}

/* For file systems that cannot reserve. */
static vw_status check_free(const char *path, int64_t bytes) {
  struct statvfs fs;
  struct stat info;
  if (statvfs(path, &fs) != 0 || stat(path, &info) != 0) return VW_OK; /* cannot be told: the writes will */
  const double free_bytes = (double)fs.f_bavail * (double)fs.f_frsize, wanted = (double)(bytes - info.st_size);
  VW_CHECK(wanted <= free_bytes, VW_ERR_IO, "%s: needs %.1f MB, %.1f MB are free on its disk; make space and run again",
           path, wanted / 1e6, free_bytes / 1e6);
  return VW_OK;
}

vw_status vw_file_reserve(const char *path, int64_t bytes) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  VW_CHECK(fd >= 0, VW_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
  int err = 0;
  do err = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, bytes) == 0 ? 0 : errno;
  while (err == EINTR);
  (void)close(fd);
  if (err == EOPNOTSUPP || err == ENOSYS || err == EINVAL) return check_free(path, bytes);
  VW_CHECK(err == 0, VW_ERR_IO, "%s: no space for %.1f MB: %s; make space and run again", path, (double)bytes / 1e6,
           strerror(err));
  return VW_OK;
}

vw_status vw_file_trim(const char *path) {
  struct stat info;
  VW_CHECK(stat(path, &info) == 0 && truncate(path, info.st_size) == 0, VW_ERR_IO, "%s: cannot truncate: %s", path,
           strerror(errno));
  return VW_OK;
}

bool vw_file_exists(const char *path) {
  struct stat info;
  const bool there = stat(path, &info) == 0 && S_ISREG(info.st_mode);
  vw_inputs_looked(path, there);
  return there;
}

vw_status vw_file_find(const char *path, bool *found) {
  struct stat info;
  const int err = stat(path, &info) == 0 ? 0 : errno;
  *found = !err && S_ISREG(info.st_mode);
  VW_CHECK(!err || err == ENOENT || err == ENOTDIR, VW_ERR_IO, "%s: cannot look at it: %s", path, strerror(err));
  return VW_OK;
}

/* Up to `want` bytes; short only at the end of the file. */
static vw_status read_some(int fd, const char *path, char *data, int64_t want, int64_t *got) {
  for (*got = 0; *got < want;) {
    const ssize_t n = read(fd, data + *got, (size_t)(want - *got));
    if (n < 0 && errno == EINTR) continue;
    VW_CHECK(n >= 0, VW_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
    if (n == 0) break;
    *got += n;
  }
  return VW_OK;
}

vw_status vw_file_hash(const char *path, vw_hash *hash, int64_t *bytes) {
  vw_status st = VW_OK;
  int64_t got = 0;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  VW_CHECK(fd >= 0, VW_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
  vw_hasher *h = vw_hasher_create();
  char *piece = malloc(PIECE);
  *bytes = 0;
  if (!h || !piece) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path));
  do {
    VW_GOTO(read_some(fd, path, piece, PIECE, &got));
    vw_hasher_add(h, piece, (size_t)got);
    *bytes += got;
  } while (got == PIECE);
  *hash = vw_hasher_done(h);
cleanup:
  free(piece);
  vw_hasher_destroy(h);
  (void)close(fd);
  return st;
}

vw_status vw_file_read(const char *path, char **data, int64_t *bytes) {
  vw_status st = VW_OK;
  struct stat info;
  int64_t got = 0;
  *data = NULL;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  VW_CHECK(fd >= 0, VW_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) VW_GOTO(VW_RAISE(VW_ERR_IO, "%s: not a file", path));
  if (!(*data = malloc((size_t)info.st_size + 1)))
    VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: out of memory for %lld bytes", path, (long long)info.st_size));
  VW_GOTO(read_some(fd, path, *data, info.st_size, &got));
  (*data)[got] = 0;
  VW_GOTO(vw_inputs_read(path, *data, got));
  if (bytes) *bytes = got;
cleanup:
  if (st != VW_OK) free(*data), *data = NULL;
  (void)close(fd);
  return st;
}
