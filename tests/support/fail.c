#include "tests/support/fail.h"

#include "core/hash.h"
#include "core/pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { MOST_PLACES = 100000 };

static struct {
  int kind, err;
  int64_t nth, seen;
  bool all, happened;
} asked;

/* Counts a call; true when it is to fail, with errno set. */
static bool is_due(fail_kind kind) {
  if (!(asked.kind & (int)kind)) return false;
  asked.seen++;
  if (asked.seen < asked.nth || (asked.seen > asked.nth && !asked.all)) return false;
  asked.happened = true;
  errno = asked.err;
  return true;
}

/* ---- what the linker puts in the place of each function ---- */

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
#define DECLARE(type, name, parameters)                                                                                \
  type __real_##name parameters;                                                                                       \
  type __wrap_##name parameters
#define WRAP(kind, type, name, parameters, arguments, failed)                                                          \
  DECLARE(type, name, parameters);                                                                                     \
  type __wrap_##name parameters {                                                                                      \
    return is_due(kind) ? (failed) : __real_##name arguments;                                                          \
  }

WRAP(FAIL_MEMORY, void *, malloc, (size_t n), (n), NULL)
WRAP(FAIL_MEMORY, void *, calloc, (size_t n, size_t size), (n, size), NULL)
WRAP(FAIL_MEMORY, void *, realloc, (void *p, size_t n), (p, n), NULL)
WRAP(FAIL_MEMORY, void *, aligned_alloc, (size_t align, size_t n), (align, n), NULL)
WRAP(FAIL_MEMORY, char *, strdup, (const char *text), (text), NULL)
WRAP(FAIL_MEMORY, FILE *, open_memstream, (char **text, size_t *n), (text, n), NULL)
WRAP(FAIL_MEMORY, vw_hasher *, vw_hasher_create, (void), (), NULL)
/* a pool has memory for thousands of texts before it asks for more */
WRAP(FAIL_MEMORY, void *, vw_pool_take, (vw_pool * pool, size_t n), (pool, n), NULL)
WRAP(FAIL_MEMORY, char *, vw_pool_text, (vw_pool * pool, const char *text, ptrdiff_t n), (pool, text, n), NULL)
WRAP(FAIL_MEMORY, int, yaml_parser_initialize, (void *p), (p), 0)
WRAP(FAIL_MEMORY, int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*start)(void *), void *argument),
     (t, a, start, argument), EAGAIN)

/* A stream into memory has no descriptor. */
static fail_kind kind_of(FILE *f) {
  return fileno(f) < 0 ? FAIL_MEMORY : FAIL_IO;
}

WRAP(FAIL_IO, int, fsync, (int fd), (fd), -1)
WRAP(FAIL_IO, int, rename, (const char *from, const char *to), (from, to), -1)
WRAP(FAIL_IO, int, link, (const char *from, const char *to), (from, to), -1)
WRAP(FAIL_IO, int, unlink, (const char *path), (path), -1)
WRAP(FAIL_IO, int, mkdir, (const char *path, mode_t mode), (path, mode), -1)
WRAP(FAIL_IO, int, stat, (const char *path, struct stat *info), (path, info), -1)
WRAP(FAIL_IO, int, fstat, (int fd, struct stat *info), (fd, info), -1)
WRAP(FAIL_IO, int, statvfs, (const char *path, struct statvfs *info), (path, info), -1)
WRAP(FAIL_IO, int, lstat, (const char *path, struct stat *info), (path, info), -1)
WRAP(FAIL_IO, int, ftruncate, (int fd, off_t n), (fd, n), -1)
WRAP(FAIL_IO, int, fallocate, (int fd, int mode, off_t from, off_t n), (fd, mode, from, n), -1)
WRAP(FAIL_IO, int, flock, (int fd, int how), (fd, how), -1)
WRAP(FAIL_IO, int, dup, (int fd), (fd), -1)
WRAP(FAIL_IO, void *, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t at), (p, n, prot, flags, fd, at),
     MAP_FAILED)
WRAP(FAIL_IO, ssize_t, getrandom, (void *p, size_t n, unsigned flags), (p, n, flags), -1)
WRAP(FAIL_IO, DIR *, opendir, (const char *path), (path), NULL)
WRAP(FAIL_IO, FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)
WRAP(kind_of(f), int, fflush, (FILE * f), (f), EOF)

