#include "kernels/l2norm.h"

static vw_tensor row_statistic(const vw_tensor *x) {
  return x->ndim > 1 ? vw_shape_of(VW_STAT, x->ndim - 1, x->dim) : vw_shape(VW_STAT, 1);
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *x = &in[L2_X];
  VW_CHECK(vw_present(x), VW_ERR_ARG, "l2norm: x is %s, expected [.., C]", vw_shape_text(x));
  out[L2_Y] = vw_shape_of(VW_HEAD, x->ndim, x->dim);
  out[L2_RNORM] = row_statistic(x);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[L2_Y] == VW_NONE || !vw_wanted(g, n, L2_X)) return VW_OK;
  return vw_emit(g, &vw_l2norm_grad_op, NULL, (vw_value[]){dy[L2_Y], n->out[L2_Y], n->out[L2_RNORM]}, &dx[L2_X]);
}

static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 3.0 * (double)vw_count(&in[L2_X]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *y = &in[L2G_Y];
  const vw_tensor stat = row_statistic(y);
  VW_CHECK(vw_same_shape(&in[L2G_DY], y), VW_ERR_ARG, "l2norm_grad: dy is %s, y is %s", vw_shape_text(&in[L2G_DY]),
           vw_shape_text(y));
  VW_CHECK(vw_same_shape(&in[L2G_RNORM], &stat), VW_ERR_ARG, "l2norm_grad: rnorm is %s, y is %s",
           vw_shape_text(&in[L2G_RNORM]), vw_shape_text(y));
  out[0] = vw_shape_of(VW_HEAD, y->ndim, y->dim);
  return VW_OK;
}

static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 5.0 * (double)vw_count(&in[L2G_Y]);
}

const vw_op vw_l2norm_op = {
    .name = "l2norm", .id = VW_OP_l2norm, .n_in = 1, .n_out = 2, .infer = infer, .gradient = gradient, .flops = flops};

const vw_op vw_l2norm_grad_op = {
    .name = "l2norm_grad", .id = VW_OP_l2norm_grad, .n_in = 3, .n_out = 1, .infer = infer_grad, .flops = flops_grad};

vw_value vw_l2norm(vw_graph *g, vw_value x) {
  vw_value out[2] = {VW_NONE, VW_NONE};
  (void)vw_emit(g, &vw_l2norm_op, NULL, &x, out);
  return out[L2_Y];
}
