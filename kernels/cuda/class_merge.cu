/* class_merge: an element a thread; traffic: x read and y written once, the class token from L1. */
#include "kernels/class_merge.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

template <typename Y, typename X>
__global__ static void __launch_bounds__(THREADS)
    class_merge_kernel(Y *__restrict__ y, const X *__restrict__ x, int64_t n, int64_t N, int64_t D) {
  const int64_t i = vw_thread();
  if (i >= n) return;
  const int64_t b = i / (N * D);
  vw_store(y, i, vw_load(x, i + (b + 1) * D) * vw_load(x, b * (N + 1) * D + i % D));
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *y = &c->out[0];
  return vw_with_type("class_merge", y, [&](auto ty) {
    return vw_with_type("class_merge", &c->in[0], [&](auto tx) {
      return vw_launch(ctx, "class_merge", class_merge_kernel<decltype(ty), decltype(tx)>, vw_count(y), THREADS,
                       THREADS, 0, vw_data<decltype(ty)>(y), vw_data<const decltype(tx)>(&c->in[0]), vw_count(y),
                       y->dim[1], y->dim[2]);
    });
  });
}

extern "C" const vw_kernel class_merge_cuda = {run, nullptr, nullptr, nullptr, 0};
