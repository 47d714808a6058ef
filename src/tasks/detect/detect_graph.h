/* The detection loss of a step as one graph: draws of template and pictures, the text encoder from the word on, the
 * logits of all words at all patches of the pictures in one product, focal loss. Nothing of it touches the host. */
#ifndef VW_TASKS_DETECT_GRAPH_H
#define VW_TASKS_DETECT_GRAPH_H

#include "networks/prompts.h"
#include "tasks/task.h"

/* vw_step_shape.size of this task. */
enum {
  VW_DETECT_M,
  VW_DETECT_P,
  VW_DETECT_T,         /* vw_prompt_sizes */
  VW_DETECT_STREAMS,   /* streams of the block's words: 1, or as many as words */
  VW_DETECT_POSITIVES, /* pictures with the concept, in the tables before those without */
  VW_DETECT_NEGATIVES,
  VW_DETECT_PATCHES, /* of a picture */
  VW_DETECT_BOXES    /* of all pictures with the concept; 0 where matching is fixed */
};

/* What the loss takes beside its shape. */
typedef struct vw_detect_step {
  const vw_clip_text_config *text;
  const vw_learn_config *learn;
  vw_dtype type; /* of the pictures' embeddings */
} vw_detect_step;

/* Emits the loss [K] of step->words. Leaves by name: key, row_stream, row_word, those of networks/prompts.h,
 * template_pool/_offset/_count, positive_..., negative_... (where a step has negatives), features, shift, scale,
 * boxes, and matched or, with VW_MATCHING_DYNAMIC, first_box, place (kernels/match_patches.h). Outputs where the step is not cut: template, picture. */
vw_status vw_detect_loss(const vw_detect_step *c, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                         vw_value *loss);
/* The same as a vw_block_loss (learn/block_graph.h) of a vw_detect_step. */
vw_status vw_detect_emit(const void *step, vw_graph *g, const vw_step_shape *s, const vw_step_in *in, vw_value *loss);

#endif
