#include "jobs/token.h"

#include "core/hash.h"
#include "core/text.h"
#include "study/trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS = 12, PART = 40 };

void vw_token_of(const vw_given_word *w, bool in_brackets, char token[VW_TOKEN_BYTES]) {
  const vw_file_word *f = &w->from;
  char concept[PART + 1], anchor[PART + 1], delta[VW_DELTA_TEXT] = "", hash[VW_HASH_TEXT], middle[VW_TOKEN_BYTES];
  vw_hash_text(vw_hash_bytes(w->x, (size_t)(f->vectors * f->width) * sizeof *w->x), hash);
  vw_text_slug(concept, PART, f->concept ? f->concept : f->name);
  if (f->concept && f->anchor && !isnan(f->delta)) {
    vw_text_slug(anchor, PART, f->anchor);
    vw_delta_text(f->delta, delta);
    (void)snprintf(middle, sizeof middle, "%s-%s-%s-r%lld", concept, anchor, delta, (long long)f->replica);
  } else {
    (void)snprintf(middle, sizeof middle, "%s", concept);
  }
  (void)snprintf(token, VW_TOKEN_BYTES, "%svw-%.100s-%.*s%s", in_brackets ? "<" : "", middle, DIGITS,
                 f->id ? f->id : hash, in_brackets ? ">" : "");
}

void vw_token_stem(const char *token, char stem[VW_TOKEN_BYTES]) {
  int n = 0;
  for (; *token && n < VW_TOKEN_BYTES - 1; token++)
    if (*token != '<' && *token != '>') stem[n++] = *token;
  stem[n] = 0;
}

bool vw_token_is_taken(const char *token, const vw_network *n) {
  int32_t ids[4];
  int64_t count = 0;
  if (vw_tokenizer_encode_part(n->text.tokenizer, token, ids, 4, &count) == VW_OK) return count == 1;
  vw_error_clear(); /* more than four tokens, or no text at all */
  return false;
}

vw_status vw_token_check(const char *token, const vw_network *n) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.<>";
  char stem[VW_TOKEN_BYTES];
  const size_t length = strlen(token), good = strspn(token, letters);
  VW_CHECK(length && length < VW_TOKEN_BYTES - 16 && good == length, VW_ERR_ARG,
           "token '%s': expected 1 to %d of the characters a-z 0-9 - _ . < > (tokenizers lower-case what they read)",
           token, VW_TOKEN_BYTES - 17);
  vw_token_stem(token, stem);
  VW_CHECK(strspn(stem, ".-") < strlen(stem), VW_ERR_ARG, "token '%s': needs a letter or digit", token);
  VW_CHECK(
      !vw_token_is_taken(token, n), VW_ERR_ARG,
      "token '%s' is an entry of the vocabulary of %s: prompts would mean that word; choose another, such as <%s-1>",
      token, n->dir, stem);
  return VW_OK;
}
