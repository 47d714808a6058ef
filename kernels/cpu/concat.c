/* concat and channels on the CPU: rows are copied by threads. Traffic: each element once in, once out. */
#include "kernels/concat.h"

#include <string.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t C1 = vw_last_dim(&c->in[CONCAT_A]), C2 = vw_last_dim(&c->in[CONCAT_B]), N = vw_rows(&c->out[0]);
  const float *a = vw_f32(&c->in[CONCAT_A]), *b = vw_f32(&c->in[CONCAT_B]);
  float *y = vw_f32(&c->out[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t n = 0; n < N; n++) {
    memcpy(y + n * (C1 + C2), a + n * C1, (size_t)C1 * sizeof *y);
    memcpy(y + n * (C1 + C2) + C1, b + n * C2, (size_t)C2 * sizeof *y);
  }
  return VW_OK;
}

static vw_status run_channels(vw_context *ctx, const vw_call *c) {
  const vw_channels_attr *a = c->attr;
  const int64_t C = vw_last_dim(&c->in[0]), N = vw_rows(&c->out[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t n = 0; n < N; n++)
    memcpy(vw_f32(&c->out[0]) + n * a->count, vw_f32(&c->in[0]) + n * C + a->first, (size_t)a->count * sizeof(float));
  return VW_OK;
}

const vw_kernel concat_cpu = {.run = run}, channels_cpu = {.run = run_channels};
