#include "models/transformer.h"

#include "kernels/select_row.h"

#include <stdio.h>

vw_norm_weights vw_norm_weights_of(vw_graph *g, int64_t width, const char *path) {
  const vw_tensor c = vw_shape(VW_PARAM, width);
  return (vw_norm_weights){.gamma = vw_weight(g, c, "%s.weight", path), .beta = vw_weight(g, c, "%s.bias", path)};
}

static vw_linear_weights linear_of(vw_graph *g, int64_t in, int64_t out, const char *path) {
  return (vw_linear_weights){.weight = vw_weight(g, vw_shape(VW_PARAM, out, in), "%s.weight", path),
                             .bias = vw_weight(g, vw_shape(VW_PARAM, out), "%s.bias", path)};
}

vw_block_weights vw_block_weights_of(vw_graph *g, const vw_transformer_config *cfg, const char *path, int64_t i) {
  enum { LN1, LN2, QKV, OUT, FC1, FC2, PARTS };
  static const char *const part[PARTS] = {"layer_norm1",        "layer_norm2", "self_attn.{q,k,v}_proj",
                                          "self_attn.out_proj", "mlp.fc1",     "mlp.fc2"};
  const int64_t C = cfg->width, H = cfg->mlp;
  char name[PARTS][VW_NAME_BYTES];
  for (int j = 0; j < PARTS; j++) (void)snprintf(name[j], VW_NAME_BYTES, "%s.%lld.%s", path, (long long)i, part[j]);
  return (vw_block_weights){
      .ln1 = vw_norm_weights_of(g, C, name[LN1]),
      .ln2 = vw_norm_weights_of(g, C, name[LN2]),
      .qkv = linear_of(g, C, 3 * C, name[QKV]),
      .out = linear_of(g, C, C, name[OUT]),
      .fc1 = linear_of(g, C, H, name[FC1]),
      .fc2 = linear_of(g, H, C, name[FC2]),
  };
}

vw_value vw_transformer_block(vw_graph *g, const vw_transformer_config *cfg, const vw_block_weights *w, vw_value x,
                              bool causal, vw_attention_rows rows, vw_value select, vw_value *qkv_out) {
  vw_value h = vw_layernorm(g, x, w->ln1, cfg->eps);
  const vw_value qkv = vw_linear(g, h, w->qkv, VW_ACT_NONE, VW_NONE, VW_ACT);
  if (qkv_out) *qkv_out = qkv;
  vw_value y = vw_attention(g, qkv, cfg->heads, causal, rows);
  if (select != VW_NONE) y = vw_select_row(g, y, select), x = vw_select_row(g, x, select);
  x = vw_linear(g, y, w->out, VW_ACT_NONE, x, VW_RESIDUAL);
  h = vw_linear(g, vw_layernorm(g, x, w->ln2, cfg->eps), w->fc1, cfg->act, VW_NONE, VW_ACT);
  return vw_linear(g, h, w->fc2, VW_ACT_NONE, x, VW_RESIDUAL);
}
