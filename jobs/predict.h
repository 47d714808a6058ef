/* How long a study will take, stage by stage. */
#ifndef VW_JOBS_PREDICT_H
#define VW_JOBS_PREDICT_H

#include "jobs/session.h"
#include "learn/rates.h"

enum {
  VW_PREDICT_START,
  VW_PREDICT_FEATURES,
  VW_PREDICT_LEARN,
  VW_PREDICT_EVALUATE,
  VW_PREDICT_TRANSFER,
  VW_PREDICT_COLLECT,
  VW_PREDICT_STAGES
};

typedef struct vw_prediction {
  double seconds[VW_PREDICT_STAGES]; /* of what is left to do */
  vw_rate_source source;             /* the least certain of what went into it */
  int64_t ranks;
} vw_prediction;
extern const char *const vw_predict_names[VW_PREDICT_STAGES];

/* For `ranks` ranks as fast as this one: every rank with threads of its own. `measure`: times first one block of each
 * kind and the passes beside it, and leaves the rates in the cache folder; else uses what is there. Files of results
 * are not counted: seconds. Errors: as of the passes; VW_ERR_IO. */
vw_status vw_predict(vw_session *s, int64_t ranks, bool measure, vw_prediction *out);

/* Whether the study has this part: all but transfer always are there. */
bool vw_predict_has(const vw_session *s, int part);

/* One line for people: "  about 3 min 05 s on 2 ranks x 1 thread (measured): ..." */
void vw_predict_print(const vw_session *s, const vw_prediction *p);

#endif
