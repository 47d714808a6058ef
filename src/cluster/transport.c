#include "cluster/transport.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cluster/progress.h"
#include "cluster/transport_internal.h"
#include "core/log.h"
#include "core/pulse.h"

enum { PIECE = 16 << 20, SPINS = 2000, NAP_NS = 20000, COLUMNS = 256 };
static const double default_timeout = 600;

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

double vw_transport_deadline(const vw_transport *t) {
  return vw_seconds() + t->o.timeout;
}

void vw_transport_nap(int64_t *count) {
  if ((*count)++ > SPINS)
    (void)nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
  else
    (void)sched_yield(); /* where ranks share a core, the one that is waited for may need it */
}

vw_status vw_transport_late(vw_transport *t, const char *what, int peer) {
  char who[32] = "any of the others";
  t->is_broken = true;
  if (peer >= 0 && peer != t->rank) (void)snprintf(who, sizeof who, "rank %d", peer);
  return VW_RAISE(
      VW_ERR_COMM,
      "%s: rank %d of %d on %s waited %.3g s for %s, which is dead, stuck or slow; finished blocks are kept: "
      "run again, with VISWORDS_TRANSPORT_TIMEOUT=SECONDS if it only needs longer",
      what, t->rank, t->size, t->ranks->host, t->o.timeout, who);
}

/* ---- open, close ------------------------------------------------------------------------------------------------- */

static vw_status kind_of_environment(vw_transport_kind *kind) {
  const char *text = getenv("VISWORDS_TRANSPORT");
  if (*kind != VW_TRANSPORT_AUTO || !text || !*text || !strcmp(text, "auto")) return VW_OK;
  VW_CHECK(!strcmp(text, "mpi") || !strcmp(text, "nccl"), VW_ERR_ARG,
           "VISWORDS_TRANSPORT is '%s': choose auto, mpi or nccl", text);
  *kind = !strcmp(text, "mpi") ? VW_TRANSPORT_MPI : VW_TRANSPORT_NCCL;
  return VW_OK;
}

static vw_status timeout_of_environment(double *timeout) {
  const char *text = getenv("VISWORDS_TRANSPORT_TIMEOUT");
  char *end = NULL;
  if (*timeout > 0) return VW_OK;
  *timeout = default_timeout;
  if (!text || !*text) return VW_OK;
  *timeout = strtod(text, &end);
  VW_CHECK(!*end && *timeout > 0 && *timeout < 1e9, VW_ERR_ARG,
           "VISWORDS_TRANSPORT_TIMEOUT is '%s': give the seconds to wait for a peer, more than 0", text);
  return VW_OK;
}

static vw_status fill_options(vw_transport_options *o) {
  const vw_transport_memory *m = &o->memory;
  VW_CHECK(o->piece >= 0 && o->piece <= INT32_MAX && o->team >= 0, VW_ERR_ARG,
           "transport: pieces of %" PRId64 " bytes, team %d; below 2 GiB and not negative", o->piece, o->team);
  VW_CHECK(!m->to_host == !m->from_host && !m->allocate_host == !m->release_host, VW_ERR_ARG,
           "transport: copies to the host and back, and host memory, come in pairs");
  if (!o->piece) o->piece = PIECE;
  VW_TRY(kind_of_environment(&o->kind));
  VW_TRY(timeout_of_environment(&o->timeout));
  VW_CHECK(o->kind != VW_TRANSPORT_NCCL || m->stream, VW_ERR_UNSUPPORTED,
           "NCCL moves the memory of CUDA devices, this backend has its own in the host's: use --backend cuda, or "
           "VISWORDS_TRANSPORT=mpi");
  return VW_OK;
}

static vw_status split(vw_transport *t) {
  t->size = 1;
  if (!t->ranks->comms) return VW_OK;
  VW_TRY(VW_MPI(MPI_Comm_split, t->ranks->comms->all, t->o.team, t->ranks->rank, &t->comm));
  VW_TRY(VW_MPI(MPI_Comm_set_errhandler, t->comm, MPI_ERRORS_RETURN));
  VW_TRY(VW_MPI(MPI_Comm_rank, t->comm, &t->rank));
  return VW_MPI(MPI_Comm_size, t->comm, &t->size);
}

