/* cast: 8 elements a thread in 16-byte accesses; traffic: x read and y written once. f32 to bf16 rounds to nearest
 * even; the other way is exact. */
#include "kernels/cast.h"

#include "kernels/cuda/vector.cuh"

enum { THREADS = 256 };

template <typename Y, typename X>
__global__ static void __launch_bounds__(THREADS) cast_kernel(Y *__restrict__ y, const X *__restrict__ x, int64_t n) {
  const int64_t i = vw_thread() * VW_PACK;
  if (i >= n) return;
  float v[VW_PACK];
  vw_load_some(x, i, n, v);
  vw_store_some(y, i, n, v);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->out[0]);
  VW_TRY(vw_check_aligned("cast", "x", c->in[0].data));
  VW_TRY(vw_check_aligned("cast", "the result", c->out[0].data));
  return vw_with_type("cast", &c->out[0], [&](auto y) {
    return vw_with_type("cast", &c->in[0], [&](auto x) {
      return vw_launch(ctx, "cast", cast_kernel<decltype(y), decltype(x)>, n, THREADS * VW_PACK, THREADS, 0,
                       vw_data<decltype(y)>(&c->out[0]), vw_data<const decltype(x)>(&c->in[0]), n);
    });
  });
}

extern "C" const vw_kernel cast_cuda = {run, nullptr, nullptr, nullptr, 0};
