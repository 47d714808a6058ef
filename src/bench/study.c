#include "bench/ranks.h"
#include "cluster/progress.h"
#include "cluster/queue.h"
#include "cluster/split.h"
#include "learn/timing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCKS_A_RANK = 4, IN_FLIGHT = 8 };

typedef struct bench_study {
  const vw_ranks *all;
  const vw_block_kind *kind;
  vw_timed_program *program;
  int64_t steps; /* of a block */
  double *rates; /* rank 0: [size] of the last run */
} bench_study;

/* One run of some ranks. */
typedef struct outcome {
  double seconds;           /* until the last rank was through */
  int64_t steps;            /* of all ranks */
  double least, most, mean; /* rates of ranks while they computed, in steps a second */
} outcome;

/* A block as it is learned: the queue moves after each step, the next one is asked for one step before the end. */
static vw_status do_block(const bench_study *b, vw_queue *q) {
  vw_program *p = b->program->program;
  for (int64_t step = 1; step <= b->steps; step++) {
    (void)vw_queue_stopped(q);
    VW_TRY(vw_program_run(p));
    if (step % IN_FLIGHT == 0) VW_TRY(vw_program_wait(p)); /* as a run does not wait for each step */
    if (step + 1 == b->steps) VW_TRY(vw_queue_ask(q));
    vw_queue_poll(q);
  }
  VW_TRY(vw_program_wait(p));
  return vw_queue_report_done(q, b->kind->rows);
}

static vw_status do_blocks(const bench_study *b, vw_queue *q, double *busy, int64_t *steps) {
  for (int64_t index = 0;;) {
    VW_TRY(vw_queue_take(q, &index));
    if (index < 0) return VW_OK;
    const double start = vw_seconds();
    VW_TRY(do_block(b, q));
    *busy += vw_seconds() - start, *steps += b->steps;
  }
}

/* The first n ranks do `blocks` blocks; the others rest meanwhile. */
static vw_status run_blocks(const bench_study *b, int n, int64_t blocks, double *seconds, double *busy,
                            int64_t *steps) {
  vw_ranks part;
  vw_queue *q = NULL;
  bool is_in = false;
  vw_status st = vw_agree_message(b->all, vw_ranks_split(b->all, n, &part, &is_in));
  if (st == VW_OK && is_in) {
    st = vw_queue_create(&part, blocks, &q);
    if (st == VW_OK) st = vw_ranks_barrier(&part);
    const double start = vw_seconds();
    if (st == VW_OK) st = do_blocks(b, q, busy, steps);
    if (st != VW_OK && q) (void)vw_queue_stop(q);
    st = vw_agree_message(&part, st);
    *seconds = vw_seconds() - start;
    vw_queue_destroy(q);
  }
  vw_ranks_split_close(&part);
  if (st == VW_OK || !is_in) st = vw_ranks_rest(b->all);
  return vw_agree_message(b->all, st);
}

static vw_status measure(bench_study *b, int n, int64_t blocks, outcome *o) {
  double mine[2] = {0}, *all = NULL; /* seconds of the run; rate of this rank */
  double busy = 0;
  int64_t counts[2] = {0}, *bytes = calloc((size_t)b->all->size, sizeof *bytes);
  vw_status st = vw_agree_message(b->all, bytes ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "bench study: out of memory"));
  if (st != VW_OK) goto cleanup;
  VW_GOTO(run_blocks(b, n, blocks, &mine[0], &busy, &counts[0]));
  mine[1] = busy > 0 ? (double)counts[0] / busy : 0;
  VW_GOTO(vw_ranks_reduce(b->all, counts, 1, VW_REDUCE_SUM));
  VW_GOTO(vw_ranks_gather(b->all, mine, sizeof mine, (void **)&all, bytes));
  *o = (outcome){.steps = counts[0], .least = INFINITY};
  int64_t have = 0;
  for (int64_t r = 0; all && r < n; r++) {
    const double rate = all[2 * r + 1];
    b->rates[r] = rate;
    o->seconds = fmax(o->seconds, all[2 * r]);
    if (rate <= 0) continue; /* came too late for a block */
    o->least = fmin(o->least, rate), o->most = fmax(o->most, rate), o->mean += rate, have++;
  }
  if (have) o->mean /= (double)have;
cleanup:
  free(all), free(bytes);
  return st;
}

