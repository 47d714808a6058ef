#include "kernels/diffuse.h"

#include <inttypes.h>

static vw_status infer_mix(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_mix_attr *x = attr;
  const vw_tensor *a = &in[MIX_A], *coef = &in[MIX_COEF], *t = &in[MIX_T];
  VW_CHECK(a->ndim >= 2 && vw_same_shape(a, &in[MIX_C]), VW_ERR_ARG,
           "mix: a is %s, c is %s, expected the same [B, S..]", vw_shape_text(a), vw_shape_text(&in[MIX_C]));
  VW_CHECK(coef->ndim == 2 && coef->dim[1] == 2, VW_ERR_ARG, "mix: coef is %s, expected [N, 2]", vw_shape_text(coef));
  VW_CHECK(t->dtype == VW_I32 && vw_is_vector(t, a->dim[0]), VW_ERR_ARG, "mix: t is %s %s, expected i32 [%" PRId64 "]",
           vw_dtype_name(t->dtype), vw_shape_text(t), a->dim[0]);
  out[0] = vw_shape_of(x->role, a->ndim, a->dim);
  return VW_OK;
}

static vw_status infer_moments(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_tensor *x = &in[MOMENTS_X], *noise = &in[MOMENTS_NOISE];
  vw_tensor both = *noise;
  (void)attr;
  VW_CHECK(noise->ndim >= 2, VW_ERR_ARG, "sample_moments: noise is %s, expected [B, S.., C]", vw_shape_text(noise));
  both.dim[both.ndim - 1] *= 2;
  VW_CHECK(vw_same_shape(x, &both), VW_ERR_ARG, "sample_moments: moments are %s, noise is %s: expected %s",
           vw_shape_text(x), vw_shape_text(noise), vw_shape_text(&both));
  out[0] = vw_shape_of(VW_HEAD, noise->ndim, noise->dim);
  return VW_OK;
}

static vw_status no_gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  (void)dy, (void)dx;
  for (int i = 0; i < n->op->n_in; i++)
    VW_CHECK(!vw_wanted(g, n, i), VW_ERR_UNSUPPORTED, "%s: it has no gradient", n->op->name);
  return VW_OK;
}

const vw_op vw_mix_op = {.name = "mix",
                         .id = VW_OP_mix,
                         .n_in = 4,
                         .n_out = 1,
                         .attr_size = sizeof(vw_mix_attr),
                         .infer = infer_mix,
                         .gradient = no_gradient};

const vw_op vw_sample_moments_op = {.name = "sample_moments",
                                    .id = VW_OP_sample_moments,
                                    .n_in = 2,
                                    .n_out = 1,
                                    .attr_size = sizeof(vw_sample_moments_attr),
                                    .infer = infer_moments,
                                    .gradient = no_gradient};

vw_value vw_mix(vw_graph *g, vw_value a, vw_value c, vw_value coef, vw_value t, vw_dtype role) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_mix_op, &(vw_mix_attr){role}, (vw_value[]){a, c, coef, t}, &out);
  return out;
}

vw_value vw_sample_moments(vw_graph *g, vw_value moments, vw_value noise, double scale) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_sample_moments_op, &(vw_sample_moments_attr){scale}, (vw_value[]){moments, noise}, &out);
  return out;
}
