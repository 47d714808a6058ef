#include "kernels/draw_normal.h"

#include <inttypes.h>

/* A Philox counter has 32 bits for the block within a stream. */
static const int64_t MOST = INT64_C(4) << 32;

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_draw_normal_attr *a = attr;
  const vw_tensor *key = &in[NORMAL_KEY], *step = &in[NORMAL_STEP];
  VW_CHECK(key->dtype == VW_U32 && key->ndim == 2 && key->dim[1] == 2, VW_ERR_ARG,
           "draw_normal: key is %s %s, must be u32 [B, 2]", vw_dtype_name(key->dtype), vw_shape_text(key));
  VW_CHECK(step->dtype == VW_I64 && vw_is_vector(step, 1), VW_ERR_ARG, "draw_normal: step is %s %s, must be i64 [1]",
           vw_dtype_name(step->dtype), vw_shape_text(step));
  VW_CHECK(a->ndim >= 1 && a->ndim < VW_MAX_DIMS, VW_ERR_ARG, "draw_normal: a row of %d dimensions, expected 1 to %d",
           a->ndim, VW_MAX_DIMS - 1);
  int64_t dim[VW_MAX_DIMS] = {key->dim[0]}, row = 1;
  for (int i = 0; i < a->ndim; i++) dim[i + 1] = a->dim[i], row *= a->dim[i];
  VW_CHECK(a->first >= 0 && a->first <= MOST && row <= MOST - a->first, VW_ERR_ARG,
           "draw_normal: rows of %" PRId64 " numbers behind %" PRId64 ", at most %" PRId64 " in all", row, a->first,
           MOST);
  VW_CHECK(!a->planes == !a->channels && (!a->planes || row % (a->planes * a->channels) == 0), VW_ERR_ARG,
           "draw_normal: rows of %" PRId64 " numbers are not latents of %" PRId64 " x %" PRId64, row, a->planes,
           a->channels);
  out[0] = vw_shape_of(VW_HEAD, a->ndim + 1, dim);
  return VW_OK;
}

const vw_op vw_draw_normal_op = {.name = "draw_normal",
                                 .id = VW_OP_draw_normal,
                                 .n_in = 2,
                                 .n_out = 1,
                                 .attr_size = sizeof(vw_draw_normal_attr),
                                 .infer = infer};

vw_value vw_draw_normal(vw_graph *g, vw_value key, vw_value step, vw_tensor row, uint32_t purpose) {
  vw_draw_normal_attr attr = {.ndim = row.ndim, .purpose = purpose};
  vw_value out = VW_NONE;
  for (int i = 0; i < row.ndim && i < VW_MAX_DIMS - 1; i++) attr.dim[i] = row.dim[i];
  (void)vw_emit(g, &vw_draw_normal_op, &attr, (vw_value[]){key, step}, &out);
  return out;
}

vw_value vw_draw_latents(vw_graph *g, vw_value key, vw_value step, vw_tensor row, int64_t first, uint32_t purpose) {
  const int64_t planes = row.dim[1] * row.dim[2], channels = row.dim[3];
  const vw_draw_normal_attr attr = {.ndim = 4,
                                    .dim = {row.dim[0], row.dim[1], row.dim[2], channels},
                                    .purpose = purpose,
                                    .first = first * planes * channels,
                                    .planes = planes,
                                    .channels = channels};
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_draw_normal_op, &attr, (vw_value[]){key, step}, &out);
  return out;
}
