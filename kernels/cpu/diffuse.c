/* mix and sample_moments on the CPU: inputs read and the result written once. */
#include "kernels/diffuse.h"

#include <math.h>

static vw_status run_mix(vw_context *ctx, const vw_call *c) {
  const int64_t B = c->out[0].dim[0], S = B ? vw_count(&c->out[0]) / B : 0;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t b = 0; b < B; b++) {
    const float *coef = vw_f32(&c->in[MIX_COEF]) + 2 * (int64_t)vw_i32(&c->in[MIX_T])[b];
    const float *x = vw_f32(&c->in[MIX_A]) + b * S, *n = vw_f32(&c->in[MIX_C]) + b * S;
    float *y = vw_f32(&c->out[0]) + b * S;
    for (int64_t i = 0; i < S; i++) y[i] = coef[0] * x[i] + coef[1] * n[i];
  }
  return VW_OK;
}

static vw_status run_moments(vw_context *ctx, const vw_call *c) {
  const float scale = (float)((const vw_sample_moments_attr *)c->attr)->scale;
  const int64_t C = vw_last_dim(&c->out[0]), rows = vw_rows(&c->out[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < C; i++) {
      const float *x = vw_f32(&c->in[MOMENTS_X]) + r * 2 * C + i;
      const float logvar = fminf(fmaxf(x[C], VW_LOGVAR_LEAST), VW_LOGVAR_MOST);
      vw_f32(&c->out[0])[r * C + i] = scale * (x[0] + expf(logvar / 2) * vw_f32(&c->in[MOMENTS_NOISE])[r * C + i]);
    }
  return VW_OK;
}

const vw_kernel mix_cpu = {.run = run_mix}, sample_moments_cpu = {.run = run_moments};
