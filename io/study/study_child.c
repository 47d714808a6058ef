/* The child of the reader of study.h5: whatever HDF5 does to it, the parent only sees a socket end. */
#include "io/study/study_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/fault.h"
#include "io/study/hdf.h"

typedef struct data_set {
  vw_study_listed listed;
  char *text[VW_STUDY_TEXTS]; /* owned; NULL: none */
} data_set;

typedef struct list {
  const char *path;
  hid_t file;
  data_set *set;
  int64_t n, room;
  vw_status st; /* of the walk */
} list;

/* ---- both sides' transfers ---- */

bool vw_study_send(int socket, const void *data, int64_t bytes) {
  for (int64_t at = 0; at < bytes;) {
    const ssize_t n = send(socket, (const char *)data + at, (size_t)(bytes - at), MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) at += n;
  }
  return true;
}

/* Something to receive, or the end, within so many seconds since the last byte. */
static bool wait_for(int socket, int seconds) {
  struct pollfd p = {.fd = socket, .events = POLLIN};
  int n;
  do n = poll(&p, 1, seconds ? 1000 * seconds : -1);
  while (n < 0 && errno == EINTR);
  return n != 0;
}

bool vw_study_receive(int socket, void *data, int64_t bytes, int seconds, bool *is_late) {
  *is_late = false;
  for (int64_t at = 0; at < bytes;) {
    if (!wait_for(socket, seconds)) return *is_late = true, false;
    const ssize_t n = recv(socket, (char *)data + at, (size_t)(bytes - at), 0);
    if (n == 0 || (n < 0 && errno != EINTR)) return false;
    if (n > 0) at += n;
  }
  return true;
}

/* ---- listing ---- */

/* An attribute of one fixed-length text, malloc'ed; NULL when there is none. */
static char *attribute(hid_t set, const char *name) {
  char *text = NULL;
  if (H5Aexists(set, name) <= 0) return NULL;
  const hid_t a = H5Aopen(set, name, H5P_DEFAULT), type = a < 0 ? -1 : H5Aget_type(a);
  const hid_t space = a < 0 ? -1 : H5Aget_space(a);
  if (type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
      H5Sget_simple_extent_npoints(space) == 1)
    text = calloc(1, H5Tget_size(type) + 1);
  if (text && H5Aread(a, type, text) < 0) free(text), text = NULL;
  if (space >= 0) (void)H5Sclose(space);
  if (type >= 0) (void)H5Tclose(type);
  if (a >= 0) (void)H5Aclose(a);
  return text;
}

static vw_status describe(const list *l, hid_t set, const char *name, vw_study_listed *d) {
  hsize_t dim[H5S_MAX_RANK];
  vw_dtype dtype = VW_U8;
  const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  const bool known = type >= 0 && vw_hdf_type_known(type, &dtype, &d->text_bytes);
  d->dtype = dtype, d->ndim = space < 0 ? -1 : H5Sget_simple_extent_dims(space, dim, NULL);
  for (int64_t i = 0; i < d->ndim && i < VW_MAX_DIMS; i++) d->dim[i] = (int64_t)dim[i];
  if (type >= 0) (void)H5Tclose(type);
  if (space >= 0) (void)H5Sclose(space);
  VW_CHECK(known && d->ndim >= 0 && d->ndim <= VW_MAX_DIMS, VW_ERR_INPUT,
           "%s: data set %s has a type or a number of dimensions that study files do not have", l->path, name);
  return VW_OK;
}

static vw_status add(list *l, hid_t set, const char *name) {
  if (l->n == l->room) {
    const int64_t room = l->room ? 2 * l->room : 64;
    data_set *more = realloc(l->set, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "%s: out of memory", l->path);
    l->set = more, l->room = room;
  }
  data_set *d = &l->set[l->n];
  *d = (data_set){0};
  VW_TRY(describe(l, set, name, &d->listed));
  d->text[VW_STUDY_PATH] = malloc(strlen(name) + 2);
  VW_CHECK(d->text[VW_STUDY_PATH], VW_ERR_MEMORY, "%s: out of memory", l->path);
  (void)sprintf(d->text[VW_STUDY_PATH], "/%s", name);
  d->text[VW_STUDY_UNITS] = attribute(set, "units"), d->text[VW_STUDY_DESCRIPTION] = attribute(set, "description");
  for (int i = 0; i < VW_STUDY_TEXTS; i++) d->listed.text[i] = d->text[i] ? (int64_t)strlen(d->text[i]) : -1;
  l->n++;
  return VW_OK;
}

/* HDF5 1.12 gave the visitor another struct. Both names are the library's own, whatever API version it is configured
 * for. */
#if H5_VERSION_GE(1, 12, 0)
typedef H5O_info2_t object_info;
#define visit_objects H5Ovisit3
#else
typedef H5O_info_t object_info;
#define visit_objects H5Ovisit2
#endif

static herr_t visit(hid_t file, const char *name, const object_info *info, void *argument) {
  list *l = argument;
  if (info->type != H5O_TYPE_DATASET) return 0;
  const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  l->st = set < 0 ? vw_hdf_raise(VW_ERR_INPUT, __FILE__, __LINE__, name, "cannot open") : add(l, set, name);
  if (set >= 0) (void)H5Dclose(set);
  return l->st == VW_OK ? 0 : -1;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const data_set *)a)->text[VW_STUDY_PATH], ((const data_set *)b)->text[VW_STUDY_PATH]);
}

