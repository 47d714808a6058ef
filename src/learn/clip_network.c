#include "learn/clip_network.h"

#include "kernels/linear.h"

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

static vw_status read_embeddings(vw_clip_network *n) {
  const vw_tensor tokens = vw_shape(VW_PARAM, n->text.vocab, n->text.t.width);
  const vw_tensor positions = vw_shape(VW_PARAM, n->text.positions, n->text.t.width);
  VW_TRY(vw_weights_find(n->weights, "text_model.embeddings.token_embedding.weight", &tokens, &n->token_embedding));
  return vw_weights_find(n->weights, "text_model.embeddings.position_embedding.weight", &positions,
                         &n->position_embedding);
}

/* Describes towers at the smallest size, for the names and shapes of their weights. The caller destroys *g. */
static vw_status describe(const vw_clip_network *n, bool text, bool vision, vw_graph **g) {
  const int64_t S = n->vision.image_size;
  const vw_clip_text_rows rows = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  VW_TRY(vw_graph_create(g));
  const vw_value one = vw_input(*g, vw_shape(VW_I32, 1), "one");
  if (text)
    (void)vw_clip_text_feature(*g, &n->text, vw_input(*g, vw_shape(VW_RESIDUAL, 1, 1, n->text.t.width), "x"), rows, one,
                               NULL);
  if (vision)
    (void)vw_clip_image_feature(*g, &n->vision, vw_input(*g, vw_shape(VW_ACT, 1, S, S, 3), "pixels"), one, NULL);
  return VW_OK;
}

static vw_status check_weights(const vw_clip_network *n) {
  vw_graph *g = NULL;
  VW_TRY(describe(n, true, true, &g));
  const vw_status st = vw_weights_check(n->weights, g);
  vw_graph_destroy(g);
  return st;
}

/* One tower under the policy that its passes are planned with. */
static vw_status share_tower(vw_clip_network *n, bool is_text, const vw_policy *policy, const vw_ranks *ranks,
                             vw_transport *transport) {
  vw_graph *g = NULL;
  VW_TRY(vw_agree_message(ranks, describe(n, is_text, !is_text, &g)));
  const vw_status st = vw_weights_share(n->weights, g, policy, ranks, transport);
  vw_graph_destroy(g);
  return st;
}

vw_status vw_clip_network_share(vw_clip_network *n, bool text, bool vision, const vw_ranks *ranks,
                                vw_transport *transport) {
  if (text) VW_TRY(share_tower(n, true, &n->policy, ranks, transport));
  return vision ? share_tower(n, false, &n->image_policy, ranks, transport) : VW_OK;
}

/* A tokenizer of another network: transformers would read every text's feature at its first token, and not say so. */
static vw_status check_end(const vw_clip_network *n, const char *dir) {
  const int32_t end = vw_tokenizer_end(n->tokenizer);
  const int64_t expected = n->hub.text.eos_token_id;
  VW_CHECK(expected == 2 || expected == end, VW_ERR_INPUT,
           "%s/config.json: text_config.eos_token_id is %" PRId64
           ", but the tokenizer ends texts with %d: they do not belong together; give eos_token_id the tokenizer's end",
           dir, expected, end);
  return VW_OK;
}

static vw_status open_parts(vw_clip_network *n, const char *dir) {
  (void)snprintf(n->dir, sizeof n->dir, "%s", dir);
  VW_TRY(vw_hub_clip_open(&n->hub, dir));
  VW_TRY(vw_tokenizer_open(&n->tokenizer, dir));
  n->hub.reread |= vw_tokenizer_is_reread(n->tokenizer);
  VW_TRY(check_end(n, dir));
  VW_TRY(vw_weights_create(&n->weights, n->ctx, from_hub, &n->hub, dir));
  const vw_hub_clip *h = &n->hub;
  n->text = (vw_clip_text_config){.t = {.width = h->text.width,
                                        .mlp = h->text.mlp,
                                        .layers = h->text.layers,
                                        .heads = h->text.heads,
                                        .act = activation_of(h->text.activation),
                                        .eps = h->text.eps},
                                  .vocab = h->text.vocab,
                                  .positions = h->text.positions,
                                  .projection = h->projection_dim,
                                  .prefix = ""};
  n->vision = (vw_clip_vision_config){.t = {.width = h->vision.width,
                                            .mlp = h->vision.mlp,
                                            .layers = h->vision.layers,
                                            .heads = h->vision.heads,
                                            .act = activation_of(h->vision.activation),
                                            .eps = h->vision.eps},
                                      .image_size = h->vision.image_size,
                                      .patch = h->vision.patch,
                                      .projection = h->projection_dim,
                                      .prefix = ""};
  n->scale = exp(h->logit_scale);
  VW_TRY(check_weights(n));
  return read_embeddings(n);
}

