#include "kernels/grid_box.h"

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  VW_CHECK(in[0].ndim == 3 && in[0].dim[2] == 4 && vw_grid_side(in[0].dim[1]) > 0, VW_ERR_ARG,
           "grid_box: x is %s, expected [B, side * side, 4]", vw_shape_text(&in[0]));
  out[0] = vw_shape_of(VW_HEAD, 3, in[0].dim);
  return VW_OK;
}

const vw_op vw_grid_box_op = {.name = "grid_box", .id = VW_OP_grid_box, .n_in = 1, .n_out = 1, .infer = infer};

vw_value vw_grid_box(vw_graph *g, vw_value x) {
  vw_value y = VW_NONE;
  (void)vw_emit(g, &vw_grid_box_op, NULL, (vw_value[]){x}, &y);
  return y;
}
