/* mix and sample_moments, by definition. */
#include "kernels/diffuse.h"

#include <math.h>

static vw_status run_mix(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t B = c->out[0].dim[0], S = B ? vw_count(&c->out[0]) / B : 0;
  for (int64_t i = 0; i < B * S; i++) {
    const double *coef = vw_f64(&c->in[MIX_COEF]) + 2 * (int64_t)vw_i32(&c->in[MIX_T])[i / S];
    vw_f64(&c->out[0])[i] = coef[0] * vw_f64(&c->in[MIX_A])[i] + coef[1] * vw_f64(&c->in[MIX_C])[i];
  }
  return VW_OK;
}

static vw_status run_moments(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_sample_moments_attr *a = c->attr;
  const int64_t C = vw_last_dim(&c->out[0]);
  for (int64_t i = 0; i < vw_count(&c->out[0]); i++) {
    const double *x = vw_f64(&c->in[MOMENTS_X]) + i / C * 2 * C + i % C;
    const double logvar = fmin(fmax(x[C], VW_LOGVAR_LEAST), VW_LOGVAR_MOST);
    vw_f64(&c->out[0])[i] = a->scale * (x[0] + exp(logvar / 2) * vw_f64(&c->in[MOMENTS_NOISE])[i]);
  }
  return VW_OK;
}

const vw_kernel mix_ref = {.run = run_mix}, sample_moments_ref = {.run = run_moments};
