/* upsample_nearest: a picture enlarged to a given size, channels-last.
 *   in   x [B, H, W, C]      attr H, W: of the result, at least those of x      out  y [B, Ho, Wo, C], role of x
 *   y[b, i, j] = x[b, i H / Ho, j W / Wo], divisions rounded down
 * upsample_nearest_grad: dx[b, h, w] = sum of dy over all i, j that read it, in row order.
 *   in   dy [B, Ho, Wo, C]   attr H, W: of x, role      out  dx [B, H, W, C] */
#ifndef VW_KERNELS_UPSAMPLE_NEAREST_H
#define VW_KERNELS_UPSAMPLE_NEAREST_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vw_upsample_attr {
  int64_t H, W;  /* of the output */
  vw_dtype role; /* of the gradient; the op's own result has the role of x */
} vw_upsample_attr;

vw_value vw_upsample_nearest(vw_graph *g, vw_value x, int64_t H, int64_t W);
extern const vw_op vw_upsample_nearest_op, vw_upsample_nearest_grad_op;

#ifdef __cplusplus
}
#endif
#endif
