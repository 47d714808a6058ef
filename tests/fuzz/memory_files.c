/* The files of an input, without a file system: what lies below FUZZ_FOLDER is answered from a table of this process.
 * Linked with --wrap, so that readers call these in the place of the system's functions; other paths go through. Writing
 * and reading real files was nine tenths of the time of targets with several of them.
 *
 * Compiled without instrumentation, and compares texts itself: libFuzzer would take the C library's comparisons for the
 * reader's, and look for inputs that are like these paths.
 *
 * Only reading is known. A mapped file is a copy of exactly its bytes: reading behind its end is seen, which a page of a
 * real mapping hides. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FILES = 32, MOST_OPEN = 16, MOST_FOLDERS = 8, NAME_BYTES = 128, FIRST_FD = 1 << 20, ALIGNMENT = 64 };
static const char root[] = FUZZ_FOLDER;

static struct file {
  char path[NAME_BYTES];
  uint8_t *data;
  size_t size;
  bool is_there;
} files[MOST_FILES];

static struct {
  const struct file *file; /* NULL: closed */
  size_t at;
} opened[MOST_OPEN];

static struct folder {
  char path[NAME_BYTES];
  int next; /* file to look at */
  bool is_open;
  struct dirent entry;
} folders[MOST_FOLDERS];

static void *mapped[MOST_OPEN];

int __real_open(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *data, size_t n);
ssize_t __real_pread(int fd, void *data, size_t n, off_t at);
int __real_close(int fd);
int __real_fstat(int fd, struct stat *info);
int __real_stat(const char *path, struct stat *info);
int __real_lstat(const char *path, struct stat *info);
int __real_access(const char *path, int mode);
DIR *__real_opendir(const char *path);
struct dirent *__real_readdir(DIR *dir);
int __real_closedir(DIR *dir);
void *__real_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t n);

int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_read(int fd, void *data, size_t n);
ssize_t __wrap_pread(int fd, void *data, size_t n, off_t at);
int __wrap_close(int fd);
int __wrap_fstat(int fd, struct stat *info);
int __wrap_stat(const char *path, struct stat *info);
int __wrap_lstat(const char *path, struct stat *info);
int __wrap_access(const char *path, int mode);
DIR *__wrap_opendir(const char *path);
struct dirent *__wrap_readdir(DIR *dir);
int __wrap_closedir(DIR *dir);
void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t n);

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* The end of `start` in `text`; NULL: it does not begin so. */
static const char *behind(const char *text, const char *start) {
  while (*start && *text == *start) text++, start++;
  return *start ? NULL : text;
}

static bool is_same(const char *a, const char *b) {
  const char *end = behind(a, b);
  return end && !*end;
}

static bool is_ours(const char *path) {
  const char *end = behind(path, root);
  return end && (*end == '/' || !*end);
}

static struct file *find(const char *path) {
  for (int i = 0; i < MOST_FILES; i++)
    if (files[i].is_there && is_same(files[i].path, path)) return &files[i];
  return NULL;
}

/* "a/b/c" below "a": what follows the slash; NULL: it is not below. */
static const char *below(const char *folder, const char *path) {
  const char *end = behind(path, folder);
  return end && *end == '/' ? end + 1 : NULL;
}

static bool is_folder(const char *path) {
  if (is_same(path, root)) return true;
  for (int i = 0; i < MOST_FILES; i++)
    if (files[i].is_there && below(path, files[i].path)) return true;
  return false;
}

const char *fuzz_folder(void) {
  return root;
}

const char *fuzz_file(const char *name, const void *data, size_t size) {
  static char path[NAME_BYTES];
  (void)snprintf(path, sizeof path, "%s/%s", root, name);
  struct file *f = find(path);
  for (int i = 0; !f && i < MOST_FILES; i++)
    if (!files[i].is_there) f = &files[i];
  if (!f) abort();
  if (f->size < size || !f->data) {
    free(f->data);
    f->data = malloc(size + 1);
    if (!f->data) abort();
  }
  if (size) memcpy(f->data, data, size);
  f->size = size, f->is_there = true;
  memcpy(f->path, path, sizeof path);
  return path;
}

void fuzz_file_once(const char *name, const char *text) {
  char path[NAME_BYTES];
  (void)snprintf(path, sizeof path, "%s/%s", root, name);
  if (!find(path)) (void)fuzz_file(name, text, strlen(text));
}

void fuzz_forget(const char *name) {
  char path[NAME_BYTES];
  (void)snprintf(path, sizeof path, "%s/%s", root, name);
  struct file *f = find(path);
  if (f) f->is_there = false;
}

void fuzz_copy(const char *name, const char *source) {
  struct stat info;
  const int fd = __real_open(source, O_RDONLY);
  if (fd < 0 || __real_fstat(fd, &info) != 0) abort();
  char *text = malloc((size_t)info.st_size + 1);
  if (!text || __real_read(fd, text, (size_t)info.st_size) != (ssize_t)info.st_size) abort();
  (void)fuzz_file(name, text, (size_t)info.st_size);
  free(text);
  (void)__real_close(fd);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static int describe(const char *path, const struct file *f, struct stat *info) {
  memset(info, 0, sizeof *info);
  info->st_nlink = 1;
  if (f) {
    info->st_mode = S_IFREG | 0600, info->st_size = (off_t)f->size;
    info->st_ino = (ino_t)(f - files + 1);
    return 0;
  }
  if (is_folder(path)) return info->st_mode = S_IFDIR | 0700, 0;
  errno = ENOENT;
  return -1;
}

static bool is_fake(int fd) {
  return fd >= FIRST_FD && fd < FIRST_FD + MOST_OPEN && opened[fd - FIRST_FD].file;
}

int __wrap_open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (!is_ours(path)) return __real_open(path, flags, mode);
  const struct file *f = find(path);
  if (!f || (flags & O_ACCMODE) != O_RDONLY) return errno = f ? EACCES : ENOENT, -1;
  for (int i = 0; i < MOST_OPEN; i++) {
    if (opened[i].file) continue;
    opened[i].file = f, opened[i].at = 0;
    return FIRST_FD + i;
  }
  abort(); /* a reader that forgets to close */
}

