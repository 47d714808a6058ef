/* view: the same numbers under another shape: [B, H, W, C] as [B, HW, C]. No kernel, no copy: y lies where x lies, and
 * both live as long as either is read.
 *   in   x, any shape, any type      out  y [attr dim..], as many elements, same type
 * gradient: dx = dy under the shape of x. */
#ifndef VW_KERNELS_VIEW_H
#define VW_KERNELS_VIEW_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vw_view_attr {
  int ndim;
  int64_t dim[VW_MAX_DIMS];
} vw_view_attr;

/* Only the dimensions of `shape` count. Use: vw_view(g, x, vw_shape(VW_ACT, B, H * W, C)). */
vw_value vw_view(vw_graph *g, vw_value x, vw_tensor shape);
extern const vw_op vw_view_op;

#ifdef __cplusplus
}
#endif
#endif
