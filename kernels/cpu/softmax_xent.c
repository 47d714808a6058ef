/* Parallel over rows; a row's sum is taken in class order, in double: with thousands of classes an fp32 sum would cost
 * the loss of a well-classified picture its digits. */
#include "kernels/softmax_xent.h"

#include <math.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t N = c->in[XENT_Z].dim[0], C = c->in[XENT_Z].dim[1];
  const float *logits = vw_f32(&c->in[XENT_Z]);
  const int32_t *label = vw_i32(&c->in[XENT_LABEL]);
  float *loss = vw_f32(&c->out[XENT_LOSS]), *lse = vw_f32(&c->out[XENT_LSE]);

#pragma omp parallel for schedule(static) num_threads(ctx->threads)
  for (int64_t n = 0; n < N; n++) {
    const float *z = logits + n * C;
    float largest = z[0];
    double sum = 0;
    for (int64_t i = 1; i < C; i++)
      if (z[i] > largest) largest = z[i];
    for (int64_t i = 0; i < C; i++) sum += (double)expf(z[i] - largest);
    lse[n] = (float)((double)largest + log(sum));
    loss[n] = (float)((double)(largest - z[label[n]]) + log(sum));
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const int64_t N = c->in[XENTG_Z].dim[0], C = c->in[XENTG_Z].dim[1];
  const float *dloss = vw_f32(&c->in[XENTG_DLOSS]), *z = vw_f32(&c->in[XENTG_Z]), *lse = vw_f32(&c->in[XENTG_LSE]);
  const int32_t *label = vw_i32(&c->in[XENTG_LABEL]);
  float *dz = vw_f32(&c->out[0]);

#pragma omp parallel for schedule(static) num_threads(ctx->threads)
  for (int64_t n = 0; n < N; n++)
    for (int64_t i = 0; i < C; i++) {
      /* exp(x) - 1 by expm1 at the label: a well-classified row keeps its small gradient */
      const float x = z[n * C + i] - lse[n];
      dz[n * C + i] = dloss[n] * (i == label[n] ? expm1f(x) : expf(x));
    }
  return VW_OK;
}

const vw_kernel softmax_xent_cpu = {.run = run}, softmax_xent_grad_cpu = {.run = run_grad};