/* On all ranks of all teams or on none, so that a run has one way. */
static vw_status open_nccl(vw_transport *t) {
  const bool is_auto = t->o.kind == VW_TRANSPORT_AUTO;
  int64_t kinds[3] = {t->o.kind, -(int64_t)t->o.kind, t->o.memory.stream != NULL};
  VW_TRY(vw_ranks_reduce(t->ranks, kinds, 3, VW_REDUCE_MIN));
  VW_CHECK(kinds[0] == -kinds[1], VW_ERR_ARG,
           "ranks differ in how to exchange data: is VISWORDS_TRANSPORT the same on all nodes?");
  if (t->o.kind == VW_TRANSPORT_MPI || (is_auto && (!kinds[2] || t->ranks->size == 1))) return VW_OK;
  const vw_status st = vw_nccl_open(&t->nccl, t);
  if (st == VW_OK || !is_auto) return st;
  t->is_broken = false;
  if (t->ranks->rank == 0)
    vw_log(VW_LOG_WARN, "devices exchange data through the host by MPI, NCCL cannot be used: %s", vw_error_message());
  vw_error_clear();
  return VW_OK;
}

static vw_status open_parts(vw_transport *t, vw_status options) {
  VW_TRY(vw_agree_message(t->ranks, options));
  VW_TRY(vw_agree_message(t->ranks, split(t)));
  VW_TRY(open_nccl(t));
  if (t->nccl) return VW_OK;
  (void)snprintf(t->name, sizeof t->name, "%s",
                 t->o.memory.to_host ? "device memory over MPI, through the host" : "host memory over MPI");
  return vw_agree_message(t->ranks, vw_transport_mpi_open(t));
}

vw_status vw_transport_open(vw_transport **out, const vw_ranks *ranks, const vw_transport_options *options) {
  vw_transport *t = calloc(1, sizeof *t);
  *out = NULL;
  vw_status st = vw_agree_message(ranks, t ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "transport: out of memory"));
  if (st != VW_OK || !t) {
    free(t);
    return st;
  }
  t->ranks = ranks, t->o = *options, t->comm = MPI_COMM_NULL;
  t->request[0] = t->request[1] = MPI_REQUEST_NULL;
  st = open_parts(t, fill_options(&t->o));
  if (st == VW_OK)
    *out = t;
  else
    vw_transport_close(t);
  return st;
}

void vw_transport_close(vw_transport *t) {
  if (!t) return;
  vw_nccl_close(t->nccl);
  vw_transport_mpi_close(t);
  free(t);
}

int vw_transport_rank(const vw_transport *t) {
  return t->rank;
}
int vw_transport_size(const vw_transport *t) {
  return t->size;
}
const char *vw_transport_name(const vw_transport *t) {
  return t->name;
}
bool vw_transport_is_broken(const vw_transport *t) {
  return t->is_broken;
}

/* ---- moving ------------------------------------------------------------------------------------------------------ */

static vw_status check_usable(const vw_transport *t) {
  VW_CHECK(!t->is_broken, VW_ERR_COMM, "transport: broken by an earlier failure; end the run");
  return VW_OK;
}

static vw_status broadcast(vw_transport *t, void *data, int64_t bytes, int root) {
  if (t->nccl) return vw_nccl_broadcast(t->nccl, data, bytes, root);
  return t->size == 1 ? VW_OK : vw_transport_mpi_broadcast(t, data, bytes, root);
}

/* Waiting for the others is no fault of this rank (core/pulse.h): these calls have limits of their own. */
vw_status vw_transport_broadcast(vw_transport *t, void *data, int64_t bytes, int root) {
  VW_CHECK(bytes >= 0 && root >= 0 && root < t->size, VW_ERR_ARG, "broadcast: %" PRId64 " bytes from rank %d of %d",
           bytes, root, t->size);
  VW_TRY(check_usable(t));
  if (bytes == 0) return VW_OK;
  vw_pulse_wait();
  const vw_status st = broadcast(t, data, bytes, root);
  vw_pulse_resume();
  return st;
}

