/* A study of 3 concepts, 2 anchors and 3 deltas whose means are known, summarised. */
#include "tests/support/test.h"

#include "study/summary.h"

#include <math.h>
#include <stdlib.h>

enum { CONCEPTS = 3, ANCHORS = 2, DELTAS = 3, METRICS = 4, MOST = 64 };
static const vw_summary_metrics by[1] = {{.n = METRICS, .headline = 0}};
static const double deltas[DELTAS] = {0.25, 1.0, INFINITY};
static const uint64_t keys[2] = {1, 2};

/* recall of a word = anchor's + gain of its delta; the anchor's: 0.1 c + 0.02 a. */
static const double gain[DELTAS] = {-0.125, 0.25, 0.5};
static double anchor_recall(int64_t c, int64_t a) {
  return 0.1 * (double)c + 0.02 * (double)a;
}

static void set(vw_measure *m, double recall) {
  m->metric[0] = recall;
  for (int k = 1; k < METRICS; k++) m->metric[k] = recall + 0.1 * k;
}

static int64_t make(vw_measure *m) {
  int64_t n = 0;
  for (int64_t c = 0; c < CONCEPTS; c++) {
    for (int64_t a = 0; a < ANCHORS; a++) {
      for (int e = 0; e < DELTAS; e++) {
        m[n] = (vw_measure){.what = VW_OF_WORD, .data = 1, .concept = c, .anchor = a, .delta = deltas[e]};
        set(&m[n++], anchor_recall(c, a) + gain[e]);
      }
      m[n] = (vw_measure){.what = VW_OF_ANCHOR, .data = 1, .concept = c, .anchor = a};
      set(&m[n++], anchor_recall(c, a));
    }
    m[n] = (vw_measure){.what = VW_OF_NAME, .data = 1, .concept = c, .delta = NAN};
    set(&m[n++], c == 1 ? NAN : 0.5);
  }
  m[n] = (vw_measure){.what = VW_OF_NULL, .data = 1, .concept = CONCEPTS, .delta = 1.0};
  set(&m[n++], 0.125);
  return n;
}

static void test_verdicts(void **state) {
  (void)state;
  vw_measure m[MOST];
  signed char verdict[MOST];
  const int64_t n = make(m);
  m[0].metric[0] = NAN;
  m[1].metric[0] = anchor_recall(0, 0); /* equal: nothing learned */
  assert_ok(vw_verdicts(m, n, by, verdict));
  assert_int_equal(verdict[0], -1); /* not judged */
  assert_int_equal(verdict[1], 1);
  assert_int_equal(verdict[2], 0);
  for (int64_t i = 4; i < n; i++) {
    const bool is_word = m[i].what == VW_OF_WORD;
    assert_int_equal(verdict[i], is_word ? m[i].delta == deltas[0] : -1);
  }
  assert_ok(vw_verdicts(m, 3, by, verdict)); /* no anchors */
  for (int64_t i = 0; i < 3; i++) assert_int_equal(verdict[i], -1);
}

/* Verdicts follow the task's headline, wherever it stands among its metrics. */
static void test_headline(void **state) {
  (void)state;
  vw_measure m[MOST];
  signed char verdict[MOST];
  const vw_summary_metrics second[1] = {{.n = 2, .headline = 1}};
  vw_summary_row *rows = NULL;
  int64_t n = make(m), n_rows = 0;
  m[0].metric[1] = 9, m[2].metric[1] = 0; /* a small delta that helps, a large one that does not */
  assert_ok(vw_verdicts(m, n, second, verdict));
  assert_int_equal(verdict[0], 0);
  assert_int_equal(verdict[2], 1);
  assert_ok(vw_summarise(m, n, second, 1, 2, keys, &rows, &n_rows));
  assert_int_equal(n_rows, 2 + 3 * 7 + 4 + 2);
  assert_null(vw_summary_find(rows, n_rows, 0, 1, VW_OF_WORD, VW_VALUE, 1.0, 2)); /* no such metric */
  free(rows);
}

