/* Judging in several sentences at once (judge.templates): the unit features that a text or word has in them, averaged
 * and made of length one again, take the place of its feature in the one judging template. */
#ifndef VW_TASKS_CLASSIFY_ENSEMBLE_H
#define VW_TASKS_CLASSIFY_ENSEMBLE_H

#include "tasks/classify/classify.h"

/* Encodes the classes in all sentences and fills t->judge_logits; does nothing where the study has no such sentences,
 * or where it is done. Errors: VW_ERR_INPUT naming a sentence; those of the passes. */
vw_status vw_ensemble_open(vw_classify *t);
void vw_ensemble_close(vw_classify *t);

/* Features q [w->n, p] of words and of texts in their places; as vw_ensemble_open left the task. */
vw_status vw_ensemble_encode(const vw_classify *t, const vw_judged *w, void *q);

/* How many sentences words are judged in. */
int64_t vw_ensemble_size(const vw_model_config *model);

#endif
