/* activate: y = act(x), element by element, where no linear op has it fused.
 *   in   x [S..]
 *   attr act: VW_ACT_SILU, VW_ACT_GELU or VW_ACT_QUICK_GELU
 *   out  y like x (VW_ACT)
 * activate_grad: dx = dy act'(x), like x.
 *
 * geglu: the gated form, y = value * gelu(gate).
 *   in   x [S.., 2C]: C channels of value, then C of gate
 *   out  y [S.., C] (VW_ACT)
 * geglu_grad: out dx like x: dvalue = dy gelu(gate), dgate = dy value gelu'(gate).
 *
 * SiLU: x sigmoid(x). GELU is exact, x Phi(x), as in kernels/linear.h. Source of geglu: Shazeer 2020,
 * arXiv 2002.05202, eq. 6. */
#ifndef VW_KERNELS_ACTIVATE_H
#define VW_KERNELS_ACTIVATE_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ACTIVATE_GRAD_DY, ACTIVATE_GRAD_X }; /* of geglu_grad too */
typedef struct vw_activate_attr {
  vw_activation act;
} vw_activate_attr;

vw_value vw_activate(vw_graph *g, vw_value x, vw_activation act);
vw_value vw_geglu(vw_graph *g, vw_value x);
extern const vw_op vw_activate_op, vw_activate_grad_op, vw_geglu_op, vw_geglu_grad_op;

#ifdef __cplusplus
}
#endif
#endif
