/* Maps between words: what least squares, ridge and rotations must fulfil, held-out errors against maps that are really
 * fitted without the fold, the same bits on any number of threads. numpy's answer: tests/reference/transfer.py. */
#include "tests/support/test.h"

#include "transfer/dense.h"
#include "transfer/map.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { N = 130, P = 7, D = 5 };

typedef struct made {
  double x[N * P], y[N * D];
  uint8_t fold[N];
  vw_map_words words;
} made;

/* y = x t + offset + noise. */
static void make(made *m, double noise, double offset) {
  double t[P * D], e[N * D];
  vw_test_fill(m->x, N * P, 1), vw_test_fill(t, P * D, 2), vw_test_fill(e, N * D, 3);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < D; j++) {
      double sum = offset * (j + 1) + noise * e[i * D + j];
      for (int k = 0; k < P; k++) sum += m->x[i * P + k] * t[k * D + j];
      m->y[i * D + j] = sum;
    }
  for (int i = 0; i < N; i++) m->fold[i] = (uint8_t)(i * 7 % 10);
  m->words = (vw_map_words){.n = N, .from = P, .to = D, .x = m->x, .y = m->y, .fold = m->fold};
}

/* The gradient of |y - x t - b|^2 + lambda |t|^2: x^T (y - x t - b) = lambda t, and with a bias no residual is left. */
static void assert_optimal(const made *d, const vw_map *m, bool bias) {
  double out[N * D], left[P * D], wanted[P * D], sum[D] = {0}, zero[D] = {0};
  assert_ok(vw_map_apply(m, d->x, N, out));
  for (int i = 0; i < P * D; i++) {
    left[i] = 0, wanted[i] = m->lambda * m->matrix[i];
    for (int k = 0; k < N; k++) left[i] += d->x[k * P + i / D] * (d->y[k * D + i % D] - out[k * D + i % D]);
  }
  vw_assert_near("gradient", left, wanted, P * D, 1e-12);
  for (int i = 0; i < N * D && bias; i++) sum[i % D] += d->y[i] - out[i];
  vw_assert_near("sum of residuals", sum, zero, D, 1e-12);
}

static void test_linear(void **state) {
  (void)state;
  static const struct {
    const char *name;
    vw_map_rule rule;
    double offset;
  } cases[] = {{"least squares", {VW_MAP_LEAST_SQUARES, false, 0}, 0},
               {"least squares with a bias", {VW_MAP_LEAST_SQUARES, true, 0}, 2},
               {"ridge", {VW_MAP_RIDGE, false, 3.5}, 0},
               {"ridge, lambda by folds", {VW_MAP_RIDGE, false, 0}, 0},
               {"ridge with a bias", {VW_MAP_RIDGE, true, 0.25}, 2}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    made d;
    vw_map m;
    make(&d, 0.5, cases[i].offset);
    print_message("%s\n", cases[i].name);
    assert_ok(vw_map_fit(&m, &d.words, &cases[i].rule));
    assert_optimal(&d, &m, cases[i].rule.bias);
    assert_true(m.r2 > m.r2_held_out && m.r2_held_out > 0 && m.rank == P && m.condition > 1);
    vw_map_free(&m);
  }
}

/* Auto is least squares where words are ten times the dimensions, ridge below. */
static void test_auto(void **state) {
  (void)state;
  made d;
  vw_map m;
  make(&d, 0, 0);
  assert_ok(vw_map_fit(&m, &d.words, &(vw_map_rule){VW_MAP_AUTO, false, 0}));
  assert_int_equal(m.kind, VW_MAP_LEAST_SQUARES);
  assert_true(m.r2 > 1 - 1e-12 && m.r2_held_out > 1 - 1e-12); /* y is x t without noise */
  vw_map_free(&m);
  d.words.from = 14, d.words.n = N / 2; /* rows of twice the width */
  assert_int_equal(vw_map_fit(&m, &d.words, &(vw_map_rule){VW_MAP_AUTO, false, 0}), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "65 words in common are too few"));
  assert_non_null(strstr(vw_error_message(), "at least 100"));
  vw_map_free(&m);
}

