/* `viswords simulate`: a study's blocks on more ranks than there are, by the simulated queue (cluster/simulate.h). */
#ifndef VW_BENCH_SCALE_H
#define VW_BENCH_SCALE_H

#include "cluster/simulate.h"

#include <jansson.h>

/* Blocks that a run is drawn from; arrays of n, borrowed. */
typedef struct vw_scale_blocks {
  int64_t n;
  const double *cost;    /* by which the queue orders them, in any unit */
  const double *seconds; /* that they take */
  const int64_t *trials;
  const int64_t *parts; /* that a block is made of (cluster/simulate.h); NULL: 1 each */
  const double *bytes;  /* of the file with a block's results */
  int64_t steps;        /* of a block's training */
} vw_scale_blocks;

typedef struct vw_scale_options {
  int64_t trials;  /* of the run, at least: blocks are drawn again and again; 0: the blocks as they are, each once */
  int64_t a_rank;  /* blocks a rank, drawn so; 0: by `trials` */
  double spread;   /* standard deviation of the logarithm of a factor on cost and seconds: the queue knows it */
  double noise;    /* the same on the seconds alone: the queue does not */
  double latency;  /* seconds of a request there and back */
  double capacity; /* requests that rank 0 serves in a second */
  int64_t seed;
} vw_scale_options;

/* One number of ranks. */
typedef struct vw_scale_row {
  int64_t ranks, blocks, trials;
  int64_t files;  /* when all is learned: a block's results each, and a log a rank */
  double bytes;   /* of the files of results */
  int64_t beside; /* checkpoints that lie there while ranks learn, at most */
  vw_simulation run;
} vw_scale_row;

/* Errors: VW_ERR_ARG, VW_ERR_MEMORY. */
vw_status vw_scale_run(const vw_scale_blocks *blocks, const vw_scale_options *o, int64_t ranks, vw_scale_row *row);

/* Every number of a row, the kinds of requests by name; a new reference, NULL without memory. */
json_t *vw_scale_json(const vw_scale_row *row);

#endif
