/* join: index lists side by side.  out[b] = [a[b, :], c[b, :]].
 *   in   a [B, S1] i32   c [B, S2] i32      out [B, S1 + S2] i32. Indices: no gradient. */
#ifndef VW_KERNELS_JOIN_H
#define VW_KERNELS_JOIN_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { JOIN_A, JOIN_C };
vw_value vw_join(vw_graph *g, vw_value a, vw_value c);
extern const vw_op vw_join_op;

#ifdef __cplusplus
}
#endif
#endif
