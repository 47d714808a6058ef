/* How long a study will take, stage by stage. */
#ifndef VW_RESULTS_PREDICT_H
#define VW_RESULTS_PREDICT_H

#include "learn/cost.h"
#include "learn/rates.h"
#include "results/collect/collect.h"
#include "results/predict_items.h"

enum {
  VW_PREDICT_START,
  VW_PREDICT_FEATURES,
  VW_PREDICT_LEARN,
  VW_PREDICT_EVALUATE,
  VW_PREDICT_MAPS, /* between networks: what the stage `transfer` begins with */
  VW_PREDICT_TRANSFER,
  VW_PREDICT_TRUNCATION,
  VW_PREDICT_PROBE,
  VW_PREDICT_TSNE,
  VW_PREDICT_COLLECT,
  VW_PREDICT_STAGES
};

typedef struct vw_prediction {
  double seconds[VW_PREDICT_STAGES]; /* of what is left to do */
  vw_rate_source source;             /* the least certain of what went into it */
  int64_t ranks;
} vw_prediction;
extern const char *const vw_predict_names[VW_PREDICT_STAGES];

/* An opened study; all borrowed. */
typedef struct vw_predict_source {
  vw_results_source results;
  vw_context *contexts;         /* [n_models] with each model's precision */
  const char *const *precision; /* [n_models] its name */
  const vw_task_inputs *inputs; /* [n_models * n_data] */
  vw_costs *costs;              /* of blocks, kept for more questions */
  bool is_counted;              /* a data set is not there: sizes are known, no result is */
  vw_predict_items *items;      /* NULL, or [VW_PREDICT_STAGES] zeroed: gets what each stage has to do, as its queues
                                 * hand it out; none of the start. The caller frees each stage's, after a failure too */
  double *learn;                /* NULL, or gets [n_blocks] the seconds of learning each block, also where it is done */
} vw_predict_source;

/* For `ranks` ranks as fast as this one: every rank with threads of its own. `measure`: times first one block of each
 * kind and the passes beside it, and leaves the rates in the cache folder; else uses what is there. Files of results,
 * figures and the report are not counted: seconds. Errors: as of the passes; VW_ERR_IO. */
vw_status vw_predict(const vw_predict_source *s, int64_t ranks, bool measure, vw_prediction *out);

#endif
