/* Parallel over words. Norms are summed in double, in 8 lanes and then lane 0..7: the same bits for any threads, and
 * the square of no fp32 gradient under- or overflows. */
#include "kernels/pgd_step.h"

#include <math.h>
#include <stdbool.h>

enum { LANES = 8 };

static double sum_of(const double lane[LANES]) {
  double sum = 0;
  for (int j = 0; j < LANES; j++) sum += lane[j];
  return sum;
}

static double norm(const float *a, int64_t C) {
  double lane[LANES] = {0};
  int64_t i = 0;
  for (; i + LANES <= C; i += LANES)
    for (int j = 0; j < LANES; j++) lane[j] += (double)a[i + j] * (double)a[i + j];
  for (int j = 0; i < C; i++, j++) lane[j] += (double)a[i] * (double)a[i];
  return sqrt(sum_of(lane));
}

static double distance_of(const float *a, const float *b, int64_t C) {
  double lane[LANES] = {0};
  for (int64_t i = 0; i < C; i++) {
    const double d = (double)a[i] - (double)b[i];
    lane[i % LANES] += d * d;
  }
  return sqrt(sum_of(lane));
}

static void project(float *word, const float *anchor, float radius, int64_t C) {
  if (isinf(radius)) return;
  const double distance = distance_of(word, anchor, C);
  if (!(distance > (double)radius)) return;
  const float shrink = (float)((double)radius / distance);
  for (int64_t i = 0; i < C; i++) word[i] = anchor[i] + (word[i] - anchor[i]) * shrink;
}

static void pgd_row(float *out, const float *word, const float *g, const float *anchor, float radius, double eta,
                    int64_t C) {
  const double length = norm(g, C);
  const bool moves = isfinite(length) && length > 0;
  if (!moves) {
    for (int64_t i = 0; i < C; i++) out[i] = word[i];
    return;
  }
  const double pace = eta * (isinf(radius) ? norm(anchor, C) : (double)radius) / length;
  for (int64_t i = 0; i < C; i++) out[i] = (float)((double)word[i] - pace * (double)g[i]);
  project(out, anchor, radius, C);
}

static vw_status run_pgd(vw_context *ctx, const vw_call *c) {
  const vw_pgd_attr *a = c->attr;
  const int64_t K = c->out[0].dim[0], C = c->out[0].dim[1], t = vw_i64(&c->in[PGD_STEP])[0];
  const float *word = vw_f32(&c->in[PGD_WORDS]), *g = vw_f32(&c->in[PGD_GRAD]), *anchor = vw_f32(&c->in[PGD_ANCHOR]);
  const float *radius = vw_f32(&c->in[PGD_RADIUS]);
  float *out = vw_f32(&c->out[0]);
  const double eta = t < a->steps ? a->eta0 / 2 * (1 + cos(acos(-1.0) * (double)t / (double)a->steps)) : 0;

#pragma omp parallel for schedule(static) num_threads(ctx->threads)
  for (int64_t k = 0; k < K; k++) pgd_row(out + k * C, word + k * C, g + k * C, anchor + k * C, radius[k], eta, C);
  return VW_OK;
}

/* Decoupled weight decay of the row, then the moments' step: alg. 2 of Loshchilov & Hutter. */
typedef struct adamw_pace {
  float beta1, rest1, beta2, rest2; /* rest = 1 - beta, rounded once */
  float keep;                       /* 1 - lr * weight decay, for free rows */
  float rate, root2, eps;           /* lr / (1 - beta1^t), sqrt(1 - beta2^t) */
} adamw_pace;

static void adamw_row(float *restrict word, float *restrict m, float *restrict v, const float *restrict g,
                      const adamw_pace *p, float keep, int64_t C) {
  for (int64_t i = 0; i < C; i++) {
    m[i] = p->beta1 * m[i] + p->rest1 * g[i];
    v[i] = p->beta2 * v[i] + p->rest2 * g[i] * g[i];
    word[i] = word[i] * keep - p->rate * m[i] / (sqrtf(v[i]) / p->root2 + p->eps);
  }
}

static void copy(float *dst, const float *src, int64_t n) {
  if (dst != src)
    for (int64_t i = 0; i < n; i++) dst[i] = src[i];
}

static vw_status run_adamw(vw_context *ctx, const vw_call *c) {
  const vw_adamw_attr *a = c->attr;
  const int64_t K = c->out[0].dim[0], C = c->out[0].dim[1];
  const double t = (double)vw_i64(&c->in[ADAMW_STEP])[0] + 1;
  const float *radius = vw_f32(&c->in[ADAMW_RADIUS]);
  const adamw_pace pace = {.beta1 = (float)a->beta1,
                           .rest1 = (float)(1 - a->beta1),
                           .beta2 = (float)a->beta2,
                           .rest2 = (float)(1 - a->beta2),
                           .keep = (float)(1 - a->lr * a->weight_decay),
                           .rate = (float)(a->lr / (1 - pow(a->beta1, t))),
                           .root2 = (float)sqrt(1 - pow(a->beta2, t)),
                           .eps = (float)a->eps};

#pragma omp parallel for schedule(static) num_threads(ctx->threads)
  for (int64_t k = 0; k < K; k++) {
    const int64_t at = k * C;
    const float *g = vw_f32(&c->in[ADAMW_GRAD]) + at;
    float *word = vw_f32(&c->out[0]) + at, *m = vw_f32(&c->out[1]) + at, *v = vw_f32(&c->out[2]) + at;
    copy(word, vw_f32(&c->in[ADAMW_WORDS]) + at, C);
    copy(m, vw_f32(&c->in[ADAMW_M]) + at, C);
    copy(v, vw_f32(&c->in[ADAMW_V]) + at, C);
    if (!isfinite(norm(g, C))) continue;
    adamw_row(word, m, v, g, &pace, isinf(radius[k]) ? pace.keep : 1.0f, C);
    project(word, vw_f32(&c->in[ADAMW_ANCHOR]) + at, radius[k], C);
  }
  return VW_OK;
}

const vw_kernel pgd_step_cpu = {.run = run_pgd}, adamw_step_cpu = {.run = run_adamw};
