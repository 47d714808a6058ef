#include "models/unet.h"

#include "kernels/activate.h"
#include "kernels/attention.h"
#include "kernels/cast.h"
#include "kernels/concat.h"
#include "kernels/cross_attention.h"
#include "kernels/take.h"
#include "kernels/timestep_embedding.h"
#include "kernels/upsample_nearest.h"
#include "kernels/view.h"
#include "models/resnet.h"
#include "models/transformer.h"

#include <inttypes.h>

/* Of the transformer's norms, whatever the configuration says of the others (diffusers' Transformer2DModel). */
static const double STACK_EPS = 1e-6, LAYER_EPS = 1e-5, PERIOD = 10000;

enum { SKIPS = VW_UNET_LEVELS * (VW_UNET_LAYERS + 1) + 1 };

/* A UNet while it is described. */
typedef struct unet {
  vw_graph *g;
  const vw_unet_config *cfg;
  vw_value context, row;
  vw_value latents; /* VW_NONE: rows are those of the texts already */
  int64_t each;
  vw_resnet res;
  vw_value skip[SKIPS]; /* a stack */
  int n_skips;
} unet;

vw_value vw_unet_spread(vw_graph *g, vw_value x, vw_value latents, int64_t each) {
  const vw_tensor groups = vw_value_tensor(g, latents);
  vw_tensor t = vw_value_tensor(g, x);
  t.dim[0] /= each, t.dim[1] *= each;
  const vw_value taken = vw_take(g, vw_view(g, x, t), latents);
  t.dim[0] = groups.dim[0] * each, t.dim[1] /= each;
  return vw_view(g, taken, t);
}

/* From here on rows are those of the texts: what is still to be read is handed out to them. Nothing before this depends
 * on a word. */
static void spread(unet *u, vw_value *const *also, int n) {
  const vw_value from = u->latents;
  if (from == VW_NONE) return;
  for (int i = 0; i < n; i++) *also[i] = vw_unet_spread(u->g, *also[i], from, u->each);
  for (int i = 0; i < u->n_skips; i++) u->skip[i] = vw_unet_spread(u->g, u->skip[i], from, u->each);
  u->res.time = vw_unet_spread(u->g, u->res.time, from, u->each);
  u->latents = VW_NONE;
}

/* ---- transformer ------------------------------------------------------------------------------------------------- */

static vw_value normed(unet *u, vw_value x, int64_t C, const char *path) {
  return vw_layernorm(u->g, x, vw_norm_weights_of(u->g, C, path), LAYER_EPS);
}

static vw_value self_attention(unet *u, vw_value x, int64_t C, int64_t heads, const char *path) {
  const vw_attention_rows all = {VW_NONE, VW_NONE, VW_NONE, VW_NONE, true};
  vw_weight_path name;
  const vw_value h = normed(u, x, C, vw_path_of(name, "%s.norm1", path));
  const vw_linear_weights qkv = vw_linear_of(u->g, C, 3 * C, false, vw_path_of(name, "%s.attn1.to_{q,k,v}", path));
  const vw_value y = vw_attention(u->g, vw_linear(u->g, h, qkv, VW_ACT_NONE, VW_NONE, VW_ACT), heads, false, all);
  const vw_linear_weights out = vw_linear_of(u->g, C, C, true, vw_path_of(name, "%s.attn1.to_out.0", path));
  return vw_linear(u->g, y, out, VW_ACT_NONE, x, VW_RESIDUAL);
}

/* x is the stream, `around` what goes around the whole stack. */
static vw_value cross_attention(unet *u, vw_value x, vw_value *around, int64_t C, int64_t heads, const char *path) {
  vw_weight_path name;
  const vw_value h = normed(u, x, C, vw_path_of(name, "%s.norm2", path));
  const vw_linear_weights q_of = vw_linear_of(u->g, C, C, false, vw_path_of(name, "%s.attn2.to_q", path));
  vw_value q = vw_linear(u->g, h, q_of, VW_ACT_NONE, VW_NONE, VW_ACT);
  spread(u, (vw_value *[]){&q, &x, around}, 3);
  const vw_linear_weights kv =
      vw_linear_of(u->g, u->cfg->context, 2 * C, false, vw_path_of(name, "%s.attn2.to_{k,v}", path));
  const vw_value y =
      vw_cross_attention(u->g, q, vw_linear(u->g, u->context, kv, VW_ACT_NONE, VW_NONE, VW_ACT), u->row, heads);
  const vw_linear_weights out = vw_linear_of(u->g, C, C, true, vw_path_of(name, "%s.attn2.to_out.0", path));
  return vw_linear(u->g, y, out, VW_ACT_NONE, x, VW_RESIDUAL);
}

