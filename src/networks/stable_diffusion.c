#include "networks/stable_diffusion.h"

#include "core/durable.h"
#include "kernels/libraries.h"
#include "networks/states.h"
#include "networks/templates.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static vw_status from_hub(void *user, const char *name, vw_tensor *out) {
  return vw_hub_diffusers_tensor(user, name, out);
}

static vw_unet_config unet_config(const vw_hub_unet *h) {
  vw_unet_config c = {.in_channels = h->channels,
                      .out_channels = h->channels,
                      .levels = h->levels,
                      .context = h->context,
                      .groups = h->groups,
                      .eps = h->eps,
                      .linear_projection = h->linear_projection,
                      .cosine_first = h->cosine_first,
                      .frequency_shift = h->frequency_shift,
                      .down_padding = h->down_padding,
                      .prefix = "unet."};
  for (int64_t i = 0; i < h->levels; i++)
    c.level[i] = (vw_unet_level){.width = h->width[i],
                                 .layers = h->layers[i],
                                 .heads = h->heads[i],
                                 .depth = h->depth[i],
                                 .attends_down = h->attends_down[i],
                                 .attends_up = h->attends_up[i]};
  return c;
}

static vw_vae_config vae_config(const vw_hub_vae *h) {
  vw_vae_config c = {.channels = 3,
                     .latent_channels = h->latent_channels,
                     .levels = h->levels,
                     .layers = h->layers,
                     .groups = h->groups,
                     .attends = h->attends,
                     .quant_conv = h->quant_conv,
                     .post_quant_conv = h->post_quant_conv,
                     .scale = h->scale,
                     .prefix = "vae."};
  memcpy(c.width, h->width, sizeof c.width);
  return c;
}

static vw_schedule_config schedule_config(const vw_hub_scheduler *h) {
  vw_schedule_config c = {.steps = h->steps,
                          .beta_start = h->beta_start,
                          .beta_end = h->beta_end,
                          .scaled = h->scaled,
                          .prediction = h->velocity ? VW_PREDICTS_VELOCITY : VW_PREDICTS_NOISE,
                          .offset = h->offset,
                          .last_alpha_one = h->last_alpha_one,
                          .clip = h->clip ? h->clip_range : 0,
                          .zero_snr = h->zero_snr,
                          .karras = h->karras,
                          .first_order = h->first_order,
                          .heun = h->heun,
                          .ends_noisy = h->ends_noisy,
                          .euler_at_final = h->euler_at_final,
                          .full_order_final = h->full_order_final,
                          .has_least = isfinite(h->least_log_snr),
                          .least_log_snr = h->least_log_snr};
  for (int i = VW_SPACING_DEFAULT; i <= VW_SPACING_TRAILING; i++)
    if (!strcmp(h->spacing, vw_spacing_name((vw_spacing)i))) c.spacing = (vw_spacing)i;
  return c;
}

/* The smallest latents that a UNet takes: one without padding around its strided convolutions halves them at every level,
 * and needs two to halve. */
static int64_t least_side(const vw_unet_config *u) {
  return u->down_padding ? 1 : (int64_t)1 << (u->levels - 1);
}

/* Everything at the smallest sizes, for the names and shapes of the weights. The caller destroys *g. */
static vw_status describe(const vw_sd_network *n, bool steps, bool pictures, vw_graph **g) {
  const vw_clip_text_rows rows = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  const int64_t side = vw_vae_factor(&n->vae);
  VW_TRY(vw_graph_create(g));
  if (steps) {
    const vw_value x = vw_input(*g, vw_shape(VW_RESIDUAL, 1, 1, n->net.width), "embedded");
    (void)vw_clip_text_states(*g, &n->net.text.tower, x, rows);
    VW_TRY(vw_sd_unet_graph(*g, n, 1, 1, least_side(&n->unet), least_side(&n->unet)));
  }
  if (pictures) VW_TRY(vw_sd_encoder_graph(*g, n, side, side));
  if (pictures) VW_TRY(vw_sd_decoder_graph(*g, n, 1, 1));
  return vw_graph_status(*g);
}

