/* Intervals against NumPy (tests/reference/intervals.py) and a closed form; words against exhaustive search; the KKT
 * residual where it is known. */
#include "tests/support/test.h"

#include "core/random.h"
#include "study/metrics.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t key = 0x0123456789abcdef;

/* score() of tests/reference/intervals.py. */
static double score(int64_t c, int64_t a, int64_t r) {
  return (double)((37 * c + 11 * a + 5 * r + 7 * c * a) % 23) / 23;
}

static int64_t grid_scores(vw_score *s, bool (*keep)(int64_t c, int64_t a)) {
  int64_t n = 0;
  for (int64_t c = 0; c < 10; c++)
    for (int64_t a = 0; a < 7; a++)
      for (int64_t r = 0; r < 2; r++)
        if (!keep || keep(c, a)) s[n++] = (vw_score){c, a, r, 0.5, score(c, a, r)};
  return n;
}

static bool holes(int64_t c, int64_t a) {
  return (c + 2 * a) % 5 != 0;
}
static bool few(int64_t c, int64_t a) {
  return (c == 3 || c == 8) && a == 4;
}

static void assert_interval(const vw_interval *a, const vw_interval *b, double tol) {
  const double x[] = {a->mean, a->low, a->high, a->boot_low, a->boot_high};
  const double y[] = {b->mean, b->low, b->high, b->boot_low, b->boot_high};
  assert_int_equal(a->n, b->n);
  vw_assert_near("interval", x, y, 5, tol);
}

