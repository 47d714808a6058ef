/* The product of kernels/cpu: every tile that this processor runs against sums in double, over sizes around the tiles'
 * edges; equal bits for any number of threads, of rows, and for all tiles with fused multiply-adds; packed weights are
 * shared and freed. */
#include "tests/support/test.h"

#include "core/align.h"
#include "kernels/cpu/gemm.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static float *floats(int64_t n) {
  float *p = aligned_alloc(VW_ALIGN, ((size_t)n * sizeof *p + VW_ALIGN) / VW_ALIGN * VW_ALIGN);
  assert_non_null(p);
  return p;
}

static float *random_floats(int64_t n, uint64_t seed) {
  double *d = malloc((size_t)n * sizeof *d + 8);
  float *p = floats(n);
  assert_non_null(d);
  vw_test_fill(d, n, seed);
  for (int64_t i = 0; i < n; i++) p[i] = (float)d[i];
  free(d);
  return p;
}

static vw_parts one_part(const float *w, int64_t rows, int64_t width) {
  vw_parts p = {1, {vw_shape(VW_F32, rows, width)}};
  p.part[0].data = (void *)(uintptr_t)w;
  return p;
}

static float *product(const vw_tile *t, int threads, bool transposed, int64_t N, int64_t M, int64_t K, const float *a,
                      const float *w) {
  const vw_context ctx = {.backend = VW_CPU, .threads = threads};
  float *b = floats(vw_packed_b(t, M, K)), *scratch = floats(vw_packed_a(t, N, K)), *c = floats(N * M);
  memset(c, 0xFF, (size_t)(N * M) * sizeof *c);
  const vw_parts parts = transposed ? one_part(w, M, K) : one_part(w, K, M);
  vw_pack_b(&ctx, t, transposed, M, K, &parts, b);
  vw_product_run(&ctx, t, &(vw_product){.N = N, .M = M, .K = K, .a = a, .b = b, .c = c}, scratch);
  free(b), free(scratch);
  return c;
}

static const char *const names[] = {"portable", "avx2", "avx512"};

static void tiles_follow_double(void **state) {
  (void)state;
  static const int64_t sizes[][3] = {{1, 1, 1},     {2, 23, 7},    {3, 24, 16},  {4, 25, 17},    {5, 47, 127},
                                     {7, 48, 128},  {8, 49, 255},  {9, 97, 257}, {13, 100, 300}, {16, 144, 64},
                                     {17, 30, 513}, {33, 240, 20}, {6, 1, 1000}, {130, 72, 96}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    const int64_t N = sizes[i][0], M = sizes[i][1], K = sizes[i][2];
    float *a = random_floats(N * K, 1), *w = random_floats(M * K, 2);
    double *expected = malloc((size_t)(N * M) * sizeof(double)), *got = malloc((size_t)(N * M) * sizeof(double));
    assert_true(expected && got);
    for (int transposed = 0; transposed < 2; transposed++) {
      for (int64_t n = 0; n < N; n++)
        for (int64_t m = 0; m < M; m++) {
          double sum = 0;
          for (int64_t k = 0; k < K; k++) sum += (double)a[n * K + k] * (transposed ? w[m * K + k] : w[k * M + m]);
          expected[n * M + m] = sum;
        }
      for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
        const vw_tile *t = vw_tile_named(names[j]);
        if (!t) continue;
        float *c = product(t, 1, transposed, N, M, K, a, w), *two = product(t, 2, transposed, N, M, K, a, w);
        assert_memory_equal(c, two, (size_t)(N * M) * sizeof *c);
        for (int64_t k = 0; k < N * M; k++) got[k] = c[k];
        vw_assert_near(names[j], got, expected, N * M, 4 * FLT_EPSILON * sqrt((double)K));
        free(c), free(two);
      }
    }
    free(a), free(w), free(expected), free(got);
  }
}

/* A row's bits do not depend on the rows beside it, nor on the tile. */
static void bits_depend_on_operands_alone(void **state) {
  (void)state;
  enum { N = 11, M = 61, K = 333 };
  float *a = random_floats((int64_t)N * K, 3), *w = random_floats((int64_t)M * K, 4);
  const vw_tile *t = vw_tile_best(), *avx2 = vw_tile_named("avx2");
  float *all = product(t, 1, true, N, M, K, a, w);
  for (int n = 0; n < N; n++) {
    float *one = product(t, 1, true, 1, M, K, a + n * K, w);
    assert_memory_equal(one, all + n * M, M * sizeof *one);
    free(one);
  }
  if (avx2) {
    float *same = product(avx2, 1, true, N, M, K, a, w);
    assert_memory_equal(same, all, (size_t)N * M * sizeof *same);
    free(same);
  }
  free(a), free(w), free(all);
}

