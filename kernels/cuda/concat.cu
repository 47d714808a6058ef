/* concat and channels: both copy a range of channels of every row to a range of another's, 8 a thread in 16-byte
 * accesses where all of them allow it. Traffic: each element once in, once out. */
#include "kernels/concat.h"

#include "kernels/cuda/vector.cuh"

enum { THREADS = 256 };

/* n channels of each row: from column `from` of rows of X elements to column `to` of rows of Y elements. */
struct ranges {
  int64_t rows, n, from, X, to, Y;
};

template <typename T, typename S>
__global__ static void __launch_bounds__(THREADS)
    channels_kernel(T *__restrict__ y, const S *__restrict__ x, ranges r, bool whole) {
  const int64_t packs = (r.n + VW_PACK - 1) / VW_PACK, i = vw_thread(), row = i / packs, c = i % packs * VW_PACK;
  if (row >= r.rows) return;
  const int64_t end = whole ? r.n : 0;
  float v[VW_PACK];
  vw_load_upto(x + row * r.X + r.from, c, end, r.n, v);
  vw_store_upto(y + row * r.Y + r.to, c, end, r.n, v);
}

static vw_status copy(vw_context *ctx, const char *op, const vw_tensor *y, const vw_tensor *x, ranges r) {
  if (r.n == 0) return VW_OK;
  return vw_with_type(op, y, [&](auto t) {
    return vw_with_type(op, x, [&](auto s) {
      auto *to = vw_data<decltype(t)>(y);
      const auto *from = vw_data<const decltype(s)>(x);
      const bool whole = r.from % VW_PACK == 0 && r.to % VW_PACK == 0 && r.n % VW_PACK == 0 && vw_packs(to, r.Y) &&
                         vw_packs(from, r.X);
      return vw_launch(ctx, op, channels_kernel<decltype(t), decltype(s)>, r.rows * ((r.n + VW_PACK - 1) / VW_PACK),
                       THREADS, THREADS, 0, to, from, r, whole);
    });
  });
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *a = &c->in[CONCAT_A], *b = &c->in[CONCAT_B], *y = &c->out[0];
  const int64_t C1 = vw_last_dim(a), C2 = vw_last_dim(b), rows = vw_rows(y);
  VW_TRY(copy(ctx, "concat", y, a, {rows, C1, 0, C1, 0, C1 + C2}));
  return copy(ctx, "concat", y, b, {rows, C2, 0, C2, C1, C1 + C2});
}

static vw_status run_channels(vw_context *ctx, const vw_call *c) {
  const vw_channels_attr *a = static_cast<const vw_channels_attr *>(c->attr);
  return copy(ctx, "channels", &c->out[0], &c->in[0],
              {vw_rows(&c->out[0]), a->count, a->first, vw_last_dim(&c->in[0]), 0, a->count});
}

extern "C" const vw_kernel concat_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel channels_cuda = {run_channels, nullptr, nullptr, nullptr, 0};
