/* unit_rows: y = x / (|x| + eps). One warp a row, fp32 sums in fixed order; traffic: x read twice, the second time from
 * L1, y written once. */
#include "kernels/unit_rows.h"

#include "kernels/cuda/device.cuh"

enum { ROWS_PER_BLOCK = 8 };

template <typename Y, typename X>
__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    unit_rows_kernel(Y *__restrict__ y, const X *__restrict__ x, float eps, int64_t N, int64_t C) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (row >= N) return;
  float sum = 0;
  for (int64_t c = threadIdx.x; c < C; c += 32) sum += vw_load(x, row * C + c) * vw_load(x, row * C + c);
  const float factor = 1.0f / (sqrtf(vw_warp_sum(sum)) + eps);
  for (int64_t c = threadIdx.x; c < C; c += 32) vw_store(y, row * C + c, vw_load(x, row * C + c) * factor);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[0], *y = &c->out[0];
  const float eps = static_cast<float>(static_cast<const vw_unit_rows_attr *>(c->attr)->eps);
  return vw_with_type("unit_rows", y, [&](auto ty) {
    return vw_with_type("unit_rows", x, [&](auto tx) {
      return vw_launch(ctx, "unit_rows", unit_rows_kernel<decltype(ty), decltype(tx)>, vw_rows(x), ROWS_PER_BLOCK,
                       dim3(32, ROWS_PER_BLOCK), 0, vw_data<decltype(ty)>(y), vw_data<const decltype(tx)>(x), eps,
                       vw_rows(x), vw_last_dim(x));
    });
  });
}

extern "C" const vw_kernel unit_rows_cuda = {run, nullptr, nullptr, nullptr, 0};
