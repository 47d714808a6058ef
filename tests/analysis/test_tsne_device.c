/* t-SNE on a CUDA device against the same on the processor: P, gradient, steps and maps have the same bits, so the
 * fixtures of scikit-learn that test_tsne.c holds the processor to hold the device too. Only the divergence differs, as
 * its logarithm and its sum's order do. Skipped where there is no device; runs emulated besides. */
#include "tests/support/test.h"

#include "analysis/tsne_internal.h"
#include "kernels/memory.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One block of points, two that are not full, three; widths on both sides of what goes through shared memory at once. */
static const struct {
  int64_t n, d;
  double perplexity;
} cases[] = {{5, 1, 1.3}, {256, 3, 30}, {300, 17, 20}, {515, 33, 5}};
enum { CASES = sizeof cases / sizeof *cases, MOST_N = 515, MOST_D = 33 };

static vw_context ctx;
static bool has_device;
static float x[MOST_N * MOST_D];

static int open_device(void **state) {
  (void)state;
  has_device = vw_context_open(&ctx, VW_CUDA, 1, 0) == VW_OK;
  if (!has_device) print_message("skipped on cuda: %s\n", vw_error_message());
  vw_error_clear();
  return 0;
}

static int close_device(void **state) {
  (void)state;
  if (has_device) vw_context_close(&ctx);
  return 0;
}

static void want_device(void) {
  if (!has_device) skip();
}

/* Three clusters, so that a map has something to find. */
static void made_up(int64_t n, int64_t d, uint64_t seed) {
  double *wide = malloc((size_t)(n * d) * sizeof *wide);
  assert_non_null(wide);
  vw_test_fill(wide, n * d, seed);
  for (int64_t i = 0; i < n * d; i++) x[i] = (float)(wide[i] + (double)(i / d % 3));
  free(wide);
}

static vw_pairs *open_pairs(int64_t n, int64_t d) {
  vw_pairs *p = NULL;
  assert_ok(vw_pairs_open(&ctx, n, d, &p));
  return p;
}

static bool has_other_bits(const void *a, const void *b, size_t bytes) {
  return memcmp(a, b, bytes) != 0;
}

/* Fails with the first number that differs. */
static void assert_same_bits(const char *what, const double *a, const double *b, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (has_other_bits(&a[i], &b[i], sizeof *a))
      fail_msg("%s: number %lld is %.17g, not %.17g", what, (long long)i, a[i], b[i]);
}

/* Every pair of the lower triangle, and both orders within a block. */
static void assert_same_joint(vw_pairs *p, const vw_affinities *expected) {
  const size_t count = (size_t)expected->tiles * VW_TSNE_PAIRS;
  float *joint = malloc(count * sizeof *joint);
  assert_non_null(joint);
  assert_ok(vw_pairs_get_joint(p, joint));
  for (size_t i = 0; i < count; i++)
    if (has_other_bits(&joint[i], &expected->p[i], sizeof *joint))
      fail_msg("tile %zu: pair %zu has %.9g, not %.9g", i / VW_TSNE_PAIRS, i % VW_TSNE_PAIRS, (double)joint[i],
               (double)expected->p[i]);
  free(joint);
}

static void probabilities_are_the_processors(void **state) {
  (void)state;
  want_device();
  for (int c = 0; c < CASES; c++) {
    const int64_t n = cases[c].n, d = cases[c].d;
    vw_affinities *expected = NULL;
    made_up(n, d, 11);
    vw_pairs *p = open_pairs(n, d);
    assert_ok(vw_affinities_create(&expected, x, n, d, cases[c].perplexity, 2));
    assert_ok(vw_pairs_load(p, x));
    assert_ok(vw_tsne_device_joint(p, n, cases[c].perplexity));
    assert_same_joint(p, expected);
    vw_pairs_close(p);
    vw_affinities_destroy(expected);
  }
}

static void distances_are_plain_loops(void **state) {
  (void)state;
  want_device();
  enum { POINTS = 300, WIDTH = 21 };
  double least[POINTS], mean[POINTS];
  made_up(POINTS, WIDTH, 3);
  vw_pairs *p = open_pairs(POINTS, WIDTH);
  assert_ok(vw_pairs_load(p, x));
  assert_ok(vw_pairs_distances(p, least, mean));
  for (int64_t i = 0; i < POINTS; i++) {
    double low = INFINITY, sum = 0, of[POINTS];
    for (int64_t j = 0; j < POINTS; j++) {
      of[j] = 0;
      for (int64_t k = 0; k < WIDTH; k++) {
        const double e = (double)x[i * WIDTH + k] - (double)x[j * WIDTH + k];
        of[j] += e * e;
      }
      if (j != i) low = fmin(low, of[j]);
    }
    for (int64_t j = 0; j < POINTS; j++)
      if (j != i) sum += of[j] - low;
    assert_true(least[i] == low);
    assert_true(mean[i] == sum / (POINTS - 1));
  }
  vw_pairs_close(p);
}

