/* conv2d: a convolution of pictures, channels-last, with frozen weights as the hub has them.
 *   in   x [B, H, W, C]   weight [O, C, K, K], K = 1 or 3   bias [O] (optional)
 *        shift [B, O] (optional): added to every position of a picture, as a time embedding; no gradient
 *        residual [B, Ho, Wo, O] (optional)
 *   attr stride 1 or 2; padding top, bottom, left, right (zeros; they may differ); role of y
 *   out  y [B, Ho, Wo, O],  Ho = (H + top + bottom - K) / stride + 1, divisions rounded down
 *   y[b,i,j,o] = sum_{u,v,c} x[b, stride i + u - top, stride j + v - left, c] weight[o,c,u,v] + bias[o] + shift[b,o]
 *                + residual[b,i,j,o]
 * conv2d_grad: out dx [B, H, W, C] with attr.role, attr.H, attr.W:
 *   dx[b,h,w,c] = sum_{u,v,o} dy[b, (h + top - u) / stride, (w + left - v) / stride, o] weight[o,c,u,v]
 * over the u, v where the divisions leave no rest. The residual's gradient is dy itself; weights and bias have none.
 * An element's sum does not depend on how many pictures there are; a library on cuda may have another engine for each
 * number. */
#ifndef VW_KERNELS_CONV2D_H
#define VW_KERNELS_CONV2D_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CONV_X, CONV_WEIGHT, CONV_BIAS, CONV_SHIFT, CONV_RESIDUAL };
enum { CONV_GRAD_DY, CONV_GRAD_WEIGHT }; /* out: dx */
typedef struct vw_padding {
  int64_t top, bottom, left, right;
} vw_padding;
typedef struct vw_conv2d_attr {
  int64_t stride;
  vw_padding padding;
  vw_dtype role; /* of the result */
  int64_t H, W;  /* of dx; conv2d itself ignores them */
} vw_conv2d_attr;
typedef struct vw_conv2d_inputs {
  vw_value weight, bias, shift, residual; /* VW_NONE where absent, except the weight */
} vw_conv2d_inputs;

vw_value vw_conv2d(vw_graph *g, vw_value x, vw_conv2d_inputs in, int64_t stride, vw_padding padding, vw_dtype role);
extern const vw_op vw_conv2d_op, vw_conv2d_grad_op;

#ifdef __cplusplus
}
#endif
#endif
