/* draw_normal: standard normals, a stream a row: noise that a step needs nothing of the host for.
 *   in   key [B, 2] u32 (low, high word of the row's stream key)   step [1] i64
 *   attr dim: the shape S.. of a row; purpose (vw_purpose)
 *   out  y [B, S..] (VW_HEAD): element i of row b is number i % 4 of vw_normal4 of the Philox block i / 4 of the stream
 *        (key, step, purpose), as core/random.h lays them out
 * The same bits on every backend. Rows with equal keys get equal noise. No gradient. */
#ifndef VW_KERNELS_DRAW_NORMAL_H
#define VW_KERNELS_DRAW_NORMAL_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { NORMAL_KEY, NORMAL_STEP };
typedef struct vw_draw_normal_attr {
  int ndim; /* of a row */
  int64_t dim[VW_MAX_DIMS - 1];
  uint32_t purpose;
} vw_draw_normal_attr;

/* Only the dimensions of `row` count: vw_shape(VW_HEAD, h, w, 4). */
vw_value vw_draw_normal(vw_graph *g, vw_value key, vw_value step, vw_tensor row, uint32_t purpose);
extern const vw_op vw_draw_normal_op;

#ifdef __cplusplus
}
#endif
#endif
