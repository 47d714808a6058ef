/* The passes of exact t-SNE over all pairs of points, on a device (src/analysis/tsne.h says what they are for).
 *
 * Everything is in double, and each pass makes the operations of src/analysis on the CPU in the order of its sums, so a
 * map has the CPU's bits. The divergence alone is summed in another order, with the device's logarithm.
 *
 * Pairs lie as on the CPU (src/analysis/tsne_internal.h): points in blocks of VW_PAIRS_SIDE, a tile a pair of blocks
 * (row block >= column block), tiles in rows. Device memory is taken once, by `open`; `joint` gives the distances'
 * back. */
#ifndef VW_KERNELS_PAIRS_H
#define VW_KERNELS_PAIRS_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { VW_PAIRS_SIDE = 256, VW_PAIRS_TILE = VW_PAIRS_SIDE * VW_PAIRS_SIDE };
enum { VW_PAIRS_VECTORS = 8, VW_PAIRS_CHUNKS = 16 }; /* of the search for principal components */

/* Sums over a point's pairs of e = exp(-beta (d - least)), of (d - least) e and of (d - least)^2 e. */
typedef struct vw_moments {
  double e, xe, xxe;
} vw_moments;

/* A step of the points along their gradient. */
typedef struct vw_pairs_move {
  double exaggeration, learning_rate, momentum;
} vw_pairs_move;

typedef struct vw_pairs vw_pairs;

/* Bytes of device memory that `open` takes: about 6 n^2. */
int64_t vw_pairs_bytes(int64_t n, int64_t d);

/* Room for n points of d numbers on the device of `ctx`, an open cuda context that outlives *pairs. Errors:
 * VW_ERR_UNSUPPORTED (another backend), VW_ERR_MEMORY, VW_ERR_DEVICE; then *pairs is NULL. */
vw_status vw_pairs_open(vw_context *ctx, int64_t n, int64_t d, vw_pairs **pairs);
void vw_pairs_close(vw_pairs *pairs); /* NULL allowed */

/* All functions below may fail with VW_ERR_DEVICE. */

/* The points x [n, d], on which the functions up to `joint` work. */
vw_status vw_pairs_load(vw_pairs *p, const float *x);
/* scores[n, VECTORS] = (x - mean) v of v [d, VECTORS]; part[CHUNKS, d, VECTORS] = the product of (x - mean)^T with
 * them, over the points n c / CHUNKS .. n (c + 1) / CHUNKS of each chunk c. */
vw_status vw_pairs_scores(vw_pairs *p, const double *v, double *scores, double *part);
/* Squared distances; of each point the least to another one, and the mean of what others are above it: [n]
 * each. */
vw_status vw_pairs_distances(vw_pairs *p, double *least, double *mean);
/* out[i] at beta[i]; a point whose beta is NaN is left out, and out[i] is undefined. After `distances`. */
vw_status vw_pairs_moments(vw_pairs *p, const double *beta, vw_moments *out);
/* Joint probabilities, from each point's width beta and the sum of its e. Gives back the distances' memory. */
vw_status vw_pairs_joint(vw_pairs *p, const double *beta, const double *sum);
/* Joint probabilities [tiles, SIDE, SIDE], from the host and to it. */
vw_status vw_pairs_set_joint(vw_pairs *p, const float *joint);
vw_status vw_pairs_get_joint(vw_pairs *p, float *joint);

/* Points y [n, 2] at rest: updates are 0, gains are 1. */
vw_status vw_pairs_place(vw_pairs *p, const double *y);
/* Enqueues one step. */
vw_status vw_pairs_step(vw_pairs *p, const vw_pairs_move *move);
/* Waits for the steps. */
vw_status vw_pairs_wait(vw_pairs *p);
/* Where the points are: y [n, 2]. */
vw_status vw_pairs_points(vw_pairs *p, double *y);
/* Gradient [n, 2] and, where kl is not NULL, divergence at the points, which stay. */
vw_status vw_pairs_gradient(vw_pairs *p, double exaggeration, double *gradient, double *kl);

/* ---- what kernels/cuda enqueues ---------------------------------------------------------------------------------- */

/* Device memory of a vw_pairs. Points and what belongs to their two numbers: [2, blocks * SIDE], x before y. */
typedef struct vw_pairs_data {
  int64_t n, d, blocks, tiles;
  float *x;                        /* [n, d] */
  double *centre;                  /* [d] the points' mean */
  double *vectors, *scores, *part; /* [d, VECTORS], [n, VECTORS], [CHUNKS, d, VECTORS] */
  double *distance;                /* [tiles, SIDE, SIDE] */
  double *least, *mean, *beta, *sum;
  vw_moments *moments;
  float *joint; /* [tiles, SIDE, SIDE] */
  double *y;    /* points; those behind the last are far away from everything */
  double *update, *gain;
  double *gradient;     /* [n, 2] */
  double *row, *column; /* [tiles, 4, SIDE] what a tile adds to the sums of its rows and of its columns */
  double *z;            /* [tiles] its part of Z, or of the divergence */
  double *scale;        /* [1] 1 / Z */
} vw_pairs_data;

typedef struct vw_pairs_passes {
  vw_status (*centre)(vw_context *ctx, const vw_pairs_data *p);
  vw_status (*scores)(vw_context *ctx, const vw_pairs_data *p); /* scores, part; of vectors */
  vw_status (*distances)(vw_context *ctx, const vw_pairs_data *p);
  vw_status (*nearest)(vw_context *ctx, const vw_pairs_data *p); /* least, mean */
  vw_status (*moments)(vw_context *ctx, const vw_pairs_data *p); /* at beta */
  vw_status (*joint)(vw_context *ctx, const vw_pairs_data *p);   /* at beta, sum */
  vw_status (*forces)(vw_context *ctx, const vw_pairs_data *p);  /* row, column, z, scale */
  vw_status (*move)(vw_context *ctx, const vw_pairs_data *p, const vw_pairs_move *move);
  vw_status (*gradient)(vw_context *ctx, const vw_pairs_data *p, double exaggeration);
  vw_status (*divergence)(vw_context *ctx, const vw_pairs_data *p); /* z, of the scale that is there */
} vw_pairs_passes;
extern const vw_pairs_passes vw_pairs_cuda; /* kernels/cuda/pairs.cu; only in builds with CUDA */

#ifdef __cplusplus
}
#endif
#endif
