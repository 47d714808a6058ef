#include "cluster/queue.h"
#include "bench/ranks.h"
#include "cluster/progress.h"

#include <math.h>
#include <time.h>

static const int64_t endless = (int64_t)1 << 39;
static const double window = 0.002; /* seconds */

/* Without a call of MPI or of the system. */
static void compute(double seconds) {
  volatile double x = 1;
  for (const double end = vw_seconds() + seconds; vw_seconds() < end;)
    for (int i = 0; i < 1000; i++) x = x * 1.0000001;
}

static void rest(double seconds) {
  const double whole = floor(seconds);
  (void)nanosleep(&(struct timespec){.tv_sec = (time_t)whole, .tv_nsec = (long)(1e9 * (seconds - whole))}, NULL);
}

/* Blocks of no length. *best: the highest rate within a window, which a rank that was not interrupted reached. */
static vw_status take(vw_queue *q, double seconds, int64_t *n, double *best) {
  int64_t index = 0, in_window = 0;
  double now = vw_seconds(), begun = now;
  for (const double end = now + seconds; now < end; ++*n, ++in_window) {
    VW_TRY(vw_queue_take(q, &index));
    VW_TRY(vw_queue_report_done(q, 1));
    now = vw_seconds();
    if (now - begun < window) continue;
    *best = fmax(*best, (double)in_window / (now - begun));
    in_window = 0, begun = now;
  }
  return VW_OK;
}

/* alone: the last rank takes, the others rest. *taken, *sent: of all ranks. */
static vw_status measure(const vw_ranks *r, double seconds, bool alone, int64_t *taken, int64_t *sent, double *best) {
  int64_t sums[2] = {0}, most = 0;
  vw_queue *q = NULL;
  vw_status st = VW_OK;
  VW_TRY(vw_queue_create(r, endless, &q));
  st = vw_ranks_barrier(r);
  if (st == VW_OK && r->rank == 0 && r->size > 1)
    compute(seconds);
  else if (st == VW_OK && alone && r->rank != r->size - 1)
    rest(seconds);
  else if (st == VW_OK)
    st = take(q, seconds, &sums[0], best);
  for (int i = 0; i < VW_QUEUE_REQUESTS; i++) sums[1] += vw_queue_sent(q, (vw_queue_request)i);
  st = vw_agree_message(r, st);
  most = llround(*best);
  if (st == VW_OK) st = vw_ranks_reduce(r, sums, 2, VW_REDUCE_SUM);
  if (st == VW_OK) st = vw_ranks_reduce(r, &most, 1, VW_REDUCE_MAX);
  *best = (double)most;
  vw_queue_destroy(q);
  *taken = sums[0], *sent = sums[1];
  return st;
}

vw_status vw_bench_queue(const vw_ranks *ranks, double seconds, json_t **row) {
  int64_t taken = 0, sent = 0, alone = 0, ignored = 0;
  double best = 0, ignored_rate = 0;
  *row = NULL;
  VW_TRY(measure(ranks, seconds, false, &taken, &sent, &ignored_rate));
  VW_TRY(measure(ranks, seconds, true, &alone, &ignored, &best));
  if (ranks->rank != 0) return VW_OK;
  const double time = seconds > 0 ? seconds : 1e-9;
  *row = json_pack("{s:s, s:I, s:b, s:f, s:s, s:f, s:f, s:f}", "what", "queue", "ranks", (json_int_t)ranks->size,
                   "progress_thread", ranks->threads && ranks->size > 1, "rate", (double)taken / time, "unit", "blocks",
                   "requests_a_second", (double)sent / time, "latency_seconds", alone > 0 ? time / (double)alone : 0.0,
                   "best_rate_alone", best);
  VW_CHECK(*row, VW_ERR_MEMORY, "bench queue: out of memory");
  return VW_OK;
}
