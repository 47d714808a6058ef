/* add: a thread an element; traffic: a, b read and y written once. */
#include "kernels/add.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

template <typename Y, typename A, typename B>
__global__ static void __launch_bounds__(THREADS)
    add_kernel(Y *__restrict__ y, const A *__restrict__ a, const B *__restrict__ b, int64_t n) {
  const int64_t i = vw_thread();
  if (i < n) vw_store(y, i, vw_load(a, i) + vw_load(b, i));
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->out[0]);
  return vw_with_type("add", &c->out[0], [&](auto y) {
    return vw_with_type("add", &c->in[0], [&](auto a) {
      return vw_with_type("add", &c->in[1], [&](auto b) {
        return vw_launch(ctx, "add", add_kernel<decltype(y), decltype(a), decltype(b)>, n, THREADS, THREADS, 0,
                         vw_data<decltype(y)>(&c->out[0]), vw_data<const decltype(a)>(&c->in[0]),
                         vw_data<const decltype(b)>(&c->in[1]), n);
      });
    });
  });
}

extern "C" const vw_kernel add_cuda = {run, nullptr, nullptr, nullptr};
