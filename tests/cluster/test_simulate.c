/* The simulated queue against what is known without it: closed forms, the schedule of src/study, counts of requests. */
#include "tests/support/test.h"

#include "cluster/simulate.h"
#include "core/random.h"
#include "study/schedule.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 9000 };
static double seconds[MOST];
static int64_t rank_of[MOST];
static double begins[MOST];

static vw_simulation simulate(vw_simulated in) {
  vw_simulation out;
  in.seconds = seconds;
  assert_ok(vw_simulate(&in, &out, rank_of, begins));
  return out;
}

/* Positive times with a mean near 1, the longest first. */
static void draw(int64_t n, double spread, uint64_t key) {
  double drawn[MOST] = {0};
  int64_t order[MOST];
  for (int64_t i = 0; i < n; i++) {
    order[i] = i;
    drawn[i] = exp(spread * (2.0 * (double)vw_uniform(vw_draw_u32(key, 0, 0, (uint32_t)i)) - 1));
  }
  vw_schedule_sort(order, n, drawn);
  for (int64_t i = 0; i < n; i++) seconds[i] = drawn[order[i]];
}

static void fill(int64_t n, double each) {
  for (int64_t i = 0; i < n; i++) seconds[i] = each;
}

/* Without a network the simulated queue is the schedule by which plans are made; nanoseconds are rounded once an item.
 * Asking a step before the end, a rank whose steps are long asks too early: that costs less than the longest step. */
static void test_schedule(void **state) {
  (void)state;
  static const int64_t ranks[] = {1, 2, 7, 64, 1000};
  for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
    const int64_t n = 777;
    double length = 0, share = 0;
    draw(n, 1, i);
    vw_simulation s = simulate((vw_simulated){.ranks = ranks[i], .n = n, .steps = 40});
    assert_ok(vw_schedule_length(seconds, n, ranks[i], &length));
    assert_ok(vw_schedule_utilisation(seconds, n, ranks[i], &share));
    assert_true(fabs(s.makespan - length) <= seconds[0] / 40);
    s = simulate((vw_simulated){.ranks = ranks[i], .n = n, .steps = 1});
    assert_true(fabs(s.makespan - length) <= 1e-9 * (double)n);
    assert_true(fabs(s.utilisation - share) <= 1e-6);
    assert_true(s.rank_least <= s.busy / (double)ranks[i] && s.rank_most >= s.busy / (double)ranks[i]);
    for (int64_t k = 1; k < n; k++) assert_true(begins[k] >= begins[k - 1]); /* handed out in the queue's order */
  }
}

/* A take an item and one more a rank, a report an item, and all units arrive. */
static void test_requests(void **state) {
  (void)state;
  int64_t units[100], sum = 0;
  for (int i = 0; i < 100; i++) units[i] = 1 + i % 5, sum += units[i];
  for (int64_t ranks = 1; ranks <= 32; ranks *= 2) {
    draw(100, 0.5, 7);
    const vw_simulation s = simulate(
        (vw_simulated){.ranks = ranks, .n = 100, .units = units, .steps = 10, .latency = 1e-5, .service = 1e-6});
    assert_int_equal(s.sent[VW_QUEUE_TAKE], 100 + ranks);
    assert_int_equal(s.sent[VW_QUEUE_REPORT], 100);
    assert_int_equal(s.sent[VW_QUEUE_HALT], 0);
    assert_int_equal(s.done, sum);
    if (ranks == 1) assert_int_equal(s.sent[VW_QUEUE_LOOK], 0); /* rank 0 reads its own memory */
  }
}

/* Things that are taken together are one take, and a report each, spread over their time; of one part each they are what
 * they were. */
static void test_parts(void **state) {
  (void)state;
  int64_t parts[40], units[40], sum = 0;
  for (int i = 0; i < 40; i++) parts[i] = 1 + i % 4, units[i] = 1 + i % 3, sum += parts[i] * units[i];
  for (int64_t steps = 1; steps <= 9; steps += 4)
    for (int64_t ranks = 1; ranks <= 8; ranks *= 2) {
      draw(40, 0.5, 9);
      vw_simulated in = {.ranks = ranks, .n = 40, .units = units, .parts = parts, .steps = steps, .latency = 1e-5};
      const vw_simulation s = simulate(in);
      assert_int_equal(s.sent[VW_QUEUE_TAKE], 40 + ranks);
      assert_int_equal(s.sent[VW_QUEUE_REPORT], 100); /* parts in all */
      assert_int_equal(s.done, sum);
      for (int i = 0; i < 40; i++) parts[i] = 1;
      const vw_simulation one = simulate(in);
      assert_true(fabs(one.busy - s.busy) < 1e-6 && fabs(one.makespan - s.makespan) <= seconds[0]);
      in.parts = NULL;
      const vw_simulation none = simulate(in);
      assert_memory_equal(&one, &none, sizeof one);
      for (int i = 0; i < 40; i++) parts[i] = 1 + i % 4;
    }
  parts[3] = 0;
  vw_simulation out;
  assert_int_equal(vw_simulate(&(vw_simulated){.ranks = 1, .n = 40, .seconds = seconds, .parts = parts, .steps = 1},
                               &out, NULL, NULL),
                   VW_ERR_ARG);
}

