/* With d = |rest - z|: logaddexp(rest, z) - t = (max - t) + log1p(exp(-d)). Nothing overflows, and a picture that is
 * right by far keeps its small loss. rest = -inf (no other class) gives 0 for positives. */
#include "kernels/one_vs_rest_loss.h"

#include <math.h>

static double loss_of(double rest, double z, double target) {
  if (rest == z) return (z - target) + (double)0.69314718055994530942; /* also where both are infinite */
  const double larger = rest > z ? rest : z;
  return (larger - target) + log1p(exp(-fabs(rest - z)));
}

/* 1 / (1 + exp(-x)); the exponent is never positive. */
static double sigmoid(double x) {
  const double e = exp(-fabs(x));
  return (x >= 0 ? 1 : e) / (1 + e);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_one_vs_rest_attr *a = c->attr;
  const int64_t B = c->in[OVR_Z].dim[0], S = c->in[OVR_Z].dim[1], P = c->in[OVR_REST].dim[1];
  const double *z = vw_f64(&c->in[OVR_Z]), *rest = vw_f64(&c->in[OVR_REST]), *truth = vw_f64(&c->in[OVR_TRUTH]);
  const int32_t *picture = vw_i32(&c->in[OVR_PICTURE]), *row_table = vw_i32(&c->in[OVR_ROW_TABLE]);
  double *loss = vw_f64(&c->out[0]);

  for (int64_t b = 0; b < B; b++) {
    const int64_t table = row_table[b] * P;
    double sum = 0;
    for (int64_t s = 0; s < S; s++) {
      const int64_t i = b * S + s, at = table + picture[i];
      sum += loss_of(rest[at], z[i], s < a->positives ? z[i] : truth[at]);
    }
    loss[b] = sum / (double)(a->of ? a->of : S);
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_one_vs_rest_attr *a = c->attr;
  const int64_t B = c->in[OVRG_Z].dim[0], S = c->in[OVRG_Z].dim[1], P = c->in[OVRG_REST].dim[1];
  const double *dloss = vw_f64(&c->in[OVRG_DLOSS]), *z = vw_f64(&c->in[OVRG_Z]), *rest = vw_f64(&c->in[OVRG_REST]);
  const int32_t *picture = vw_i32(&c->in[OVRG_PICTURE]), *row_table = vw_i32(&c->in[OVRG_ROW_TABLE]);
  double *dz = vw_f64(&c->out[0]);

  for (int64_t b = 0; b < B; b++)
    for (int64_t s = 0; s < S; s++) {
      const int64_t i = b * S + s;
      const double r = rest[row_table[b] * P + picture[i]];
      /* sigmoid(x) - 1 as -sigmoid(-x): a small gradient keeps its digits */
      const double slope = s < a->positives ? -sigmoid(r - z[i]) : sigmoid(z[i] - r);
      dz[i] = dloss[b] / (double)(a->of ? a->of : S) * slope;
    }
  return VW_OK;
}

const vw_kernel one_vs_rest_loss_ref = {.run = run}, one_vs_rest_loss_grad_ref = {.run = run_grad};
