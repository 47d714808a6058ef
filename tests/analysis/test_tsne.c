/* t-SNE against scikit-learn (tests/reference/tsne.py) and against plain loops. */
#include "tests/support/test.h"

#include "analysis/tsne.h"
#include "io/safetensors.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 70, D = 12, MANY = 180, MANY_D = 8 };

static vw_safetensors *file;

static const void *fixture(const char *name, int64_t count) {
  vw_tensor t;
  assert_ok(vw_safetensors_find(file, name, &t));
  assert_int_equal(vw_count(&t), count);
  return t.data;
}

static int open_fixture(void **state) {
  (void)state;
  assert_ok(vw_safetensors_open(&file, vw_test_path("reference/fixtures/tsne.safetensors")));
  return 0;
}

static int close_fixture(void **state) {
  (void)state;
  vw_safetensors_close(file);
  return 0;
}

/* The place of a pair i < j in scipy's condensed form. */
static int64_t condensed(int64_t n, int64_t i, int64_t j) {
  return i * n - i * (i + 1) / 2 + j - i - 1;
}

/* The fixture's P as a whole matrix; malloc'ed. */
static double *whole(void) {
  const double *p = fixture("p", N * (N - 1) / 2);
  double *out = calloc((size_t)N * N, sizeof *out);
  assert_non_null(out);
  for (int64_t i = 0; i < N; i++)
    for (int64_t j = i + 1; j < N; j++) out[i * N + j] = out[j * N + i] = p[condensed(N, i, j)];
  return out;
}

static void probabilities_are_those_of_a_bisection(void **state) {
  (void)state;
  const double *expected = fixture("p", N * (N - 1) / 2);
  vw_affinities *p = NULL;
  double worst = 0, sum = 0;
  assert_ok(vw_affinities_create(&p, fixture("x", (int64_t)N * D), N, D, 20, 2));
  for (int64_t i = 0; i < N; i++)
    for (int64_t j = i + 1; j < N; j++) {
      const double q = vw_affinity(p, i, j);
      worst = fmax(worst, fabs(q - expected[condensed(N, i, j)])), sum += 2 * q;
      assert_true(vw_affinity(p, j, i) == q);
    }
  vw_affinities_destroy(p);
  if (worst > 1e-8) fail_msg("a probability is off by %g", worst);
  assert_true(fabs(sum - 1) < 1e-6); /* fp32 */
}

static void gradient_and_divergence_are_those_of_scikit_learn(void **state) {
  (void)state;
  const double *y = fixture("y", (int64_t)N * 2), *kl = fixture("kl", 1);
  double gradient[N * 2], found, *joint = whole();
  vw_affinities *p = NULL;
  assert_ok(vw_affinities_of(&p, joint, N));
  assert_ok(vw_tsne_gradient(p, y, 1, 2, gradient, &found));
  vw_assert_near("gradient", gradient, fixture("gradient", (int64_t)N * 2), (int64_t)N * 2, 1e-10);
  vw_assert_near("divergence", &found, kl, 1, 1e-10);
  vw_affinities_destroy(p);
  free(joint);
}

static void fifty_iterations_are_those_of_scikit_learn(void **state) {
  (void)state;
  const vw_tsne_descent how = {.exaggeration = 1, .learning_rate = 20, .momentum = 0.5, .iterations = 50};
  vw_tsne_options o = vw_tsne_defaults();
  double y[N * 2], *joint = whole();
  bool stopped;
  vw_affinities *p = NULL;
  assert_ok(vw_affinities_of(&p, joint, N));
  memcpy(y, fixture("y", (int64_t)N * 2), sizeof y);
  assert_ok(vw_tsne_descend(p, &o, &how, y, &stopped));
  assert_false(stopped);
  vw_assert_near("end", y, fixture("end", (int64_t)N * 2), (int64_t)N * 2, 1e-6);
  vw_affinities_destroy(p);
  free(joint);
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* From the points alone, in other words than the library's: plain loops over the probabilities. */
static double divergence_of(const vw_affinities *p, const double *y, int64_t n) {
  double z = 0, kl = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < n; j++) {
        const double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1], w = 1 / (1 + dx * dx + dy * dy);
        if (i == j) continue;
        if (pass == 0)
          z += w;
        else
          kl += vw_affinity(p, i, j) * log(vw_affinity(p, i, j) / (w / z));
      }
  return kl;
}

