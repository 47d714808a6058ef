/* unit_rows on the CPU, a row a thread. */
#include "kernels/unit_rows.h"

#include "kernels/cpu/simd.h"
#include <math.h>

VW_SIMD static void divide(const float *x, float eps, int64_t C, float *y) {
  const float factor = 1 / (sqrtf(vw_dot(x, x, C)) + eps);
#pragma omp simd
  for (int64_t i = 0; i < C; i++) y[i] = x[i] * factor;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const float eps = (float)((const vw_unit_rows_attr *)c->attr)->eps;
  const int64_t N = vw_rows(&c->in[0]), C = vw_last_dim(&c->in[0]);
  const float *x = vw_f32(&c->in[0]);
  float *y = vw_f32(&c->out[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t n = 0; n < N; n++) divide(x + n * C, eps, C, y + n * C);
  return VW_OK;
}

const vw_kernel unit_rows_cpu = {.run = run};
