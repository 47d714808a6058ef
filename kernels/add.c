#include "kernels/add.h"

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  VW_CHECK(vw_same_shape(&in[0], &in[1]), VW_ERR_ARG, "add: a is %s, b is %s", vw_shape_text(&in[0]),
           vw_shape_text(&in[1]));
  out[0] = vw_shape_of(in[0].dtype, in[0].ndim, in[0].dim);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  for (int i = 0; i < 2; i++)
    if (vw_wanted(g, n, i)) dx[i] = dy[0];
  return VW_OK;
}

static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return (double)vw_count(&in[0]);
}

const vw_op vw_add_op = {
    .name = "add", .id = VW_OP_add, .n_in = 2, .n_out = 1, .infer = infer, .gradient = gradient, .flops = flops};

vw_value vw_add(vw_graph *g, vw_value a, vw_value b) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_add_op, NULL, (vw_value[]){a, b}, &out);
  return out;
}
