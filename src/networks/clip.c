#include "networks/clip.h"

#include "kernels/linear.h"
#include "networks/states.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vw_status from_hub(void *user, const char *name, vw_tensor *out) {
  return vw_hub_clip_tensor(user, name, out);
}

static vw_activation activation_of(const char *name) {
  return strcmp(name, "gelu") == 0 ? VW_ACT_GELU : VW_ACT_QUICK_GELU;
}

/* Describes towers at the smallest size, for the names and shapes of their weights. The caller destroys *g. */
static vw_status describe(const vw_clip_network *n, bool text, bool vision, vw_graph **g) {
  const int64_t S = n->vision.image_size;
  const vw_clip_text_rows rows = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  VW_TRY(vw_graph_create(g));
  const vw_value one = vw_input(*g, vw_shape(VW_I32, 1), "one");
  if (text)
    (void)vw_clip_text_feature(*g, &n->net.text.tower,
                               vw_input(*g, vw_shape(VW_RESIDUAL, 1, 1, n->net.text.tower.t.width), "x"), rows, one,
                               NULL);
  if (vision)
    (void)vw_clip_image_feature(*g, &n->vision, vw_input(*g, vw_shape(VW_ACT, 1, S, S, 3), "pixels"), one, NULL);
  return VW_OK;
}

static vw_status check_weights(vw_clip_network *n, bool text, bool vision) {
  vw_graph *g = NULL;
  VW_TRY(describe(n, text, vision, &g));
  const vw_status st = vw_weights_check(n->net.weights, g);
  if (st == VW_OK) n->net.policy.stored = n->image_policy.stored = vw_weights_stored(n->net.weights, g, "");
  vw_graph_destroy(g);
  return st;
}

vw_status vw_clip_network_check_text(vw_clip_network *n) {
  VW_TRY(check_weights(n, true, false));
  return vw_text_read_embeddings(&n->net.text, n->net.weights);
}

/* One tower under the policy that its passes are planned with. */
static vw_status share_tower(vw_clip_network *n, bool is_text, const vw_policy *policy, const vw_ranks *ranks,
                             vw_transport *transport) {
  vw_graph *g = NULL;
  VW_TRY(vw_agree_message(ranks, describe(n, is_text, !is_text, &g)));
  const vw_status st = vw_weights_share(n->net.weights, g, policy, ranks, transport);
  vw_graph_destroy(g);
  return st;
}

vw_status vw_clip_network_share_text(vw_clip_network *n, const vw_ranks *ranks, vw_transport *transport) {
  return share_tower(n, true, &n->net.policy, ranks, transport);
}

vw_status vw_clip_network_share(vw_clip_network *n, bool text, bool vision, const vw_ranks *ranks,
                                vw_transport *transport) {
  if (text) VW_TRY(vw_clip_network_share_text(n, ranks, transport));
  return vision ? share_tower(n, false, &n->image_policy, ranks, transport) : VW_OK;
}

static void describe_towers(vw_clip_network *n) {
  const vw_hub_clip *h = &n->hub;
  n->net.text.tower = (vw_clip_text_config){.t = {.width = h->text.width,
                                                  .mlp = h->text.mlp,
                                                  .layers = h->text.layers,
                                                  .heads = h->text.heads,
                                                  .act = activation_of(h->text.activation),
                                                  .eps = h->text.eps},
                                            .vocab = h->text.vocab,
                                            .positions = h->text.positions,
                                            .projection = h->projection_dim,
                                            .prefix = h->family->prefix};
  n->vision = (vw_clip_vision_config){.t = {.width = h->vision.width,
                                            .mlp = h->vision.mlp,
                                            .layers = h->vision.layers,
                                            .heads = h->vision.heads,
                                            .act = activation_of(h->vision.activation),
                                            .eps = h->vision.eps},
                                      .image_size = h->vision.image_size,
                                      .patch = h->vision.patch,
                                      .projection = h->projection_dim,
                                      .prefix = h->family->prefix,
                                      .first_norm = "pre_layrnorm"}; /* spelt so in the hub's files */
  n->scale = exp(h->logit_scale);
  n->net.width = h->text.width;
}