static void starts_are_the_processors(void **state) {
  (void)state;
  want_device();
  for (int c = 0; c < CASES; c++) {
    const int64_t n = cases[c].n, d = cases[c].d;
    double here[MOST_N * 2], there[MOST_N * 2];
    made_up(n, d, 9);
    vw_pairs *p = open_pairs(n, d);
    assert_ok(vw_pairs_load(p, x));
    assert_ok(vw_pca_start(x, n, d, 2, NULL, here));
    assert_ok(vw_pca_start(x, n, d, 2, p, there));
    assert_same_bits("start", there, here, 2 * n);
    vw_pairs_close(p);
  }
}

/* Points that are spread as a map is. */
static void spread(double *y, int64_t n, uint64_t seed) {
  vw_test_fill(y, 2 * n, seed);
  for (int64_t i = 0; i < 2 * n; i++) y[i] *= 10;
}

/* A term p log(p / q) carries a few roundings, and n^2 of them are added: sqrt(n^2) roundings of their sum, times 4. The
 * magnitudes add up to less than twice the divergence and 1. */
static double divergence_limit(int64_t n, double kl) {
  return 4 * DBL_EPSILON * (double)n * (2 * fabs(kl) + 1);
}

static void gradient_is_the_processors(void **state) {
  (void)state;
  want_device();
  for (int c = 0; c < CASES; c++) {
    const int64_t n = cases[c].n;
    double y[MOST_N * 2], here[MOST_N * 2], there[MOST_N * 2], kl, found;
    vw_affinities *a = NULL;
    made_up(n, cases[c].d, 5);
    spread(y, n, 4);
    assert_ok(vw_affinities_create(&a, x, n, cases[c].d, cases[c].perplexity, 2));
    vw_pairs *p = open_pairs(n, cases[c].d);
    assert_ok(vw_pairs_set_joint(p, a->p));
    assert_ok(vw_pairs_place(p, y));
    for (int exaggeration = 1; exaggeration <= 12; exaggeration += 11) {
      assert_ok(vw_tsne_gradient(a, y, exaggeration, 2, here, &kl));
      assert_ok(vw_pairs_gradient(p, exaggeration, there, &found));
      assert_same_bits("gradient", there, here, 2 * n);
      vw_assert_near("divergence", &found, &kl, 1, divergence_limit(n, kl));
    }
    assert_ok(vw_pairs_points(p, there));
    assert_same_bits("points that were only looked at", there, y, 2 * n);
    vw_pairs_close(p);
    vw_affinities_destroy(a);
  }
}

/* `iterations` of both parts, on the processor or on the device. */
static vw_tsne_result map(int64_t n, int64_t d, int64_t iterations, vw_context *device, double *y) {
  vw_tsne_options o = vw_tsne_defaults();
  vw_tsne_result r;
  o.iterations = iterations, o.exaggerated = iterations / 3, o.perplexity = 20, o.threads = 2, o.device = device;
  assert_ok(vw_tsne(x, n, d, &o, y, &r));
  assert_true(r.on_device == (device != NULL));
  return r;
}

static void maps_are_the_processors(void **state) {
  (void)state;
  want_device();
  enum { POINTS = 300, WIDTH = 9, ITERATIONS = 60 };
  double here[POINTS * 2], there[POINTS * 2], again[POINTS * 2];
  made_up(POINTS, WIDTH, 6);
  const vw_tsne_result r = map(POINTS, WIDTH, ITERATIONS, NULL, here), s = map(POINTS, WIDTH, ITERATIONS, &ctx, there),
                       t = map(POINTS, WIDTH, ITERATIONS, &ctx, again);
  assert_same_bits("map", there, here, 2 * (int64_t)POINTS);
  assert_memory_equal(there, again, sizeof there);
  assert_true(s.kl == t.kl);
  vw_assert_near("divergence", &s.kl, &r.kl, 1, divergence_limit(POINTS, r.kl));
  assert_int_equal(vw_memory_used(&ctx).held, 0);
}

