/* select_row and its gradient: y[b] = x[b, position[b]]; dx is dy there and 0 elsewhere. Forward a thread an
 * element, gradient 8 channels a thread; traffic: what is written, and as many elements of the input as y has. */
#include "kernels/select_row.h"

#include "kernels/cuda/vector.cuh"

enum { THREADS = 256 };

template <typename Y, typename X>
__global__ static void __launch_bounds__(THREADS)
    select_row_kernel(Y *__restrict__ y, const X *__restrict__ x, const int32_t *__restrict__ position, int64_t B,
                      int64_t T, int64_t C) {
  const int64_t i = vw_thread(), b = i / C;
  if (b < B) vw_store(y, i, vw_load(x, (b * T + position[b]) * C + i % C));
}

/* whole: rows lie in packs. */
template <typename X, typename Y>
__global__ static void __launch_bounds__(THREADS)
    select_row_grad_kernel(X *__restrict__ dx, const Y *__restrict__ dy, const int32_t *__restrict__ position,
                           int64_t B, int64_t T, int64_t C, bool whole) {
  const int64_t packs = (C + VW_PACK - 1) / VW_PACK, i = vw_thread(), row = i / packs, c = i % packs * VW_PACK;
  const int64_t b = row / T, end = whole ? C : 0;
  if (b >= B) return;
  float x[VW_PACK] = {};
  if (row % T == position[b]) vw_load_upto(dy + b * C, c, end, C, x);
  vw_store_upto(dx + row * C, c, end, C, x);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[SELECT_X], *y = &c->out[0];
  return vw_with_type("select_row", x, [&](auto tx) {
    return vw_with_type("select_row", y, [&](auto ty) {
      return vw_launch(ctx, "select_row", select_row_kernel<decltype(ty), decltype(tx)>, vw_count(y), THREADS, THREADS,
                       0, vw_data<decltype(ty)>(y), vw_data<const decltype(tx)>(x), vw_i32(&c->in[SELECT_POSITION]),
                       x->dim[0], x->dim[1], x->dim[2]);
    });
  });
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *dy = &c->in[SELECT_GRAD_DY], *dx = &c->out[0];
  const int64_t B = dx->dim[0], T = dx->dim[1], C = dx->dim[2], items = B * T * ((C + VW_PACK - 1) / VW_PACK);
  const bool whole = vw_packs(vw_data<char>(dy), C) && vw_packs(vw_data<char>(dx), C);
  return vw_with_type("select_row_grad", dx, [&](auto tx) {
    return vw_with_type("select_row_grad", dy, [&](auto ty) {
      return vw_launch(ctx, "select_row_grad", select_row_grad_kernel<decltype(tx), decltype(ty)>, items, THREADS,
                       THREADS, 0, vw_data<decltype(tx)>(dx), vw_data<const decltype(ty)>(dy),
                       vw_i32(&c->in[SELECT_GRAD_POSITION]), B, T, C, whole);
    });
  });
}

extern "C" const vw_kernel select_row_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel select_row_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
