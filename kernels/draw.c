#include "kernels/draw.h"

#include <inttypes.h>

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_draw_attr *a = attr;
  const vw_tensor *key = &in[DRAW_KEY], *pool = &in[DRAW_POOL];
  VW_CHECK(key->dtype == VW_U32 && key->ndim == 2 && key->dim[1] == 2, VW_ERR_ARG,
           "draw: key is %s %s, must be u32 [B, 2]", vw_dtype_name(key->dtype), vw_shape_text(key));
  const int64_t B = key->dim[0];
  VW_CHECK(in[DRAW_STEP].dtype == VW_I64 && vw_is_vector(&in[DRAW_STEP], 1), VW_ERR_ARG,
           "draw: step is %s %s, must be i64 [1]", vw_dtype_name(in[DRAW_STEP].dtype), vw_shape_text(&in[DRAW_STEP]));
  VW_CHECK(pool->dtype == VW_I32 && pool->ndim == 1, VW_ERR_ARG, "draw: pool is %s %s, must be i32 [L]",
           vw_dtype_name(pool->dtype), vw_shape_text(pool));
  for (int i = DRAW_OFFSET; i <= DRAW_COUNT; i++)
    VW_CHECK(in[i].dtype == VW_I32 && vw_is_vector(&in[i], B), VW_ERR_ARG,
             "draw: %s is %s %s, key has B=%" PRId64 " rows", i == DRAW_OFFSET ? "offset" : "count",
             vw_dtype_name(in[i].dtype), vw_shape_text(&in[i]), B);
  VW_CHECK(a->S >= 1 && a->S <= INT32_MAX, VW_ERR_ARG, "draw: S is %" PRId64 ", must be in 1..2^31-1", a->S);
  VW_CHECK(a->first >= 0 && a->first <= INT32_MAX - a->S, VW_ERR_ARG, "draw: first is %" PRId64 ", S is %" PRId64,
           a->first, a->S);
  VW_CHECK(!a->squeeze || a->S == 1, VW_ERR_ARG, "draw: squeeze needs S = 1, S is %" PRId64, a->S);
  out[0] = a->squeeze ? vw_shape(VW_I32, B) : vw_shape(VW_I32, B, a->S);
  return VW_OK;
}

const vw_op vw_draw_op = {
    .name = "draw", .id = VW_OP_draw, .n_in = 5, .n_out = 1, .attr_size = sizeof(vw_draw_attr), .infer = infer};

vw_value vw_draw(vw_graph *g, vw_value key, vw_value step, vw_draw_pools pools, vw_draw_attr attr) {
  vw_value index = VW_NONE;
  (void)vw_emit(g, &vw_draw_op, &attr, (vw_value[]){key, step, pools.pool, pools.offset, pools.count}, &index);
  return index;
}
