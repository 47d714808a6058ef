/* t-SNE of the states of a model's words, a map a layer, in block files.
 *
 * <hash>-tsne.safetensors     the hash is of all words and options
 *   points   [rows, 2] f64    in the order of vw_activations; NaN: states that are not finite
 *   numbers  [VW_MAP_NUMBERS] f64
 *   metadata  model */
#ifndef VW_RESULTS_MAPS_H
#define VW_RESULTS_MAPS_H

#include "analysis/tsne.h"
#include "results/activations.h"

enum { VW_MAP_LAYERS = 64 }; /* of a model, at most */

typedef struct vw_tsne_map_numbers {
  double layer, position, points; /* that were mapped: layer, vw_state_positions, how many */
  double kl, perplexity, learning_rate, exaggeration, iterations;
} vw_tsne_map_numbers;

/* The layers that the study maps of a model: as it says, else the embedding and four evenly spaced. Returns how many.
 * Errors: VW_ERR_INPUT naming the key: a layer that the network does not have. */
vw_status vw_tsne_map_layers(const vw_results_source *s, const vw_activations *a, int64_t layers[VW_MAP_LAYERS],
                             int *n);

/* The pooled token; at the embedding, where that is one and the same for all words, the word's own position. */
int vw_tsne_map_position(int64_t layer);

/* The stem of a layer's file. Errors: VW_ERR_MEMORY. */
vw_status vw_tsne_map_id(const vw_results_source *s, const vw_activations *a, int64_t layer, char id[VW_BLOCK_ID]);

/* Computes and writes it, on the device where the study runs on cuda; all files of `a` are open. *stopped: `stop` said so, nothing is written. Errors: also
 * VW_ERR_INPUT: too few points. */
vw_status vw_tsne_map_make(const vw_results_source *s, const vw_activations *a, int64_t layer, bool (*stop)(void *user),
                           void *user, bool *stopped);

/* Seconds that a map of so many words takes here, or on the device where the study runs on cuda. Errors: as of
 * vw_tsne_seconds. */
vw_status vw_tsne_map_seconds(const vw_results_source *s, int64_t words, int64_t width, double *seconds);

/* points [a->n, 2], malloc'ed; NULL: it is not there, or damaged, which is logged. */
vw_status vw_tsne_map_read(const vw_results_source *s, const vw_activations *a, int64_t layer, double **points,
                           vw_tsne_map_numbers *numbers);

#endif
