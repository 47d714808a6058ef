#include "analysis/spread.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static double dot(const double *x, const double *y, int64_t d) {
  double sum = 0;
  for (int64_t i = 0; i < d; i++) sum += x[i] * y[i];
  return sum;
}

static double distance(const double *x, const double *y, int64_t d) {
  double sum = 0;
  for (int64_t i = 0; i < d; i++) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return sqrt(sum);
}

double vw_cosine(const double *x, const double *y, int64_t d) {
  const double lengths = sqrt(dot(x, x, d) * dot(y, y, d));
  return isfinite(lengths) && lengths > 0 ? dot(x, y, d) / lengths : NAN;
}

/* Sums while pairs are added, means in the end. distances counts pairs of finite radii. */
typedef struct sums {
  vw_spread *s;
  int64_t distances[VW_SPREAD_PAIRS];
} sums;

static void add_pair(sums *t, vw_spread_pairs kind, const double *x, const double *y, int64_t d,
                     const vw_spread_item *a, const vw_spread_item *b) {
  const double cosine = vw_cosine(x, y, d), radius = (a->radius + b->radius) / 2;
  if (!isfinite(cosine)) return;
  t->s->pairs[kind]++;
  t->s->cosine[kind] += cosine;
  if (!isfinite(radius) || radius <= 0) return;
  t->distances[kind]++;
  t->s->distance[kind] += distance(x, y, d) / radius;
}

/* A pair of two vectors, of which the first is of the concept; false: it is none. */
static bool kind_of(const vw_spread_item *a, const vw_spread_item *b, vw_spread_pairs *kind) {
  const bool same_anchor = a->anchor == b->anchor, same_replica = a->replica == b->replica;
  if (a->concept != b->concept) {
    *kind = VW_SPREAD_OTHERS;
    return !same_anchor && same_replica;
  }
  *kind = same_anchor ? VW_SPREAD_REPLICAS : VW_SPREAD_ANCHORS;
  return same_anchor != same_replica;
}

/* All pairs of a concept; each of its own once. */
static void add_concept(sums *t, const double *x, int64_t n, int64_t d, const vw_spread_item *item) {
  for (int64_t i = 0; i < n; i++) {
    if (item[i].concept != t->s->concept) continue;
    for (int64_t k = 0; k < n; k++) {
      vw_spread_pairs kind;
      if (item[k].concept == item[i].concept && k <= i) continue;
      if (kind_of(&item[i], &item[k], &kind)) add_pair(t, kind, x + i * d, x + k * d, d, &item[i], &item[k]);
    }
  }
}

void vw_spreads(const double *x, int64_t n, int64_t d, const vw_spread_item *item, vw_spread *out, int64_t *n_out) {
  *n_out = 0;
  for (int64_t i = 0; i < n; i++) {
    bool is_new = true;
    for (int64_t k = 0; k < *n_out; k++) is_new &= out[k].concept != item[i].concept;
    if (!is_new) continue;
    vw_spread *s = &out[(*n_out)++];
    *s = (vw_spread){.concept = item[i].concept};
    sums t = {.s = s};
    add_concept(&t, x, n, d, item);
    for (int k = 0; k < VW_SPREAD_PAIRS; k++) {
      s->cosine[k] = s->pairs[k] ? s->cosine[k] / (double)s->pairs[k] : NAN;
      s->distance[k] = t.distances[k] ? s->distance[k] / (double)t.distances[k] : NAN;
    }
  }
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

void vw_quartiles(double *v, int64_t n, double out[3]) {
  if (n) qsort(v, (size_t)n, sizeof *v, by_size);
  for (int q = 0; q < 3; q++) {
    const double at = (double)(n - 1) * (q + 1) / 4;
    const int64_t k = (int64_t)at;
    out[q] = !n ? NAN : k + 1 < n ? v[k] + (at - (double)k) * (v[k + 1] - v[k]) : v[n - 1];
  }
}
