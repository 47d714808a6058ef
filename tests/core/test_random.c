/* Philox against the known answers of Random123 (kat_vectors), normals against libm and their moments. */
#include "tests/support/test.h"

#include "core/random.h"
#include <math.h>

static void philox_known_answers(void **state) {
  (void)state;
  const vw_philox zero = vw_philox4x32(0, 0, 0, 0, 0);
  const uint32_t zero_expected[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  assert_memory_equal(zero.v, zero_expected, sizeof zero_expected);
  const vw_philox ones = vw_philox4x32(~UINT64_C(0), ~0u, ~0u, ~0u, ~0u);
  const uint32_t ones_expected[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  assert_memory_equal(ones.v, ones_expected, sizeof ones_expected);
  const vw_philox pi = vw_philox4x32(UINT64_C(0x299f31d0a4093822), 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344);
  const uint32_t pi_expected[4] = {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1};
  assert_memory_equal(pi.v, pi_expected, sizeof pi_expected);
}

static void log_and_sincos_follow_libm(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 1u << 20; i++) {
    const float u = vw_uniform(vw_draw_u32(7, 0, 0, i));
    assert_true(u > 0 && u < 1);
    const double expected = log((double)u);
    /* 4 ulp of the larger of the result and ln 2 (the exponent part is rounded once) */
    assert_true(fabs(vw_log01(u) - expected) <= 4 * 5.97e-8 * fmax(fabs(expected), 0.7));
    float s, c;
    vw_sincos_turn(u, &s, &c);
    assert_true(fabs(s - sin(6.283185307179586 * u)) < 6e-7 && fabs(c - cos(6.283185307179586 * u)) < 6e-7);
  }
}

static void normals_have_normal_moments(void **state) {
  (void)state;
  const int64_t n = 1 << 20;
  double m1 = 0, m2 = 0, m4 = 0;
  for (uint32_t i = 0; i < n / 4; i++) {
    float z[4];
    vw_normal4(vw_philox4x32(42, i, 0, 0, 0), z);
    for (int j = 0; j < 4; j++) m1 += z[j], m2 += (double)z[j] * z[j], m4 += (double)z[j] * z[j] * z[j] * z[j];
  }
  /* five standard errors of each moment */
  assert_true(fabs(m1 / n) < 5 / sqrt((double)n));
  assert_true(fabs(m2 / n - 1) < 5 * sqrt(2.0 / n));
  assert_true(fabs(m4 / n - 3) < 5 * sqrt(96.0 / n));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(philox_known_answers),
                                     cmocka_unit_test(log_and_sincos_follow_libm),
                                     cmocka_unit_test(normals_have_normal_moments)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
