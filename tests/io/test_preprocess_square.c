/* OWL-v2's preprocessing against transformers' slow processor (tests/reference/preprocess_square.py). */
#include "tests/support/test.h"

#include "io/pictures/preprocess_square.h"
#include "io/safetensors.h"

#include <float.h>
#include <stdlib.h>

static const struct {
  int64_t height, width, size;
} cases[] = {{150, 97, 32}, {40, 64, 36}, {48, 48, 48}, {20, 31, 40},
             {4, 200, 24},  {5, 2, 16},   {2, 2, 8},    {333, 250, 16}};

static vw_square settings(int64_t size, double pad) {
  return (vw_square){.size = size,
                     .pad = pad,
                     .mean = {0.48145466, 0.4578275, 0.40821073},
                     .std = {0.26862954, 0.26130258, 0.27577711},
                     .rescale = 1.0 / 255};
}

/* picture() of the script. */
static vw_image picture(int64_t h, int64_t w) {
  vw_image p = {.height = h, .width = w, .rgb = malloc((size_t)(h * w * 3))};
  for (int64_t y = 0; y < h; y++)
    for (int64_t x = 0; x < w; x++)
      for (int64_t c = 0; c < 3; c++)
        p.rgb[(y * w + x) * 3 + c] = (uint8_t)((37 * y + 101 * x + 57 * c + x * y % 29 * 7 + (y / 5 % 2) * 90) % 256);
  return p;
}

static void check_case(const vw_safetensors *file, int64_t h, int64_t w, int64_t S) {
  const vw_square p = settings(S, 0.5);
  const int64_t n = S * S * 3;
  char name[64];
  vw_tensor expected;
  vw_image image = picture(h, w);
  float *pixels = malloc((size_t)n * sizeof *pixels), *out = malloc((size_t)n * sizeof *out);
  double *a = malloc((size_t)n * sizeof *a), *b = malloc((size_t)n * sizeof *b),
         *exact = malloc((size_t)n * sizeof *exact);
  (void)snprintf(name, sizeof name, "%dx%d-%d", (int)h, (int)w, (int)S);
  assert_ok(vw_safetensors_find(file, name, &expected));
  assert_ok(vw_square_pixels(&p, &image, pixels));
  vw_square_normalise(&p, pixels, S * S, out);
  vw_square_normalise_f64(&p, pixels, S * S, exact);
  for (int64_t i = 0; i < n; i++) a[i] = out[i], b[i] = ((const float *)expected.data)[i];
  /* values up to 2.7 = 1 / std; a last bit of exp may move each of three fp32 roundings by one: 3 eps / std */
  vw_assert_near(name, a, b, n, 3 * FLT_EPSILON / 0.26);
  vw_assert_near(name, exact, b, n, 5 * FLT_EPSILON / 0.26); /* and the two roundings of normalising */
  free(pixels), free(out), free(a), free(b), free(exact);
  vw_image_free(&image);
}

static void test_reference(void **state) {
  (void)state;
  vw_safetensors *file = NULL;
  assert_ok(vw_safetensors_open(&file, VW_TEST_DATA "/reference/fixtures/preprocess_square.safetensors"));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check_case(file, cases[i].height, cases[i].width, cases[i].size);
  vw_safetensors_close(file);
}

/* Padding shows in the padded half alone, and what comes out stays in the picture's range. */
static void test_padding(void **state) {
  (void)state;
  const vw_square grey = settings(64, 0.5), black = settings(64, 0);
  vw_image image = picture(64, 32);
  static float a[64 * 64 * 3], b[64 * 64 * 3];
  assert_ok(vw_square_pixels(&grey, &image, a));
  assert_ok(vw_square_pixels(&black, &image, b));
  for (int y = 0; y < 64; y++)
    for (int x = 0; x < 64; x++)
      for (int c = 0; c < 3; c++) {
        const int i = (y * 64 + x) * 3 + c;
        if (x < 32)
          assert_true(a[i] == b[i] && a[i] == (float)(image.rgb[(y * 32 + x) * 3 + c] * (1.0 / 255)));
        else
          assert_true(a[i] == 0.5F && b[i] == 0);
      }
  vw_image_free(&image);
}

static void test_refused(void **state) {
  (void)state;
  const vw_square p = settings(0, 0.5), good = settings(8, 0.5);
  vw_image image = picture(2, 2);
  const vw_image none = {0};
  float out[8 * 8 * 3];
  assert_int_equal(vw_square_pixels(&p, &image, out), VW_ERR_ARG);
  assert_int_equal(vw_square_pixels(&good, &none, out), VW_ERR_ARG);
  vw_image_free(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_padding),
                                     cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
