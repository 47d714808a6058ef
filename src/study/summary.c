#include "study/summary.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

const char *const vw_measured_names[VW_OF_KINDS] = {"untouched anchor", "word",        "null concept",
                                                    "real name",        "random word", "random direction"};
const char *const vw_quantity_names[VW_QUANTITIES] = {"value", "minus untouched anchor", "minus next smaller delta"};

/* --- untouched anchors ------------------------------------------------------------------------------------------ */

static int compare(int64_t a, int64_t b) {
  return (a > b) - (a < b);
}

static int by_place(const void *a, const void *b) {
  const vw_measure *x = *(const vw_measure *const *)a, *y = *(const vw_measure *const *)b;
  int c = compare(x->model, y->model);
  if (!c) c = compare(x->data, y->data);
  if (!c) c = compare(x->concept, y->concept);
  return c ? c : compare(x->anchor, y->anchor);
}

/* anchor[i]: the untouched anchor of word m[i], NULL where there is none. The caller frees it. */
static vw_status find_anchors(const vw_measure *m, int64_t n, const vw_measure ***anchor) {
  const vw_measure **sorted = malloc((size_t)(2 * n + 1) * sizeof(*sorted));
  int64_t k = 0;
  VW_CHECK(sorted, VW_ERR_MEMORY, "no memory for %" PRId64 " judged words", n);
  const vw_measure **found = sorted + n;
  for (int64_t i = 0; i < n; i++)
    if (m[i].what == VW_OF_ANCHOR) sorted[k++] = &m[i];
  qsort((void *)sorted, (size_t)k, sizeof(*sorted), by_place);
  for (int64_t i = 0; i < n; i++) {
    const vw_measure *key = &m[i], **at = NULL;
    if (m[i].what == VW_OF_WORD)
      at = (const vw_measure **)bsearch((const void *)&key, (const void *)sorted, (size_t)k, sizeof(*sorted), by_place);
    found[i] = at ? *at : NULL;
  }
  for (int64_t i = 0; i < n; i++) sorted[i] = found[i];
  *anchor = sorted;
  return VW_OK;
}

static signed char verdict_of(const vw_measure *word, const vw_measure *anchor, int headline) {
  if (!anchor || !isfinite(word->metric[headline]) || !isfinite(anchor->metric[headline])) return -1;
  return word->metric[headline] <= anchor->metric[headline];
}

