/* How often what is timed runs. When a rate counts as settled: the last third of equal windows is within 1 % of the third
 * before. */
#include "tests/support/test.h"

#include "bench/bench.h"
#include "kernels/record.h"

#define LENGTH(a) ((int)(sizeof(a) / sizeof *(a)))

static void steady_rates_settle(void **state) {
  (void)state;
  const double steady[] = {2, 2.01, 1.99, 2, 2, 2}, slowing[] = {1, 1, 1.1, 1.1, 1.2, 1.2};
  const double slowed[] = {1, 1, 1.2, 1.2, 1.2, 1.2};
  double one = 0;
  assert_true(vw_bench_has_settled(steady, LENGTH(steady), &one));
  assert_float_equal(one, 2, 1e-12);
  assert_false(vw_bench_has_settled(slowing, LENGTH(slowing), &one));
  assert_float_equal(one, 1.2, 1e-12);
  assert_true(vw_bench_has_settled(slowed, LENGTH(slowed), &one)); /* what it was at first does not count */
  assert_float_equal(one, 1.2, 1e-12);
}

static void few_windows_do_not_settle(void **state) {
  (void)state;
  const double same[] = {3, 3, 3, 3, 3};
  double one = 0;
  for (int n = 1; n <= LENGTH(same); n++) {
    assert_false(vw_bench_has_settled(same, n, &one));
    assert_float_equal(one, 3, 1e-12);
  }
}

/* Thirds of a number that 3 does not divide: the last whole ones, so that the first window or two are left out. */
static void one_percent_is_the_limit(void **state) {
  (void)state;
  const double within[] = {9, 1, 1, 1.009, 1.009, 1.009, 1.009, 1.009}, beyond[] = {9, 1, 1, 1, 1, 1.011, 1.011, 1.011};
  double one = 0;
  assert_true(vw_bench_has_settled(within, 7, &one));
  assert_false(vw_bench_has_settled(beyond, 7, &one));
}

/* Runs of a program that counts them, when its median is asked for. */
static int64_t runs_in(double seconds) {
  vw_context ctx;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  vw_bench_rate rate = {0};
  int64_t count = 0;
  vw_tensor t = vw_shape(VW_I64, 1);
  t.data = &count;
  assert_ok(vw_context_open(&ctx, VW_CPU, 1, 0));
  assert_ok(vw_graph_create(&g));
  const vw_value step = vw_state(g, vw_shape(VW_I64, 1), "step");
  (void)vw_advance(g, step);
  assert_ok(vw_program_create(&p, g, &ctx, NULL));
  assert_ok(vw_program_write(p, step, &t));
  assert_ok(vw_program_prepare(p));
  assert_ok(vw_bench_median(p, seconds, &rate));
  assert_ok(vw_program_read(p, step, &t));
  assert_true(rate.one > 0);
  vw_program_destroy(p), vw_graph_destroy(g), vw_context_close(&ctx);
  return count;
}

static void what_takes_longer_than_its_time_runs_once(void **state) {
  (void)state;
  assert_int_equal(runs_in(0), 1);
  assert_int_equal(runs_in(1e9), 1 + 4096); /* the one that warms, and as many as are kept at most */
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(steady_rates_settle), cmocka_unit_test(few_windows_do_not_settle),
                                     cmocka_unit_test(one_percent_is_the_limit),
                                     cmocka_unit_test(what_takes_longer_than_its_time_runs_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
