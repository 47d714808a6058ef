/* The transport from device to device, by NCCL. The library is opened by name when a transport first asks for it, so a
 * program starts without it and without a driver. Communicators are non-blocking: every call is followed by polling, so
 * that a peer that does not come is an error after the transport's timeout, and what hangs on the device is aborted.
 *
 * Never run on a GPU so far; tests/learn/fake_nccl.c stands in for the library. */
#include "cluster/nccl.h"

#include "cluster/transport_internal.h"

#ifdef VW_WITH_NCCL

#include <dlfcn.h>
#include <inttypes.h>
#include <nccl.h> /* brings the CUDA runtime's types and cudaStreamQuery */
#include <stdlib.h>
#include <string.h>

#include "cluster/progress.h"

enum { OLDEST = 21400, ERROR_BYTES = 512 }; /* 2.14 has non-blocking communicators */

#define FUNCTIONS(X)                                                                                                   \
  X(GetVersion)                                                                                                        \
  X(GetUniqueId)                                                                                                       \
  X(GetErrorString)                                                                                                    \
  X(GetLastError)                                                                                                      \
  X(CommInitRankConfig)                                                                                                \
  X(CommGetAsyncError)                                                                                                 \
  X(CommFinalize)                                                                                                      \
  X(CommDestroy)                                                                                                       \
  X(CommAbort)                                                                                                         \
  X(Broadcast)                                                                                                         \
  X(Send)                                                                                                              \
  X(Recv)                                                                                                              \
  X(GroupStart)                                                                                                        \
  X(GroupEnd)

/* The functions of the library, under their names without "nccl". Filled once a process. */
static struct {
#define MEMBER(name) __typeof__(&nccl##name) name;
  FUNCTIONS(MEMBER)
#undef MEMBER
  const char *path; /* what it was opened by */
  int version;      /* 22809 for 2.28.9; 0: not opened */
} nccl;

struct vw_nccl {
  vw_transport *t;
  ncclComm_t comm;
  cudaStream_t stream;
  bool is_aborted;
};

/* ---- the library ------------------------------------------------------------------------------------------------- */

static void version_text(int code, char text[VW_NCCL_TEXT]) {
  (void)snprintf(text, VW_NCCL_TEXT, "%d.%d.%d", code / 10000, code / 100 % 100, code % 100);
}

/* VISWORDS_NCCL_LIBRARY alone where it is set; else as the system finds it; else where it was when this was built. */
static void *open_library(char error[ERROR_BYTES]) {
  const char *chosen = getenv("VISWORDS_NCCL_LIBRARY");
  const char *const names[] = {chosen && *chosen ? chosen : "libnccl.so.2", VW_NCCL_LIBRARY};
  void *library = NULL;
  for (int i = 0; !library && i < (chosen && *chosen ? 1 : 2); i++) {
    library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    nccl.path = names[i];
    if (!library && i == 0) (void)snprintf(error, ERROR_BYTES, "%s", dlerror());
  }
  return library;
}

static vw_status find_functions(void *library) {
  static const struct {
    const char *name;
    void **to;
  } functions[] = {
#define ROW(name) {"nccl" #name, (void **)&nccl.name},
      FUNCTIONS(ROW)
#undef ROW
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    *functions[i].to = dlsym(library, functions[i].name);
    VW_CHECK(*functions[i].to, VW_ERR_UNSUPPORTED,
             "%s has no function %s: too old a version of NCCL, or another library; viswords was built for %d.%d",
             nccl.path, functions[i].name, NCCL_MAJOR, NCCL_MINOR);
  }
  return VW_OK;
}

static vw_status check_version(void) {
  char found[VW_NCCL_TEXT], oldest[VW_NCCL_TEXT];
  const ncclResult_t result = nccl.GetVersion(&nccl.version);
  VW_CHECK(result == ncclSuccess, VW_ERR_UNSUPPORTED, "%s: ncclGetVersion: error %d", nccl.path, (int)result);
  version_text(nccl.version, found), version_text(OLDEST, oldest);
  VW_CHECK(
      nccl.version >= OLDEST && nccl.version / 10000 == NCCL_MAJOR, VW_ERR_UNSUPPORTED,
      "%s is NCCL %s; viswords was built for %d.%d.%d and works with %s and newer of %d.x: install one, name it with "
      "VISWORDS_NCCL_LIBRARY=PATH, or use VISWORDS_TRANSPORT=mpi",
      nccl.path, found, NCCL_MAJOR, NCCL_MINOR, NCCL_PATCH, oldest, NCCL_MAJOR);
  return VW_OK;
}

static vw_status load(void) {
  char error[ERROR_BYTES] = "";
  if (nccl.version) return VW_OK;
  void *library = open_library(error);
  VW_CHECK(library, VW_ERR_UNSUPPORTED,
           "NCCL is missing (%s): install it, name it with VISWORDS_NCCL_LIBRARY=PATH, or use VISWORDS_TRANSPORT=mpi",
           error);
  vw_status st = find_functions(library);
  if (st == VW_OK) st = check_version();
  if (st == VW_OK) return VW_OK;
  nccl.version = 0;
  (void)dlclose(library);
  return st;
}

