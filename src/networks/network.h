/* The door to networks: all that learning, baselines, block files and results need of one. A network is an opened hub
 * directory on one backend; its kind is one file here and, where it draws from new parts, one description in
 * src/models. What a task needs beyond this (pictures' features, a loss) it takes from its own kind of network. */
#ifndef VW_NETWORKS_NETWORK_H
#define VW_NETWORKS_NETWORK_H

#include "core/hash.h"
#include "io/safetensors.h"
#include "networks/text.h"
#include "networks/weights.h"

typedef struct vw_network vw_network;

/* Which of a network's weights: those that a step of learning reads, those that pictures go through once. */
enum { VW_NETWORK_STEPS = 1, VW_NETWORK_PICTURES = 2 };

typedef struct vw_network_kind {
  const char *name; /* as models.<name>.kind has it */
  /* Opens `dir`; ctx must outlive the network and keep its precision. Weights are read when a pass needs them. Errors:
   * one line that names the file and what to do. On success the caller closes it. */
  vw_status (*open)(vw_network **n, const char *dir, vw_context *ctx);
  void (*close)(vw_network *n);
  /* Of everything that was read: every component, tokenizer, configuration file. Reads all weights once. */
  vw_status (*hash)(const vw_network *n, vw_hash *hash);
  /* All weights are numbers. Errors: VW_ERR_INPUT naming one that is not. NULL: never asked. */
  vw_status (*check_finite)(const vw_network *n);
  vw_safetensors *(*file)(const vw_network *n,
                          int64_t i); /* of its weights: the i-th; NULL behind the last. Borrowed */
  /* Collective: weights into the backend's memory of all ranks, read by rank 0 alone (vw_weights_share). `parts`:
   * VW_NETWORK_*. The embeddings stay in the mapped file: the host looks words up there. */
  vw_status (*share)(vw_network *n, unsigned parts, const vw_ranks *ranks, vw_transport *transport);
  /* How many states of a word the text tower has, the embedding first, and these states (networks/states.h). NULL, both:
   * the network has no layers to look into. */
  int64_t (*state_layers)(const vw_network *n);
  vw_status (*states)(vw_network *n, const char *text, const double *words, int64_t vectors, int64_t count, float *out);
  size_t bytes; /* of its own struct, whose text tower text.tower describes (vw_network_cut); 0: it has none to cut */
} vw_network_kind;

/* The first member of every kind's own struct. */
struct vw_network {
  const vw_network_kind *kind;
  vw_context *ctx;
  vw_text text; /* tokenizer, embeddings, text tower */
  vw_weights *weights;
  vw_policy policy;   /* of texts and words, by the context's precision */
  int64_t width;      /* of a word's vector */
  vw_dtype word_type; /* words in files: fp64 for ref, else fp32 */
  bool is_cut;        /* a view of another network (vw_network_cut) */
  char dir[1024];
};

/* A view of a network whose text tower has its first `layers` layers, then what follows the last one (the final norm, a
 * projection). It is described so: what is not needed is not computed. All else is the network's, its weights too, which
 * must outlive the view. layers 0 .. all: with all of them it computes what the network does. The caller ends it with
 * vw_network_uncut, when every task on it is closed. Errors: VW_ERR_UNSUPPORTED (no such tower), VW_ERR_ARG (it has
 * fewer layers), VW_ERR_MEMORY. */
vw_status vw_network_cut(vw_network *n, int64_t layers, vw_network **view);
void vw_network_uncut(vw_network *view); /* NULL allowed */

/* The files of its weights still hold what was hashed (io/witness.h). Errors: VW_ERR_IO naming the file. */
vw_status vw_network_unchanged(const vw_network *n);

#endif