/* The errors that lambda is chosen by, from maps that never saw the fold. */
static double held_out(const made *d, const vw_map_rule *rule) {
  double error = 0;
  for (int k = 0; k < VW_MAP_FOLDS; k++) {
    double x[N * P], y[N * D], out[D];
    uint8_t fold[N];
    vw_map m;
    int64_t n = 0;
    for (int i = 0; i < N; i++) {
      if (d->fold[i] == k) continue;
      memcpy(x + n * P, d->x + i * P, P * sizeof *x), memcpy(y + n * D, d->y + i * D, D * sizeof *y);
      fold[n] = (uint8_t)(n % 10), n++;
    }
    const vw_map_words words = {.n = n, .from = P, .to = D, .x = x, .y = y, .fold = fold};
    assert_ok(vw_map_fit(&m, &words, rule));
    for (int i = 0; i < N; i++) {
      if (d->fold[i] != k) continue;
      assert_ok(vw_map_apply(&m, d->x + i * P, 1, out));
      for (int j = 0; j < D; j++) error += (d->y[i * D + j] - out[j]) * (d->y[i * D + j] - out[j]);
    }
    vw_map_free(&m);
  }
  return error;
}

static void test_folds(void **state) {
  (void)state;
  static const vw_map_rule rules[] = {{VW_MAP_LEAST_SQUARES, false, 0}, {VW_MAP_LEAST_SQUARES, true, 0},
                                      {VW_MAP_RIDGE, false, 0},         {VW_MAP_RIDGE, true, 10},
                                      {VW_MAP_ORTHOGONAL, false, 0},    {VW_MAP_ORTHOGONAL, true, 0}};
  made d;
  make(&d, 0.9, 0.3);
  double variance = 0, mean[D] = {0};
  for (int i = 0; i < N * D; i++) mean[i % D] += d.y[i] / N;
  for (int i = 0; i < N * D; i++) variance += (d.y[i] - mean[i % D]) * (d.y[i] - mean[i % D]);
  for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
    vw_map m;
    vw_map_rule rule = rules[i];
    double best = INFINITY, lambda = rule.lambda;
    assert_ok(vw_map_fit(&m, &d.words, &rule));
    const bool chooses = rule.kind == VW_MAP_RIDGE && rule.lambda == 0;
    for (int l = -3; l <= (chooses ? 3 : -3); l++) {
      if (chooses) rule.lambda = pow(10, l);
      const double error = held_out(&d, &rule);
      if (error < best) best = error, lambda = rule.lambda;
    }
    if (rule.kind == VW_MAP_RIDGE) assert_true(fabs(m.lambda - lambda) < 1e-12 * lambda);
    const double expected = 1 - best / variance;
    vw_assert_near("held-out R^2", &m.r2_held_out, &expected, 1, 1e-12);
    vw_map_free(&m);
  }
}

static void test_rotation(void **state) {
  (void)state;
  made d;
  vw_map m;
  make(&d, 0.5, 0);
  assert_ok(vw_map_fit(&m, &d.words, &(vw_map_rule){VW_MAP_ORTHOGONAL, false, 0}));
  double product[D * D], expected[D * D] = {0};
  vw_dense_multiply(m.matrix, VW_DENSE_TURNED, m.matrix, VW_DENSE_PLAIN, D, P, D, product);
  for (int i = 0; i < D; i++) expected[i * D + i] = product[0];
  vw_assert_near("t^T t", product, expected, D * D, 1e-12);
  /* The scale is the best: residuals have no part along what is predicted. */
  double out[N * D], along = 0, zero = 0;
  assert_ok(vw_map_apply(&m, d.x, N, out));
  for (int i = 0; i < N * D; i++) along += out[i] * (d.y[i] - out[i]);
  vw_assert_near("residuals along predictions", &along, &zero, 1, 1e-11);
  vw_map_free(&m);
}

