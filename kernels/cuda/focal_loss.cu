/* focal_loss and its gradient (contract: kernels/focal_loss.h). Forward a block a word: its threads take patches in
 * turn, their sums are added in the order of warps; gradient a thread a logit. Traffic: z once, 4 bytes a patch of
 * `matched` from L2. */
#include "kernels/focal_loss.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256, WARPS = THREADS / 32 };

struct focal_table {
  const int32_t *picture, *matched, *boxes, *batch;
  int64_t each, S, N, A; /* words of a row of pictures */
  float alpha;
  bool own; /* matched is each word's own */
};

/* What is divided by: the matched boxes of a row's batch, at least one. */
__device__ static float boxes_of(const focal_table &t, int64_t g) {
  int64_t n = 0;
  for (int64_t a = 0; a < t.A; a++) n += t.boxes[t.batch[g * t.A + a]];
  return n > 1 ? static_cast<float>(n) : 1.0f;
}

/* Logit i of word k. */
__device__ static bool is_matched(const focal_table &t, int64_t k, int64_t i) {
  const int64_t row = t.own ? k * t.S + i / t.N : t.picture[k / t.each * t.S + i / t.N];
  return t.matched[row * t.N + i % t.N] != 0;
}

__device__ static float softplus_of(float y, float e) {
  return fmaxf(y, 0.0f) + log1pf(e);
}

__global__ static void __launch_bounds__(THREADS)
    focal_loss_kernel(float *__restrict__ loss, const float *__restrict__ z, focal_table t) {
  __shared__ float sums[WARPS];
  const int64_t k = blockIdx.x, g = k / t.each, n = t.S * t.N;
  float sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += THREADS) {
    const bool matched = is_matched(t, k, i);
    const float y = matched ? -z[k * n + i] : z[k * n + i], a = matched ? t.alpha : 1.0f - t.alpha;
    const float e = expf(-fabsf(y)), p = (y >= 0 ? 1.0f : e) / (1.0f + e);
    sum += a * p * p * softplus_of(y, e);
  }
  sum = vw_warp_sum(sum);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  float all = 0;
  for (int w = 0; w < WARPS; w++) all += sums[w];
  loss[k] = all / boxes_of(t, g);
}

__global__ static void __launch_bounds__(THREADS)
    focal_loss_grad_kernel(float *__restrict__ dz, const float *__restrict__ dloss, const float *__restrict__ z,
                           focal_table t, int64_t all) {
  const int64_t i = vw_thread(), n = t.S * t.N;
  if (i >= all) return;
  const int64_t k = i / n, g = k / t.each;
  const bool matched = is_matched(t, k, i % n);
  const float y = matched ? -z[i] : z[i], a = matched ? -t.alpha : 1.0f - t.alpha;
  const float e = expf(-fabsf(y)), p = (y >= 0 ? 1.0f : e) / (1.0f + e), q = (y >= 0 ? e : 1.0f) / (1.0f + e);
  dz[i] = dloss[k] / boxes_of(t, g) * a * p * p * (2.0f * q * softplus_of(y, e) + p);
}

/* in[0] is z. */
static focal_table table_of(const vw_call *c, const vw_tensor *in) {
  const vw_tensor *z = &in[FOCAL_Z];
  return {vw_i32(&in[FOCAL_PICTURE]),
          vw_i32(&in[FOCAL_MATCHED]),
          vw_i32(&in[FOCAL_BOXES]),
          vw_i32(&in[FOCAL_BATCH]),
          z->dim[0] / in[FOCAL_PICTURE].dim[0],
          z->dim[1],
          z->dim[2],
          in[FOCAL_BATCH].dim[1],
          static_cast<float>(static_cast<const vw_focal_loss_attr *>(c->attr)->alpha),
          in[FOCAL_MATCHED].ndim == 3};
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  VW_TRY(vw_check_f32("focal_loss", "logits", &c->in[FOCAL_Z]));
  VW_TRY(vw_check_f32("focal_loss", "losses", &c->out[0]));
  return vw_launch(ctx, "focal_loss", focal_loss_kernel, vw_count(&c->out[0]), 1, THREADS, 0, vw_f32(&c->out[0]),
                   vw_f32(&c->in[FOCAL_Z]), table_of(c, c->in));
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  VW_TRY(vw_check_f32("focal_loss_grad", "logits", &c->in[FOCALG_Z]));
  VW_TRY(vw_check_f32("focal_loss_grad", "gradients", &c->in[FOCALG_DLOSS]));
  VW_TRY(vw_check_f32("focal_loss_grad", "gradients", &c->out[0]));
  return vw_launch(ctx, "focal_loss_grad", focal_loss_grad_kernel, vw_count(&c->out[0]), THREADS, THREADS, 0,
                   vw_f32(&c->out[0]), vw_f32(&c->in[FOCALG_DLOSS]), vw_f32(&c->in[FOCALG_Z]),
                   table_of(c, c->in + FOCALG_Z), vw_count(&c->out[0]));
}

extern "C" const vw_kernel focal_loss_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel focal_loss_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
