#include "networks/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

vw_status vw_text_read_embeddings(vw_text *t, vw_weights *weights) {
  char name[VW_NAME_BYTES];
  const vw_tensor tokens = vw_shape(VW_PARAM, t->tower.vocab, t->tower.t.width);
  const vw_tensor positions = vw_shape(VW_PARAM, t->tower.positions, t->tower.t.width);
  (void)snprintf(name, sizeof name, "%stext_model.embeddings.token_embedding.weight", t->tower.prefix);
  VW_TRY(vw_weights_find(weights, name, &tokens, &t->token_embedding));
  (void)snprintf(name, sizeof name, "%stext_model.embeddings.position_embedding.weight", t->tower.prefix);
  return vw_weights_find(weights, name, &positions, &t->position_embedding);
}

vw_status vw_text_check_end(const vw_text *t) {
  const int32_t end = vw_tokenizer_end(t->tokenizer);
  VW_CHECK(t->eos_token_id == 2 || t->eos_token_id == end, VW_ERR_INPUT,
           "%s/config.json: text_config.eos_token_id is %" PRId64
           ", but the tokenizer ends texts with %d: they do not belong together; give eos_token_id the tokenizer's end",
           t->dir, t->eos_token_id, end);
  return VW_OK;
}

int64_t vw_text_pooled(const vw_text *t, const int32_t *ids, int64_t n_ids) {
  const int64_t end = t->eos_token_id;
  int64_t at = 0;
  for (int64_t i = 0; i < n_ids; i++) {
    if (end != 2 && ids[i] == end) return i;
    if (end == 2 && ids[i] > ids[at]) at = i;
  }
  return at;
}

static vw_status embedding_row(const vw_tensor *table, int64_t row, double *out) {
  const int64_t C = table->dim[1];
  const char *at = (const char *)table->data + (size_t)(row * C) * vw_dtype_bytes(table->dtype);
  return vw_convert(out, VW_F64, at, table->dtype, C);
}

vw_status vw_text_word_vector(const vw_text *t, int64_t id, double *out) {
  VW_CHECK(id >= 0 && id < t->tower.vocab, VW_ERR_INPUT,
           "%s: token id %" PRId64 " is beyond the network's vocabulary of %" PRId64
           ": tokenizer and weights do not belong together",
           t->dir, id, t->tower.vocab);
  return embedding_row(&t->token_embedding, id, out);
}

vw_status vw_text_embed(const vw_text *t, int64_t id, int64_t position, double *out) {
  const int64_t C = t->tower.t.width;
  VW_CHECK(position >= 0 && position < t->tower.positions, VW_ERR_INPUT,
           "a text reaches position %" PRId64 "; the network has %" PRId64, position, t->tower.positions);
  VW_TRY(embedding_row(&t->position_embedding, position, out));
  if (id < 0) return VW_OK;
  double *word = malloc((size_t)C * sizeof *word);
  VW_CHECK(word, VW_ERR_MEMORY, "out of memory");
  const vw_status st = vw_text_word_vector(t, id, word);
  for (int64_t c = 0; st == VW_OK && c < C; c++) out[c] += word[c];
  free(word);
  return st;
}