/* A bend that no line follows. */
static void test_hidden(void **state) {
  (void)state;
  made d;
  vw_map line, bent;
  make(&d, 0, 0);
  for (int i = 0; i < N * D; i++) d.y[i] = tanh(4 * d.y[i]);
  assert_ok(vw_map_fit(&line, &d.words, &(vw_map_rule){VW_MAP_RIDGE, false, 0}));
  assert_ok(vw_map_fit(&bent, &d.words, &(vw_map_rule){VW_MAP_HIDDEN, false, 0}));
  assert_true(bent.hidden > 0 && bent.r2_held_out > line.r2_held_out);
  vw_map_free(&line), vw_map_free(&bent);
}

static void test_threads(void **state) {
  (void)state;
  made d;
  make(&d, 0.5, 0);
  for (int kind = VW_MAP_AUTO; kind < VW_MAP_KINDS; kind++) {
    vw_map one, four;
    const vw_map_rule rule = {kind, true, 0};
    omp_set_num_threads(1);
    assert_ok(vw_map_fit(&one, &d.words, &rule));
    omp_set_num_threads(4);
    assert_ok(vw_map_fit(&four, &d.words, &rule));
    assert_int_equal(omp_get_max_threads(), 4);
    assert_memory_equal(one.matrix, four.matrix, (size_t)((P + one.hidden) * D) * sizeof(double));
    assert_memory_equal(&one.r2_held_out, &four.r2_held_out, sizeof(double));
    vw_map_free(&one), vw_map_free(&four);
  }
}

static void test_bad(void **state) {
  (void)state;
  made d;
  vw_map m;
  make(&d, 0.5, 0);
  d.y[77] = NAN;
  assert_int_equal(vw_map_fit(&m, &d.words, &(vw_map_rule){VW_MAP_RIDGE, false, 0}), VW_ERR_ARG);
  vw_map_free(&m);
  make(&d, 0.5, 0);
  memset(d.fold, 3, sizeof d.fold);
  assert_int_equal(vw_map_fit(&m, &d.words, &(vw_map_rule){VW_MAP_RIDGE, false, 0}), VW_ERR_ARG);
  vw_map_free(&m);
}

/* Products of the parts give the whole, for either shape. */
static void test_dense(void **state) {
  (void)state;
  static const int64_t shapes[][2] = {{1, 1}, {9, 4}, {4, 9}};
  for (size_t i = 0; i < 3; i++) {
    const int64_t n = shapes[i][0], m = shapes[i][1], r = n < m ? n : m;
    double a[36], copy[36], u[36], s[9], vt[81], back[81];
    vw_test_fill(a, n * m, i), memcpy(copy, a, sizeof a);
    assert_ok(vw_dense_svd(copy, n, m, u, s, vt));
    for (int64_t k = 0; k < r * m; k++) vt[k] *= s[k / m];
    vw_dense_multiply(u, VW_DENSE_PLAIN, vt, VW_DENSE_PLAIN, n, r, m, back);
    vw_assert_near("u s vt", back, a, n * m, 1e-14 * 10);
    double square[81], v[81], w[9];
    vw_dense_multiply(a, VW_DENSE_PLAIN, a, VW_DENSE_TURNED, n, m, n, square);
    memcpy(v, square, sizeof v);
    assert_ok(vw_dense_eigen(v, n, w));
    for (int64_t k = 0; k < n * n; k++) u[0] = 0, vt[k] = v[k] * w[k / n];
    vw_dense_multiply(v, VW_DENSE_TURNED, vt, VW_DENSE_PLAIN, n, n, n, back);
    vw_assert_near("v^T w v", back, square, n * n, 1e-13);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_dense),    cmocka_unit_test(test_linear),
                                     cmocka_unit_test(test_auto),     cmocka_unit_test(test_folds),
                                     cmocka_unit_test(test_rotation), cmocka_unit_test(test_hidden),
                                     cmocka_unit_test(test_threads),  cmocka_unit_test(test_bad)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
