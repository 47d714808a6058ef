/* `verify --reference`: words in templates under a task's loss, whose draws are made to give the reference's templates and
 * pictures. */
#ifndef VW_VERIFY_WORDS_H
#define VW_VERIFY_WORDS_H

#include "learn/block_graph.h"
#include "networks/prompts.h"
#include "verify/verify.h"

typedef struct vw_word_inputs {
  /* the task's, before anything is read: */
  int64_t pictures;          /* that a row may draw of each kind */
  int64_t negatives_at;      /* place of the first picture that is drawn as one without the concept */
  const char *template_pool; /* "slot": name of the pool that templates are drawn from */
  vw_status (*put)(const struct vw_word_inputs *w, vw_program *p, const vw_graph *g); /* writes its own leaves */
  const void *user;
  /* read: */
  int64_t K, C, M, steps;
  vw_names templates;
  vw_tensor words, anchors, radius;      /* [K, C], [K, C], [K] */
  vw_tensor draw_template, draw_picture; /* [steps, K], [steps, K, 2]: a picture with the concept, one without */
  vw_prompts prompts;
  vw_learn_config learn;
  int32_t *identity; /* 0, 1, ...: more than any pool has */
  int32_t *scratch;  /* [3, K] */
  /* the task's, of what was read: */
  vw_block_loss loss;
  vw_step_shape step;
} vw_word_inputs;

/* The caller frees it, after a failure too. */
vw_status vw_word_inputs_read(vw_verification *v, vw_word_inputs *w);
void vw_word_inputs_free(vw_word_inputs *w);

/* Features, loss, gradient, the steps of both optimisers. */
vw_status vw_compare_words(vw_verification *v, vw_word_inputs *w);

#endif
