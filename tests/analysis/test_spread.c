/* How far apart words of one concept are: pairs of other anchors and of other replicas, by hand; quartiles. */
#include "tests/support/test.h"

#include "analysis/spread.h"

#include <math.h>

static void near(double got, double wanted) {
  vw_assert_near("", &got, &wanted, 1, 1e-14);
}

/* Concept 7: anchors 0 and 1 with two replicas each; concept 3: one word, and one that is not finite. */
static void test_pairs(void **state) {
  static const double x[][2] = {{1, 0}, {0, 2}, {3, 0}, {0, 1}, {1, 1}, {NAN, 1}};
  static const vw_spread_item item[] = {{7, 0, 0, 1},        {7, 0, 1, 1}, {7, 1, 0, 3},
                                        {7, 1, 1, INFINITY}, {3, 0, 0, 1}, {3, 1, 0, 1}};
  vw_spread s[6];
  int64_t n = 0;
  (void)state;
  vw_spreads(&x[0][0], 6, 2, item, s, &n);
  assert_int_equal(n, 2);
  assert_int_equal(s[0].concept, 7);
  /* (1,0)-(3,0): cosine 1, distance 2 over 2; (0,2)-(0,1): cosine 1, no radius */
  assert_int_equal(s[0].pairs[VW_SPREAD_ANCHORS], 2);
  near(s[0].cosine[VW_SPREAD_ANCHORS], 1);
  near(s[0].distance[VW_SPREAD_ANCHORS], 1);
  /* (1,0)-(0,2): cosine 0, sqrt 5 over 1; (3,0)-(0,1): cosine 0, no radius */
  assert_int_equal(s[0].pairs[VW_SPREAD_REPLICAS], 2);
  near(s[0].cosine[VW_SPREAD_REPLICAS], 0);
  near(s[0].distance[VW_SPREAD_REPLICAS], sqrt(5));
  /* with (1,1) of concept 3, anchor 0, replica 0: (3,0) alone is of another anchor and the same replica */
  for (int k = 0; k < 2; k++) {
    assert_int_equal(s[k].pairs[VW_SPREAD_OTHERS], 1);
    near(s[k].cosine[VW_SPREAD_OTHERS], sqrt(.5));
    near(s[k].distance[VW_SPREAD_OTHERS], sqrt(5) / 2);
  }
  assert_int_equal(s[1].concept, 3);
  assert_int_equal(s[1].pairs[VW_SPREAD_ANCHORS], 0);
  assert_true(isnan(s[1].cosine[VW_SPREAD_ANCHORS]) && isnan(s[1].distance[VW_SPREAD_REPLICAS]));
}

static void test_cosine(void **state) {
  static const double x[] = {3, 4}, y[] = {-4, 3}, zero[] = {0, 0}, none[] = {NAN, 0};
  (void)state;
  near(vw_cosine(x, x, 2), 1), near(vw_cosine(x, y, 2), 0);
  assert_true(isnan(vw_cosine(x, zero, 2)) && isnan(vw_cosine(none, x, 2)));
}

static void test_quartiles(void **state) {
  double five[] = {5, 1, 4, 2, 3}, two[] = {3, 1}, one[] = {7}, q[3];
  (void)state;
  vw_quartiles(five, 5, q);
  near(q[0], 2), near(q[1], 3), near(q[2], 4);
  vw_quartiles(two, 2, q);
  near(q[0], 1.5), near(q[1], 2), near(q[2], 2.5);
  vw_quartiles(one, 1, q);
  near(q[0], 7), near(q[1], 7), near(q[2], 7);
  vw_quartiles(one, 0, q);
  assert_true(isnan(q[0]) && isnan(q[1]) && isnan(q[2]));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs), cmocka_unit_test(test_cosine),
                                     cmocka_unit_test(test_quartiles)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
