/* softmax_xent: loss[n] = logsumexp(z[n,:]) - z[n, label[n]].
 *   in   z [N, C] (VW_HEAD)   label [N] i32      out  loss [N], lse [N] (VW_STAT)
 * softmax_xent_grad: dz[n,c] = dloss[n] (exp(z - lse) - [c == label]). */
#ifndef VW_KERNELS_SOFTMAX_XENT_H
#define VW_KERNELS_SOFTMAX_XENT_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { XENT_Z, XENT_LABEL };
enum { XENT_LOSS, XENT_LSE };
enum { XENTG_DLOSS, XENTG_Z, XENTG_LABEL, XENTG_LSE };
vw_value vw_softmax_xent(vw_graph *g, vw_value z, vw_value label);
extern const vw_op vw_softmax_xent_op, vw_softmax_xent_grad_op;

#ifdef __cplusplus
}
#endif
#endif
