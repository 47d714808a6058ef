/* layernorm and its gradient, by definition: plain double loops. Per row, avg over the C channels:
 *
 *   xh = (x - mean) rstd;  y = gamma xh + beta
 *   g = gamma dy;  dx = rstd (g - avg(g) - xh avg(g xh)) */
#include "kernels/layernorm.h"

#include <math.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t N = vw_rows(&c->in[LN_X]), C = vw_last_dim(&c->in[LN_X]);
  const double *gamma = vw_f64(&c->in[LN_GAMMA]), *beta = vw_f64(&c->in[LN_BETA]);
  const double eps = ((const vw_layernorm_attr *)c->attr)->eps;
  for (int64_t n = 0; n < N; n++) {
    const double *x = vw_f64(&c->in[LN_X]) + n * C;
    double *y = vw_f64(&c->out[LN_Y]) + n * C;
    double mean = 0, var = 0;
    for (int64_t i = 0; i < C; i++) mean += x[i];
    mean /= (double)C;
    for (int64_t i = 0; i < C; i++) var += (x[i] - mean) * (x[i] - mean);
    var /= (double)C;
    const double rstd = 1 / sqrt(var + eps);
    for (int64_t i = 0; i < C; i++) y[i] = gamma[i] * (x[i] - mean) * rstd + beta[i];
    vw_f64(&c->out[LN_MEAN])[n] = mean;
    vw_f64(&c->out[LN_RSTD])[n] = rstd;
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t N = vw_rows(&c->in[LNG_X]), C = vw_last_dim(&c->in[LNG_X]);
  const double *gamma = vw_f64(&c->in[LNG_GAMMA]);
  for (int64_t n = 0; n < N; n++) {
    const double *x = vw_f64(&c->in[LNG_X]) + n * C, *dy = vw_f64(&c->in[LNG_DY]) + n * C;
    const double mean = vw_f64(&c->in[LNG_MEAN])[n], rstd = vw_f64(&c->in[LNG_RSTD])[n];
    double *dx = vw_f64(&c->out[0]) + n * C;
    double avg_g = 0, avg_gx = 0;
    for (int64_t i = 0; i < C; i++) {
      const double g = gamma[i] * dy[i];
      avg_g += g, avg_gx += g * (x[i] - mean) * rstd;
    }
    avg_g /= (double)C, avg_gx /= (double)C;
    for (int64_t i = 0; i < C; i++) dx[i] = rstd * (gamma[i] * dy[i] - avg_g - (x[i] - mean) * rstd * avg_gx);
  }
  return VW_OK;
}

const vw_kernel layernorm_ref = {.run = run}, layernorm_grad_ref = {.run = run_grad};
