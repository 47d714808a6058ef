/* A CLIP network opened from a hub directory on one backend, and the passes that need no learning. */
#ifndef VW_NETWORKS_CLIP_H
#define VW_NETWORKS_CLIP_H

#include "io/hub/hub_clip.h"
#include "networks/prompts.h"

typedef struct vw_clip_network {
  vw_network net;
  vw_hub_clip hub;
  vw_clip_vision_config vision;
  double scale;           /* exp(logit_scale) */
  vw_policy image_policy; /* of pictures */
} vw_clip_network;

extern const vw_network_kind vw_clip_kind;

/* The network behind the door; it must be of this kind. */
static inline vw_clip_network *vw_clip_of(vw_network *n) {
  return (vw_clip_network *)n;
}

/* Opens `dir`; ctx must outlive the network and keep its precision. The caller closes it. Weights are read when a pass
 * needs them. */
vw_status vw_clip_network_open(vw_clip_network **n, const char *dir, vw_context *ctx);
void vw_clip_network_close(vw_clip_network *n); /* NULL allowed */

/* For kinds of networks whose own struct begins with this one: fills it from the opened hub directory in n->hub, which
 * it takes over, and describes `vision` as it is there. `source` finds a weight (user: its own). Weights are not
 * checked. vw_clip_network_fini in any case. */
vw_status vw_clip_network_init(vw_clip_network *n, const vw_network_kind *kind, const char *dir, vw_context *ctx,
                               vw_weight_source source, void *user);
void vw_clip_network_fini(vw_clip_network *n);
/* The text tower's weights are there, and the embeddings are looked up from now on. */
vw_status vw_clip_network_check_text(vw_clip_network *n);
/* Collective: one tower's part of vw_clip_network_share. */
vw_status vw_clip_network_share_text(vw_clip_network *n, const vw_ranks *ranks, vw_transport *transport);

/* Collective: the weights of these towers into the backend's memory of all ranks, read by rank 0 alone (see
 * vw_weights_share). The token and position embeddings stay in the mapped file: the host looks words up there. */
vw_status vw_clip_network_share(vw_clip_network *n, bool text, bool vision, const vw_ranks *ranks,
                                vw_transport *transport);

/* Storage type of features on the host: fp64 for ref, else fp32. */
vw_dtype vw_clip_feature_type(const vw_clip_network *n);
size_t vw_clip_feature_bytes(const vw_clip_network *n); /* of one feature vector */

/* Unit-length text features of token rows ids[rows, L] (padded), pooled at position pooled[rows]; rows are cut behind
 * the longest pooled position: later tokens cannot matter. out [rows, p] of the feature type. Runs in fixed batches
 * of 32. */
vw_status vw_clip_encode_tokens(vw_clip_network *n, const int32_t *ids, int64_t L, const int32_t *pooled, int64_t rows,
                                void *out);

/* Text features [count, p] of plain texts. */
vw_status vw_clip_encode_text(vw_clip_network *n, const char *const *texts, int64_t count, void *out);

/* The same of many texts; either function may be NULL. `told` hears of every few texts; when `stop` says so, it returns
 * early, and what it left in `out` is of no use. */
typedef struct vw_text_watch {
  void *user;
  void (*told)(void *user, int64_t n);
  bool (*stop)(void *user);
} vw_text_watch;
vw_status vw_clip_encode_text_watched(vw_clip_network *n, const char *const *texts, int64_t count, void *out,
                                      const vw_text_watch *watch);

/* Unit-length features [B, projection] of rows of words in templates (vw_prompt_rows_emit). */
vw_status vw_clip_word_feature(vw_graph *g, const vw_clip_text_config *text, const vw_prompt_sizes *s, vw_value words,
                               vw_value row_word, vw_value row_template, vw_value *feature);

/* The same as a graph of its own: leaves words [K, C], row_word, row_template [B] and the templates'; output: feature.
 */
vw_status vw_clip_word_graph(vw_graph *g, const vw_clip_text_config *text, int64_t K, int64_t B,
                             const vw_prompt_sizes *s);

/* Text features of word vectors words [n, C] (double) in one of the templates, q [n, p] of the feature type. Fixed
 * batches of 32: a word's feature does not depend on how many are encoded with it. */
vw_status vw_clip_encode_words(vw_clip_network *n, const vw_prompts *p, int64_t template, const double *words,
                               int64_t count, void *q);

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

#endif