vw_status vw_clip_network_init(vw_clip_network *n, const vw_network_kind *kind, const char *dir, vw_context *ctx,
                               vw_weight_source source, void *user) {
  n->net.kind = kind, n->net.ctx = ctx;
  n->net.policy = ctx->precision == VW_COMPUTE_BF16 ? vw_bf16_policy() : vw_default_policy(ctx->backend);
  n->net.word_type = n->net.policy.head;
  n->image_policy = ctx->precision == VW_COMPUTE_MIXED ? vw_bf16_policy() : n->net.policy;
  (void)snprintf(n->net.dir, sizeof n->net.dir, "%s", dir);
  VW_TRY(vw_tokenizer_open(&n->net.text.tokenizer, dir));
  n->hub.reread |= vw_tokenizer_is_reread(n->net.text.tokenizer);
  n->net.text.eos_token_id = n->hub.text.eos_token_id, n->net.text.dir = n->net.dir;
  VW_TRY(vw_text_check_end(&n->net.text));
  VW_TRY(vw_weights_create(&n->net.weights, n->net.ctx, source, user, dir));
  describe_towers(n);
  return VW_OK;
}

void vw_clip_network_fini(vw_clip_network *n) {
  vw_weights_destroy(n->net.weights);
  vw_tokenizer_close(n->net.text.tokenizer);
  vw_hub_clip_close(&n->hub);
}

static vw_status open_parts(vw_clip_network *n, const char *dir, vw_context *ctx) {
  VW_TRY(vw_hub_clip_open(&n->hub, dir));
  VW_TRY(vw_clip_network_init(n, &vw_clip_kind, dir, ctx, from_hub, &n->hub));
  VW_TRY(check_weights(n, true, true));
  return vw_text_read_embeddings(&n->net.text, n->net.weights);
}

vw_status vw_clip_network_open(vw_clip_network **out, const char *dir, vw_context *ctx) {
  vw_clip_network *n = calloc(1, sizeof *n);
  *out = NULL;
  VW_CHECK(n, VW_ERR_MEMORY, "%s: out of memory", dir);
  const vw_status st = open_parts(n, dir, ctx);
  if (st != VW_OK) {
    vw_clip_network_close(n);
    return vw_fail(st, __FILE__, __LINE__, "opening %s", dir);
  }
  *out = n;
  return VW_OK;
}

void vw_clip_network_close(vw_clip_network *n) {
  if (!n) return;
  vw_clip_network_fini(n);
  free(n);
}

