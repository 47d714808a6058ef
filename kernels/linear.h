/* linear: z = x W^T + b;  y = act(z) + residual.
 *   in   x         [N.., K]
 *        weight    [M, K]
 *        bias      [M] (optional)
 *        residual  [N.., M] (optional)
 *   out  y         [N.., M]
 *        z         [N.., M]: the pre-activation, kept for the gradient; empty ([0]) when act is none
 * linear_grad: dz = dy * act'(z);  dx = dz W. The residual's gradient is dy itself; weights are frozen: no gradient.
 * W is stored (out, in) as the hub has it. SiLU: z sigmoid(z); QuickGELU: z sigmoid(1.702 z); GELU: z Phi(z) (Hendrycks
 * & Gimpel 2016, exact). */
#ifndef VW_KERNELS_LINEAR_H
#define VW_KERNELS_LINEAR_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LINEAR_X, LINEAR_WEIGHT, LINEAR_BIAS, LINEAR_RESIDUAL };
enum { LINEAR_Y, LINEAR_Z };
enum { LINEAR_GRAD_DY, LINEAR_GRAD_WEIGHT, LINEAR_GRAD_Z }; /* z absent when act is none; out: dx */
typedef struct vw_linear_attr {
  vw_activation act;
  vw_dtype role; /* of y: VW_ACT, VW_RESIDUAL or VW_HEAD; dx has the role of x */
  bool exact;    /* the layer is a head: its products, the gradient's too, never round fp32 factors to TF32 */
} vw_linear_attr;
typedef struct vw_linear_weights {
  vw_value weight, bias; /* bias VW_NONE: none */
} vw_linear_weights;

/* y takes the role `role`. residual: VW_NONE or a value like y. */
vw_value vw_linear(vw_graph *g, vw_value x, vw_linear_weights w, vw_activation act, vw_value residual, vw_dtype role);
extern const vw_op vw_linear_op, vw_linear_grad_op;

#ifdef __cplusplus
}
#endif
#endif
