/* Fitting: features of words, the choice of lambda on folds, then the map of all words by a singular value
 * decomposition (least squares and ridge) or a rotation. */
#include "transfer/map_internal.h"

#include "core/random.h"
#include "transfer/dense.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const vw_map_names[VW_MAP_KINDS] = {"auto", "least-squares", "ridge", "orthogonal", "hidden"};
const double vw_map_lambdas[VW_MAP_LAMBDAS] = {1e-3, 1e-2, 1e-1, 1, 1e1, 1e2, 1e3};

/* Hidden layers that are tried. */
static const int64_t units[] = {64, 256};
enum { LAYERS = sizeof units / sizeof *units };

static int kind_of(const vw_map_rule *rule, int64_t words, int64_t from) {
  if (rule->kind != VW_MAP_AUTO) return rule->kind;
  return words >= VW_MAP_AMPLE * from ? VW_MAP_LEAST_SQUARES : VW_MAP_RIDGE;
}

/* Nine folds of ten must still outnumber the dimensions where nothing but the words holds the map. */
int64_t vw_map_least_words(const vw_map_rule *rule, int64_t from) {
  const int64_t twice = rule->kind == VW_MAP_LEAST_SQUARES ? 2 * from : 0;
  return twice > VW_MAP_LEAST_WORDS ? twice : VW_MAP_LEAST_WORDS;
}

/* ---- features ---------------------------------------------------------------------------------------------------- */

/* Weights and offsets of unit j: standard normals of (key 0, step j), weights over the words' mean length. */
static vw_status draw_layer(vw_map *m, int64_t hidden, double length) {
  m->hidden = hidden;
  m->scale = length / sqrt((double)m->from); /* a unit is as large as a number of a word */
  m->layer = malloc((size_t)((m->from + 1) * hidden) * sizeof *m->layer);
  VW_CHECK(m->layer, VW_ERR_MEMORY, "no memory for a hidden layer");
  for (int64_t j = 0; j < hidden; j++)
    for (int64_t i = 0; i <= m->from; i++) {
      float z[4];
      vw_normal4(vw_philox4x32(0, (uint32_t)(i / 4), (uint32_t)j, VW_DRAW_LAYER, 0), z);
      m->layer[i * hidden + j] = (double)z[i % 4] / (i < m->from ? length : 1);
    }
  return VW_OK;
}

/* Features [from + hidden] of one word. */
static void features_of(const vw_map *m, const double *word, double *out) {
  memcpy(out, word, (size_t)m->from * sizeof *out);
  for (int64_t j = 0; j < m->hidden; j++) {
    double sum = m->layer[m->from * m->hidden + j];
    for (int64_t i = 0; i < m->from; i++) sum += word[i] * m->layer[i * m->hidden + j];
    out[m->from + j] = m->scale * tanh(sum);
  }
}

vw_status vw_map_apply(const vw_map *m, const double *words, int64_t n, double *out) {
  const int64_t p = m->from + m->hidden;
  double *x = malloc((size_t)p * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "no memory to carry words");
  for (int64_t k = 0; k < n; k++) {
    double *to = out + k * m->to;
    features_of(m, words + k * m->from, x);
    memcpy(to, m->bias, (size_t)m->to * sizeof *to);
    for (int64_t i = 0; i < p; i++)
      for (int64_t j = 0; j < m->to; j++) to[j] += x[i] * m->matrix[i * m->to + j];
  }
  free(x);
  return VW_OK;
}

void vw_map_free(vw_map *m) {
  free(m->matrix), free(m->bias), free(m->layer);
  *m = (vw_map){0};
}

/* ---- the words, in the order of their folds ---------------------------------------------------------------------- */

typedef struct fitting {
  vw_map *m;
  const vw_map_words *words;
  const vw_map_rule *rule;
  vw_map_design g;
  double *x, *y;   /* [n, p], [n, d] */
  double *mean_x;  /* [p]; zeros without a bias */
  double *mean_y;  /* [d] the same */
  double length;   /* root of the mean squared length of x */
  double variance; /* sum of squares of y about its mean, whatever the bias */
} fitting;

static vw_status check(const fitting *f) {
  const vw_map_words *w = f->words;
  const int64_t least = vw_map_least_words(f->rule, w->from);
  VW_CHECK(w->n >= least, VW_ERR_INPUT,
           "%" PRId64 " words in common are too few to fit a %s map of %" PRId64 " dimensions; at least %" PRId64
           " are needed%s",
           w->n, f->rule->kind == VW_MAP_AUTO ? "linear" : vw_map_names[f->rule->kind], w->from, least,
           f->rule->kind == VW_MAP_LEAST_SQUARES && w->n >= VW_MAP_LEAST_WORDS ? ": take transfer.map: ridge" : "");
  for (int64_t i = 0; i < w->n * w->from; i++)
    VW_CHECK(isfinite(w->x[i]), VW_ERR_ARG, "an embedding of a word to be fitted on is not finite");
  for (int64_t i = 0; i < w->n * w->to; i++)
    VW_CHECK(isfinite(w->y[i]), VW_ERR_ARG, "an embedding of a word to be fitted on is not finite");
  return VW_OK;
}

