/* upsample_nearest and its gradient: 8 channels of a pixel a thread, in 16-byte accesses where pixels allow it. The
 * gradient adds in row order in fp32: no atomics, the same bits in every run. Traffic: both pictures once. */
#include "kernels/upsample_nearest.h"

#include "kernels/cuda/vector.cuh"

enum { THREADS = 256 };

struct sizes {
  int64_t B, H, W, Ho, Wo, C, packs;
  bool whole; /* all pixels lie in packs */
};

static sizes sizes_of(const vw_tensor *small, const vw_tensor *large) {
  const int64_t C = small->dim[3];
  const bool whole = C % VW_PACK == 0 && reinterpret_cast<uintptr_t>(small->data) % VW_PACK_ALIGNMENT == 0 &&
                     reinterpret_cast<uintptr_t>(large->data) % VW_PACK_ALIGNMENT == 0;
  return {small->dim[0], small->dim[1], small->dim[2], large->dim[1], large->dim[2], C, (C + VW_PACK - 1) / VW_PACK,
          whole};
}

template <typename Y, typename X>
__global__ static void __launch_bounds__(THREADS)
    upsample_nearest_kernel(Y *__restrict__ y, const X *__restrict__ x, sizes s) {
  const int64_t i = vw_thread(), pixel = i / s.packs, c = i % s.packs * VW_PACK, end = s.whole ? s.C : 0;
  if (pixel >= s.B * s.Ho * s.Wo) return;
  const int64_t col = pixel % s.Wo, row = pixel / s.Wo % s.Ho, b = pixel / (s.Wo * s.Ho);
  float v[VW_PACK];
  vw_load_upto(x + ((b * s.H + row * s.H / s.Ho) * s.W + col * s.W / s.Wo) * s.C, c, end, s.C, v);
  vw_store_upto(y + pixel * s.C, c, end, s.C, v);
}

/* The first of `large` that reads element i of `small`: the least j with j small / large >= i. */
__device__ static int64_t first_reader(int64_t i, int64_t small, int64_t large) {
  return (i * large + small - 1) / small;
}

template <typename D, typename Y>
__global__ static void __launch_bounds__(THREADS)
    upsample_nearest_grad_kernel(D *__restrict__ dx, const Y *__restrict__ dy, sizes s) {
  const int64_t i = vw_thread(), pixel = i / s.packs, c = i % s.packs * VW_PACK, end = s.whole ? s.C : 0;
  if (pixel >= s.B * s.H * s.W) return;
  const int64_t col = pixel % s.W, row = pixel / s.W % s.H, b = pixel / (s.W * s.H);
  float sum[VW_PACK] = {}, v[VW_PACK];
  for (int64_t h = first_reader(row, s.H, s.Ho); h < first_reader(row + 1, s.H, s.Ho); h++)
    for (int64_t w = first_reader(col, s.W, s.Wo); w < first_reader(col + 1, s.W, s.Wo); w++) {
      vw_load_upto(dy + ((b * s.Ho + h) * s.Wo + w) * s.C, c, end, s.C, v);
      for (int j = 0; j < VW_PACK; j++) sum[j] += v[j];
    }
  vw_store_upto(dx + pixel * s.C, c, end, s.C, sum);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const sizes s = sizes_of(&c->in[0], &c->out[0]);
  return vw_with_type("upsample_nearest", &c->out[0], [&](auto y) {
    return vw_with_type("upsample_nearest", &c->in[0], [&](auto x) {
      return vw_launch(ctx, "upsample_nearest", upsample_nearest_kernel<decltype(y), decltype(x)>,
                       s.B * s.Ho * s.Wo * s.packs, THREADS, THREADS, 0, vw_data<decltype(y)>(&c->out[0]),
                       vw_data<const decltype(x)>(&c->in[0]), s);
    });
  });
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const sizes s = sizes_of(&c->out[0], &c->in[0]);
  return vw_with_type("upsample_nearest_grad", &c->out[0], [&](auto d) {
    return vw_with_type("upsample_nearest_grad", &c->in[0], [&](auto y) {
      return vw_launch(ctx, "upsample_nearest_grad", upsample_nearest_grad_kernel<decltype(d), decltype(y)>,
                       s.B * s.H * s.W * s.packs, THREADS, THREADS, 0, vw_data<decltype(d)>(&c->out[0]),
                       vw_data<const decltype(y)>(&c->in[0]), s);
    });
  });
}

extern "C" const vw_kernel upsample_nearest_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel upsample_nearest_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
