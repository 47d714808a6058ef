/* grid_box: boxes of a grid of patches from a box head's numbers: each patch starts from its own place and size.
 *   in   x [B, N, 4], N = side^2, patches row by row
 *   out  y [B, N, 4] (VW_HEAD): centre x, y, width, height in 0..1
 *   y = sigmoid(x + bias), with the bias of column i (row j), both 1..side:
 *     of the centre   log(c + 1e-4) - log1p(-c + 1e-4),  c = i / side (j / side)
 *     of both sizes   the same of c = 1 / side
 * The two arguments are rounded to fp32 on all backends, as transformers rounds them: at c = 1 that moves the bias by
 * 3e-4. No gradient: boxes do not depend on words. Source: Minderer et al. 2022, arXiv 2205.06230, as transformers has
 * it. */
#ifndef VW_KERNELS_GRID_BOX_H
#define VW_KERNELS_GRID_BOX_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

vw_value vw_grid_box(vw_graph *g, vw_value x);
/* The side of a grid of n patches; 0: n is no square. */
static inline int64_t vw_grid_side(int64_t n) {
  int64_t side = 0;
  while (side * side < n) side++;
  return side * side == n ? side : 0;
}
extern const vw_op vw_grid_box_op;

#ifdef __cplusplus
}
#endif
#endif