int64_t vw_clip_pooled(const vw_clip_network *n, const int32_t *ids, int64_t n_ids) {
  const int64_t end = n->hub.text.eos_token_id;
  int64_t at = 0;
  for (int64_t i = 0; i < n_ids; i++) {
    if (end != 2 && ids[i] == end) return i;
    if (end == 2 && ids[i] > ids[at]) at = i;
  }
  return at;
}

vw_status vw_clip_network_open(vw_clip_network **out, const char *dir, vw_context *ctx) {
  vw_clip_network *n = calloc(1, sizeof *n);
  *out = NULL;
  VW_CHECK(n, VW_ERR_MEMORY, "%s: out of memory", dir);
  n->ctx = ctx;
  n->policy = ctx->precision == VW_COMPUTE_BF16 ? vw_bf16_policy() : vw_default_policy(ctx->backend);
  n->image_policy = ctx->precision == VW_COMPUTE_MIXED ? vw_bf16_policy() : n->policy;
  const vw_status st = open_parts(n, dir);
  if (st != VW_OK) {
    vw_clip_network_close(n);
    return vw_fail(st, __FILE__, __LINE__, "opening %s", dir);
  }
  *out = n;
  return VW_OK;
}

void vw_clip_network_close(vw_clip_network *n) {
  if (!n) return;
  vw_weights_destroy(n->weights);
  vw_tokenizer_close(n->tokenizer);
  vw_hub_clip_close(&n->hub);
  free(n);
}

vw_dtype vw_clip_feature_type(const vw_clip_network *n) {
  return n->policy.head;
}
size_t vw_clip_feature_bytes(const vw_clip_network *n) {
  return (size_t)n->text.projection * vw_dtype_bytes(vw_clip_feature_type(n));
}

static vw_status embedding_row(const vw_tensor *table, int64_t row, double *out) {
  const int64_t C = table->dim[1];
  const char *at = (const char *)table->data + (size_t)(row * C) * vw_dtype_bytes(table->dtype);
  return vw_convert(out, VW_F64, at, table->dtype, C);
}

vw_status vw_clip_word_vector(const vw_clip_network *n, int64_t id, double *out) {
  VW_CHECK(id >= 0 && id < n->text.vocab, VW_ERR_INPUT,
           "%s: token id %" PRId64 " is beyond the network's vocabulary of %" PRId64
           ": tokenizer and weights do not belong together",
           n->dir, id, n->text.vocab);
  return embedding_row(&n->token_embedding, id, out);
}

vw_status vw_clip_embed(const vw_clip_network *n, int64_t id, int64_t position, double *out) {
  const int64_t C = n->text.t.width;
  VW_CHECK(position >= 0 && position < n->text.positions, VW_ERR_INPUT,
           "a text reaches position %" PRId64 "; the network has %" PRId64, position, n->text.positions);
  VW_TRY(embedding_row(&n->position_embedding, position, out));
  if (id < 0) return VW_OK;
  double *word = malloc((size_t)C * sizeof *word);
  VW_CHECK(word, VW_ERR_MEMORY, "out of memory");
  const vw_status st = vw_clip_word_vector(n, id, word);
  for (int64_t c = 0; st == VW_OK && c < C; c++) out[c] += word[c];
  free(word);
  return st;
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
  const vw_value x = vw_input(g, vw_shape(VW_RESIDUAL, TEXT_BATCH, T, n->text.t.width), "x");
  const vw_value pooled = vw_input(g, vw_shape(VW_I32, TEXT_BATCH), "pooled");
  vw_output(g, vw_clip_text_feature(g, &n->text, x, rows, pooled, NULL), "feature");
  return vw_graph_status(g);
}

static vw_status text_encoder_build(text_encoder *e, vw_clip_network *n, int64_t T) {
  VW_TRY(vw_graph_create(&e->graph));
  VW_TRY(vw_text_pass_graph(e->graph, n, T));
  e->x = vw_find(e->graph, "x"), e->pooled = vw_find(e->graph, "pooled"), e->feature = vw_find(e->graph, "feature");
  VW_TRY(vw_program_create(&e->plan, e->graph, n->ctx, &n->policy));
  return vw_weights_bind(n->weights, e->plan);
}

static void text_encoder_destroy(text_encoder *e) {
  vw_program_destroy(e->plan);
  vw_graph_destroy(e->graph);
}