static void test_intervals_numpy(void **state) {
  (void)state;
  static const struct {
    bool (*keep)(int64_t, int64_t);
    vw_interval expected;
  } cases[] = {
      {NULL, {140, 0.477018633540373, 0.429097009169041, 0.524940257911704, 0.381350931677019, 0.555279503105590}},
      {holes, {112, 0.500388198757764, 0.445989320464143, 0.554787077051385, 0.397322866344606, 0.574771017026452}},
      {few, {4, 0.565217391304348, 0.421775147252249, 0.708659635356447, 0.500000000000000, 0.630434782608696}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    vw_score s[140];
    vw_interval out;
    const int64_t n = grid_scores(s, cases[i].keep);
    assert_ok(vw_mean_interval(s, n, key, &out));
    assert_interval(&out, &cases[i].expected, 1e-14); /* printed to 15 digits */
  }
}

/* Scores a_c + b_a: the bootstrap's mean has variance var(a)/C + var(b)/A, and is nearly normal. */
static void test_bootstrap_closed_form(void **state) {
  (void)state;
  enum { C = 12, A = 9 };
  double a[C], b[A], va = 0, vb = 0, ma = 0, mb = 0;
  vw_score s[C * A];
  vw_interval out;
  vw_test_fill(a, C, 1);
  vw_test_fill(b, A, 2);
  for (int i = 0; i < C; i++) ma += a[i] / C;
  for (int i = 0; i < A; i++) mb += b[i] / A;
  for (int i = 0; i < C; i++) va += (a[i] - ma) * (a[i] - ma) / C;
  for (int i = 0; i < A; i++) vb += (b[i] - mb) * (b[i] - mb) / A;
  for (int i = 0; i < C * A; i++) s[i] = (vw_score){i / A, i % A, 0, 1, a[i / A] + b[i % A]};
  assert_ok(vw_mean_interval(s, C * A, key, &out));
  const double sigma = sqrt(va / C + vb / A), width = (out.boot_high - out.boot_low) / (2 * 1.96 * sigma);
  /* A 2.5 % quantile of 2,000 draws has a standard error of 0.06 sigma, the two together 4 % of the width: 4 of them.
   */
  assert_true(width > 1 - 0.16 && width < 1 + 0.16);
  assert_true(out.boot_low < out.mean && out.mean < out.boot_high);
}

static void test_too_few(void **state) {
  (void)state;
  const vw_score s[] = {{0, 0, 0, 1, 0.25}, {1, 0, 0, 1, NAN}};
  vw_interval out;
  assert_ok(vw_mean_interval(s, 0, key, &out));
  assert_true(out.n == 0 && isnan(out.mean) && isnan(out.low));
  assert_ok(vw_mean_interval(s, 2, key, &out)); /* what is not available does not count */
  assert_true(out.n == 1 && out.mean == 0.25 && isnan(out.low) && isnan(out.boot_high));
}

static void test_by_delta(void **state) {
  (void)state;
  enum { N = 3 * 4 * 3 };
  static const double deltas[] = {1.0, 0.1, INFINITY};
  vw_score s[N];
  double base[N];
  vw_interval out[3];
  for (int i = 0; i < N; i++) {
    const int c = i / 12, a = i / 3 % 4, e = i % 3;
    s[i] = (vw_score){c, a, 0, deltas[e], 0.1 * c + 0.01 * a + (e == 0 ? 0.5 : e == 1 ? 0.25 : 0.625)};
    base[i] = 0.1 * c + 0.01 * a;
  }
  assert_ok(vw_delta_intervals(s, N, deltas, 3, key, out));
  assert_true(out[0].n == 12 && fabs(out[0].mean - 0.615) < 1e-15 && fabs(out[2].mean - 0.74) < 1e-15);
  assert_true(out[0].boot_low < out[0].mean - 0.01);
  /* Paired with their own base, nothing varies but rounding. */
  assert_ok(vw_paired_intervals(s, base, N, deltas, 3, key, out));
  for (int e = 0; e < 3; e++)
    assert_true(out[e].high - out[e].low < 1e-15 && out[e].boot_high - out[e].boot_low < 1e-15);
  assert_true(fabs(out[1].mean - 0.25) < 1e-15);
  assert_ok(vw_step_intervals(s, N, deltas, 3, key, out));
  assert_true(out[0].n == 12 && fabs(out[0].mean - 0.25) < 1e-15);  /* 1.0 against 0.1 */
  assert_true(out[1].n == 0 && isnan(out[1].mean));                 /* the smallest */
  assert_true(out[2].n == 12 && fabs(out[2].mean - 0.125) < 1e-15); /* free against 1.0 */
  s[0].value = NAN;                                                 /* a pair without one number is no pair */
  assert_ok(vw_step_intervals(s, N, deltas, 3, key, out));
  assert_true(out[0].n == 11 && out[2].n == 11);
}

/* --- words ------------------------------------------------------------------------------------------------------ */

enum { V = 301, D = 77, K = 9 };

static void fill_table(double *table, uint8_t *word) {
  vw_test_fill(table, V * D, 3);
  for (int v = 0; v < V; v++) word[v] = v % 3 != 0;
  memcpy(table + 200 * D, table + 100 * D, D * sizeof *table); /* two entries at one place */
}

static double distance2(const double *a, const double *b) {
  double sum = 0;
  for (int i = 0; i < D; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

/* By definition: sort nothing, count everything. Distances may differ from the library's in their last bits, and no two
 * of this table are that close but the equal ones. */
static void expect_place(const double *table, const uint8_t *word, const double *x, int64_t anchor, vw_word_place *p) {
  const double at = distance2(table + anchor * D, x);
  double best = INFINITY;
  *p = (vw_word_place){.nearest = -1, .rank_words = 1, .rank_all = 1, .from_anchor = sqrt(at)};
  for (int v = 0; v < V; v++) {
    const double d2 = distance2(table + v * D, x);
    const bool before = v != anchor && (d2 < at || (d2 == at && v < anchor)), counts = word[v] || v == anchor;
    p->rank_all += before, p->rank_words += before && counts;
    if (counts && d2 < best) best = d2, p->nearest = v, p->distance = sqrt(d2);
  }
}

static void check_places(vw_dtype dtype) {
  static double table[V * D], x[K * D];
  static float narrow[V * D];
  uint8_t word[V];
  int64_t anchor[K];
  vw_word_place got[K], expected;
  fill_table(table, word);
  for (int i = 0; i < V * D; i++) narrow[i] = (float)table[i];
  if (dtype == VW_F32)
    for (int i = 0; i < V * D; i++) table[i] = narrow[i];
  for (int k = 0; k < K; k++) { /* from the anchor itself to far beyond its neighbours */
    anchor[k] = k == 0 ? 200 : 31 * k + 1;
    for (int i = 0; i < D; i++)
      x[k * D + i] = table[anchor[k] * D + i] + 0.15 * k * (table[(7 * k + 5) * D + i] - table[anchor[k] * D + i]);
  }
  const vw_embeddings e = {dtype == VW_F32 ? (void *)narrow : (void *)table, dtype, V, D, word};
  assert_ok(vw_place_words(&e, x, anchor, K, got));
  for (int k = 0; k < K; k++) {
    expect_place(table, word, x + k * D, anchor[k], &expected);
    assert_int_equal(got[k].nearest, expected.nearest);
    assert_int_equal(got[k].rank_words, expected.rank_words);
    assert_int_equal(got[k].rank_all, expected.rank_all);
    assert_true(fabs(got[k].distance - expected.distance) <= 1e-13 * (1 + expected.distance));
    assert_true(fabs(got[k].from_anchor - expected.from_anchor) <= 1e-13 * (1 + expected.from_anchor));
  }
  assert_int_equal(got[0].nearest, 100); /* same place, lower id */
  assert_int_equal(got[0].rank_words, 2);
  assert_int_equal(got[1].rank_all, 1);
  assert_true(got[K - 1].rank_all > 1);
}

static void test_places(void **state) {
  (void)state;
  check_places(VW_F32);
  check_places(VW_F64);
}

static void test_neighbour(void **state) {
  (void)state;
  static double table[V * D];
  uint8_t word[V];
  int64_t nearest = 0, expected = -1;
  double distance = 0, best = INFINITY;
  fill_table(table, word);
  vw_embeddings e = {table, VW_F64, V, D, word};
  assert_ok(vw_anchor_neighbour(&e, 4, &nearest, &distance));
  for (int v = 0; v < V; v++) {
    const double d2 = distance2(table + v * D, table + 4 * D);
    if (v != 4 && word[v] && d2 < best) best = d2, expected = v;
  }
  assert_int_equal(nearest, expected);
  assert_true(fabs(distance - sqrt(best)) < 1e-13);
  assert_ok(vw_anchor_neighbour(&e, 200, &nearest, &distance));
  assert_true(nearest == 100 && distance == 0);
  memset(word, 0, sizeof word);
  word[4] = 1; /* nobody is his own neighbour */
  assert_int_equal(vw_anchor_neighbour(&e, 4, &nearest, &distance), VW_ERR_ARG);
  assert_int_equal(vw_anchor_neighbour(&e, V, &nearest, &distance), VW_ERR_ARG);
  e.dtype = VW_F16;
  assert_int_equal(vw_anchor_neighbour(&e, 4, &nearest, &distance), VW_ERR_ARG);
}

/* --- optimality ------------------------------------------------------------------------------------------------- */

static void test_kkt(void **state) {
  (void)state;
  static const struct {
    double g[2], v[2], radius, residual;
    bool on;
  } cases[] = {
      {{0, -3}, {1, 3}, 2, 0, true},   /* downhill points straight out: the best point */
      {{0, 3}, {1, 3}, 2, 1, true},    /* downhill points inwards: the ball does not hold it */
      {{3, 0}, {1, 3}, 2, 1, true},    /* along the sphere */
      {{4, -3}, {1, 3}, 2, 0.8, true}, /* what is left is the tangent part: 4/5 */
      {{0, -3}, {1, 2}, 2, 1, false},  /* inside: g itself */
      {{0, -3}, {1, 1 + 2 * (1 - 0.9e-5)}, 2, 0, true},
      {{0, -3}, {1, 1 + 2 * (1 - 1.1e-5)}, 2, 1, false},
      {{0, -3}, {1, 3}, INFINITY, 1, false}, /* free */
      {{0, 0}, {1, 3}, 2, 0, true},          /* nothing to gain */
      {{0, -3}, {1, 1}, 2, 1, false},        /* still at the anchor */
  };
  static const double anchor[2] = {1, 1};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    bool on = false;
    const double r = vw_kkt_residual(cases[i].g, cases[i].v, anchor, 2, cases[i].radius, &on);
    if (fabs(r - cases[i].residual) > 4 * DBL_EPSILON || on != cases[i].on)
      fail_msg("case %zu: residual %.17g, expected %g", i, r, cases[i].residual);
  }
  assert_true(isnan(vw_kkt_residual((double[]){NAN, 0}, anchor, anchor, 2, 1, NULL)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_intervals_numpy),
      cmocka_unit_test(test_bootstrap_closed_form),
      cmocka_unit_test(test_too_few),
      cmocka_unit_test(test_by_delta),
      cmocka_unit_test(test_places),
      cmocka_unit_test(test_neighbour),
      cmocka_unit_test(test_kkt),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
