#include "kernels/picture_logits.h"

#include <inttypes.h>

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *q = &in[PLOGITS_Q], *f = &in[PLOGITS_FEATURES], *p = &in[PLOGITS_PICTURE];
  VW_CHECK(q->ndim == 2, VW_ERR_ARG, "picture_logits: q is %s, must be [B, C]", vw_shape_text(q));
  VW_CHECK(f->ndim == 2 && f->dim[1] == q->dim[1], VW_ERR_ARG, "picture_logits: features are %s, q has C=%" PRId64,
           vw_shape_text(f), q->dim[1]);
  VW_CHECK(p->dtype == VW_I32 && p->ndim == 2 && p->dim[0] == q->dim[0], VW_ERR_ARG,
           "picture_logits: picture is %s %s, must be i32 [B=%" PRId64 ", S]", vw_dtype_name(p->dtype),
           vw_shape_text(p), q->dim[0]);
  out[0] = vw_shape(VW_HEAD, p->dim[0], p->dim[1]);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  VW_CHECK(!vw_wanted(g, n, PLOGITS_FEATURES), VW_ERR_UNSUPPORTED,
           "picture_logits: features are frozen, they have no gradient");
  if (!vw_wanted(g, n, PLOGITS_Q)) return VW_OK;
  return vw_emit(g, &vw_picture_logits_grad_op, n->attr,
                 (vw_value[]){dy[0], n->in[PLOGITS_FEATURES], n->in[PLOGITS_PICTURE]}, &dx[PLOGITS_Q]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *dz = &in[PLOGITSG_DZ], *f = &in[PLOGITSG_FEATURES], *p = &in[PLOGITSG_PICTURE];
  VW_CHECK(f->ndim == 2, VW_ERR_ARG, "picture_logits_grad: features are %s, must be [P, C]", vw_shape_text(f));
  VW_CHECK(p->dtype == VW_I32 && p->ndim == 2 && vw_same_shape(p, dz), VW_ERR_ARG,
           "picture_logits_grad: dz is %s, picture is %s %s; both must be [B, S], picture i32", vw_shape_text(dz),
           vw_dtype_name(p->dtype), vw_shape_text(p));
  out[0] = vw_shape(VW_HEAD, dz->dim[0], f->dim[1]);
  return VW_OK;
}

static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return 2.0 * (double)vw_count(&out[0]) * (double)in[PLOGITS_Q].dim[1];
}

static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return 2.0 * (double)vw_count(&in[PLOGITSG_DZ]) * (double)out[0].dim[1];
}

/* Rows of the features that are looked up, once each: at most all of them. */
static double rows_read(const vw_tensor *features, const vw_tensor *picture) {
  const int64_t asked = vw_count(picture), all = features->dim[0], rows = asked < all ? asked : all;
  return (double)(rows * features->dim[1]) * (double)vw_dtype_bytes(features->dtype);
}

static double bytes(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return (double)(vw_bytes(&in[PLOGITS_Q]) + vw_bytes(&in[PLOGITS_PICTURE]) + vw_bytes(&out[0])) +
         rows_read(&in[PLOGITS_FEATURES], &in[PLOGITS_PICTURE]);
}

static double bytes_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return (double)(vw_bytes(&in[PLOGITSG_DZ]) + vw_bytes(&in[PLOGITSG_PICTURE]) + vw_bytes(&out[0])) +
         rows_read(&in[PLOGITSG_FEATURES], &in[PLOGITSG_PICTURE]);
}

const vw_op vw_picture_logits_op = {.name = "picture_logits",
                                    .id = VW_OP_picture_logits,
                                    .n_in = 3,
                                    .n_out = 1,
                                    .attr_size = sizeof(vw_picture_logits_attr),
                                    .infer = infer,
                                    .gradient = gradient,
                                    .flops = flops,
                                    .bytes = bytes};

const vw_op vw_picture_logits_grad_op = {.name = "picture_logits_grad",
                                         .id = VW_OP_picture_logits_grad,
                                         .n_in = 3,
                                         .n_out = 1,
                                         .attr_size = sizeof(vw_picture_logits_attr),
                                         .infer = infer_grad,
                                         .flops = flops_grad,
                                         .bytes = bytes_grad};

vw_value vw_picture_logits(vw_graph *g, vw_value q, vw_value features, vw_value picture, double scale) {
  vw_value z = VW_NONE;
  (void)vw_emit(g, &vw_picture_logits_op, &(vw_picture_logits_attr){.scale = scale}, (vw_value[]){q, features, picture},
                &z);
  return z;
}
