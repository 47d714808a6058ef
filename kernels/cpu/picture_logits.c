/* Gathered dot products: B S C multiply-adds over rows that lie anywhere in the feature table, so memory decides and a
 * GEMM would not help. Parallel over rows of q; sums in 16 lanes, then lane 0..15: the same bits for any threads. */
#include "kernels/picture_logits.h"

#include <string.h>

enum { LANES = 16 };

static float dot(const float *restrict a, const float *restrict b, int64_t n) {
  float lane[LANES] = {0}, sum = 0;
  int64_t k = 0;
  for (; k + LANES <= n; k += LANES)
    for (int j = 0; j < LANES; j++) lane[j] += a[k + j] * b[k + j];
  for (int j = 0; k < n; k++, j++) lane[j] += a[k] * b[k];
  for (int j = 0; j < LANES; j++) sum += lane[j];
  return sum;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const float scale = (float)((const vw_picture_logits_attr *)c->attr)->scale;
  const int64_t B = c->in[PLOGITS_PICTURE].dim[0], S = c->in[PLOGITS_PICTURE].dim[1], C = c->in[PLOGITS_Q].dim[1];
  const float *q = vw_f32(&c->in[PLOGITS_Q]), *features = vw_f32(&c->in[PLOGITS_FEATURES]);
  const int32_t *picture = vw_i32(&c->in[PLOGITS_PICTURE]);
  float *z = vw_f32(&c->out[0]);

#pragma omp parallel for schedule(static) num_threads(ctx->threads)
  for (int64_t b = 0; b < B; b++)
    for (int64_t s = 0; s < S; s++) z[b * S + s] = scale * dot(q + b * C, features + picture[b * S + s] * C, C);
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const float scale = (float)((const vw_picture_logits_attr *)c->attr)->scale;
  const int64_t B = c->in[PLOGITSG_DZ].dim[0], S = c->in[PLOGITSG_DZ].dim[1], C = c->out[0].dim[1];
  const float *dz = vw_f32(&c->in[PLOGITSG_DZ]), *features = vw_f32(&c->in[PLOGITSG_FEATURES]);
  const int32_t *picture = vw_i32(&c->in[PLOGITSG_PICTURE]);
  float *dq = vw_f32(&c->out[0]);

#pragma omp parallel for schedule(static) num_threads(ctx->threads)
  for (int64_t b = 0; b < B; b++) {
    float *restrict d = dq + b * C;
    memset(d, 0, (size_t)C * sizeof *d);
    for (int64_t s = 0; s < S; s++) {
      const float w = scale * dz[b * S + s];
      const float *restrict f = features + picture[b * S + s] * C;
      for (int64_t k = 0; k < C; k++) d[k] += w * f[k];
    }
  }
  return VW_OK;
}

const vw_kernel picture_logits_cpu = {.run = run}, picture_logits_grad_cpu = {.run = run_grad};
