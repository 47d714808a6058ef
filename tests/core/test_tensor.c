/* The vectorised conversions of weights give what the plain ones give, for every 16-bit pattern. */
#include "tests/support/test.h"

#include "core/tensor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERNS = 1 << 16 };

/* Through double, number by number, is the plain way: exact, so that both must have the same value. */
static void check(vw_dtype from) {
  uint16_t *in = malloc(PATTERNS * sizeof *in);
  float *quick = malloc(PATTERNS * sizeof *quick);
  double *plain = malloc(PATTERNS * sizeof *plain);
  for (int i = 0; i < PATTERNS; i++) in[i] = (uint16_t)i;
  assert_ok(vw_convert(quick, VW_F32, in, from, PATTERNS));
  assert_ok(vw_convert(plain, VW_F64, in, from, PATTERNS));
  for (int i = 0; i < PATTERNS; i++) {
    assert_int_equal(isnan(quick[i]) != 0, isnan(plain[i]) != 0);
    assert_int_equal(signbit(quick[i]) != 0, i >> 15);
    if (!isnan(quick[i]) && (double)quick[i] != plain[i])
      fail_msg("pattern %#x of %s: %g, plainly %g", (unsigned)i, vw_dtype_name(from), (double)quick[i], plain[i]);
  }
  free(in), free(quick), free(plain);
}

static void halves(void **state) {
  (void)state;
  check(VW_F16);
}
static void bf16(void **state) {
  (void)state;
  check(VW_BF16);
}

/* Known values, and there and back for every number that is one. */
static void known(void **state) {
  (void)state;
  const uint16_t in[] = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00};
  const float expected[] = {1, -2, 65504, 0x1p-24f, -0.0f, INFINITY};
  float out[6];
  assert_ok(vw_convert(out, VW_F32, in, VW_F16, 6));
  assert_memory_equal(out, expected, sizeof out);
  for (int i = 0; i < PATTERNS; i++) {
    const uint16_t h = (uint16_t)i;
    uint16_t back;
    float f;
    assert_ok(vw_convert(&f, VW_F32, &h, VW_F16, 1));
    assert_ok(vw_convert(&back, VW_F16, &f, VW_F32, 1));
    if (!isnan(f)) assert_int_equal(back, h);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(halves), cmocka_unit_test(bf16), cmocka_unit_test(known)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
