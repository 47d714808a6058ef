/* draw_normal: a thread a Philox block, four numbers; the same bits as every backend (core/random.h). */
#include "kernels/draw_normal.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

__global__ static void __launch_bounds__(THREADS)
    draw_normal_kernel(float *__restrict__ y, const uint32_t *__restrict__ key, const int64_t *__restrict__ step,
                       vw_draw_normal_attr a, int64_t B, int64_t S) {
  const int64_t block = a.first / 4, blocks = (a.first + S + 3) / 4 - block, n = vw_thread();
  const int64_t b = n / blocks, i = block + n % blocks, from = 4 * i - a.first;
  if (b >= B) return;
  const uint64_t stream = static_cast<uint64_t>(key[2 * b + 1]) << 32 | key[2 * b];
  const uint64_t at = static_cast<uint64_t>(step[0]);
  float four[4];
  vw_normal4(vw_philox4x32(stream, static_cast<uint32_t>(i), static_cast<uint32_t>(at), a.purpose,
                           static_cast<uint32_t>(at >> 32)),
             four);
  for (int64_t j = from < 0 ? -from : 0; j < 4 && from + j < S; j++)
    y[b * S + vw_normal_place(from + j, a.planes, a.channels)] = four[j];
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_draw_normal_attr *a = static_cast<const vw_draw_normal_attr *>(c->attr);
  const int64_t B = c->out[0].dim[0], S = B ? vw_count(&c->out[0]) / B : 0;
  VW_TRY(vw_check_f32("draw_normal", "noise", &c->out[0]));
  if (S == 0) return VW_OK;
  return vw_launch(ctx, "draw_normal", draw_normal_kernel, B * ((a->first + S + 3) / 4 - a->first / 4), THREADS,
                   THREADS, 0, vw_f32(&c->out[0]), vw_u32(&c->in[NORMAL_KEY]), vw_i64(&c->in[NORMAL_STEP]), *a, B, S);
}

extern "C" const vw_kernel draw_normal_cuda = {run, nullptr, nullptr, nullptr, 0};