/* A gradient's product has the same bits from the weight as it is packed for the result. w is [O, M, taps]. */
static void turned_weights_have_the_bits_of_their_own_packing(void **state) {
  (void)state;
  static const int64_t sizes[][4] = {{1, 1, 1, 1},   {5, 23, 49, 1}, {8, 48, 96, 1},    {9, 50, 97, 1},
                                     {3, 47, 30, 9}, {200, 5, 7, 4}, {17, 100, 130, 9}, {195, 97, 241, 1}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
      const vw_context ctx = {.backend = VW_CPU, .threads = 2};
      const vw_tile *t = vw_tile_named(names[j]);
      const int64_t N = sizes[i][0], M = sizes[i][1], O = sizes[i][2], taps = sizes[i][3], K = O * taps;
      if (!t) continue;
      float *a = random_floats(N * K, 1), *w = random_floats(O * M * taps, 2), *c[2];
      const vw_parts parts = one_part(w, O, M * taps);
      for (int turned = 0; turned < 2; turned++) {
        float *b = floats(turned ? vw_packed_b(t, O, M * taps) : vw_packed_b(t, M, K));
        float *scratch = floats(vw_packed_a(t, N, K));
        c[turned] = floats(N * M);
        if (taps > 1)
          vw_pack_taps(&ctx, t, turned, turned ? O : M, turned ? M * taps : K, taps, &parts, b);
        else
          vw_pack_b(&ctx, t, turned, turned ? O : M, turned ? M : K, &parts, b);
        const vw_product p = {.N = N, .M = M, .K = K, .a = a, .b = b, .c = c[turned], .turned_taps = turned ? taps : 0};
        vw_product_run(&ctx, t, &p, scratch);
        free(b), free(scratch);
      }
      assert_memory_equal(c[0], c[1], (size_t)(N * M) * sizeof(float));
      free(a), free(w), free(c[0]), free(c[1]);
    }
}

/* Weights kept in 16 bits: the products have the bits of the same numbers in fp32, whichever way they are read. */
static void halves_have_the_bits_of_floats(void **state) {
  (void)state;
  static const int64_t sizes[][4] = {{1, 1, 1, 1},   {5, 23, 49, 1}, {9, 50, 300, 1},  {200, 97, 130, 1},
                                     {3, 47, 30, 9}, {200, 5, 7, 4}, {17, 100, 130, 9}};
  static const vw_dtype types[] = {VW_F16, VW_BF16};
  const vw_context ctx = {.backend = VW_CPU, .threads = 2};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (size_t j = 0; j < 4 * sizeof names / sizeof *names; j++) {
      const vw_tile *t = vw_tile_named(names[j / 4]);
      const vw_dtype type = types[j % 2];
      const bool turned = j / 2 % 2;
      const int64_t N = sizes[i][0], M = sizes[i][1], O = sizes[i][2], taps = sizes[i][3];
      const int64_t inner = turned ? M : O, outer = turned ? O : M; /* of the weight [outer, inner, taps] */
      if (!t) continue;
      float *a = random_floats(N * O * taps, 1), *w = random_floats(outer * inner * taps, 2), *c[2];
      uint16_t *h = malloc((size_t)(outer * inner * taps) * sizeof *h);
      assert_non_null(h);
      assert_ok(vw_convert(h, type, w, VW_F32, outer * inner * taps));
      h[0] = 1; /* a subnormal */
      vw_parts parts = {1, {vw_shape(type, outer, inner * taps)}};
      parts.part[0].data = h;
      for (int kept = 0; kept < 2; kept++) {
        float *b = floats(vw_packed_b(t, outer, inner * taps)), *scratch = floats(vw_packed_a(t, N, O * taps));
        c[kept] = floats(N * M);
        if (kept)
          vw_pack_halves(&ctx, t, true, outer, inner * taps, taps, &parts, (uint16_t *)b);
        else if (taps > 1)
          vw_pack_taps(&ctx, t, true, outer, inner * taps, taps, &parts, b);
        else
          vw_pack_b(&ctx, t, true, outer, inner, &parts, b);
        vw_product_run(&ctx, t,
                       &(vw_product){.N = N,
                                     .M = M,
                                     .K = O * taps,
                                     .a = a,
                                     .b = b,
                                     .b_type = kept ? type : VW_F32,
                                     .turned_taps = turned ? taps : 0,
                                     .c = c[kept]},
                       scratch);
        free(b), free(scratch);
      }
      assert_memory_equal(c[0], c[1], (size_t)(N * M) * sizeof(float));
      free(a), free(w), free(h), free(c[0]), free(c[1]);
    }
}

