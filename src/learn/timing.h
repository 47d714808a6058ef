/* Times of this machine: a training step of a kind of block, the passes beside it, a large product. Data are made up:
 * they cost the same. */
#ifndef VW_LEARN_TIMING_H
#define VW_LEARN_TIMING_H

#include "learn/cost.h"
#include "learn/rates.h"

/* What is timed. */
typedef enum vw_timed {
  VW_TIMED_STEP,    /* a training step of the block */
  VW_TIMED_TEXTS,   /* a batch of whole texts, in the templates' length */
  VW_TIMED_WORDS,   /* a batch of words that are judged, with making its program ready: judging does so each time */
  VW_TIMED_PICTURE, /* a picture: its file, decoded and encoded; vw_features_time */
  VW_TIMED
} vw_timed;

/* How a time is called in vw_rates, and the operations of one run. Errors: as vw_learn_memory_of. */
typedef struct vw_timed_name {
  char kind[VW_RATE_KIND];
  vw_hash shape;
  double flops;
} vw_timed_name;
vw_status vw_timed_name_of(const vw_block_kind *k, vw_timed what, vw_timed_name *name);

/* Mean seconds of a run, over at least `seconds`: of a machine that is busy as it is busy then. Not for pictures.
 * Errors: also VW_ERR_ARG. */
vw_status vw_time_runs(const vw_block_kind *k, vw_timed what, double seconds, double *one);

/* Operations a second of the backend's own product of a large matrix with another, the fastest of some. */
vw_status vw_time_product(vw_context *ctx, double seconds, double *flops_per_second);

#endif