/* Rows first .. first + count of the batch; the rest repeats the last row. */
static vw_status write_text_batch(text_encoder *e, const vw_clip_network *n, const int32_t *ids, int64_t L, int64_t T,
                                  const int32_t *pooled, int64_t first, int64_t rows, double *x) {
  const int64_t C = n->text.t.width;
  int32_t at[TEXT_BATCH];
  for (int64_t b = 0; b < TEXT_BATCH; b++) {
    const int64_t row = first + b < rows ? first + b : rows - 1;
    at[b] = pooled[row];
    for (int64_t t = 0; t < T; t++) VW_TRY(vw_clip_embed(n, t < L ? ids[row * L + t] : 0, t, x + (b * T + t) * C));
  }
  vw_tensor tx = vw_shape(VW_F64, TEXT_BATCH, T, C), tp = vw_shape(VW_I32, TEXT_BATCH);
  tx.data = x, tp.data = at;
  VW_TRY(vw_program_write(e->plan, e->x, &tx));
  return vw_program_write(e->plan, e->pooled, &tp);
}

vw_status vw_clip_encode_tokens(vw_clip_network *n, const int32_t *ids, int64_t L, const int32_t *pooled, int64_t rows,
                                void *out) {
  text_encoder e = {0};
  vw_status st = VW_OK;
  double *x = NULL;
  int64_t T = 1;
  const size_t one = vw_clip_feature_bytes(n);
  char *batch = NULL;
  for (int64_t i = 0; i < rows; i++)
    if (pooled[i] + 1 > T) T = pooled[i] + 1;
  if (rows == 0) return VW_OK;
  VW_CHECK(T <= n->text.positions, VW_ERR_INPUT, "a text has %" PRId64 " tokens; the network takes %" PRId64, T,
           n->text.positions);
  x = malloc((size_t)(TEXT_BATCH * T * n->text.t.width) * sizeof *x), batch = malloc(TEXT_BATCH * one);
  if (!x || !batch) {
    st = VW_RAISE(VW_ERR_MEMORY, "encoding texts: out of memory");
    goto cleanup;
  }
  VW_GOTO(text_encoder_build(&e, n, T));
  for (int64_t first = 0; first < rows; first += TEXT_BATCH) {
    VW_GOTO(write_text_batch(&e, n, ids, L, T, pooled, first, rows, x));
    if (first == 0) VW_GOTO(vw_program_prepare(e.plan));
    VW_GOTO(vw_program_run(e.plan));
    vw_tensor f = vw_shape(vw_clip_feature_type(n), TEXT_BATCH, n->text.projection);
    f.data = batch;
    VW_GOTO(vw_program_read(e.plan, e.feature, &f));
    const int64_t count = rows - first < TEXT_BATCH ? rows - first : TEXT_BATCH;
    memcpy((char *)out + (size_t)first * one, batch, (size_t)count * one);
  }
cleanup:
  text_encoder_destroy(&e);
  free(x), free(batch);
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
  VW_TRY(vw_program_create(&e->plan, e->graph, e->n->ctx, &e->n->image_policy));
  VW_TRY(vw_weights_bind(e->n->weights, e->plan));
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
  const int64_t p = n->text.projection;
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
  VW_GOTO(vw_program_create(&plan, g, n->ctx, &n->policy));
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

/* ---- prefixes ---------------------------------------------------------------------------------------------------- */

static vw_status embed_templates(const vw_clip_network *n, const vw_templates *t, double *prefix, double *tail) {
  const int64_t C = n->text.t.width;
  for (int64_t m = 0; m < t->M; m++) {
    for (int64_t i = 0; i < t->P; i++) {
      double *out = prefix + (m * t->P + i) * C;
      memset(out, 0, (size_t)C * sizeof *out);
      if (i < t->prefix_len[m]) VW_TRY(vw_clip_embed(n, t->prefix[m * t->P + i], i, out));
    }
    for (int64_t i = 0; i < t->T; i++) {
      double *out = tail + (m * t->T + i) * C;
      memset(out, 0, (size_t)C * sizeof *out);
      if (i < t->length[m]) VW_TRY(vw_clip_embed(n, i ? t->tail[m * t->T + i] : -1, t->prefix_len[m] + i, out));
    }
  }
  return VW_OK;
}

/* A template that holds end-of-text itself, or an added token that an old configuration takes for it. */
static vw_status check_pooled(const vw_clip_network *n, const vw_templates *t, int64_t m) {
  const int32_t end = vw_tokenizer_end(n->tokenizer);
  const int32_t *parts[] = {t->prefix + m * t->P, t->tail + m * t->T + 1};
  const int64_t length[] = {t->prefix_len[m], t->length[m] - 2};
  for (int i = 0; i < 2; i++)
    for (int64_t j = 0; j < length[i]; j++)
      VW_CHECK(parts[i][j] != end && (n->hub.text.eos_token_id != 2 || parts[i][j] < end), VW_ERR_INPUT,
               "template %" PRId64 " holds token %d, which %s would read as the end of the text", m + 1, parts[i][j],
               n->dir);
  return VW_OK;
}

/* Keys and values out of packed queries, keys and values: [M P, 3C] -> [M P, 2C]. */
static void keep_keys_values(char *out, const char *qkv, int64_t rows, size_t row_bytes) {
  for (int64_t i = 0; i < rows; i++)
    memcpy(out + (size_t)i * 2 * row_bytes, qkv + (size_t)i * 3 * row_bytes + row_bytes, 2 * row_bytes);
}

static vw_status run_prefix(vw_clip_prefix *p, vw_clip_network *n, const vw_templates *t, const double *prefix) {
  const int64_t C = n->text.t.width, rows = t->M * t->P, layers = n->text.t.layers;
  const size_t row_bytes = (size_t)C * vw_dtype_bytes(n->policy.act);
  vw_graph *g = NULL;
  vw_program *plan = NULL;
  vw_status st = VW_OK;
  vw_value *qkv = calloc((size_t)layers, sizeof *qkv);
  char *packed = malloc((size_t)rows * 3 * row_bytes);
  if (!qkv || !packed) {
    st = VW_RAISE(VW_ERR_MEMORY, "templates: out of memory");
    goto cleanup;
  }
  VW_GOTO(vw_graph_create(&g));
  const vw_value x = vw_input(g, vw_shape(VW_RESIDUAL, t->M, t->P, C), "x");
  const vw_clip_text_rows none = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  (void)vw_clip_text_layers(g, &n->text, x, none, qkv);
  for (int64_t i = 0; i < layers; i++) vw_output(g, qkv[i], "qkv.%" PRId64, i);
  VW_GOTO(vw_program_create(&plan, g, n->ctx, &n->policy));
  VW_GOTO(vw_weights_bind(n->weights, plan));
  vw_tensor tx = vw_shape(VW_F64, t->M, t->P, C), tq = vw_shape(n->policy.act, t->M, t->P, 3 * C);
  tx.data = (void *)(uintptr_t)prefix, tq.data = packed;
  VW_GOTO(vw_program_write(plan, x, &tx));
  VW_GOTO(vw_program_prepare(plan));
  VW_GOTO(vw_program_run(plan));
  for (int64_t i = 0; i < layers; i++) {
    VW_GOTO(vw_program_read(plan, qkv[i], &tq));
    keep_keys_values(p->cache[i], packed, rows, row_bytes);
  }
cleanup:
  vw_program_destroy(plan);
  vw_graph_destroy(g);
  free(qkv), free(packed);
  return st;
}

vw_status vw_clip_prefix_create(vw_clip_prefix *p, vw_clip_network *n, const vw_templates *t) {
  const int64_t C = n->text.t.width, layers = n->text.t.layers;
  const size_t bytes = (size_t)(t->M * t->P * 2 * C) * vw_dtype_bytes(n->policy.act);
  double *prefix = malloc((size_t)(t->M * t->P * C) * sizeof *prefix);
  vw_status st = VW_OK;
  *p = (vw_clip_prefix){.layers = layers};
  p->cache = calloc((size_t)layers, sizeof *p->cache);
  p->tail = malloc((size_t)(t->M * t->T * C) * sizeof *p->tail);
  bool ok = prefix && p->cache && p->tail;
  for (int64_t i = 0; ok && i < layers; i++) ok = (p->cache[i] = malloc(bytes)) != NULL;
  if (!ok) {
    st = VW_RAISE(VW_ERR_MEMORY, "templates: out of memory");
    goto cleanup;
  }
  for (int64_t m = 0; m < t->M; m++) VW_GOTO(check_pooled(n, t, m));
  VW_GOTO(embed_templates(n, t, prefix, p->tail));
  VW_GOTO(run_prefix(p, n, t, prefix));
cleanup:
  free(prefix);
  if (st != VW_OK) vw_clip_prefix_free(p);
  return st;
}

void vw_clip_prefix_free(vw_clip_prefix *p) {
  for (int64_t i = 0; p->cache && i < p->layers; i++) free(p->cache[i]);
  free((void *)p->cache), free(p->tail);
  *p = (vw_clip_prefix){0};
}
