/* Positions at another number of patches against torch.nn.functional.interpolate (bicubic, corners not aligned), whose
 * numbers stand here; that whole towers follow transformers is tests/models/test_owlv2.c. */
#include "tests/support/test.h"

#include "networks/owlv2.h"

#include <math.h>

static void the_same_size_is_the_same(void **state) {
  (void)state;
  double from[1 + 9], out[1 + 9];
  for (int i = 0; i < 10; i++) from[i] = sin(i);
  vw_positions_resize(from, 3, 1, 3, out);
  for (int i = 0; i < 10; i++) assert_true(fabs(from[i] - out[i]) < 1e-15);
}

/* A constant stays one, the class token is kept, and every number stays its channel's. Sixteen terms of up to 7, each
 * rounded: 5e-14. */
static void constants_stay(void **state) {
  (void)state;
  double from[(1 + 4) * 2], out[(1 + 25) * 2];
  for (int i = 0; i < 5; i++) from[2 * i] = i ? 3 : 8, from[2 * i + 1] = i ? -7 : 9;
  vw_positions_resize(from, 2, 2, 5, out);
  assert_true(out[0] == 8 && out[1] == 9);
  for (int i = 1; i < 26; i++) assert_true(fabs(out[2 * i] - 3) < 5e-14 && fabs(out[2 * i + 1] + 7) < 5e-14);
}

/* interpolate(torch.arange(4.).view(1, 1, 2, 2), size=(3, 3), mode="bicubic") in float64 */
static void two_to_three(void **state) {
  (void)state;
  static const double expected[9] = {
      -0.26041666666666613, 0.32638888888888939, 0.91319444444444542, 0.91319444444444486, 1.5,
      2.0868055555555562,   2.0868055555555571,  2.673611111111112,   3.2604166666666683};
  const double from[5] = {100, 0, 1, 2, 3};
  double out[10];
  vw_positions_resize(from, 2, 1, 3, out);
  vw_assert_near("positions", out + 1, expected, 9, 1e-14);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_size_is_the_same), cmocka_unit_test(constants_stay),
                                     cmocka_unit_test(two_to_three)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