static vw_value feed_forward(unet *u, vw_value x, int64_t C, const char *path) {
  vw_weight_path name;
  const vw_value h = normed(u, x, C, vw_path_of(name, "%s.norm3", path));
  const vw_linear_weights in = vw_linear_of(u->g, C, 8 * C, true, vw_path_of(name, "%s.ff.net.0.proj", path));
  const vw_value y = vw_geglu(u->g, vw_linear(u->g, h, in, VW_ACT_NONE, VW_NONE, VW_ACT));
  const vw_linear_weights out = vw_linear_of(u->g, 4 * C, C, true, vw_path_of(name, "%s.ff.net.2", path));
  return vw_linear(u->g, y, out, VW_ACT_NONE, x, VW_RESIDUAL);
}

/* A stack of transformer blocks over the positions of x [B, H, W, C], around which x goes. */
static vw_value transformer(unet *u, vw_value x, const vw_unet_level *l, const char *path) {
  vw_graph *g = u->g;
  vw_weight_path name;
  vw_tensor t = vw_value_tensor(g, x);
  const int64_t C = l->width;
  vw_tensor rows = vw_shape(VW_ACT, t.dim[0], t.dim[1] * t.dim[2], C);
  vw_value h = vw_group_norm_of(g, x, u->cfg->groups, STACK_EPS, false, vw_path_of(name, "%s.norm", path));
  (void)vw_path_of(name, "%s.proj_in", path);
  if (u->cfg->linear_projection)
    h = vw_linear(g, vw_view(g, h, rows), vw_linear_of(g, C, C, true, name), VW_ACT_NONE, VW_NONE, VW_RESIDUAL);
  else
    h = vw_view(g, vw_conv1_of(g, h, C, VW_NONE, VW_RESIDUAL, name), rows);
  for (int64_t i = 0; i < l->depth; i++) {
    (void)vw_path_of(name, "%s.transformer_blocks.%" PRId64, path, i);
    h = self_attention(u, h, C, l->heads, name);
    h = cross_attention(u, h, &x, C, l->heads, name);
    h = feed_forward(u, h, C, name);
  }
  (void)vw_path_of(name, "%s.proj_out", path);
  t = vw_value_tensor(g, x), rows.dim[0] = t.dim[0];
  if (!u->cfg->linear_projection) return vw_conv1_of(g, vw_view(g, h, t), C, x, VW_RESIDUAL, name);
  h = vw_cast(g, h, VW_ACT);
  h = vw_linear(g, h, vw_linear_of(g, C, C, true, name), VW_ACT_NONE, vw_view(g, x, rows), VW_RESIDUAL);
  return vw_view(g, h, t);
}

/* ---- levels ------------------------------------------------------------------------------------------------------ */

static void push(unet *u, vw_value x) {
  if (u->n_skips < SKIPS) u->skip[u->n_skips++] = x;
}

static vw_value down_level(unet *u, vw_value x, int64_t i) {
  const vw_unet_level *l = &u->cfg->level[i];
  const char *prefix = u->cfg->prefix;
  const int64_t one = u->cfg->down_padding;
  vw_weight_path name;
  for (int64_t j = 0; j < l->layers; j++) {
    x = vw_resnet_block(u->g, x, l->width, &u->res,
                        vw_path_of(name, "%sdown_blocks.%" PRId64 ".resnets.%" PRId64, prefix, i, j));
    if (l->attends_down)
      x = transformer(u, x, l, vw_path_of(name, "%sdown_blocks.%" PRId64 ".attentions.%" PRId64, prefix, i, j));
    push(u, x);
  }
  if (i + 1 == u->cfg->levels) return x;
  x = vw_conv_down_of(u->g, x, (vw_padding){one, 1, one, 1},
                      vw_path_of(name, "%sdown_blocks.%" PRId64 ".downsamplers.0.conv", prefix, i));
  push(u, x);
  return x;
}