/* No width makes the entropy log(perplexity), and distances are 0. */
static void points_in_few_places(void **state) {
  (void)state;
  want_device();
  enum { POINTS = 24 };
  double here[POINTS * 2], there[POINTS * 2];
  for (int places = 1; places <= 2; places++) {
    for (int i = 0; i < 2 * POINTS; i++) x[i] = (float)(i / 2 % places);
    (void)map(POINTS, 2, 20, NULL, here);
    (void)map(POINTS, 2, 20, &ctx, there);
    assert_same_bits("map", there, here, 2 * (int64_t)POINTS);
  }
}

static bool stop_after(void *user) {
  return --*(int *)user < 0;
}

static void stops_when_asked(void **state) {
  (void)state;
  want_device();
  double y[20 * 2];
  int left = 7;
  vw_tsne_options o = vw_tsne_defaults();
  vw_tsne_result r;
  made_up(20, 3, 1);
  o.device = &ctx, o.stop = stop_after, o.user = &left;
  assert_ok(vw_tsne(x, 20, 3, &o, y, &r));
  assert_true(r.stopped && r.on_device);
  assert_int_equal(left, -1);
  assert_int_equal(vw_memory_used(&ctx).held, 0);
}

/* A device that has not the memory, or no more when it is asked for: the processor makes the same map. Only the emulated
 * one can be told so. */
static void too_little_memory(void **state) {
  (void)state;
  want_device();
  enum { POINTS = 40 };
  static const char *const shortage[][2] = {{"VW_EMULATOR_FREE_MIB", "100"}, {"VW_EMULATOR_FULL", "1"}};
  double here[POINTS * 2], there[POINTS * 2], seconds = 0;
  vw_tsne_options o = vw_tsne_defaults();
  vw_tsne_result r;
  char name[128];
  made_up(POINTS, 4, 8);
  o.iterations = 10, o.perplexity = 20;
  assert_true(vw_pairs_bytes(100000, 1024) > 60e9 && vw_pairs_bytes(100000, 1024) < 64e9);
  assert_ok(vw_tsne(x, POINTS, 4, &o, here, &r));
  vw_kernel_set(&ctx, name);
  o.device = &ctx;
  for (int i = 0; i < 2; i++) {
    assert_int_equal(setenv(shortage[i][0], shortage[i][1], 1), 0);
    assert_ok(vw_tsne(x, POINTS, 4, &o, there, &r));
    assert_ok(vw_tsne_seconds(POINTS, 4, &o, &seconds));
    assert_int_equal(unsetenv(shortage[i][0]), 0);
    assert_true(r.on_device == (strstr(name, "emulated") == NULL));
    assert_same_bits("map", there, here, 2 * (int64_t)POINTS);
    assert_true(seconds > 0);
  }
  assert_int_equal(vw_memory_used(&ctx).held, 0);
}

static void tells_how_long_it_takes(void **state) {
  (void)state;
  want_device();
  vw_tsne_options o = vw_tsne_defaults();
  double seconds = 0;
  o.device = &ctx;
  assert_ok(vw_tsne_seconds(300, 5, &o, &seconds));
  assert_true(seconds > 0 && seconds < 1e5);
}

static void other_backends_are_refused(void **state) {
  (void)state;
  vw_context cpu;
  vw_pairs *p = NULL;
  vw_tsne_options o = vw_tsne_defaults();
  assert_ok(vw_context_open(&cpu, VW_CPU, 1, 0));
  assert_int_equal(vw_pairs_open(&cpu, 10, 2, &p), VW_ERR_UNSUPPORTED);
  assert_null(p);
  vw_error_clear();
  o.device = &cpu;
  assert_false(vw_tsne_fits_device(&o, 10, 2));
  vw_context_close(&cpu);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(starts_are_the_processors),
                                     cmocka_unit_test(distances_are_plain_loops),
                                     cmocka_unit_test(probabilities_are_the_processors),
                                     cmocka_unit_test(gradient_is_the_processors),
                                     cmocka_unit_test(maps_are_the_processors),
                                     cmocka_unit_test(points_in_few_places),
                                     cmocka_unit_test(stops_when_asked),
                                     cmocka_unit_test(too_little_memory),
                                     cmocka_unit_test(tells_how_long_it_takes),
                                     cmocka_unit_test(other_backends_are_refused)};
  return cmocka_run_group_tests(tests, open_device, close_device);
}
