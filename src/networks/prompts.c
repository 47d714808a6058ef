#include "networks/prompts.h"

#include "kernels/splice.h"
#include "kernels/take.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- before the word --------------------------------------------------------------------------------------------- */

static int64_t word_places(const vw_templates *t) {
  return t->vectors > 1 ? t->vectors : 1;
}

static vw_status embed_templates(const vw_network *n, const vw_templates *t, double *prefix, double *tail) {
  const int64_t C = n->text.tower.t.width;
  for (int64_t m = 0; m < t->M; m++) {
    for (int64_t i = 0; i < t->P; i++) {
      double *out = prefix + (m * t->P + i) * C;
      memset(out, 0, (size_t)C * sizeof *out);
      if (i < t->prefix_len[m]) VW_TRY(vw_text_embed(&n->text, t->prefix[m * t->P + i], i, out));
    }
    for (int64_t i = 0; i < t->T; i++) {
      double *out = tail + (m * t->T + i) * C;
      memset(out, 0, (size_t)C * sizeof *out);
      if (i < t->length[m])
        VW_TRY(vw_text_embed(&n->text, i < word_places(t) ? -1 : t->tail[m * t->T + i], t->prefix_len[m] + i, out));
    }
  }
  return VW_OK;
}

/* A template that holds end-of-text itself, or an added token that an old configuration takes for it. */
static vw_status check_pooled(const vw_network *n, const vw_templates *t, int64_t m) {
  const int32_t end = vw_tokenizer_end(n->text.tokenizer);
  const int32_t *parts[] = {t->prefix + m * t->P, t->tail + m * t->T + word_places(t)};
  const int64_t length[] = {t->prefix_len[m], t->length[m] - word_places(t) - 1};
  for (int i = 0; i < 2; i++)
    for (int64_t j = 0; j < length[i]; j++)
      VW_CHECK(parts[i][j] != end && (n->text.eos_token_id != 2 || parts[i][j] < end), VW_ERR_INPUT,
               "template %" PRId64 " holds token %d, which %s would read as the end of the text", m + 1, parts[i][j],
               n->dir);
  return VW_OK;
}

/* Keys and values out of packed queries, keys and values: [M P, 3C] -> [M P, 2C]. */
static void keep_keys_values(char *out, const char *qkv, int64_t rows, size_t row_bytes) {
  for (int64_t i = 0; i < rows; i++)
    memcpy(out + (size_t)i * 2 * row_bytes, qkv + (size_t)i * 3 * row_bytes + row_bytes, 2 * row_bytes);
}

static vw_status run_prefix(const vw_prompts *p, const double *prefix) {
  vw_network *n = p->network;
  const vw_templates *t = &p->t;
  const int64_t C = n->text.tower.t.width, rows = t->M * t->P, layers = n->text.tower.t.layers;
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
  (void)vw_clip_text_layers(g, &n->text.tower, x, none, qkv);
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
    if (p->cache[i]) keep_keys_values(p->cache[i], packed, rows, row_bytes);
  }
cleanup:
  vw_program_destroy(plan);
  vw_graph_destroy(g);
  free(qkv), free(packed);
  return st;
}

static vw_status encode_prefixes(vw_prompts *p) {
  vw_network *n = p->network;
  const vw_templates *t = &p->t;
  const int64_t C = n->text.tower.t.width, layers = n->text.tower.t.layers;
  const size_t bytes = (size_t)(t->M * t->P * 2 * C) * vw_dtype_bytes(n->policy.act);
  double *prefix = malloc((size_t)(t->M * t->P * C) * sizeof *prefix);
  vw_status st = VW_OK;
  p->layers = layers;
  p->cache = calloc((size_t)layers + 1, sizeof *p->cache);
  p->tail = malloc((size_t)(t->M * t->T * C) * sizeof *p->tail);
  bool ok = prefix && p->cache && p->tail;
  for (int64_t i = 0; ok && i < layers; i++) ok = (p->cache[i] = malloc(bytes)) != NULL;
  if (!ok) {
    st = VW_RAISE(VW_ERR_MEMORY, "templates: out of memory");
    goto cleanup;
  }
  for (int64_t m = 0; m < t->M; m++) VW_GOTO(check_pooled(n, t, m));
  VW_GOTO(embed_templates(n, t, prefix, p->tail));
  if (layers) VW_GOTO(run_prefix(p, prefix));
cleanup:
  free(prefix);
  return st;
}

vw_status vw_prompts_of_templates(vw_prompts *p, vw_network *n, vw_templates *t) {
  *p = (vw_prompts){.network = n, .t = *t};
  *t = (vw_templates){0};
  const vw_status st = encode_prefixes(p);
  if (st != VW_OK) vw_prompts_free(p);
  return st;
}