/* A large weight in one 16-bit type stays in it, and memory is planned so; small ones and mixed ones become fp32. */
static void large_weights_stay_in_sixteen_bits(void **state) {
  (void)state;
  enum { M = 512, K = 520 };
  const vw_context ctx = {.backend = VW_CPU, .threads = 1};
  uint16_t *h = calloc((size_t)M * K, sizeof *h);
  float *f = calloc((size_t)M * K, sizeof *f);
  assert_true(h && f);
  vw_parts halves = {2, {vw_shape(VW_F16, M / 2, K), vw_shape(VW_F16, M / 2, K)}}, mixed = halves, small = halves;
  halves.part[0].data = h, halves.part[1].data = h + M / 2 * K;
  mixed.part[0].data = f, mixed.part[0].dtype = VW_F32, mixed.part[1].data = h;
  small.n = 1, small.part[0].data = h, small.part[0].dim[0] = 16;
  const struct {
    const vw_parts *parts;
    int64_t rows;
    vw_dtype stored, kept;
  } cases[] = {{&halves, M, VW_F16, VW_F16}, {&mixed, M, VW_F32, VW_F32}, {&small, 16, VW_F16, VW_F32}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    vw_packed *p = NULL;
    vw_call c = {.stored = {[1] = cases[i].stored}};
    const int64_t before = vw_packed_bytes();
    assert_ok(vw_packed_get(&ctx, true, cases[i].rows, K, 1, cases[i].parts, &p));
    assert_int_equal(vw_packed_type(p), cases[i].kept);
    assert_int_equal(vw_packed_bytes() - before, vw_packed_plan(&c, 1, true, cases[i].rows, K, 1).bytes);
    vw_packed_put(p);
  }
  free(h), free(f);
}

static void packed_weights_are_shared(void **state) {
  (void)state;
  const vw_context ctx = {.backend = VW_CPU, .threads = 1};
  float *w = random_floats(30 * 20, 5);
  const vw_parts p = one_part(w, 30, 20);
  vw_packed *a = NULL, *b = NULL, *other = NULL;
  assert_ok(vw_packed_get(&ctx, true, 30, 20, 1, &p, &a));
  assert_ok(vw_packed_get(&ctx, true, 30, 20, 1, &p, &b));
  assert_ok(vw_packed_get(&ctx, false, 20, 30, 1, &p, &other));
  assert_ptr_equal(a, b);
  assert_ptr_not_equal(a, other);
  const vw_kept one = vw_packed_plan(&(vw_call){0}, 3, true, 30, 20, 1),
                turned = vw_packed_plan(&(vw_call){0}, 3, false, 20, 30, 1);
  assert_int_equal(vw_packed_bytes(), one.bytes + turned.bytes);
  assert_true(one.input == 3 && one.bytes >= sizeof(float) * 30 * 20 && one.form != turned.form);
  vw_packed *taps = NULL; /* the same numbers as a convolution's weight: other bits */
  assert_ok(vw_packed_get(&ctx, true, 30, 20, 4, &p, &taps));
  assert_ptr_not_equal(a, taps);
  assert_memory_not_equal(vw_packed_data(a), vw_packed_data(taps), (size_t)20 * vw_tile_best()->NR * sizeof(float));
  vw_packed_put(taps);
  vw_packed_put(a), vw_packed_put(other), vw_packed_put(b), vw_packed_put(NULL);
  assert_int_equal(vw_packed_bytes(), 0);
  free(w);
}

/* What is packed from the parts of a file, in any float type, has the bits of what is converted, stacked, then packed.
 */
