/* The classification loss of a step as one graph: draws of template and pictures, the text encoder from the word on,
 * softmax cross-entropy of the word's class against all others. Nothing of it touches the host. */
#ifndef VW_TASKS_CLASSIFY_GRAPH_H
#define VW_TASKS_CLASSIFY_GRAPH_H

#include "networks/prompts.h"
#include "tasks/task.h"

/* vw_step_shape.size of this task. */
enum {
  VW_CLASSIFY_SLOTS, /* concepts of the block */
  VW_CLASSIFY_M,
  VW_CLASSIFY_P,
  VW_CLASSIFY_T,        /* vw_prompt_sizes */
  VW_CLASSIFY_PICTURES, /* training pictures of the task */
  VW_CLASSIFY_POSITIVES,
  VW_CLASSIFY_NEGATIVES /* entries of the pools of picture indices, all slots together */
};

/* What the loss takes beside its shape. */
typedef struct vw_classify_step {
  const vw_clip_text_config *text;
  const vw_learn_config *learn;
  double scale; /* of cosines */
} vw_classify_step;

/* Emits the loss [K] of step->words. Leaves by name: key, row_word, slot_offset, slot_count, slot_pool, template_of,
 * those of networks/prompts.h, positive_pool/_offset/_count, negative_pool/_offset/_count (where a step has
 * negatives), features, rest, truth. Outputs where the step is not cut: template, picture. */
vw_status vw_classify_loss(const vw_classify_step *c, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                           vw_value *loss);

/* The same, as learn/block_graph.h takes it from who has no task: user is a vw_classify_step. */
vw_status vw_classify_emit(const void *user, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                           vw_value *loss);

#endif
