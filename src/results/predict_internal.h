/* What the files of a prediction share. Private to src/results. */
#ifndef VW_RESULTS_PREDICT_INTERNAL_H
#define VW_RESULTS_PREDICT_INTERNAL_H

#include "learn/timing.h"
#include "results/predict.h"

typedef struct vw_predictor {
  const vw_predict_source *s;
  const vw_study_config *config;
  const vw_plan *plan;
  vw_rates *rates; /* [n_models]; opened for the first model of each precision */
  vw_prediction *out;
  bool measure;
  vw_predict_items *items; /* [VW_PREDICT_STAGES] */
} vw_predictor;

/* The rates of a model: its precision's. */
vw_rates *vw_predict_rates(const vw_predictor *p, int64_t model);

/* Is there a file of results with this stem? False where trials have no ids. */
bool vw_predict_has_file(const vw_predictor *p, const char *id);

/* The rounds of maps between networks, probing and the maps of states: src/results/predict_states.c. Errors: of what is
 * timed, VW_ERR_MEMORY. */
vw_status vw_predict_maps(vw_predictor *p);
vw_status vw_predict_probe(vw_predictor *p);
vw_status vw_predict_tsne(vw_predictor *p);

#endif
