#include "kernels/timestep_embedding.h"

#include <inttypes.h>

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_timestep_attr *a = attr;
  VW_CHECK(in[0].dtype == VW_I32 && in[0].ndim == 1, VW_ERR_ARG, "timestep_embedding: t is %s %s, expected i32 [B]",
           vw_dtype_name(in[0].dtype), vw_shape_text(&in[0]));
  VW_CHECK(a->width > 0 && a->width % 2 == 0, VW_ERR_ARG, "timestep_embedding: width is %" PRId64 ", expected even",
           a->width);
  VW_CHECK(a->period > 1 && a->shift >= 0 && a->shift < 0.5 * (double)a->width, VW_ERR_ARG,
           "timestep_embedding: period %g and shift %g do not fit a width of %" PRId64, a->period, a->shift, a->width);
  out[0] = vw_shape(VW_ACT, in[0].dim[0], a->width);
  return VW_OK;
}

const vw_op vw_timestep_embedding_op = {.name = "timestep_embedding",
                                        .id = VW_OP_timestep_embedding,
                                        .n_in = 1,
                                        .n_out = 1,
                                        .attr_size = sizeof(vw_timestep_attr),
                                        .infer = infer};

vw_value vw_timestep_embedding(vw_graph *g, vw_value t, vw_timestep_attr attr) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_timestep_embedding_op, &attr, &t, &out);
  return out;
}
