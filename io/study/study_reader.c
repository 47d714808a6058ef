/* The reader of study.h5: asks a child process, believes nothing it says without a look. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/durable.h"
#include "io/manifest.h"
#include "io/study/study_child.h"

enum { MESSAGE_BYTES = 1024, MOST_TEXT = 65536, LEAST_SECONDS = 30, BYTES_A_SECOND = 10000000 };

struct vw_study_reader {
  char path[VW_PATH_BYTES];
  vw_study_data *data; /* strings owned */
  int64_t n;
  pid_t child;
  int socket;
  int seconds; /* that the child may be silent */
};

/* ---- the child ---- */

static vw_status start_child(vw_study_reader *r) {
  int ends[2];
  VW_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, VW_ERR_IO,
           "%s: cannot start the process that reads it: no socket", r->path);
  r->child = fork();
  if (r->child == 0) {
    (void)close(ends[0]);
    vw_study_child(r->path, ends[1], r->seconds);
  }
  (void)close(ends[1]);
  r->socket = ends[0];
  VW_CHECK(r->child > 0, VW_ERR_IO, "%s: cannot start the process that reads it", r->path);
  return VW_OK;
}

/* How it ended, as waitpid says; 0 when there is none. */
static int end_child(vw_study_reader *r, bool at_once) {
  int how = 0;
  if (r->child > 0) {
    if (at_once) (void)kill(r->child, SIGKILL);
    /* not only closed: the children of other readers hold copies */
    if (r->socket >= 0) (void)shutdown(r->socket, SHUT_RDWR), (void)close(r->socket);
    r->socket = -1;
    while (waitpid(r->child, &how, 0) < 0 && errno == EINTR) {}
    r->child = -1;
  }
  return how;
}

/* Nothing more comes: crashed, or too slow. */
static vw_status stopped(vw_study_reader *r, bool is_late) {
  static const char *const way_out = "make it again with `viswords collect`, or do not trust it";
  const int how = end_child(r, is_late);
  if (is_late)
    return VW_RAISE(VW_ERR_INPUT, "%s: damaged or hostile: the HDF5 library was silent for %d s while reading it; %s",
                    r->path, r->seconds, way_out);
  if (how && WIFSIGNALED(how))
    return VW_RAISE(VW_ERR_INPUT,
                    "%s: damaged or hostile: the HDF5 library stopped with signal %d while reading it; %s", r->path,
                    WTERMSIG(how), way_out);
  return VW_RAISE(VW_ERR_INPUT, "%s: damaged or hostile: the HDF5 library ended the process that read it; %s", r->path,
                  way_out);
}

static vw_status receive(vw_study_reader *r, void *data, int64_t bytes) {
  bool is_late = false;
  if (!vw_study_receive(r->socket, data, bytes, r->seconds, &is_late)) return stopped(r, is_late);
  return VW_OK;
}

static vw_status nonsense(const vw_study_reader *r) {
  return VW_RAISE(VW_ERR_INPUT, "%s: damaged or hostile: what was read of it makes no sense", r->path);
}

/* The head of a reply; a failure of the child becomes ours. */
static vw_status receive_reply(vw_study_reader *r, int64_t *n) {
  vw_study_reply reply;
  char message[MESSAGE_BYTES] = "";
  VW_TRY(receive(r, &reply, sizeof reply));
  *n = reply.n;
  if (reply.n < 0) return nonsense(r);
  if (reply.status == VW_OK) return VW_OK;
  VW_TRY(receive(r, message, reply.n < MESSAGE_BYTES - 1 ? reply.n : MESSAGE_BYTES - 1));
  for (char *p = message; *p; p++) /* names of a hostile file */
    if ((unsigned char)*p < ' ') *p = '?';
  return VW_RAISE(reply.status == VW_ERR_MEMORY || reply.status == VW_ERR_IO ? (vw_status)reply.status : VW_ERR_INPUT,
                  "%s", message);
}

/* ---- the list ---- */

/* One text of `bytes`, malloc'ed; *text NULL where there is none. */
static vw_status receive_text(vw_study_reader *r, int64_t bytes, const char **text) {
  *text = NULL;
  if (bytes < 0) return VW_OK;
  if (bytes > MOST_TEXT) return nonsense(r);
  char *own = calloc(1, (size_t)bytes + 1);
  VW_CHECK(own, VW_ERR_MEMORY, "%s: out of memory", r->path);
  *text = own;
  return receive(r, own, bytes);
}

/* The bytes of all values; -1: they cannot be counted. */
static int64_t bytes_of(const vw_study_data *d) {
  int64_t n = d->text_bytes > 0 ? d->text_bytes : (int64_t)vw_dtype_bytes(d->dtype);
  for (int i = 0; i < d->ndim; i++)
    if (d->dim[i] < 0 || __builtin_mul_overflow(n, d->dim[i], &n)) return -1;
  return n;
}

