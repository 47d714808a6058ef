/* l2norm: y = x / |x|, over the last axis (no epsilon, as CLIP divides; a zero row gives zeros).
 *   in   x      [N.., C]
 *   out  y      like x (VW_HEAD)
 *        rnorm  [N..] (VW_STAT) = 1 / |x| (0 for a zero row)
 * l2norm_grad: dx = (dy - y (dy . y)) rnorm. */
#ifndef VW_KERNELS_L2NORM_H
#define VW_KERNELS_L2NORM_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { L2_X };
enum { L2_Y, L2_RNORM };
enum { L2G_DY, L2G_Y, L2G_RNORM }; /* out: dx (VW_HEAD) */
vw_value vw_l2norm(vw_graph *g, vw_value x);
extern const vw_op vw_l2norm_op, vw_l2norm_grad_op;

#ifdef __cplusplus
}
#endif
#endif