vw_dtype vw_clip_feature_type(const vw_clip_network *n) {
  return n->net.policy.head;
}
size_t vw_clip_feature_bytes(const vw_clip_network *n) {
  return (size_t)n->net.text.tower.projection * vw_dtype_bytes(vw_clip_feature_type(n));
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

enum { TEXT_BATCH = 32 };

typedef struct text_encoder {
  vw_graph *graph;
  vw_program *plan;
  vw_value x, pooled, feature;
} text_encoder;

vw_status vw_text_pass_graph(vw_graph *g, const vw_clip_network *n, int64_t T) {
  const vw_clip_text_rows rows = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  const vw_value x = vw_input(g, vw_shape(VW_RESIDUAL, TEXT_BATCH, T, n->net.text.tower.t.width), "x");
  const vw_value pooled = vw_input(g, vw_shape(VW_I32, TEXT_BATCH), "pooled");
  vw_output(g, vw_clip_text_feature(g, &n->net.text.tower, x, rows, pooled, NULL), "feature");
  return vw_graph_status(g);
}

static vw_status text_encoder_build(text_encoder *e, vw_clip_network *n, int64_t T) {
  VW_TRY(vw_graph_create(&e->graph));
  VW_TRY(vw_text_pass_graph(e->graph, n, T));
  e->x = vw_find(e->graph, "x"), e->pooled = vw_find(e->graph, "pooled"), e->feature = vw_find(e->graph, "feature");
  VW_TRY(vw_program_create(&e->plan, e->graph, n->net.ctx, &n->net.policy));
  return vw_weights_bind(n->net.weights, e->plan);
}

static void text_encoder_destroy(text_encoder *e) {
  vw_program_destroy(e->plan);
  vw_graph_destroy(e->graph);
}

/* Rows first .. first + count of the batch; the rest repeats the last row. */
static vw_status write_text_batch(text_encoder *e, const vw_clip_network *n, const int32_t *ids, int64_t L, int64_t T,
                                  const int32_t *pooled, int64_t first, int64_t rows, double *x) {
  const int64_t C = n->net.text.tower.t.width;
  int32_t at[TEXT_BATCH];
  for (int64_t b = 0; b < TEXT_BATCH; b++) {
    const int64_t row = first + b < rows ? first + b : rows - 1;
    at[b] = pooled[row];
    for (int64_t t = 0; t < T; t++)
      VW_TRY(vw_text_embed(&n->net.text, t < L ? ids[row * L + t] : 0, t, x + (b * T + t) * C));
  }
  vw_tensor tx = vw_shape(VW_F64, TEXT_BATCH, T, C), tp = vw_shape(VW_I32, TEXT_BATCH);
  tx.data = x, tp.data = at;
  VW_TRY(vw_program_write(e->plan, e->x, &tx));
  return vw_program_write(e->plan, e->pooled, &tp);
}

static vw_status encode_tokens(vw_clip_network *n, const int32_t *ids, int64_t L, const int32_t *pooled, int64_t rows,
                               void *out, const vw_text_watch *watch) {
  text_encoder e = {0};
  vw_status st = VW_OK;
  double *x = NULL;
  int64_t T = 1;
  const size_t one = vw_clip_feature_bytes(n);
  char *batch = NULL;
  for (int64_t i = 0; i < rows; i++)
    if (pooled[i] + 1 > T) T = pooled[i] + 1;
  if (rows == 0) return VW_OK;
  VW_CHECK(T <= n->net.text.tower.positions, VW_ERR_INPUT, "a text has %" PRId64 " tokens; the network takes %" PRId64,
           T, n->net.text.tower.positions);
  x = malloc((size_t)(TEXT_BATCH * T * n->net.text.tower.t.width) * sizeof *x), batch = malloc(TEXT_BATCH * one);
  if (!x || !batch) {
    st = VW_RAISE(VW_ERR_MEMORY, "encoding texts: out of memory");
    goto cleanup;
  }
  VW_GOTO(text_encoder_build(&e, n, T));
  for (int64_t first = 0; first < rows; first += TEXT_BATCH) {
    if (watch && watch->stop && watch->stop(watch->user)) goto cleanup;
    VW_GOTO(write_text_batch(&e, n, ids, L, T, pooled, first, rows, x));
    if (first == 0) VW_GOTO(vw_program_prepare(e.plan));
    VW_GOTO(vw_program_run(e.plan));
    vw_tensor f = vw_shape(vw_clip_feature_type(n), TEXT_BATCH, n->net.text.tower.projection);
    f.data = batch;
    VW_GOTO(vw_program_read(e.plan, e.feature, &f));
    const int64_t count = rows - first < TEXT_BATCH ? rows - first : TEXT_BATCH;
    memcpy((char *)out + (size_t)first * one, batch, (size_t)count * one);
    if (watch && watch->told) watch->told(watch->user, count);
  }
cleanup:
  text_encoder_destroy(&e);
  free(x), free(batch);
  return st;
}

vw_status vw_clip_encode_tokens(vw_clip_network *n, const int32_t *ids, int64_t L, const int32_t *pooled, int64_t rows,
                                void *out) {
  return encode_tokens(n, ids, L, pooled, rows, out, NULL);
}

vw_status vw_clip_encode_text(vw_clip_network *n, const char *const *texts, int64_t count, void *out) {
  return vw_clip_encode_text_watched(n, texts, count, out, NULL);
}

vw_status vw_clip_encode_text_watched(vw_clip_network *n, const char *const *texts, int64_t count, void *out,
                                      const vw_text_watch *watch) {
  const int64_t L = n->net.text.tower.positions;
  int32_t *ids = calloc((size_t)(count * L) + 1, sizeof *ids), *pooled = calloc((size_t)count + 1, sizeof *pooled);
  vw_status st = VW_OK;
  if (!ids || !pooled) st = VW_RAISE(VW_ERR_MEMORY, "texts: out of memory");
  for (int64_t i = 0; st == VW_OK && i < count; i++) {
    int64_t length = 0;
    st = vw_tokenizer_encode(n->net.text.tokenizer, texts[i], ids + i * L, L, &length);
    if (st == VW_OK) pooled[i] = (int32_t)vw_text_pooled(&n->net.text, ids + i * L, length);
  }
  if (st == VW_OK) st = encode_tokens(n, ids, L, pooled, count, out, watch);
  free(ids), free(pooled);
  return st;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

struct vw_image_encoder {
  vw_clip_network *n;
  vw_graph *graph;
  vw_program *plan;
  vw_value pixels, feature;
  bool prepared;
};

vw_status vw_image_pass_graph(vw_graph *g, const vw_clip_network *n) {
  const int64_t S = n->vision.image_size;
  const vw_value pixels = vw_input(g, vw_shape(VW_ACT, 1, S, S, 3), "pixels");
  const vw_value class_row = vw_input(g, vw_shape(VW_I32, 1), "class_row");
  vw_output(g, vw_clip_image_feature(g, &n->vision, pixels, class_row, NULL), "feature");
  return vw_graph_status(g);
}

static vw_status image_encoder_build(vw_image_encoder *e) {
  int32_t zero = 0;
  vw_tensor row = vw_shape(VW_I32, 1);
  row.data = &zero;
  VW_TRY(vw_graph_create(&e->graph));
  VW_TRY(vw_image_pass_graph(e->graph, e->n));
  e->pixels = vw_find(e->graph, "pixels"), e->feature = vw_find(e->graph, "feature");
  VW_TRY(vw_program_create(&e->plan, e->graph, e->n->net.ctx, &e->n->image_policy));
  VW_TRY(vw_weights_bind(e->n->net.weights, e->plan));
  return vw_program_write(e->plan, vw_find(e->graph, "class_row"), &row);
}

vw_status vw_image_encoder_create(vw_image_encoder **out, vw_clip_network *n) {
  vw_image_encoder *e = calloc(1, sizeof *e);
  *out = NULL;
  VW_CHECK(e, VW_ERR_MEMORY, "image encoder: out of memory");
  e->n = n;
  const vw_status st = image_encoder_build(e);
  if (st != VW_OK) {
    vw_image_encoder_destroy(e);
    return vw_fail(st, __FILE__, __LINE__, "vw_image_encoder_create");
  }
  *out = e;
  return VW_OK;
}

void vw_image_encoder_destroy(vw_image_encoder *e) {
  if (!e) return;
  vw_program_destroy(e->plan);
  vw_graph_destroy(e->graph);
  free(e);
}

vw_status vw_image_encoder_run(vw_image_encoder *e, const double *pixels, void *out) {
  const int64_t S = e->n->vision.image_size;
  vw_tensor x = vw_shape(VW_F64, 1, S, S, 3), f = vw_shape(vw_clip_feature_type(e->n), 1, e->n->vision.projection);
  x.data = (void *)(uintptr_t)pixels, f.data = out;
  VW_TRY(vw_program_write(e->plan, e->pixels, &x));
  if (!e->prepared) VW_TRY(vw_program_prepare(e->plan));
  e->prepared = true;
  VW_TRY(vw_program_run(e->plan));
  return vw_program_read(e->plan, e->feature, &f);
}

/* ---- logits ------------------------------------------------------------------------------------------------------ */

enum { LOGIT_ROWS = 256 };

/* One chunk: rows of a against all of b. */
static vw_status logits_chunk(vw_clip_network *n, const char *a, int64_t rows, const void *b, int64_t rows_b,
                              double *out) {
  const int64_t p = n->net.text.tower.projection;
  vw_graph *g = NULL;
  vw_program *plan = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_graph_create(&g));
  const vw_value va = vw_input(g, vw_shape(VW_HEAD, rows, p), "a"), vb = vw_input(g, vw_shape(VW_HEAD, rows_b, p), "b");
  const vw_value z = vw_linear(g, va, (vw_linear_weights){vb, VW_NONE}, VW_ACT_NONE, VW_NONE, VW_HEAD);
  vw_tensor ta = vw_shape(vw_clip_feature_type(n), rows, p), tb = vw_shape(vw_clip_feature_type(n), rows_b, p);
  vw_tensor tz = vw_shape(VW_F64, rows, rows_b);
  ta.data = (void *)(uintptr_t)a, tb.data = (void *)(uintptr_t)b, tz.data = out;
  vw_output(g, z, "logits");
  VW_GOTO(vw_program_create(&plan, g, n->net.ctx, &n->net.policy));
  VW_GOTO(vw_program_write(plan, va, &ta));
  VW_GOTO(vw_program_write(plan, vb, &tb));
  VW_GOTO(vw_program_prepare(plan));
  VW_GOTO(vw_program_run(plan));
  VW_GOTO(vw_program_read(plan, z, &tz));
  for (int64_t i = 0; i < rows * rows_b; i++) out[i] *= n->scale;
cleanup:
  vw_program_destroy(plan);
  vw_graph_destroy(g);
  return st;
}

vw_status vw_clip_logits(vw_clip_network *n, const void *a, int64_t rows_a, const void *b, int64_t rows_b,
                         double *out) {
  for (int64_t first = 0; first < rows_a && rows_b > 0; first += LOGIT_ROWS) {
    const int64_t rows = rows_a - first < LOGIT_ROWS ? rows_a - first : LOGIT_ROWS;
    VW_TRY(logits_chunk(n, (const char *)a + (size_t)first * vw_clip_feature_bytes(n), rows, b, rows_b,
                        out + first * rows_b));
  }
  return VW_OK;
}

/* ---- the door ---------------------------------------------------------------------------------------------------- */

static vw_status open_network(vw_network **out, const char *dir, vw_context *ctx) {
  vw_clip_network *n = NULL;
  const vw_status st = vw_clip_network_open(&n, dir, ctx);
  *out = n ? &n->net : NULL;
  return st;
}

static void close_network(vw_network *n) {
  vw_clip_network_close(vw_clip_of(n));
}

static vw_status hash_network(const vw_network *n, vw_hash *hash) {
  return vw_hub_clip_hash(&((const vw_clip_network *)n)->hub, hash);
}

static vw_status check_finite(const vw_network *n) {
  return vw_hub_clip_check_finite(&((const vw_clip_network *)n)->hub);
}

static vw_safetensors *file_of(const vw_network *net, int64_t i) {
  const vw_hub_clip *h = &((const vw_clip_network *)net)->hub;
  return i < h->weights.n_files ? h->weights.files[i] : NULL;
}

static vw_status share_network(vw_network *n, unsigned parts, const vw_ranks *ranks, vw_transport *transport) {
  return vw_clip_network_share(vw_clip_of(n), parts & VW_NETWORK_STEPS, parts & VW_NETWORK_PICTURES, ranks, transport);
}

const vw_network_kind vw_clip_kind = {.name = "clip",
                                      .open = open_network,
                                      .close = close_network,
                                      .hash = hash_network,
                                      .check_finite = check_finite,
                                      .file = file_of,
                                      .share = share_network,
                                      .state_layers = vw_word_state_layers,
                                      .states = vw_word_states,
                                      .bytes = sizeof(vw_clip_network)};
