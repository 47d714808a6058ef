/* elu_plus on the CPU: one number a patch, so one thread. */
#include "kernels/elu_plus.h"

#include "kernels/cpu/activation.h"

VW_SIMD static void elu_plus(const float *restrict x, float *restrict y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = vw_select(x[i] > 0, x[i] + 1, vw_expf(x[i]));
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  elu_plus(vw_f32(&c->in[0]), vw_f32(&c->out[0]), vw_count(&c->in[0]));
  return VW_OK;
}

const vw_kernel elu_plus_cpu = {.run = run};
