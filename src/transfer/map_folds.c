/* How well a rule explains words it was not fitted on: for each of ten folds a map of the other nine, by the sums of
 * all words minus the fold's. One decomposition a fold serves all lambdas. */
#include "transfer/map_internal.h"

#include "transfer/dense.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sums over words: x^T x [p, p], x^T y [p, d], x [p], y [d]. */
typedef struct sums {
  int64_t n;
  double *xx, *xy, *x, *y;
} sums;

typedef struct trial_fold {
  const vw_map_design *g;
  sums all, own, rest;
  double *base;     /* of all sums */
  double *rows, *z; /* [n, p] of the fold; the same along the eigenvectors */
  double *m, *out;  /* [p, d] x^T y along the eigenvectors; [n, d] predictions */
  double *values;   /* [p] eigenvalues */
  double *scaled;   /* [p, d] a map */
} trial_fold;

static void sums_at(sums *s, double **at, int64_t p, int64_t d) {
  s->xx = *at, s->xy = s->xx + p * p, s->x = s->xy + p * d, s->y = s->x + p;
  *at = s->y + d;
}

static vw_status open_folds(trial_fold *t, const vw_map_design *g) {
  const int64_t p = g->p, d = g->d, n = g->n, one = p * p + p * d + p + d;
  *t = (trial_fold){.g = g};
  double *at = calloc((size_t)(3 * one + 2 * n * p + 2 * p * d + n * d + p), sizeof *at);
  VW_CHECK(at, VW_ERR_MEMORY, "no memory to fit a map of %" PRId64 " words", n);
  t->base = at;
  sums_at(&t->all, &at, p, d), sums_at(&t->own, &at, p, d), sums_at(&t->rest, &at, p, d);
  t->rows = at, t->z = t->rows + n * p, t->m = t->z + n * p, t->out = t->m + p * d, t->scaled = t->out + n * d,
  t->values = t->scaled + p * d;
  return VW_OK;
}

static void add_up(const vw_map_design *g, int64_t first, int64_t end, sums *s) {
  const double *x = g->x + first * g->p, *y = g->y + first * g->d;
  s->n = end - first;
  vw_dense_multiply(x, VW_DENSE_TURNED, x, VW_DENSE_PLAIN, g->p, s->n, g->p, s->xx);
  vw_dense_multiply(x, VW_DENSE_TURNED, y, VW_DENSE_PLAIN, g->p, s->n, g->d, s->xy);
  memset(s->x, 0, (size_t)g->p * sizeof *s->x), memset(s->y, 0, (size_t)g->d * sizeof *s->y);
  for (int64_t i = 0; i < s->n; i++) {
    for (int64_t j = 0; j < g->p; j++) s->x[j] += x[i * g->p + j];
    for (int64_t j = 0; j < g->d; j++) s->y[j] += y[i * g->d + j];
  }
}

/* Sums of the words outside the fold; with a bias about their means, which are then in x and y. */
static void leave_out(trial_fold *t) {
  const int64_t p = t->g->p, d = t->g->d;
  sums *r = &t->rest;
  r->n = t->all.n - t->own.n;
  for (int64_t i = 0; i < p * p; i++) r->xx[i] = t->all.xx[i] - t->own.xx[i];
  for (int64_t i = 0; i < p * d; i++) r->xy[i] = t->all.xy[i] - t->own.xy[i];
  for (int64_t i = 0; i < p; i++) r->x[i] = t->g->bias ? (t->all.x[i] - t->own.x[i]) / (double)r->n : 0;
  for (int64_t i = 0; i < d; i++) r->y[i] = t->g->bias ? (t->all.y[i] - t->own.y[i]) / (double)r->n : 0;
  for (int64_t i = 0; t->g->bias && i < p; i++) {
    for (int64_t j = 0; j < p; j++) r->xx[i * p + j] -= (double)r->n * r->x[i] * r->x[j];
    for (int64_t j = 0; j < d; j++) r->xy[i * d + j] -= (double)r->n * r->x[i] * r->y[j];
  }
}

/* The fold's rows, about the others' means: rows [n, p]. */
static void centre_rows(const trial_fold *t, int64_t first, int64_t n, double *rows) {
  const int64_t p = t->g->p;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < p; j++) rows[i * p + j] = t->g->x[(first + i) * p + j] - t->rest.x[j];
}

