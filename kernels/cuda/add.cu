/* add: 8 elements a thread in 16-byte accesses; traffic: a, b read and y written once; one operation an element. */
#include "kernels/add.h"

#include "kernels/cuda/vector.cuh"

enum { THREADS = 256 };

template <typename Y, typename A, typename B>
__global__ static void __launch_bounds__(THREADS)
    add_kernel(Y *__restrict__ y, const A *__restrict__ a, const B *__restrict__ b, int64_t n) {
  const int64_t i = vw_thread() * VW_PACK;
  if (i >= n) return;
  float x[VW_PACK], other[VW_PACK];
  vw_load_some(a, i, n, x), vw_load_some(b, i, n, other);
  for (int j = 0; j < VW_PACK; j++) x[j] += other[j];
  vw_store_some(y, i, n, x);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->out[0]);
  VW_TRY(vw_check_aligned("add", "a term", c->in[0].data));
  VW_TRY(vw_check_aligned("add", "a term", c->in[1].data));
  VW_TRY(vw_check_aligned("add", "the sum", c->out[0].data));
  return vw_with_type("add", &c->out[0], [&](auto y) {
    return vw_with_type("add", &c->in[0], [&](auto a) {
      return vw_with_type("add", &c->in[1], [&](auto b) {
        return vw_launch(ctx, "add", add_kernel<decltype(y), decltype(a), decltype(b)>, n, THREADS * VW_PACK, THREADS,
                         0, vw_data<decltype(y)>(&c->out[0]), vw_data<const decltype(a)>(&c->in[0]),
                         vw_data<const decltype(b)>(&c->in[1]), n);
      });
    });
  });
}

extern "C" const vw_kernel add_cuda = {run, nullptr, nullptr, nullptr, 0};
