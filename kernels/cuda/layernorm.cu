/* LayerNorm over the C channels of a row, and its gradient with respect to the input (avg is over the channels):
 *
 *   mean = avg(x)   rstd = 1 / sqrt(avg((x - mean)^2) + eps)      g  = gamma dy
 *   xh   = (x - mean) rstd                                        dx = rstd (g - avg(g) - xh avg(g xh))
 *   y    = gamma xh + beta
 *
 * One warp a row, fp32 sums whose order is fixed (lanes stride by 32, then a butterfly), no atomics: repeatable bit for
 * bit. The variance takes a second pass over x: E[x^2] - mean^2 would cancel. Traffic: x is read three times forward
 * (from L1 after the first), x and dy twice backward. Grid: ceil(N / 8) blocks of 8 warps. */
#include "kernels/layernorm.h"

#include "kernels/cuda/device.cuh"

enum { ROWS_PER_BLOCK = 8 };

template <typename X, typename Y, typename P>
__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    layernorm_kernel(Y *__restrict__ y, float *__restrict__ mean, float *__restrict__ rstd, const X *__restrict__ x,
                     const P *__restrict__ gamma, const P *__restrict__ beta, float eps, int64_t N, int64_t C) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (row >= N) return; /* whole warps leave together, so vw_warp_sum stays legal */
  x += row * C, y += row * C;

  float sum = 0, squares = 0;
  for (int64_t c = threadIdx.x; c < C; c += 32) sum += vw_load(x, c);
  const float mu = vw_warp_sum(sum) / static_cast<float>(C);
  for (int64_t c = threadIdx.x; c < C; c += 32) {
    const float d = vw_load(x, c) - mu;
    squares += d * d;
  }
  const float rs = 1.0f / sqrtf(vw_warp_sum(squares) / static_cast<float>(C) + eps);

  for (int64_t c = threadIdx.x; c < C; c += 32)
    vw_store(y, c, vw_load(gamma, c) * ((vw_load(x, c) - mu) * rs) + vw_load(beta, c));
  if (threadIdx.x == 0) mean[row] = mu, rstd[row] = rs;
}

template <typename X, typename Y, typename P>
__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    layernorm_grad_kernel(X *__restrict__ dx, const Y *__restrict__ dy, const X *__restrict__ x,
                          const P *__restrict__ gamma, const float *__restrict__ mean, const float *__restrict__ rstd,
                          int64_t N, int64_t C) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (row >= N) return;
  dx += row * C, dy += row * C, x += row * C;
  const float mu = mean[row], rs = rstd[row];

  float avg_g = 0, avg_gx = 0;
  for (int64_t c = threadIdx.x; c < C; c += 32) {
    const float g = vw_load(gamma, c) * vw_load(dy, c);
    avg_g += g, avg_gx += g * ((vw_load(x, c) - mu) * rs);
  }
  avg_g = vw_warp_sum(avg_g) / static_cast<float>(C), avg_gx = vw_warp_sum(avg_gx) / static_cast<float>(C);

  for (int64_t c = threadIdx.x; c < C; c += 32) {
    const float g = vw_load(gamma, c) * vw_load(dy, c), xh = (vw_load(x, c) - mu) * rs;
    vw_store(dx, c, rs * (g - avg_g - xh * avg_gx));
  }
}

template <typename X, typename Y, typename P> static vw_status launch(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[LN_X];
  const int64_t N = vw_rows(x), C = vw_last_dim(x);
  const float eps = static_cast<float>(static_cast<const vw_layernorm_attr *>(c->attr)->eps);
  return vw_launch(ctx, "layernorm", layernorm_kernel<X, Y, P>, N, ROWS_PER_BLOCK, dim3(32, ROWS_PER_BLOCK), 0,
                   vw_data<Y>(&c->out[LN_Y]), vw_f32(&c->out[LN_MEAN]), vw_f32(&c->out[LN_RSTD]), vw_data<const X>(x),
                   vw_data<const P>(&c->in[LN_GAMMA]), vw_data<const P>(&c->in[LN_BETA]), eps, N, C);
}

template <typename X, typename Y, typename P> static vw_status launch_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[LNG_X];
  const int64_t N = vw_rows(x), C = vw_last_dim(x);
  return vw_launch(ctx, "layernorm_grad", layernorm_grad_kernel<X, Y, P>, N, ROWS_PER_BLOCK, dim3(32, ROWS_PER_BLOCK),
                   0, vw_data<X>(&c->out[0]), vw_data<const Y>(&c->in[LNG_DY]), vw_data<const X>(x),
                   vw_data<const P>(&c->in[LNG_GAMMA]), vw_f32(&c->in[LNG_MEAN]), vw_f32(&c->in[LNG_RSTD]), N, C);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  VW_TRY(vw_check_f32("layernorm", "statistics", &c->out[LN_MEAN]));
  return vw_with_type("layernorm", &c->in[LN_X], [&](auto x) {
    return vw_with_type("layernorm", &c->out[LN_Y], [&](auto y) {
      return vw_with_type("layernorm", &c->in[LN_GAMMA],
                          [&](auto p) { return launch<decltype(x), decltype(y), decltype(p)>(ctx, c); });
    });
  });
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  VW_TRY(vw_check_f32("layernorm_grad", "statistics", &c->in[LNG_MEAN]));
  return vw_with_type("layernorm_grad", &c->in[LNG_X], [&](auto x) {
    return vw_with_type("layernorm_grad", &c->in[LNG_DY], [&](auto y) {
      return vw_with_type("layernorm_grad", &c->in[LNG_GAMMA],
                          [&](auto p) { return launch_grad<decltype(x), decltype(y), decltype(p)>(ctx, c); });
    });
  });
}

/* const has internal linkage in C++ unless declared so */
extern "C" const vw_kernel layernorm_cuda = {run, nullptr, nullptr, nullptr};
extern "C" const vw_kernel layernorm_grad_cuda = {run_grad, nullptr, nullptr, nullptr};
