/* picture_logits and its gradient: z[b,s] = scale q[b] . f[picture[b,s]];  dq[b] = scale sum_s dz[b,s] f[picture[b,s]].
 * Forward one warp a logit; gradient a thread a channel, s in order: no atomics. Traffic: B S rows of features, from L2
 * where pictures repeat. */
#include "kernels/picture_logits.h"

#include "kernels/cuda/device.cuh"

enum { ROWS_PER_BLOCK = 8, THREADS = 256 };

__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    picture_logits_kernel(float *__restrict__ z, const float *__restrict__ q, const float *__restrict__ features,
                          const int32_t *__restrict__ picture, float scale, int64_t n, int64_t S, int64_t C) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (i >= n) return;
  const float *a = q + i / S * C, *f = features + picture[i] * C;
  float sum = 0;
  for (int64_t c = threadIdx.x; c < C; c += 32) sum += a[c] * f[c];
  sum = vw_warp_sum(sum);
  if (threadIdx.x == 0) z[i] = scale * sum;
}

__global__ static void __launch_bounds__(THREADS)
    picture_logits_grad_kernel(float *__restrict__ dq, const float *__restrict__ dz, const float *__restrict__ features,
                               const int32_t *__restrict__ picture, float scale, int64_t n, int64_t S, int64_t C) {
  const int64_t i = vw_thread(), b = i / C, c = i % C;
  if (i >= n) return;
  float sum = 0;
  for (int64_t s = 0; s < S; s++) sum += dz[b * S + s] * features[picture[b * S + s] * C + c];
  dq[i] = scale * sum;
}

static float scale_of(const vw_call *c) {
  return static_cast<float>(static_cast<const vw_picture_logits_attr *>(c->attr)->scale);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *picture = &c->in[PLOGITS_PICTURE];
  const int64_t n = vw_count(picture);
  VW_TRY(vw_check_f32("picture_logits", "queries", &c->in[PLOGITS_Q]));
  VW_TRY(vw_check_f32("picture_logits", "features", &c->in[PLOGITS_FEATURES]));
  VW_TRY(vw_check_f32("picture_logits", "logits", &c->out[0]));
  return vw_launch(ctx, "picture_logits", picture_logits_kernel, n, ROWS_PER_BLOCK, dim3(32, ROWS_PER_BLOCK), 0,
                   vw_f32(&c->out[0]), vw_f32(&c->in[PLOGITS_Q]), vw_f32(&c->in[PLOGITS_FEATURES]), vw_i32(picture),
                   scale_of(c), n, picture->dim[1], c->in[PLOGITS_Q].dim[1]);
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *dq = &c->out[0];
  VW_TRY(vw_check_f32("picture_logits_grad", "gradients", dq));
  VW_TRY(vw_check_f32("picture_logits_grad", "features", &c->in[PLOGITSG_FEATURES]));
  VW_TRY(vw_check_f32("picture_logits_grad", "gradients", &c->in[PLOGITSG_DZ]));
  return vw_launch(ctx, "picture_logits_grad", picture_logits_grad_kernel, vw_count(dq), THREADS, THREADS, 0,
                   vw_f32(dq), vw_f32(&c->in[PLOGITSG_DZ]), vw_f32(&c->in[PLOGITSG_FEATURES]),
                   vw_i32(&c->in[PLOGITSG_PICTURE]), scale_of(c), vw_count(dq), c->in[PLOGITSG_DZ].dim[1], dq->dim[1]);
}

extern "C" const vw_kernel picture_logits_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel picture_logits_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
