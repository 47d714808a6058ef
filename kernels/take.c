#include "kernels/take.h"

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *table = &in[TAKE_TABLE], *index = &in[TAKE_INDEX];
  VW_CHECK(vw_present(table), VW_ERR_ARG, "take: the table has no rows");
  VW_CHECK(index->dtype == VW_I32 && index->ndim == 1, VW_ERR_ARG, "take: index is %s %s, expected i32 [B]",
           vw_dtype_name(index->dtype), vw_shape_text(index));
  const size_t bytes = vw_dtype_bytes(table->dtype); /* 0 for a role: its storage has 4 or 8 */
  VW_CHECK(bytes == 0 || bytes == 4 || bytes == 8, VW_ERR_UNSUPPORTED,
           "take: elements of %s have %zu bytes, not 4 or 8", vw_dtype_name(table->dtype), bytes);
  out[0] = vw_shape_of(table->dtype, table->ndim, table->dim);
  out[0].dim[0] = index->dim[0];
  return VW_OK;
}

/* Rows are read and written; the rest of the table is left alone. */
static double bytes(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return 2 * (double)vw_bytes(&out[0]) + (double)vw_bytes(&in[TAKE_INDEX]);
}

const vw_op vw_take_op = {.name = "take", .id = VW_OP_take, .n_in = 2, .n_out = 1, .infer = infer, .bytes = bytes};

vw_value vw_take(vw_graph *g, vw_value table, vw_value index) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_take_op, NULL, (vw_value[]){table, index}, &out);
  return out;
}
