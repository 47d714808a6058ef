/* Judging words on held-out pictures (docs/protocol.md, Judging). */
#ifndef VW_TASKS_CLASSIFY_JUDGE_H
#define VW_TASKS_CLASSIFY_JUDGE_H

#include "tasks/classify/classify.h"

/* Columns of /evaluation/classification; NaN where there is nothing to count. */
enum { VW_RECALL, VW_RECALL_10, VW_ACCURACY, VW_OTHERS_ACCURACY, VW_CLASSIFY_METRICS };

/* What does not depend on the word, once a slot. */
typedef struct vw_judge {
  const vw_classify *task;
  const vw_slot *slot;
  double *best_other; /* [test pictures] largest logit among the classes but the slot's */
  double *best_10;    /* the same among the classes of recall_10 */
  double *own;        /* logit of the picture's own class where the classes alone get it right, else -inf */
  uint8_t *counts;    /* 1: one of the slot's pictures; 2: another class' picture; 0: neither */
} vw_judge;
vw_status vw_judge_create(vw_judge *j, const vw_classify *t, const vw_slot *s, const vw_others *others);
void vw_judge_free(vw_judge *j);

/* metrics [n, VW_CLASSIFY_METRICS] of text features q [n, p] (feature type) in the judging template. Ties count as
 * wrong. */
vw_status vw_judge_features(const vw_judge *j, const void *q, int64_t n, double *metrics);

#endif
