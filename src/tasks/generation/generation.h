/* The generation task of one Stable Diffusion network on one data set (docs/protocol.md): words are learned by the loss
 * of what the network predicts of noisy latents, and judged by pictures that are drawn with them and named by another
 * network. */
#ifndef VW_TASKS_GENERATION_H
#define VW_TASKS_GENERATION_H

#include "networks/stable_diffusion.h"
#include "tasks/task.h"

extern const vw_task_kind vw_generation_kind;

/* Columns of /evaluation/generation: shares of a word's pictures that are named as its concept. */
enum {
  VW_GENERATION_NAMED,     /* among the data set's concepts and the trial's anchor */
  VW_GENERATION_NAMED_10,  /* among the concept, the anchor and eight drawn known names */
  VW_GENERATION_NAMED_ALL, /* among all names that the judge is given */
  VW_GENERATION_METRICS
};

typedef struct vw_generation_judge vw_generation_judge;

typedef struct vw_generation {
  vw_task task;
  vw_sd_network *network;         /* task.in's */
  const vw_learn_config *learn;   /* borrowed */
  const vw_picture_set *pictures; /* borrowed */
  int64_t side;                   /* of pictures, in pixels */
  double *tail;                   /* [templates, J, C] embedded texts, where the word stands its position alone */
  int32_t *word_pos;              /* [templates] */
  vw_generation_judge *judging;   /* made when it is first needed */
  struct vw_word_drawer *drawer;  /* of sample pictures, too */
} vw_generation;

/* The side of the pictures that a model learns from and draws: learn.resolution, or what its network was trained on.
 * Errors: VW_ERR_INPUT. */
vw_status vw_generation_side(const vw_task_inputs *in, int64_t *side);

/* ---- learning (generation_block.c) ------------------------------------------------------------------------------- */

vw_status vw_generation_begin(vw_task *t, const vw_trial *trials, const uint64_t *keys, int64_t K, vw_step_shape *s,
                              void **block);
vw_status vw_generation_leaves(vw_task *t, void *block, const vw_step_shape *s, vw_program *p, const vw_graph *g);
void vw_generation_end(void *block);
vw_status vw_generation_draws(vw_task *t, const vw_trial *trial, uint64_t key, const vw_draw_sink *sink);

/* ---- judging (generation_judge.c) -------------------------------------------------------------------------------- */

extern const vw_metric vw_generation_metrics[VW_GENERATION_METRICS];

/* A part is one picture of every word; numbers: VW_GENERATION_METRICS, 1 where it is named right, else 0; NaN where it
 * is not drawn (null concepts). */
vw_status vw_generation_judge_parts(const vw_task_inputs *in, int64_t *pictures, int64_t *numbers);
vw_status vw_generation_judge_picture(vw_task *t, const vw_judged *w, int64_t picture, double *numbers);
vw_status vw_generation_judge_end(vw_task *t, const vw_judged *w, const double *numbers, double *metrics);
void vw_generation_judge_destroy(vw_generation_judge *j); /* NULL allowed */
/* Pictures that it drew: those that it found in memory or in files do not count. */
int64_t vw_generation_judge_drawn(const vw_generation_judge *j);

/* Sample pictures of words that are still learned (vw_task_kind.sample; generation_sample.c): the first picture of
 * judging, in the folder of samples (tasks/generation/drawn.h). Those that are there already stay. */
vw_status vw_generation_sample(vw_task *t, const vw_judged *w, int64_t step);

/* A contact sheet of a concept (vw_task_kind.sheet; generation_sheet.c): a row an anchor; a training picture, then the
 * first picture of the untouched anchor and of each delta. What is not there is grey. */
vw_status vw_generation_sheet(const vw_task_inputs *in, const char *concept);

#endif
