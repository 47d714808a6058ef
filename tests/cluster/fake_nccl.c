/* Stands in for libnccl where there is no GPU: the functions that src/cluster/nccl.c calls, moving host memory by MPI.
 * It keeps the manner of a non-blocking communicator: "in progress" first, done at a later question. FAKE_NCCL says
 * what goes wrong: old, differs (versions), refuses, never_starts, breaks, hangs.
 *
 * Written from the documented interface; the types below have the layout of the library's own. */
#include <mpi.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, INVALID_USAGE = 5, REMOTE_ERROR = 6, IN_PROGRESS = 7, MOST = 64, JOIN = 4000, DATA = 5000 };

typedef struct unique_id {
  char internal[128]; /* the world rank of its maker, and a number */
} unique_id;

typedef struct communicator {
  int size, rank, world[MOST];
  int polls;  /* answers "in progress" that are left */
  int result; /* what comes after them */
} communicator;

int ncclGetVersion(int *version);
int ncclGetUniqueId(unique_id *id);
const char *ncclGetErrorString(int result);
const char *ncclGetLastError(communicator *c);
int ncclCommInitRankConfig(communicator **out, int size, unique_id id, int rank, void *config);
int ncclCommGetAsyncError(communicator *c, int *result);
int ncclCommFinalize(communicator *c);
int ncclCommDestroy(communicator *c);
int ncclCommAbort(communicator *c);
int ncclBroadcast(const void *from, void *to, size_t n, int type, int root, communicator *c, void *stream);
int ncclSend(const void *from, size_t n, int type, int peer, communicator *c, void *stream);
int ncclRecv(void *to, size_t n, int type, int peer, communicator *c, void *stream);
int ncclGroupStart(void);
int ncclGroupEnd(void);

static int is(const char *what) {
  const char *asked = getenv("FAKE_NCCL");
  return asked && !strcmp(asked, what);
}

static int world_rank(void) {
  int rank = 0;
  (void)MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

int ncclGetVersion(int *version) {
  *version = is("old") ? 21200 : is("differs") && world_rank() ? 22005 : 22809;
  return SUCCESS;
}

int ncclGetUniqueId(unique_id *id) {
  static int made;
  const int words[2] = {world_rank(), made++ % 500};
  memset(id, 0, sizeof *id);
  memcpy(id->internal, words, sizeof words);
  return SUCCESS;
}

const char *ncclGetErrorString(int result) {
  return result == INVALID_USAGE ? "invalid usage" : "remote process exited or there was a network error";
}

const char *ncclGetLastError(communicator *c) {
  return c && c->result == INVALID_USAGE ? "two ranks on one device" : "";
}

/* The maker of the id hears the world ranks of all and tells them. */
static void meet(communicator *c, unique_id id) {
  int words[2];
  memcpy(words, id.internal, sizeof words);
  const int tag = JOIN + words[1], pair[2] = {c->rank, world_rank()};
  if (c->rank) {
    (void)MPI_Send(pair, 2, MPI_INT, words[0], tag, MPI_COMM_WORLD);
    (void)MPI_Recv(c->world, MOST, MPI_INT, words[0], tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    return;
  }
  c->world[0] = pair[1];
  for (int i = 1; i < c->size; i++) {
    int other[2];
    (void)MPI_Recv(other, 2, MPI_INT, MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    c->world[other[0]] = other[1];
  }
  for (int i = 1; i < c->size; i++) (void)MPI_Send(c->world, MOST, MPI_INT, c->world[i], tag, MPI_COMM_WORLD);
}

/* Every call answers so; `polls` questions later it is done. */
static int later(communicator *c, int polls, int result) {
  c->polls = polls, c->result = result;
  return IN_PROGRESS;
}

int ncclCommInitRankConfig(communicator **out, int size, unique_id id, int rank, void *config) {
  communicator *c = calloc(1, sizeof *c);
  const int blocking = ((const int *)config)[4]; /* behind size_t size, unsigned magic, version */
  if (!c || blocking) abort();
  c->size = size, c->rank = rank, *out = c;
  if (is("never_starts")) return later(c, 1 << 30, SUCCESS);
  if (is("refuses")) return later(c, 2, INVALID_USAGE);
  meet(c, id);
  return later(c, 2, SUCCESS);
}

int ncclCommGetAsyncError(communicator *c, int *result) {
  *result = c->polls > 0 ? IN_PROGRESS : c->result;
  c->polls--;
  return SUCCESS;
}

int ncclCommFinalize(communicator *c) {
  return later(c, 1, SUCCESS);
}

int ncclCommDestroy(communicator *c) {
  free(c);
  return SUCCESS;
}

int ncclCommAbort(communicator *c) {
  (void)fprintf(stderr, "fake_nccl: aborted\n");
  free(c);
  return SUCCESS;
}

int ncclSend(const void *from, size_t n, int type, int peer, communicator *c, void *stream) {
  if (type != 1 || !stream) abort(); /* ncclUint8 */
  (void)MPI_Send(from, (int)n, MPI_BYTE, c->world[peer], DATA, MPI_COMM_WORLD);
  return later(c, 1, SUCCESS);
}

int ncclRecv(void *to, size_t n, int type, int peer, communicator *c, void *stream) {
  if (type != 1 || !stream) abort();
  (void)MPI_Recv(to, (int)n, MPI_BYTE, c->world[peer], DATA, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  return later(c, 1, SUCCESS);
}

int ncclBroadcast(const void *from, void *to, size_t n, int type, int root, communicator *c, void *stream) {
  if (is("hangs")) return later(c, 1 << 30, SUCCESS);
  if (is("breaks")) return later(c, 3, REMOTE_ERROR);
  if (c->rank != root) return ncclRecv(to, n, type, root, c, stream);
  for (int i = 0; i < c->size; i++)
    if (i != root) (void)ncclSend(from, n, type, i, c, stream);
  return later(c, 1, SUCCESS);
}

static int depth;

int ncclGroupStart(void) {
  depth++;
  return SUCCESS;
}

int ncclGroupEnd(void) {
  return --depth == 0 ? SUCCESS : INVALID_USAGE;
}