static vw_status receive_listed(vw_study_reader *r, vw_study_data *d) {
  vw_study_listed in;
  VW_TRY(receive(r, &in, sizeof in));
  if (in.dtype < 0 || in.dtype >= VW_STORAGE_TYPES || in.text_bytes < 0 || in.ndim < 0 || in.ndim > VW_MAX_DIMS ||
      in.text[VW_STUDY_PATH] < 1)
    return nonsense(r);
  d->dtype = (vw_dtype)in.dtype, d->text_bytes = in.text_bytes, d->ndim = (int)in.ndim;
  for (int i = 0; i < d->ndim; i++) d->dim[i] = in.dim[i];
  VW_TRY(receive_text(r, in.text[VW_STUDY_PATH], &d->path));
  VW_TRY(receive_text(r, in.text[VW_STUDY_UNITS], &d->units));
  VW_TRY(receive_text(r, in.text[VW_STUDY_DESCRIPTION], &d->description));
  return bytes_of(d) < 0 ? nonsense(r) : VW_OK;
}

static vw_status receive_list(vw_study_reader *r) {
  int64_t n = 0;
  VW_TRY(receive_reply(r, &n));
  r->data = calloc((size_t)n + 1, sizeof *r->data);
  VW_CHECK(r->data, VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " data sets", r->path, n);
  for (r->n = 0; r->n < n;) VW_TRY(receive_listed(r, &r->data[r->n++]));
  return VW_OK;
}

/* ---- what others call ---- */

vw_status vw_study_reader_open_within(const char *path, int seconds, vw_study_reader **out) {
  vw_status st = VW_OK;
  *out = NULL;
  VW_TRY(vw_manifest_verify(path));
  vw_study_reader *r = calloc(1, sizeof *r);
  VW_CHECK(r, VW_ERR_MEMORY, "%s: out of memory", path);
  r->child = -1, r->socket = -1, r->seconds = seconds;
  VW_GOTO(vw_path_format(r->path, "%s", path));
  VW_GOTO(start_child(r));
  VW_GOTO(receive_list(r));
  *out = r;
cleanup:
  if (st != VW_OK) (void)end_child(r, true), vw_study_reader_close(r);
  return st;
}

vw_status vw_study_reader_open(const char *path, vw_study_reader **reader) {
  struct stat info = {0};
  (void)stat(path, &info); /* what is wrong with it, opening says */
  const int64_t more = info.st_size / BYTES_A_SECOND;
  return vw_study_reader_open_within(path, LEAST_SECONDS + (int)(more < 100000 ? more : 100000), reader);
}

void vw_study_reader_close(vw_study_reader *r) {
  if (!r) return;
  (void)end_child(r, false);
  for (int64_t i = 0; i < r->n; i++)
    free((char *)r->data[i].path), free((char *)r->data[i].units), free((char *)r->data[i].description);
  free(r->data);
  free(r);
}

int64_t vw_study_reader_count(const vw_study_reader *r) {
  return r->n;
}

const vw_study_data *vw_study_reader_data(const vw_study_reader *r, int64_t i) {
  return i >= 0 && i < r->n ? &r->data[i] : NULL;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const vw_study_data *)a)->path, ((const vw_study_data *)b)->path);
}

const vw_study_data *vw_study_reader_find(const vw_study_reader *r, const char *path) {
  const vw_study_data key = {.path = path};
  return r->n ? bsearch(&key, r->data, (size_t)r->n, sizeof key, by_path) : NULL;
}

vw_status vw_study_reader_read(vw_study_reader *r, const char *path, void **values) {
  const vw_study_data *d = vw_study_reader_find(r, path);
  int64_t bytes = 0;
  *values = NULL;
  VW_CHECK(d, VW_ERR_INPUT, "%s: no data set %s in it", r->path, path);
  VW_CHECK(r->child > 0, VW_ERR_INPUT, "%s: %s: reading it failed before", r->path, path);
  const int64_t index = d - r->data;
  if (!vw_study_send(r->socket, &index, sizeof index)) return stopped(r, false);
  VW_TRY(receive_reply(r, &bytes));
  if (bytes != bytes_of(d)) return nonsense(r);
  char *own = calloc(1, (size_t)bytes + 1);
  vw_status st = own ? receive(r, own, bytes) : VW_RAISE(VW_ERR_MEMORY, "%s: %s: out of memory", r->path, path);
  if (st != VW_OK) {
    (void)end_child(r, true); /* what it still sends would be taken for the next answer */
    free(own);
    return st;
  }
  *values = own;
  return VW_OK;
}
