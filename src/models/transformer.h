/* The pre-norm transformer block that CLIP's and OWL-v2's towers share. */
#ifndef VW_MODELS_TRANSFORMER_H
#define VW_MODELS_TRANSFORMER_H

#include "kernels/layernorm.h"
#include "kernels/linear.h"
#include "models/clip.h"

typedef struct vw_block_weights {
  vw_norm_weights ln1, ln2;
  vw_linear_weights qkv, out, fc1, fc2;
} vw_block_weights;

/* Leaves of layer i below `path` ("text_model.encoder.layers"). */
vw_block_weights vw_block_weights_of(vw_graph *g, const vw_transformer_config *cfg, const char *path, int64_t i);

vw_norm_weights vw_norm_weights_of(vw_graph *g, int64_t width, const char *path);

/* One block. Where select is not VW_NONE, only that position of each row goes on after the attention:
 * x [B, T, C] -> [B, C]. qkv (may be NULL) receives the packed projections. */
vw_value vw_transformer_block(vw_graph *g, const vw_transformer_config *cfg, const vw_block_weights *w, vw_value x,
                              bool causal, vw_attention_rows rows, vw_value select, vw_value *qkv);

#endif