/* Is a tensor of the files a part of what is described? A leaf "a.to_{q,k,v}.weight" is three of them. */
static bool is_described(const vw_graph *g, const char *name) {
  for (int64_t i = 0; i < vw_graph_leaf_count(g); i++) {
    const char *leaf = vw_graph_leaf(g, i).name, *open = strchr(leaf, '{'), *close = open ? strchr(open, '}') : NULL;
    if (!close && !strcmp(leaf, name)) return true;
    const size_t before = close ? (size_t)(open - leaf) : 0, behind = close ? strlen(close + 1) : 0, n = strlen(name);
    if (!close || n <= before + behind || strncmp(name, leaf, before) != 0 || strcmp(name + n - behind, close + 1) != 0)
      continue;
    for (const char *p = open + 1; p < close; p += strcspn(p, ",}") + 1)
      if (strcspn(p, ",}") == n - before - behind && !strncmp(p, name + before, n - before - behind)) return true;
  }
  return false;
}

/* Weights that the configuration does not explain belong to another network: it would compute something else. The text
 * encoder's files may hold a projection and more. */
static vw_status check_all_described(const vw_sd_network *n, const vw_graph *g) {
  char name[2 * VW_NAME_BYTES];
  for (int c = VW_HUB_UNET; c < VW_HUB_COMPONENTS; c++)
    for (int64_t f = 0; f < n->hub.weights[c].n_files; f++)
      for (int64_t i = 0; i < vw_safetensors_count(n->hub.weights[c].files[f]); i++) {
        if (!vw_hub_diffusers_name(&n->hub, c, f, i, name, sizeof name)) continue;
        VW_CHECK(is_described(g, name), VW_ERR_INPUT,
                 "%s: tensor %s is no part of the network that %s/config.json describes: they do not belong together",
                 vw_safetensors_path(n->hub.weights[c].files[f]), vw_safetensors_name(n->hub.weights[c].files[f], i),
                 vw_hub_component_name(c));
      }
  return VW_OK;
}

static vw_status check_weights(vw_sd_network *n) {
  vw_graph *g = NULL;
  vw_status st = describe(n, true, true, &g);
  if (st == VW_OK) st = vw_weights_check(n->net.weights, g);
  if (st == VW_OK) st = check_all_described(n, g);
  if (st == VW_OK) {
    n->net.policy.stored = vw_weights_stored(n->net.weights, g, "text_encoder.");
    n->image_policy.stored = vw_weights_stored(n->net.weights, g, "unet.");
  }
  vw_graph_destroy(g);
  return st;
}

/* What the configurations alone decide. */
static void configure(vw_sd_network *n) {
  const vw_hub_text *h = &n->hub.text;
  n->net.text.tower =
      (vw_clip_text_config){.t = {.width = h->width,
                                  .mlp = h->mlp,
                                  .layers = h->layers,
                                  .heads = h->heads,
                                  .act = strcmp(h->activation, "gelu") == 0 ? VW_ACT_GELU : VW_ACT_QUICK_GELU,
                                  .eps = h->eps},
                            .vocab = h->vocab,
                            .positions = h->positions,
                            .projection = h->width,
                            .prefix = "text_encoder."};
  n->net.width = h->width;
  n->unet = unet_config(&n->hub.unet), n->vae = vae_config(&n->hub.vae);
  n->schedule = schedule_config(&n->hub.scheduler);
}

static vw_status open_tokenizer(vw_sd_network *n, const char *dir) {
  vw_text *t = &n->net.text;
  char path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(path, "%s/tokenizer", dir));
  VW_TRY(vw_tokenizer_open(&t->tokenizer, path));
  t->dir = n->net.dir;
  t->eos_token_id = vw_tokenizer_end(t->tokenizer); /* that of 2.1's configuration is wrong, and nothing is pooled */
  n->pad = vw_tokenizer_pad(t->tokenizer);
  if (n->pad < 0) n->pad = vw_tokenizer_end(t->tokenizer);
  VW_CHECK(vw_tokenizer_size(t->tokenizer) <= t->tower.vocab, VW_ERR_INPUT,
           "%s: the tokenizer has %" PRId64 " entries, text_encoder/config.json says vocab_size %" PRId64
           ": they do not belong together",
           dir, vw_tokenizer_size(t->tokenizer), t->tower.vocab);
  return VW_OK;
}

static vw_status open_parts(vw_sd_network *n, const char *dir) {
  (void)snprintf(n->net.dir, sizeof n->net.dir, "%s", dir);
  VW_TRY(vw_hub_diffusers_open(&n->hub, dir));
  VW_TRY(vw_libraries_for_convolutions(n->net.ctx));
  configure(n);
  VW_TRY(open_tokenizer(n, dir));
  VW_TRY(vw_weights_create(&n->net.weights, n->net.ctx, from_hub, &n->hub, dir));
  VW_TRY(check_weights(n));
  return vw_text_read_embeddings(&n->net.text, n->net.weights);
}

