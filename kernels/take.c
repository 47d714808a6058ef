#include "kernels/take.h"

#include <inttypes.h>

static vw_status check_index(const char *op, const vw_tensor *index) {
  VW_CHECK(index->dtype == VW_I32 && index->ndim == 1, VW_ERR_ARG, "%s: index is %s %s, expected i32 [B]", op,
           vw_dtype_name(index->dtype), vw_shape_text(index));
  return VW_OK;
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *table = &in[TAKE_TABLE], *index = &in[TAKE_INDEX];
  VW_CHECK(vw_present(table), VW_ERR_ARG, "take: the table has no rows");
  VW_TRY(check_index("take", index));
  const size_t bytes = vw_dtype_bytes(table->dtype); /* 0 for a role: its storage has 2 to 8 */
  VW_CHECK(bytes == 0 || bytes == 2 || bytes == 4 || bytes == 8, VW_ERR_UNSUPPORTED,
           "take: elements of %s have %zu bytes, not 2, 4 or 8", vw_dtype_name(table->dtype), bytes);
  out[0] = vw_shape_of(table->dtype, table->ndim, table->dim);
  out[0].dim[0] = index->dim[0];
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[0] == VW_NONE || !vw_wanted(g, n, TAKE_TABLE)) return VW_OK;
  const vw_tensor table = vw_value_tensor(g, n->in[TAKE_TABLE]);
  const vw_take_grad_attr attr = {table.dim[0], table.dtype};
  return vw_emit(g, &vw_take_grad_op, &attr, (vw_value[]){dy[0], n->in[TAKE_INDEX]}, &dx[TAKE_TABLE]);
}

/* Rows are read and written; the rest of the table is left alone. */
static double bytes(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return 2 * (double)vw_bytes(&out[0]) + (double)vw_bytes(&in[TAKE_INDEX]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_take_grad_attr *a = attr;
  const vw_tensor *dy = &in[TAKE_GRAD_DY], *index = &in[TAKE_GRAD_INDEX];
  VW_TRY(check_index("take_grad", index));
  VW_CHECK(vw_present(dy) && dy->dim[0] == index->dim[0], VW_ERR_ARG, "take_grad: dy is %s, index is %s",
           vw_shape_text(dy), vw_shape_text(index));
  VW_CHECK(a->rows >= 0 && (a->role >= VW_STORAGE_TYPES || a->role <= VW_BF16), VW_ERR_ARG,
           "take_grad: a gradient of %" PRId64 " rows of %s", a->rows, vw_dtype_name(a->role));
  out[0] = vw_shape_of(a->role, dy->ndim, dy->dim);
  out[0].dim[0] = a->rows;
  return VW_OK;
}

static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return (double)vw_count(&in[TAKE_GRAD_DY]);
}

const vw_op vw_take_op = {
    .name = "take", .id = VW_OP_take, .n_in = 2, .n_out = 1, .infer = infer, .gradient = gradient, .bytes = bytes};

const vw_op vw_take_grad_op = {.name = "take_grad",
                               .id = VW_OP_take_grad,
                               .n_in = 2,
                               .n_out = 1,
                               .attr_size = sizeof(vw_take_grad_attr),
                               .infer = infer_grad,
                               .flops = flops_grad};

vw_value vw_take(vw_graph *g, vw_value table, vw_value index) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_take_op, NULL, (vw_value[]){table, index}, &out);
  return out;
}
