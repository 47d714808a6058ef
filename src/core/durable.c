#include "core/durable.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/foreign.h"
#include "core/inputs.h"
#include "core/pulse.h"

enum { PIECE = 1 << 20, DIGITS = 16, A_DAY = 86400 };
static const char beside[] = ".partial-", away_name[] = ".deleted";

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

/* What of the path is there and is no folder, so that none can be made in its place; "": nothing. */
static mode_t find_no_folder(const char *path, char part[VW_PATH_BYTES]) {
  struct stat info;
  (void)snprintf(part, VW_PATH_BYTES, "%s", path);
  for (char *slash = part; slash;) {
    slash = strchr(slash + 1, '/');
    if (slash) *slash = 0;
    if (stat(part, &info) == 0 && !S_ISDIR(info.st_mode)) return info.st_mode;
    if (slash) *slash = '/';
  }
  part[0] = 0;
  return 0;
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
  if (err == EEXIST || err == ENOTDIR) {
    const mode_t mode = find_no_folder(path, part);
    VW_CHECK(!part[0], VW_ERR_IO, "%s: cannot make the folder: %s is %s%s", path, part, vw_file_kind(mode),
             vw_way_out(err));
    VW_TRY(vw_path_format(part, "%s", path));
  }
  VW_CHECK(err == EEXIST && stat(part, &info) == 0 && S_ISDIR(info.st_mode), VW_ERR_IO,
           "%s: cannot make the folder: %s%s", path, strerror(err), vw_way_out(err));
  return VW_OK;
}

vw_status vw_subfolder_make(const char *dir, const char *name, char path[VW_PATH_BYTES]) {
  struct stat info;
  VW_TRY(vw_path_format(path, "%s/%s", dir, name));
  if (mkdir(path, 0777) == 0) return sync_path(dir, O_RDONLY | O_DIRECTORY); /* else it may go, and all in it */
  const int err = errno;
  const bool is_there = err == EEXIST && lstat(path, &info) == 0;
  VW_CHECK(is_there, VW_ERR_IO, "%s: cannot make the folder: %s%s", path, strerror(err), vw_way_out(err));
  VW_CHECK(S_ISDIR(info.st_mode), VW_ERR_INPUT,
           "%s: %s; this folder must be a real one: remove what is there (to have the results elsewhere, give -o)",
           path, vw_file_kind(info.st_mode));
  return VW_OK;
}

/* ---- what killed writers left ---- */

/* The length of NAME in "NAME.partial-<16 digits>" or "NAME.deleted"; 0: another name. */
static size_t own_name(const char *file) {
  const size_t n = strlen(file), tail = sizeof beside - 1 + DIGITS, gone = sizeof away_name - 1;
  if (n > tail && strncmp(file + n - tail, beside, sizeof beside - 1) == 0 &&
      strspn(file + n - DIGITS, "0123456789abcdef") == DIGITS)
    return n - tail;
  return n > gone && strcmp(file + n - gone, away_name) == 0 ? n - gone : 0;
}

/* Its writer holds a lock on it except for moments after it is made. */
static bool is_left_behind(int folder, const char *file, int64_t seconds) {
  struct stat info;
  const int fd = openat(folder, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY);
  if (fd < 0) return false;
  const bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  const bool dead = flock(fd, LOCK_EX | LOCK_NB) == 0, unknown = !dead && errno != EWOULDBLOCK;
  const int64_t age = regular ? (int64_t)(time(NULL) - info.st_mtime) : 0;
  (void)close(fd);
  return regular && ((dead && age >= seconds) || (unknown && age >= A_DAY));
}

void vw_folder_sweep(const char *folder, bool (*is_ours)(const char *name), int64_t seconds) {
  const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  if (!dir && fd >= 0) (void)close(fd);
  for (const struct dirent *entry; dir && (entry = readdir(dir));) {
    char name[VW_PATH_BYTES];
    const size_t n = own_name(entry->d_name);
    if (!n || n >= sizeof name) continue;
    memcpy(name, entry->d_name, n), name[n] = 0;
    if (is_ours(name) && is_left_behind(fd, entry->d_name, seconds)) (void)unlinkat(fd, entry->d_name, 0);
  }
  if (dir) (void)closedir(dir);
}

/* ---- guards ---- */

static vw_commit_guard *guards;

void vw_commit_guard_add(vw_commit_guard *guard) {
  vw_commit_guard_remove(guard);
  guard->next = guards, guards = guard;
}