/* Means of columns of a [n, m]. */
static void means(const double *a, int64_t n, int64_t m, double *mean) {
  memset(mean, 0, (size_t)m * sizeof *mean);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < m; j++) mean[j] += a[i * m + j];
  for (int64_t j = 0; j < m; j++) mean[j] /= (double)n;
}

static double squares_about(const double *a, const double *mean, int64_t n, int64_t m) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < m; j++) sum += (a[i * m + j] - mean[j]) * (a[i * m + j] - mean[j]);
  return sum;
}

static vw_status order_words(fitting *f) {
  const vw_map_words *w = f->words;
  const int64_t p = f->m->from + f->m->hidden, d = w->to;
  int64_t row = 0;
  free(f->x);
  f->x = malloc((size_t)(w->n * (p + d) + p + d) * sizeof *f->x);
  VW_CHECK(f->x, VW_ERR_MEMORY, "no memory for %" PRId64 " words", w->n);
  f->y = f->x + w->n * p, f->mean_x = f->y + w->n * d, f->mean_y = f->mean_x + p;
  for (int k = 0; k < VW_MAP_FOLDS; k++) {
    f->g.first[k] = row;
    for (int64_t i = 0; i < w->n; i++) {
      if (w->fold[i] != k) continue;
      features_of(f->m, w->x + i * w->from, f->x + row * p);
      memcpy(f->y + row++ * d, w->y + i * d, (size_t)d * sizeof *f->y);
    }
  }
  f->g.first[VW_MAP_FOLDS] = row;
  f->g.n = row, f->g.p = p, f->g.d = d, f->g.x = f->x, f->g.y = f->y, f->g.bias = f->rule->bias;
  VW_CHECK(row == w->n, VW_ERR_ARG, "folds of words: not 0 to %d", VW_MAP_FOLDS - 1);
  for (int k = 0; k < VW_MAP_FOLDS; k++)
    VW_CHECK(f->g.first[k + 1] - f->g.first[k] < row, VW_ERR_ARG, "all words are in one fold");
  means(f->y, row, d, f->mean_y);
  f->variance = squares_about(f->y, f->mean_y, row, d);
  means(f->x, row, p, f->mean_x);
  if (!f->g.bias) memset(f->mean_x, 0, (size_t)(p + d) * sizeof *f->mean_x);
  return VW_OK;
}

/* ---- which lambda ------------------------------------------------------------------------------------------------ */

/* The smallest error of the rule on held-out words, and whose it is. */
static vw_status choose_lambda(fitting *f, double *lambda, double *error) {
  double errors[VW_MAP_LAMBDAS], given = f->rule->lambda;
  const bool is_given = f->m->kind == VW_MAP_LEAST_SQUARES || given > 0;
  if (f->m->kind == VW_MAP_LEAST_SQUARES) given = 0;
  if (f->m->kind == VW_MAP_ORTHOGONAL) {
    *lambda = 0;
    return vw_map_try_orthogonal(&f->g, error);
  }
  VW_TRY(vw_map_try_ridge(&f->g, is_given ? &given : vw_map_lambdas, is_given ? 1 : VW_MAP_LAMBDAS, errors));
  *lambda = is_given ? given : vw_map_lambdas[0], *error = errors[0];
  for (int i = 1; !is_given && i < VW_MAP_LAMBDAS; i++)
    if (errors[i] < *error) *error = errors[i], *lambda = vw_map_lambdas[i];
  return VW_OK;
}

/* Draws the hidden layer, where there is one: that with the smallest error. */
static vw_status choose(fitting *f, double *error) {
  const bool has_layer = f->m->kind == VW_MAP_HIDDEN;
  int64_t best = 0;
  *error = INFINITY;
  for (int i = 0; i < (has_layer ? LAYERS : 1); i++) {
    double lambda = 0, one = 0;
    if (has_layer) free(f->m->layer), f->m->layer = NULL;
    if (has_layer) VW_TRY(draw_layer(f->m, units[i], f->length));
    VW_TRY(order_words(f));
    VW_TRY(choose_lambda(f, &lambda, &one));
    if (one < *error) *error = one, f->m->lambda = lambda, best = i;
  }
  if (!has_layer || best == LAYERS - 1) return VW_OK;
  free(f->m->layer), f->m->layer = NULL;
  VW_TRY(draw_layer(f->m, units[best], f->length));
  return order_words(f);
}

/* ---- the map of all words ---------------------------------------------------------------------------------------- */

/* matrix [p, d] = v diag(s / (s^2 + lambda)) u^T y, of x = u diag(s) v^T; singular values that are nothing beside the
 * largest are left out, as numpy's lstsq does. */
