/* Neighbours' labels and silhouettes: places where they are known, and the definition. */
#include "tests/support/test.h"

#include "analysis/neighbours.h"

#include <math.h>

/* Four words on a line: concept pairs lie together, anchors do not. */
static void pairs_on_a_line(void **state) {
  (void)state;
  const float x[] = {0, 1, 10, 12};
  const int64_t concept[] = {0, 0, 1, 1}, anchor[] = {0, 1, 0, 1};
  vw_neighbourhood n[4];
  assert_ok(vw_neighbourhoods(x, 4, 1, concept, anchor, 2, n));
  for (int i = 0; i < 4; i++) assert_true(n[i].agrees[VW_BY_A] == 1 && n[i].agrees[VW_BY_B] == 0);
  /* sklearn.metrics.silhouette_samples (1.9.1) of these points */
  const double by_concept[] = {0.9090909090909091, 0.9, 0.7894736842105263, 0.8260869565217391};
  const double by_anchor[] = {-0.35, -0.5454545454545454, -0.45, -0.36363636363636365};
  for (int i = 0; i < 4; i++) {
    assert_true(fabs(n[i].silhouette[VW_BY_A] - by_concept[i]) < 1e-12);
    assert_true(fabs(n[i].silhouette[VW_BY_B] - by_anchor[i]) < 1e-12);
  }
}

/* All in one place: of the neighbours at distance 0 one in two shares the concept. A replica is no neighbour. */
static void ties_and_replicas(void **state) {
  (void)state;
  const float x[10] = {0};
  const int64_t concept[] = {0, 0, 0, 1, 1}, anchor[] = {0, 0, 1, 0, 1};
  vw_neighbourhood n[5];
  assert_ok(vw_neighbourhoods(x, 5, 2, concept, anchor, 1, n));
  assert_true(n[0].agrees[VW_BY_A] == 1.0 / 3 && n[0].agrees[VW_BY_B] == 1.0 / 3); /* of 2, 3, 4 */
  assert_true(n[4].agrees[VW_BY_A] == 1.0 / 4 && n[4].agrees[VW_BY_B] == 1.0 / 4);
  assert_true(n[0].silhouette[VW_BY_A] == 0);
}

static void what_does_not_apply(void **state) {
  (void)state;
  const float x[] = {0, 1, 3};
  const int64_t one[] = {0, 0, 0}, anchor[] = {0, 1, 2};
  vw_neighbourhood n[3];
  assert_ok(vw_neighbourhoods(x, 3, 1, one, anchor, 1, n));
  assert_true(isnan(n[0].agrees[VW_BY_A]) && isnan(n[0].agrees[VW_BY_B])); /* no other word of its anchor */
  assert_true(isnan(n[0].silhouette[VW_BY_A]) && n[0].silhouette[VW_BY_B] == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(pairs_on_a_line), cmocka_unit_test(ties_and_replicas),
                                     cmocka_unit_test(what_does_not_apply)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
