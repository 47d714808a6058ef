#include "kernels/group_norm.h"

#include <inttypes.h>

static vw_status check(const char *op, const vw_tensor *x, const vw_tensor *gamma, const vw_tensor *beta, int64_t G) {
  const int64_t C = vw_last_dim(x);
  VW_CHECK(x->ndim >= 2, VW_ERR_ARG, "%s: x is %s, expected [B, S.., C]", op, vw_shape_text(x));
  VW_CHECK(G > 0 && C > 0 && C % G == 0, VW_ERR_ARG, "%s: x is %s, C is not a multiple of %" PRId64 " groups", op,
           vw_shape_text(x), G);
  VW_CHECK(vw_is_vector(gamma, C) && vw_is_vector(beta, C), VW_ERR_ARG, "%s: gamma is %s and beta %s, x has C=%" PRId64,
           op, vw_shape_text(gamma), vw_shape_text(beta), C);
  return VW_OK;
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_group_norm_attr *a = attr;
  const vw_tensor *x = &in[GN_X];
  VW_TRY(check("group_norm", x, &in[GN_GAMMA], &in[GN_BETA], a->groups));
  out[GN_Y] = vw_shape_of(VW_ACT, x->ndim, x->dim);
  out[GN_MEAN] = out[GN_RSTD] = vw_shape(VW_STAT, x->dim[0], a->groups);
  return VW_OK;
}

/* Frozen gamma and beta: only dx is ever asked for. */
static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[GN_Y] == VW_NONE || !vw_wanted(g, n, GN_X)) return VW_OK;
  return vw_emit(g, &vw_group_norm_grad_op, n->attr,
                 (vw_value[]){dy[GN_Y], n->in[GN_X], n->in[GN_GAMMA], n->in[GN_BETA], n->out[GN_MEAN], n->out[GN_RSTD]},
                 &dx[GN_X]);
}

/* Two sums (x, (x - mean)^2: 4), the affine form (3), SiLU (4). */
static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)out;
  return (((const vw_group_norm_attr *)attr)->silu ? 11.0 : 7.0) * (double)vw_count(&in[GN_X]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_group_norm_attr *a = attr;
  const vw_tensor *x = &in[GNG_X];
  VW_TRY(check("group_norm_grad", x, &in[GNG_GAMMA], &in[GNG_BETA], a->groups));
  const vw_tensor stat = vw_shape(VW_STAT, x->dim[0], a->groups);
  VW_CHECK(vw_same_shape(&in[GNG_DY], x), VW_ERR_ARG, "group_norm_grad: dy is %s, x is %s", vw_shape_text(&in[GNG_DY]),
           vw_shape_text(x));
  VW_CHECK(vw_same_shape(&in[GNG_MEAN], &stat) && vw_same_shape(&in[GNG_RSTD], &stat), VW_ERR_ARG,
           "group_norm_grad: mean is %s and rstd %s, expected %s", vw_shape_text(&in[GNG_MEAN]),
           vw_shape_text(&in[GNG_RSTD]), vw_shape_text(&stat));
  out[0] = vw_shape_of(x->dtype, x->ndim, x->dim);
  return VW_OK;
}

static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)out;
  return (((const vw_group_norm_attr *)attr)->silu ? 30.0 : 13.0) * (double)vw_count(&in[GNG_X]);
}

const vw_op vw_group_norm_op = {.name = "group_norm",
                                .id = VW_OP_group_norm,
                                .n_in = 3,
                                .n_out = 3,
                                .attr_size = sizeof(vw_group_norm_attr),
                                .infer = infer,
                                .gradient = gradient,
                                .flops = flops};

const vw_op vw_group_norm_grad_op = {.name = "group_norm_grad",
                                     .id = VW_OP_group_norm_grad,
                                     .n_in = 6,
                                     .n_out = 1,
                                     .attr_size = sizeof(vw_group_norm_attr),
                                     .infer = infer_grad,
                                     .flops = flops_grad};

vw_value vw_group_norm(vw_graph *g, vw_value x, vw_group_norm_weights w, int64_t groups, double eps, bool silu) {
  const vw_group_norm_attr attr = {groups, eps, silu};
  vw_value out[3] = {VW_NONE, VW_NONE, VW_NONE};
  (void)vw_emit(g, &vw_group_norm_op, &attr, (vw_value[]){x, w.gamma, w.beta}, out);
  return out[GN_Y];
}
