#include "kernels/match_patches.h"

#include <inttypes.h>

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_match_patches_attr *a = attr;
  const vw_tensor *z = &in[MATCH_Z], *p = &in[MATCH_PICTURE], *f = &in[MATCH_FIRST], *c = &in[MATCH_PLACE];
  VW_CHECK(z->ndim == 3, VW_ERR_ARG, "match_patches: z is %s, must be [K, S, N]", vw_shape_text(z));
  VW_CHECK(p->dtype == VW_I32 && p->ndim == 2 && p->dim[1] == z->dim[1] && p->dim[0] > 0 && z->dim[0] % p->dim[0] == 0,
           VW_ERR_ARG, "match_patches: picture is %s %s, z is %s; must be i32 [G, S], G a divisor of K",
           vw_dtype_name(p->dtype), vw_shape_text(p), vw_shape_text(z));
  VW_CHECK(f->dtype == VW_I32 && f->ndim == 1 && f->dim[0] >= 2, VW_ERR_ARG,
           "match_patches: first is %s %s, must be i32 [P + 1]", vw_dtype_name(f->dtype), vw_shape_text(f));
  VW_CHECK(c->ndim == 2 && c->dim[1] == z->dim[2], VW_ERR_ARG, "match_patches: place is %s, must be [B, N=%" PRId64 "]",
           vw_shape_text(c), z->dim[2]);
  VW_CHECK(a->alpha >= 0 && a->alpha <= 1, VW_ERR_ARG, "match_patches: alpha is %g, must be from 0 to 1", a->alpha);
  out[0] = vw_shape_of(VW_I32, 3, z->dim);
  return VW_OK;
}

/* Each logit once and each place's cost once a word. */
static double bytes(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  return (double)(vw_bytes(&in[MATCH_Z]) + vw_bytes(&out[0])) +
         (double)vw_bytes(&in[MATCH_PLACE]) * (double)in[MATCH_Z].dim[0];
}

const vw_op vw_match_patches_op = {.name = "match_patches",
                                   .id = VW_OP_match_patches,
                                   .n_in = 4,
                                   .n_out = 1,
                                   .attr_size = sizeof(vw_match_patches_attr),
                                   .infer = infer,
                                   .bytes = bytes};

vw_value vw_match_patches(vw_graph *g, vw_value z, vw_match_boxes b, double alpha) {
  vw_value matched = VW_NONE;
  (void)vw_emit(g, &vw_match_patches_op, &(vw_match_patches_attr){.alpha = alpha},
                (vw_value[]){z, b.picture, b.first, b.place}, &matched);
  return matched;
}
