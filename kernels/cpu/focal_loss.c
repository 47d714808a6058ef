/* focal_loss and its gradient on the CPU, a word a thread: its sum is one thread's, picture by picture, in one order. */
#include "kernels/focal_loss.h"

#include "kernels/cpu/activation.h"

/* The part of one picture; the arrays have n patches. */
VW_SIMD static float picture_loss(const float *restrict z, const int32_t *restrict matched, float alpha, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) {
    const float y = vw_select(matched[i] != 0, -z[i], z[i]), a = vw_select(matched[i] != 0, alpha, 1 - alpha);
    const float e = vw_expf(-vw_select(y < 0, -y, y)), p = vw_select(y >= 0, 1, e) / (1 + e);
    sum += a * p * p * vw_softplus(y, e);
  }
  return sum;
}

VW_SIMD static void picture_grad(const float *restrict z, const int32_t *restrict matched, float alpha, float dloss,
                                 float *restrict dz, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float y = vw_select(matched[i] != 0, -z[i], z[i]), a = vw_select(matched[i] != 0, -alpha, 1 - alpha);
    const float e = vw_expf(-vw_select(y < 0, -y, y)), p = vw_select(y >= 0, 1, e) / (1 + e);
    const float q = vw_select(y >= 0, e, 1) / (1 + e);
    dz[i] = dloss * a * p * p * (2 * q * vw_softplus(y, e) + p);
  }
}

/* What is divided by: the matched boxes of a row's batch, at least one. */
static float boxes_of(const vw_tensor *batch, const vw_tensor *boxes, int64_t g) {
  int64_t n = 0;
  for (int64_t a = 0; a < batch->dim[1]; a++) n += vw_i32(boxes)[vw_i32(batch)[g * batch->dim[1] + a]];
  return n > 1 ? (float)n : 1;
}

/* in[0] is z; loss[K] or dz[K, S, N] of dloss. */
static void focal_all(vw_context *ctx, const vw_call *c, const vw_tensor *in, const float *dloss, float *out) {
  const float alpha = (float)((const vw_focal_loss_attr *)c->attr)->alpha;
  const int64_t K = in[FOCAL_Z].dim[0], S = in[FOCAL_Z].dim[1], N = in[FOCAL_Z].dim[2];
  const int64_t each = K / in[FOCAL_PICTURE].dim[0];
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t k = 0; k < K; k++) {
    const int64_t g = k / each;
    const float boxes = boxes_of(&in[FOCAL_BATCH], &in[FOCAL_BOXES], g);
    float sum = 0;
    for (int64_t s = 0; s < S; s++) {
      const int64_t row = in[FOCAL_MATCHED].ndim == 3 ? k * S + s : vw_i32(&in[FOCAL_PICTURE])[g * S + s];
      const int32_t *matched = vw_i32(&in[FOCAL_MATCHED]) + row * N;
      const float *z = vw_f32(&in[FOCAL_Z]) + (k * S + s) * N;
      if (dloss)
        picture_grad(z, matched, alpha, dloss[k] / boxes, out + (k * S + s) * N, N);
      else
        sum += picture_loss(z, matched, alpha, N);
    }
    if (!dloss) out[k] = sum / boxes;
  }
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  focal_all(ctx, c, c->in, NULL, vw_f32(&c->out[0]));
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  focal_all(ctx, c, c->in + FOCALG_Z, vw_f32(&c->in[FOCALG_DLOSS]), vw_f32(&c->out[0]));
  return VW_OK;
}

const vw_kernel focal_loss_cpu = {.run = run}, focal_loss_grad_cpu = {.run = run_grad};
