/* CLIP's text tower: causal pre-norm transformer, pooled at the end-of-text token. Because it is causal, positions
 * before the word enter as cached keys and values (rows.prefix), and positions after the pooled token need not exist.
 */
#include "models/transformer.h"

#include "kernels/l2norm.h"
#include "kernels/select_row.h"

#include <stdio.h>

static vw_value layers(vw_graph *g, const vw_clip_text_config *cfg, vw_value x, vw_clip_text_rows rows, vw_value pooled,
                       vw_value *qkv, vw_value *states) {
  char path[VW_NAME_BYTES];
  (void)snprintf(path, sizeof path, "%stext_model.encoder.layers", cfg->prefix);
  for (int64_t i = 0; i < cfg->t.layers; i++) {
    const vw_block_weights w = vw_block_weights_of(g, &cfg->t, path, i);
    const bool cached = rows.prefix != NULL, last = i + 1 == cfg->t.layers;
    const vw_attention_rows r = {.prefix = cached ? rows.prefix[i] : VW_NONE,
                                 .row_prefix = cached ? rows.row_prefix : VW_NONE,
                                 .prefix_len = cached ? rows.prefix_len : VW_NONE,
                                 .length = rows.length};
    x = vw_transformer_block(g, &cfg->t, &w, x, true, r, last ? pooled : VW_NONE, qkv ? &qkv[i] : NULL);
    if (states) states[i] = x;
  }
  return x;
}

vw_value vw_clip_text_layers(vw_graph *g, const vw_clip_text_config *cfg, vw_value x, vw_clip_text_rows rows,
                             vw_value *qkv) {
  return layers(g, cfg, x, rows, VW_NONE, qkv, NULL);
}

void vw_clip_text_residuals(vw_graph *g, const vw_clip_text_config *cfg, vw_value x, vw_clip_text_rows rows,
                            vw_value *states) {
  states[0] = x;
  (void)layers(g, cfg, x, rows, VW_NONE, NULL, states + 1);
}

vw_value vw_clip_text_feature(vw_graph *g, const vw_clip_text_config *cfg, vw_value x, vw_clip_text_rows rows,
                              vw_value pooled, vw_value *states) {
  char name[VW_NAME_BYTES];
  x = layers(g, cfg, x, rows, pooled, NULL, states); /* [B, C] */
  if (!cfg->t.layers) x = vw_select_row(g, x, pooled);
  (void)snprintf(name, sizeof name, "%stext_model.final_layer_norm", cfg->prefix);
  x = vw_layernorm(g, x, vw_norm_weights_of(g, cfg->t.width, name), cfg->t.eps);
  const vw_tensor shape = vw_shape(VW_PARAM, cfg->projection, cfg->t.width);
  const vw_linear_weights projection = {.weight = vw_weight(g, shape, "%stext_projection.weight", cfg->prefix),
                                        .bias = VW_NONE};
  return vw_l2norm(g, vw_linear(g, x, projection, VW_ACT_NONE, VW_NONE, VW_HEAD));
}

vw_value vw_clip_text_states(vw_graph *g, const vw_clip_text_config *cfg, vw_value x, vw_clip_text_rows rows) {
  char name[VW_NAME_BYTES];
  x = layers(g, cfg, x, rows, VW_NONE, NULL, NULL);
  (void)snprintf(name, sizeof name, "%stext_model.final_layer_norm", cfg->prefix);
  return vw_layernorm(g, x, vw_norm_weights_of(g, cfg->t.width, name), cfg->t.eps);
}
