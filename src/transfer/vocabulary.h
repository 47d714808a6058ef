/* The words that two networks both know: what a map between them is fitted on. */
#ifndef VW_TRANSFER_VOCABULARY_H
#define VW_TRANSFER_VOCABULARY_H

#include "networks/network.h"
#include "transfer/map.h"

enum { VW_COMMON_WORD = 64 };
typedef struct vw_common_word {
  char text[VW_COMMON_WORD]; /* without the mark of a word's end, cut where it is longer */
  int32_t from, to;          /* ids in the two vocabularies */
  uint8_t fold;
} vw_common_word;

typedef struct vw_common_words {
  int64_t n;
  vw_common_word *word; /* in the order of their bytes */
} vw_common_words;

/* Whole words of both vocabularies that both networks were trained on: those in trained_words.txt where a directory has
 * one, else all; not id 0 and no special token. A list of words that the study names as its vocabulary changes nothing.
 * The caller frees them, after a failure too. Errors: VW_ERR_INPUT (trained_words.txt), VW_ERR_MEMORY. */
vw_status vw_common_words_find(vw_common_words *w, const vw_network *from, const vw_network *to);
void vw_common_words_free(vw_common_words *w);

/* "clip and owl" of a message is for who calls: fits a map on the words in common. Errors: VW_ERR_INPUT (too few words,
 * an embedding that is not finite: names it), VW_ERR_MEMORY. */
vw_status vw_common_words_fit(const vw_common_words *w, const vw_network *from, const vw_network *to,
                              const vw_map_rule *rule, vw_map *m);

/* 0 .. 9: FNV-1a of the word's bytes (Fowler, Noll, Vo; 64 bits) modulo 10. */
uint8_t vw_word_fold(const char *word);

#endif
