/* The training step of a block of trials as one graph: draws, template, text encoder from the word on, loss, gradient,
 * optimiser, loss record. Nothing of it touches the host (DESIGN: everything a step needs is in the graph). */
#ifndef VW_TASKS_CLASSIFY_GRAPH_H
#define VW_TASKS_CLASSIFY_GRAPH_H

#include "graph/graph.h"
#include "models/clip.h"
#include "study/config.h"

/* Sizes that shape the graph. */
typedef struct vw_block_shape {
  int64_t K;        /* trials: rows and words */
  int64_t slots;    /* concepts of the block */
  int64_t M, P, T;  /* templates; longest cached prefix (0: none, rows start at the first token); longest tail */
  int64_t pictures; /* training pictures of the task */
  int64_t positive_pool, negative_pool; /* entries of the pools of picture indices, all slots together */
  int64_t points;                       /* rows of the loss record */
  int64_t every;                        /* steps between them */
  int64_t slice, slices; /* of VW_BLOCK_SLICE: part slice of the step's pictures, cut into so many; 0: not cut */
} vw_block_shape;

typedef enum vw_block_mode {
  VW_BLOCK_TRAIN, /* draws -> loss -> gradient -> optimiser -> record -> advance */
  VW_BLOCK_WATCH, /* the fixed set's draws -> loss, gradient; words and step are inputs */
  /* a training step in parts, so that ranks can share it (learn/team.h): */
  VW_BLOCK_SLICE, /* a slice's draws -> its part of loss and gradient; words and step are inputs */
  VW_BLOCK_UPDATE /* loss and gradient, inputs -> optimiser -> record -> advance */
} vw_block_mode;

/* The pictures first .. first + n of `all` (a step's positives, or its negatives) that are a slice's. */
typedef struct vw_block_part {
  int64_t first, n;
} vw_block_part;
vw_block_part vw_block_part_of(const vw_block_shape *s, int64_t all);

/* Leaves by name: words, anchors, radius, step, key, row_word, slot_offset, slot_count, slot_pool, template_of, tail,
 * word_pos, length_of, pooled_of, prefix_len, prefix.<layer>, positive_pool/_offset/_count,
 * negative_pool/_offset/_count (where a step has negatives), features, rest, truth, adam_m, adam_v, history. Outputs:
 * template, picture, loss, gradient. */
vw_status vw_block_graph(vw_graph *g, const vw_clip_text_config *text, const vw_learn_config *learn,
                         const vw_block_shape *s, double scale, vw_block_mode mode);

/* Unit-length text features [B, projection] of words in templates: leaves words [K, C] (input), row_word, row_template
 * [B] and the template leaves as above. Output: feature. */
vw_status vw_word_feature_graph(vw_graph *g, const vw_clip_text_config *text, int64_t K, int64_t B,
                                const vw_block_shape *s);

#endif
