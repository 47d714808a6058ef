/* mse and its gradient, by definition. */
#include "kernels/mse.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_mse_attr *a = c->attr;
  const vw_tensor *x = &c->in[MSE_X];
  const int64_t each = vw_count(x) / a->trials;
  for (int64_t k = 0; k < a->trials; k++) {
    double sum = 0;
    for (int64_t i = k * each; i < (k + 1) * each; i++) {
      const double d = vw_f64(x)[i] - vw_f64(&c->in[MSE_TARGET])[i];
      sum += d * d;
    }
    vw_f64(&c->out[0])[k] = sum / vw_mse_count(x, a);
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_mse_attr *a = c->attr;
  const vw_tensor *x = &c->in[MSEG_X];
  const int64_t each = vw_count(x) / a->trials;
  for (int64_t i = 0; i < vw_count(x); i++)
    vw_f64(&c->out[0])[i] =
        vw_f64(&c->in[MSEG_DLOSS])[i / each] * 2 / vw_mse_count(x, a) * (vw_f64(x)[i] - vw_f64(&c->in[MSEG_TARGET])[i]);
  return VW_OK;
}

const vw_kernel mse_ref = {.run = run}, mse_grad_ref = {.run = run_grad};
