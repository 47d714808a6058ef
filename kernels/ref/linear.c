/* linear and its gradient, by definition: plain double loops.
 *
 *   z[n,m] = sum_k x[n,k] W[m,k] + b[m];  y = act(z) + residual
 *   dz = dy act'(z);  dx[n,k] = sum_m dz[n,m] W[m,k] */
#include "kernels/linear.h"

#include "kernels/ref/activation.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_activation a = ((const vw_linear_attr *)c->attr)->act;
  const int64_t N = vw_rows(&c->in[LINEAR_X]), K = vw_last_dim(&c->in[LINEAR_X]), M = vw_last_dim(&c->out[LINEAR_Y]);
  const double *x = vw_f64(&c->in[LINEAR_X]), *w = vw_f64(&c->in[LINEAR_WEIGHT]);
  const double *bias = vw_f64(&c->in[LINEAR_BIAS]), *residual = vw_f64(&c->in[LINEAR_RESIDUAL]);
  double *y = vw_f64(&c->out[LINEAR_Y]), *z = vw_f64(&c->out[LINEAR_Z]);
  for (int64_t n = 0; n < N; n++)
    for (int64_t m = 0; m < M; m++) {
      double sum = bias ? bias[m] : 0;
      for (int64_t k = 0; k < K; k++) sum += x[n * K + k] * w[m * K + k];
      if (a != VW_ACT_NONE) z[n * M + m] = sum;
      y[n * M + m] = vw_ref_act(a, sum) + (residual ? residual[n * M + m] : 0);
    }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_activation a = ((const vw_linear_attr *)c->attr)->act;
  const int64_t N = vw_rows(&c->in[LINEAR_GRAD_DY]), M = vw_last_dim(&c->in[LINEAR_GRAD_DY]);
  const int64_t K = vw_last_dim(&c->out[0]);
  const double *dy = vw_f64(&c->in[LINEAR_GRAD_DY]), *w = vw_f64(&c->in[LINEAR_GRAD_WEIGHT]);
  const double *z = vw_f64(&c->in[LINEAR_GRAD_Z]);
  double *dx = vw_f64(&c->out[0]);
  for (int64_t n = 0; n < N; n++) {
    for (int64_t k = 0; k < K; k++) dx[n * K + k] = 0;
    for (int64_t m = 0; m < M; m++) {
      const double dz = dy[n * M + m] * (a == VW_ACT_NONE ? 1 : vw_ref_act_grad(a, z[n * M + m]));
      for (int64_t k = 0; k < K; k++) dx[n * K + k] += dz * w[m * K + k];
    }
  }
  return VW_OK;
}

const vw_kernel linear_ref = {.run = run}, linear_grad_ref = {.run = run_grad};
