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

/* Unit-length features q [w->n, projection] of the feature type: vectors in sentence m of p, then texts in their places
 * in `sentence`, which is the same one. */
vw_status vw_sentences_encode(vw_clip_network *n, const vw_prompts *p, int64_t m, const char *sentence,
                              const vw_judged *w, void *q);

/* The same in several sentences, those of p (judge.templates): unit features are averaged and made of length one. */
vw_status vw_sentences_average(vw_clip_network *n, const vw_prompts *p, const vw_names *sentences, const vw_judged *w,
                               void *q);

/* Sums of unit vectors, [n, p]. */
typedef struct vw_average {
  const vw_clip_network *network;
  int64_t n;
  double *sum;
  void *one; /* [n, p] of the feature type: what is added next */
} vw_average;
/* The caller ends it, after a failure too. */
vw_status vw_average_begin(vw_average *a, const vw_clip_network *network, int64_t n);
void vw_average_add(vw_average *a);
/* The direction of each sum, of length one. Vectors that cancel out have none: NaN, as all that follows from it. */
vw_status vw_average_write(vw_average *a, void *q);
void vw_average_end(vw_average *a);

#endif
