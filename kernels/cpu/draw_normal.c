/* draw_normal on the CPU: a Philox block gives four numbers; blocks are shared out among the threads. */
#include "kernels/draw_normal.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_draw_normal_attr *a = c->attr;
  const int64_t B = c->out[0].dim[0], S = B ? vw_count(&c->out[0]) / B : 0;
  const int64_t block = a->first / 4, blocks = S ? (a->first + S + 3) / 4 - block : 0;
  const uint32_t *key = vw_u32(&c->in[NORMAL_KEY]);
  const uint64_t step = (uint64_t)vw_i64(&c->in[NORMAL_STEP])[0];
  float *y = vw_f32(&c->out[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t n = 0; n < B * blocks; n++) {
    const int64_t b = n / blocks, i = block + n % blocks, from = 4 * i - a->first;
    const uint64_t stream = (uint64_t)key[2 * b + 1] << 32 | key[2 * b];
    float four[4];
    vw_normal4(vw_philox4x32(stream, (uint32_t)i, (uint32_t)step, a->purpose, (uint32_t)(step >> 32)), four);
    for (int64_t j = from < 0 ? -from : 0; j < 4 && from + j < S; j++)
      y[b * S + vw_normal_place(from + j, a->planes, a->channels)] = four[j];
  }
  return VW_OK;
}

const vw_kernel draw_normal_cpu = {.run = run};
