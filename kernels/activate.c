#include "kernels/activate.h"

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_activation act = ((const vw_activate_attr *)attr)->act;
  VW_CHECK(act == VW_ACT_SILU || act == VW_ACT_GELU || act == VW_ACT_QUICK_GELU, VW_ERR_ARG,
           "activate: %d is no activation", (int)act);
  VW_CHECK(vw_present(&in[0]), VW_ERR_ARG, "activate: x has no elements");
  out[0] = vw_shape_of(VW_ACT, in[0].ndim, in[0].dim);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[0] == VW_NONE || !vw_wanted(g, n, 0)) return VW_OK;
  return vw_emit(g, &vw_activate_grad_op, n->attr, (vw_value[]){dy[0], n->in[0]}, &dx[0]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *dy = &in[ACTIVATE_GRAD_DY], *x = &in[ACTIVATE_GRAD_X];
  VW_CHECK(vw_same_shape(dy, x), VW_ERR_ARG, "activate_grad: dy is %s, x is %s", vw_shape_text(dy), vw_shape_text(x));
  out[0] = vw_shape_of(x->dtype, x->ndim, x->dim);
  return VW_OK;
}

static vw_status infer_geglu(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  VW_CHECK(vw_present(&in[0]) && vw_last_dim(&in[0]) % 2 == 0, VW_ERR_ARG, "geglu: x is %s, expected [.., 2C]",
           vw_shape_text(&in[0]));
  out[0] = vw_shape_of(VW_ACT, in[0].ndim, in[0].dim);
  out[0].dim[in[0].ndim - 1] /= 2;
  return VW_OK;
}

static vw_status gradient_geglu(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[0] == VW_NONE || !vw_wanted(g, n, 0)) return VW_OK;
  return vw_emit(g, &vw_geglu_grad_op, NULL, (vw_value[]){dy[0], n->in[0]}, &dx[0]);
}

static vw_status infer_geglu_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *dy = &in[ACTIVATE_GRAD_DY], *x = &in[ACTIVATE_GRAD_X];
  VW_CHECK(vw_present(dy) && dy->ndim == x->ndim && 2 * vw_last_dim(dy) == vw_last_dim(x) && vw_rows(dy) == vw_rows(x),
           VW_ERR_ARG, "geglu_grad: dy is %s, x is %s", vw_shape_text(dy), vw_shape_text(x));
  out[0] = vw_shape_of(x->dtype, x->ndim, x->dim);
  return VW_OK;
}

const vw_op vw_activate_op = {.name = "activate",
                              .id = VW_OP_activate,
                              .n_in = 1,
                              .n_out = 1,
                              .attr_size = sizeof(vw_activate_attr),
                              .infer = infer,
                              .gradient = gradient};

const vw_op vw_activate_grad_op = {.name = "activate_grad",
                                   .id = VW_OP_activate_grad,
                                   .n_in = 2,
                                   .n_out = 1,
                                   .attr_size = sizeof(vw_activate_attr),
                                   .infer = infer_grad};

const vw_op vw_geglu_op = {
    .name = "geglu", .id = VW_OP_geglu, .n_in = 1, .n_out = 1, .infer = infer_geglu, .gradient = gradient_geglu};

const vw_op vw_geglu_grad_op = {
    .name = "geglu_grad", .id = VW_OP_geglu_grad, .n_in = 2, .n_out = 1, .infer = infer_geglu_grad};

vw_value vw_activate(vw_graph *g, vw_value x, vw_activation act) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_activate_op, &(vw_activate_attr){act}, &x, &out);
  return out;
}

vw_value vw_geglu(vw_graph *g, vw_value x) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_geglu_op, NULL, &x, &out);
  return out;
}
