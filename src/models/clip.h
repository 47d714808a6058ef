/* CLIP's two towers as descriptions: ViT-B/32 ... ViT-H/14, any size of the family (Radford et al. 2021, arXiv
 * 2103.00020).
 *
 * Weights are leaves named as in the hub's files. Token and position embeddings are not among them: a description
 * starts at embedded positions, so that a step never touches the vocabulary's table. */
#ifndef VW_MODELS_CLIP_H
#define VW_MODELS_CLIP_H

#include "graph/graph.h"
#include "kernels/attention.h"

typedef struct vw_transformer_config {
  int64_t width, mlp, layers, heads;
  vw_activation act;
  double eps;
} vw_transformer_config;

typedef struct vw_clip_text_config {
  vw_transformer_config t;
  int64_t vocab, positions;
  int64_t projection; /* width of the shared space */
  const char *prefix; /* of the weights' names: "" or "owlv2." */
} vw_clip_text_config;

typedef struct vw_clip_vision_config {
  vw_transformer_config t;
  int64_t image_size, patch, projection;
  const char *prefix;
  const char *first_norm; /* name of the norm before the layers: "pre_layrnorm", spelt so in CLIP's files */
} vw_clip_vision_config;

/* Which rows attend to what (kernels/attention.h). prefix: one value a layer, or NULL. */
typedef struct vw_clip_text_rows {
  const vw_value *prefix;                  /* [layers] values [M, P, 2C] */
  vw_value row_prefix, prefix_len, length; /* [B], [M], [B]; VW_NONE where absent */
} vw_clip_text_rows;

/* All layers without the final norm. x [B, T, C] embedded positions. Where qkv is not NULL, qkv[i] is layer i's packed
 * queries, keys and values [B, T, 3C] (what a cached prefix is made of). Returns the residual stream [B, T, C]. */
vw_value vw_clip_text_layers(vw_graph *g, const vw_clip_text_config *cfg, vw_value x, vw_clip_text_rows rows,
                             vw_value *qkv);

/* The pooled, projected, unit-length text feature [B, projection] of embedded positions x [B, T, C]; pooled [B]:
 * position of the end-of-text token. After the last layer's attention only the pooled position is computed: nothing
 * else is used. A tower of no layers is its embedding, where the pooled position is the same for all words. Where
 * states is not NULL, states[i] is the residual stream behind layer i: [B, T, C], and [B, C], the pooled position,
 * behind the last. */
vw_value vw_clip_text_feature(vw_graph *g, const vw_clip_text_config *cfg, vw_value x, vw_clip_text_rows rows,
                              vw_value pooled, vw_value *states);

/* The residual stream of all positions [B, T, C] at the embedding, states[0], and behind layer i, states[1 + i]; before
 * the final norm. */
void vw_clip_text_residuals(vw_graph *g, const vw_clip_text_config *cfg, vw_value x, vw_clip_text_rows rows,
                            vw_value *states);

/* The states of all positions behind the final norm [B, T, C], as Stable Diffusion reads them: no position is pooled,
 * so padding counts. */
vw_value vw_clip_text_states(vw_graph *g, const vw_clip_text_config *cfg, vw_value x, vw_clip_text_rows rows);

/* The vision tower up to and with its last norm. pixels [B, S, S, 3] (normalised, channels last). class_row [B]: zeros,
 * to go on with the class token alone behind the last layer's attention: [B, D]; or VW_NONE: all tokens
 * [B, patches + 1, D], the class token first. states as below. */
vw_value vw_clip_vision_tokens(vw_graph *g, const vw_clip_vision_config *cfg, vw_value pixels, vw_value class_row,
                               vw_value *states);

/* Unit-length image features [B, projection] of pixels [B, S, S, 3] (normalised, channels last). class_row [B]: zeros.
 * Where states is not NULL, states[0] is the embedded picture [B, patches + 1, D] and states[1 + i] the residual stream
 * behind layer i, behind the last one of the class token alone [B, D]. */
vw_value vw_clip_image_feature(vw_graph *g, const vw_clip_vision_config *cfg, vw_value pixels, vw_value class_row,
                               vw_value *states);

#endif
