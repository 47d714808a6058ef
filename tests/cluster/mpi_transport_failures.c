/* Run under mpirun by test_transport.sh: the transport when memory or a call of MPI fails on one rank. It is then
 * opened on all ranks or on none; a broadcast that cannot go on is an error on that rank at once, on those that wait
 * for it after the timeout, and nobody hangs.
 *
 * MPI's profiling interface replaces the functions that the transport uses: a call that needs all ranks is made and
 * then said to have failed, one that needs this rank alone is not made. */
#include <errno.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/transport.h"
#include "tests/support/fail.h"

enum { PLACES = 16, BYTES = 100 };

static struct { int64_t nth, seen; /* nth 0: none fails */ } asked;

static bool is_due(void) {
  return asked.nth && ++asked.seen == asked.nth;
}

#define TOGETHER(name, parameters, arguments)                                                                          \
  int MPI_##name parameters {                                                                                          \
    const int code = PMPI_##name arguments;                                                                            \
    return is_due() ? MPI_ERR_OTHER : code;                                                                            \
  }
#define ALONE(name, parameters, arguments)                                                                             \
  int MPI_##name parameters {                                                                                          \
    return is_due() ? MPI_ERR_OTHER : PMPI_##name arguments;                                                           \
  }
TOGETHER(Comm_split, (MPI_Comm comm, int team, int key, MPI_Comm *part), (comm, team, key, part))
ALONE(Comm_set_errhandler, (MPI_Comm comm, MPI_Errhandler handler), (comm, handler))
ALONE(Comm_rank, (MPI_Comm comm, int *rank), (comm, rank))
ALONE(Comm_size, (MPI_Comm comm, int *size), (comm, size))
TOGETHER(Ibcast, (void *data, int n, MPI_Datatype type, int root, MPI_Comm comm, MPI_Request *request),
         (data, n, type, root, comm, request))
TOGETHER(Test, (MPI_Request * request, int *flag, MPI_Status *status), (request, flag, status))

static vw_status expect(bool ok, const char *what) {
  if (!ok) (void)fprintf(stderr, "FAILED: %s (failure %lld)\n", what, (long long)asked.nth);
  return ok ? VW_OK : VW_RAISE(VW_ERR_ARG, "%s", what);
}

static vw_status copy_host(void *user, void *to, const void *from, size_t bytes) {
  (void)user;
  memcpy(to, from, bytes);
  return VW_OK;
}

/* The nth call of MPI fails on rank `where` while a transport is opened and 100 bytes go around in two pieces. */
static vw_status with_mpi(const vw_ranks *r, int64_t nth, int where, bool *happened) {
  const vw_transport_options o = {.kind = VW_TRANSPORT_MPI, .timeout = 0.3, .piece = 64};
  vw_transport *t = NULL;
  char data[BYTES];
  vw_status moved = VW_OK;
  memset(data, r->rank, sizeof data);
  asked.seen = 0, asked.nth = r->rank == where ? nth : 0;
  const vw_status opened = vw_transport_open(&t, r, &o);
  if (opened == VW_OK) moved = vw_transport_broadcast(t, data, BYTES, 0);
  *happened = r->rank == where && asked.seen >= nth;
  asked.nth = 0;
  VW_TRY(expect((opened == VW_OK) == (t != NULL), "a transport where it was opened"));
  VW_TRY(expect(opened == vw_agree(r, opened), "all ranks have a transport or none"));
  VW_TRY(expect(opened == VW_OK || vw_error_message()[0], "a message"));
  if (r->rank == where && *happened) VW_TRY(expect(opened != VW_OK || moved == VW_ERR_COMM, "the failure is told"));
  if (opened == VW_OK) VW_TRY(expect(vw_transport_is_broken(t) == (moved != VW_OK), "broken after a failure"));
  if (opened == VW_OK && moved == VW_OK) VW_TRY(expect(data[0] == 0 && data[BYTES - 1] == 0, "the data came"));
  VW_TRY(vw_ranks_barrier(r));
  vw_transport_close(t);
  return VW_OK;
}

/* The nth allocation fails on rank `where`: the transport itself, the two pieces. */
static vw_status with_memory(const vw_ranks *r, int64_t nth, int where, bool *happened) {
  const vw_transport_options o = {.kind = VW_TRANSPORT_MPI, .memory = {.to_host = copy_host, .from_host = copy_host}};
  vw_transport *t = NULL;
  if (r->rank == where) fail_at(FAIL_MEMORY, nth, ENOMEM, false);
  const vw_status opened = vw_transport_open(&t, r, &o);
  *happened = fail_off();
  VW_TRY(expect(opened == vw_agree(r, opened), "all ranks have a transport or none"));
  if (r->rank == where) VW_TRY(expect(opened == (*happened ? VW_ERR_MEMORY : VW_OK), "out of memory is said"));
  vw_transport_close(t);
  return VW_OK;
}

static vw_status try_all(const vw_ranks *r) {
  int64_t mpi = 0, memory = 0;
  bool happened = false;
  for (int where = 0; where < r->size; where++) {
    for (int64_t nth = 1; nth <= PLACES; nth++) {
      VW_TRY(vw_agree_message(r, with_mpi(r, nth, where, &happened)));
      mpi += happened;
    }
    for (int64_t nth = 1; nth <= 4; nth++) {
      VW_TRY(vw_agree_message(r, with_memory(r, nth, where, &happened)));
      memory += happened;
    }
  }
  VW_TRY(expect(memory == (r->size > 1 ? 3 : 1), "memory failed"));
  return expect(mpi >= (r->size > 1 ? 7 : 4), "calls of MPI failed");
}

int main(int argc, char **argv) {
  vw_ranks r;
  vw_status st = vw_ranks_open(&r, &argc, &argv);
  if (st == VW_OK) st = vw_agree_message(&r, try_all(&r));
  if (st != VW_OK) (void)fprintf(stderr, "%s\n%s", vw_error_message(), vw_error_trail());
  vw_ranks_close(&r);
  return st == VW_OK ? 0 : 1;
}