vw_status vw_transport_gather(vw_transport *t, void *data, const int64_t *bytes, int root) {
  VW_CHECK(root >= VW_ALL_RANKS && root < t->size, VW_ERR_ARG, "gather: to rank %d of %d", root, t->size);
  for (int i = 0; i < t->size; i++)
    VW_CHECK(bytes[i] >= 0, VW_ERR_ARG, "gather: %" PRId64 " bytes of rank %d", bytes[i], i);
  VW_TRY(check_usable(t));
  vw_pulse_wait();
  const vw_status st = t->nccl        ? vw_nccl_gather(t->nccl, data, bytes, root)
                       : t->size == 1 ? VW_OK
                                      : vw_transport_mpi_gather(t, data, bytes, root);
  vw_pulse_resume();
  return st;
}

/* ---- sum of slices ----------------------------------------------------------------------------------------------- */

static double element(const void *x, vw_dtype type, int64_t i) {
  return type == VW_F32 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

/* Some columns at a time, so that their sums stay in the cache while the slices are read row by row. */
static void sum_slices(void *out, const void *x, int64_t slices, int64_t n, vw_dtype type) {
  for (int64_t first = 0; first < n; first += COLUMNS) {
    const int64_t width = n - first < COLUMNS ? n - first : COLUMNS;
    double sum[COLUMNS] = {0};
    for (int64_t j = 0; slices && j < width; j++) sum[j] = element(x, type, first + j); /* keeps a lone -0 */
    for (int64_t s = 1; s < slices; s++)
      for (int64_t j = 0; j < width; j++) sum[j] += element(x, type, s * n + first + j);
    for (int64_t j = 0; j < width; j++) {
      if (type == VW_F32)
        ((float *)out)[first + j] = (float)sum[j];
      else
        ((double *)out)[first + j] = sum[j];
    }
  }
}

/* A device's slices, without a kernel that sums them. */
static vw_status sum_through_host(const vw_transport *t, void *out, const void *x, int64_t slices, int64_t n,
                                  vw_dtype type) {
  const vw_transport_memory *m = &t->o.memory;
  const size_t row = (size_t)n * vw_dtype_bytes(type), all = (size_t)slices * row;
  char *host = malloc(all + row + 1);
  VW_CHECK(host, VW_ERR_MEMORY, "sum of slices: out of memory for %zu bytes", all + row);
  vw_status st = m->to_host(m->user, host, x, all);
  if (st == VW_OK) {
    sum_slices(host + all, host, slices, n, type);
    st = m->from_host(m->user, out, host + all, row);
  }
  free(host);
  return st;
}

vw_status vw_transport_sum(vw_transport *t, void *slices, const int64_t *count, int64_t n, vw_dtype type, void *out) {
  const vw_transport_memory *m = &t->o.memory;
  const int64_t row = n * (int64_t)vw_dtype_bytes(type);
  int64_t all = 0;
  VW_CHECK(n >= 0 && (type == VW_F32 || type == VW_F64), VW_ERR_ARG, "sum of slices: %" PRId64 " elements of type %s",
           n, vw_dtype_name(type));
  int64_t *bytes = calloc((size_t)t->size, sizeof *bytes);
  VW_CHECK(bytes, VW_ERR_MEMORY, "sum of slices: out of memory");
  for (int i = 0; i < t->size; i++) bytes[i] = count[i] * row, all += count[i];
  const vw_status st = vw_transport_gather(t, slices, bytes, VW_ALL_RANKS);
  free(bytes);
  if (st != VW_OK || n == 0) return st;
  if (m->sum) return m->sum(m->user, out, slices, all, n, type);
  if (m->to_host) return sum_through_host(t, out, slices, all, n, type);
  sum_slices(out, slices, all, n, type);
  return VW_OK;
}
