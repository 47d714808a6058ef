/* What learning takes of a backend's memory, told before anything is taken: from the graphs' plans alone. */
#ifndef VW_LEARN_MEMORY_H
#define VW_LEARN_MEMORY_H

#include "io/study_config.h"
#include "learn/block_graph.h"
#include "learn/clip_network.h"
#include "learn/pictures.h"

/* Bytes. At most one of pictures, texts and block is held at a time, weights always. */
typedef struct vw_learn_memory {
  int64_t weights;  /* of both towers, in the backend's memory */
  int64_t pictures; /* the image tower's pass */
  int64_t texts;    /* the pass that encodes the classes' texts */
  int64_t block;    /* all programs of a block (learn/block.h) */
  int64_t peak;
} vw_learn_memory;

/* The sizes of a block of `rows` words that are spread over as many concepts as can be, whole (slices 0): the largest
 * tables. Errors: VW_ERR_INPUT (a template), VW_ERR_MEMORY. */
vw_status vw_learn_shape_of(const vw_clip_network *n, const vw_learn_config *learn, const vw_picture_set *pictures,
                            int64_t concepts, int64_t rows, vw_block_shape *shape);

/* For a block of `rows` words of one network on one data set that has `concepts` (null concepts counted), its steps in
 * `slices` that this rank computes all. Nothing is allocated on the backend. Errors: VW_ERR_INPUT (a template),
 * VW_ERR_UNSUPPORTED, VW_ERR_MEMORY. */
vw_status vw_learn_memory_of(vw_clip_network *n, const vw_learn_config *learn, const vw_picture_set *pictures,
                             int64_t concepts, int64_t rows, int64_t slices, vw_learn_memory *out);

/* The most rows, at most `most`, whose peak stays within `bytes`; 0 where not even one does. */
vw_status vw_learn_rows_within(vw_clip_network *n, const vw_learn_config *learn, const vw_picture_set *pictures,
                               int64_t concepts, int64_t slices, int64_t bytes, int64_t most, int64_t *rows);

/* Prepares the programs of a block of `rows` words and of the image tower as learning would, without data of their own,
 * and lets them go: kernels make their choices (kernels/algorithms.h). */
vw_status vw_learn_rehearse(vw_clip_network *n, const vw_learn_config *learn, const vw_picture_set *pictures,
                            int64_t concepts, int64_t rows);

/* Prepares a graph's program with zeros for its inputs and lets it go: its weights are read, packed or sent. */
vw_status vw_learn_prepare_alone(vw_clip_network *n, const vw_graph *g, const vw_policy *policy);

#endif
