/* The cheapest assignment against every permutation of small cases, and where a large one is known. */
#include "tests/support/test.h"

#include "core/assignment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double sum_of(const double *cost, int64_t rows, int64_t columns, const int64_t *column) {
  double sum = 0;
  for (int64_t i = 0; i < rows; i++) sum += cost[i * columns + column[i]];
  return sum;
}

/* The least sum over all ways to give rows i.. a column each. */
static double exhaustive(const double *cost, int64_t rows, int64_t columns, int64_t i, uint32_t taken) {
  double best = INFINITY;
  if (i == rows) return 0;
  for (int64_t j = 0; j < columns; j++) {
    if (taken >> j & 1) continue;
    const double rest = cost[i * columns + j] + exhaustive(cost, rows, columns, i + 1, taken | 1u << j);
    if (rest < best) best = rest;
  }
  return best;
}

static void assert_distinct(const int64_t *column, int64_t rows, int64_t columns) {
  char *taken = calloc((size_t)columns, 1);
  for (int64_t i = 0; i < rows; i++) {
    assert_in_range(column[i], 0, columns - 1);
    assert_int_equal(taken[column[i]]++, 0);
  }
  free(taken);
}

static void test_exhaustive(void **state) {
  (void)state;
  double cost[6 * 8];
  int64_t column[6];
  for (uint64_t seed = 0; seed < 400; seed++) {
    const int64_t rows = 1 + (int64_t)(seed % 6), columns = rows + (int64_t)(seed / 6 % 3);
    vw_test_fill(cost, rows * columns, seed);
    if (seed % 4 == 3) /* many ties, costs of both signs */
      for (int64_t i = 0; i < rows * columns; i++) cost[i] = round(3 * cost[i]);
    assert_ok(vw_assign(cost, rows, columns, column));
    assert_distinct(column, rows, columns);
    const double got = sum_of(cost, rows, columns, column), expected = exhaustive(cost, rows, columns, 0, 0);
    vw_assert_near("cost", &got, &expected, 1, 1e-13); /* sums of 6 terms below 3 */
  }
}

/* 100 boxes, 3,600 patches with a known cheapest assignment: row i is free on one column and costs at least 1 on all
 * others. */
static void test_large(void **state) {
  (void)state;
  enum { ROWS = 100, COLUMNS = 3600 };
  double *cost = malloc(sizeof(double) * ROWS * COLUMNS);
  int64_t column[ROWS];
  vw_test_fill(cost, ROWS * COLUMNS, 5);
  for (int64_t i = 0; i < ROWS; i++) {
    for (int64_t j = 0; j < COLUMNS; j++) cost[i * COLUMNS + j] = 2 + cost[i * COLUMNS + j];
    cost[i * COLUMNS + (i * 1117 + 31) % COLUMNS] = 0;
  }
  assert_ok(vw_assign(cost, ROWS, COLUMNS, column));
  for (int64_t i = 0; i < ROWS; i++) assert_int_equal(column[i], (i * 1117 + 31) % COLUMNS);
  free(cost);
}

static void test_edges(void **state) {
  (void)state;
  const double one[] = {5, 4, 3}, bad[] = {1, NAN};
  int64_t column[2] = {7, 7};
  assert_ok(vw_assign(one, 1, 3, column));
  assert_int_equal(column[0], 2);
  assert_ok(vw_assign(NULL, 0, 0, column));
  assert_int_equal(vw_assign(one, 3, 1, column), VW_ERR_ARG);
  assert_int_equal(vw_assign(bad, 1, 2, column), VW_ERR_ARG);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_exhaustive), cmocka_unit_test(test_large),
                                     cmocka_unit_test(test_edges)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
