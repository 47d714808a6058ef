/* CLIP's tokenizer: byte-level byte-pair encoding of lower-cased words (Radford et al. 2021; Sennrich et al. 2016).
 * Equal to transformers' CLIPTokenizerFast: NFC, white space separates, lower-cased code point by code point, split
 * into special tokens, contractions ('s 't 're 've 'm 'll 'd), letters, single digits and runs of anything else.
 *
 * Read-only once opened: any number of threads may use one tokenizer. Texts are UTF-8, at most VW_TOKENIZER_TEXT bytes.
 */
#ifndef VW_IO_TOKENIZER_H
#define VW_IO_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum { VW_TOKENIZER_TEXT = 1 << 16 };

typedef struct vw_tokenizer vw_tokenizer;

/* Opens the tokenizer of a model directory with transformers 5.24's precedence. Vocabulary and merges: tokenizer.json,
 * else vocab.json and merges.txt. Added tokens: added_tokens_decoder of tokenizer_config.json where it has one; else
 * added_tokens.json, then `added_tokens` of tokenizer.json, and special_tokens_map.json over tokenizer_config.json. A
 * token that is not in the vocabulary gets the next free id, as the reference gives it. The caller closes it.
 * Errors: VW_ERR_IO, VW_ERR_INPUT naming file and line or key; VW_ERR_UNSUPPORTED for what the reference reads
 * otherwise (another class of tokenizer, two added tokens with one normal form). */
vw_status vw_tokenizer_open(vw_tokenizer **t, const char *folder);
void vw_tokenizer_close(vw_tokenizer *t); /* NULL: nothing */

/* Does this directory read otherwise than viswords once read it (before it knew tokenizer.json's added tokens and their
 * rules)? Such a directory's results have other ids than then. */
bool vw_tokenizer_is_reread(const vw_tokenizer *t);

/* Token ids with start and end: "a fox" -> start a fox end. Never shortens: *n is the number of tokens of the whole
 * text even where they do not fit. Errors: VW_ERR_INPUT (not UTF-8, too long, more than `capacity` tokens). */
vw_status vw_tokenizer_encode(const vw_tokenizer *t, const char *text, int32_t *ids, int64_t capacity, int64_t *n);

/* The same without start and end: for the parts of a template. */
vw_status vw_tokenizer_encode_part(const vw_tokenizer *t, const char *text, int32_t *ids, int64_t capacity, int64_t *n);

/* The id of a word that is one whole-word token. Errors: VW_ERR_INPUT listing the tokens it splits into, or saying that
 * it is a special token. */
vw_status vw_tokenizer_word(const vw_tokenizer *t, const char *word, int32_t *id);

/* One more than the largest id. Ids of the vocabulary may have gaps. */
int64_t vw_tokenizer_size(const vw_tokenizer *t);

/* The vocabulary's entry, as in the file ("fox</w>", bytes mapped to printable characters); NULL: no such id. Borrowed.
 */
const char *vw_tokenizer_text(const vw_tokenizer *t, int32_t id);

/* The same as a user writes it: without </w>, cut to `bytes` and NUL-terminated; "" where there is no such id. */
void vw_tokenizer_label(const vw_tokenizer *t, int32_t id, char *out, size_t bytes);

/* A candidate neighbour: ends in </w>, not special, not id 0 ("!", which Stable Diffusion pads with). */
bool vw_tokenizer_is_whole_word(const vw_tokenizer *t, int32_t id);
bool vw_tokenizer_is_special(const vw_tokenizer *t, int32_t id);

int32_t vw_tokenizer_start(const vw_tokenizer *t);
int32_t vw_tokenizer_end(const vw_tokenizer *t);
int32_t vw_tokenizer_pad(const vw_tokenizer *t); /* -1: none */

#endif
