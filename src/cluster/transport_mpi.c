/* The transport over MPI: pieces of a broadcast or of a message between two ranks, two under way at a time. */
#include <stdlib.h>

#include "cluster/progress.h"
#include "cluster/transport_internal.h"

enum { TAG = 1 };

typedef enum move_how { BROADCAST, SEND, RECEIVE } move_how;

typedef struct move {
  move_how how;
  int peer; /* the root of a broadcast; the other end of a message */
  char *data;
  int64_t bytes;
} move;

/* ---- open, close ------------------------------------------------------------------------------------------------- */

static vw_status allocate_stage(const vw_transport *t, void **out) {
  const vw_transport_memory *m = &t->o.memory;
  const size_t bytes = (size_t)t->o.piece;
  if (m->allocate_host) return m->allocate_host(m->user, bytes, out);
  *out = malloc(bytes);
  VW_CHECK(*out, VW_ERR_MEMORY, "transport: out of memory for a piece of %zu bytes", bytes);
  return VW_OK;
}

vw_status vw_transport_mpi_open(vw_transport *t) {
  for (int i = 0; t->o.memory.to_host && t->size > 1 && i < 2; i++) VW_TRY(allocate_stage(t, &t->stage[i]));
  return VW_OK;
}

/* What MPI may still write to or read from stays: the process is about to end. */
void vw_transport_mpi_close(vw_transport *t) {
  const vw_transport_memory *m = &t->o.memory;
  int is_idle = 1;
  if (t->comm != MPI_COMM_NULL && MPI_Testall(2, t->request, &is_idle, MPI_STATUSES_IGNORE) != MPI_SUCCESS) is_idle = 0;
  for (int i = 0; is_idle && i < 2; i++) {
    if (t->stage[i] && m->release_host)
      m->release_host(m->user, t->stage[i]);
    else
      free(t->stage[i]);
  }
  if (is_idle && !t->is_broken && t->comm != MPI_COMM_NULL) (void)MPI_Comm_free(&t->comm);
}

/* ---- one move ---------------------------------------------------------------------------------------------------- */

static bool is_sender(const vw_transport *t, const move *m) {
  return m->how == SEND || (m->how == BROADCAST && m->peer == t->rank);
}

static int64_t piece_at(const vw_transport *t, const move *m, int64_t at) {
  return m->bytes - at < t->o.piece ? m->bytes - at : t->o.piece;
}

static vw_status start(vw_transport *t, const move *m, int64_t i) {
  const int64_t at = i * t->o.piece, n = piece_at(t, m, at);
  void *host = t->stage[i % 2] ? t->stage[i % 2] : m->data + at;
  MPI_Request *request = &t->request[i % 2];
  if (t->stage[i % 2] && is_sender(t, m)) VW_TRY(t->o.memory.to_host(t->o.memory.user, host, m->data + at, (size_t)n));
  if (m->how == SEND) return VW_MPI(MPI_Isend, host, (int)n, MPI_BYTE, m->peer, TAG, t->comm, request);
  if (m->how == RECEIVE) return VW_MPI(MPI_Irecv, host, (int)n, MPI_BYTE, m->peer, TAG, t->comm, request);
  return VW_MPI(MPI_Ibcast, host, (int)n, MPI_BYTE, m->peer, t->comm, request);
}

static vw_status finish(vw_transport *t, const move *m, int64_t i) {
  static const char *const names[] = {"broadcast", "send", "receive"};
  const int64_t at = i * t->o.piece;
  const double deadline = vw_transport_deadline(t);
  int64_t naps = 0;
  for (int is_done = 0; !is_done;) {
    VW_TRY(VW_MPI(MPI_Test, &t->request[i % 2], &is_done, MPI_STATUS_IGNORE));
    if (is_done) break;
    if (vw_seconds() > deadline) return vw_transport_late(t, names[m->how], m->peer);
    vw_transport_nap(&naps);
  }
  if (!t->stage[i % 2] || is_sender(t, m)) return VW_OK;
  return t->o.memory.from_host(t->o.memory.user, m->data + at, t->stage[i % 2], (size_t)piece_at(t, m, at));
}

/* Piece i + 1 is on its way (and copied from the device) before piece i is waited for. */
static vw_status run(vw_transport *t, const move *m) {
  const int64_t pieces = (m->bytes + t->o.piece - 1) / t->o.piece;
  vw_status st = VW_OK;
  for (int64_t i = 0; st == VW_OK && i <= pieces; i++) {
    if (i < pieces) st = start(t, m, i);
    if (st == VW_OK && i > 0) st = finish(t, m, i - 1);
  }
  if (st != VW_OK) t->is_broken = true; /* the others are somewhere in the middle */
  return st;
}

vw_status vw_transport_mpi_broadcast(vw_transport *t, void *data, int64_t bytes, int root) {
  return run(t, &(move){.how = BROADCAST, .peer = root, .data = data, .bytes = bytes});
}

vw_status vw_transport_mpi_gather(vw_transport *t, void *data, const int64_t *bytes, int root) {
  char *at = data;
  if (root != VW_ALL_RANKS && root != t->rank)
    return run(t, &(move){.how = SEND, .peer = root, .data = data, .bytes = bytes[t->rank]});
  for (int i = 0; i < t->size; at += bytes[i++]) {
    const move m = {.how = root == VW_ALL_RANKS ? BROADCAST : RECEIVE, .peer = i, .data = at, .bytes = bytes[i]};
    if (i != root) VW_TRY(run(t, &m));
  }
  return VW_OK;
}
