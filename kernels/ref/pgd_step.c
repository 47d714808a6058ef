#include "kernels/pgd_step.h"

#include <math.h>
#include <stdbool.h>

static double norm(const double *a, int64_t C) {
  double sum = 0;
  for (int64_t i = 0; i < C; i++) sum += a[i] * a[i];
  return sqrt(sum);
}

static void project(double *word, const double *anchor, double radius, int64_t C) {
  if (isinf(radius)) return;
  double sum = 0;
  for (int64_t i = 0; i < C; i++) sum += (word[i] - anchor[i]) * (word[i] - anchor[i]);
  const double distance = sqrt(sum);
  if (!(distance > radius)) return;
  for (int64_t i = 0; i < C; i++) word[i] = anchor[i] + (word[i] - anchor[i]) * (radius / distance);
}

static vw_status run_pgd(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_pgd_attr *a = c->attr;
  const int64_t K = c->out[0].dim[0], C = c->out[0].dim[1], t = vw_i64(&c->in[PGD_STEP])[0];
  const double *radius = vw_f64(&c->in[PGD_RADIUS]);
  const double eta = t < a->steps ? a->eta0 / 2 * (1 + cos(acos(-1.0) * (double)t / (double)a->steps)) : 0;

  for (int64_t k = 0; k < K; k++) {
    const double *word = vw_f64(&c->in[PGD_WORDS]) + k * C, *g = vw_f64(&c->in[PGD_GRAD]) + k * C;
    const double *anchor = vw_f64(&c->in[PGD_ANCHOR]) + k * C;
    double *out = vw_f64(&c->out[0]) + k * C;
    const double length = norm(g, C);
    const bool moves = isfinite(length) && length > 0;
    const double reach = isinf(radius[k]) ? norm(anchor, C) : radius[k];
    for (int64_t i = 0; i < C; i++) out[i] = moves ? word[i] - eta * reach * g[i] / length : word[i];
    if (moves) project(out, anchor, radius[k], C);
  }
  return VW_OK;
}

static vw_status run_adamw(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_adamw_attr *a = c->attr;
  const int64_t K = c->out[0].dim[0], C = c->out[0].dim[1];
  const double t = (double)vw_i64(&c->in[ADAMW_STEP])[0] + 1;
  const double correct1 = 1 - pow(a->beta1, t), correct2 = 1 - pow(a->beta2, t);
  const double *radius = vw_f64(&c->in[ADAMW_RADIUS]);

  for (int64_t k = 0; k < K; k++) {
    const double *g = vw_f64(&c->in[ADAMW_GRAD]) + k * C;
    const bool moves = isfinite(norm(g, C));
    const double decay = isinf(radius[k]) ? a->lr * a->weight_decay : 0;
    double *out = vw_f64(&c->out[0]) + k * C;
    for (int64_t i = 0; i < C; i++) {
      const int64_t at = k * C + i;
      const double word = vw_f64(&c->in[ADAMW_WORDS])[at];
      double m = vw_f64(&c->in[ADAMW_M])[at], v = vw_f64(&c->in[ADAMW_V])[at];
      if (moves) {
        m = a->beta1 * m + (1 - a->beta1) * g[i];
        v = a->beta2 * v + (1 - a->beta2) * g[i] * g[i];
      }
      vw_f64(&c->out[1])[at] = m, vw_f64(&c->out[2])[at] = v;
      out[i] = moves ? word - decay * word - a->lr * (m / correct1) / (sqrt(v / correct2) + a->eps) : word;
    }
    if (moves) project(out, vw_f64(&c->in[ADAMW_ANCHOR]) + k * C, radius[k], C);
  }
  return VW_OK;
}

const vw_kernel pgd_step_ref = {.run = run_pgd}, adamw_step_ref = {.run = run_adamw};
