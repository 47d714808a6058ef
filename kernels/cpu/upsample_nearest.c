/* upsample_nearest and its gradient on the CPU: a row of pixels a thread at a time. Traffic: both pictures once. */
#include "kernels/upsample_nearest.h"

#include "kernels/cpu/simd.h"
#include <string.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[0], *y = &c->out[0];
  const int64_t H = x->dim[1], W = x->dim[2], C = x->dim[3], Ho = y->dim[1], Wo = y->dim[2], rows = x->dim[0] * Ho;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t r = 0; r < rows; r++) {
    const float *from = vw_f32(x) + (r / Ho * H + r % Ho * H / Ho) * W * C;
    float *to = vw_f32(y) + r * Wo * C;
    for (int64_t j = 0; j < Wo; j++) memcpy(to + j * C, from + j * W / Wo * C, (size_t)C * sizeof *to);
  }
  return VW_OK;
}

/* The first of `large` that reads element i of `small`: the least j with j small / large >= i. */
static int64_t first_reader(int64_t i, int64_t small, int64_t large) {
  return (i * large + small - 1) / small;
}

/* dx of one pixel: rows i0..i1, columns j0..j1 of dy. */
VW_SIMD static void add_pixels(const float *dy, int64_t i0, int64_t i1, int64_t j0, int64_t j1, int64_t Wo, int64_t C,
                               float *dx) {
  memset(dx, 0, (size_t)C * sizeof *dx);
  for (int64_t i = i0; i < i1; i++)
    for (int64_t j = j0; j < j1; j++) {
      const float *from = dy + (i * Wo + j) * C;
#pragma omp simd
      for (int64_t k = 0; k < C; k++) dx[k] += from[k];
    }
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *dy = &c->in[0], *dx = &c->out[0];
  const int64_t H = dx->dim[1], W = dx->dim[2], C = dx->dim[3], Ho = dy->dim[1], Wo = dy->dim[2];
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t r = 0; r < dx->dim[0] * H; r++) {
    const int64_t h = r % H, i0 = first_reader(h, H, Ho), i1 = first_reader(h + 1, H, Ho);
    for (int64_t w = 0; w < W; w++)
      add_pixels(vw_f32(dy) + r / H * Ho * Wo * C, i0, i1, first_reader(w, W, Wo), first_reader(w + 1, W, Wo), Wo, C,
                 vw_f32(dx) + (r * W + w) * C);
  }
  return VW_OK;
}

const vw_kernel upsample_nearest_cpu = {.run = run}, upsample_nearest_grad_cpu = {.run = run_grad};