void vw_commit_guard_remove(vw_commit_guard *guard) {
  for (vw_commit_guard **at = &guards; *at; at = &(*at)->next)
    if (*at == guard) {
      *at = guard->next;
      return;
    }
}

static vw_status ask_guards(const char *path) {
  for (const vw_commit_guard *g = guards; g; g = g->next) {
    const size_t n = strlen(g->dir);
    if (strncmp(path, g->dir, n) == 0 && path[n] == '/') VW_TRY(g->check(g->user));
  }
  return VW_OK;
}

/* ---- writing ---- */

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

/* A synced file into its place. */
static vw_status put_in_place(const char *from, const char *to) {
  VW_TRY(ask_guards(to));
  VW_CHECK(rename(from, to) == 0, VW_ERR_IO, "%s: cannot rename to %s: %s", from, to, strerror(errno));
  VW_TRY(vw_fault("renamed", to));
  return sync_folder_of(to);
}

vw_status vw_file_commit(const char *from, const char *to) {
  VW_TRY(vw_fault("written", from));
  VW_TRY(sync_path(from, O_RDONLY | O_NOFOLLOW));
  VW_TRY(vw_fault("fsynced", from));
  return put_in_place(from, to);
}

vw_status vw_partial_open(vw_partial *p, const char *to) {
  uint64_t unique = 0;
  p->fd = -1;
  VW_CHECK(getrandom(&unique, sizeof unique, 0) == (ssize_t)sizeof unique, VW_ERR_IO, "%s: no random name: %s", to,
           strerror(errno));
  VW_TRY(vw_path_format(p->to, "%s", to));
  VW_TRY(vw_path_format(p->path, "%s%s%016" PRIx64, to, beside, unique));
  p->fd = open(p->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  VW_CHECK(p->fd >= 0, VW_ERR_IO, "%s: cannot create: %s%s", p->path, strerror(errno), vw_way_out(errno));
  (void)flock(p->fd, LOCK_EX | LOCK_NB); /* until it is closed: who tidies up sees that its writer lives */
  return VW_OK;
}

vw_status vw_partial_write(vw_partial *p, const void *data, int64_t bytes) {
  for (int64_t at = 0; at < bytes;) {
    const int64_t left = bytes - at;
    const ssize_t n = write(p->fd, (const char *)data + at, (size_t)(left < PIECE ? left : PIECE));
    if (n < 0 && errno == EINTR) continue;
    const int err = n < 0 ? errno : ENOSPC;
    vw_pulse();
    VW_CHECK(n > 0, VW_ERR_IO, "%s: cannot write: %s%s", p->path, strerror(err), vw_way_out(err));
    at += n;
  }
  return VW_OK;
}

vw_status vw_partial_sync(vw_partial *p) {
  VW_TRY(vw_fault("written", p->path));
  VW_CHECK(fsync(p->fd) == 0, VW_ERR_IO, "%s: fsync: %s", p->path, strerror(errno));
  return vw_fault("fsynced", p->path);
}

vw_status vw_partial_close(vw_partial *p, vw_status st) {
  if (p->fd < 0) return st;
  if (st == VW_OK) st = vw_partial_sync(p);
  if (close(p->fd) != 0 && st == VW_OK) st = VW_RAISE(VW_ERR_IO, "%s: cannot close: %s", p->path, strerror(errno));
  p->fd = -1;
  if (st == VW_OK) st = put_in_place(p->path, p->to);
  if (st != VW_OK) (void)unlink(p->path);
  return st;
}

vw_status vw_file_write(const char *path, const void *data, int64_t bytes) {
  vw_partial p;
  VW_TRY(vw_partial_open(&p, path));
  vw_status st = vw_fault("writing", p.path);
  if (st == VW_OK) st = vw_partial_write(&p, data, bytes);
  return vw_partial_close(&p, st);
}

vw_status vw_file_append(const char *path, int *fd) {
  struct stat info;
  int err = lstat(path, &info) == 0 ? 0 : errno;
  const bool is_new = err == ENOENT;
  *fd = -1;
  VW_CHECK(!err || is_new, VW_ERR_IO, "%s: cannot open: %s", path, strerror(err));
  if (is_new || S_ISREG(info.st_mode)) {
    *fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    VW_CHECK(*fd >= 0, VW_ERR_IO, "%s: cannot open: %s%s", path, strerror(errno), vw_way_out(errno));
    err = fstat(*fd, &info) == 0 ? 0 : errno;
    if (!err && S_ISREG(info.st_mode) && info.st_nlink == 1) return VW_OK;
    (void)close(*fd);
    *fd = -1;
    VW_CHECK(!err, VW_ERR_IO, "%s: cannot open: %s", path, strerror(err));
  }
  return VW_RAISE(VW_ERR_INPUT, "%s: %s; a log is appended to a file with one name only: remove what is there", path,
                  S_ISREG(info.st_mode) ? "a file with a second name (hard link)" : vw_file_kind(info.st_mode));
}

vw_status vw_file_patch(const char *path, int64_t offset, const void *data, int64_t bytes) {
  struct stat info;
  VW_TRY(ask_guards(path));
  const int fd = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  VW_CHECK(fd >= 0, errno == ELOOP ? VW_ERR_INPUT : VW_ERR_IO, "%s: cannot open: %s%s", path, strerror(errno),
           vw_way_out(errno));
  const bool is_own = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1;
  const bool fits = is_own && offset >= 0 && bytes <= info.st_size && offset <= info.st_size - bytes;
  const ssize_t n = fits ? pwrite(fd, data, (size_t)bytes, (off_t)offset) : 0;
  const int err = errno;
  (void)close(fd);
  VW_CHECK(fits, VW_ERR_INPUT, "%s: not the file that this run made", path);
  VW_CHECK(n == (ssize_t)bytes, VW_ERR_IO, "%s: cannot write: %s", path, n < 0 ? strerror(err) : "only a part");
  return VW_OK;
}

vw_status vw_file_remove(const char *path) {
  char away[VW_PATH_BYTES];
  VW_TRY(vw_path_format(away, "%s%s", path, away_name));
  VW_TRY(ask_guards(path));
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
  const int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
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
  const int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
  VW_CHECK(fd >= 0, VW_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
  const int err = fstat(fd, &info) == 0 && ftruncate(fd, info.st_size) == 0 ? 0 : errno;
  (void)close(fd);
  VW_CHECK(!err, VW_ERR_IO, "%s: cannot truncate: %s", path, strerror(err));
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

vw_status vw_file_find_plain(const char *path, bool *found) {
  struct stat info;
  VW_TRY(vw_file_find(path, found));
  if (*found || lstat(path, &info) != 0) return VW_OK;
  if (S_ISLNK(info.st_mode) && stat(path, &info) != 0 && errno == ENOENT) return VW_OK; /* renaming replaces it */
  return VW_RAISE(VW_ERR_INPUT, "%s: %s; expected a file, or none: remove what is there", path,
                  vw_file_kind(info.st_mode));
}

vw_status vw_file_link(const char *from, const char *to) {
  char *data = NULL;
  int64_t bytes = 0;
  if (link(from, to) == 0) return VW_OK;
  VW_CHECK(errno != EEXIST && errno != ENOENT, VW_ERR_IO, "%s: cannot make it: %s", to, strerror(errno));
  VW_TRY(vw_file_read(from, &data, &bytes));
  const vw_status st = vw_file_write(to, data, bytes);
  free(data);
  return st;
}

/* ---- reading ---- */

/* Up to `want` bytes; short only at the end of the file. */
static vw_status read_some(int fd, const char *path, char *data, int64_t want, int64_t *got) {
  for (*got = 0; *got < want;) {
    const ssize_t n = read(fd, data + *got, (size_t)(want - *got));
    if (n < 0 && errno == EINTR) continue;
    VW_CHECK(n >= 0, VW_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
    if (n == 0) break;
    vw_pulse();
    *got += n;
  }
  return VW_OK;
}

vw_status vw_file_hash(const char *path, vw_hash *hash, int64_t *bytes) {
  vw_status st = VW_OK;
  int64_t got = 0;
  int fd = -1;
  VW_TRY(vw_foreign_open(path, &fd, NULL));
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
  int fd = -1;
  *data = NULL;
  VW_TRY(vw_foreign_open(path, &fd, &info));
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

vw_status vw_file_read_lines(const char *path, char **text) {
  static const char mark[] = "\xef\xbb\xbf";
  int64_t bytes = 0;
  VW_TRY(vw_file_read(path, text, &bytes));
  if (memchr(*text, 0, (size_t)bytes)) {
    free(*text), *text = NULL;
    return VW_RAISE(VW_ERR_INPUT, "%s: a 0 byte; expected UTF-8 text", path);
  }
  if (!strncmp(*text, mark, 3)) memmove(*text, *text + 3, (size_t)bytes - 2);
  return VW_OK;
}
