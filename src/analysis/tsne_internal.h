/* What the files of t-SNE share: how pairs of points lie in memory.
 *
 * Points stand in blocks of SIDE; a tile holds the pairs of two blocks, row block >= column block, SIDE x SIDE numbers.
 * The diagonal tiles hold both (i, j) and (j, i), and 0 for (i, i). Points and pairs behind the last are padding. */
#ifndef VW_ANALYSIS_TSNE_INTERNAL_H
#define VW_ANALYSIS_TSNE_INTERNAL_H

#include "analysis/tsne.h"

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

/* Seconds of one tile of distances in d dimensions, and of one tile of forces, on one thread. */
vw_status vw_tile_seconds_distances(int64_t d, double *seconds);
vw_status vw_tile_seconds_forces(double *seconds);

/* The first two principal components of x [n, d], scaled so that the first one's standard deviation is 1e-4: points
 * [n, 2]. Where all points are one, they are all 0. Errors: VW_ERR_MEMORY. */
vw_status vw_pca_start(const float *x, int64_t n, int64_t d, int threads, double *points);

#endif
