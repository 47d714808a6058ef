/* l2norm and its gradient, by definition: y = x / |x|;  dx = (dy - y (dy . y)) / |x|. */
#include "kernels/l2norm.h"

#include <math.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t N = vw_rows(&c->in[L2_X]), C = vw_last_dim(&c->in[L2_X]);
  for (int64_t n = 0; n < N; n++) {
    const double *x = vw_f64(&c->in[L2_X]) + n * C;
    double sum = 0;
    for (int64_t i = 0; i < C; i++) sum += x[i] * x[i];
    const double rnorm = sum > 0 ? 1 / sqrt(sum) : 0;
    for (int64_t i = 0; i < C; i++) vw_f64(&c->out[L2_Y])[n * C + i] = x[i] * rnorm;
    vw_f64(&c->out[L2_RNORM])[n] = rnorm;
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t N = vw_rows(&c->in[L2G_Y]), C = vw_last_dim(&c->in[L2G_Y]);
  for (int64_t n = 0; n < N; n++) {
    const double *y = vw_f64(&c->in[L2G_Y]) + n * C, *dy = vw_f64(&c->in[L2G_DY]) + n * C;
    double dot = 0;
    for (int64_t i = 0; i < C; i++) dot += dy[i] * y[i];
    for (int64_t i = 0; i < C; i++) vw_f64(&c->out[0])[n * C + i] = (dy[i] - y[i] * dot) * vw_f64(&c->in[L2G_RNORM])[n];
  }
  return VW_OK;
}

const vw_kernel l2norm_ref = {.run = run}, l2norm_grad_ref = {.run = run_grad};
