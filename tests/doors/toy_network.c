#include "tests/doors/toy.h"

#include "core/random.h"
#include "kernels/l2norm.h"
#include "kernels/linear.h"
#include "kernels/select_row.h"
#include "models/transformer.h"

#include <stdlib.h>
#include <string.h>

/* "mix.<t>" is made, all else is in the directory's files. */
static vw_status find_weight(void *user, const char *name, vw_tensor *out) {
  const toy_network *n = user;
  if (strncmp(name, "mix.", 4) != 0) return vw_hub_clip_tensor(&n->hub, name, out);
  const int64_t t = strtoll(name + 4, NULL, 10), C = n->net.width;
  *out = vw_shape(VW_F32, TOY_SIGNATURE, C);
  out->data = n->mix + t * TOY_SIGNATURE * C;
  return VW_OK;
}

static vw_status make_mix(toy_network *n) {
  const int64_t count = TOY_STATES * TOY_SIGNATURE * n->net.width;
  n->mix = malloc((size_t)count * sizeof *n->mix);
  VW_CHECK(n->mix, VW_ERR_MEMORY, "toy: out of memory");
  for (int64_t i = 0; i < count; i++) n->mix[i] = (float)(vw_uniform(vw_draw_u32(7, (uint64_t)i, 0, 0)) - 0.5);
  return VW_OK;
}

static vw_status open_parts(toy_network *n, const char *dir) {
  vw_text *t = &n->net.text;
  (void)snprintf(n->net.dir, sizeof n->net.dir, "%s", dir);
  VW_TRY(vw_hub_clip_open(&n->hub, dir));
  const vw_hub_text *h = &n->hub.text;
  VW_TRY(vw_tokenizer_open(&t->tokenizer, dir));
  t->eos_token_id = h->eos_token_id, t->dir = n->net.dir;
  VW_TRY(vw_text_check_end(t));
  t->tower = (vw_clip_text_config){.t = {.width = h->width,
                                         .mlp = h->mlp,
                                         .layers = h->layers,
                                         .heads = h->heads,
                                         .act = strcmp(h->activation, "gelu") ? VW_ACT_QUICK_GELU : VW_ACT_GELU,
                                         .eps = h->eps},
                                   .vocab = h->vocab,
                                   .positions = h->positions,
                                   .prefix = ""};
  n->net.width = h->width;
  VW_TRY(make_mix(n));
  VW_TRY(vw_weights_create(&n->net.weights, n->net.ctx, find_weight, n, dir));
  return vw_text_read_embeddings(t, n->net.weights);
}

static void close_network(vw_network *net) {
  toy_network *n = (toy_network *)net;
  vw_weights_destroy(net->weights);
  vw_tokenizer_close(net->text.tokenizer);
  vw_hub_clip_close(&n->hub);
  free(n->mix), free(n);
}

static vw_status open_network(vw_network **out, const char *dir, vw_context *ctx) {
  toy_network *n = calloc(1, sizeof *n);
  *out = NULL;
  VW_CHECK(n, VW_ERR_MEMORY, "toy: out of memory");
  n->net.kind = &toy_network_kind, n->net.ctx = ctx;
  n->net.policy = vw_default_policy(ctx->backend), n->net.word_type = n->net.policy.head;
  const vw_status st = open_parts(n, dir);
  if (st == VW_OK)
    *out = &n->net;
  else
    close_network(&n->net);
  return st;
}

static vw_status hash_network(const vw_network *n, vw_hash *hash) {
  return vw_hub_clip_hash(&((const toy_network *)n)->hub, hash);
}

static vw_safetensors *file_of(const vw_network *net, int64_t i) {
  const vw_hub_clip *h = &((const toy_network *)net)->hub;
  return i < h->weights.n_files ? h->weights.files[i] : NULL;
}

/* Weights stay where they are mapped: the test runs on processors. */
static vw_status share(vw_network *n, unsigned parts, const vw_ranks *ranks, vw_transport *transport) {
  (void)n, (void)parts, (void)ranks, (void)transport;
  return VW_OK;
}

const vw_network_kind toy_network_kind = {
    .name = "toy", .open = open_network, .close = close_network, .hash = hash_network, .file = file_of, .share = share};

vw_status toy_signature(vw_graph *g, const toy_network *n, const vw_prompt_sizes *s, vw_value words, vw_value row_word,
                        vw_value row_template, int64_t B, vw_value *signature) {
  const vw_clip_text_config *text = &n->net.text.tower;
  vw_prompt_rows r;
  vw_value sum = VW_NONE;
  VW_CHECK(s->T <= TOY_STATES, VW_ERR_INPUT, "toy: a template of %lld tokens behind its word; at most %d",
           (long long)s->T, TOY_STATES);
  VW_TRY(vw_prompt_rows_emit(g, text, s, words, row_word, row_template, &r));
  vw_value x = vw_clip_text_layers(g, text, r.x, r.rows, NULL); /* [B, T, C]: every state, not the pooled one */
  x = vw_layernorm(g, x, vw_norm_weights_of(g, text->t.width, "text_model.final_layer_norm"), text->t.eps);
  for (int64_t t = 0; t < s->T; t++) {
    const vw_linear_weights mix = {
        .weight = vw_weight(g, vw_shape(VW_PARAM, TOY_SIGNATURE, text->t.width), "mix.%lld", (long long)t),
        .bias = VW_NONE};
    const vw_value at = vw_input(g, vw_shape(VW_I32, B), "at.%lld", (long long)t);
    sum = vw_linear(g, vw_select_row(g, x, at), mix, VW_ACT_NONE, sum, VW_HEAD);
  }
  *signature = vw_l2norm(g, sum);
  return vw_graph_status(g);
}
