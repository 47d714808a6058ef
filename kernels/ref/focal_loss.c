#include "kernels/focal_loss.h"

#include <math.h>

/* What is divided by: the matched boxes of a row's batch, at least one. */
static double boxes_of(const vw_tensor *batch, const vw_tensor *boxes, int64_t g) {
  double n = 0;
  for (int64_t a = 0; a < batch->dim[1]; a++) n += vw_i32(boxes)[vw_i32(batch)[g * batch->dim[1] + a]];
  return n > 1 ? n : 1;
}

/* f and f' in y. */
static double focal(double y, double a, double *slope) {
  const double e = exp(-fabs(y)), p = (y >= 0 ? 1 : e) / (1 + e), q = (y >= 0 ? e : 1) / (1 + e);
  const double softplus = (y > 0 ? y : 0) + log1p(e);
  *slope = a * p * p * (2 * q * softplus + p);
  return a * p * p * softplus;
}

/* in[0] is z; loss[K] or dz[K, S, N] of dloss. */
static void focal_all(const vw_call *c, const vw_tensor *in, const double *dloss, double *out) {
  const double alpha = ((const vw_focal_loss_attr *)c->attr)->alpha;
  const vw_tensor *z = &in[FOCAL_Z], *picture = &in[FOCAL_PICTURE];
  const int64_t K = z->dim[0], S = z->dim[1], N = z->dim[2], each = K / picture->dim[0];
  for (int64_t k = 0; k < K; k++) {
    const int64_t g = k / each;
    const double boxes = boxes_of(&in[FOCAL_BATCH], &in[FOCAL_BOXES], g);
    double sum = 0;
    for (int64_t i = 0; i < S * N; i++) {
      const int64_t row = in[FOCAL_MATCHED].ndim == 3 ? k * S + i / N : vw_i32(picture)[g * S + i / N];
      const bool matched = vw_i32(&in[FOCAL_MATCHED])[row * N + i % N] != 0;
      const double x = vw_f64(z)[k * S * N + i];
      double slope = 0;
      sum += focal(matched ? -x : x, matched ? alpha : 1 - alpha, &slope);
      if (dloss) out[k * S * N + i] = dloss[k] / boxes * (matched ? -slope : slope);
    }
    if (!dloss) out[k] = sum / boxes;
  }
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  focal_all(c, c->in, NULL, vw_f64(&c->out[0]));
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  focal_all(c, c->in + FOCALG_Z, vw_f64(&c->in[FOCALG_DLOSS]), vw_f64(&c->out[0]));
  return VW_OK;
}

const vw_kernel focal_loss_ref = {.run = run}, focal_loss_grad_ref = {.run = run_grad};
