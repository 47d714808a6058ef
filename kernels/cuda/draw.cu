/* draw: a thread a draw; the same integers as every backend (core/random.h). */
#include "kernels/draw.h"

#include "core/random.h"
#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

__global__ static void __launch_bounds__(THREADS)
    draw_kernel(int32_t *__restrict__ index, const uint32_t *__restrict__ key, const int64_t *__restrict__ step,
                const int32_t *__restrict__ pool, const int32_t *__restrict__ offset, const int32_t *__restrict__ count,
                vw_draw_attr a, int64_t n) {
  const int64_t i = vw_thread(), b = i / a.S;
  if (i >= n) return;
  const uint64_t stream = static_cast<uint64_t>(key[2 * b + 1]) << 32 | key[2 * b];
  const uint32_t s = static_cast<uint32_t>(a.first + i % a.S);
  const uint32_t word = vw_draw_u32(stream, static_cast<uint64_t>(step[0]), a.purpose, s);
  index[i] = pool[offset[b] + static_cast<int64_t>(vw_below(word, static_cast<uint32_t>(count[b])))];
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_draw_attr a = *static_cast<const vw_draw_attr *>(c->attr);
  const int64_t n = c->in[DRAW_KEY].dim[0] * a.S;
  return vw_launch(ctx, "draw", draw_kernel, n, THREADS, THREADS, 0, vw_i32(&c->out[0]), vw_u32(&c->in[DRAW_KEY]),
                   vw_i64(&c->in[DRAW_STEP]), vw_i32(&c->in[DRAW_POOL]), vw_i32(&c->in[DRAW_OFFSET]),
                   vw_i32(&c->in[DRAW_COUNT]), a, n);
}

extern "C" const vw_kernel draw_cuda = {run, nullptr, nullptr, nullptr, 0};
