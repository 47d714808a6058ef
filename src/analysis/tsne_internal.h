/* What the files of t-SNE share: how pairs of points lie in memory.
 *
 * Points stand in blocks of SIDE; a tile holds the pairs of two blocks, row block >= column block, SIDE x SIDE numbers.
 * The diagonal tiles hold both (i, j) and (j, i), and 0 for (i, i). Points and pairs behind the last are padding. */
#ifndef VW_ANALYSIS_TSNE_INTERNAL_H
#define VW_ANALYSIS_TSNE_INTERNAL_H

#include "analysis/tsne.h"
#include "kernels/pairs.h"

#include <stddef.h>

enum { VW_TSNE_SIDE = 256, VW_TSNE_PAIRS = VW_TSNE_SIDE * VW_TSNE_SIDE };

struct vw_affinities {
  int64_t n, blocks, tiles;
  float *p; /* [tiles, SIDE, SIDE] */
};

/* Tiles of blocks 0 .. row - 1 come before those of `row`. */
static inline int64_t vw_tile_at(int64_t row, int64_t column) {
  return row * (row + 1) / 2 + column;
}

/* The blocks of a tile. */
static inline void vw_tile_blocks(int64_t tile, int64_t *row, int64_t *column) {
  int64_t r = 0;
  while (vw_tile_at(r + 1, 0) <= tile) r++;
  *row = r, *column = tile - vw_tile_at(r, 0);
}

static inline int64_t vw_block_points(int64_t n, int64_t block) {
  const int64_t left = n - block * VW_TSNE_SIDE;
  return left < VW_TSNE_SIDE ? left : VW_TSNE_SIDE;
}

/* Space for the tiles of n points, not filled. Errors: VW_ERR_MEMORY. */
vw_status vw_affinities_allocate(vw_affinities **p, int64_t n);

/* A point's width: the root of the entropy minus `target`. Newton's steps in log(beta), within a bracket that shrinks;
 * where a step leaves it, the bracket is cut. Where more points than the perplexity are equally near there is none, and
 * beta grows until only those count. */
typedef struct vw_width_search {
  double beta, sum; /* the width to try, and the one that was found; its sum of e */
  double low, high, target;
  int tries;
  bool has_root; /* false: all other points are equally near */
} vw_width_search;

/* `scale`: the mean of the distances, each minus the least. */
vw_width_search vw_width_begin(double scale, double target);
/* With the moments at s->beta: true where they are wanted at another one. */
bool vw_width_next(vw_width_search *s, const vw_moments *m);

/* ---- on a device (tsne_device.c) */

/* vw_tsne on o->device: y [n, 2] is the map. Errors: VW_ERR_MEMORY, VW_ERR_DEVICE. */
vw_status vw_tsne_on_device(const float *x, int64_t n, int64_t d, const vw_tsne_options *o, double *y,
                            vw_tsne_result *out);
/* Seconds of that; some points are mapped. */
vw_status vw_tsne_device_seconds(int64_t n, int64_t d, const vw_tsne_options *o, double *seconds);
/* Joint probabilities of the n points that are loaded. */
vw_status vw_tsne_device_joint(vw_pairs *p, int64_t n, double perplexity);

/* The descent's two parts: exaggerated, and not. */
typedef struct vw_tsne_parts {
  vw_tsne_descent part[2];
} vw_tsne_parts;
vw_tsne_parts vw_tsne_parts_of(const vw_tsne_options *o, double rate);

/* Seconds of one tile of distances in d dimensions, and of one tile of forces, on one thread. */
vw_status vw_tile_seconds_distances(int64_t d, double *seconds);
vw_status vw_tile_seconds_forces(double *seconds);

/* The first two principal components of x [n, d], scaled so that the first one's standard deviation is 1e-4: points
 * [n, 2]. Where all points are one, they are all 0. `device`: has x and makes the products; NULL: the processor does.
 * Errors: VW_ERR_MEMORY, VW_ERR_DEVICE. */
vw_status vw_pca_start(const float *x, int64_t n, int64_t d, int threads, vw_pairs *device, double *points);

/* Where a map starts, as the options say. `device` and errors as of vw_pca_start. */
vw_status vw_tsne_begin(const float *x, int64_t n, int64_t d, const vw_tsne_options *o, vw_pairs *device,
                        double *points);

#endif
