/* What a word becomes, layer by layer: the residual stream of a network's text tower at two positions of a text, at the
 * embedding and behind every layer. It is what transformers calls hidden_states: before the final norm. */
#ifndef VW_NETWORKS_STATES_H
#define VW_NETWORKS_STATES_H

#include "networks/network.h"

/* The positions of a text: where the network reads its feature (for Stable Diffusion, whose states all count, the end of
 * the text), and where the word stands. At the embedding the pooled one is the same for all words. */
enum { VW_STATE_POOLED, VW_STATE_WORD, VW_STATE_POSITIONS };
extern const char *const vw_state_positions[VW_STATE_POSITIONS]; /* "pooled", "word" */

/* vw_network_kind.state_layers and .states of every network with CLIP's text tower. `text` holds one {}, where each of
 * words[count, W] stands in turn; out [count, VW_STATE_POSITIONS, layers, W]. Fixed batches of 32: a word's states do not
 * depend on how many are asked for with it. Errors: VW_ERR_INPUT (the text), VW_ERR_MEMORY, of the backend. */
int64_t vw_word_state_layers(const vw_network *n);
vw_status vw_word_states(vw_network *n, const char *text, const double *words, int64_t vectors, int64_t count,
                         float *out);

/* One of the passes that vw_word_states makes, from sizes alone. Errors as above. */
typedef struct vw_state_work {
  int64_t words; /* at most */
  double flops;
} vw_state_work;
vw_status vw_word_states_work(vw_network *n, const char *text, int64_t vectors, vw_state_work *out);

#endif
