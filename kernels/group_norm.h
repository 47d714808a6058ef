/* group_norm: channels-last group normalisation, with SiLU behind it where asked.
 *   in   x [B, S.., C]   gamma, beta [C] (frozen)      attr groups G (divides C), eps, silu
 *   out  y like x (VW_ACT)   mean, rstd [B, G] (VW_STAT), kept for the gradient
 *   h = gamma (x - mean) rstd + beta;  y = h, or h sigmoid(h) with silu
 * mean and rstd are those of a picture's group: all positions S.. of C / G neighbouring channels; the variance is
 * divided by their count.
 * group_norm_grad: out dx like x. h is computed again, not kept:
 *   g = gamma dy silu'(h);  dx = rstd (g - avg(g) - xh avg(g xh)),  xh = (x - mean) rstd, avg over the group
 * Source: Wu & He 2018, arXiv 1803.08494, eq. 1 and 7. */
#ifndef VW_KERNELS_GROUP_NORM_H
#define VW_KERNELS_GROUP_NORM_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { GN_X, GN_GAMMA, GN_BETA };
enum { GN_Y, GN_MEAN, GN_RSTD };
enum { GNG_DY, GNG_X, GNG_GAMMA, GNG_BETA, GNG_MEAN, GNG_RSTD }; /* out: dx */
typedef struct vw_group_norm_attr {
  int64_t groups;
  double eps;
  bool silu;
} vw_group_norm_attr;
typedef struct vw_group_norm_weights {
  vw_value gamma, beta;
} vw_group_norm_weights;

vw_value vw_group_norm(vw_graph *g, vw_value x, vw_group_norm_weights w, int64_t groups, double eps, bool silu);
extern const vw_op vw_group_norm_op, vw_group_norm_grad_op;

#ifdef __cplusplus
}
#endif
#endif
