/* Intervals: one sort and one table of cells a summary, then 2,000 weighted sums. */
#include "study/metrics.h"

#include "core/random.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* --- one interval ----------------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Sorts numbers and drops repeats; returns how many are left. */
static int64_t distinct(int64_t *v, int64_t n) {
  int64_t m = 0;
  qsort(v, (size_t)n, sizeof *v, by_number);
  for (int64_t i = 0; i < n; i++)
    if (!m || v[m - 1] != v[i]) v[m++] = v[i];
  return m;
}

static int64_t place(const int64_t *sorted, int64_t n, int64_t v) {
  const int64_t *found = bsearch(&v, sorted, (size_t)n, sizeof *sorted, by_number);
  return found - sorted;
}

/* Sums and counts of a concept's trials from an anchor; draws of a resample. */
typedef struct grid {
  int64_t C, A;
  int64_t *concept, *anchor; /* the numbers present, ascending */
  double *sum, *count;       /* [C, A] */
  double *times;             /* [C + A] how often each was drawn */
  double *means;             /* [VW_RESAMPLES] */
} grid;

static void grid_free(grid *g) {
  free(g->concept);
  free(g->anchor);
  free(g->sum);
  free(g->count);
  free(g->times);
  free(g->means);
}

/* At least one score must be there. On failure the caller still frees what there is. */
static vw_status grid_fill(grid *g, const vw_score *s, int64_t n) {
  VW_CHECK(n > 0, VW_ERR_ARG, "no scores to resample");
  g->concept = malloc((size_t)n * sizeof *g->concept);
  g->anchor = malloc((size_t)n * sizeof *g->anchor);
  VW_CHECK(g->concept && g->anchor, VW_ERR_MEMORY, "no memory for %" PRId64 " scores", n);
  int64_t m = 0;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(s[i].value)) g->concept[m] = s[i].concept, g->anchor[m++] = s[i].anchor;
  g->C = distinct(g->concept, m), g->A = distinct(g->anchor, m);
  VW_CHECK(g->C > 0 && g->A > 0, VW_ERR_ARG, "no finite scores to resample");
  g->sum = calloc((size_t)(g->C * g->A), sizeof *g->sum);
  g->count = calloc((size_t)(g->C * g->A), sizeof *g->count);
  g->times = calloc((size_t)(g->C + g->A), sizeof *g->times);
  g->means = calloc(VW_RESAMPLES, sizeof *g->means);
  VW_CHECK(g->sum && g->count && g->times && g->means, VW_ERR_MEMORY,
           "no memory for %" PRId64 " concepts x %" PRId64 " anchors", g->C, g->A);
  for (int64_t i = 0; i < n; i++) {
    if (!isfinite(s[i].value)) continue;
    const int64_t cell = place(g->concept, g->C, s[i].concept) * g->A + place(g->anchor, g->A, s[i].anchor);
    g->sum[cell] += s[i].value, g->count[cell] += 1;
  }
  return VW_OK;
}

static void draw(double *times, int64_t n, uint64_t key, int64_t b, int64_t first) {
  for (int64_t k = 0; k < n; k++) times[k] = 0;
  for (int64_t k = 0; k < n; k++)
    times[vw_below(vw_draw_u32(key, (uint64_t)b, VW_DRAW_BOOTSTRAP, (uint32_t)(first + k)), (uint32_t)n)] += 1;
}

/* The mean of resample b; false when no trial fell into it (cells may be empty). */
static bool resample(grid *g, uint64_t key, int64_t b, double *mean) {
  double sum = 0, count = 0;
  draw(g->times, g->C, key, b, 0);
  draw(g->times + g->C, g->A, key, b, g->C);
  for (int64_t c = 0; c < g->C; c++) {
    if (g->times[c] == 0) continue;
    double row_sum = 0, row_count = 0;
    for (int64_t a = 0; a < g->A; a++) {
      row_sum += g->times[g->C + a] * g->sum[c * g->A + a];
      row_count += g->times[g->C + a] * g->count[c * g->A + a];
    }
    sum += g->times[c] * row_sum, count += g->times[c] * row_count;
  }
  *mean = sum / count;
  return count > 0;
}

