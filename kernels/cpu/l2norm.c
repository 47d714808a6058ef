/* l2norm and its gradient on the CPU: y = x / |x|;  dx = (dy - y (dy . y)) / |x|. One row a thread. */
#include "kernels/l2norm.h"

#include "kernels/cpu/simd.h"
#include <math.h>

VW_SIMD static float row_forward(const float *x, int64_t C, float *y) {
  const float sum = vw_dot(x, x, C), rnorm = sum > 0 ? 1 / sqrtf(sum) : 0;
#pragma omp simd
  for (int64_t i = 0; i < C; i++) y[i] = x[i] * rnorm;
  return rnorm;
}

VW_SIMD static void row_grad(const float *dy, const float *y, float rnorm, int64_t C, float *dx) {
  const float dot = vw_dot(dy, y, C);
#pragma omp simd
  for (int64_t i = 0; i < C; i++) dx[i] = (dy[i] - y[i] * dot) * rnorm;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t N = vw_rows(&c->in[L2_X]), C = vw_last_dim(&c->in[L2_X]);
  const float *x = vw_f32(&c->in[L2_X]);
  float *y = vw_f32(&c->out[L2_Y]), *rnorm = vw_f32(&c->out[L2_RNORM]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t n = 0; n < N; n++) rnorm[n] = row_forward(x + n * C, C, y + n * C);
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const int64_t N = vw_rows(&c->in[L2G_Y]), C = vw_last_dim(&c->in[L2G_Y]);
  const float *dy = vw_f32(&c->in[L2G_DY]), *y = vw_f32(&c->in[L2G_Y]), *rnorm = vw_f32(&c->in[L2G_RNORM]);
  float *dx = vw_f32(&c->out[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t n = 0; n < N; n++) row_grad(dy + n * C, y + n * C, rnorm[n], C, dx + n * C);
  return VW_OK;
}

const vw_kernel l2norm_cpu = {.run = run}, l2norm_grad_cpu = {.run = run_grad};