/* In bf16 the stream of residuals is bf16 too, as these networks are run and were trained in 16 bits: their passes are
 * bound by memory where they do not multiply, and half of what they move is this stream. */
static vw_policy image_policy_of(const vw_context *ctx) {
  if (ctx->precision != VW_COMPUTE_MIXED && ctx->precision != VW_COMPUTE_BF16) return vw_default_policy(ctx->backend);
  vw_policy policy = vw_bf16_policy();
  policy.residual = VW_BF16;
  return policy;
}

vw_status vw_sd_network_open(vw_sd_network **out, const char *dir, vw_context *ctx) {
  vw_sd_network *n = calloc(1, sizeof *n);
  *out = NULL;
  VW_CHECK(n, VW_ERR_MEMORY, "%s: out of memory", dir);
  n->net.kind = &vw_sd_kind, n->net.ctx = ctx;
  n->net.policy = ctx->precision == VW_COMPUTE_BF16 ? vw_bf16_policy() : vw_default_policy(ctx->backend);
  n->net.word_type = n->net.policy.head;
  n->image_policy = image_policy_of(ctx);
  const vw_status st = open_parts(n, dir);
  if (st != VW_OK) {
    vw_sd_network_close(n);
    return vw_fail(st, __FILE__, __LINE__, "opening %s", dir);
  }
  *out = n;
  return VW_OK;
}

void vw_sd_network_close(vw_sd_network *n) {
  if (!n) return;
  vw_weights_destroy(n->net.weights);
  vw_tokenizer_close(n->net.text.tokenizer);
  vw_hub_diffusers_close(&n->hub);
  free(n);
}

/* A leaf's tensors, one by one: "a.{q,k}_proj.weight" [2 n, ..] is two of [n, ..]. */
static vw_status each_part(const vw_leaf *leaf, vw_sd_weight_visitor each, void *user) {
  const char *open = strchr(leaf->name, '{'), *close = open ? strchr(open, '}') : NULL;
  vw_tensor shape = leaf->tensor;
  char name[2 * VW_NAME_BYTES];
  int64_t parts = 1;
  if (!close) return each(user, leaf->name, &shape);
  for (const char *p = open; p < close; p++) parts += *p == ',';
  shape.dim[0] /= parts;
  for (const char *p = open + 1; p < close; p += strcspn(p, ",}") + 1) {
    (void)snprintf(name, sizeof name, "%.*s%.*s%s", (int)(open - leaf->name), leaf->name, (int)strcspn(p, ",}"), p,
                   close + 1);
    VW_TRY(each(user, name, &shape));
  }
  return VW_OK;
}