/* Steps so that a block takes `seconds`, as rank 0 finds; at least two. */
static vw_status choose_steps(bench_study *b, double seconds) {
  vw_program *p = b->program->program;
  int64_t runs = 0;
  vw_status st = vw_program_run(p);
  if (st == VW_OK) st = vw_program_wait(p);
  const double start = vw_seconds();
  for (; st == VW_OK && (runs < 3 || vw_seconds() - start < seconds); runs++) st = vw_program_run(p);
  if (st == VW_OK) st = vw_program_wait(p);
  b->steps = seconds > 0 ? runs : 2;
  if (b->steps < 2) b->steps = 2;
  VW_TRY(vw_agree_message(b->all, st));
  return vw_ranks_broadcast(b->all, &b->steps, sizeof b->steps, 0);
}

static vw_status gather_hosts(const vw_ranks *r, char **hosts) {
  char mine[VW_HOST_BYTES] = {0};
  int64_t *bytes = calloc((size_t)r->size, sizeof *bytes);
  (void)snprintf(mine, sizeof mine, "%s", r->host);
  vw_status st = vw_agree_message(r, bytes ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "bench study: out of memory"));
  if (st == VW_OK) st = vw_ranks_gather(r, mine, sizeof mine, (void **)hosts, bytes);
  free(bytes);
  return st;
}

static vw_status rank_rows(const bench_study *b, json_t *each) {
  char *hosts = NULL;
  VW_TRY(gather_hosts(b->all, &hosts));
  for (int r = 0; hosts && r < b->all->size; r++)
    json_array_append_new(each, json_pack("{s:s, s:I, s:s, s:f, s:s}", "what", "rank", "rank", (json_int_t)r, "host",
                                          hosts + (ptrdiff_t)r * VW_HOST_BYTES, "rate",
                                          b->rates[r] * (double)b->kind->rows, "unit", "trial-steps"));
  free(hosts);
  return VW_OK;
}

static json_t *row_of(const bench_study *b, int n, const outcome *weak, const outcome *strong, const outcome *one_weak,
                      const outcome *one_strong) {
  const double rows = (double)b->kind->rows, rate = (double)weak->steps / weak->seconds;
  const double one = (double)one_weak->steps / one_weak->seconds;
  return json_pack("{s:s, s:I, s:f, s:s, s:f, s:f, s:f, s:f, s:f, s:f}", "what", "ranks", "ranks", (json_int_t)n,
                   "rate", rows * rate, "unit", "trial-steps", "weak_efficiency", rate / (n * one), "strong_efficiency",
                   one_strong->seconds / (n * strong->seconds), "weak_seconds", weak->seconds, "strong_seconds",
                   strong->seconds, "least", rows * weak->least, "most", rows * weak->most);
}

static vw_status measure_all(bench_study *b, json_t *rows, json_t *each) {
  const int size = b->all->size;
  outcome weak, strong, one_weak = {0}, one_strong = {0};
  for (int n = 1;; n = 2 * n < size ? 2 * n : size) {
    VW_TRY(measure(b, n, (int64_t)BLOCKS_A_RANK * size, &strong));
    VW_TRY(measure(b, n, (int64_t)BLOCKS_A_RANK * n, &weak));
    if (n == 1) one_weak = weak, one_strong = strong;
    if (rows) json_array_append_new(rows, row_of(b, n, &weak, &strong, &one_weak, &one_strong));
    if (n == size) break;
  }
  return rank_rows(b, each);
}

vw_status vw_bench_study(const vw_ranks *ranks, const vw_block_kind *kind, double seconds, json_t **rows,
                         json_t **each) {
  vw_timed_program program = {0};
  bench_study b = {.all = ranks, .kind = kind, .program = &program};
  vw_status st = VW_OK;
  *rows = *each = NULL;
  b.rates = calloc((size_t)ranks->size, sizeof *b.rates);
  if (ranks->rank == 0) *rows = json_array(), *each = json_array();
  if (!b.rates || (ranks->rank == 0 && !(*rows && *each))) st = VW_RAISE(VW_ERR_MEMORY, "bench study: out of memory");
  if (st == VW_OK) st = vw_time_open(kind, &program);
  st = vw_agree_message(ranks, st);
  if (st == VW_OK) st = choose_steps(&b, seconds / BLOCKS_A_RANK);
  if (st == VW_OK) st = measure_all(&b, *rows, *each);
  vw_time_close(&program);
  free(b.rates);
  if (st != VW_OK) json_decref(*rows), json_decref(*each), *rows = *each = NULL;
  return st;
}
