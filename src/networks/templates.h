/* The templates of a study ("a photo of a {}") as token rows, split at the word: what comes before it is constant and
 * enters the text encoder as cached keys and values; the word and what follows, up to end-of-text, is computed. */
#ifndef VW_NETWORKS_TEMPLATES_H
#define VW_NETWORKS_TEMPLATES_H

#include "io/tokenizer/tokenizer.h"

typedef struct vw_templates {
  int64_t M;           /* templates */
  int64_t vectors;     /* places of the word: n of [n, W]; 0: one */
  int64_t P;           /* longest prefix, start-of-text included: >= 1 */
  int64_t T;           /* longest tail: word ... end-of-text: >= vectors + 1 */
  int32_t *prefix;     /* [M, P] token ids, 0 beyond prefix_len */
  int32_t *prefix_len; /* [M] */
  int32_t *tail;       /* [M, T] token ids; the first entries (the word) are not used */
  int32_t *length;     /* [M] of the tail */
  int32_t *pooled;     /* [M] length - 1: the end-of-text token within the tail */
} vw_templates;

/* texts[n], each with one {} that stands alone as a word of so many vectors. `positions`: of the text encoder. The caller destroys *t.
 * Errors: VW_ERR_INPUT naming the template. */
vw_status vw_templates_create(vw_templates *t, const vw_tokenizer *tokenizer, const char *const *texts, int64_t n,
                              int64_t positions, int64_t vectors);
void vw_templates_destroy(vw_templates *t);

#endif
