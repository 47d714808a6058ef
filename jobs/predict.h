/* How long an opened study will take (results/predict.h). */
#ifndef VW_JOBS_PREDICT_H
#define VW_JOBS_PREDICT_H

#include "jobs/session.h"
#include "results/predict.h"

/* learn: NULL, or gets [plan->n_blocks] the seconds of learning each block; items: NULL, or as in vw_predict_source.
 * Errors: as vw_predict. */
vw_status vw_session_predict(vw_session *s, int64_t ranks, bool measure, vw_prediction *out, double *learn,
                             vw_predict_items *items);

/* Whether the study has this part: maps and transfer, truncation, probe and tsne may be missing. */
bool vw_predict_has(const vw_session *s, int part);

/* One line for people: "  about 3 min 05 s on 2 ranks x 1 thread (measured): ..." */
void vw_predict_print(const vw_session *s, const vw_prediction *p);

#endif
