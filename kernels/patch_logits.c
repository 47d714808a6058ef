#include "kernels/patch_logits.h"

#include <inttypes.h>

/* What the op and its gradient share: features [P, N, C], scale [P, N], picture [G, S] for K words. */
static vw_status check(const vw_tensor *features, const vw_tensor *scale, const vw_tensor *picture, int64_t K) {
  VW_CHECK(features->ndim == 3, VW_ERR_ARG, "patch_logits: features are %s, must be [P, N, C]",
           vw_shape_text(features));
  VW_CHECK(scale->ndim == 2 && scale->dim[0] == features->dim[0] && scale->dim[1] == features->dim[1], VW_ERR_ARG,
           "patch_logits: scale is %s, features are %s", vw_shape_text(scale), vw_shape_text(features));
  VW_CHECK(picture->dtype == VW_I32 && picture->ndim == 2 && picture->dim[0] > 0 && K % picture->dim[0] == 0,
           VW_ERR_ARG, "patch_logits: picture is %s %s, must be i32 [G, S], G a divisor of K=%" PRId64,
           vw_dtype_name(picture->dtype), vw_shape_text(picture), K);
  return VW_OK;
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *q = &in[PATCHL_Q], *f = &in[PATCHL_FEATURES], *p = &in[PATCHL_PICTURE];
  VW_CHECK(q->ndim == 2, VW_ERR_ARG, "patch_logits: q is %s, must be [K, C]", vw_shape_text(q));
  VW_TRY(check(f, &in[PATCHL_SCALE], p, q->dim[0]));
  VW_CHECK(f->dim[2] == q->dim[1], VW_ERR_ARG, "patch_logits: features are %s, q has C=%" PRId64, vw_shape_text(f),
           q->dim[1]);
  VW_CHECK(vw_same_shape(&in[PATCHL_SHIFT], &in[PATCHL_SCALE]), VW_ERR_ARG, "patch_logits: shift is %s, scale is %s",
           vw_shape_text(&in[PATCHL_SHIFT]), vw_shape_text(&in[PATCHL_SCALE]));
  out[0] = vw_shape(VW_HEAD, q->dim[0], p->dim[1], f->dim[1]);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  VW_CHECK(!vw_wanted(g, n, PATCHL_FEATURES) && !vw_wanted(g, n, PATCHL_SHIFT) && !vw_wanted(g, n, PATCHL_SCALE),
           VW_ERR_UNSUPPORTED, "patch_logits: features are frozen, they have no gradient");
  if (!vw_wanted(g, n, PATCHL_Q)) return VW_OK;
  return vw_emit(g, &vw_patch_logits_grad_op, n->attr,
                 (vw_value[]){dy[0], n->in[PATCHL_FEATURES], n->in[PATCHL_SCALE], n->in[PATCHL_PICTURE]},
                 &dx[PATCHL_Q]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *dz = &in[PATCHLG_DZ], *f = &in[PATCHLG_FEATURES], *p = &in[PATCHLG_PICTURE];
  VW_CHECK(dz->ndim == 3, VW_ERR_ARG, "patch_logits_grad: dz is %s, must be [K, S, N]", vw_shape_text(dz));
  VW_TRY(check(f, &in[PATCHLG_SCALE], p, dz->dim[0]));
  VW_CHECK(dz->dim[1] == p->dim[1] && dz->dim[2] == f->dim[1], VW_ERR_ARG,
           "patch_logits_grad: dz is %s, picture is %s, features are %s", vw_shape_text(dz), vw_shape_text(p),
           vw_shape_text(f));
  out[0] = vw_shape(VW_HEAD, dz->dim[0], f->dim[2]);
  return VW_OK;
}

static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return 2.0 * (double)vw_count(&out[0]) * (double)in[PATCHL_Q].dim[1];
}

static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return 2.0 * (double)vw_count(&in[PATCHLG_DZ]) * (double)out[0].dim[1];
}

/* Pictures that are looked up, once each: at most all of them. */
static double pictures_read(const vw_tensor *features, const vw_tensor *picture) {
  const int64_t asked = vw_count(picture), all = features->dim[0], n = asked < all ? asked : all;
  return all ? (double)n / (double)all * (double)vw_bytes(features) : 0;
}

static double bytes(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return (double)(vw_bytes(&in[PATCHL_Q]) + vw_bytes(&out[0])) +
         pictures_read(&in[PATCHL_FEATURES], &in[PATCHL_PICTURE]);
}

static double bytes_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return (double)(vw_bytes(&in[PATCHLG_DZ]) + vw_bytes(&out[0])) +
         pictures_read(&in[PATCHLG_FEATURES], &in[PATCHLG_PICTURE]);
}

const vw_op vw_patch_logits_op = {.name = "patch_logits",
                                  .id = VW_OP_patch_logits,
                                  .n_in = 5,
                                  .n_out = 1,
                                  .attr_size = sizeof(vw_patch_logits_attr),
                                  .infer = infer,
                                  .gradient = gradient,
                                  .flops = flops,
                                  .bytes = bytes};

const vw_op vw_patch_logits_grad_op = {.name = "patch_logits_grad",
                                       .id = VW_OP_patch_logits_grad,
                                       .n_in = 4,
                                       .n_out = 1,
                                       .attr_size = sizeof(vw_patch_logits_attr),
                                       .infer = infer_grad,
                                       .flops = flops_grad,
                                       .bytes = bytes_grad};

vw_value vw_patch_logits(vw_graph *g, vw_value q, vw_patch_features f, vw_value picture, double factor) {
  vw_value z = VW_NONE;
  (void)vw_emit(g, &vw_patch_logits_op, &(vw_patch_logits_attr){.factor = factor},
                (vw_value[]){q, f.features, f.shift, f.scale, picture}, &z);
  return z;
}
