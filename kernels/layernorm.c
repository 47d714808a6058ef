#include "kernels/layernorm.h"

#include <inttypes.h>

/* One statistic a row: x without its last axis ([1] for a vector). */
static vw_tensor row_statistic(const vw_tensor *x) {
  return x->ndim > 1 ? vw_shape_of(VW_STAT, x->ndim - 1, x->dim) : vw_shape(VW_STAT, 1);
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_tensor *x = &in[LN_X];
  const vw_dtype role = ((const vw_layernorm_attr *)attr)->residual ? VW_RESIDUAL : VW_ACT;
  const int64_t C = vw_last_dim(x);
  VW_CHECK(vw_present(x) && C > 0, VW_ERR_ARG, "layernorm: x is %s, expected [.., C]", vw_shape_text(x));
  VW_CHECK(vw_is_vector(&in[LN_GAMMA], C), VW_ERR_ARG, "layernorm: gamma is %s, x has C=%" PRId64,
           vw_shape_text(&in[LN_GAMMA]), C);
  VW_CHECK(vw_is_vector(&in[LN_BETA], C), VW_ERR_ARG, "layernorm: beta is %s, x has C=%" PRId64,
           vw_shape_text(&in[LN_BETA]), C);
  out[LN_Y] = vw_shape_of(role, x->ndim, x->dim);
  out[LN_MEAN] = out[LN_RSTD] = row_statistic(x);
  return VW_OK;
}

/* Frozen gamma and beta: only dx is ever asked for. */
static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[LN_Y] == VW_NONE || !vw_wanted(g, n, LN_X)) return VW_OK;
  return vw_emit(g, &vw_layernorm_grad_op, n->attr,
                 (vw_value[]){dy[LN_Y], n->in[LN_X], n->in[LN_GAMMA], n->out[LN_MEAN], n->out[LN_RSTD]}, &dx[LN_X]);
}

/* Two sums (x, (x - mean)^2: 3) and the affine form (4). */
static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 8.0 * (double)vw_count(&in[LN_X]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *x = &in[LNG_X];
  const vw_tensor stat = row_statistic(x);
  VW_CHECK(vw_same_shape(&in[LNG_DY], x), VW_ERR_ARG, "layernorm_grad: dy is %s, x is %s", vw_shape_text(&in[LNG_DY]),
           vw_shape_text(x));
  VW_CHECK(vw_is_vector(&in[LNG_GAMMA], vw_last_dim(x)), VW_ERR_ARG, "layernorm_grad: gamma is %s, x is %s",
           vw_shape_text(&in[LNG_GAMMA]), vw_shape_text(x));
  VW_CHECK(vw_same_shape(&in[LNG_MEAN], &stat) && vw_same_shape(&in[LNG_RSTD], &stat), VW_ERR_ARG,
           "layernorm_grad: mean is %s and rstd %s, expected %s", vw_shape_text(&in[LNG_MEAN]),
           vw_shape_text(&in[LNG_RSTD]), vw_shape_text(&stat));
  out[0] = vw_shape_of(x->dtype, x->ndim, x->dim);
  return VW_OK;
}

static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 11.0 * (double)vw_count(&in[LNG_X]);
}

const vw_op vw_layernorm_op = {.name = "layernorm",
                               .id = VW_OP_layernorm,
                               .n_in = 3,
                               .n_out = 3,
                               .attr_size = sizeof(vw_layernorm_attr),
                               .infer = infer,
                               .gradient = gradient,
                               .flops = flops};

const vw_op vw_layernorm_grad_op = {.name = "layernorm_grad",
                                    .id = VW_OP_layernorm_grad,
                                    .n_in = 5,
                                    .n_out = 1,
                                    .attr_size = sizeof(vw_layernorm_attr),
                                    .infer = infer_grad,
                                    .flops = flops_grad};

static vw_value build(vw_graph *g, vw_value x, vw_norm_weights w, vw_layernorm_attr attr) {
  vw_value out[3] = {VW_NONE, VW_NONE, VW_NONE};
  (void)vw_emit(g, &vw_layernorm_op, &attr, (vw_value[]){x, w.gamma, w.beta}, out);
  return out[LN_Y];
}

vw_value vw_layernorm(vw_graph *g, vw_value x, vw_norm_weights w, double eps) {
  return build(g, x, w, (vw_layernorm_attr){.eps = eps});
}

vw_value vw_layernorm_residual(vw_graph *g, vw_value x, vw_norm_weights w, double eps) {
  return build(g, x, w, (vw_layernorm_attr){.eps = eps, .residual = true});
}
