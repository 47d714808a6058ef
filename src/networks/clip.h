/* A CLIP network opened from a hub directory on one backend, and the passes that need no learning. */
#ifndef VW_NETWORKS_CLIP_H
#define VW_NETWORKS_CLIP_H

#include "core/hash.h"
#include "io/hub_clip.h"
#include "io/tokenizer.h"
#include "models/clip.h"
#include "networks/templates.h"
#include "networks/weights.h"

typedef struct vw_clip_network {
  vw_context *ctx;
  vw_hub_clip hub;
  vw_tokenizer *tokenizer;
  vw_weights *weights;
  vw_clip_text_config text;
  vw_clip_vision_config vision;
  vw_tensor token_embedding, position_embedding; /* views into the mapped file: [V, C], [positions, C] */
  double scale;                                  /* exp(logit_scale) */
  vw_policy policy, image_policy;                /* of texts and words; of pictures: by the context's precision */
  char dir[1024];
} vw_clip_network;

/* Opens `dir`; ctx must outlive the network and keep its precision. The caller closes it. Weights are read when a pass
 * needs them. */
vw_status vw_clip_network_open(vw_clip_network **n, const char *dir, vw_context *ctx);
void vw_clip_network_close(vw_clip_network *n); /* NULL allowed */

/* Collective: the weights of these towers into the backend's memory of all ranks, read by rank 0 alone (see
 * vw_weights_share). The token and position embeddings stay in the mapped file: the host looks words up there. */
vw_status vw_clip_network_share(vw_clip_network *n, bool text, bool vision, const vw_ranks *ranks,
                                vw_transport *transport);

/* Where the text encoder reads its feature in a row of n tokens, as transformers does: at the largest id (old files,
 * eos_token_id 2), else at the first token of the configuration's eos_token_id. */
int64_t vw_clip_pooled(const vw_clip_network *n, const int32_t *ids, int64_t n_ids);

/* Storage type of features on the host: fp64 for ref, else fp32. */
vw_dtype vw_clip_feature_type(const vw_clip_network *n);
size_t vw_clip_feature_bytes(const vw_clip_network *n); /* of one feature vector */

/* out[C] = token embedding + position embedding; id < 0: the position alone. */
vw_status vw_clip_embed(const vw_clip_network *n, int64_t id, int64_t position, double *out);

/* The token embedding of one entry, out[C]. */
vw_status vw_clip_word_vector(const vw_clip_network *n, int64_t id, double *out);

/* Unit-length text features of token rows ids[rows, L] (padded), pooled at position pooled[rows]; rows are cut behind
 * the longest pooled position: later tokens cannot matter. out [rows, p] of the feature type. Runs in fixed batches
 * of 32. */
vw_status vw_clip_encode_tokens(vw_clip_network *n, const int32_t *ids, int64_t L, const int32_t *pooled, int64_t rows,
                                void *out);

/* Unit-length image features of normalised pixels, one picture at a time so that a picture's feature never depends on
 * its neighbours. pixels [pictures, S, S, 3] double. out [pictures, p] of the feature type. */
typedef struct vw_image_encoder vw_image_encoder;
vw_status vw_image_encoder_create(vw_image_encoder **e, vw_clip_network *n);
void vw_image_encoder_destroy(vw_image_encoder *e);
vw_status vw_image_encoder_run(vw_image_encoder *e, const double *pixels, void *out);

/* The graphs of the two passes above, for who measures them: a batch of texts of T tokens (leaves x, pooled), one
 * picture (leaves pixels, class_row); output: feature. */
vw_status vw_text_pass_graph(vw_graph *g, const vw_clip_network *n, int64_t T);
vw_status vw_image_pass_graph(vw_graph *g, const vw_clip_network *n);

/* out[i, j] = scale * (a_i . b_j), a [rows_a, p], b [rows_b, p] of the feature type, out double. */
vw_status vw_clip_logits(vw_clip_network *n, const void *a, int64_t rows_a, const void *b, int64_t rows_b, double *out);

/* Keys and values of all layers for the prefixes of templates: cache[layer] [M, P, 2C] of the activation type,
 * malloc'ed by the call, freed by vw_clip_prefix_free. Also the embedded tails [M, T, C] (the word's place: the
 * position alone). */
typedef struct vw_clip_prefix {
  int64_t layers;
  void **cache; /* [layers] */
  double *tail;
} vw_clip_prefix;
vw_status vw_clip_prefix_create(vw_clip_prefix *p, vw_clip_network *n, const vw_templates *t);
void vw_clip_prefix_free(vw_clip_prefix *p);

#endif
