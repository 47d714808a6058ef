/* How the judging of some words is cut into the pieces that ranks take from a queue: what the stages list, and what a
 * plan counts. */
#ifndef VW_RESULTS_JUDGING_PIECES_H
#define VW_RESULTS_JUDGING_PIECES_H

#include "tasks/task.h"

/* Words that are judged together, as the stages know them. */
typedef struct vw_words_to_judge {
  int64_t model, data; /* places in the study, of the model that judges */
  int64_t block;       /* of the plan; below 0: what words are compared with */
  int64_t layer;       /* of a text encoder that is cut: how many layers are kept; else 0 */
  int64_t pictures;    /* of each word, at most, where words draw; 0: as many as the task says */
} vw_words_to_judge;

/* Pictures that the judging is cut into, and their numbers a word; 0 pictures: it is judged at once. Errors: the
 * task's. */
vw_status vw_judging_pieces(const vw_task_kind *task, const vw_task_inputs *in, const vw_words_to_judge *w,
                            int64_t *pictures, int64_t *numbers);

/* Pictures with one number are taken together, by one rank, because their words share it; 0: taken alone. `n_data`: data
 * sets of the study. */
int64_t vw_judging_group(const vw_task_kind *task, const vw_words_to_judge *w, int64_t n_data, int64_t picture);

#endif
