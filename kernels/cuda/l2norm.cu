/* l2norm and its gradient: y = x / |x|, dx = (dy - y (dy . y)) / |x|. One warp a row, fp32 sums in fixed order;
 * traffic: x (dy, y) read twice, the second time from L1, the result written once. */
#include "kernels/l2norm.h"

#include "kernels/cuda/device.cuh"

enum { ROWS_PER_BLOCK = 8 };

template <typename X>
__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    l2norm_kernel(float *__restrict__ y, float *__restrict__ rnorm, const X *__restrict__ x, int64_t N, int64_t C) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (row >= N) return;
  float sum = 0;
  for (int64_t c = threadIdx.x; c < C; c += 32) sum += vw_load(x, row * C + c) * vw_load(x, row * C + c);
  sum = vw_warp_sum(sum);
  const float r = sum > 0 ? 1.0f / sqrtf(sum) : 0.0f;
  for (int64_t c = threadIdx.x; c < C; c += 32) y[row * C + c] = vw_load(x, row * C + c) * r;
  if (threadIdx.x == 0) rnorm[row] = r;
}

__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    l2norm_grad_kernel(float *__restrict__ dx, const float *__restrict__ dy, const float *__restrict__ y,
                       const float *__restrict__ rnorm, int64_t N, int64_t C) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (row >= N) return;
  float along = 0;
  for (int64_t c = threadIdx.x; c < C; c += 32) along += dy[row * C + c] * y[row * C + c];
  along = vw_warp_sum(along);
  for (int64_t c = threadIdx.x; c < C; c += 32)
    dx[row * C + c] = (dy[row * C + c] - y[row * C + c] * along) * rnorm[row];
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[L2_X];
  const int64_t N = vw_rows(x), C = vw_last_dim(x);
  VW_TRY(vw_check_f32("l2norm", "features", &c->out[L2_Y]));
  VW_TRY(vw_check_f32("l2norm", "norms", &c->out[L2_RNORM]));
  return vw_with_type("l2norm", x, [&](auto t) {
    return vw_launch(ctx, "l2norm", l2norm_kernel<decltype(t)>, N, ROWS_PER_BLOCK, dim3(32, ROWS_PER_BLOCK), 0,
                     vw_f32(&c->out[L2_Y]), vw_f32(&c->out[L2_RNORM]), vw_data<const decltype(t)>(x), N, C);
  });
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const int64_t N = vw_rows(&c->in[L2G_Y]), C = vw_last_dim(&c->in[L2G_Y]);
  for (int i = L2G_DY; i <= L2G_RNORM; i++) VW_TRY(vw_check_f32("l2norm_grad", "features", &c->in[i]));
  VW_TRY(vw_check_f32("l2norm_grad", "gradients of features", &c->out[0]));
  return vw_launch(ctx, "l2norm_grad", l2norm_grad_kernel, N, ROWS_PER_BLOCK, dim3(32, ROWS_PER_BLOCK), 0,
                   vw_f32(&c->out[0]), vw_f32(&c->in[L2G_DY]), vw_f32(&c->in[L2G_Y]), vw_f32(&c->in[L2G_RNORM]), N, C);
}

extern "C" const vw_kernel l2norm_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel l2norm_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
