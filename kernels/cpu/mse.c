/* mse and its gradient on the CPU. A trial's sum is made in double by one thread, in order: its bits depend on nothing
 * else. Traffic: both tensors read once. */
#include "kernels/mse.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_mse_attr *a = c->attr;
  const vw_tensor *x = &c->in[MSE_X];
  const int64_t each = vw_count(x) / a->trials;
  const double count = vw_mse_count(x, a);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t k = 0; k < a->trials; k++) {
    const float *p = vw_f32(x) + k * each, *t = vw_f32(&c->in[MSE_TARGET]) + k * each;
    double sum = 0;
    for (int64_t i = 0; i < each; i++) {
      const double d = (double)p[i] - (double)t[i];
      sum += d * d;
    }
    vw_f32(&c->out[0])[k] = (float)(sum / count);
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_mse_attr *a = c->attr;
  const vw_tensor *x = &c->in[MSEG_X];
  const int64_t each = vw_count(x) / a->trials;
  const double count = vw_mse_count(x, a);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t k = 0; k < a->trials; k++) {
    const float *p = vw_f32(x) + k * each, *t = vw_f32(&c->in[MSEG_TARGET]) + k * each;
    const float s = (float)(2 / count * (double)vw_f32(&c->in[MSEG_DLOSS])[k]);
    float *dx = vw_f32(&c->out[0]) + k * each;
    for (int64_t i = 0; i < each; i++) dx[i] = s * (p[i] - t[i]);
  }
  return VW_OK;
}

const vw_kernel mse_cpu = {.run = run}, mse_grad_cpu = {.run = run_grad};
