/* activate, geglu and their gradients: 8 elements a thread in 16-byte accesses where rows allow it. Traffic: inputs
 * read and the result written once; some 40 operations an element. geglu has a block a row, so that no thread divides to
 * find its place. */
#include "kernels/activate.h"

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/vector.cuh"

enum { THREADS = 256, PER_BLOCK = THREADS * VW_PACK };

template <typename Y, typename X>
__global__ static void __launch_bounds__(THREADS)
    activate_kernel(Y *__restrict__ y, const X *__restrict__ x, vw_activation act, int64_t n) {
  const int64_t i = vw_thread() * VW_PACK;
  if (i >= n) return;
  float v[VW_PACK];
  vw_load_some(x, i, n, v);
  for (int j = 0; j < VW_PACK; j++) v[j] = vw_act(act, v[j]);
  vw_store_some(y, i, n, v);
}

template <typename Y, typename X>
__global__ static void __launch_bounds__(THREADS)
    activate_grad_kernel(X *__restrict__ dx, const Y *__restrict__ dy, const X *__restrict__ x, vw_activation act,
                         int64_t n) {
  const int64_t i = vw_thread() * VW_PACK;
  if (i >= n) return;
  float v[VW_PACK], d[VW_PACK];
  vw_load_some(x, i, n, v), vw_load_some(dy, i, n, d);
  for (int j = 0; j < VW_PACK; j++) v[j] = d[j] * vw_act_grad(act, v[j]);
  vw_store_some(dx, i, n, v);
}

/* A block a row of y, a pack a thread at a time; whole: all rows lie in packs. */
template <typename Y, typename X>
__global__ static void __launch_bounds__(THREADS)
    geglu_kernel(Y *__restrict__ y, const X *__restrict__ x, int C, bool whole) {
  const int64_t row = blockIdx.x;
  const int end = whole ? C : 0;
  const X *values = x + row * 2 * C, *gates = values + C;
  y += row * C;
  for (int c = static_cast<int>(threadIdx.x) * VW_PACK; c < C; c += static_cast<int>(blockDim.x) * VW_PACK) {
    float value[VW_PACK], gate[VW_PACK];
    vw_load_upto(values, c, end, C, value), vw_load_upto(gates, c, end, C, gate);
    for (int j = 0; j < VW_PACK; j++) value[j] *= vw_act(VW_ACT_GELU, gate[j]);
    vw_store_upto(y, c, end, C, value);
  }
}

template <typename Y, typename X>
__global__ static void __launch_bounds__(THREADS)
    geglu_grad_kernel(X *__restrict__ dx, const Y *__restrict__ dy, const X *__restrict__ x, int C, bool whole) {
  const int64_t row = blockIdx.x;
  const int end = whole ? C : 0;
  const X *values = x + row * 2 * C, *gates = values + C;
  X *dvalues = dx + row * 2 * C, *dgates = dvalues + C;
  dy += row * C;
  for (int c = static_cast<int>(threadIdx.x) * VW_PACK; c < C; c += static_cast<int>(blockDim.x) * VW_PACK) {
    float value[VW_PACK], gate[VW_PACK], d[VW_PACK];
    vw_load_upto(values, c, end, C, value), vw_load_upto(gates, c, end, C, gate);
    vw_load_upto(dy, c, end, C, d);
    for (int j = 0; j < VW_PACK; j++) {
      const float z = gate[j];
      gate[j] = d[j] * value[j] * vw_act_grad(VW_ACT_GELU, z);
      value[j] = d[j] * vw_act(VW_ACT_GELU, z);
    }
    vw_store_upto(dvalues, c, end, C, value), vw_store_upto(dgates, c, end, C, gate);
  }
}

/* Threads of a block for a row of so many packs: whole warps, as few idle ones as can be, and the most of those. */
static unsigned threads_of_row(int64_t C) {
  const int64_t packs = (C + VW_PACK - 1) / VW_PACK;
  int64_t best = THREADS, least = INT64_MAX;
  for (int64_t t = THREADS; t > 0; t -= 32) {
    const int64_t places = (packs + t - 1) / t * t;
    if (places < least) best = t, least = places;
  }
  return static_cast<unsigned>(best);
}

