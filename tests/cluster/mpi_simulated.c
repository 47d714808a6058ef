/* Run under mpirun by test_simulated.sh: what the simulator says of a queue against a run of it, with items that sleep.
 * Compared is what no busy machine can change: how often rank 0 is asked, what arrives, in which order a rank has its
 * items, and that nothing is earlier than simulated. How much later it was is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cluster/queue.h"
#include "cluster/simulate.h"

enum { ITEMS = 48, UNITS = 3 };

static int64_t now_ns(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static vw_status expect(bool ok, const char *what) {
  return ok ? VW_OK : VW_RAISE(VW_ERR_ARG, "%s", what);
}

typedef struct outcome {
  int64_t sent[VW_QUEUE_REQUESTS], done;
  int64_t begins[ITEMS], rank_of[ITEMS], end; /* nanoseconds of the steady clock; 0 on ranks that did not take it */
} outcome;

/* An item as a block is learned: it looks for a stop before each step, and asks one step before the end. */
static vw_status sleep_item(vw_queue *q, int64_t steps, double seconds) {
  const int64_t ns = (int64_t)(seconds * 1e9 / (double)steps);
  for (int64_t step = 1; step <= steps; step++) {
    if (vw_queue_stopped(q)) return expect(false, "nobody stopped the queue");
    (void)nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL);
    if (step + 1 == steps) VW_TRY(vw_queue_ask(q));
    vw_queue_poll(q);
  }
  return vw_queue_report_done(q, UNITS);
}

static vw_status take_all(const vw_ranks *r, vw_queue *q, const vw_simulated *in, outcome *o) {
  for (int64_t index = 0, last = -1;; last = index) {
    VW_TRY(vw_queue_take(q, &index));
    if (index < 0) break;
    VW_TRY(expect(index > last, "a rank's items come in the queue's order"));
    o->begins[index] = now_ns(), o->rank_of[index] = r->rank + 1;
    VW_TRY(sleep_item(q, in->steps, in->seconds[index]));
    o->end = now_ns();
  }
  for (int i = 0; i < VW_QUEUE_REQUESTS; i++) o->sent[i] = vw_queue_sent(q, (vw_queue_request)i);
  return VW_OK;
}

static vw_status gather(const vw_ranks *r, vw_queue *q, outcome *o) {
  VW_TRY(vw_ranks_barrier(r));
  for (const int64_t end = now_ns() + 5000000000; r->rank == 0 && now_ns() < end && vw_queue_done(q) < UNITS * ITEMS;)
    vw_queue_poll(q);
  o->done = r->rank == 0 ? vw_queue_done(q) : 0;
  VW_TRY(vw_ranks_reduce(r, o->sent, VW_QUEUE_REQUESTS, VW_REDUCE_SUM));
  VW_TRY(vw_ranks_reduce(r, &o->done, 1, VW_REDUCE_SUM));
  VW_TRY(vw_ranks_reduce(r, o->begins, ITEMS, VW_REDUCE_SUM));
  VW_TRY(vw_ranks_reduce(r, o->rank_of, ITEMS, VW_REDUCE_SUM));
  return vw_ranks_reduce(r, &o->end, 1, VW_REDUCE_MAX);
}

static vw_status compare(const vw_simulated *in, const vw_simulation *s, const double *begins, const outcome *o,
                         int64_t start) {
  const double took = 1e-9 * (double)(o->end - start);
  VW_TRY(expect(o->sent[VW_QUEUE_TAKE] == s->sent[VW_QUEUE_TAKE], "as many takes as simulated"));
  VW_TRY(expect(o->sent[VW_QUEUE_REPORT] == s->sent[VW_QUEUE_REPORT], "as many reports as simulated"));
  VW_TRY(expect(o->sent[VW_QUEUE_HALT] == 0 && s->sent[VW_QUEUE_HALT] == 0, "nobody halts"));
  VW_TRY(expect(o->done == s->done && s->done == UNITS * ITEMS, "all units are reported"));
  for (int i = 0; i < ITEMS; i++)
    VW_TRY(expect(o->rank_of[i] >= 1 && o->rank_of[i] <= in->ranks, "every item is taken by one rank"));
  /* items of one length, each asked for when the one before it has ended: none can begin earlier than simulated */
  for (int i = 0; i < ITEMS && in->steps == 1; i++)
    VW_TRY(expect(1e-9 * (double)(o->begins[i] - start) >= begins[i] - 1e-6, "no item begins before its time"));
  VW_TRY(expect(took >= s->makespan - 1e-6, "nothing ends before its time"));
  (void)printf("ranks=%lld steps=%lld simulated=%.4f s took=%.4f s looks=%lld of %lld\n", (long long)in->ranks,
               (long long)in->steps, s->makespan, took, (long long)o->sent[VW_QUEUE_LOOK],
               (long long)s->sent[VW_QUEUE_LOOK]);
  return VW_OK;
}

static vw_status once(const vw_ranks *r, double each, int64_t steps) {
  double seconds[ITEMS], begins[ITEMS];
  int64_t units[ITEMS], rank_of[ITEMS];
  vw_simulation s;
  outcome o = {0};
  vw_queue *q = NULL;
  vw_status st = VW_OK;
  for (int i = 0; i < ITEMS; i++) seconds[i] = each, units[i] = UNITS;
  const vw_simulated in = {.ranks = r->size, .n = ITEMS, .seconds = seconds, .units = units, .steps = steps};
  VW_TRY(vw_simulate(&in, &s, rank_of, begins));
  VW_TRY(vw_queue_create(r, ITEMS, &q));
  VW_GOTO(vw_ranks_barrier(r));
  int64_t start = now_ns();
  VW_GOTO(vw_ranks_reduce(r, &start, 1, VW_REDUCE_MIN));
  VW_GOTO(take_all(r, q, &in, &o));
  VW_GOTO(gather(r, q, &o));
  if (r->rank == 0) st = compare(&in, &s, begins, &o, start);
cleanup:
  vw_queue_destroy(q);
  return st;
}

int main(int argc, char **argv) {
  vw_ranks r;
  vw_status st = vw_ranks_open(&r, &argc, &argv);
  if (st == VW_OK) st = vw_agree_message(&r, once(&r, 0.012, 1));
  if (st == VW_OK) st = vw_agree_message(&r, once(&r, 0.012, 6));
  if (st != VW_OK && r.rank == 0) (void)fprintf(stderr, "%s\n%s", vw_error_message(), vw_error_trail());
  vw_ranks_close(&r);
  return st == VW_OK ? 0 : 1;
}
