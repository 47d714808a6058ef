/* draw_normal, by definition: the fp32 numbers of every backend, stored as double. */
#include "kernels/draw_normal.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_draw_normal_attr *a = c->attr;
  const int64_t B = c->out[0].dim[0], S = B ? vw_count(&c->out[0]) / B : 0;
  const uint32_t *key = vw_u32(&c->in[NORMAL_KEY]);
  const uint64_t step = (uint64_t)vw_i64(&c->in[NORMAL_STEP])[0];
  for (int64_t b = 0; b < B; b++)
    for (int64_t i = 0; i < S; i++) {
      const uint64_t stream = (uint64_t)key[2 * b + 1] << 32 | key[2 * b];
      const int64_t number = a->first + i;
      float four[4];
      vw_normal4(vw_philox4x32(stream, (uint32_t)(number / 4), (uint32_t)step, a->purpose, (uint32_t)(step >> 32)),
                 four);
      vw_f64(&c->out[0])[b * S + vw_normal_place(i, a->planes, a->channels)] = four[number % 4];
    }
  return VW_OK;
}

const vw_kernel draw_normal_ref = {.run = run};