static void ends_as_low_as_scikit_learn(void **state) {
  (void)state;
  const float *x = fixture("many", (int64_t)MANY * MANY_D);
  double y[MANY * 2], kls[5];
  vw_tsne_options o = vw_tsne_defaults();
  vw_tsne_result r;
  vw_affinities *p = NULL;
  memcpy(kls, fixture("kls", 5), sizeof kls);
  qsort(kls, 5, sizeof *kls, ascending);
  assert_ok(vw_tsne(x, MANY, MANY_D, &o, y, &r));
  assert_true(r.perplexity == 30 && r.learning_rate == 200 && !r.stopped);
  assert_ok(vw_affinities_create(&p, x, MANY, MANY_D, 30, 1));
  const double again = divergence_of(p, y, MANY);
  vw_affinities_destroy(p);
  if (again > 1.05 * kls[2]) fail_msg("divergence %.4f, scikit-learn's median %.4f", again, kls[2]);
  vw_assert_near("divergence", &r.kl, &again, 1, 1e-9);
}

/* ---- more than one block of points ------------------------------------------------------------------------------- */

enum { LARGE = 600 };

static void made_up(float *x, int64_t n, uint64_t seed) {
  double *wide = malloc((size_t)n * sizeof *wide);
  assert_non_null(wide);
  vw_test_fill(wide, n, seed);
  for (int64_t i = 0; i < n; i++) x[i] = (float)wide[i];
  free(wide);
}

/* The gradient as it is defined, pair by pair, of one point. */
static void plain_gradient(const vw_affinities *p, const double *y, int64_t n, double exaggeration, int64_t i, double z,
                           double out[2]) {
  out[0] = out[1] = 0;
  for (int64_t j = 0; j < n; j++) {
    const double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1], w = 1 / (1 + dx * dx + dy * dy);
    if (i == j) continue;
    const double f = 4 * (exaggeration * vw_affinity(p, i, j) - w / z) * w;
    out[0] += f * dx, out[1] += f * dy;
  }
}

static void many_blocks_are_plain_loops(void **state) {
  (void)state;
  static float x[LARGE * 5];
  static double y[LARGE * 2], gradient[LARGE * 2], expected[LARGE * 2];
  double kl, z = 0;
  vw_affinities *p = NULL;
  made_up(x, LARGE * 5, 3);
  vw_test_fill(y, LARGE * 2, 4);
  for (int64_t i = 0; i < LARGE * 2; i++) y[i] *= 10;
  assert_ok(vw_affinities_create(&p, x, LARGE, 5, 30, 2));
  for (int64_t i = 0; i < LARGE; i++)
    for (int64_t j = 0; j < LARGE; j++) {
      const double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1];
      if (i != j) z += 1 / (1 + dx * dx + dy * dy);
    }
  for (int64_t i = 0; i < LARGE; i++) plain_gradient(p, y, LARGE, 12, i, z, expected + 2 * i);
  assert_ok(vw_tsne_gradient(p, y, 12, 2, gradient, &kl));
  vw_assert_near("gradient", gradient, expected, LARGE * 2, 1e-12); /* sums of 600 terms below 0.1 */
  const double plain = divergence_of(p, y, LARGE);
  vw_assert_near("divergence", &kl, &plain, 1, 1e-11);
  vw_affinities_destroy(p);
}

static void threads_do_not_matter(void **state) {
  (void)state;
  static float x[LARGE * 7];
  static double one[LARGE * 2], other[LARGE * 2];
  vw_tsne_options o = vw_tsne_defaults();
  vw_tsne_result first, r;
  made_up(x, LARGE * 7, 5);
  o.iterations = 40, o.exaggerated = 20;
  assert_ok(vw_tsne(x, LARGE, 7, &o, one, &first));
  for (int threads = 2; threads <= 16; threads += 7) {
    o.threads = threads;
    assert_ok(vw_tsne(x, LARGE, 7, &o, other, &r));
    assert_memory_equal(one, other, sizeof one);
    assert_true(first.kl == r.kl);
  }
}

