/* CLIP's vision tower (ViT): patches, a class token, pre-norm blocks without mask; the class token's state is the
 * feature. */
#include "models/transformer.h"

#include "kernels/l2norm.h"
#include "kernels/patch_embed.h"

#include <stdio.h>

static vw_value embed(vw_graph *g, const vw_clip_vision_config *cfg, vw_value pixels) {
  const int64_t D = cfg->t.width, P = cfg->patch, n = cfg->image_size / P;
  char path[VW_NAME_BYTES];
  (void)snprintf(path, sizeof path, "%svision_model.embeddings", cfg->prefix);
  return vw_patch_embed(g, pixels, vw_weight(g, vw_shape(VW_PARAM, D, 3, P, P), "%s.patch_embedding.weight", path),
                        vw_weight(g, vw_shape(VW_PARAM, D), "%s.class_embedding", path),
                        vw_weight(g, vw_shape(VW_PARAM, n * n + 1, D), "%s.position_embedding.weight", path));
}

vw_value vw_clip_vision_tokens(vw_graph *g, const vw_clip_vision_config *cfg, vw_value pixels, vw_value class_row,
                               vw_value *states) {
  const vw_attention_rows all = {VW_NONE, VW_NONE, VW_NONE, VW_NONE, false};
  const int64_t D = cfg->t.width;
  char path[VW_NAME_BYTES];
  vw_value x = embed(g, cfg, pixels);
  (void)snprintf(path, sizeof path, "%svision_model.%s", cfg->prefix, cfg->first_norm);
  x = vw_layernorm_residual(g, x, vw_norm_weights_of(g, D, path), cfg->t.eps);
  if (states) states[0] = x;
  (void)snprintf(path, sizeof path, "%svision_model.encoder.layers", cfg->prefix);
  for (int64_t i = 0; i < cfg->t.layers; i++) {
    const vw_block_weights w = vw_block_weights_of(g, &cfg->t, path, i);
    x = vw_transformer_block(g, &cfg->t, &w, x, false, all, i + 1 == cfg->t.layers ? class_row : VW_NONE, NULL);
    if (states) states[1 + i] = x;
  }
  (void)snprintf(path, sizeof path, "%svision_model.post_layernorm", cfg->prefix);
  return vw_layernorm(g, x, vw_norm_weights_of(g, D, path), cfg->t.eps);
}

vw_value vw_clip_image_feature(vw_graph *g, const vw_clip_vision_config *cfg, vw_value pixels, vw_value class_row,
                               vw_value *states) {
  const vw_value x = vw_clip_vision_tokens(g, cfg, pixels, class_row, states);
  const vw_tensor shape = vw_shape(VW_PARAM, cfg->projection, cfg->t.width);
  const vw_linear_weights projection = {.weight = vw_weight(g, shape, "%svisual_projection.weight", cfg->prefix),
                                        .bias = VW_NONE};
  return vw_l2norm(g, vw_linear(g, x, projection, VW_ACT_NONE, VW_NONE, VW_HEAD));
}
