/* join: a thread an index. */
#include "kernels/join.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

__global__ static void __launch_bounds__(THREADS)
    join_kernel(int32_t *__restrict__ out, const int32_t *__restrict__ a, const int32_t *__restrict__ c, int64_t S1,
                int64_t S2, int64_t n) {
  const int64_t i = vw_thread(), S = S1 + S2, b = i / S, s = i % S;
  if (i < n) out[i] = s < S1 ? a[b * S1 + s] : c[b * S2 + s - S1];
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->out[0]);
  return vw_launch(ctx, "join", join_kernel, n, THREADS, THREADS, 0, vw_i32(&c->out[0]), vw_i32(&c->in[JOIN_A]),
                   vw_i32(&c->in[JOIN_C]), c->in[JOIN_A].dim[1], c->in[JOIN_C].dim[1], n);
}

extern "C" const vw_kernel join_cuda = {run, nullptr, nullptr, nullptr, 0};