vw_status vw_nccl_look(vw_nccl_versions *v) {
  *v = (vw_nccl_versions){.is_built = true};
  version_text(NCCL_VERSION_CODE, v->built);
  VW_TRY(load());
  version_text(nccl.version, v->found);
  v->path = nccl.path;
  return VW_OK;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* After any failure: takes back what is enqueued on this rank. The others hear of it from NCCL or by their timeout. */
static vw_status abandon(vw_nccl *n, vw_status st) {
  n->t->is_broken = true;
  if (n->comm && !n->is_aborted) (void)nccl.CommAbort(n->comm);
  n->is_aborted = true;
  return st;
}

static vw_status raise_error(vw_nccl *n, const char *what, ncclResult_t result) {
  const char *detail = nccl.GetLastError(n->comm);
  return VW_RAISE(VW_ERR_COMM, "%s: NCCL: %s%s%s; NCCL_DEBUG=INFO tells more, VISWORDS_TRANSPORT=mpi does without",
                  what, nccl.GetErrorString(result), detail && *detail ? ": " : "", detail ? detail : "");
}

/* Until the communicator has taken up what it was asked: `result` is what the call gave back. */
static vw_status settle(vw_nccl *n, const char *what, ncclResult_t result) {
  const double deadline = vw_transport_deadline(n->t);
  int64_t naps = 0;
  while (result == ncclInProgress) {
    if (vw_seconds() > deadline) return abandon(n, vw_transport_late(n->t, what, -1));
    vw_transport_nap(&naps);
    const ncclResult_t asked = nccl.CommGetAsyncError(n->comm, &result);
    if (asked != ncclSuccess) result = asked;
  }
  return result == ncclSuccess ? VW_OK : abandon(n, raise_error(n, what, result));
}

/* Until the stream has done it. */
static vw_status wait_stream(vw_nccl *n, const char *what) {
  const double deadline = vw_transport_deadline(n->t);
  int64_t naps = 0;
  for (;;) {
    const cudaError_t error = cudaStreamQuery(n->stream);
    ncclResult_t result = ncclSuccess;
    if (error == cudaSuccess) return VW_OK;
    if (error != cudaErrorNotReady)
      return abandon(n, VW_RAISE(VW_ERR_DEVICE, "%s: cudaStreamQuery: %s", what, cudaGetErrorString(error)));
    const ncclResult_t asked = nccl.CommGetAsyncError(n->comm, &result);
    if (asked != ncclSuccess) result = asked;
    if (result != ncclSuccess && result != ncclInProgress) return abandon(n, raise_error(n, what, result));
    if (vw_seconds() > deadline) return abandon(n, vw_transport_late(n->t, what, -1));
    vw_transport_nap(&naps);
  }
}

static vw_status complete(vw_nccl *n, const char *what, ncclResult_t result) {
  VW_TRY(settle(n, what, result));
  return wait_stream(n, what);
}

/* ---- open, close ------------------------------------------------------------------------------------------------- */

static vw_status check_same_version(const vw_transport *t) {
  int64_t ends[2] = {nccl.version, -(int64_t)nccl.version};
  char least[VW_NCCL_TEXT], most[VW_NCCL_TEXT];
  VW_TRY(vw_ranks_reduce(t->ranks, ends, 2, VW_REDUCE_MIN));
  version_text((int)ends[0], least), version_text((int)-ends[1], most);
  VW_CHECK(
      ends[0] == -ends[1], VW_ERR_UNSUPPORTED,
      "ranks have NCCL %s to %s: install one version on all nodes, name it with VISWORDS_NCCL_LIBRARY=PATH, or use "
      "VISWORDS_TRANSPORT=mpi",
      least, most);
  return VW_OK;
}

/* The first rank of each group makes an id and tells the others. */
static vw_status share_id(const vw_transport *t, ncclUniqueId *id) {
  vw_status st = VW_OK;
  if (t->rank == 0) {
    const ncclResult_t result = nccl.GetUniqueId(id);
    if (result != ncclSuccess)
      st = VW_RAISE(VW_ERR_DEVICE, "ncclGetUniqueId: %s (%s)", nccl.GetErrorString(result), nccl.GetLastError(NULL));
  }
  VW_TRY(vw_agree_message(t->ranks, st));
  if (t->comm == MPI_COMM_NULL) return VW_OK;
  return VW_MPI(MPI_Bcast, id, (int)sizeof *id, MPI_BYTE, 0, t->comm);
}

static vw_status create_communicator(vw_nccl *n, ncclUniqueId id) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  return settle(n, "NCCL start", nccl.CommInitRankConfig(&n->comm, n->t->size, id, n->t->rank, &config));
}

