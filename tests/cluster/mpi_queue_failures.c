/* Run under mpirun by test_queue.sh: the queue when memory or any call of MPI fails on one rank. Creation then fails on
 * all ranks alike or on none, no index is handed out twice, and everybody comes to the end.
 *
 * The functions of MPI that the queue uses are replaced here by MPI's own profiling interface: a call that needs all
 * ranks is made and then said to have failed, one that needs this rank alone is not made. */
#include <errno.h>
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/queue.h"
#include "cluster/ranks.h"
#include "tests/support/fail.h"

enum { ITEMS = 3, PLACES = 32 };

static struct {
  int64_t nth, seen; /* nth 0: none fails */
  pthread_t thread;  /* whose calls count: not those of the queue's own thread */
} asked;

static bool is_due(void) {
  return asked.nth && pthread_equal(pthread_self(), asked.thread) && ++asked.seen == asked.nth;
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
TOGETHER(Comm_dup, (MPI_Comm comm, MPI_Comm *copy), (comm, copy))
/* The window that is there, also where one rank is told that there is none: nobody can give it back then, and MPICH
 * over UCX ends in MPI_Finalize with an assertion. Here all ranks have it, and give it back behind each round. */
static MPI_Win open_window = MPI_WIN_NULL;
int MPI_Win_allocate(MPI_Aint bytes, int unit, MPI_Info info, MPI_Comm comm, void *base, MPI_Win *window) {
  const int code = PMPI_Win_allocate(bytes, unit, info, comm, base, window);
  if (code == MPI_SUCCESS) open_window = *window;
  return is_due() ? MPI_ERR_OTHER : code;
}
int MPI_Win_free(MPI_Win *window) {
  const int code = PMPI_Win_free(window);
  open_window = MPI_WIN_NULL;
  return code;
}
ALONE(Comm_set_errhandler, (MPI_Comm comm, MPI_Errhandler handler), (comm, handler))
ALONE(Win_set_errhandler, (MPI_Win window, MPI_Errhandler handler), (window, handler))
ALONE(Win_lock_all, (int how, MPI_Win window), (how, window))
ALONE(Win_sync, (MPI_Win window), (window))
ALONE(Rget_accumulate,
      (const void *add, int n, MPI_Datatype add_type, void *before, int n_before, MPI_Datatype before_type, int rank,
       MPI_Aint at, int n_there, MPI_Datatype there, MPI_Op op, MPI_Win window, MPI_Request *request),
      (add, n, add_type, before, n_before, before_type, rank, at, n_there, there, op, window, request))
ALONE(Test, (MPI_Request * request, int *flag, MPI_Status *status), (request, flag, status))
ALONE(Iprobe, (int source, int tag, MPI_Comm comm, int *flag, MPI_Status *status), (source, tag, comm, flag, status))
/* an operation under way is not left behind: its memory is given back later */
TOGETHER(Wait, (MPI_Request * request, MPI_Status *status), (request, status))

static vw_status expect(bool ok, const char *what) {
  if (!ok) (void)fprintf(stderr, "FAILED: %s (failure %lld)\n", what, (long long)asked.nth);
  return ok ? VW_OK : VW_RAISE(VW_ERR_ARG, "%s", what);
}

/* Takes `most` items, or until the end or a failure. */
static vw_status take_items(vw_queue *q, int64_t most, int64_t *taken) {
  int64_t index = 0;
  for (int64_t n = 0; n < most; n++) {
    VW_TRY(vw_queue_ask(q));
    VW_TRY(vw_queue_take(q, &index));
    if (index < 0) return VW_OK;
    taken[index]++;
    VW_TRY(vw_queue_report_done(q, 1));
    vw_queue_poll(q);
  }
  return VW_OK;
}

/* The nth call of MPI fails on rank `where`. */
static vw_status with_mpi(const vw_ranks *r, int64_t nth, int where, bool *happened) {
  int64_t taken[ITEMS] = {0}, worked = 1;
  vw_queue *q = NULL;
  asked.seen = 0, asked.nth = r->rank == where ? nth : 0, asked.thread = pthread_self();
  const vw_status created = vw_queue_create(r, ITEMS, &q), all = vw_agree(r, created);
  if (created == VW_OK) {
    /* the first item is `where`'s: however fast the others are, its calls are enough to count on */
    if (r->rank == where) worked = take_items(q, 1, taken) == VW_OK;
    VW_TRY(vw_ranks_barrier(r));
    worked = worked && take_items(q, ITEMS + 1, taken) == VW_OK && !vw_queue_stopped(q);
  }
  if (q) (void)vw_queue_done(q);
  asked.nth = 0;
  vw_queue_destroy(q);
  if (open_window != MPI_WIN_NULL) (void)MPI_Win_free(&open_window);
  *happened = r->rank != where || asked.seen >= nth;
  VW_TRY(expect(created == all, "all ranks have a queue or none"));
  VW_TRY(expect(created == VW_OK || vw_error_message()[0], "a message"));
  VW_TRY(vw_ranks_reduce(r, &worked, 1, VW_REDUCE_MIN));
  VW_TRY(vw_ranks_reduce(r, taken, ITEMS, VW_REDUCE_SUM));
  for (int i = 0; i < ITEMS; i++) {
    VW_TRY(expect(taken[i] <= 1, "no item is taken twice"));
    if (created == VW_OK && worked) VW_TRY(expect(taken[i] == 1, "every item is taken where nothing failed"));
  }
  return VW_OK;
}

/* The nth allocation (or start of a thread) fails on rank `where`. */
static vw_status with_memory(const vw_ranks *r, int64_t nth, int where, bool *happened) {
  int64_t taken[ITEMS] = {0};
  vw_queue *q = NULL;
  if (r->rank == where) fail_at(FAIL_MEMORY, nth, ENOMEM, false);
  const vw_status created = vw_queue_create(r, ITEMS, &q);
  *happened = fail_off();
  VW_TRY(expect(created == vw_agree(r, created), "all ranks have a queue or none"));
  if (r->rank == where) VW_TRY(expect(created == (*happened ? VW_ERR_MEMORY : VW_OK), "out of memory is said"));
  if (created == VW_OK) VW_TRY(take_items(q, ITEMS + 1, taken));
  vw_queue_destroy(q);
  return VW_OK;
}

static vw_status try_all(const vw_ranks *r) {
  int64_t mpi = 0, memory = 0;
  bool happened = false;
  for (int where = 0; where < r->size; where++) {
    for (int64_t nth = 1; nth <= PLACES; nth++) {
      VW_TRY(vw_agree_message(r, with_mpi(r, nth, where, &happened)));
      mpi += r->rank == where && happened;
    }
    for (int64_t nth = 1; nth <= 3; nth++) {
      VW_TRY(vw_agree_message(r, with_memory(r, nth, where, &happened)));
      memory += r->rank == where && happened;
    }
  }
  VW_TRY(expect(memory >= (r->rank == 0 && r->size > 1 && r->threads ? 2 : 1), "memory and the thread failed"));
  return expect(r->size == 1 || mpi >= 10, "calls of MPI failed");
}

int main(int argc, char **argv) {
  vw_ranks r;
  vw_status st = vw_ranks_open(&r, &argc, &argv);
  if (st == VW_OK) st = vw_agree_message(&r, try_all(&r));
  if (st != VW_OK) (void)fprintf(stderr, "%s\n%s", vw_error_message(), vw_error_trail());
  vw_ranks_close(&r);
  return st == VW_OK ? 0 : 1;
}
