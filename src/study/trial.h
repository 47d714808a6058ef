/* Trials: a study as an ordered list, each with an identity and a stream of draws. docs/protocol.md is the text. */
#ifndef VW_STUDY_TRIAL_H
#define VW_STUDY_TRIAL_H

#include "core/hash.h"
#include "study/config.h"

/* One word to be learned. Names are owned by the list or plan that holds the trial. */
typedef struct vw_trial {
  vw_hash id;        /* of names, protocol and inputs: the trial is the same wherever and whenever it is listed */
  vw_hash data_hash; /* of the concept's pictures and its classes' */
  const char *model, *data, *concept, *anchor;
  double delta; /* INFINITY: free */
  int64_t replica;
  bool null_concept;
  int64_t row; /* place in the study's order; -1: the study no longer asks for it */
  /* Places in the study file; concepts count on through the null concepts. -1: not in it. */
  int64_t model_index, data_index, concept_index, anchor_index;
} vw_trial;

/* Hashes of what the study's files hold, by those who read them. All borrowed. */
typedef struct vw_study_inputs {
  const vw_hash *weights; /* [n_models]: weights, tokenizer and the list of neighbours */
  /* [n_models * n_data][concepts that the model learns, then null concepts]: as the model's task sees them */
  const vw_hash *const *pictures;
  /* [n_models * n_data] rows of a new block at most, by what a backend's memory holds; NULL: what a processor likes. */
  const int64_t *most_rows;
  const int64_t *concepts_per_block; /* [n_models] 1: a block's trials share concept and replica; 0 or NULL: any */
  /* [n_models * n_data] rows of a new block at least, below which a step is not efficient, though ranks stay idle then;
   * NULL: a few. */
  const int64_t *least_rows;
  const char *const *precision; /* [n_models] as the backend names it; NULL: the kernels' (vw_plan_kernels) */
} vw_study_inputs;

enum { VW_DELTA_TEXT = 32 };

/* "0.25", the shortest decimal that reads back the same; "free" for INFINITY. */
void vw_delta_text(double delta, char text[VW_DELTA_TEXT]);

/* "null-0". */
enum { VW_NULL_NAME = 32 };
void vw_null_name(int64_t j, char text[VW_NULL_NAME]);

typedef struct vw_stream {
  const char *data, *concept;
  int64_t replica, seed;
  const char *anchor; /* NULL: shared by the anchors and deltas of a concept */
  double delta;       /* read when there is an anchor */
} vw_stream;

/* The key of a stream of draws. Errors: VW_ERR_MEMORY. */
vw_status vw_stream_key(const vw_stream *s, uint64_t *key);

/* The stream of a trial, as its model's learn.streams asks. */
vw_status vw_trial_stream_key(const vw_study_config *config, const vw_trial *t, uint64_t *key);

/* Hash of what the study file decides for words of this model on this data set. */
vw_status vw_protocol_hash(const vw_study_config *config, int64_t model, int64_t data, vw_hash *hash);

/* Hash of what the study file decides for judging alone (keys of judge), and of the network that judges where the model
 * has one (vw_judge_config.network); zero: judged as before there were such keys. */
vw_status vw_judging_hash(const vw_study_config *config, int64_t model, int64_t data, vw_hash *hash);

static inline bool vw_judging_is_own(vw_hash judging) {
  return judging.lo || judging.hi;
}

/* The identity of a trial from its names, its data_hash, and the hashes that its block shares. */
vw_status vw_trial_hash(const vw_trial *t, vw_hash weights, vw_hash protocol, vw_hash *id);

/* Trials that the model has on the data set; 0: it does not learn on it. As a real number: the product may be large. */
double vw_study_trial_count(const vw_study_config *config, int64_t model, int64_t data);

/* All trials of a study: models, data sets, concepts (null concepts last), replicas, anchors, deltas; the last runs
 * fastest. *trials is owned by the pool and borrows the names of `config`; row is the place in the list. */
vw_status vw_study_trials(const vw_study_config *config, const vw_study_inputs *inputs, vw_pool *pool,
                          vw_trial **trials, int64_t *n);

#endif
