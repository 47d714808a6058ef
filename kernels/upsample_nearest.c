#include "kernels/upsample_nearest.h"

#include <inttypes.h>

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_upsample_attr *a = attr;
  const vw_tensor *x = &in[0];
  VW_CHECK(x->ndim == 4 && x->dim[1] > 0 && x->dim[2] > 0, VW_ERR_ARG,
           "upsample_nearest: x is %s, expected [B, H, W, C]", vw_shape_text(x));
  VW_CHECK(a->H >= x->dim[1] && a->W >= x->dim[2], VW_ERR_ARG,
           "upsample_nearest: x is %s, it cannot be enlarged to %" PRId64 " x %" PRId64, vw_shape_text(x), a->H, a->W);
  out[0] = vw_shape(x->dtype, x->dim[0], a->H, a->W, x->dim[3]);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[0] == VW_NONE || !vw_wanted(g, n, 0)) return VW_OK;
  const vw_tensor x = vw_value_tensor(g, n->in[0]);
  return vw_emit(g, &vw_upsample_nearest_grad_op, &(vw_upsample_attr){x.dim[1], x.dim[2], x.dtype}, &dy[0], &dx[0]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_upsample_attr *a = attr;
  const vw_tensor *dy = &in[0];
  VW_CHECK(dy->ndim == 4, VW_ERR_ARG, "upsample_nearest_grad: dy is %s, expected [B, H, W, C]", vw_shape_text(dy));
  VW_CHECK(a->H > 0 && a->W > 0 && a->H <= dy->dim[1] && a->W <= dy->dim[2], VW_ERR_ARG,
           "upsample_nearest_grad: dy is %s, x was %" PRId64 " x %" PRId64, vw_shape_text(dy), a->H, a->W);
  out[0] = vw_shape(a->role, dy->dim[0], a->H, a->W, dy->dim[3]);
  return VW_OK;
}

static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return (double)vw_count(&in[0]);
}

const vw_op vw_upsample_nearest_op = {.name = "upsample_nearest",
                                      .id = VW_OP_upsample_nearest,
                                      .n_in = 1,
                                      .n_out = 1,
                                      .attr_size = sizeof(vw_upsample_attr),
                                      .infer = infer,
                                      .gradient = gradient};

const vw_op vw_upsample_nearest_grad_op = {.name = "upsample_nearest_grad",
                                           .id = VW_OP_upsample_nearest_grad,
                                           .n_in = 1,
                                           .n_out = 1,
                                           .attr_size = sizeof(vw_upsample_attr),
                                           .infer = infer_grad,
                                           .flops = flops_grad};

vw_value vw_upsample_nearest(vw_graph *g, vw_value x, int64_t H, int64_t W) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_upsample_nearest_op, &(vw_upsample_attr){H, W, VW_ACT}, &x, &out);
  return out;
}
