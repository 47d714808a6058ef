#include "kernels/cast.h"

static bool is_float(vw_dtype t) {
  return t >= VW_STORAGE_TYPES || t == VW_F32 || t == VW_F64 || t == VW_F16 || t == VW_BF16;
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_cast_attr *a = attr;
  VW_CHECK(is_float(in[0].dtype) && is_float(a->role), VW_ERR_ARG, "cast: from %s to %s: only between floats",
           vw_dtype_name(in[0].dtype), vw_dtype_name(a->role));
  out[0] = vw_shape_of(a->role, in[0].ndim, in[0].dim);
  return VW_OK;
}

/* Emitted in the scope of x, as all gradients of its readers are (src/graph/reverse.c). */
static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[0] != VW_NONE && vw_wanted(g, n, 0)) dx[0] = vw_cast(g, dy[0], vw_value_tensor(g, n->in[0]).dtype);
  return VW_OK;
}

const vw_op vw_cast_op = {.name = "cast",
                          .id = VW_OP_cast,
                          .n_in = 1,
                          .n_out = 1,
                          .attr_size = sizeof(vw_cast_attr),
                          .alias = true,
                          .crosses = true,
                          .infer = infer,
                          .gradient = gradient};

vw_value vw_cast(vw_graph *g, vw_value x, vw_dtype role) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_cast_op, &(vw_cast_attr){role}, &x, &out);
  return out;
}
