/* The sentences of a study with words in them: those that are drawn in learning, and the one of judging. */
#ifndef VW_TASKS_SENTENCES_H
#define VW_TASKS_SENTENCES_H

#include "networks/clip.h"
#include "tasks/task.h"

/* The templates of learn for words of so many vectors, and the judging one behind them where it is not among them;
 * *judge: its place. The caller frees *p. Errors: as vw_prompts_create. */
vw_status vw_sentences_open(vw_prompts *p, vw_network *n, const vw_learn_config *learn, int64_t vectors,
                            int64_t *judge);

/* The sizes that they give, from the texts alone; the judging one is counted even where it is among the others. */
vw_status vw_sentence_sizes(const vw_task_inputs *in, vw_prompt_sizes *s);

/* Unit-length features q [w->n, projection] of the feature type: vectors in the judging sentence, then texts in their
 * places. */
vw_status vw_sentences_encode(vw_clip_network *n, const vw_prompts *p, int64_t judge, const vw_learn_config *learn,
                              const vw_judged *w, void *q);

#endif
