/* Nearest words by distance and by cosine: worked out by hand. */
#include "tests/support/test.h"

#include "study/near.h"

#include <math.h>

enum { V = 6, D = 2, TOP = 3 };

/* Entry 3 is no word; 0 is the zero vector, 4 and 5 are equal. */
static float table[V][D] = {{0, 0}, {3, 4}, {1, 0}, {2, 1}, {0, 2}, {0, 2}};
static const uint8_t word[V] = {1, 1, 1, 0, 1, 1};

static void by_hand(void **state) {
  (void)state;
  const vw_embeddings e = {.data = table, .dtype = VW_F32, .V = V, .d = D, .word = word};
  const double x[2][D] = {{2, 1}, {0, 4}};
  vw_near_word near[2][TOP], alike[2][TOP];
  assert_ok(vw_near_words(&e, &x[0][0], 2, TOP, &near[0][0], &alike[0][0]));
  /* (2,1): distances 0: sqrt 5, 1: sqrt 10, 2: sqrt 2, 4 and 5: sqrt 5; cosines 0, 2/sqrt 5, 2/sqrt 5, 1/sqrt 5. */
  const int64_t by_distance[] = {2, 0, 4}, by_cosine[] = {1, 2, 4};
  for (int i = 0; i < TOP; i++) {
    assert_int_equal(near[0][i].id, by_distance[i]);
    assert_int_equal(alike[0][i].id, by_cosine[i]);
  }
  assert_true(fabs(near[0][0].distance - sqrt(2)) < 1e-15 && fabs(near[0][0].cosine - 2 / sqrt(5)) < 1e-15);
  assert_true(near[0][1].cosine == 0);
  assert_true(fabs(alike[0][0].cosine - 2 / sqrt(5)) < 1e-15 && fabs(alike[0][0].distance - sqrt(10)) < 1e-15);
  /* (0,4): 4 before its equal 5. */
  assert_true(near[1][0].id == 4 && near[1][1].id == 5 && near[1][0].distance == 2);
  assert_true(alike[1][0].id == 4 && alike[1][1].id == 5 && alike[1][0].cosine == 1);
}

static void few_words(void **state) {
  (void)state;
  enum { MANY = 7 };
  const vw_embeddings e = {.data = table, .dtype = VW_F32, .V = V, .d = D, .word = word};
  const double x[D] = {1, 1};
  vw_near_word near[MANY], alike[MANY];
  assert_ok(vw_near_words(&e, x, 1, MANY, near, alike));
  assert_true(near[4].id >= 0 && near[5].id == -1 && alike[6].id == -1);
  assert_int_equal(vw_near_words(&e, x, 1, 0, near, alike), VW_ERR_ARG);
  assert_int_equal(vw_near_words(&e, x, 1, VW_NEAR_MOST + 1, near, alike), VW_ERR_ARG);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(few_words)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