static vw_value middle(unet *u, vw_value x) {
  const vw_unet_level *l = &u->cfg->level[u->cfg->levels - 1];
  const char *prefix = u->cfg->prefix;
  vw_weight_path name;
  x = vw_resnet_block(u->g, x, l->width, &u->res, vw_path_of(name, "%smid_block.resnets.0", prefix));
  x = transformer(u, x, l, vw_path_of(name, "%smid_block.attentions.0", prefix));
  return vw_resnet_block(u->g, x, l->width, &u->res, vw_path_of(name, "%smid_block.resnets.1", prefix));
}

/* The i-th level on the way up, coarsest first. */
static vw_value up_level(unet *u, vw_value x, int64_t i) {
  const vw_unet_level *l = &u->cfg->level[u->cfg->levels - 1 - i];
  const char *prefix = u->cfg->prefix;
  vw_weight_path name;
  for (int64_t j = 0; j <= l->layers && u->n_skips > 0; j++) {
    x = vw_concat(u->g, x, u->skip[--u->n_skips]);
    x = vw_resnet_block(u->g, x, l->width, &u->res,
                        vw_path_of(name, "%sup_blocks.%" PRId64 ".resnets.%" PRId64, prefix, i, j));
    if (l->attends_up)
      x = transformer(u, x, l, vw_path_of(name, "%sup_blocks.%" PRId64 ".attentions.%" PRId64, prefix, i, j));
  }
  if (i + 1 == u->cfg->levels || u->n_skips == 0) return x;
  const vw_tensor to = vw_value_tensor(u->g, u->skip[u->n_skips - 1]);
  x = vw_upsample_nearest(u->g, x, to.dim[1], to.dim[2]);
  return vw_conv3_of(u->g, x, l->width, VW_NONE, VW_NONE, VW_RESIDUAL,
                     vw_path_of(name, "%sup_blocks.%" PRId64 ".upsamplers.0.conv", prefix, i));
}

/* SiLU of the time embedding [B, 4 C]: every block reads it so. */
static vw_value time_embedding(vw_graph *g, const vw_unet_config *cfg, vw_value t) {
  const int64_t C = cfg->level[0].width;
  vw_weight_path name;
  const vw_timestep_attr attr = {C, cfg->cosine_first, cfg->frequency_shift, PERIOD};
  const vw_linear_weights first =
      vw_linear_of(g, C, 4 * C, true, vw_path_of(name, "%stime_embedding.linear_1", cfg->prefix));
  const vw_value h = vw_linear(g, vw_timestep_embedding(g, t, attr), first, VW_ACT_SILU, VW_NONE, VW_ACT);
  const vw_linear_weights second =
      vw_linear_of(g, 4 * C, 4 * C, true, vw_path_of(name, "%stime_embedding.linear_2", cfg->prefix));
  return vw_linear(g, h, second, VW_ACT_SILU, VW_NONE, VW_ACT);
}

vw_value vw_unet(vw_graph *g, const vw_unet_config *cfg, vw_unet_in in) {
  unet u = {.g = g, .cfg = cfg, .context = in.context, .row = in.row, .latents = in.latents, .each = in.each};
  vw_weight_path name;
  u.res = (vw_resnet){cfg->groups, cfg->eps, time_embedding(g, cfg, in.t)};
  vw_value x = vw_conv3_of(g, in.x, cfg->level[0].width, VW_NONE, VW_NONE, VW_RESIDUAL,
                           vw_path_of(name, "%sconv_in", cfg->prefix));
  push(&u, x);
  for (int64_t i = 0; i < cfg->levels; i++) x = down_level(&u, x, i);
  x = middle(&u, x);
  for (int64_t i = 0; i < cfg->levels; i++) x = up_level(&u, x, i);
  x = vw_group_norm_of(g, x, cfg->groups, cfg->eps, true, vw_path_of(name, "%sconv_norm_out", cfg->prefix));
  spread(&u, (vw_value *[]){&x}, 1); /* a network that never looks at a text */
  return vw_conv3_of(g, x, cfg->out_channels, VW_NONE, VW_NONE, VW_HEAD, vw_path_of(name, "%sconv_out", cfg->prefix));
}
