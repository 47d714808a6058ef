/* take: rows by index, copied in the widest units that a row is a multiple of (tables lie on VW_ALIGN). Traffic: the
 * rows are read and written once. */
#include "kernels/take.h"

#include "kernels/cuda/device.cuh"

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

extern "C" const vw_kernel take_cuda = {run, nullptr, nullptr, nullptr, 0};
