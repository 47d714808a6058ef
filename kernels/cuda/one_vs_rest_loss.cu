/* one_vs_rest_loss and its gradient (contract: kernels/one_vs_rest_loss.h). With d = |rest - z|: logaddexp(rest, z) - t
 * = (max - t) + log1p(exp(-d)): nothing overflows, and a picture that is right by far keeps its small loss. Forward one
 * warp a row (fixed order), gradient a thread a picture; tables are gathered: 8 bytes a picture. */
#include "kernels/one_vs_rest_loss.h"

#include "kernels/cuda/device.cuh"

enum { ROWS_PER_BLOCK = 8, THREADS = 256 };

__device__ static float loss_of(float rest, float z, float target) {
  if (rest == z) return (z - target) + 0.69314718f; /* also where both are infinite */
  return (fmaxf(rest, z) - target) + log1pf(expf(-fabsf(rest - z)));
}

/* 1 / (1 + exp(-x)); the exponent is never positive. */
__device__ static float sigmoid(float x) {
  const float e = expf(-fabsf(x));
  return (x >= 0 ? 1.0f : e) / (1.0f + e);
}

__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    one_vs_rest_kernel(float *__restrict__ loss, const float *__restrict__ z, const int32_t *__restrict__ picture,
                       const int32_t *__restrict__ row_table, const float *__restrict__ rest,
                       const float *__restrict__ truth, vw_one_vs_rest_attr a, int64_t B, int64_t S, int64_t P) {
  const int64_t b = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (b >= B) return;
  const int64_t table = row_table[b] * P;
  float sum = 0;
  for (int64_t s = threadIdx.x; s < S; s += 32) {
    const int64_t i = b * S + s, at = table + picture[i];
    sum += loss_of(rest[at], z[i], s < a.positives ? z[i] : truth[at]);
  }
  sum = vw_warp_sum(sum);
  if (threadIdx.x == 0) loss[b] = sum / static_cast<float>(a.of);
}

__global__ static void __launch_bounds__(THREADS)
    one_vs_rest_grad_kernel(float *__restrict__ dz, const float *__restrict__ dloss, const float *__restrict__ z,
                            const int32_t *__restrict__ picture, const int32_t *__restrict__ row_table,
                            const float *__restrict__ rest, vw_one_vs_rest_attr a, int64_t B, int64_t S, int64_t P) {
  const int64_t i = vw_thread(), b = i / S;
  if (b >= B) return;
  const float r = rest[row_table[b] * P + picture[i]];
  /* sigmoid(x) - 1 as -sigmoid(-x): a small gradient keeps its digits */
  const float slope = i % S < a.positives ? -sigmoid(r - z[i]) : sigmoid(z[i] - r);
  dz[i] = dloss[b] / static_cast<float>(a.of) * slope;
}

/* With `of` as it is used. */
static vw_one_vs_rest_attr attr_of(const vw_call *c, int64_t S) {
  vw_one_vs_rest_attr a = *static_cast<const vw_one_vs_rest_attr *>(c->attr);
  if (!a.of) a.of = S;
  return a;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *z = &c->in[OVR_Z], *rest = &c->in[OVR_REST];
  VW_TRY(vw_check_f32("one_vs_rest_loss", "logits", z));
  VW_TRY(vw_check_f32("one_vs_rest_loss", "tables", rest));
  VW_TRY(vw_check_f32("one_vs_rest_loss", "tables", &c->in[OVR_TRUTH]));
  VW_TRY(vw_check_f32("one_vs_rest_loss", "losses", &c->out[0]));
  return vw_launch(ctx, "one_vs_rest_loss", one_vs_rest_kernel, z->dim[0], ROWS_PER_BLOCK, dim3(32, ROWS_PER_BLOCK), 0,
                   vw_f32(&c->out[0]), vw_f32(z), vw_i32(&c->in[OVR_PICTURE]), vw_i32(&c->in[OVR_ROW_TABLE]),
                   vw_f32(rest), vw_f32(&c->in[OVR_TRUTH]), attr_of(c, z->dim[1]), z->dim[0], z->dim[1], rest->dim[1]);
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *z = &c->in[OVRG_Z], *rest = &c->in[OVRG_REST];
  VW_TRY(vw_check_f32("one_vs_rest_loss_grad", "logits", z));
  VW_TRY(vw_check_f32("one_vs_rest_loss_grad", "tables", rest));
  VW_TRY(vw_check_f32("one_vs_rest_loss_grad", "gradients", &c->in[OVRG_DLOSS]));
  VW_TRY(vw_check_f32("one_vs_rest_loss_grad", "gradients", &c->out[0]));
  return vw_launch(ctx, "one_vs_rest_loss_grad", one_vs_rest_grad_kernel, vw_count(z), THREADS, THREADS, 0,
                   vw_f32(&c->out[0]), vw_f32(&c->in[OVRG_DLOSS]), vw_f32(z), vw_i32(&c->in[OVRG_PICTURE]),
                   vw_i32(&c->in[OVRG_ROW_TABLE]), vw_f32(rest), attr_of(c, z->dim[1]), z->dim[0], z->dim[1],
                   rest->dim[1]);
}

extern "C" const vw_kernel one_vs_rest_loss_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel one_vs_rest_loss_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
