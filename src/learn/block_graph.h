/* The training step of a block of trials as one graph: the task's loss, its gradient, the optimiser, the loss record.
 * Nothing of it touches the host (docs/design.md: everything a step needs is in the graph). */
#ifndef VW_LEARN_BLOCK_GRAPH_H
#define VW_LEARN_BLOCK_GRAPH_H

#include "tasks/task.h"

typedef struct vw_block_shape {
  vw_step_shape step; /* step.slice, slices: read by VW_BLOCK_SLICE alone */
  int64_t vectors;    /* of a word: n; 0: one */
  int64_t points;     /* rows of the loss record */
  int64_t every;      /* steps between them */
  int64_t segments;   /* of the forward pass, made again on the way back (vw_recompute); at most 1: all is kept */
} vw_block_shape;

typedef enum vw_block_mode {
  VW_BLOCK_TRAIN, /* loss -> gradient -> optimiser -> record -> advance */
  VW_BLOCK_WATCH, /* the fixed set's loss, gradient; words and step are inputs */
  VW_BLOCK_LOOK,  /* the same without gradient */
  /* a training step in parts, so that ranks can share it (learn/team.h): */
  VW_BLOCK_SLICE, /* a slice's part of loss and gradient; words and step are inputs */
  VW_BLOCK_UPDATE /* loss and gradient, inputs -> optimiser -> record -> advance */
} vw_block_mode;

/* Who emits the loss: a task's, or a test's. */
typedef struct vw_block_loss {
  vw_status (*emit)(const void *user, vw_graph *g, const vw_step_shape *s, const vw_step_in *step, vw_value *loss);
  const void *user;
} vw_block_loss;

/* The loss of the task made of these inputs; both must outlive it. */
typedef struct vw_task_loss {
  const vw_task_kind *kind;
  const vw_task_inputs *in;
} vw_task_loss;
vw_block_loss vw_block_loss_of(const vw_task_loss *of);

/* Words of n vectors of `width` numbers: each vector is a row of its own for the optimiser, with its own ball; the loss
 * sees a row a word. Leaves: words, anchors, adam_m, adam_v [K n, width], radius [K n], step, history, and those of the
 * loss. Outputs: loss [K], gradient [K n, width], and those of the loss. In a slice words and gradient are [K, n width],
 * the same numbers. */
vw_status vw_block_graph(vw_graph *g, const vw_block_loss *loss, const vw_learn_config *learn, const vw_block_shape *s,
                         int64_t width, vw_block_mode mode);

/* The same for a task made of these inputs, on its network, recomputed in s->segments. `learn`: that of the inputs'
 * model, or a copy with another end. */
vw_status vw_block_task_graph(vw_graph *g, const vw_task_kind *task, const vw_task_inputs *in,
                              const vw_learn_config *learn, const vw_block_shape *s, vw_block_mode mode);

#endif