static vw_status make_list(list *l) {
  vw_hdf_quiet();
  (void)H5PLset_loading_state(0); /* study files use built-in filters only */
  VW_TRY(vw_fault("reading", l->path));
  VW_HDF(l->file = H5Fopen(l->path, H5F_ACC_RDONLY, H5P_DEFAULT), l->path, "cannot open");
  if (visit_objects(l->file, H5_INDEX_NAME, H5_ITER_INC, visit, l, H5O_INFO_BASIC) < 0)
    return l->st != VW_OK ? l->st : vw_hdf_raise(VW_ERR_INPUT, __FILE__, __LINE__, l->path, "cannot list");
  if (l->n) qsort(l->set, (size_t)l->n, sizeof *l->set, by_path);
  return VW_OK;
}

/* ---- reading ---- */

/* The whole data set, malloc'ed, *bytes long. */
static vw_status read_values(const list *l, const data_set *d, void **values, int64_t *bytes) {
  const char *path = d->text[VW_STUDY_PATH];
  vw_status st = VW_OK;
  hid_t set = -1, type = -1;
  bool is_large = false;
  VW_HDF_GOTO(set = H5Dopen2(l->file, path, H5P_DEFAULT), path, "cannot open");
  VW_HDF_GOTO(type = H5Dget_type(set), path, "type");
  *bytes = (int64_t)H5Tget_size(type);
  for (int64_t i = 0; i < d->listed.ndim; i++) is_large |= __builtin_mul_overflow(*bytes, d->listed.dim[i], bytes);
  if (is_large || *bytes < 0) VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: %s is too large", l->path, path));
  if (!(*values = calloc(1, (size_t)*bytes + 1)))
    VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: %s: out of memory for %lld bytes", l->path, path, (long long)*bytes));
  if (*bytes) VW_HDF_GOTO(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *values), path, "cannot read");
cleanup:
  if (type >= 0) (void)H5Tclose(type);
  if (set >= 0) (void)H5Dclose(set);
  return st;
}

/* ---- answers ---- */

static bool send_reply(int socket, vw_status st, int64_t n) {
  const char *message = vw_error_message();
  const vw_study_reply reply = {st, st == VW_OK ? n : (int64_t)strlen(message)};
  return vw_study_send(socket, &reply, sizeof reply) && (st == VW_OK || vw_study_send(socket, message, reply.n));
}

static bool send_list(int socket, const list *l) {
  bool ok = send_reply(socket, VW_OK, l->n);
  for (int64_t i = 0; ok && i < l->n; i++) {
    const data_set *d = &l->set[i];
    ok = vw_study_send(socket, &d->listed, sizeof d->listed);
    for (int t = 0; ok && t < VW_STUDY_TEXTS; t++) ok = vw_study_send(socket, d->text[t], d->listed.text[t]);
  }
  return ok;
}

static bool answer(int socket, const list *l, int64_t index) {
  void *values = NULL;
  int64_t bytes = 0;
  const vw_status st = index >= 0 && index < l->n ? read_values(l, &l->set[index], &values, &bytes)
                                                  : VW_RAISE(VW_ERR_ARG, "%s: no such data set", l->path);
  const bool ok = send_reply(socket, st, bytes) && (st != VW_OK || vw_study_send(socket, values, bytes));
  free(values);
  return ok;
}

/* 4 GiB and 64 times the file more than this process has. */
static void limit_memory(const char *path) {
#ifndef __SANITIZE_ADDRESS__ /* it maps terabytes */
  struct stat info = {0};
  long long pages = 0;
  (void)stat(path, &info);
  FILE *f = fopen("/proc/self/statm", "re");
  if (f && fscanf(f, "%lld", &pages) != 1) pages = 0;
  if (f) (void)fclose(f);
  const rlim_t most = (rlim_t)(pages * sysconf(_SC_PAGESIZE) + (INT64_C(4) << 30) + 64 * info.st_size);
  (void)setrlimit(RLIMIT_AS, &(struct rlimit){most, most});
#else
  (void)path;
#endif
}

/* A crash ends the child silently, whatever the parent does on such signals; so do too much memory or time. */
static void set_limits(const char *path, int seconds) {
  static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU, SIGINT, SIGTERM};
  sigset_t none;
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) (void)signal(fatal[i], SIG_DFL);
  (void)sigemptyset(&none), (void)sigprocmask(SIG_SETMASK, &none, NULL);
  if (nowhere >= 0) (void)dup2(nowhere, STDERR_FILENO); /* the C library's last words */
  (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  (void)setrlimit(RLIMIT_CPU, &(struct rlimit){10 * (rlim_t)seconds, 10 * (rlim_t)seconds});
  limit_memory(path);
}

_Noreturn void vw_study_child(const char *path, int socket, int seconds) {
  list l = {.path = path, .file = -1};
  int64_t index = 0;
  bool is_late = false;
  set_limits(path, seconds);
  vw_error_clear();
  const vw_status st = make_list(&l);
  bool ok = st == VW_OK ? send_list(socket, &l) : send_reply(socket, st, 0);
  while (ok && st == VW_OK && vw_study_receive(socket, &index, sizeof index, 0, &is_late))
    ok = answer(socket, &l, index);
  vw_fault_exit(0); /* the system takes back file and memory: closing a hostile file is one more risk */
}