static double squared_error(const trial_fold *t, int64_t first, int64_t n) {
  const int64_t d = t->g->d;
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < d; j++) {
      const double e = t->g->y[(first + i) * d + j] - t->rest.y[j] - t->out[i * d + j];
      sum += e * e;
    }
  return sum;
}

/* Ridge of the other words, tried on the fold: predictions are rows v^T diag(1 / (w + lambda)) v x^T y. */
static vw_status try_fold(trial_fold *t, int64_t first, int64_t n, const double *lambda, int64_t n_lambda,
                          double *error) {
  const int64_t p = t->g->p, d = t->g->d;
  centre_rows(t, first, n, t->rows);
  VW_TRY(vw_dense_eigen(t->rest.xx, p, t->values));
  vw_dense_multiply(t->rest.xx, VW_DENSE_PLAIN, t->rest.xy, VW_DENSE_PLAIN, p, p, d, t->m);
  vw_dense_multiply(t->rows, VW_DENSE_PLAIN, t->rest.xx, VW_DENSE_TURNED, n, p, p, t->z);
  const double least = (double)p * DBL_EPSILON * t->values[p - 1];
  for (int64_t l = 0; l < n_lambda; l++) {
    for (int64_t i = 0; i < p; i++) {
      const double w = t->values[i] + lambda[l], f = w > least ? 1 / w : 0;
      for (int64_t j = 0; j < d; j++) t->scaled[i * d + j] = f * t->m[i * d + j];
    }
    vw_dense_multiply(t->z, VW_DENSE_PLAIN, t->scaled, VW_DENSE_PLAIN, n, p, d, t->out);
    error[l] += squared_error(t, first, n);
  }
  return VW_OK;
}

vw_status vw_map_rotation(const double *xx, double *xy, int64_t p, int64_t d, double *t) {
  const int64_t r = p < d ? p : d;
  double along = 0, squares = 0;
  double *u = malloc((size_t)(p * r + r * d + r + p * d) * sizeof *u);
  VW_CHECK(u, VW_ERR_MEMORY, "no memory to fit a rotation of %" PRId64 " dimensions", p);
  double *vt = u + p * r, *s = vt + r * d, *carried = s + r;
  const vw_status st = vw_dense_svd(xy, p, d, u, s, vt);
  if (st == VW_OK) {
    vw_dense_multiply(u, VW_DENSE_PLAIN, vt, VW_DENSE_PLAIN, p, r, d, t);
    vw_dense_multiply(xx, VW_DENSE_PLAIN, t, VW_DENSE_PLAIN, p, p, d, carried);
    for (int64_t i = 0; i < r; i++) along += s[i];
    for (int64_t i = 0; i < p * d; i++) squares += t[i] * carried[i];
    for (int64_t i = 0; i < p * d && squares > 0; i++) t[i] *= along / squares;
  }
  free(u);
  return st;
}

static vw_status rotate_fold(trial_fold *t, int64_t first, int64_t n, double *error) {
  const int64_t p = t->g->p, d = t->g->d;
  VW_TRY(vw_map_rotation(t->rest.xx, t->rest.xy, p, d, t->scaled));
  centre_rows(t, first, n, t->rows);
  vw_dense_multiply(t->rows, VW_DENSE_PLAIN, t->scaled, VW_DENSE_PLAIN, n, p, d, t->out);
  *error += squared_error(t, first, n);
  return VW_OK;
}

/* lambda NULL: a rotation. */
static vw_status try_folds(const vw_map_design *g, const double *lambda, int64_t n_lambda, double *error) {
  trial_fold t = {0};
  vw_status st = VW_OK;
  for (int64_t l = 0; l < n_lambda; l++) error[l] = 0;
  VW_GOTO(open_folds(&t, g));
  add_up(g, 0, g->n, &t.all);
  for (int k = 0; k < VW_MAP_FOLDS; k++) {
    const int64_t first = g->first[k], n = g->first[k + 1] - first;
    if (!n) continue;
    add_up(g, first, first + n, &t.own);
    leave_out(&t);
    VW_GOTO(lambda ? try_fold(&t, first, n, lambda, n_lambda, error) : rotate_fold(&t, first, n, error));
  }
cleanup:
  free(t.base);
  return st;
}

vw_status vw_map_try_ridge(const vw_map_design *g, const double *lambda, int64_t n_lambda, double *error) {
  return try_folds(g, lambda, n_lambda, error);
}

vw_status vw_map_try_orthogonal(const vw_map_design *g, double *error) {
  return try_folds(g, NULL, 1, error);
}
