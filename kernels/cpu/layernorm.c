/* layernorm and its gradient on the CPU. Per row, avg over the C channels:
 *
 *   xh = (x - mean) rstd;  y = gamma xh + beta
 *   g = gamma dy;  dx = rstd (g - avg(g) - xh avg(g xh))
 *
 * One row a thread: the same bits for any number of threads. */
#include "kernels/layernorm.h"

#include "kernels/cpu/simd.h"
#include <math.h>

VW_SIMD static void row_forward(const float *x, const float *gamma, const float *beta, int64_t C, double eps, float *y,
                                float *mean_out, float *rstd_out) {
  float mean = 0, var = 0;
#pragma omp simd reduction(+ : mean)
  for (int64_t i = 0; i < C; i++) mean += x[i];
  mean /= (float)C;
#pragma omp simd reduction(+ : var)
  for (int64_t i = 0; i < C; i++) var += (x[i] - mean) * (x[i] - mean);
  const float rstd = (float)(1 / sqrt((double)var / (double)C + eps));
#pragma omp simd
  for (int64_t i = 0; i < C; i++) y[i] = gamma[i] * ((x[i] - mean) * rstd) + beta[i];
  *mean_out = mean, *rstd_out = rstd;
}

VW_SIMD static void row_grad(const float *dy, const float *x, const float *gamma, float mean, float rstd, int64_t C,
                             float *dx) {
  float avg_g = 0, avg_gx = 0;
#pragma omp simd reduction(+ : avg_g, avg_gx)
  for (int64_t i = 0; i < C; i++) {
    const float g = gamma[i] * dy[i];
    avg_g += g, avg_gx += g * ((x[i] - mean) * rstd);
  }
  avg_g /= (float)C, avg_gx /= (float)C;
#pragma omp simd
  for (int64_t i = 0; i < C; i++) dx[i] = rstd * (gamma[i] * dy[i] - avg_g - (x[i] - mean) * rstd * avg_gx);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t N = vw_rows(&c->in[LN_X]), C = vw_last_dim(&c->in[LN_X]);
  const float *x = vw_f32(&c->in[LN_X]), *gamma = vw_f32(&c->in[LN_GAMMA]), *beta = vw_f32(&c->in[LN_BETA]);
  float *y = vw_f32(&c->out[LN_Y]), *mean = vw_f32(&c->out[LN_MEAN]), *rstd = vw_f32(&c->out[LN_RSTD]);
  const double eps = ((const vw_layernorm_attr *)c->attr)->eps;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t n = 0; n < N; n++) row_forward(x + n * C, gamma, beta, C, eps, y + n * C, mean + n, rstd + n);
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const int64_t N = vw_rows(&c->in[LNG_X]), C = vw_last_dim(&c->in[LNG_X]);
  const float *dy = vw_f32(&c->in[LNG_DY]), *x = vw_f32(&c->in[LNG_X]), *gamma = vw_f32(&c->in[LNG_GAMMA]);
  const float *mean = vw_f32(&c->in[LNG_MEAN]), *rstd = vw_f32(&c->in[LNG_RSTD]);
  float *dx = vw_f32(&c->out[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t n = 0; n < N; n++) row_grad(dy + n * C, x + n * C, gamma, mean[n], rstd[n], C, dx + n * C);
  return VW_OK;
}

const vw_kernel layernorm_cpu = {.run = run}, layernorm_grad_cpu = {.run = run_grad};