vw_status vw_sd_each_weight(const vw_hub_diffusers *h, vw_sd_weight_visitor each, void *user) {
  static const char tokens[] = "text_encoder.text_model.embeddings.token_embedding.weight",
                    positions[] = "text_encoder.text_model.embeddings.position_embedding.weight";
  vw_sd_network n = {.hub = *h};
  vw_graph *g = NULL;
  vw_status st = VW_OK;
  configure(&n);
  const vw_clip_text_config *t = &n.net.text.tower;
  const vw_tensor table = vw_shape(VW_PARAM, t->vocab, t->t.width),
                  places = vw_shape(VW_PARAM, t->positions, t->t.width);
  VW_GOTO(describe(&n, true, true, &g));
  VW_GOTO(each(user, tokens, &table));
  VW_GOTO(each(user, positions, &places));
  for (int64_t i = 0; i < vw_graph_leaf_count(g); i++) {
    const vw_leaf leaf = vw_graph_leaf(g, i);
    if (leaf.kind == VW_LEAF_WEIGHT) VW_GOTO(each_part(&leaf, each, user));
  }
cleanup:
  vw_graph_destroy(g);
  return st;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

int64_t vw_sd_positions(const vw_sd_network *n) {
  return n->net.text.tower.positions;
}

vw_status vw_sd_tokens(const vw_sd_network *n, const char *text, int32_t *ids, int64_t vectors, int64_t *word) {
  const int64_t J = vw_sd_positions(n);
  int64_t length = 0;
  vw_templates t = {0};
  if (!word) {
    VW_TRY(vw_tokenizer_encode(n->net.text.tokenizer, text, ids, J, &length));
  } else {
    VW_TRY(vw_templates_create(&t, n->net.text.tokenizer, &text, 1, J, vectors));
    *word = t.prefix_len[0], length = t.prefix_len[0] + t.length[0];
    memcpy(ids, t.prefix, (size_t)t.prefix_len[0] * sizeof *ids);
    memcpy(ids + t.prefix_len[0], t.tail, (size_t)t.length[0] * sizeof *ids);
    vw_templates_destroy(&t);
  }
  for (int64_t j = length; j < J; j++) ids[j] = n->pad;
  return VW_OK;
}

vw_status vw_sd_embed_text(const vw_sd_network *n, const char *text, const double *word, int64_t vectors, double *x) {
  const int64_t J = vw_sd_positions(n), C = n->net.width;
  int64_t at = -1;
  vw_status st = VW_OK;
  int32_t *ids = malloc((size_t)J * sizeof *ids);
  VW_CHECK(ids, VW_ERR_MEMORY, "texts: out of memory");
  VW_GOTO(vw_sd_tokens(n, text, ids, vectors, word ? &at : NULL));
  for (int64_t j = 0; j < J; j++) {
    const bool is_word = word && j >= at && j < at + vectors;
    VW_GOTO(vw_text_embed(&n->net.text, is_word ? -1 : ids[j], j, x + j * C));
    for (int64_t c = 0; is_word && c < C; c++) x[j * C + c] += word[(j - at) * C + c];
  }
cleanup:
  free(ids);
  return st;
}

struct vw_sd_text_encoder {
  vw_sd_network *n;
  vw_graph *graph;
  vw_program *program;
  vw_value embedded, states;
  bool is_ready;
};

static vw_status build_encoder(vw_sd_text_encoder *e) {
  const vw_clip_text_rows rows = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  vw_sd_network *n = e->n;
  VW_TRY(vw_graph_create(&e->graph));
  e->embedded = vw_input(e->graph, vw_shape(VW_RESIDUAL, 1, vw_sd_positions(n), n->net.width), "embedded");
  e->states = vw_clip_text_states(e->graph, &n->net.text.tower, e->embedded, rows);
  vw_output(e->graph, e->states, "states");
  VW_TRY(vw_program_create(&e->program, e->graph, n->net.ctx, &n->net.policy));
  return vw_weights_bind(n->net.weights, e->program);
}

vw_status vw_sd_text_encoder_create(vw_sd_text_encoder **out, vw_sd_network *n) {
  vw_sd_text_encoder *e = calloc(1, sizeof *e);
  *out = NULL;
  VW_CHECK(e, VW_ERR_MEMORY, "texts: out of memory");
  e->n = n;
  const vw_status st = build_encoder(e);
  if (st != VW_OK) {
    vw_sd_text_encoder_destroy(e);
    return vw_fail(st, __FILE__, __LINE__, "texts of %s", n->net.dir);
  }
  *out = e;
  return VW_OK;
}

void vw_sd_text_encoder_destroy(vw_sd_text_encoder *e) {
  if (!e) return;
  vw_program_destroy(e->program);
  vw_graph_destroy(e->graph);
  free(e);
}

vw_status vw_sd_text_encoder_run(vw_sd_text_encoder *e, const double *x, int64_t K, double *states) {
  const int64_t J = vw_sd_positions(e->n), C = e->n->net.width;
  vw_tensor in = vw_shape(VW_F64, 1, J, C), out = in;
  for (int64_t k = 0; k < K; k++) {
    in.data = (void *)(uintptr_t)(x + k * J * C), out.data = states + k * J * C;
    VW_TRY(vw_program_write(e->program, e->embedded, &in));
    if (!e->is_ready) VW_TRY(vw_program_prepare(e->program));
    e->is_ready = true;
    VW_TRY(vw_program_run(e->program));
    VW_TRY(vw_program_read(e->program, e->states, &out));
  }
  return VW_OK;
}

vw_status vw_sd_text_states(vw_sd_network *n, const double *x, int64_t K, double *states) {
  vw_sd_text_encoder *e = NULL;
  VW_TRY(vw_sd_text_encoder_create(&e, n));
  const vw_status st = vw_sd_text_encoder_run(e, x, K, states);
  vw_sd_text_encoder_destroy(e);
  return st;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

vw_status vw_sd_encoder_graph(vw_graph *g, const vw_sd_network *n, int64_t H, int64_t W) {
  const vw_value pixels = vw_input(g, vw_shape(VW_ACT, 1, H, W, n->vae.channels), "pixels");
  vw_output(g, vw_vae_encoder(g, &n->vae, pixels), "moments");
  return vw_graph_status(g);
}

vw_status vw_sd_decoder_graph(vw_graph *g, const vw_sd_network *n, int64_t h, int64_t w) {
  const vw_value z = vw_input(g, vw_shape(VW_ACT, 1, h, w, n->vae.latent_channels), "z");
  vw_output(g, vw_vae_decoder(g, &n->vae, z), "picture");
  return vw_graph_status(g);
}

vw_status vw_sd_unet_graph(vw_graph *g, const vw_sd_network *n, int64_t B, int64_t K, int64_t h, int64_t w) {
  const vw_unet_in in = {.x = vw_input(g, vw_shape(VW_ACT, B, h, w, n->unet.in_channels), "x"),
                         .t = vw_input(g, vw_shape(VW_I32, B), "t"),
                         .latents = VW_NONE,
                         .context = vw_input(g, vw_shape(VW_ACT, K, vw_sd_positions(n), n->unet.context), "context"),
                         .row = vw_input(g, vw_shape(VW_I32, B), "row")};
  vw_output(g, vw_unet(g, &n->unet, in), "prediction");
  return vw_graph_status(g);
}

/* ---- the door ---------------------------------------------------------------------------------------------------- */

static vw_status open_network(vw_network **out, const char *dir, vw_context *ctx) {
  vw_sd_network *n = NULL;
  const vw_status st = vw_sd_network_open(&n, dir, ctx);
  *out = n ? &n->net : NULL;
  return st;
}

static void close_network(vw_network *n) {
  vw_sd_network_close(vw_sd_of(n));
}

static vw_status hash_network(const vw_network *n, vw_hash *hash) {
  return vw_hub_diffusers_hash(&((const vw_sd_network *)n)->hub, hash);
}

static vw_status check_finite(const vw_network *n) {
  return vw_hub_diffusers_check_finite(&((const vw_sd_network *)n)->hub);
}

static vw_safetensors *file_of(const vw_network *n, int64_t i) {
  return vw_hub_diffusers_file(&((const vw_sd_network *)n)->hub, i);
}

/* Weights of one policy: the text encoder's and those of the UNet and autoencoder may be stored in different types. */
static vw_status share_described(vw_sd_network *n, vw_graph *g, const vw_policy *policy, const vw_ranks *ranks,
                                 vw_transport *transport, vw_status described) {
  VW_TRY(vw_agree_message(ranks, described));
  return vw_weights_share(n->net.weights, g, policy, ranks, transport);
}

static vw_status share_network(vw_network *net, unsigned parts, const vw_ranks *ranks, vw_transport *transport) {
  vw_sd_network *n = vw_sd_of(net);
  const vw_clip_text_rows rows = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  const int64_t side = vw_vae_factor(&n->vae);
  vw_graph *text = NULL, *images = NULL;
  vw_status st = VW_OK;
  if (parts & VW_NETWORK_STEPS) {
    vw_status mine = vw_graph_create(&text);
    if (mine == VW_OK) {
      (void)vw_clip_text_states(text, &net->text.tower,
                                vw_input(text, vw_shape(VW_RESIDUAL, 1, 1, net->width), "embedded"), rows);
      mine = vw_graph_status(text);
    }
    VW_GOTO(share_described(n, text, &net->policy, ranks, transport, mine));
  }
  vw_status mine = vw_graph_create(&images);
  if (mine == VW_OK && parts & VW_NETWORK_STEPS)
    mine = vw_sd_unet_graph(images, n, 1, 1, least_side(&n->unet), least_side(&n->unet));
  if (mine == VW_OK && parts & VW_NETWORK_PICTURES) mine = vw_sd_encoder_graph(images, n, side, side);
  VW_GOTO(share_described(n, images, &n->image_policy, ranks, transport, mine));
cleanup:
  vw_graph_destroy(text), vw_graph_destroy(images);
  return st;
}

const vw_network_kind vw_sd_kind = {.name = "stable-diffusion",
                                    .open = open_network,
                                    .close = close_network,
                                    .hash = hash_network,
                                    .check_finite = check_finite,
                                    .file = file_of,
                                    .share = share_network,
                                    .state_layers = vw_word_state_layers,
                                    .states = vw_word_states,
                                    .bytes = sizeof(vw_sd_network)};
