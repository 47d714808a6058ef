/* conv2d by definition, its gradient as the adjoint: both walk over the same terms. */
#include "kernels/conv2d.h"

typedef struct geometry {
  int64_t B, H, W, C, Ho, Wo, O, K;
  const vw_conv2d_attr *a;
} geometry;

static geometry geometry_of(const vw_tensor *x, const vw_tensor *y, const vw_tensor *w, const vw_conv2d_attr *a) {
  return (geometry){x->dim[0], x->dim[1], x->dim[2], x->dim[3], y->dim[1], y->dim[2], y->dim[3], w->dim[2], a};
}

/* Where output (i, j) reads tap (u, v) of picture b: the index of its first channel, -1 in the padding. */
static int64_t read_at(const geometry *g, int64_t b, int64_t i, int64_t j, int64_t u, int64_t v) {
  const int64_t h = g->a->stride * i + u - g->a->padding.top, w = g->a->stride * j + v - g->a->padding.left;
  return h < 0 || h >= g->H || w < 0 || w >= g->W ? -1 : ((b * g->H + h) * g->W + w) * g->C;
}

/* Adds for one output position all terms to y, or to dx. */
static void position(const geometry *g, const double *weight, int64_t b, int64_t i, int64_t j, const double *x,
                     double *y, const double *dy, double *dx) {
  for (int64_t u = 0; u < g->K; u++)
    for (int64_t v = 0; v < g->K; v++) {
      const int64_t at = read_at(g, b, i, j, u, v);
      for (int64_t o = 0; o < g->O && at >= 0; o++)
        for (int64_t c = 0; c < g->C; c++) {
          const double w = weight[((o * g->C + c) * g->K + u) * g->K + v];
          if (y)
            y[o] += w * x[at + c];
          else
            dx[at + c] += w * dy[o];
        }
    }
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const geometry g = geometry_of(&c->in[CONV_X], &c->out[0], &c->in[CONV_WEIGHT], c->attr);
  const double *bias = vw_f64(&c->in[CONV_BIAS]), *shift = vw_f64(&c->in[CONV_SHIFT]);
  const double *residual = vw_f64(&c->in[CONV_RESIDUAL]);
  for (int64_t n = 0; n < g.B * g.Ho * g.Wo; n++) {
    const int64_t b = n / (g.Ho * g.Wo);
    double *y = vw_f64(&c->out[0]) + n * g.O;
    for (int64_t o = 0; o < g.O; o++) {
      y[o] = bias ? bias[o] : 0;
      if (shift) y[o] += shift[b * g.O + o];
      if (residual) y[o] += residual[n * g.O + o];
    }
    position(&g, vw_f64(&c->in[CONV_WEIGHT]), b, n / g.Wo % g.Ho, n % g.Wo, vw_f64(&c->in[CONV_X]), y, NULL, NULL);
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const geometry g = geometry_of(&c->out[0], &c->in[CONV_GRAD_DY], &c->in[CONV_GRAD_WEIGHT], c->attr);
  for (int64_t i = 0; i < vw_count(&c->out[0]); i++) vw_f64(&c->out[0])[i] = 0;
  for (int64_t n = 0; n < g.B * g.Ho * g.Wo; n++)
    position(&g, vw_f64(&c->in[CONV_GRAD_WEIGHT]), n / (g.Ho * g.Wo), n / g.Wo % g.Ho, n % g.Wo, NULL, NULL,
             vw_f64(&c->in[CONV_GRAD_DY]) + n * g.O, vw_f64(&c->out[0]));
  return VW_OK;
}

const vw_kernel conv2d_ref = {.run = run}, conv2d_grad_ref = {.run = run_grad};
