/* When a word stops early, and where a failed one's loss was first seen not to be finite. */
#include "tests/support/test.h"

#include "learn/block_io.h"

#include <math.h>

static int64_t stops(int64_t patience, double threshold, int64_t n, const double *loss) {
  const vw_learn_config learn = {.patience = patience, .threshold = threshold};
  double column[2 * 16] = {0};
  for (int64_t i = 0; i < n; i++) column[2 * i] = loss[i], column[2 * i + 1] = -7; /* another word's */
  const int64_t at = vw_early_stop(&learn, column, n, 2);
  for (int64_t i = 1; i <= n; i++) { /* what comes later changes nothing */
    const int64_t early = vw_early_stop(&learn, column, i, 2);
    assert_int_equal(early, at >= 0 && at < i ? at : -1);
  }
  return at;
}

static void test_early_stop(void **state) {
  const double falls[] = {8, 4, 2, 1, .5}, halts[] = {8, 4, 3.9, 3.8, 3.5, 3.4}, rises[] = {1, 2, .5, 3, 4, 5};
  (void)state;
  assert_int_equal(stops(0, .1, 6, halts), -1); /* never asked for */
  assert_int_equal(stops(1, .1, 5, falls), -1);
  assert_int_equal(stops(1, .5, 5, falls), 1); /* by half is not by more than half */
  assert_int_equal(stops(1, .1, 6, halts), 2);
  assert_int_equal(stops(2, .1, 6, halts), 3);
  assert_int_equal(stops(3, .1, 6, halts), -1); /* slow progress counts from where there was progress last: 3.5 < 3.6 */
  assert_int_equal(stops(3, .2, 6, halts), 4);
  assert_int_equal(stops(1, 0, 6, rises), 1);
  assert_int_equal(stops(2, 0, 6, rises), 4);
}

static void test_not_finite(void **state) {
  const double never[] = {NAN, NAN, NAN, NAN}, later[] = {8, 4, NAN, INFINITY, NAN}, begins[] = {NAN, 3, 2, 1};
  const double recovers[] = {8, NAN, 4, NAN, 2};
  (void)state;
  assert_int_equal(stops(2, .1, 4, never), 2); /* not finite is no progress */
  assert_int_equal(stops(2, .1, 5, later), 3);
  assert_int_equal(stops(2, .1, 4, begins), -1);
  assert_int_equal(stops(2, .1, 5, recovers), -1);
}

static void test_failed_step(void **state) {
  const double history[] = {1, 1, 1, NAN, 1, 2, INFINITY, NAN}; /* [4, 2], a point each 5 steps */
  (void)state;
  assert_int_equal(vw_block_failed_step(history, 2, 0, 5, 20), 15);
  assert_int_equal(vw_block_failed_step(history, 2, 1, 5, 20), 5);
  assert_int_equal(vw_block_failed_step(history, 2, 0, 5, 15), 15); /* the word's last step: no stored loss before it */
  assert_int_equal(vw_block_failed_step(history, 2, 1, 5, 5), 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_early_stop), cmocka_unit_test(test_not_finite),
                                     cmocka_unit_test(test_failed_step)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
