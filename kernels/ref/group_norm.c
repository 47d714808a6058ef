/* group_norm and its gradient, by definition: plain double loops, a group at a time.
 *
 *   xh = (x - mean) rstd;  h = gamma xh + beta;  y = h or h sigmoid(h)
 *   g = gamma dy act'(h);  dx = rstd (g - avg(g) - xh avg(g xh)) */
#include "kernels/group_norm.h"

#include <math.h>

/* Of one group: rows of D neighbouring channels, C apart. */
typedef struct group {
  int64_t S, C, D, at; /* at: of its first element */
} group;

static group group_of(const vw_tensor *x, int64_t G, int64_t b, int64_t i) {
  const int64_t C = vw_last_dim(x), S = vw_count(x) / (x->dim[0] * C);
  return (group){S, C, C / G, b * S * C + i * (C / G)};
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_group_norm_attr *a = c->attr;
  const double *x = vw_f64(&c->in[GN_X]), *gamma = vw_f64(&c->in[GN_GAMMA]), *beta = vw_f64(&c->in[GN_BETA]);
  double *y = vw_f64(&c->out[GN_Y]);
  if (vw_count(&c->in[GN_X]) == 0) return VW_OK;
  for (int64_t i = 0; i < c->in[GN_X].dim[0] * a->groups; i++) {
    const int64_t first = i % a->groups;
    const group g = group_of(&c->in[GN_X], a->groups, i / a->groups, first);
    double mean = 0, var = 0;
    for (int64_t s = 0; s < g.S; s++)
      for (int64_t d = 0; d < g.D; d++) mean += x[g.at + s * g.C + d];
    mean /= (double)(g.S * g.D);
    for (int64_t s = 0; s < g.S; s++)
      for (int64_t d = 0; d < g.D; d++) var += pow(x[g.at + s * g.C + d] - mean, 2);
    const double rstd = 1 / sqrt(var / (double)(g.S * g.D) + a->eps);
    for (int64_t s = 0; s < g.S; s++)
      for (int64_t d = 0; d < g.D; d++) {
        const int64_t at = g.at + s * g.C + d, channel = first * g.D + d;
        const double h = gamma[channel] * (x[at] - mean) * rstd + beta[channel];
        y[at] = a->silu ? h / (1 + exp(-h)) : h;
      }
    vw_f64(&c->out[GN_MEAN])[i] = mean, vw_f64(&c->out[GN_RSTD])[i] = rstd;
  }
  return VW_OK;
}

/* gamma dy act'(h) of one element. */
static double scaled(const vw_call *c, int64_t at, int64_t channel, double xh) {
  const double gamma = vw_f64(&c->in[GNG_GAMMA])[channel], dy = vw_f64(&c->in[GNG_DY])[at];
  if (!((const vw_group_norm_attr *)c->attr)->silu) return gamma * dy;
  const double h = gamma * xh + vw_f64(&c->in[GNG_BETA])[channel], s = 1 / (1 + exp(-h));
  return gamma * dy * s * (1 + h * (1 - s));
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t G = ((const vw_group_norm_attr *)c->attr)->groups;
  const double *x = vw_f64(&c->in[GNG_X]);
  if (vw_count(&c->in[GNG_X]) == 0) return VW_OK;
  for (int64_t i = 0; i < c->in[GNG_X].dim[0] * G; i++) {
    const int64_t first = i % G;
    const group g = group_of(&c->in[GNG_X], G, i / G, first);
    const double mean = vw_f64(&c->in[GNG_MEAN])[i], rstd = vw_f64(&c->in[GNG_RSTD])[i], n = (double)(g.S * g.D);
    double avg_g = 0, avg_gx = 0;
    for (int64_t s = 0; s < g.S; s++)
      for (int64_t d = 0; d < g.D; d++) {
        const int64_t at = g.at + s * g.C + d;
        const double xh = (x[at] - mean) * rstd, one = scaled(c, at, first * g.D + d, xh);
        avg_g += one / n, avg_gx += one * xh / n;
      }
    for (int64_t s = 0; s < g.S; s++)
      for (int64_t d = 0; d < g.D; d++) {
        const int64_t at = g.at + s * g.C + d;
        const double xh = (x[at] - mean) * rstd;
        vw_f64(&c->out[0])[at] = rstd * (scaled(c, at, first * g.D + d, xh) - avg_g - xh * avg_gx);
      }
  }
  return VW_OK;
}

const vw_kernel group_norm_ref = {.run = run}, group_norm_grad_ref = {.run = run_grad};
