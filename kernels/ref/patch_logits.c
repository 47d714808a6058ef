#include "kernels/patch_logits.h"

static double factor_of(const vw_call *c) {
  return ((const vw_patch_logits_attr *)c->attr)->factor;
}

/* The picture that word k looks at s-th. */
static int64_t seen(const vw_tensor *picture, int64_t K, int64_t k, int64_t s) {
  const int64_t G = picture->dim[0], S = picture->dim[1];
  return vw_i32(picture)[k / (K / G) * S + s];
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_tensor *z = &c->out[0];
  const int64_t K = z->dim[0], S = z->dim[1], N = z->dim[2], C = c->in[PATCHL_Q].dim[1];
  for (int64_t k = 0; k < K; k++)
    for (int64_t s = 0; s < S; s++)
      for (int64_t n = 0; n < N; n++) {
        const int64_t at = seen(&c->in[PATCHL_PICTURE], K, k, s) * N + n;
        const double *q = vw_f64(&c->in[PATCHL_Q]) + k * C, *f = vw_f64(&c->in[PATCHL_FEATURES]) + at * C;
        double sum = 0;
        for (int64_t i = 0; i < C; i++) sum += q[i] * f[i];
        vw_f64(z)[(k * S + s) * N + n] =
            (factor_of(c) * sum + vw_f64(&c->in[PATCHL_SHIFT])[at]) * vw_f64(&c->in[PATCHL_SCALE])[at];
      }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_tensor *dz = &c->in[PATCHLG_DZ];
  const int64_t K = dz->dim[0], S = dz->dim[1], N = dz->dim[2], C = c->out[0].dim[1];
  double *dq = vw_f64(&c->out[0]);
  for (int64_t i = 0; i < K * C; i++) dq[i] = 0;
  for (int64_t k = 0; k < K; k++)
    for (int64_t s = 0; s < S; s++)
      for (int64_t n = 0; n < N; n++) {
        const int64_t at = seen(&c->in[PATCHLG_PICTURE], K, k, s) * N + n;
        const double w = factor_of(c) * vw_f64(dz)[(k * S + s) * N + n] * vw_f64(&c->in[PATCHLG_SCALE])[at];
        const double *f = vw_f64(&c->in[PATCHLG_FEATURES]) + at * C;
        for (int64_t i = 0; i < C; i++) dq[k * C + i] += w * f[i];
      }
  return VW_OK;
}

const vw_kernel patch_logits_ref = {.run = run}, patch_logits_grad_ref = {.run = run_grad};