vw_status vw_verdicts(const vw_measure *m, int64_t n, const vw_summary_metrics *by, signed char *verdict) {
  const vw_measure **anchor = NULL;
  VW_TRY(find_anchors(m, n, &anchor));
  for (int64_t i = 0; i < n; i++) verdict[i] = verdict_of(&m[i], anchor[i], by[m[i].model].headline);
  free((void *)anchor);
  return VW_OK;
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

typedef struct summary {
  const vw_measure *m;
  const vw_measure **anchor;
  int64_t n;
  const vw_summary_metrics *by; /* [n_models] */
  /* the measures of one model, data set and kind */
  int64_t *part, n_part;
  double *deltas;
  int64_t n_deltas;
  vw_score *scores;
  double *base;
  vw_interval *intervals; /* [metrics][n_deltas] */
  vw_summary_row *rows;
  int64_t n_rows, room;
} summary;

static void summary_free(summary *s) {
  free((void *)s->anchor), free(s->part), free(s->deltas), free(s->scores), free(s->base), free(s->intervals);
}

static vw_status summary_allocate(summary *s) {
  const size_t n = (size_t)s->n + 1;
  s->part = malloc(n * sizeof *s->part), s->deltas = malloc(n * sizeof *s->deltas);
  s->scores = malloc(n * sizeof *s->scores), s->base = malloc(n * sizeof *s->base);
  s->intervals = malloc((VW_SUMMARY_METRICS + 1) * n * sizeof *s->intervals);
  VW_CHECK(s->part && s->deltas && s->scores && s->base && s->intervals, VW_ERR_MEMORY,
           "no memory for a summary of %" PRId64 " judged words", s->n);
  return find_anchors(s->m, s->n, &s->anchor);
}

static int by_delta(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Picks the measures of a kind and their deltas, ascending. NaN (does not apply) is kept as one delta. */
static void pick(summary *s, int64_t model, int64_t data, vw_measured what) {
  int64_t k = 0;
  s->n_part = s->n_deltas = 0;
  for (int64_t i = 0; i < s->n; i++)
    if (s->m[i].model == model && s->m[i].data == data && s->m[i].what == what) s->part[s->n_part++] = i;
  if (what == VW_OF_NAME || what == VW_OF_RANDOM_WORD) {
    s->deltas[0] = NAN, s->n_deltas = s->n_part > 0;
    return;
  }
  for (int64_t i = 0; i < s->n_part; i++) s->deltas[k++] = s->m[s->part[i]].delta;
  qsort(s->deltas, (size_t)k, sizeof *s->deltas, by_delta);
  for (int64_t i = 0; i < k; i++)
    if (!s->n_deltas || s->deltas[s->n_deltas - 1] != s->deltas[i]) s->deltas[s->n_deltas++] = s->deltas[i];
}

static double score_of(const summary *s, int64_t i, int metric) {
  if (metric != VW_NOTHING_LEARNED) return s->m[i].metric[metric];
  const signed char verdict = verdict_of(&s->m[i], s->anchor[i], s->by[s->m[i].model].headline);
  return verdict < 0 ? NAN : verdict;
}

static vw_status intervals_of(summary *s, int metric, vw_quantity quantity, uint64_t key, vw_interval *out) {
  for (int64_t k = 0; k < s->n_part; k++) {
    const int64_t i = s->part[k];
    const vw_measure *m = &s->m[i];
    s->scores[k] = (vw_score){m->concept, m->anchor, m->replica, m->delta, score_of(s, i, metric)};
    s->base[k] = quantity == VW_MINUS_ANCHOR && s->anchor[i] ? s->anchor[i]->metric[metric] : NAN;
  }
  if (isnan(s->deltas[0])) return vw_mean_interval(s->scores, s->n_part, key, out);
  if (quantity == VW_VALUE) return vw_delta_intervals(s->scores, s->n_part, s->deltas, s->n_deltas, key, out);
  if (quantity == VW_MINUS_ANCHOR)
    return vw_paired_intervals(s->scores, s->base, s->n_part, s->deltas, s->n_deltas, key, out);
  return vw_step_intervals(s->scores, s->n_part, s->deltas, s->n_deltas, key, out);
}

static vw_status make_room(summary *s, int64_t more) {
  if (s->n_rows + more <= s->room) return VW_OK;
  const int64_t room = 2 * (s->n_rows + more);
  vw_summary_row *rows = realloc(s->rows, (size_t)room * sizeof *rows);
  VW_CHECK(rows, VW_ERR_MEMORY, "no memory for a summary of %" PRId64 " rows", room);
  s->rows = rows, s->room = room;
  return VW_OK;
}

static vw_status add_rows(summary *s, int64_t model, int64_t data, vw_measured what, vw_quantity quantity,
                          uint64_t key) {
  const int own = s->by[model].n, metrics = own + (what == VW_OF_WORD && quantity == VW_VALUE);
  for (int i = 0; i < metrics; i++)
    VW_TRY(intervals_of(s, i < own ? i : VW_NOTHING_LEARNED, quantity, key, s->intervals + i * s->n_deltas));
  VW_TRY(make_room(s, metrics * s->n_deltas));
  for (int64_t e = 0; e < s->n_deltas; e++)
    for (int i = 0; i < metrics; i++)
      s->rows[s->n_rows++] = (vw_summary_row){what,
                                              quantity,
                                              model,
                                              data,
                                              s->deltas[e],
                                              i < own ? i : VW_NOTHING_LEARNED,
                                              s->intervals[i * s->n_deltas + e]};
  return VW_OK;
}

/* A quantity that a kind has: differences to anchors are of words, steps of words and null concepts. */
static bool is_wanted(vw_measured what, vw_quantity quantity) {
  return quantity == VW_VALUE || what == VW_OF_WORD || (what == VW_OF_NULL && quantity == VW_MINUS_SMALLER);
}

static vw_status summarise_kind(summary *s, int64_t model, int64_t data, vw_measured what, uint64_t key) {
  pick(s, model, data, what);
  if (!s->n_part) return VW_OK;
  for (int q = 0; q < VW_QUANTITIES; q++)
    if (is_wanted(what, (vw_quantity)q)) VW_TRY(add_rows(s, model, data, what, (vw_quantity)q, key));
  return VW_OK;
}

vw_status vw_summarise(const vw_measure *m, int64_t n, const vw_summary_metrics *by, int64_t n_models, int64_t n_data,
                       const uint64_t *keys, vw_summary_row **rows, int64_t *n_rows) {
  summary s = {.m = m, .n = n, .by = by};
  *rows = NULL, *n_rows = 0;
  vw_status st = summary_allocate(&s);
  for (int64_t model = 0; model < n_models; model++)
    for (int64_t data = 0; data < n_data; data++)
      for (int what = 0; st == VW_OK && what < VW_OF_KINDS; what++)
        st = summarise_kind(&s, model, data, (vw_measured)what, keys[data]);
  summary_free(&s);
  if (st != VW_OK) {
    free(s.rows);
    return st;
  }
  *rows = s.rows, *n_rows = s.n_rows;
  return VW_OK;
}

const vw_summary_row *vw_summary_find(const vw_summary_row *rows, int64_t n, int64_t model, int64_t data,
                                      vw_measured what, vw_quantity quantity, double delta, int metric) {
  for (int64_t i = 0; i < n; i++) {
    const vw_summary_row *r = &rows[i];
    if (r->model == model && r->data == data && r->what == what && r->quantity == quantity && r->metric == metric &&
        (r->delta == delta || (isnan(delta) && isnan(r->delta))))
      return r;
  }
  return NULL;
}
