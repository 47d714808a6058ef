/* Order and length of a queue's work. */
#include "tests/support/test.h"

#include "study/schedule.h"

static double length_of(const double *cost, int64_t n, int64_t workers) {
  double length = -1;
  assert_ok(vw_schedule_length(cost, n, workers, &length));
  return length;
}

static double share_of(const double *cost, int64_t n, int64_t workers) {
  double share = -1;
  assert_ok(vw_schedule_utilisation(cost, n, workers, &share));
  return share;
}

static void test_order(void **state) {
  (void)state;
  static const double cost[] = {2, 5, 2, 9, 0, 5};
  static const int64_t expected[] = {3, 1, 5, 0, 2, 4}, some[] = {1, 5, 2};
  int64_t order[] = {0, 1, 2, 3, 4, 5}, part[] = {2, 5, 1};
  vw_schedule_sort(order, 6, cost);
  assert_memory_equal(order, expected, sizeof order);
  vw_schedule_sort(part, 3, cost); /* a part of the items, by their own costs */
  assert_memory_equal(part, some, sizeof part);
}

static void test_length(void **state) {
  (void)state;
  static const double even[] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, mixed[] = {1, 1, 1, 1, 8}, steps[] = {7, 6, 5, 4, 3, 2, 1};
  assert_true(length_of(even, 9, 8) == 2 && length_of(even, 9, 1) == 9 && length_of(even, 9, 1000000) == 1);
  assert_true(length_of(mixed, 5, 2) == 8);  /* the long one first, though it stands last */
  assert_true(length_of(steps, 7, 3) == 10); /* 7 2 1, 6 3, 5 4: taken when free */
  assert_true(length_of(even, 0, 3) == 0);
  assert_true(share_of(even, 8, 8) == 1 && share_of(even, 9, 8) == 9.0 / 16 && share_of(even, 0, 3) == 1);
  assert_true(share_of(mixed, 5, 2) == 12.0 / 16); /* by numbers alone it would be 5 of 6 */
}

/* Every item has one worker, the loads are those of the queue, and the order of the list is no matter. */
static void test_share(void **state) {
  (void)state;
  static const double steps[] = {7, 6, 5, 4, 3, 2, 1}, even[] = {1, 1, 1, 1};
  static const int64_t expected[] = {0, 1, 2, 2, 1, 0, 0}, in_turn[] = {0, 1, 2, 0};
  int64_t worker[7];
  assert_ok(vw_schedule_share(steps, 7, 3, worker));
  assert_memory_equal(worker, expected, sizeof expected);
  assert_ok(vw_schedule_share(even, 4, 3, worker));
  assert_memory_equal(worker, in_turn, sizeof in_turn);
  assert_ok(vw_schedule_share(even, 4, 100, worker)); /* the others have nothing */
  for (int64_t i = 0; i < 4; i++) assert_int_equal(worker[i], i);
  assert_ok(vw_schedule_share(even, 0, 3, worker));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_length),
                                     cmocka_unit_test(test_share)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