vw_status vw_prompts_create(vw_prompts *p, vw_network *n, const char *const *texts, int64_t count, int64_t vectors) {
  vw_templates t;
  *p = (vw_prompts){0};
  VW_TRY(vw_templates_create(&t, n->text.tokenizer, texts, count, n->text.tower.positions, vectors));
  return vw_prompts_of_templates(p, n, &t);
}

void vw_prompts_free(vw_prompts *p) {
  for (int64_t i = 0; p->cache && i < p->layers; i++) free(p->cache[i]);
  free((void *)p->cache), free(p->tail);
  vw_templates_destroy(&p->t);
  *p = (vw_prompts){0};
}

vw_status vw_prompt_sizes_of(const vw_network *n, const char *const *texts, int64_t count, int64_t vectors,
                             vw_prompt_sizes *s) {
  vw_templates t = {0};
  VW_TRY(vw_templates_create(&t, n->text.tokenizer, texts, count, n->text.tower.positions, vectors));
  *s = (vw_prompt_sizes){t.M, t.P, t.T, t.vectors};
  vw_templates_destroy(&t);
  return VW_OK;
}

/* ---- from the word on -------------------------------------------------------------------------------------------- */

vw_status vw_prompt_rows_emit(vw_graph *g, const vw_clip_text_config *text, const vw_prompt_sizes *s, vw_value words,
                              vw_value row_word, vw_value row_template, vw_prompt_rows *out) {
  const int64_t C = text->t.width;
  VW_CHECK(text->t.layers <= VW_PROMPT_LAYERS, VW_ERR_UNSUPPORTED, "a text encoder of %" PRId64 " layers; at most %d",
           text->t.layers, VW_PROMPT_LAYERS);
  const vw_value tail = vw_input(g, vw_shape(VW_PARAM, s->M, s->T, C), "tail");
  const vw_value word_pos = vw_input(g, vw_shape(VW_I32, s->M), "word_pos");
  const vw_value length = vw_take(g, vw_input(g, vw_shape(VW_I32, s->M), "length_of"), row_template);
  out->pooled = vw_take(g, vw_input(g, vw_shape(VW_I32, s->M), "pooled_of"), row_template);
  const bool cached = s->P > 0;
  for (int64_t i = 0; cached && i < text->t.layers; i++)
    out->prefix[i] = vw_input(g, vw_shape(VW_ACT, s->M, s->P, 2 * C), "prefix.%lld", (long long)i);
  out->rows = (vw_clip_text_rows){.prefix = cached ? out->prefix : NULL,
                                  .row_prefix = row_template,
                                  .prefix_len = cached ? vw_input(g, vw_shape(VW_I32, s->M), "prefix_len") : VW_NONE,
                                  .length = length};
  out->x = vw_splice(g, words, tail, row_word, row_template, word_pos);
  return VW_OK;
}

static vw_status write_i32(vw_program *p, const vw_graph *g, const char *name, int32_t *data, int64_t n) {
  vw_tensor t = vw_shape(VW_I32, n);
  t.data = data;
  return vw_program_write(p, vw_find(g, name), &t);
}

vw_status vw_prompts_write(const vw_prompts *t, vw_program *p, const vw_graph *g) {
  const vw_templates *m = &t->t;
  const int64_t C = t->network->text.tower.t.width;
  vw_tensor tail = vw_shape(VW_F64, m->M, m->T, C), prefix = vw_shape(t->network->policy.act, m->M, m->P, 2 * C);
  int32_t *zeros = calloc((size_t)m->M, sizeof *zeros);
  vw_status st = VW_OK;
  VW_CHECK(zeros, VW_ERR_MEMORY, "out of memory");
  tail.data = t->tail;
  VW_GOTO(vw_program_write(p, vw_find(g, "tail"), &tail));
  VW_GOTO(write_i32(p, g, "word_pos", zeros, m->M));
  VW_GOTO(write_i32(p, g, "length_of", m->length, m->M));
  VW_GOTO(write_i32(p, g, "pooled_of", m->pooled, m->M));
  VW_GOTO(write_i32(p, g, "prefix_len", m->prefix_len, m->M));
  for (int64_t i = 0; i < t->layers; i++) {
    char name[VW_NAME_BYTES];
    (void)snprintf(name, sizeof name, "prefix.%lld", (long long)i);
    prefix.data = t->cache[i];
    VW_GOTO(vw_program_write(p, vw_find(g, name), &prefix));
  }
cleanup:
  free(zeros);
  return st;
}
