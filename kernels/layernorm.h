/* layernorm: y = gamma * (x - mean) * rstd + beta, statistics over the last axis.
 *   in   x           [N.., C]
 *        gamma, beta [C]
 *   out  y           like x (VW_ACT, or VW_RESIDUAL where a residual stream starts)
 *        mean, rstd  [N..] (VW_STAT), kept for the gradient
 * gamma and beta are frozen: only dx is ever wanted. Source: Ba et al. 2016, arXiv 1607.06450, eq. 4. */
#ifndef VW_KERNELS_LAYERNORM_H
#define VW_KERNELS_LAYERNORM_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LN_X, LN_GAMMA, LN_BETA };
enum { LN_Y, LN_MEAN, LN_RSTD };
enum { LNG_DY, LNG_X, LNG_GAMMA, LNG_MEAN, LNG_RSTD }; /* out: dx, like x */
typedef struct vw_layernorm_attr {
  double eps;
  bool residual; /* y starts a residual stream: its role */
} vw_layernorm_attr;
typedef struct vw_norm_weights {
  vw_value gamma, beta;
} vw_norm_weights;

vw_value vw_layernorm(vw_graph *g, vw_value x, vw_norm_weights w, double eps);
/* y is the start of a residual stream (CLIP's pictures). */
vw_value vw_layernorm_residual(vw_graph *g, vw_value x, vw_norm_weights w, double eps);
extern const vw_op vw_layernorm_op, vw_layernorm_grad_op;

#ifdef __cplusplus
}
#endif
#endif