/* Linear between order statistics, as NumPy's default. */
static double percentile(const double *sorted, int64_t n, double share) {
  const double at = share * (double)(n - 1);
  const int64_t below = (int64_t)at, above = below + 1 < n ? below + 1 : below;
  return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

static vw_status bootstrap(const vw_score *s, int64_t n, uint64_t key, vw_interval *out) {
  grid g = {0};
  int64_t m = 0;
  const vw_status st = grid_fill(&g, s, n);
  for (int64_t b = 0; st == VW_OK && b < VW_RESAMPLES; b++)
    if (resample(&g, key, b, &g.means[m])) m++;
  if (m > 0) {
    qsort(g.means, (size_t)m, sizeof *g.means, by_value);
    out->boot_low = percentile(g.means, m, 0.025);
    out->boot_high = percentile(g.means, m, 0.975);
  }
  grid_free(&g);
  return st;
}

vw_status vw_mean_interval(const vw_score *s, int64_t n, uint64_t key, vw_interval *out) {
  double sum = 0, squares = 0;
  *out = (vw_interval){0, NAN, NAN, NAN, NAN, NAN};
  for (int64_t i = 0; i < n; i++)
    if (isfinite(s[i].value)) sum += s[i].value, out->n++;
  if (!out->n) return VW_OK;
  out->mean = sum / (double)out->n;
  if (out->n < 2) return VW_OK;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(s[i].value)) squares += (s[i].value - out->mean) * (s[i].value - out->mean);
  const double half = 1.96 * sqrt(squares / (double)(out->n - 1) / (double)out->n);
  out->low = out->mean - half, out->high = out->mean + half;
  return bootstrap(s, n, key, out);
}

/* --- by delta --------------------------------------------------------------------------------------------------- */

/* The scores of `delta`, values minus base where there is one. */
static int64_t pick(const vw_score *s, const double *base, int64_t n, double delta, vw_score *out) {
  int64_t m = 0;
  for (int64_t i = 0; i < n; i++) {
    if (s[i].delta != delta) continue;
    out[m] = s[i];
    if (base) out[m].value -= base[i];
    m++;
  }
  return m;
}

vw_status vw_paired_intervals(const vw_score *s, const double *base, int64_t n, const double *deltas, int64_t n_deltas,
                              uint64_t key, vw_interval *out) {
  vw_status st = VW_OK;
  vw_score *some = malloc((size_t)(n + 1) * sizeof *some);
  VW_CHECK(some, VW_ERR_MEMORY, "no memory for %" PRId64 " scores", n);
  for (int64_t e = 0; e < n_deltas; e++) {
    const int64_t m = pick(s, base, n, deltas[e], some);
    VW_GOTO(vw_mean_interval(some, m, key, &out[e]));
  }
cleanup:
  free(some);
  return st;
}

vw_status vw_delta_intervals(const vw_score *s, int64_t n, const double *deltas, int64_t n_deltas, uint64_t key,
                             vw_interval *out) {
  return vw_paired_intervals(s, NULL, n, deltas, n_deltas, key, out);
}

static int by_trial(const void *a, const void *b) {
  const vw_score *x = a, *y = b;
  if (x->concept != y->concept) return x->concept < y->concept ? -1 : 1;
  if (x->anchor != y->anchor) return x->anchor < y->anchor ? -1 : 1;
  return x->replica < y->replica ? -1 : x->replica > y->replica;
}

vw_status vw_step_intervals(const vw_score *s, int64_t n, const double *deltas, int64_t n_deltas, uint64_t key,
                            vw_interval *out) {
  vw_status st = VW_OK;
  vw_score *mine = malloc((size_t)(2 * n + 1) * sizeof *mine), *smaller = mine ? mine + n : NULL;
  VW_CHECK(mine, VW_ERR_MEMORY, "no memory for %" PRId64 " scores", n);
  for (int64_t e = 0; e < n_deltas; e++) {
    double next = 0; /* the largest delta below this one */
    for (int64_t k = 0; k < n_deltas; k++)
      if (deltas[k] < deltas[e] && deltas[k] > next) next = deltas[k];
    const int64_t m = next > 0 ? pick(s, NULL, n, deltas[e], mine) : 0;
    const int64_t partners = pick(s, NULL, n, next, smaller);
    int64_t pairs = 0;
    qsort(smaller, (size_t)partners, sizeof *smaller, by_trial);
    for (int64_t i = 0; i < m; i++) {
      const vw_score *p = bsearch(&mine[i], smaller, (size_t)partners, sizeof *smaller, by_trial);
      if (!p) continue;
      mine[pairs] = mine[i];
      mine[pairs++].value -= p->value;
    }
    VW_GOTO(vw_mean_interval(mine, pairs, key, &out[e]));
  }
cleanup:
  free(mine);
  return st;
}
