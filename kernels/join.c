#include "kernels/join.h"

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  for (int i = 0; i < 2; i++)
    VW_CHECK(in[i].ndim == 2 && in[i].dtype == VW_I32, VW_ERR_ARG, "join: input %d is %s %s, not a list of i32 a row",
             i, vw_dtype_name(in[i].dtype), vw_shape_text(&in[i]));
  VW_CHECK(in[JOIN_A].dim[0] == in[JOIN_C].dim[0], VW_ERR_ARG, "join: %s beside %s: other row counts",
           vw_shape_text(&in[JOIN_A]), vw_shape_text(&in[JOIN_C]));
  out[0] = vw_shape(VW_I32, in[JOIN_A].dim[0], in[JOIN_A].dim[1] + in[JOIN_C].dim[1]);
  return VW_OK;
}

const vw_op vw_join_op = {.name = "join", .id = VW_OP_join, .n_in = 2, .n_out = 1, .infer = infer};

vw_value vw_join(vw_graph *g, vw_value a, vw_value c) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_join_op, NULL, (vw_value[]){a, c}, &out);
  return out;
}