static vw_status check_width(const char *op, int64_t C) {
  VW_CHECK(C <= INT_MAX / 2, VW_ERR_ARG, "%s: rows of %lld channels are too wide", op, static_cast<long long>(C));
  return VW_OK;
}

static vw_activation act_of(const vw_call *c) {
  return static_cast<const vw_activate_attr *>(c->attr)->act;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->out[0]);
  VW_TRY(vw_check_aligned("activate", "x", c->in[0].data));
  VW_TRY(vw_check_aligned("activate", "the result", c->out[0].data));
  return vw_with_type("activate", &c->out[0], [&](auto y) {
    return vw_with_type("activate", &c->in[0], [&](auto x) {
      return vw_launch(ctx, "activate", activate_kernel<decltype(y), decltype(x)>, n, PER_BLOCK, THREADS, 0,
                       vw_data<decltype(y)>(&c->out[0]), vw_data<const decltype(x)>(&c->in[0]), act_of(c), n);
    });
  });
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->out[0]);
  VW_TRY(vw_check_aligned("activate_grad", "dy", c->in[ACTIVATE_GRAD_DY].data));
  VW_TRY(vw_check_aligned("activate_grad", "x", c->in[ACTIVATE_GRAD_X].data));
  VW_TRY(vw_check_aligned("activate_grad", "the result", c->out[0].data));
  return vw_with_type("activate_grad", &c->in[ACTIVATE_GRAD_DY], [&](auto y) {
    return vw_with_type("activate_grad", &c->in[ACTIVATE_GRAD_X], [&](auto x) {
      return vw_launch(ctx, "activate_grad", activate_grad_kernel<decltype(y), decltype(x)>, n, PER_BLOCK, THREADS, 0,
                       vw_data<decltype(x)>(&c->out[0]), vw_data<const decltype(y)>(&c->in[ACTIVATE_GRAD_DY]),
                       vw_data<const decltype(x)>(&c->in[ACTIVATE_GRAD_X]), act_of(c), n);
    });
  });
}

static vw_status run_geglu(vw_context *ctx, const vw_call *c) {
  const int64_t rows = vw_rows(&c->out[0]), C = vw_last_dim(&c->out[0]);
  VW_TRY(check_width("geglu", C));
  return vw_with_type("geglu", &c->out[0], [&](auto y) {
    return vw_with_type("geglu", &c->in[0], [&](auto x) {
      auto *to = vw_data<decltype(y)>(&c->out[0]);
      const auto *from = vw_data<const decltype(x)>(&c->in[0]);
      return vw_launch(ctx, "geglu", geglu_kernel<decltype(y), decltype(x)>, rows, 1, threads_of_row(C), 0, to, from,
                       static_cast<int>(C), vw_packs(to, C) && vw_packs(from, C));
    });
  });
}

static vw_status run_geglu_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *dy = &c->in[ACTIVATE_GRAD_DY];
  const int64_t rows = vw_rows(dy), C = vw_last_dim(dy);
  VW_TRY(check_width("geglu_grad", C));
  return vw_with_type("geglu_grad", dy, [&](auto y) {
    return vw_with_type("geglu_grad", &c->in[ACTIVATE_GRAD_X], [&](auto x) {
      auto *to = vw_data<decltype(x)>(&c->out[0]);
      const auto *from = vw_data<const decltype(x)>(&c->in[ACTIVATE_GRAD_X]);
      const auto *above = vw_data<const decltype(y)>(dy);
      return vw_launch(ctx, "geglu_grad", geglu_grad_kernel<decltype(y), decltype(x)>, rows, 1, threads_of_row(C), 0,
                       to, above, from, static_cast<int>(C),
                       vw_packs(to, C) && vw_packs(from, C) && vw_packs(above, C));
    });
  });
}

extern "C" const vw_kernel activate_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel activate_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel geglu_cuda = {run_geglu, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel geglu_grad_cuda = {run_geglu_grad, nullptr, nullptr, nullptr, 0};
