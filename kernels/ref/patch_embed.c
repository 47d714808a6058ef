/* patch_embed, by definition: a convolution of stride P over channels-last pixels, plain double loops. */
#include "kernels/patch_embed.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_tensor *in = c->in;
  const int64_t B = c->out[0].dim[0], n = c->out[0].dim[1] - 1, D = c->out[0].dim[2];
  const int64_t P = in[PATCH_WEIGHT].dim[2], H = in[PATCH_PIXELS].dim[1], W = in[PATCH_PIXELS].dim[2];
  const double *w = vw_f64(&in[PATCH_WEIGHT]), *position = vw_f64(&in[PATCH_POSITION]);
  for (int64_t b = 0; b < B; b++) {
    const double *pixels = vw_f64(&in[PATCH_PIXELS]) + b * H * W * 3;
    double *x = vw_f64(&c->out[0]) + b * (n + 1) * D;
    for (int64_t d = 0; d < D; d++) x[d] = vw_f64(&in[PATCH_CLASS])[d] + position[d];
    for (int64_t i = 0; i < n; i++) {
      const int64_t top = i / (W / P) * P, left = i % (W / P) * P;
      for (int64_t d = 0; d < D; d++) {
        double sum = position[(1 + i) * D + d];
        for (int64_t ch = 0; ch < 3; ch++)
          for (int64_t py = 0; py < P; py++)
            for (int64_t px = 0; px < P; px++)
              sum += w[((d * 3 + ch) * P + py) * P + px] * pixels[((top + py) * W + left + px) * 3 + ch];
        x[(1 + i) * D + d] = sum;
      }
    }
  }
  return VW_OK;
}

const vw_kernel patch_embed_ref = {.run = run};
