#include "transfer/vocabulary.h"

#include "learn/words.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

uint8_t vw_word_fold(const char *word) {
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  for (const char *p = word; *p; p++) h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
  return (uint8_t)(h % VW_MAP_FOLDS);
}

/* ---- which words ------------------------------------------------------------------------------------------------- */

typedef struct entry {
  const char *text; /* as in the vocabulary: "fox</w>" */
  int32_t id;
} entry;

static int by_text(const void *a, const void *b) {
  const entry *x = a, *y = b;
  return strcmp(x->text, y->text);
}

/* The trained whole words of a network, sorted; the caller frees them. */
static vw_status trained_words(const vw_network *network, entry **words, int64_t *n) {
  const vw_tokenizer *t = network->text.tokenizer;
  vw_word_table table;
  *words = NULL, *n = 0;
  VW_TRY(vw_word_table_open(&table, network, "default"));
  entry *e = malloc((size_t)(table.n_neighbours + 1) * sizeof *e);
  for (int64_t i = 0; e && i < table.n_neighbours; i++)
    if (vw_tokenizer_is_whole_word(t, table.neighbours[i]))
      e[(*n)++] = (entry){vw_tokenizer_text(t, table.neighbours[i]), table.neighbours[i]};
  vw_word_table_close(&table);
  VW_CHECK(e, VW_ERR_MEMORY, "no memory for the words of %s", network->dir);
  qsort(e, (size_t)*n, sizeof *e, by_text);
  *words = e;
  return VW_OK;
}

static void add_common(vw_common_words *w, const vw_network *from, const entry *a, const entry *b) {
  vw_common_word *word = &w->word[w->n++];
  char whole[VW_COMMON_WORD * 16]; /* the fold is of all of it */
  word->from = a->id, word->to = b->id;
  vw_tokenizer_label(from->text.tokenizer, a->id, whole, sizeof whole);
  word->fold = vw_word_fold(whole);
  vw_tokenizer_label(from->text.tokenizer, a->id, word->text, sizeof word->text);
}

vw_status vw_common_words_find(vw_common_words *w, const vw_network *from, const vw_network *to) {
  entry *a = NULL, *b = NULL;
  int64_t n = 0, m = 0;
  vw_status st = VW_OK;
  *w = (vw_common_words){0};
  VW_GOTO(trained_words(from, &a, &n));
  VW_GOTO(trained_words(to, &b, &m));
  w->word = calloc((size_t)n + 1, sizeof *w->word);
  if (!w->word) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "no memory for %" PRId64 " words", n));
  for (int64_t i = 0, k = 0; i < n && k < m;) {
    const int order = strcmp(a[i].text, b[k].text);
    if (!order) add_common(w, from, &a[i], &b[k]);
    i += order <= 0, k += order >= 0;
  }
cleanup:
  free(a), free(b);
  return st;
}

void vw_common_words_free(vw_common_words *w) {
  free(w->word);
  *w = (vw_common_words){0};
}

/* ---- their embeddings -------------------------------------------------------------------------------------------- */

static vw_status embedding(const vw_network *network, int32_t id, const char *word, double *out) {
  VW_TRY(vw_text_word_vector(&network->text, id, out));
  for (int64_t i = 0; i < network->width; i++)
    VW_CHECK(isfinite(out[i]), VW_ERR_INPUT, "%s: the embedding of '%s' (id %d) is not finite; look at the weights",
             network->dir, word, id);
  return VW_OK;
}

vw_status vw_common_words_fit(const vw_common_words *w, const vw_network *from, const vw_network *to,
                              const vw_map_rule *rule, vw_map *m) {
  *m = (vw_map){0};
  double *x = malloc((size_t)(w->n * (from->width + to->width) + 1) * sizeof *x),
         *y = x ? x + w->n * from->width : NULL;
  uint8_t *fold = malloc((size_t)w->n + 1);
  vw_status st = x && fold ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "no memory for %" PRId64 " words", w->n);
  for (int64_t i = 0; st == VW_OK && i < w->n; i++) {
    VW_GOTO(embedding(from, w->word[i].from, w->word[i].text, x + i * from->width));
    VW_GOTO(embedding(to, w->word[i].to, w->word[i].text, y + i * to->width));
    fold[i] = w->word[i].fold;
  }
  if (st == VW_OK)
    st = vw_map_fit(m, &(vw_map_words){.n = w->n, .from = from->width, .to = to->width, .x = x, .y = y, .fold = fold},
                    rule);
  if (st != VW_OK) (void)vw_fail(st, __FILE__, __LINE__, "%s to %s", from->dir, to->dir);
cleanup:
  free(x), free(fold);
  return st;
}
