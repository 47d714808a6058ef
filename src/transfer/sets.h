/* What of a study is carried where: pairs of models whose networks differ, and for each the sets of words that are
 * carried and judged together. A set's results are one block file, so that a study that grows keeps what it has. */
#ifndef VW_TRANSFER_SETS_H
#define VW_TRANSFER_SETS_H

#include "learn/block_io.h"
#include "tasks/kinds.h"
#include "transfer/map.h"

/* An opened study, as transfer sees it. All borrowed. */
typedef struct vw_transfer_source {
  const vw_study_config *config;
  const vw_plan *plan;
  const char *out;             /* the output directory */
  const vw_kind *const *kinds; /* [n_models], as all below */
  vw_network *const *networks;
  const vw_word_table *words;
  const vw_hash *weights;
  vw_picture_set *const *pictures; /* [n_models * n_data]; NULL: the model does not learn on the data set */
} vw_transfer_source;

/* Words of model `from`, judged by model `to` on a data set of its. */
typedef struct vw_transfer_set {
  int64_t from, to, data;
  int64_t block;   /* of the plan: words of its trials; -1: what a concept's words are compared with */
  int64_t concept; /* block -1: of the target's data set */
} vw_transfer_set;

typedef struct vw_transfer_pair {
  int64_t from, to;
} vw_transfer_pair;

typedef enum vw_carried_kind {
  VW_CARRIED_WORD,
  VW_CARRIED_ANCHOR, /* an anchor's own embedding */
  VW_CARRIED_NAME,   /* that of the concept's name, where it is one word that the source was trained on */
  VW_CARRIED_RANDOM_WORD,
  VW_CARRIED_KINDS
} vw_carried_kind;
extern const char *const vw_carried_names[VW_CARRIED_KINDS];

/* The pairs that the study asks for, in the order of its models; malloc'ed, the caller frees them. Errors: VW_ERR_INPUT
 * (transfer.pairs names no such pair; no two models have different networks). */
vw_status vw_transfer_pairs(const vw_transfer_source *s, vw_transfer_pair **pairs, int64_t *n);

/* The sets of these pairs: blocks in the plan's order, then concepts. Learned or not. As above. */
vw_status vw_transfer_sets(const vw_transfer_source *s, const vw_transfer_pair *pairs, int64_t n_pairs,
                           vw_transfer_set **sets, int64_t *n);

/* Is the word of this trial in sets of the pair and data set? *target: the trial with the same concept, anchor, delta
 * and replica there; NULL: none (with transfer.all). Null concepts are never carried: their pictures are another data
 * set's. A word that was learned on the target's data set too is carried from there alone. */
bool vw_transfer_takes(const vw_transfer_source *s, int64_t from, int64_t to, int64_t data, const vw_trial *trial,
                       const vw_trial **target);

/* What the study asks of maps. */
vw_map_rule vw_transfer_rule(const vw_study_config *config);

/* Stems of block files: of the map between two models, by their networks and the rule; of a set, by all that its
 * results depend on. Errors: VW_ERR_MEMORY. */
vw_status vw_transfer_map_id(const vw_transfer_source *s, int64_t from, int64_t to, char id[VW_BLOCK_ID]);
vw_status vw_transfer_set_id(const vw_transfer_source *s, const vw_transfer_set *set, char id[VW_BLOCK_ID]);

#endif
