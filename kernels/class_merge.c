#include "kernels/class_merge.h"

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  VW_CHECK(in[0].ndim == 3 && in[0].dim[1] > 1, VW_ERR_ARG, "class_merge: x is %s, expected [B, 1 + N, D]",
           vw_shape_text(&in[0]));
  out[0] = vw_shape(VW_ACT, in[0].dim[0], in[0].dim[1] - 1, in[0].dim[2]);
  return VW_OK;
}

static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)in, (void)attr;
  return (double)vw_count(&out[0]);
}

const vw_op vw_class_merge_op = {
    .name = "class_merge", .id = VW_OP_class_merge, .n_in = 1, .n_out = 1, .infer = infer, .flops = flops};

vw_value vw_class_merge(vw_graph *g, vw_value x) {
  vw_value y = VW_NONE;
  (void)vw_emit(g, &vw_class_merge_op, NULL, (vw_value[]){x}, &y);
  return y;
}
