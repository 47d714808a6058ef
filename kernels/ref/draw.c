/* Plain loops; the same integers as every backend. */
#include "kernels/draw.h"

#include "core/random.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_draw_attr *a = c->attr;
  const int64_t B = c->in[DRAW_KEY].dim[0];
  const uint32_t *key = vw_u32(&c->in[DRAW_KEY]);
  const int32_t *pool = vw_i32(&c->in[DRAW_POOL]), *offset = vw_i32(&c->in[DRAW_OFFSET]);
  const int32_t *count = vw_i32(&c->in[DRAW_COUNT]);
  const uint64_t step = (uint64_t)vw_i64(&c->in[DRAW_STEP])[0];
  int32_t *index = vw_i32(&c->out[0]);

  for (int64_t b = 0; b < B; b++) {
    const uint64_t stream = (uint64_t)key[2 * b + 1] << 32 | key[2 * b];
    for (int64_t s = 0; s < a->S; s++) {
      const uint32_t word = vw_draw_u32(stream, step, a->purpose, (uint32_t)(a->first + s));
      index[b * a->S + s] = pool[offset[b] + (int64_t)vw_below(word, (uint32_t)count[b])];
    }
  }
  return VW_OK;
}

const vw_kernel draw_ref = {.run = run};
