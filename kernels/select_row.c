#include "kernels/select_row.h"

#include <inttypes.h>

static vw_status check_position(const char *op, const vw_tensor *position, int64_t B) {
  VW_CHECK(position->dtype == VW_I32 && vw_is_vector(position, B), VW_ERR_ARG,
           "%s: position is %s %s, expected i32 [%" PRId64 "]", op, vw_dtype_name(position->dtype),
           vw_shape_text(position), B);
  return VW_OK;
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *x = &in[SELECT_X];
  VW_CHECK(x->ndim == 3, VW_ERR_ARG, "select_row: x is %s, expected [B, T, C]", vw_shape_text(x));
  VW_TRY(check_position("select_row", &in[SELECT_POSITION], x->dim[0]));
  out[0] = vw_shape(x->dtype, x->dim[0], x->dim[2]);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[0] == VW_NONE || !vw_wanted(g, n, SELECT_X)) return VW_OK;
  const vw_tensor x = vw_value_tensor(g, n->in[SELECT_X]);
  const vw_select_row_grad_attr attr = {x.dim[1], x.dtype};
  return vw_emit(g, &vw_select_row_grad_op, &attr, (vw_value[]){dy[0], n->in[SELECT_POSITION]}, &dx[SELECT_X]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_select_row_grad_attr *a = attr;
  const vw_tensor *dy = &in[SELECT_GRAD_DY];
  VW_CHECK(dy->ndim == 2, VW_ERR_ARG, "select_row_grad: dy is %s, expected [B, C]", vw_shape_text(dy));
  VW_TRY(check_position("select_row_grad", &in[SELECT_GRAD_POSITION], dy->dim[0]));
  out[0] = vw_shape(a->role, dy->dim[0], a->T, dy->dim[1]);
  return VW_OK;
}

/* One row of each is read. */
static double bytes(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return 2 * (double)vw_bytes(&out[0]) + (double)vw_bytes(&in[SELECT_POSITION]);
}

const vw_op vw_select_row_op = {.name = "select_row",
                                .id = VW_OP_select_row,
                                .n_in = 2,
                                .n_out = 1,
                                .infer = infer,
                                .gradient = gradient,
                                .bytes = bytes};

const vw_op vw_select_row_grad_op = {.name = "select_row_grad",
                                     .id = VW_OP_select_row_grad,
                                     .n_in = 2,
                                     .n_out = 1,
                                     .attr_size = sizeof(vw_select_row_grad_attr),
                                     .infer = infer_grad};

vw_value vw_select_row(vw_graph *g, vw_value x, vw_value position) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_select_row_op, NULL, (vw_value[]){x, position}, &out);
  return out;
}
