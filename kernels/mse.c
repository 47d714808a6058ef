#include "kernels/mse.h"

#include <inttypes.h>

static vw_status check(const vw_tensor *x, const vw_tensor *target, const vw_mse_attr *a) {
  VW_CHECK(x->ndim >= 2 && vw_same_shape(x, target), VW_ERR_ARG,
           "mse: x is %s, target is %s, expected the same [B, S..]", vw_shape_text(x), vw_shape_text(target));
  VW_CHECK(a->trials > 0 && x->dim[0] % a->trials == 0, VW_ERR_ARG,
           "mse: x is %s: its rows are not those of %" PRId64 " trials", vw_shape_text(x), a->trials);
  VW_CHECK(a->of == 0 || a->of >= x->dim[0] / a->trials, VW_ERR_ARG,
           "mse: %" PRId64 " rows a trial of a step's %" PRId64, x->dim[0] / a->trials, a->of);
  return VW_OK;
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_mse_attr *a = attr;
  VW_TRY(check(&in[MSE_X], &in[MSE_TARGET], a));
  out[0] = vw_shape(VW_HEAD, a->trials);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  VW_CHECK(!vw_wanted(g, n, MSE_TARGET), VW_ERR_UNSUPPORTED, "mse: the target has no gradient");
  if (dy[0] == VW_NONE || !vw_wanted(g, n, MSE_X)) return VW_OK;
  return vw_emit(g, &vw_mse_grad_op, n->attr, (vw_value[]){dy[0], n->in[MSE_X], n->in[MSE_TARGET]}, &dx[MSE_X]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_mse_attr *a = attr;
  const vw_tensor *x = &in[MSEG_X];
  VW_TRY(check(x, &in[MSEG_TARGET], a));
  VW_CHECK(vw_is_vector(&in[MSEG_DLOSS], a->trials), VW_ERR_ARG, "mse_grad: dloss is %s, expected [%" PRId64 "]",
           vw_shape_text(&in[MSEG_DLOSS]), a->trials);
  out[0] = vw_shape_of(x->dtype, x->ndim, x->dim);
  return VW_OK;
}

const vw_op vw_mse_op = {.name = "mse",
                         .id = VW_OP_mse,
                         .n_in = 2,
                         .n_out = 1,
                         .attr_size = sizeof(vw_mse_attr),
                         .infer = infer,
                         .gradient = gradient};

const vw_op vw_mse_grad_op = {.name = "mse_grad",
                              .id = VW_OP_mse_grad,
                              .n_in = 3,
                              .n_out = 1,
                              .attr_size = sizeof(vw_mse_attr),
                              .infer = infer_grad};

vw_value vw_mse(vw_graph *g, vw_value x, vw_value target, vw_mse_attr attr) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_mse_op, &attr, (vw_value[]){x, target}, &out);
  return out;
}
