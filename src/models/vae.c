#include "models/vae.h"

#include "kernels/attention.h"
#include "kernels/upsample_nearest.h"
#include "kernels/view.h"
#include "models/resnet.h"

#include <inttypes.h>

static const double EPS = 1e-6; /* of all norms; no configuration says otherwise */

int64_t vw_vae_factor(const vw_vae_config *cfg) {
  return INT64_C(1) << (cfg->levels - 1);
}

/* Every position looks at every other, with one head as wide as the stream. */
static vw_value attention(vw_graph *g, const vw_vae_config *cfg, vw_value x, const char *path) {
  const vw_attention_rows all = {VW_NONE, VW_NONE, VW_NONE, VW_NONE, true};
  const vw_tensor t = vw_value_tensor(g, x);
  const int64_t C = vw_last_dim(&t);
  const vw_tensor rows = vw_shape(VW_ACT, t.dim[0], t.dim[1] * t.dim[2], C);
  vw_weight_path name;
  vw_value h = vw_group_norm_of(g, x, cfg->groups, EPS, false, vw_path_of(name, "%s.group_norm", path));
  const vw_linear_weights qkv = vw_linear_of(g, C, 3 * C, true, vw_path_of(name, "%s.to_{q,k,v}", path));
  h = vw_attention(g, vw_linear(g, vw_view(g, h, rows), qkv, VW_ACT_NONE, VW_NONE, VW_ACT), 1, false, all);
  const vw_linear_weights out = vw_linear_of(g, C, C, true, vw_path_of(name, "%s.to_out.0", path));
  return vw_view(g, vw_linear(g, h, out, VW_ACT_NONE, vw_view(g, x, rows), VW_RESIDUAL), t);
}

static vw_value middle(vw_graph *g, const vw_vae_config *cfg, vw_value x, const vw_resnet *r, const char *tower) {
  const int64_t C = cfg->width[cfg->levels - 1];
  vw_weight_path name;
  x = vw_resnet_block(g, x, C, r, vw_path_of(name, "%s%s.mid_block.resnets.0", cfg->prefix, tower));
  if (cfg->attends) x = attention(g, cfg, x, vw_path_of(name, "%s%s.mid_block.attentions.0", cfg->prefix, tower));
  return vw_resnet_block(g, x, C, r, vw_path_of(name, "%s%s.mid_block.resnets.1", cfg->prefix, tower));
}

vw_value vw_vae_encoder(vw_graph *g, const vw_vae_config *cfg, vw_value pixels) {
  const vw_resnet r = {cfg->groups, EPS, VW_NONE};
  const int64_t moments = 2 * cfg->latent_channels;
  const char *prefix = cfg->prefix;
  vw_weight_path name;
  vw_value x = vw_conv3_of(g, pixels, cfg->width[0], VW_NONE, VW_NONE, VW_RESIDUAL,
                           vw_path_of(name, "%sencoder.conv_in", prefix));
  for (int64_t i = 0; i < cfg->levels; i++) {
    for (int64_t j = 0; j < cfg->layers; j++)
      x = vw_resnet_block(g, x, cfg->width[i], &r,
                          vw_path_of(name, "%sencoder.down_blocks.%" PRId64 ".resnets.%" PRId64, prefix, i, j));
    if (i + 1 < cfg->levels)
      x = vw_conv_down_of(g, x, (vw_padding){.bottom = 1, .right = 1},
                          vw_path_of(name, "%sencoder.down_blocks.%" PRId64 ".downsamplers.0.conv", prefix, i));
  }
  x = middle(g, cfg, x, &r, "encoder");
  x = vw_group_norm_of(g, x, cfg->groups, EPS, true, vw_path_of(name, "%sencoder.conv_norm_out", prefix));
  x = vw_conv3_of(g, x, moments, VW_NONE, VW_NONE, cfg->quant_conv ? VW_ACT : VW_HEAD,
                  vw_path_of(name, "%sencoder.conv_out", prefix));
  if (!cfg->quant_conv) return x;
  return vw_conv1_of(g, x, moments, VW_NONE, VW_HEAD, vw_path_of(name, "%squant_conv", prefix));
}

vw_value vw_vae_decoder(vw_graph *g, const vw_vae_config *cfg, vw_value z) {
  const vw_resnet r = {cfg->groups, EPS, VW_NONE};
  const char *prefix = cfg->prefix;
  vw_weight_path name;
  if (cfg->post_quant_conv)
    z = vw_conv1_of(g, z, cfg->latent_channels, VW_NONE, VW_ACT, vw_path_of(name, "%spost_quant_conv", prefix));
  vw_value x = vw_conv3_of(g, z, cfg->width[cfg->levels - 1], VW_NONE, VW_NONE, VW_RESIDUAL,
                           vw_path_of(name, "%sdecoder.conv_in", prefix));
  x = middle(g, cfg, x, &r, "decoder");
  for (int64_t i = 0; i < cfg->levels; i++) {
    const int64_t C = cfg->width[cfg->levels - 1 - i];
    for (int64_t j = 0; j <= cfg->layers; j++)
      x = vw_resnet_block(g, x, C, &r,
                          vw_path_of(name, "%sdecoder.up_blocks.%" PRId64 ".resnets.%" PRId64, prefix, i, j));
    if (i + 1 == cfg->levels) break;
    const vw_tensor t = vw_value_tensor(g, x);
    x = vw_conv3_of(g, vw_upsample_nearest(g, x, 2 * t.dim[1], 2 * t.dim[2]), C, VW_NONE, VW_NONE, VW_RESIDUAL,
                    vw_path_of(name, "%sdecoder.up_blocks.%" PRId64 ".upsamplers.0.conv", prefix, i));
  }
  x = vw_group_norm_of(g, x, cfg->groups, EPS, true, vw_path_of(name, "%sdecoder.conv_norm_out", prefix));
  return vw_conv3_of(g, x, cfg->channels, VW_NONE, VW_NONE, VW_HEAD, vw_path_of(name, "%sdecoder.conv_out", prefix));
}
