/* What networks with CLIP's text encoder share (CLIP, OWL-v2, Stable Diffusion): the tokenizer, the embeddings that
 * words are looked up in, and the place where a text is read. */
#ifndef VW_NETWORKS_TEXT_H
#define VW_NETWORKS_TEXT_H

#include "io/tokenizer/tokenizer.h"
#include "models/clip.h"
#include "networks/weights.h"

typedef struct vw_text {
  vw_tokenizer *tokenizer; /* owned */
  vw_clip_text_config tower;
  vw_tensor token_embedding, position_embedding; /* views into the mapped file: [V, C], [positions, C] */
  int64_t eos_token_id;                          /* of the configuration; 2: the end is the largest id (old files) */
  const char *dir;                               /* in messages; borrowed */
} vw_text;

/* Fills the two tables from weights named <tower.prefix>text_model.embeddings.*; tower and dir are set. */
vw_status vw_text_read_embeddings(vw_text *t, vw_weights *weights);

/* Refuses a tokenizer of another network: transformers would read every text's feature at its first token, and not say
 * so. Errors: VW_ERR_INPUT. */
vw_status vw_text_check_end(const vw_text *t);

/* Where the text encoder reads its feature in a row of n tokens, as transformers does: at the largest id (old files,
 * eos_token_id 2), else at the first token of the configuration's eos_token_id. */
int64_t vw_text_pooled(const vw_text *t, const int32_t *ids, int64_t n_ids);

/* out[C] = token embedding + position embedding; id < 0: the position alone. */
vw_status vw_text_embed(const vw_text *t, int64_t id, int64_t position, double *out);

/* The token embedding of one entry, out[C]. */
vw_status vw_text_word_vector(const vw_text *t, int64_t id, double *out);

#endif
