/* Words of a network: which entries of the vocabulary may be neighbours, and where a trial starts. */
#ifndef VW_LEARN_WORDS_H
#define VW_LEARN_WORDS_H

#include "learn/block.h"
#include "study/metrics.h"

typedef struct vw_word_table {
  const vw_network *network; /* borrowed */
  vw_embeddings e;           /* data: the mapped file where its type allows, else converted */
  float *converted;
  uint8_t *mask;       /* [V] neighbours */
  int32_t *neighbours; /* their ids, ascending */
  int64_t n_neighbours;
} vw_word_table;

/* vocabulary: "default" (trained_words.txt of the model directory where it is, else "words"), "words", "all", or the
 * path of a list of words, one a line. The caller closes it. Errors: VW_ERR_INPUT naming file, line and word. */
vw_status vw_word_table_open(vw_word_table *w, const vw_network *n, const char *vocabulary);
void vw_word_table_close(vw_word_table *w);

/* Anchors, radii and starting words of a block's trials (docs/protocol.md, Constraint). */
vw_status vw_block_start(vw_block_state *s, const vw_word_table *w, const vw_trial *trials);

/* What the identity of trials depends on: weights, tokenizer and neighbours. */
vw_status vw_word_table_hash(const vw_word_table *w, vw_hash *hash);

#endif
