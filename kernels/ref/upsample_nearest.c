/* upsample_nearest by definition, its gradient as the adjoint: every element of dy is added to what it was read from.
 */
#include "kernels/upsample_nearest.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_tensor *x = &c->in[0], *y = &c->out[0];
  const int64_t H = x->dim[1], W = x->dim[2], C = x->dim[3], Ho = y->dim[1], Wo = y->dim[2];
  for (int64_t b = 0; b < x->dim[0]; b++)
    for (int64_t i = 0; i < Ho; i++)
      for (int64_t j = 0; j < Wo; j++)
        for (int64_t k = 0; k < C; k++)
          vw_f64(y)[((b * Ho + i) * Wo + j) * C + k] = vw_f64(x)[((b * H + i * H / Ho) * W + j * W / Wo) * C + k];
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_tensor *dy = &c->in[0], *dx = &c->out[0];
  const int64_t H = dx->dim[1], W = dx->dim[2], C = dx->dim[3], Ho = dy->dim[1], Wo = dy->dim[2];
  for (int64_t i = 0; i < vw_count(dx); i++) vw_f64(dx)[i] = 0;
  for (int64_t b = 0; b < dx->dim[0]; b++)
    for (int64_t i = 0; i < Ho; i++)
      for (int64_t j = 0; j < Wo; j++)
        for (int64_t k = 0; k < C; k++)
          vw_f64(dx)[((b * H + i * H / Ho) * W + j * W / Wo) * C + k] += vw_f64(dy)[((b * Ho + i) * Wo + j) * C + k];
  return VW_OK;
}

const vw_kernel upsample_nearest_ref = {.run = run}, upsample_nearest_grad_ref = {.run = run_grad};
