#include "learn/words.h"

#include "core/durable.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vw_status read_list(vw_word_table *w, const char *path) {
  char *text = NULL, *save = NULL;
  vw_status st = VW_OK;
  int64_t line = 0;
  VW_TRY(vw_file_read_lines(path, &text));
  for (char *rest = text, *word; (word = strsep(&rest, "\n")) != NULL;) {
    int32_t id = 0;
    line++;
    word[strcspn(word, "\r")] = 0;
    if (!*word || *word == '#') continue;
    if (vw_tokenizer_word(w->network->text.tokenizer, word, &id) != VW_OK) {
      save = strdup(vw_error_message());
      st = VW_RAISE(VW_ERR_INPUT, "%s:%" PRId64 ": %s", path, line, save ? save : word);
      free(save);
      break;
    }
    w->mask[id] = 1;
  }
  free(text);
  return st;
}

static vw_status mark(vw_word_table *w, const char *vocabulary) {
  const vw_tokenizer *t = w->network->text.tokenizer;
  char path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(path, "%s/trained_words.txt", w->network->dir));
  if (!strcmp(vocabulary, "default") && vw_file_exists(path)) return read_list(w, path);
  const bool all = !strcmp(vocabulary, "all");
  if (!all && strcmp(vocabulary, "words") != 0 && strcmp(vocabulary, "default") != 0) return read_list(w, vocabulary);
  for (int32_t id = 1; id < w->e.V; id++)
    w->mask[id] = all ? vw_tokenizer_text(t, id) && !vw_tokenizer_is_special(t, id) : vw_tokenizer_is_whole_word(t, id);
  return VW_OK;
}

static vw_status open_table(vw_word_table *w, const char *vocabulary) {
  const vw_tensor *table = &w->network->text.token_embedding;
  w->e = (vw_embeddings){.data = table->data, .dtype = table->dtype, .V = table->dim[0], .d = table->dim[1]};
  if (table->dtype != VW_F32 && table->dtype != VW_F64) {
    w->converted = malloc((size_t)vw_count(table) * sizeof(float));
    VW_CHECK(w->converted, VW_ERR_MEMORY, "word table: out of memory");
    VW_TRY(vw_convert(w->converted, VW_F32, table->data, table->dtype, vw_count(table)));
    w->e.data = w->converted, w->e.dtype = VW_F32;
  }
  w->mask = calloc((size_t)w->e.V + 1, 1), w->neighbours = malloc((size_t)w->e.V * sizeof(int32_t));
  VW_CHECK(w->mask && w->neighbours, VW_ERR_MEMORY, "word table: out of memory");
  VW_CHECK(vw_tokenizer_size(w->network->text.tokenizer) <= w->e.V, VW_ERR_INPUT,
           "%s: the tokenizer has ids up to %" PRId64 ", the weights %" PRId64
           " embeddings: they do not belong together",
           w->network->dir, vw_tokenizer_size(w->network->text.tokenizer) - 1, w->e.V);
  VW_TRY(mark(w, vocabulary));
  w->e.word = w->mask;
  for (int32_t id = 0; id < w->e.V; id++)
    if (w->mask[id]) w->neighbours[w->n_neighbours++] = id;
  VW_CHECK(w->n_neighbours >= 2, VW_ERR_INPUT, "%s: vocabulary '%s' has %" PRId64 " words; a ball needs neighbours",
           w->network->dir, vocabulary, w->n_neighbours);
  return VW_OK;
}

vw_status vw_word_table_open(vw_word_table *w, const vw_network *n, const char *vocabulary) {
  *w = (vw_word_table){.network = n};
  const vw_status st = open_table(w, vocabulary);
  if (st != VW_OK) vw_word_table_close(w);
  return st;
}

void vw_word_table_close(vw_word_table *w) {
  free(w->converted), free(w->mask), free(w->neighbours);
  *w = (vw_word_table){0};
}

vw_status vw_block_start(vw_block_state *s, const vw_word_table *w, const vw_trial *trials) {
  for (int64_t k = 0; k < s->K; k++) {
    int32_t id = 0;
    int64_t nearest = 0;
    double distance = 0;
    VW_TRY(vw_tokenizer_word(w->network->text.tokenizer, trials[k].anchor, &id));
    for (int64_t at = 0; at < s->C; at += s->C / s->vectors)
      VW_TRY(vw_text_word_vector(&w->network->text, id, s->anchors + k * s->C + at));
    VW_TRY(vw_anchor_neighbour(&w->e, id, &nearest, &distance));
    s->radius[k] = isinf(trials[k].delta) ? INFINITY : trials[k].delta * distance;
  }
  memcpy(s->words, s->anchors, (size_t)(s->K * s->C) * sizeof *s->words);
  return VW_OK;
}

vw_status vw_word_table_hash(const vw_word_table *w, vw_hash *hash) {
  vw_hasher *h = vw_hasher_create();
  vw_hash files = {0};
  VW_CHECK(h, VW_ERR_MEMORY, "out of memory");
  const vw_status st = w->network->kind->hash(w->network, &files);
  vw_hasher_field(h, "viswords-weights-1");
  vw_hasher_add(h, &files, sizeof files);
  vw_hasher_add(h, w->mask, (size_t)w->e.V);
  *hash = vw_hasher_done(h);
  vw_hasher_destroy(h);
  return st;
}