/* ---- what is unusual --------------------------------------------------------------------------------------------- */

static void few_and_equal_points(void **state) {
  (void)state;
  float x[8 * 2] = {0};
  double y[8 * 2];
  vw_tsne_options o = vw_tsne_defaults();
  vw_tsne_result r;
  o.iterations = 300;
  assert_int_equal(vw_tsne(x, 3, 2, &o, y, &r), VW_ERR_ARG);
  assert_non_null(strstr(vw_error_message(), "3 points"));
  vw_error_clear();
  assert_ok(vw_tsne(x, 8, 2, &o, y, &r)); /* all in one place */
  assert_true(r.perplexity == 7.0 / 3 && isfinite(r.kl) && r.kl < 1);
  for (int i = 0; i < 16; i++) assert_true(isfinite(y[i]));
  for (int i = 0; i < 8; i++) x[2 * i] = (float)(i < 4); /* two places */
  assert_ok(vw_tsne(x, 8, 2, &o, y, &r));
  for (int i = 0; i < 16; i++) assert_true(isfinite(y[i]));
  x[3] = NAN;
  assert_int_equal(vw_tsne(x, 8, 2, &o, y, &r), VW_ERR_ARG);
  vw_error_clear();
}

static bool stop_at_once(void *user) {
  return --*(int *)user < 0;
}

static void stops_when_asked(void **state) {
  (void)state;
  float x[20 * 3];
  double y[20 * 2];
  int left = 7;
  vw_tsne_options o = vw_tsne_defaults();
  vw_tsne_result r;
  made_up(x, 60, 1);
  o.stop = stop_at_once, o.user = &left;
  assert_ok(vw_tsne(x, 20, 3, &o, y, &r));
  assert_true(r.stopped);
  assert_int_equal(left, -1);
}

/* Principal components of points along a line with a little width: the map starts along it. */
static void starts_at_principal_components(void **state) {
  (void)state;
  float x[50 * 4];
  double y[50 * 2];
  vw_tsne_options o = vw_tsne_defaults();
  vw_tsne_result r;
  made_up(x, 200, 2);
  for (int i = 0; i < 50; i++) {
    const float along = (float)(i - 24.5);
    for (int k = 0; k < 4; k++) x[4 * i + k] = 0.01F * x[4 * i + k] + along * (k == 1 ? -3.0F : 4.0F * (float)(k == 2));
  }
  o.iterations = 0;
  assert_ok(vw_tsne(x, 50, 4, &o, y, &r));
  double sum = 0, square = 0;
  for (int i = 0; i < 50; i++) sum += y[2 * i], square += y[2 * i] * y[2 * i];
  assert_true(fabs(sum) < 1e-12 && fabs(sqrt(square / 50) - 1e-4) < 1e-9);
  for (int i = 1; i < 50; i++) assert_true((y[2 * i] > y[2 * i - 2]) == (y[2] > y[0]));
  o.random_start = true;
  assert_ok(vw_tsne(x, 50, 4, &o, y, &r));
  double seeded = y[0];
  o.seed = 1;
  assert_ok(vw_tsne(x, 50, 4, &o, y, &r));
  assert_true(y[0] != seeded && fabs(y[0]) < 1e-3);
}

static void tells_how_long_it_takes(void **state) {
  (void)state;
  vw_tsne_options o = vw_tsne_defaults();
  double seconds = 0;
  assert_ok(vw_tsne_seconds(100000, 16, &o, &seconds));
  assert_true(seconds > 10 && seconds < 1e7); /* 5e12 pairs */
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(probabilities_are_those_of_a_bisection),
                                     cmocka_unit_test(gradient_and_divergence_are_those_of_scikit_learn),
                                     cmocka_unit_test(fifty_iterations_are_those_of_scikit_learn),
                                     cmocka_unit_test(ends_as_low_as_scikit_learn),
                                     cmocka_unit_test(many_blocks_are_plain_loops),
                                     cmocka_unit_test(threads_do_not_matter),
                                     cmocka_unit_test(few_and_equal_points),
                                     cmocka_unit_test(stops_when_asked),
                                     cmocka_unit_test(starts_at_principal_components),
                                     cmocka_unit_test(tells_how_long_it_takes)};
  return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