/* Asked for one step early, an answer that takes less than a step costs nothing; else each item waits for its own. */
static void test_latency(void **state) {
  (void)state;
  const double latency = 0.01;
  fill(40, 1);
  vw_simulation s = simulate((vw_simulated){.ranks = 4, .n = 40, .steps = 50, .latency = latency});
  assert_true(fabs(s.makespan - (10 + latency)) < 1e-6); /* the first takes; rank 0 has no way to go */
  s = simulate((vw_simulated){.ranks = 4, .n = 40, .steps = 1, .latency = latency});
  assert_true(s.makespan > 10 + 8 * latency && s.makespan <= 10 * (1 + latency) + 1e-6);
  assert_true(fabs(s.longest_wait - latency) < 1e-6);
}

/* Items of no length come as fast as rank 0 serves; what ranks send behind their last item is all that comes later. */
static void test_capacity(void **state) {
  (void)state;
  const double service = 1e-5;
  fill(8000, 0);
  const vw_simulation s = simulate((vw_simulated){.ranks = 64, .n = 8000, .steps = 1, .service = service});
  const double served = service * (double)(s.sent[VW_QUEUE_TAKE] + s.sent[VW_QUEUE_REPORT] + s.sent[VW_QUEUE_LOOK]);
  assert_true(s.makespan <= served && s.makespan >= served - 4 * 64 * service);
  assert_true(s.longest_wait <= 3 * 64 * service); /* three requests a rank are under way at most */
}

/* A thousand ranks that only compute ask rank 0 for a stop 2,000 times a second together, ten of them 200 times. */
static void test_looks(void **state) {
  (void)state;
  fill(1024, 20);
  vw_simulation s = simulate((vw_simulated){.ranks = 1024, .n = 1024, .steps = 10000, .latency = 1e-5});
  assert_true((double)s.sent[VW_QUEUE_LOOK] / s.makespan < 2060 && (double)s.sent[VW_QUEUE_LOOK] / s.makespan > 1900);
  s = simulate((vw_simulated){.ranks = 10, .n = 10, .steps = 10000, .latency = 1e-5});
  assert_true((double)s.sent[VW_QUEUE_LOOK] / s.makespan < 181 && (double)s.sent[VW_QUEUE_LOOK] / s.makespan > 170);
  s = simulate((vw_simulated){.ranks = 10, .n = 10, .steps = 20, .latency = 1e-5}); /* no step, no look */
  assert_true(s.sent[VW_QUEUE_LOOK] <= 9 * 21);
}

static void test_replay(void **state) {
  (void)state;
  const vw_simulated in = {.ranks = 100, .n = 800, .steps = 100, .latency = 1e-4, .service = 1e-5};
  draw(800, 0.4, 3);
  const vw_simulation a = simulate(in), b = simulate(in);
  assert_memory_equal(&a, &b, sizeof a);
  seconds[400] *= 1.001;
  const vw_simulation c = simulate(in);
  assert_memory_not_equal(&a.replay, &c.replay, sizeof a.replay);
}

/* P7: 1,024 ranks are busy for 95 % of the time from 8 blocks a rank on; a rank that is slow is not: it holds the last
 * block that it took. */
static void test_many_ranks(void **state) {
  (void)state;
  double slowness[1024];
  draw(8192, 0.5, 11);
  vw_simulated in = {.ranks = 1024, .n = 8192, .steps = 1000, .latency = 1e-4, .service = 1e-5};
  vw_simulation s = simulate(in);
  assert_true(s.utilisation >= 0.95);
  const double tail = s.tail;
  for (int i = 0; i < 1024; i++) slowness[i] = i == 7 ? 4 : 1;
  in.slowness = slowness;
  s = simulate(in);
  assert_true(s.tail > tail);
}

static void test_refused(void **state) {
  (void)state;
  vw_simulation out;
  fill(2, 1);
  vw_simulated in = {.ranks = 0, .n = 2, .seconds = seconds, .steps = 1};
  assert_int_equal(vw_simulate(&in, &out, NULL, NULL), VW_ERR_ARG);
  in.ranks = 1, in.latency = NAN;
  assert_int_equal(vw_simulate(&in, &out, NULL, NULL), VW_ERR_ARG);
  in.latency = 0, seconds[1] = INFINITY;
  assert_int_equal(vw_simulate(&in, &out, NULL, NULL), VW_ERR_ARG);
  in.n = 0;
  assert_ok(vw_simulate(&in, &out, NULL, NULL));
  assert_true(out.utilisation == 1 && out.makespan == 0 && out.sent[VW_QUEUE_TAKE] == 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_schedule), cmocka_unit_test(test_requests),   cmocka_unit_test(test_parts),
      cmocka_unit_test(test_latency),  cmocka_unit_test(test_capacity),   cmocka_unit_test(test_looks),
      cmocka_unit_test(test_replay),   cmocka_unit_test(test_many_ranks), cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
