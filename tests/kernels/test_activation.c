/* exp, Phi and the activations of kernels/cpu against libm in double. */
#include "tests/support/test.h"

#include "kernels/cpu/activation.h"
#include <float.h>
#include <math.h>

/* Distance in units of the last place of `expected`. */
static double ulps(float got, double expected) {
  int exponent;
  (void)frexp(expected, &exponent);
  return fabs(got - expected) / ldexp(1, exponent - FLT_MANT_DIG);
}

static void exp_follows_libm(void **state) {
  (void)state;
  double worst = 0;
  for (int i = -870000; i <= 880000; i++) {
    const float x = (float)i * 1e-4F;
    worst = fmax(worst, ulps(vw_expf(x), exp(x)));
  }
  if (worst > 1.5) fail_msg("exp is %g ulp off", worst);
  assert_true(vw_expf(0) == 1);
  assert_true(vw_expf(-1e30F) == vw_expf(-87) && vw_expf(1e30F) == vw_expf(88) && isnan(vw_expf(NAN)));
}

/* Phi(-x) carries the rounding of x^2 / 2 through the exponential: x^2 / 2 half-ulps beside the other roundings. */
static void normal_follows_libm(void **state) {
  (void)state;
  for (int i = -130000; i <= 130000; i++) {
    const float z = (float)i * 1e-4F;
    float density;
    const float phi = vw_normalf(z, &density);
    const double expected = 0.5 * erfc(-(double)z * 0.70710678118654752440), allowed = 6 + (double)z * z;
    if (!(ulps(phi, expected) <= allowed)) fail_msg("Phi(%g) is %.9g, not %.9g", z, phi, expected);
    const double d = 0.39894228040143267794 * exp(-0.5 * (double)z * z);
    if (!(ulps(density, d) <= allowed)) fail_msg("density(%g) is %.9g, not %.9g", z, density, d);
  }
}

/* Of order max(1, |z|): a few roundings each. */
static void activations_follow_libm(void **state) {
  (void)state;
  for (int i = -20000; i <= 20000; i++) {
    const float z = (float)i * 1e-3F, one = 1;
    const double tol = 8 * FLT_EPSILON * fmax(1, fabs(z)), s = 1 / (1 + exp(-1.702 * z)),
                 phi = 0.5 * erfc(-(double)z * 0.70710678118654752440),
                 d = 0.39894228040143267794 * exp(-0.5 * (double)z * z);
    float y, dz;
    vw_act(VW_ACT_QUICK_GELU, &z, &y, 1), vw_act_grad(VW_ACT_QUICK_GELU, &z, &one, &dz, 1);
    assert_true(fabs(y - z * s) <= tol && fabs(dz - (s + 1.702 * z * s * (1 - s))) <= tol);
    vw_act(VW_ACT_GELU, &z, &y, 1), vw_act_grad(VW_ACT_GELU, &z, &one, &dz, 1);
    assert_true(fabs(y - z * phi) <= tol && fabs(dz - (phi + z * d)) <= tol);
    const double e = 1 / (1 + exp(-(double)z));
    vw_act(VW_ACT_SILU, &z, &y, 1), vw_act_grad(VW_ACT_SILU, &z, &one, &dz, 1);
    assert_true(fabs(y - z * e) <= tol && fabs(dz - (e + z * e * (1 - e))) <= tol);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(exp_follows_libm), cmocka_unit_test(normal_follows_libm),
                                     cmocka_unit_test(activations_follow_libm)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
