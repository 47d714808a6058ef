/* A study's templates in a network: what comes before the word is encoded once into keys and values of all layers, what
 * follows is computed with the word in its place. One graph serves all templates: which one a row reads, where its word
 * stands and how long it is are data. */
#ifndef VW_NETWORKS_PROMPTS_H
#define VW_NETWORKS_PROMPTS_H

#include "networks/network.h"
#include "networks/templates.h"

enum { VW_PROMPT_LAYERS = 128 }; /* of a text encoder, at most */

/* What shapes a graph: templates, longest prefix (0: rows start at the first token), longest tail. */
typedef struct vw_prompt_sizes {
  int64_t M, P, T;
  int64_t vectors; /* of a word; 0: one */
} vw_prompt_sizes;

/* Numbers of a word, for a text encoder of this width. */
static inline int64_t vw_prompt_word(const vw_prompt_sizes *s, int64_t width) {
  return (s->vectors > 1 ? s->vectors : 1) * width;
}

typedef struct vw_prompts {
  vw_network *network; /* borrowed */
  vw_templates t;
  int64_t layers;
  void **cache; /* [layers] keys and values [M, P, 2C] of the activation type */
  double *tail; /* [M, T, C] embedded; the word's places: the positions alone */
} vw_prompts;

/* texts[n] as in vw_templates_create, for words of so many vectors. The caller frees it. Errors: VW_ERR_INPUT naming the template. */
vw_status vw_prompts_create(vw_prompts *p, vw_network *n, const char *const *texts, int64_t count, int64_t vectors);
/* The same of token rows; takes *t over, after a failure too. */
vw_status vw_prompts_of_templates(vw_prompts *p, vw_network *n, vw_templates *t);
void vw_prompts_free(vw_prompts *p);

/* The sizes alone: nothing is computed. */
vw_status vw_prompt_sizes_of(const vw_network *n, const char *const *texts, int64_t count, int64_t vectors,
                             vw_prompt_sizes *s);
static inline vw_prompt_sizes vw_prompts_sizes(const vw_prompts *p) {
  return (vw_prompt_sizes){p->t.M, p->t.P, p->t.T, p->t.vectors};
}

/* Rows of a text encoder's batch: what its description takes. */
typedef struct vw_prompt_rows {
  vw_value x; /* [B, T, C] embedded, the word spliced in */
  vw_clip_text_rows rows;
  vw_value pooled;                   /* [B] place of end-of-text in x */
  vw_value prefix[VW_PROMPT_LAYERS]; /* rows.prefix points here where there are prefixes */
} vw_prompt_rows;

/* Emits the rows of `words` [K, vectors C]: row b is word row_word[b] in template row_template[b] (both [B] int32). Leaves:
 * tail, word_pos, length_of, pooled_of, prefix.<layer>, prefix_len. */
vw_status vw_prompt_rows_emit(vw_graph *g, const vw_clip_text_config *text, const vw_prompt_sizes *s, vw_value words,
                              vw_value row_word, vw_value row_template, vw_prompt_rows *out);

/* Writes these leaves. */
vw_status vw_prompts_write(const vw_prompts *p, vw_program *program, const vw_graph *g);

#endif