static vw_status open_parts(vw_nccl *n) {
  vw_transport *t = n->t;
  ncclUniqueId id;
  char version[VW_NCCL_TEXT];
  memset(&id, 0, sizeof id);
  VW_TRY(vw_agree_message(t->ranks, load()));
  VW_TRY(vw_agree_message(t->ranks, check_same_version(t)));
  VW_TRY(vw_agree_message(t->ranks, share_id(t, &id)));
  VW_TRY(vw_agree_message(t->ranks, create_communicator(n, id)));
  version_text(nccl.version, version);
  (void)snprintf(t->name, sizeof t->name, "NCCL %s", version);
  return VW_OK;
}

vw_status vw_nccl_open(vw_nccl **out, vw_transport *t) {
  vw_nccl *n = calloc(1, sizeof *n);
  *out = NULL;
  vw_status st = vw_agree_message(t->ranks, n ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "NCCL: out of memory"));
  if (st != VW_OK || !n) {
    free(n);
    return st;
  }
  n->t = t, n->stream = (cudaStream_t)t->o.memory.stream;
  st = open_parts(n);
  if (st == VW_OK) {
    *out = n;
  } else {
    t->is_broken = true; /* some ranks may have come further than others: abort, do not wait for them */
    vw_nccl_close(n);
  }
  return st;
}

void vw_nccl_close(vw_nccl *n) {
  if (!n) return;
  if (n->comm && !n->is_aborted) {
    if (!n->t->is_broken && settle(n, "NCCL end", nccl.CommFinalize(n->comm)) == VW_OK)
      (void)nccl.CommDestroy(n->comm);
    else
      (void)abandon(n, VW_OK);
  }
  free(n);
}

/* ---- moving ------------------------------------------------------------------------------------------------------ */

vw_status vw_nccl_broadcast(vw_nccl *n, void *data, int64_t bytes, int root) {
  return complete(n, "broadcast", nccl.Broadcast(data, data, (size_t)bytes, ncclUint8, root, n->comm, n->stream));
}

/* Keeps the first result that is neither success nor "in progress". */
static void keep(ncclResult_t *first, ncclResult_t result) {
  if (*first == ncclSuccess || *first == ncclInProgress) *first = result;
}

/* One message of each rank to the root, all at once. */
static ncclResult_t gather_to_root(vw_nccl *n, char *data, const int64_t *bytes, int root) {
  ncclResult_t first = ncclSuccess;
  if (n->t->rank != root) {
    if (bytes[n->t->rank])
      keep(&first, nccl.Send(data, (size_t)bytes[n->t->rank], ncclUint8, root, n->comm, n->stream));
    return first;
  }
  for (int i = 0; i < n->t->size; data += bytes[i++])
    if (i != root && bytes[i]) keep(&first, nccl.Recv(data, (size_t)bytes[i], ncclUint8, i, n->comm, n->stream));
  return first;
}

static ncclResult_t gather_to_all(vw_nccl *n, char *data, const int64_t *bytes) {
  ncclResult_t first = ncclSuccess;
  for (int i = 0; i < n->t->size; data += bytes[i++])
    if (bytes[i]) keep(&first, nccl.Broadcast(data, data, (size_t)bytes[i], ncclUint8, i, n->comm, n->stream));
  return first;
}

vw_status vw_nccl_gather(vw_nccl *n, void *data, const int64_t *bytes, int root) {
  ncclResult_t first = nccl.GroupStart();
  if (first == ncclSuccess) {
    keep(&first, root == VW_ALL_RANKS ? gather_to_all(n, data, bytes) : gather_to_root(n, data, bytes, root));
    keep(&first, nccl.GroupEnd());
  }
  return complete(n, "gather", first);
}

#else /* built without NCCL */

static const char *const without = "this viswords was built without NCCL: use VISWORDS_TRANSPORT=mpi, or configure "
                                   "where a CUDA toolkit and nccl.h are";

vw_status vw_nccl_look(vw_nccl_versions *v) {
  *v = (vw_nccl_versions){.is_built = false};
  return VW_RAISE(VW_ERR_UNSUPPORTED, "%s", without);
}

vw_status vw_nccl_open(vw_nccl **n, vw_transport *t) {
  (void)t;
  *n = NULL;
  return VW_RAISE(VW_ERR_UNSUPPORTED, "%s", without);
}

void vw_nccl_close(vw_nccl *n) {
  (void)n;
}

vw_status vw_nccl_broadcast(vw_nccl *n, void *data, int64_t bytes, int root) {
  (void)n, (void)data, (void)bytes, (void)root;
  return VW_RAISE(VW_ERR_UNSUPPORTED, "%s", without);
}

vw_status vw_nccl_gather(vw_nccl *n, void *data, const int64_t *bytes, int root) {
  (void)n, (void)data, (void)bytes, (void)root;
  return VW_RAISE(VW_ERR_UNSUPPORTED, "%s", without);
}

#endif
