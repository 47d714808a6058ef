#include "kernels/softmax_xent.h"

#include <math.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t N = c->in[XENT_Z].dim[0], C = c->in[XENT_Z].dim[1];
  const double *z = vw_f64(&c->in[XENT_Z]);
  const int32_t *label = vw_i32(&c->in[XENT_LABEL]);
  double *loss = vw_f64(&c->out[XENT_LOSS]), *lse = vw_f64(&c->out[XENT_LSE]);

  for (int64_t n = 0; n < N; n++, z += C) {
    double largest = z[0], sum = 0;
    for (int64_t i = 1; i < C; i++)
      if (z[i] > largest) largest = z[i];
    for (int64_t i = 0; i < C; i++) sum += exp(z[i] - largest);
    lse[n] = largest + log(sum);
    loss[n] = (largest - z[label[n]]) + log(sum);
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t N = c->in[XENTG_Z].dim[0], C = c->in[XENTG_Z].dim[1];
  const double *dloss = vw_f64(&c->in[XENTG_DLOSS]), *z = vw_f64(&c->in[XENTG_Z]), *lse = vw_f64(&c->in[XENTG_LSE]);
  const int32_t *label = vw_i32(&c->in[XENTG_LABEL]);
  double *dz = vw_f64(&c->out[0]);

  for (int64_t n = 0; n < N; n++)
    for (int64_t i = 0; i < C; i++)
      dz[n * C + i] = dloss[n] * (exp(z[n * C + i] - lse[n]) - (i == label[n] ? 1.0 : 0.0));
  return VW_OK;
}

const vw_kernel softmax_xent_ref = {.run = run}, softmax_xent_grad_ref = {.run = run_grad};
