#include "kernels/softmax_xent.h"

#include <inttypes.h>

static vw_status check(const vw_tensor *z, const vw_tensor *label) {
  VW_CHECK(z->ndim == 2 && z->dim[1] >= 1, VW_ERR_ARG, "softmax_xent: z is %s, must be [N, C]", vw_shape_text(z));
  VW_CHECK(label->dtype == VW_I32 && vw_is_vector(label, z->dim[0]), VW_ERR_ARG,
           "softmax_xent: label is %s %s, must be i32 [N=%" PRId64 "]", vw_dtype_name(label->dtype),
           vw_shape_text(label), z->dim[0]);
  return VW_OK;
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  VW_TRY(check(&in[XENT_Z], &in[XENT_LABEL]));
  out[XENT_LOSS] = vw_shape(VW_HEAD, in[XENT_Z].dim[0]);
  out[XENT_LSE] = vw_shape(VW_STAT, in[XENT_Z].dim[0]);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (!vw_wanted(g, n, XENT_Z) || dy[XENT_LOSS] == VW_NONE) return VW_OK;
  return vw_emit(g, &vw_softmax_xent_grad_op, NULL,
                 (vw_value[]){dy[XENT_LOSS], n->in[XENT_Z], n->in[XENT_LABEL], n->out[XENT_LSE]}, &dx[XENT_Z]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  VW_TRY(check(&in[XENTG_Z], &in[XENTG_LABEL]));
  const int64_t N = in[XENTG_Z].dim[0];
  VW_CHECK(vw_is_vector(&in[XENTG_DLOSS], N) && vw_is_vector(&in[XENTG_LSE], N), VW_ERR_ARG,
           "softmax_xent_grad: dloss is %s, lse is %s, z has N=%" PRId64, vw_shape_text(&in[XENTG_DLOSS]),
           vw_shape_text(&in[XENTG_LSE]), N);
  out[0] = vw_shape_of(VW_HEAD, 2, in[XENTG_Z].dim);
  return VW_OK;
}

/* An exponential counts as one operation; the maximum as none. */
static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 3.0 * (double)vw_count(&in[XENT_Z]);
}

static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 3.0 * (double)vw_count(&in[XENTG_Z]);
}

const vw_op vw_softmax_xent_op = {.name = "softmax_xent",
                                  .id = VW_OP_softmax_xent,
                                  .n_in = 2,
                                  .n_out = 2,
                                  .infer = infer,
                                  .gradient = gradient,
                                  .flops = flops};

const vw_op vw_softmax_xent_grad_op = {.name = "softmax_xent_grad",
                                       .id = VW_OP_softmax_xent_grad,
                                       .n_in = 4,
                                       .n_out = 1,
                                       .infer = infer_grad,
                                       .flops = flops_grad};

vw_value vw_softmax_xent(vw_graph *g, vw_value z, vw_value label) {
  vw_value out[2] = {VW_NONE, VW_NONE};
  (void)vw_emit(g, &vw_softmax_xent_op, NULL, (vw_value[]){z, label}, out);
  return out[XENT_LOSS];
}
