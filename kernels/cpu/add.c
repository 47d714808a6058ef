/* add on the CPU. Traffic: two reads and one write an element. */
#include "kernels/add.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->out[0]);
  const float *a = vw_f32(&c->in[0]), *b = vw_f32(&c->in[1]);
  float *y = vw_f32(&c->out[0]);
#pragma omp parallel for simd num_threads(ctx->threads) schedule(static)
  for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i];
  return VW_OK;
}

const vw_kernel add_cpu = {.run = run};
