#include "kernels/concat.h"

#include <inttypes.h>

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *a = &in[CONCAT_A], *b = &in[CONCAT_B];
  vw_tensor rest = *b;
  VW_CHECK(vw_present(a) && a->ndim == b->ndim, VW_ERR_ARG, "concat: a is %s, b is %s", vw_shape_text(a),
           vw_shape_text(b));
  rest.dim[b->ndim - 1] = vw_last_dim(a);
  VW_CHECK(vw_same_shape(a, &rest), VW_ERR_ARG, "concat: a is %s, b is %s: they differ before the last axis",
           vw_shape_text(a), vw_shape_text(b));
  out[0] = vw_shape_of(VW_ACT, a->ndim, a->dim);
  out[0].dim[a->ndim - 1] += vw_last_dim(b);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  int64_t first = 0;
  if (dy[0] == VW_NONE) return VW_OK;
  for (int i = 0; i < 2; i++) {
    const vw_tensor x = vw_value_tensor(g, n->in[i]);
    if (vw_wanted(g, n, i)) dx[i] = vw_channels(g, dy[0], first, vw_last_dim(&x), x.dtype);
    first += vw_last_dim(&x);
  }
  return VW_OK;
}

static vw_status infer_channels(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_channels_attr *a = attr;
  VW_CHECK(vw_present(&in[0]) && a->first >= 0 && a->count >= 0 && a->first + a->count <= vw_last_dim(&in[0]),
           VW_ERR_ARG, "channels: x is %s, it has no channels %" PRId64 " to %" PRId64, vw_shape_text(&in[0]), a->first,
           a->first + a->count - 1);
  out[0] = vw_shape_of(a->role, in[0].ndim, in[0].dim);
  out[0].dim[in[0].ndim - 1] = a->count;
  return VW_OK;
}

static vw_status gradient_channels(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  (void)dy, (void)dx;
  VW_CHECK(!vw_wanted(g, n, 0), VW_ERR_UNSUPPORTED, "channels: it has no gradient");
  return VW_OK;
}

static double bytes_channels(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return (double)(vw_count(&out[0])) * (double)(vw_dtype_bytes(in[0].dtype) + vw_dtype_bytes(out[0].dtype));
}

const vw_op vw_concat_op = {
    .name = "concat", .id = VW_OP_concat, .n_in = 2, .n_out = 1, .infer = infer, .gradient = gradient};

const vw_op vw_channels_op = {.name = "channels",
                              .id = VW_OP_channels,
                              .n_in = 1,
                              .n_out = 1,
                              .attr_size = sizeof(vw_channels_attr),
                              .infer = infer_channels,
                              .gradient = gradient_channels,
                              .bytes = bytes_channels};

vw_value vw_concat(vw_graph *g, vw_value a, vw_value b) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_concat_op, NULL, (vw_value[]){a, b}, &out);
  return out;
}

vw_value vw_channels(vw_graph *g, vw_value x, int64_t first, int64_t count, vw_dtype role) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_channels_op, &(vw_channels_attr){first, count, role}, &x, &out);
  return out;
}
