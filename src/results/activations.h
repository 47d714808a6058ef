/* The states of a model's words at all layers, in block files, and all of them together.
 *
 * <block id>-activations.safetensors        of a block's learned words, in its order
 * <set id>-activations.safetensors          of words of another network that were carried here (transfer/carried.h), in
 *                                           their set's order; NaN: not carried
 * <hash>-activations.safetensors            of words that the network knows: the model's anchors, then the names of its
 *                                           concepts that are one known word; the hash is of what they depend on
 *   states  [K, VW_STATE_POSITIONS, layers, W] f32    (networks/states.h)
 *   metadata  model, text; of carried words source: the model that learned them */
#ifndef VW_RESULTS_ACTIVATIONS_H
#define VW_RESULTS_ACTIVATIONS_H

#include "networks/states.h"
#include "results/collect/collect.h"

/* Where a word comes from. Whoever adds words of another origin lists them in vw_activations_list. */
typedef enum vw_origin { VW_ORIGIN_LEARNED, VW_ORIGIN_CARRIED, VW_ORIGIN_ANCHOR, VW_ORIGIN_NAME } vw_origin;
extern const char *const vw_origin_names[]; /* "learned", "carried", "anchor", "name" */

/* One word. Places are of the study; -1: it has none. */
typedef struct vw_activation_row {
  vw_origin origin;
  int64_t trial, data, concept_place, anchor_place;
  int64_t source; /* the model that learned a carried word; of other words the model itself */
  double delta;   /* NaN: it has none */
  bool is_null;   /* learned for a null concept */
  const char *origin_text, *source_name, *data_name, *concept, *anchor, *word; /* "": it has none */
  int32_t token;                                                               /* of a known word; -1 */
  int64_t file, place; /* where its states are: files[file], row `place` */
} vw_activation_row;

typedef struct vw_activations {
  int64_t model, layers, width; /* the embedding counts as a layer */
  const char *text;             /* the sentence that words stand in */
  vw_activation_row *rows;      /* learned ones in the study's order, carried ones by set, anchors, names */
  int64_t n, n_learned, n_carried;
  char (*id)[VW_BLOCK_ID]; /* [n_files] stems: of the model's active blocks in the plan's order, of sets that were
                              carried here where the study has the stage transfer, of known words */
  int64_t n_files, *file_rows, *block; /* words in each; block of the plan, -1: known words */
  int64_t *source, *data;              /* [n_files] the block's model, and the data set that its words are carried to */
  vw_safetensors **file;               /* NULL: not open */
  const float **states;                /* of the open ones */
} vw_activations;

/* The words of a model, no states. The caller frees it, after a failure too. Errors: VW_ERR_UNSUPPORTED: the network
 * has no layers to look into; VW_ERR_MEMORY. */
vw_status vw_activations_list(const vw_results_source *s, int64_t model, vw_activations *a);
void vw_activations_free(vw_activations *a);

/* Are the words of file f there, is the file? */
bool vw_activations_can_make(const vw_results_source *s, const vw_activations *a, int64_t f);
bool vw_activations_has(const vw_results_source *s, const vw_activations *a, int64_t f);

/* Computes and writes file f. Errors: also VW_ERR_INPUT: a damaged block. */
vw_status vw_activations_make(const vw_results_source *s, const vw_activations *a, int64_t f);

/* Opens file f where it is there; one that is damaged is logged and counts as missing. */
vw_status vw_activations_open(const vw_results_source *s, vw_activations *a, int64_t f);

/* The states of a row at a position and a layer, [W]; NULL: its file is not open. */
const float *vw_activations_state(const vw_activations *a, const vw_activation_row *r, int position, int64_t layer);

/* All of its numbers are finite. */
bool vw_activations_is_finite(const vw_activations *a, const vw_activation_row *r, int position, int64_t layer);

#endif
