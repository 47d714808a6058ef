/* elu_plus: y = ELU(x) + 1, which is never negative: exp(x) below 0, x + 1 above. OWL-v2's factor of a patch's logits.
 *   in   x [S..]     out  y like x (VW_HEAD)
 * No gradient: it is made of frozen pictures. */
#ifndef VW_KERNELS_ELU_PLUS_H
#define VW_KERNELS_ELU_PLUS_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

vw_value vw_elu_plus(vw_graph *g, vw_value x);
extern const vw_op vw_elu_plus_op;

#ifdef __cplusplus
}
#endif
#endif