static vw_status solve(fitting *f) {
  const vw_map_design *g = &f->g;
  const int64_t n = g->n, p = g->p, d = g->d, r = n < p ? n : p;
  double *a = malloc((size_t)(n * p + n * r + r + r * p + r * d) * sizeof *a);
  VW_CHECK(a, VW_ERR_MEMORY, "no memory to fit a map of %" PRId64 " words", n);
  double *u = a + n * p, *s = u + n * r, *vt = s + r, *m = vt + r * p;
  for (int64_t i = 0; i < n * p; i++) a[i] = f->x[i] - f->mean_x[i % p];
  const vw_status st = vw_dense_svd(a, n, p, u, s, vt);
  const double least = (double)(n > p ? n : p) * DBL_EPSILON * s[0];
  if (st == VW_OK) {
    for (int64_t i = 0; i < r; i++) f->m->rank += s[i] > least;
    f->m->condition = r == p && s[r - 1] > 0 ? s[0] / s[r - 1] : INFINITY;
    if (f->m->kind != VW_MAP_ORTHOGONAL) {
      vw_dense_multiply(u, VW_DENSE_TURNED, f->y, VW_DENSE_PLAIN, r, n, d, m);
      for (int64_t i = 0; i < r; i++) {
        double sum = 0; /* u^T of the means, which are to be taken off */
        for (int64_t k = 0; k < n; k++) sum += u[k * r + i];
        const double factor = s[i] > least ? s[i] / (s[i] * s[i] + f->m->lambda) : 0;
        for (int64_t j = 0; j < d; j++) m[i * d + j] = factor * (m[i * d + j] - sum * f->mean_y[j]);
      }
      vw_dense_multiply(vt, VW_DENSE_TURNED, m, VW_DENSE_PLAIN, p, r, d, f->m->matrix);
    }
  }
  free(a);
  return st;
}

static vw_status rotate(fitting *f) {
  const vw_map_design *g = &f->g;
  const int64_t n = g->n, p = g->p, d = g->d;
  double *x = malloc((size_t)(n * p + p * d + p * p) * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "no memory to fit a map of %" PRId64 " words", n);
  double *xy = x + n * p, *xx = xy + p * d;
  for (int64_t i = 0; i < n * p; i++) x[i] = f->x[i] - f->mean_x[i % p];
  /* With a bias the columns of x have mean 0, so the mean of y adds nothing. */
  vw_dense_multiply(x, VW_DENSE_TURNED, f->y, VW_DENSE_PLAIN, p, n, d, xy);
  vw_dense_multiply(x, VW_DENSE_TURNED, x, VW_DENSE_PLAIN, p, n, p, xx);
  const vw_status st = vw_map_rotation(xx, xy, p, d, f->m->matrix);
  free(x);
  return st;
}

/* The bias, and what the map explains of the words it was fitted on. */
static vw_status finish(fitting *f, double held_out) {
  const vw_map_design *g = &f->g;
  vw_map *m = f->m;
  double sum = 0;
  for (int64_t j = 0; j < g->d; j++) {
    m->bias[j] = f->mean_y[j];
    for (int64_t i = 0; i < g->p; i++) m->bias[j] -= f->mean_x[i] * m->matrix[i * g->d + j];
  }
  double *out = malloc((size_t)(g->n * g->d) * sizeof *out);
  VW_CHECK(out, VW_ERR_MEMORY, "no memory to fit a map of %" PRId64 " words", g->n);
  vw_dense_multiply(f->x, VW_DENSE_PLAIN, m->matrix, VW_DENSE_PLAIN, g->n, g->p, g->d, out);
  for (int64_t i = 0; i < g->n * g->d; i++) {
    const double e = f->y[i] - out[i] - m->bias[i % g->d];
    sum += e * e;
  }
  free(out);
  m->r2 = 1 - sum / f->variance, m->r2_held_out = 1 - held_out / f->variance;
  return VW_OK;
}

static vw_status fit(fitting *f) {
  vw_map *m = f->m;
  double held_out = 0, squares = 0;
  VW_TRY(check(f));
  for (int64_t i = 0; i < f->words->n * f->words->from; i++) squares += f->words->x[i] * f->words->x[i];
  f->length = sqrt(squares / (double)f->words->n);
  VW_CHECK(f->length > 0, VW_ERR_ARG, "all words to be fitted on are zero");
  VW_TRY(choose(f, &held_out));
  m->matrix = malloc((size_t)(f->g.p * f->g.d) * sizeof *m->matrix);
  m->bias = calloc((size_t)f->g.d, sizeof *m->bias);
  VW_CHECK(m->matrix && m->bias, VW_ERR_MEMORY, "no memory for a map");
  VW_TRY(solve(f));
  if (m->kind == VW_MAP_ORTHOGONAL) VW_TRY(rotate(f));
  return finish(f, held_out);
}

vw_status vw_map_fit(vw_map *m, const vw_map_words *words, const vw_map_rule *rule) {
  fitting f = {.m = m, .words = words, .rule = rule};
  *m = (vw_map){.kind = kind_of(rule, words->n, words->from), .from = words->from, .to = words->to, .words = words->n};
  const vw_status st = fit(&f);
  free(f.x);
  return st;
}