static const vw_summary_row *find(const vw_summary_row *rows, int64_t n, vw_measured what, vw_quantity quantity,
                                  double delta, int metric) {
  const vw_summary_row *r = vw_summary_find(rows, n, 0, 1, what, quantity, delta, metric);
  assert_non_null(r);
  return r;
}

static void test_means(void **state) {
  (void)state;
  vw_measure m[MOST];
  vw_summary_row *rows = NULL;
  int64_t n = 0;
  const double base = 0.1 + 0.01; /* the mean over concepts and anchors */
  assert_ok(vw_summarise(m, make(m), by, 1, 2, keys, &rows, &n));
  /* anchor 4; words 3 deltas x (5 + 4 + 4); null 4 + 4; name 4 */
  assert_int_equal(n, 4 + 3 * 13 + 8 + 4);
  assert_int_equal(rows[0].what, VW_OF_ANCHOR);
  for (int e = 0; e < DELTAS; e++)
    for (int k = 0; k < METRICS; k++) {
      const vw_interval *i = &find(rows, n, VW_OF_WORD, VW_VALUE, deltas[e], k)->interval;
      assert_true(i->n == 6 && fabs(i->mean - (base + gain[e] + 0.1 * k)) < 1e-15 && i->low < i->mean);
      assert_true(i->boot_low < i->mean && i->mean < i->boot_high);
      i = &find(rows, n, VW_OF_WORD, VW_MINUS_ANCHOR, deltas[e], k)->interval;
      assert_true(i->n == 6 && fabs(i->mean - gain[e]) < 1e-15 && i->high - i->low < 1e-14);
    }
  assert_true(fabs(find(rows, n, VW_OF_ANCHOR, VW_VALUE, 0, 0)->interval.mean - base) < 1e-15);
  assert_int_equal(find(rows, n, VW_OF_WORD, VW_MINUS_SMALLER, 0.25, 0)->interval.n, 0);
  assert_true(fabs(find(rows, n, VW_OF_WORD, VW_MINUS_SMALLER, 1.0, 0)->interval.mean - 0.375) < 1e-15);
  assert_true(fabs(find(rows, n, VW_OF_WORD, VW_MINUS_SMALLER, INFINITY, 0)->interval.mean - 0.25) < 1e-15);
  const double share[] = {1, 0, 0};
  for (int e = 0; e < DELTAS; e++) {
    const vw_interval *i = &find(rows, n, VW_OF_WORD, VW_VALUE, deltas[e], VW_NOTHING_LEARNED)->interval;
    assert_true(i->n == 6 && i->mean == share[e]);
  }
  free(rows);
}

static void test_apart(void **state) {
  (void)state;
  vw_measure m[MOST];
  vw_summary_row *rows = NULL;
  int64_t n = 0;
  assert_ok(vw_summarise(m, make(m), by, 1, 2, keys, &rows, &n));
  const vw_interval *name = &find(rows, n, VW_OF_NAME, VW_VALUE, NAN, 0)->interval;
  assert_true(name->n == 2 && name->mean == 0.5); /* one name the network does not know */
  const vw_interval *null = &find(rows, n, VW_OF_NULL, VW_VALUE, 1.0, 0)->interval;
  assert_true(null->n == 1 && null->mean == 0.125 && isnan(null->low));
  assert_null(vw_summary_find(rows, n, 0, 0, VW_OF_WORD, VW_VALUE, 1.0, 0)); /* the other data set */
  assert_null(vw_summary_find(rows, n, 0, 1, VW_OF_RANDOM_WORD, VW_VALUE, NAN, 0));
  free(rows);
  assert_ok(vw_summarise(m, 0, by, 1, 2, keys, &rows, &n)); /* nothing is there yet */
  assert_int_equal(n, 0);
  free(rows);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_verdicts), cmocka_unit_test(test_headline),
                                     cmocka_unit_test(test_means), cmocka_unit_test(test_apart)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
