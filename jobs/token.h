/* What prompts of other programs call a learned word: a name that no vocabulary holds. */
#ifndef VW_JOBS_TOKEN_H
#define VW_JOBS_TOKEN_H

#include "jobs/word_list.h"

enum { VW_TOKEN_BYTES = 160 };

/* "<vw-fox-dog-0.5-r0-3f2a90bc81d7>" of a word that tells where it comes from, else "<vw-NAME-HASH>"; without brackets
 * for programs that call a word as its file. Small letters, digits, '-' and '.': the same for every tokenizer that
 * lower-cases. CLIP's tokenizers split at '-' and at digits, so none of their own entries is such a text. */
void vw_token_of(const vw_given_word *w, bool in_brackets, char token[VW_TOKEN_BYTES]);

/* The token without brackets: the stem of its file. */
void vw_token_stem(const char *token, char stem[VW_TOKEN_BYTES]);

/* Refuses a token that prompts could not name or would take for something else. Errors: VW_ERR_ARG: empty, too long, a
 * letter that is not small, or a character that is none of a-z 0-9 - _ . < >; an entry of the network's vocabulary. */
vw_status vw_token_check(const char *token, const vw_network *n);

/* Is it one entry of the network's vocabulary, an added token too? */
bool vw_token_is_taken(const char *token, const vw_network *n);

#endif