static void parts_are_packed_as_the_stacked_weight(void **state) {
  (void)state;
  static const vw_dtype types[] = {VW_F32, VW_F64, VW_F16, VW_BF16};
  static const int64_t shapes[][2] = {{1, 1}, {5, 3}, {16, 64}, {17, 65}, {50, 130}}; /* of a part */
  const vw_tile *t = vw_tile_best();
  const vw_context ctx = {.backend = VW_CPU, .threads = 2};
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (size_t j = 0; j < 2 * sizeof types / sizeof *types; j++)
      for (int n = 1; n <= 3; n += 2) {
        const vw_dtype type = types[j / 2];
        const bool transposed = j % 2;
        const int64_t rows = shapes[i][0] * n, width = shapes[i][1];
        const int64_t M = transposed ? rows : width, K = transposed ? width : rows, each = shapes[i][0] * width;
        float *w = random_floats(rows * width, 6), *expected = floats(vw_packed_b(t, M, K));
        float *got = floats(vw_packed_b(t, M, K));
        vw_parts parts = {.n = n};
        for (int k = 0; k < n; k++) {
          parts.part[k] = vw_shape(type, shapes[i][0], width);
          parts.part[k].data = malloc(vw_bytes(&parts.part[k]));
          assert_non_null(parts.part[k].data);
          assert_ok(vw_convert(parts.part[k].data, type, w + k * each, VW_F32, each));
          assert_ok(vw_convert(w + k * each, VW_F32, parts.part[k].data, type, each));
        }
        const vw_parts stacked = one_part(w, rows, width);
        vw_pack_b(&ctx, t, transposed, M, K, &stacked, expected);
        vw_pack_b(&ctx, t, transposed, M, K, &parts, got);
        assert_memory_equal(got, expected, (size_t)vw_packed_b(t, M, K) * sizeof *got);
        for (int k = 0; k < n; k++) free(parts.part[k].data);
        free(w), free(expected), free(got);
      }
}

/* A convolution's weight [O, C, taps], in two parts of bf16: every number where gemm.h says, zeros behind. */
static void taps_are_packed_one_by_one(void **state) {
  (void)state;
  enum { O = 10, C = 130, TAPS = 9, ALL = O * C * TAPS };
  const vw_tile *t = vw_tile_best();
  const vw_context ctx = {.backend = VW_CPU, .threads = 2};
  float *w = random_floats(ALL, 8);
  uint16_t *half = malloc(ALL * sizeof *half);
  assert_non_null(half);
  assert_ok(vw_convert(half, VW_BF16, w, VW_F32, ALL));
  assert_ok(vw_convert(w, VW_F32, half, VW_BF16, ALL));
  vw_parts parts = {2, {vw_shape(VW_BF16, O / 2, C, TAPS), vw_shape(VW_BF16, O / 2, C, TAPS)}};
  parts.part[0].data = half, parts.part[1].data = half + ALL / 2;
  for (int transposed = 0; transposed < 2; transposed++) {
    const int64_t M = transposed ? O : C, inner = transposed ? C : O, K = TAPS * inner;
    float *got = floats(vw_packed_b(t, M, K));
    vw_pack_taps(&ctx, t, transposed, M, K, TAPS, &parts, got);
    for (int64_t k = 0; k < K; k++)
      for (int64_t m = 0; m < (M + t->NR - 1) / t->NR * t->NR; m++) {
        const int64_t tap = k / inner, i = k % inner, o = transposed ? m : i, c = transposed ? i : m;
        const float expected = m < M ? w[(o * C + c) * TAPS + tap] : 0;
        assert_true(got[m / t->NR * t->NR * K + k * t->NR + m % t->NR] == expected);
      }
    free(got);
  }
  free(w), free(half);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(tiles_follow_double),
                                     cmocka_unit_test(parts_are_packed_as_the_stacked_weight),
                                     cmocka_unit_test(taps_are_packed_one_by_one),
                                     cmocka_unit_test(bits_depend_on_operands_alone),
                                     cmocka_unit_test(turned_weights_have_the_bits_of_their_own_packing),
                                     cmocka_unit_test(halves_have_the_bits_of_floats),
                                     cmocka_unit_test(large_weights_stay_in_sixteen_bits),
                                     cmocka_unit_test(packed_weights_are_shared)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
