/* The tokenizer's tables, filled by tokenizer_load.c, used by tokenizer.c. */
#ifndef VW_IO_TOKENIZER_INTERNAL_H
#define VW_IO_TOKENIZER_INTERNAL_H

#include <stddef.h>

#include "core/durable.h"
#include "io/json.h"
#include "io/tokenizer/tokenizer.h"

enum { VW_MAX_SPECIAL = 1024, VW_TOKEN_BYTES = 1024 };

/* A token that is cut out of the text before anything else is done with it. */
typedef struct vw_special {
  char *text;    /* as the files have it */
  char *pattern; /* what is looked for: the text, or its normal form */
  int32_t id;
  bool normalised;              /* found in the normal form of the text (so in any case), else in the text as written */
  bool whole_word;              /* only where no letter, digit or mark adjoins it ("single_word") */
  bool strip_left, strip_right; /* takes the white space beside it along ("lstrip", "rstrip") */
  bool special;
} vw_special;

typedef struct vw_merge {
  int32_t left, right, rank, result; /* left < 0: free slot */
} vw_merge;

struct vw_tokenizer {
  int64_t size;        /* of text */
  int64_t base;        /* entries of the vocabulary itself */
  char **text;         /* by id */
  int64_t token_slots; /* powers of two, open addressing */
  int32_t *token_slot; /* 1 + id; 0 free */
  int64_t merge_slots, merges;
  vw_merge *merge;
  int n_special;
  vw_special special[VW_MAX_SPECIAL];
  int32_t start, end, pad, unknown;        /* pad, unknown: -1 where there is none */
  bool reread;                             /* see vw_tokenizer_is_reread */
  int32_t byte_token[256], byte_last[256]; /* id of a byte, inside a word and as its last symbol; -1: not there */
};

/* What the pattern that splits text tells apart. */
typedef enum vw_text_kind { VW_OTHER, VW_LETTER, VW_NUMBER, VW_SPACE } vw_text_kind;

/* As the fast reference tokenizer sees a code point, whatever utf8proc's age (tests/reference/tokenizer_unicode.py). */
vw_text_kind vw_text_kind_of(int32_t c);
bool vw_text_in_word(int32_t c); /* may not adjoin a token that stands alone */

/* NFC, each run of white space to one space, each code point lower-cased, as the reference does all three; the caller
 * frees *out (NULL on failure).
 * Errors: VW_ERR_INPUT (not UTF-8), VW_ERR_MEMORY. */
vw_status vw_text_normalise(const char *text, char **out);

/* The id of a vocabulary entry; -1: none. */
int32_t vw_tokenizer_id(const vw_tokenizer *t, const char *text);

/* The merge of a pair; NULL: none. */
const vw_merge *vw_tokenizer_merge(const vw_tokenizer *t, int32_t left, int32_t right);

/* The files that say which tokens are added; NULL: not there. */
typedef struct vw_added_files {
  char folder[VW_PATH_BYTES];
  json_t *config, *map, *added, *whole; /* tokenizer_config, special_tokens_map, added_tokens, tokenizer (.json) */
} vw_added_files;

/* Fills special, start, end, pad and unknown of an opened vocabulary, and `text` of what is appended to it. */
vw_status vw_tokenizer_read_added(vw_tokenizer *t, const vw_added_files *f);

/* Would the first version of this reader have made other ids of some text? It read vocab.json before tokenizer.json,
 * knew no added tokens but those of added_tokens_decoder, and found them without normalising them. */
bool vw_tokenizer_read_otherwise(const vw_tokenizer *t, const vw_added_files *f);

#endif
