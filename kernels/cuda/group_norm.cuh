/* What the kernels of group_norm share (contract: kernels/group_norm.h):
 *
 *   group_norm.cu         any number of channels, an element at a time; which family takes a call
 *   group_norm_packs.cu   channels in multiples of 8, as all real networks have them */
#ifndef VW_KERNELS_CUDA_GROUP_NORM_CUH
#define VW_KERNELS_CUDA_GROUP_NORM_CUH

#include "kernels/group_norm.h"

#include "kernels/cuda/vector.cuh"

struct vw_group_shape {
  int64_t B, S, C, G, D, rows, pieces; /* rows: of a piece; pieces: of a picture */
};

/* Pieces of at least `rows` rows, at most `most` of them: what a picture is cut into follows from its own size alone. */
static inline vw_group_shape vw_group_shape_of(const vw_tensor *x, int64_t G, int64_t rows, int64_t most) {
  vw_group_shape s = {x->dim[0], 0, vw_last_dim(x), G, vw_last_dim(x) / G, rows, 0};
  s.S = s.B ? vw_count(x) / (s.B * s.C) : 0;
  const int64_t least = (s.S + most - 1) / most;
  if (least > s.rows) s.rows = least;
  s.pieces = (s.S + s.rows - 1) / s.rows;
  return s;
}

/* Rows first..end of all pictures' rows. */
struct vw_group_piece {
  int64_t b, first, end;
};

__device__ static inline vw_group_piece vw_group_piece_of(const vw_group_shape &s, int64_t block) {
  const int64_t b = block / s.pieces, at = block % s.pieces * s.rows, end = at + s.rows < s.S ? at + s.rows : s.S;
  return {b, b * s.S + at, b * s.S + end};
}

/* pairs: two numbers a (block, group). Forward: means and squares about them become mean and rstd; gradient: sums become
 * averages. */
vw_status vw_group_norm_join(vw_context *ctx, const vw_group_shape &s, const float *pairs, double eps, float *mean,
                             float *rstd);
vw_status vw_group_norm_average(vw_context *ctx, const vw_group_shape &s, const float *pairs, float *averages);

/* Whether it takes rows of such x. The rest is then its own: bytes of scratch, and the calls. */
bool vw_group_norm_has_packs(const vw_tensor *x);
size_t vw_group_norm_packs_scratch(const vw_tensor *x, const vw_tensor *dy, int64_t G); /* dy NULL: forward */
vw_status vw_group_norm_packs(vw_context *ctx, const vw_call *c);
vw_status vw_group_norm_packs_grad(vw_context *ctx, const vw_call *c);

#endif
