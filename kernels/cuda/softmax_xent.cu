/* softmax_xent and its gradient: loss = lse - z[label], dz = dloss (exp(z - lse) - [label]). Forward one warp a row,
 * two passes (largest, sum) in fixed order; gradient a thread an element. Traffic: z read twice, dz written once. */
#include "kernels/softmax_xent.h"

#include "kernels/cuda/device.cuh"

enum { ROWS_PER_BLOCK = 8, THREADS = 256 };

__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    softmax_xent_kernel(float *__restrict__ loss, float *__restrict__ lse, const float *__restrict__ z,
                        const int32_t *__restrict__ label, int64_t N, int64_t C) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (row >= N) return;
  float largest = -INFINITY, sum = 0;
  for (int64_t c = threadIdx.x; c < C; c += 32) largest = fmaxf(largest, z[row * C + c]);
  largest = vw_warp_max(largest);
  for (int64_t c = threadIdx.x; c < C; c += 32) sum += expf(z[row * C + c] - largest);
  sum = vw_warp_sum(sum);
  if (threadIdx.x != 0) return;
  lse[row] = largest + logf(sum);
  loss[row] = (largest - z[row * C + label[row]]) + logf(sum);
}

__global__ static void __launch_bounds__(THREADS)
    softmax_xent_grad_kernel(float *__restrict__ dz, const float *__restrict__ dloss, const float *__restrict__ z,
                             const int32_t *__restrict__ label, const float *__restrict__ lse, int64_t n, int64_t C) {
  const int64_t i = vw_thread(), row = i / C;
  if (i < n) dz[i] = dloss[row] * (expf(z[i] - lse[row]) - (i % C == label[row] ? 1.0f : 0.0f));
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *z = &c->in[XENT_Z];
  VW_TRY(vw_check_f32("softmax_xent", "logits", z));
  VW_TRY(vw_check_f32("softmax_xent", "losses", &c->out[XENT_LOSS]));
  VW_TRY(vw_check_f32("softmax_xent", "log-sum-exps", &c->out[XENT_LSE]));
  return vw_launch(ctx, "softmax_xent", softmax_xent_kernel, z->dim[0], ROWS_PER_BLOCK, dim3(32, ROWS_PER_BLOCK), 0,
                   vw_f32(&c->out[XENT_LOSS]), vw_f32(&c->out[XENT_LSE]), vw_f32(z), vw_i32(&c->in[XENT_LABEL]),
                   z->dim[0], z->dim[1]);
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *z = &c->in[XENTG_Z];
  VW_TRY(vw_check_f32("softmax_xent_grad", "logits", z));
  VW_TRY(vw_check_f32("softmax_xent_grad", "gradients", &c->in[XENTG_DLOSS]));
  VW_TRY(vw_check_f32("softmax_xent_grad", "log-sum-exps", &c->in[XENTG_LSE]));
  VW_TRY(vw_check_f32("softmax_xent_grad", "gradients", &c->out[0]));
  return vw_launch(ctx, "softmax_xent_grad", softmax_xent_grad_kernel, vw_count(z), THREADS, THREADS, 0,
                   vw_f32(&c->out[0]), vw_f32(&c->in[XENTG_DLOSS]), vw_f32(z), vw_i32(&c->in[XENTG_LABEL]),
                   vw_f32(&c->in[XENTG_LSE]), vw_count(z), z->dim[1]);
}

extern "C" const vw_kernel softmax_xent_cuda = {run, nullptr, nullptr, nullptr};
extern "C" const vw_kernel softmax_xent_grad_cuda = {run_grad, nullptr, nullptr, nullptr};
