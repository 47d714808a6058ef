/* elu_plus: an element a thread; one number a patch. */
#include "kernels/elu_plus.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

template <typename X>
__global__ static void __launch_bounds__(THREADS)
    elu_plus_kernel(float *__restrict__ y, const X *__restrict__ x, int64_t n) {
  const int64_t i = vw_thread();
  if (i >= n) return;
  const float v = vw_load(x, i);
  y[i] = v > 0 ? v + 1.0f : expf(v);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->in[0]);
  VW_TRY(vw_check_f32("elu_plus", "heads", &c->out[0]));
  return vw_with_type("elu_plus", &c->in[0], [&](auto tx) {
    return vw_launch(ctx, "elu_plus", elu_plus_kernel<decltype(tx)>, n, THREADS, THREADS, 0, vw_f32(&c->out[0]),
                     vw_data<const decltype(tx)>(&c->in[0]), n);
  });
}

extern "C" const vw_kernel elu_plus_cuda = {run, nullptr, nullptr, nullptr, 0};
