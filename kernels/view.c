#include "kernels/view.h"

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_view_attr *a = attr;
  VW_CHECK(a->ndim >= 1 && a->ndim <= VW_MAX_DIMS, VW_ERR_ARG, "view: %d dimensions, expected 1 to %d", a->ndim,
           VW_MAX_DIMS);
  out[0] = vw_shape_of(in[0].dtype, a->ndim, a->dim);
  VW_CHECK(vw_count(&out[0]) == vw_count(&in[0]), VW_ERR_ARG, "view: x is %s, it cannot be seen as %s",
           vw_shape_text(&in[0]), vw_shape_text(&out[0]));
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[0] != VW_NONE && vw_wanted(g, n, 0)) dx[0] = vw_view(g, dy[0], vw_value_tensor(g, n->in[0]));
  return VW_OK;
}

const vw_op vw_view_op = {.name = "view",
                          .id = VW_OP_view,
                          .n_in = 1,
                          .n_out = 1,
                          .attr_size = sizeof(vw_view_attr),
                          .alias = true,
                          .infer = infer,
                          .gradient = gradient};

vw_value vw_view(vw_graph *g, vw_value x, vw_tensor shape) {
  vw_value out = VW_NONE;
  vw_view_attr attr = {.ndim = shape.ndim};
  for (int i = 0; i < shape.ndim && i < VW_MAX_DIMS; i++) attr.dim[i] = shape.dim[i];
  (void)vw_emit(g, &vw_view_op, &attr, &x, &out);
  return out;
}
