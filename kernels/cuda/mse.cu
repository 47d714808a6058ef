/* mse and its gradient. The sum: a block of 256 threads a row, each thread its elements in order, then a fixed tree;
 * row sums go to scratch and a thread a trial adds them in row order. No atomics: the same bits in every run. Traffic:
 * both tensors read once. */
#include "kernels/mse.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256, WARPS = THREADS / 32 };

template <typename X, typename T>
__global__ static void __launch_bounds__(THREADS)
    mse_kernel(float *__restrict__ rows, const X *__restrict__ x, const T *__restrict__ target, int64_t S) {
  __shared__ float part[WARPS];
  const int64_t first = static_cast<int64_t>(blockIdx.x) * S;
  float sum = 0;
  for (int64_t i = threadIdx.x; i < S; i += THREADS) {
    const float d = vw_load(x, first + i) - vw_load(target, first + i);
    sum += d * d;
  }
  sum = vw_warp_sum(sum);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x) return;
  sum = 0;
  for (int w = 0; w < WARPS; w++) sum += part[w];
  rows[blockIdx.x] = sum;
}

__global__ static void __launch_bounds__(THREADS)
    mse_sum_kernel(float *__restrict__ loss, const float *__restrict__ rows, int64_t K, int64_t R, double count) {
  const int64_t k = vw_thread();
  if (k >= K) return;
  double sum = 0;
  for (int64_t r = 0; r < R; r++) sum += static_cast<double>(rows[k * R + r]);
  loss[k] = static_cast<float>(sum / count);
}

template <typename X, typename T>
__global__ static void __launch_bounds__(THREADS)
    mse_grad_kernel(X *__restrict__ dx, const float *__restrict__ dloss, const X *__restrict__ x,
                    const T *__restrict__ target, int64_t n, int64_t each, double count) {
  const int64_t i = vw_thread();
  if (i >= n) return;
  const float s = static_cast<float>(2 / count * static_cast<double>(dloss[i / each]));
  vw_store(dx, i, s * (vw_load(x, i) - vw_load(target, i)));
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  (void)ctx;
  c->scratch_bytes = static_cast<size_t>(c->in[MSE_X].dim[0]) * sizeof(float);
  return VW_OK;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_mse_attr *a = static_cast<const vw_mse_attr *>(c->attr);
  const vw_tensor *x = &c->in[MSE_X], *target = &c->in[MSE_TARGET];
  const int64_t B = x->dim[0], S = B ? vw_count(x) / B : 0;
  float *rows = static_cast<float *>(c->scratch);
  VW_TRY(vw_check_f32("mse", "losses", &c->out[0]));
  VW_TRY(vw_with_type("mse", x, [&](auto p) {
    return vw_with_type("mse", target, [&](auto t) {
      return vw_launch(ctx, "mse", mse_kernel<decltype(p), decltype(t)>, B, 1, THREADS, 0, rows,
                       vw_data<const decltype(p)>(x), vw_data<const decltype(t)>(target), S);
    });
  }));
  return vw_launch(ctx, "mse", mse_sum_kernel, a->trials, THREADS, THREADS, 0, vw_f32(&c->out[0]), rows, a->trials,
                   B / a->trials, vw_mse_count(x, a));
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_mse_attr *a = static_cast<const vw_mse_attr *>(c->attr);
  const vw_tensor *x = &c->in[MSEG_X], *target = &c->in[MSEG_TARGET];
  VW_TRY(vw_check_f32("mse_grad", "gradients of losses", &c->in[MSEG_DLOSS]));
  return vw_with_type("mse_grad", x, [&](auto p) {
    return vw_with_type("mse_grad", target, [&](auto t) {
      return vw_launch(ctx, "mse_grad", mse_grad_kernel<decltype(p), decltype(t)>, vw_count(x), THREADS, THREADS, 0,
                       vw_data<decltype(p)>(&c->out[0]), vw_f32(&c->in[MSEG_DLOSS]), vw_data<const decltype(p)>(x),
                       vw_data<const decltype(t)>(target), vw_count(x), vw_count(x) / a->trials, vw_mse_count(x, a));
    });
  });
}

extern "C" const vw_kernel mse_cuda = {run, measure, nullptr, nullptr, 0};
extern "C" const vw_kernel mse_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
