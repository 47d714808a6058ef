#include "kernels/patch_embed.h"

#include <inttypes.h>

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *x = &in[PATCH_PIXELS], *w = &in[PATCH_WEIGHT];
  VW_CHECK(x->ndim == 4 && x->dim[3] == 3, VW_ERR_ARG, "patch_embed: pixels are %s, expected [B, H, W, 3]",
           vw_shape_text(x));
  VW_CHECK(w->ndim == 4 && w->dim[1] == 3 && w->dim[2] == w->dim[3] && w->dim[2] > 0, VW_ERR_ARG,
           "patch_embed: weight is %s, expected [D, 3, P, P]", vw_shape_text(w));
  const int64_t D = w->dim[0], P = w->dim[2], H = x->dim[1], W = x->dim[2];
  VW_CHECK(H % P == 0 && W % P == 0, VW_ERR_ARG, "patch_embed: pixels are %s, not divisible by patches of %" PRId64,
           vw_shape_text(x), P);
  const vw_tensor expected = vw_shape(VW_PARAM, 1 + (H / P) * (W / P), D);
  VW_CHECK(vw_is_vector(&in[PATCH_CLASS], D), VW_ERR_ARG, "patch_embed: class embedding is %s, expected [%" PRId64 "]",
           vw_shape_text(&in[PATCH_CLASS]), D);
  VW_CHECK(vw_same_shape(&in[PATCH_POSITION], &expected), VW_ERR_ARG, "patch_embed: position is %s, expected %s",
           vw_shape_text(&in[PATCH_POSITION]), vw_shape_text(&expected));
  out[0] = vw_shape(VW_RESIDUAL, x->dim[0], expected.dim[0], D);
  return VW_OK;
}

static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr;
  const double patches = (double)(out[0].dim[0] * (out[0].dim[1] - 1));
  return 2 * patches * (double)vw_count(&in[PATCH_WEIGHT]);
}

const vw_op vw_patch_embed_op = {
    .name = "patch_embed", .id = VW_OP_patch_embed, .n_in = 4, .n_out = 1, .infer = infer, .flops = flops};

vw_value vw_patch_embed(vw_graph *g, vw_value pixels, vw_value weight, vw_value class_embedding, vw_value position) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_patch_embed_op, NULL, (vw_value[]){pixels, weight, class_embedding, position}, &out);
  return out;
}
