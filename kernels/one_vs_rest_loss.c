#include "kernels/one_vs_rest_loss.h"

#include <inttypes.h>

/* Shared by the loss and its gradient: both read [row_table[b], picture[b, s]] of tables [R, P]. */
static vw_status check(const vw_tensor *z, const vw_tensor *picture, const vw_tensor *row_table, const vw_tensor *rest,
                       const vw_one_vs_rest_attr *a) {
  VW_CHECK(z->ndim == 2, VW_ERR_ARG, "one_vs_rest_loss: z is %s, must be [B, S]", vw_shape_text(z));
  VW_CHECK(picture->dtype == VW_I32 && vw_same_shape(picture, z), VW_ERR_ARG,
           "one_vs_rest_loss: picture is %s %s, must be i32 like z %s", vw_dtype_name(picture->dtype),
           vw_shape_text(picture), vw_shape_text(z));
  VW_CHECK(row_table->dtype == VW_I32 && vw_is_vector(row_table, z->dim[0]), VW_ERR_ARG,
           "one_vs_rest_loss: row_table is %s %s, must be i32 [B=%" PRId64 "]", vw_dtype_name(row_table->dtype),
           vw_shape_text(row_table), z->dim[0]);
  VW_CHECK(rest->ndim == 2, VW_ERR_ARG, "one_vs_rest_loss: rest is %s, must be [R, P]", vw_shape_text(rest));
  VW_CHECK(a->positives >= 0 && a->positives <= z->dim[1], VW_ERR_ARG,
           "one_vs_rest_loss: %" PRId64 " positives of S=%" PRId64 " pictures", a->positives, z->dim[1]);
  VW_CHECK(a->of == 0 || a->of >= z->dim[1], VW_ERR_ARG,
           "one_vs_rest_loss: S=%" PRId64 " pictures of a step's %" PRId64, z->dim[1], a->of);
  return VW_OK;
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  VW_TRY(check(&in[OVR_Z], &in[OVR_PICTURE], &in[OVR_ROW_TABLE], &in[OVR_REST], attr));
  VW_CHECK(vw_same_shape(&in[OVR_TRUTH], &in[OVR_REST]), VW_ERR_ARG, "one_vs_rest_loss: truth is %s, rest is %s",
           vw_shape_text(&in[OVR_TRUTH]), vw_shape_text(&in[OVR_REST]));
  out[0] = vw_shape(VW_HEAD, in[OVR_Z].dim[0]);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  VW_CHECK(!vw_wanted(g, n, OVR_REST) && !vw_wanted(g, n, OVR_TRUTH), VW_ERR_UNSUPPORTED,
           "one_vs_rest_loss: the tables of the other classes are constants, they have no gradient");
  if (!vw_wanted(g, n, OVR_Z)) return VW_OK;
  return vw_emit(g, &vw_one_vs_rest_loss_grad_op, n->attr,
                 (vw_value[]){dy[0], n->in[OVR_Z], n->in[OVR_PICTURE], n->in[OVR_ROW_TABLE], n->in[OVR_REST]},
                 &dx[OVR_Z]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  VW_TRY(check(&in[OVRG_Z], &in[OVRG_PICTURE], &in[OVRG_ROW_TABLE], &in[OVRG_REST], attr));
  VW_CHECK(vw_is_vector(&in[OVRG_DLOSS], in[OVRG_Z].dim[0]), VW_ERR_ARG, "one_vs_rest_loss_grad: dloss is %s, z is %s",
           vw_shape_text(&in[OVRG_DLOSS]), vw_shape_text(&in[OVRG_Z]));
  out[0] = vw_shape_of(VW_HEAD, 2, in[OVRG_Z].dim);
  return VW_OK;
}

const vw_op vw_one_vs_rest_loss_op = {.name = "one_vs_rest_loss",
                                      .id = VW_OP_one_vs_rest_loss,
                                      .n_in = 5,
                                      .n_out = 1,
                                      .attr_size = sizeof(vw_one_vs_rest_attr),
                                      .infer = infer,
                                      .gradient = gradient};

const vw_op vw_one_vs_rest_loss_grad_op = {.name = "one_vs_rest_loss_grad",
                                           .id = VW_OP_one_vs_rest_loss_grad,
                                           .n_in = 5,
                                           .n_out = 1,
                                           .attr_size = sizeof(vw_one_vs_rest_attr),
                                           .infer = infer_grad};

vw_value vw_one_vs_rest_loss(vw_graph *g, vw_value z, vw_value picture, vw_one_vs_rest_tables t,
                             vw_one_vs_rest_attr attr) {
  vw_value loss = VW_NONE;
  (void)vw_emit(g, &vw_one_vs_rest_loss_op, &attr, (vw_value[]){z, picture, t.row_table, t.rest, t.truth}, &loss);
  return loss;
}
