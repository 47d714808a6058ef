/* The tokenizer's tables, filled by tokenizer_load.c, used by tokenizer.c. */
#ifndef VW_IO_TOKENIZER_INTERNAL_H
#define VW_IO_TOKENIZER_INTERNAL_H

#include <stddef.h>

#include "io/tokenizer.h"

enum { VW_MAX_SPECIAL = 64, VW_TOKEN_BYTES = 1024 };

/* A token that is cut out of the text before anything else is done with it. */
typedef struct vw_special {
  char *text;
  int32_t id;
  bool normalised; /* found in the lower-cased text (so in any case), else in the text as written */
  bool whole_word; /* only where no letter, digit or mark adjoins it ("single_word"). lstrip and rstrip take white space
                      along, which makes no token here: nothing to do */
} vw_special;

typedef struct vw_merge {
  int32_t left, right, rank, result; /* left < 0: free slot */
} vw_merge;

struct vw_tokenizer {
  int64_t size;        /* of text */
  char **text;         /* by id */
  int64_t token_slots; /* powers of two, open addressing */
  int32_t *token_slot; /* 1 + id; 0 free */
  int64_t merge_slots, merges;
  vw_merge *merge;
  int n_special;
  vw_special special[VW_MAX_SPECIAL];
  int32_t start, end, pad, unknown;
  int32_t byte_token[256], byte_last[256]; /* id of a byte, inside a word and as its last symbol; -1: not there */
};

/* What the pattern that splits text tells apart. */
typedef enum vw_text_kind { VW_OTHER, VW_LETTER, VW_NUMBER, VW_SPACE } vw_text_kind;

/* As the fast reference tokenizer sees a code point, whatever utf8proc's age (tests/reference/tokenizer_unicode.py). */
vw_text_kind vw_text_kind_of(int32_t c);
bool vw_text_in_word(int32_t c);

/* NFC, then each code point lower-cased, as the reference does both; the caller frees *out (NULL on failure).
 * Errors: VW_ERR_INPUT (not UTF-8), VW_ERR_MEMORY. */
vw_status vw_text_normalise(const char *text, char **out);

/* The id of a vocabulary entry; -1: none. */
int32_t vw_tokenizer_id(const vw_tokenizer *t, const char *text);

/* The merge of a pair; NULL: none. */
const vw_merge *vw_tokenizer_merge(const vw_tokenizer *t, int32_t left, int32_t right);

#endif
