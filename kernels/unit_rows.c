#include "kernels/unit_rows.h"

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const double eps = ((const vw_unit_rows_attr *)attr)->eps;
  VW_CHECK(vw_present(&in[0]), VW_ERR_ARG, "unit_rows: x is %s, expected [.., C]", vw_shape_text(&in[0]));
  VW_CHECK(eps > 0, VW_ERR_ARG, "unit_rows: eps is %g, expected a small positive number", eps);
  out[0] = vw_shape_of(VW_ACT, in[0].ndim, in[0].dim);
  return VW_OK;
}

static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 3 * (double)vw_count(&in[0]);
}

const vw_op vw_unit_rows_op = {.name = "unit_rows",
                               .id = VW_OP_unit_rows,
                               .n_in = 1,
                               .n_out = 1,
                               .attr_size = sizeof(vw_unit_rows_attr),
                               .infer = infer,
                               .flops = flops};

vw_value vw_unit_rows(vw_graph *g, vw_value x, double eps) {
  vw_value y = VW_NONE;
  (void)vw_emit(g, &vw_unit_rows_op, &(vw_unit_rows_attr){.eps = eps}, (vw_value[]){x}, &y);
  return y;
}
