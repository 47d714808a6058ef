/* class_merge on the CPU, a row a thread. Traffic: x read and y written once. */
#include "kernels/class_merge.h"

#include "kernels/cpu/simd.h"

VW_SIMD static void multiply(const float *restrict a, const float *restrict b, float *restrict y, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t B = c->out[0].dim[0], N = c->out[0].dim[1], D = c->out[0].dim[2];
  const float *x = vw_f32(&c->in[0]);
  float *y = vw_f32(&c->out[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t i = 0; i < B * N; i++) {
    const float *picture = x + i / N * (N + 1) * D;
    multiply(picture + (1 + i % N) * D, picture, y + i * D, D);
  }
  return VW_OK;
}

const vw_kernel class_merge_cpu = {.run = run};
