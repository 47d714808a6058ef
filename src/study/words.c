/* Where vectors lie among a model's words, and how far a word is from the best point of its ball (study/metrics.h). */
#include "study/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 8, CHUNK = 32 };

/* |a - b|^2, or some number beyond `enough` as soon as the sum is. Eight partial sums, so that compilers use vector
 * registers without being allowed to reorder; squares only add up, so leaving early is exact. */
static double squared_distance(const double *a, const double *b, int64_t d, double enough) {
  double sum[LANES] = {0}, total = 0;
  int64_t i = 0;
  for (; i + CHUNK <= d && total <= enough; i += CHUNK) {
    for (int64_t j = i; j < i + CHUNK; j += LANES)
      for (int k = 0; k < LANES; k++) sum[k] += (a[j + k] - b[j + k]) * (a[j + k] - b[j + k]);
    total = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
  }
  if (total > enough) return total;
  for (; i < d; i++) total += (a[i] - b[i]) * (a[i] - b[i]);
  return total;
}

/* Row v in double: in the table itself, or converted into `buffer` [d]. */
static const double *row_of(const vw_embeddings *e, int64_t v, double *buffer) {
  if (e->dtype == VW_F64) return (const double *)e->data + v * e->d;
  const float *row = (const float *)e->data + v * e->d;
  for (int64_t i = 0; i < e->d; i++) buffer[i] = row[i];
  return buffer;
}

static vw_status check(const vw_embeddings *e, int64_t anchor) {
  VW_CHECK(e->dtype == VW_F32 || e->dtype == VW_F64, VW_ERR_ARG, "word embeddings are %s; expected f32 or f64",
           vw_dtype_name(e->dtype));
  VW_CHECK(anchor >= 0 && anchor < e->V, VW_ERR_ARG, "anchor %" PRId64 " of %" PRId64 " word embeddings", anchor, e->V);
  return VW_OK;
}

vw_status vw_anchor_neighbour(const vw_embeddings *e, int64_t anchor, int64_t *nearest, double *distance) {
  double best = INFINITY;
  VW_TRY(check(e, anchor));
  double *buffer = malloc((size_t)(2 * e->d) * sizeof *buffer);
  VW_CHECK(buffer, VW_ERR_MEMORY, "no memory for two words");
  const double *from = row_of(e, anchor, buffer + e->d);
  *nearest = -1;
  for (int64_t v = 0; v < e->V; v++) {
    if (v == anchor || !e->word[v]) continue;
    const double d2 = squared_distance(row_of(e, v, buffer), from, e->d, best);
    if (d2 < best) best = d2, *nearest = v;
  }
  free(buffer);
  VW_CHECK(*nearest >= 0, VW_ERR_ARG, "anchor %" PRId64 " has no neighbour: the list of words is empty", anchor);
  *distance = sqrt(best);
  return VW_OK;
}

/* Row v against one vector; `near` and `at` are squared distances of the nearest word so far and of the anchor. */
static void place_row(const vw_embeddings *e, int64_t v, double d2, int64_t anchor, double at, double *near,
                      vw_word_place *p) {
  const bool word = e->word[v] || v == anchor;
  if (v != anchor && (d2 < at || (d2 == at && v < anchor))) {
    p->rank_all++;
    p->rank_words += word;
  }
  if (word && d2 < *near) *near = d2, p->nearest = v;
}

vw_status vw_place_words(const vw_embeddings *e, const double *vectors, const int64_t *anchor, int64_t K,
                         vw_word_place *out) {
  for (int64_t k = 0; k < K; k++) VW_TRY(check(e, anchor[k]));
  double *buffer = malloc((size_t)(e->d + 2 * K + 1) * sizeof *buffer), *at = buffer + e->d, *near = at + K;
  VW_CHECK(buffer, VW_ERR_MEMORY, "no memory for places of %" PRId64 " words", K);
  for (int64_t k = 0; k < K; k++) {
    at[k] = squared_distance(row_of(e, anchor[k], buffer), vectors + k * e->d, e->d, INFINITY);
    near[k] = INFINITY;
    out[k] = (vw_word_place){.nearest = anchor[k], .rank_words = 1, .rank_all = 1};
  }
  for (int64_t v = 0; v < e->V; v++) {
    const double *row = row_of(e, v, buffer);
    for (int64_t k = 0; k < K; k++)
      place_row(e, v, squared_distance(row, vectors + k * e->d, e->d, at[k]), anchor[k], at[k], &near[k], &out[k]);
  }
  for (int64_t k = 0; k < K; k++) out[k].distance = sqrt(near[k]), out[k].from_anchor = sqrt(at[k]);
  free(buffer);
  return VW_OK;
}

double vw_kkt_residual(const double *gradient, const double *word, const double *anchor, int64_t d, double radius,
                       bool *on_sphere) {
  double gg = 0, rr = 0, gr = 0, left = 0;
  for (int64_t i = 0; i < d; i++) {
    const double r = word[i] - anchor[i];
    gg += gradient[i] * gradient[i], rr += r * r, gr += gradient[i] * r;
  }
  const bool on = isfinite(radius) && rr > 0 && sqrt(rr) >= radius * (1 - 1e-5);
  if (on_sphere) *on_sphere = on;
  if (gg == 0) return 0;
  if (!isfinite(gg)) return NAN;
  if (!on) return 1;
  const double along = (gr < 0 ? gr : 0) / rr; /* min(0, g.n) n = along * (word - anchor) */
  for (int64_t i = 0; i < d; i++) {
    const double t = gradient[i] - along * (word[i] - anchor[i]);
    left += t * t;
  }
  return sqrt(left / gg);
}
