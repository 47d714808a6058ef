#include "kernels/picture_logits.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const double scale = ((const vw_picture_logits_attr *)c->attr)->scale;
  const int64_t B = c->in[PLOGITS_PICTURE].dim[0], S = c->in[PLOGITS_PICTURE].dim[1], C = c->in[PLOGITS_Q].dim[1];
  const double *q = vw_f64(&c->in[PLOGITS_Q]), *features = vw_f64(&c->in[PLOGITS_FEATURES]);
  const int32_t *picture = vw_i32(&c->in[PLOGITS_PICTURE]);
  double *z = vw_f64(&c->out[0]);

  for (int64_t i = 0; i < B * S; i++) {
    const double *a = q + i / S * C, *f = features + picture[i] * C;
    double sum = 0;
    for (int64_t k = 0; k < C; k++) sum += a[k] * f[k];
    z[i] = scale * sum;
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const double scale = ((const vw_picture_logits_attr *)c->attr)->scale;
  const int64_t B = c->in[PLOGITSG_DZ].dim[0], S = c->in[PLOGITSG_DZ].dim[1], C = c->out[0].dim[1];
  const double *dz = vw_f64(&c->in[PLOGITSG_DZ]), *features = vw_f64(&c->in[PLOGITSG_FEATURES]);
  const int32_t *picture = vw_i32(&c->in[PLOGITSG_PICTURE]);
  double *dq = vw_f64(&c->out[0]);

  for (int64_t b = 0; b < B; b++)
    for (int64_t k = 0; k < C; k++) {
      double sum = 0;
      for (int64_t s = 0; s < S; s++) sum += dz[b * S + s] * features[picture[b * S + s] * C + k];
      dq[b * C + k] = scale * sum;
    }
  return VW_OK;
}

const vw_kernel picture_logits_ref = {.run = run}, picture_logits_grad_ref = {.run = run_grad};
