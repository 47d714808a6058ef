#include "kernels/record.h"

#include <inttypes.h>

static vw_status check_step(const char *op, const vw_tensor *step) {
  VW_CHECK(step->dtype == VW_I64 && vw_is_vector(step, 1), VW_ERR_ARG, "%s: step is %s %s, must be i64 [1]", op,
           vw_dtype_name(step->dtype), vw_shape_text(step));
  return VW_OK;
}

static vw_status infer_record(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_record_attr *a = attr;
  const vw_tensor *h = &in[RECORD_HISTORY];
  VW_TRY(check_step("record", &in[RECORD_STEP]));
  VW_CHECK(h->ndim == 2, VW_ERR_ARG, "record: history is %s, must be [points, B]", vw_shape_text(h));
  VW_CHECK(vw_is_vector(&in[RECORD_X], h->dim[1]), VW_ERR_ARG, "record: x is %s, history is %s",
           vw_shape_text(&in[RECORD_X]), vw_shape_text(h));
  VW_CHECK(a->every >= 1, VW_ERR_ARG, "record: every is %" PRId64 ", must be at least 1", a->every);
  out[0] = *h;
  return VW_OK;
}

static vw_status infer_advance(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  VW_TRY(check_step("advance", &in[0]));
  out[0] = in[0];
  return VW_OK;
}

/* One row of the history is written. */
static double bytes(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 2 * (double)vw_bytes(&in[RECORD_X]) + (double)vw_bytes(&in[RECORD_STEP]);
}

const vw_op vw_record_op = {.name = "record",
                            .id = VW_OP_record,
                            .n_in = 3,
                            .n_out = 1,
                            .attr_size = sizeof(vw_record_attr),
                            .in_place = {1 + RECORD_HISTORY},
                            .infer = infer_record,
                            .bytes = bytes};

const vw_op vw_advance_op = {
    .name = "advance", .id = VW_OP_advance, .n_in = 1, .n_out = 1, .in_place = {1}, .infer = infer_advance};

vw_value vw_record(vw_graph *g, vw_value history, vw_value x, vw_value step, int64_t every) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_record_op, &(vw_record_attr){.every = every}, (vw_value[]){history, x, step}, &out);
  return out;
}

vw_value vw_advance(vw_graph *g, vw_value step) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_advance_op, NULL, &step, &out);
  return out;
}
