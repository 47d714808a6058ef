/* Run under mpirun by test_queue.sh: every item is taken exactly once, while rank 0 computes and does not call MPI.
 * A stop word that a signal handler sets reaches all; takes go on while rank 0 is busy for a second. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cluster/queue.h"
#include "cluster/ranks.h"

static vw_queue *the_queue;
static const double BUSY = 1.0; /* seconds that rank 0 computes without calling MPI */

static double seconds(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Computes without a call of MPI, of the system or of the queue. */
static void work(double duration) {
  volatile double x = 1;
  for (const double end = seconds() + duration; seconds() < end;)
    for (int i = 0; i < 1000; i++) x = x * 1.0000001;
}

static vw_status expect(bool ok, const char *what) {
  if (!ok) (void)fprintf(stderr, "FAILED: %s\n", what);
  return ok ? VW_OK : VW_RAISE(VW_ERR_ARG, "%s", what);
}

static vw_status once(const vw_ranks *r, int64_t n, bool is_rate) {
  int64_t *taken = calloc((size_t)n + 1, sizeof *taken), index = 0, mine = 0, early = 0;
  vw_queue *q = NULL;
  vw_status st = VW_OK;
  VW_TRY(expect(taken != NULL, "memory"));
  VW_GOTO(vw_queue_create(r, n, &q));
  const double start = seconds();
  if (is_rate && r->rank == 0) work(BUSY);
  for (;;) {
    VW_GOTO(vw_queue_take(q, &index));
    if (index < 0) break;
    taken[index]++, mine++;
    if (r->rank > 0 && seconds() < start + 0.75 * BUSY) early++; /* before rank 0 called MPI again */
    if (!is_rate) {
      work(r->rank == 0 ? 0.02 : 0.002);
      VW_GOTO(vw_queue_ask(q));
      work(0.001);
    }
    VW_GOTO(vw_queue_report_done(q, 1));
    if (vw_queue_stopped(q)) VW_GOTO(expect(false, "nobody stopped the queue"));
  }
  const double end = seconds();
  VW_GOTO(vw_ranks_barrier(r));
  for (double limit = seconds() + 5; r->rank == 0 && vw_queue_done(q) < n && seconds() < limit;) vw_queue_poll(q);
  if (r->rank == 0) VW_GOTO(expect(vw_queue_done(q) == n, "all are reported done"));
  vw_queue_destroy(q), q = NULL;
  VW_GOTO(vw_ranks_reduce(r, taken, (int)n, VW_REDUCE_SUM));
  for (int64_t i = 0; i < n; i++)
    if (taken[i] != 1) VW_GOTO(expect(false, "every item is taken exactly once"));
  if (is_rate && r->rank == 1)
    (void)printf("items=%lld seconds=%.4f rate=%.0f/s\n", (long long)mine, end - start, (double)mine / (end - start));
  VW_GOTO(vw_ranks_reduce(r, &early, 1, VW_REDUCE_SUM));
  if (is_rate && r->size > 1 && r->threads)
    st = expect(early >= 1, "others take while rank 0 computes"); /* one would do: busy cores */
cleanup:
  vw_queue_destroy(q);
  free(taken);
  return st;
}

static void on_signal(int number) {
  (void)number;
  vw_queue_signal(the_queue); /* stores a lock-free flag: NOLINT(bugprone-signal-handler) */
}

/* The last rank is told by a signal; all must see it in the middle of their items. */
static vw_status stop(const vw_ranks *r) {
  int64_t index = 0, mine = 0;
  VW_TRY(vw_queue_create(r, 1000000, &the_queue));
  (void)signal(SIGUSR1, on_signal);
  const double start = seconds();
  for (;;) {
    VW_TRY(vw_queue_take(the_queue, &index));
    if (index < 0) break;
    mine++;
    if (r->rank == r->size - 1 && mine == 3) (void)raise(SIGUSR1);
    while (r->rank < r->size - 1 && !vw_queue_stopped(the_queue) && seconds() < start + 20) work(0.002);
    if (seconds() > start + 20) return expect(false, "the stop word arrives");
  }
  VW_TRY(expect(vw_queue_stopped(the_queue), "stopped"));
  vw_queue_destroy(the_queue);
  return VW_OK;
}

int main(int argc, char **argv) {
  vw_ranks r;
  vw_status st = vw_ranks_open(&r, &argc, &argv);
  if (st == VW_OK) st = vw_agree_message(&r, once(&r, 40, false));
  if (st == VW_OK) st = vw_agree_message(&r, stop(&r));
  if (st == VW_OK) st = vw_agree_message(&r, once(&r, 200, true));
  if (st != VW_OK) (void)fprintf(stderr, "%s\n%s", vw_error_message(), vw_error_trail());
  vw_ranks_close(&r);
  return st == VW_OK ? 0 : 1;
}
