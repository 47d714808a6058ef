/* take and its gradient.
 *
 * take: rows by index, copied in the widest units that a row is a multiple of (tables lie on VW_ALIGN). Traffic: the
 * rows are read and written once.
 *
 * take_grad: dtable[k] = sum over rows b with index[b] == k, in row order, of dy[b]. A block makes VW_LISTED elements
 * of one row of the table, a thread one: it finds the rows 256 at a time, lists them in order in shared memory and adds
 * them in fp32. No atomics. Traffic: dy read and dtable written once, the index once a block, from L2. */
#include "kernels/take.h"

#include "kernels/cuda/segments.cuh"

enum { THREADS = 256 };

template <typename U>
__global__ static void __launch_bounds__(THREADS)
    take_kernel(U *__restrict__ out, const U *__restrict__ table, const int32_t *__restrict__ index, int64_t units,
                int64_t n) {
  const int64_t i = vw_thread();
  if (i < n) out[i] = table[index[i / units] * units + i % units];
}

template <typename U> static vw_status launch(vw_context *ctx, const vw_call *c, size_t row_bytes) {
  const int64_t units = static_cast<int64_t>(row_bytes / sizeof(U)), n = c->out[0].dim[0] * units;
  return vw_launch(ctx, "take", take_kernel<U>, n, THREADS, THREADS, 0, vw_data<U>(&c->out[0]),
                   vw_data<const U>(&c->in[TAKE_TABLE]), vw_i32(&c->in[TAKE_INDEX]), units, n);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *table = &c->in[TAKE_TABLE];
  if (vw_count(table) == 0) return VW_OK;
  const size_t row = vw_bytes(table) / static_cast<size_t>(table->dim[0]);
  if (row % sizeof(uint4) == 0) return launch<uint4>(ctx, c, row);
  if (row % sizeof(uint32_t) == 0) return launch<uint32_t>(ctx, c, row);
  return launch<uint16_t>(ctx, c, row);
}

/* S: elements of a row, in `pieces` of VW_LISTED. */
template <typename T, typename Y>
__global__ static void __launch_bounds__(VW_LISTED)
    take_grad_kernel(T *__restrict__ dtable, const Y *__restrict__ dy, const int32_t *__restrict__ index, int64_t B,
                     int64_t S, int64_t pieces) {
  __shared__ int64_t list[VW_LISTED];
  __shared__ int counts[VW_LISTED_WARPS];
  const int64_t k = blockIdx.x / pieces, s = blockIdx.x % pieces * VW_LISTED + threadIdx.x;
  float sum = 0;
  for (int64_t b0 = 0; b0 < B; b0 += VW_LISTED) {
    const int n = vw_list_rows(list, counts, index, k, b0, B, [S](int64_t b) { return b * S; });
    if (s < S)
      for (int i = 0; i < n; i++) sum += vw_load(dy, list[i] + s);
  }
  if (s < S) vw_store(dtable, k * S + s, sum);
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *dy = &c->in[TAKE_GRAD_DY], *dtable = &c->out[0];
  const int64_t N = dtable->dim[0], S = N ? vw_count(dtable) / N : 0, pieces = (S + VW_LISTED - 1) / VW_LISTED;
  return vw_with_type("take_grad", dtable, [&](auto t) {
    return vw_with_type("take_grad", dy, [&](auto y) {
      return vw_launch(ctx, "take_grad", take_grad_kernel<decltype(t), decltype(y)>, N * pieces, 1, VW_LISTED, 0,
                       vw_data<decltype(t)>(dtable), vw_data<const decltype(y)>(dy), vw_i32(&c->in[TAKE_GRAD_INDEX]),
                       dy->dim[0], S, pieces);
    });
  });
}

extern "C" const vw_kernel take_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel take_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