DECLARE(int, open, (const char *path, int flags, ...));
int __wrap_open(const char *path, int flags, ...) {
  va_list ap;
  va_start(ap, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
  va_end(ap);
  return is_due(FAIL_IO) ? -1 : __real_open(path, flags, mode);
}

/* What the compiler makes of some calls of fprintf, too. The stream remembers the failure, as it does itself. */
DECLARE(size_t, fwrite, (const void *p, size_t size, size_t n, FILE *f));
size_t __wrap_fwrite(const void *p, size_t size, size_t n, FILE *f) {
  if (!is_due(kind_of(f))) return __real_fwrite(p, size, n, f);
  f->_flags |= _IO_ERR_SEEN;
  return 0;
}

/* A failed close has closed. */
DECLARE(int, close, (int fd));
int __wrap_close(int fd) {
  const int code = __real_close(fd);
  return is_due(FAIL_IO) ? -1 : code;
}

DECLARE(int, fclose, (FILE * f));
int __wrap_fclose(FILE *f) {
  const fail_kind kind = kind_of(f);
  const int code = __real_fclose(f);
  return is_due(kind) ? EOF : code;
}

static bool is_transfer_due(bool *is_short) {
  const bool due = is_due(FAIL_IO) || is_due(FAIL_TRANSFER);
  *is_short = due && asked.err == 0;
  return due && asked.err != 0;
}

DECLARE(ssize_t, read, (int fd, void *p, size_t n));
ssize_t __wrap_read(int fd, void *p, size_t n) {
  bool is_short;
  return is_transfer_due(&is_short) ? -1 : __real_read(fd, p, is_short ? (n + 1) / 2 : n);
}

DECLARE(ssize_t, write, (int fd, const void *p, size_t n));
ssize_t __wrap_write(int fd, const void *p, size_t n) {
  bool is_short;
  return is_transfer_due(&is_short) ? -1 : __real_write(fd, p, is_short ? (n + 1) / 2 : n);
}

/* libyaml's types stay behind io: the first member of a parser says what went wrong. */
DECLARE(int, yaml_parser_load, (void *parser, void *document));
int __wrap_yaml_parser_load(void *parser, void *document) {
  enum { YAML_MEMORY_ERROR = 1 };
  if (!is_due(FAIL_MEMORY)) return __real_yaml_parser_load(parser, document);
  *(int *)parser = YAML_MEMORY_ERROR;
  return 0;
}

/* ---- on request ---- */

void fail_at(fail_kind kind, int64_t nth, int err, bool all) {
  asked.kind = (int)kind, asked.nth = nth, asked.err = err, asked.all = all;
  asked.seen = 0, asked.happened = false;
}
/* NOLINTEND(bugprone-reserved-identifier) */

bool fail_off(void) {
  asked.kind = 0;
  return asked.happened;
}

static int64_t open_files(void) {
  int64_t n = 0;
  DIR *d = opendir("/proc/self/fd");
  assert_non_null(d);
  while (readdir(d)) n++;
  assert_int_equal(closedir(d), 0);
  return n;
}

static void check_status(const fail_case *c, fail_kind kind, int64_t nth, vw_status st) {
  const char *message = vw_error_message();
  if (st == VW_OK) return;
  if (st != (kind == FAIL_MEMORY ? VW_ERR_MEMORY : VW_ERR_IO))
    fail_msg("%s, failure %lld: status '%s': %s\n%s", c->what, (long long)nth, vw_status_name(st), message,
             vw_error_trail());
  if (!message[0] || strchr(message, '\n')) fail_msg("%s, failure %lld: '%s'", c->what, (long long)nth, message);
}

static int64_t each(const fail_case *c, fail_kind kind, int err, bool all) {
  for (int64_t nth = 1; nth < MOST_PLACES; nth++) {
    if (c->prepare) c->prepare();
    vw_error_clear();
    const int64_t before = open_files();
    fail_at(kind, nth, err, all);
    const vw_status st = c->run();
    const bool happened = fail_off();
    check_status(c, kind, nth, st);
    if (!happened && st != VW_OK) fail_msg("%s: nothing failed, but: %s", c->what, vw_error_message());
    c->check(st);
    const int64_t after = open_files();
    if (after != before)
      fail_msg("%s, failure %lld: %lld files stay open", c->what, (long long)nth, (long long)(after - before));
    if (!happened) return nth - 1;
  }
  fail_msg("%s: no end", c->what);
  return 0;
}

int64_t fail_each(const fail_case *c, fail_kind kind, int err) {
  const int64_t n = each(c, kind, err, false), m = each(c, kind, err, true);
  print_message("%s: %lld places, %lld with all that follow\n", c->what, (long long)n, (long long)m);
  assert_true(n >= 1 && m >= 1);
  return n;
}