ssize_t __wrap_pread(int fd, void *data, size_t n, off_t at) {
  if (!is_fake(fd)) return __real_pread(fd, data, n, at);
  const struct file *f = opened[fd - FIRST_FD].file;
  const size_t rest = (size_t)at < f->size ? f->size - (size_t)at : 0, got = n < rest ? n : rest;
  if (got) memcpy(data, f->data + at, got);
  return (ssize_t)got;
}

ssize_t __wrap_read(int fd, void *data, size_t n) {
  if (!is_fake(fd)) return __real_read(fd, data, n);
  const ssize_t got = __wrap_pread(fd, data, n, (off_t)opened[fd - FIRST_FD].at);
  opened[fd - FIRST_FD].at += (size_t)got;
  return got;
}

int __wrap_close(int fd) {
  if (!is_fake(fd)) return __real_close(fd);
  opened[fd - FIRST_FD].file = NULL;
  return 0;
}

int __wrap_fstat(int fd, struct stat *info) {
  return is_fake(fd) ? describe("", opened[fd - FIRST_FD].file, info) : __real_fstat(fd, info);
}

int __wrap_stat(const char *path, struct stat *info) {
  return is_ours(path) ? describe(path, find(path), info) : __real_stat(path, info);
}

int __wrap_lstat(const char *path, struct stat *info) {
  return is_ours(path) ? describe(path, find(path), info) : __real_lstat(path, info);
}

int __wrap_access(const char *path, int mode) {
  if (!is_ours(path)) return __real_access(path, mode);
  if (find(path) || is_folder(path)) return 0;
  errno = ENOENT;
  return -1;
}

/* ---- mappings ---------------------------------------------------------------------------------------------------- */

void *__wrap_mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset) {
  if (!is_fake(fd)) return __real_mmap(at, n, protection, flags, fd, offset);
  for (int i = 0; i < MOST_OPEN; i++) {
    if (mapped[i]) continue;
    const size_t room = n + (ALIGNMENT - n % ALIGNMENT) % ALIGNMENT;
    if (posix_memalign(&mapped[i], ALIGNMENT, n ? n : room) != 0) return mapped[i] = NULL, errno = ENOMEM, MAP_FAILED;
    (void)__wrap_pread(fd, mapped[i], n, offset);
    return mapped[i];
  }
  abort(); /* a reader that forgets to unmap */
}

int __wrap_munmap(void *at, size_t n) {
  for (int i = 0; at && i < MOST_OPEN; i++) {
    if (mapped[i] != at) continue;
    free(at);
    mapped[i] = NULL;
    return 0;
  }
  return __real_munmap(at, n);
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static struct folder *fake_folder(const void *dir) {
  for (int i = 0; i < MOST_FOLDERS; i++)
    if (dir == &folders[i]) return &folders[i];
  return NULL;
}

DIR *__wrap_opendir(const char *path) {
  if (!is_ours(path)) return __real_opendir(path);
  if (!is_folder(path)) return errno = find(path) ? ENOTDIR : ENOENT, NULL;
  for (int i = 0; i < MOST_FOLDERS; i++) {
    if (folders[i].is_open) continue;
    folders[i] = (struct folder){.is_open = true};
    (void)snprintf(folders[i].path, sizeof folders[i].path, "%s", path);
    return (DIR *)&folders[i];
  }
  abort(); /* a reader that forgets to close */
}

/* Has an earlier file shown the same name? */
static bool was_shown(const struct folder *d, const char *name) {
  for (int i = 0; i < d->next; i++) {
    const char *rest = files[i].is_there ? below(d->path, files[i].path) : NULL;
    rest = rest ? behind(rest, name) : NULL;
    if (rest && (*rest == '/' || !*rest)) return true;
  }
  return false;
}

struct dirent *__wrap_readdir(DIR *dir) {
  struct folder *d = fake_folder(dir);
  if (!d) return __real_readdir(dir);
  for (; d->next < MOST_FILES; d->next++) {
    const char *rest = files[d->next].is_there ? below(d->path, files[d->next].path) : NULL;
    size_t n = 0;
    for (; rest && rest[n] && rest[n] != '/'; n++) d->entry.d_name[n] = rest[n];
    d->entry.d_name[n] = 0, d->entry.d_type = n && rest[n] ? DT_DIR : DT_REG;
    if (!n || was_shown(d, d->entry.d_name)) continue;
    d->next++;
    return &d->entry;
  }
  return NULL;
}

int __wrap_closedir(DIR *dir) {
  struct folder *d = fake_folder(dir);
  if (!d) return __real_closedir(dir);
  d->is_open = false;
  return 0;
}
