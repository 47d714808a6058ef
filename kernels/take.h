/* take: rows of a table by index.
 *   in   table [N, S..] of any role or type of 2, 4 or 8 bytes   index [B] i32, each in 0..N-1
 *   out  y [B, S..], same role or type:  y[b..] = table[index[b]..]
 * take_grad: dtable[n..] = sum over rows b with index[b] == n, in row order, of dy[b..]; 0 where there is none.
 *   in   dy [B, S..]   index [B] i32   attr rows N, role   out  dtable [N, S..]
 * The sum has one order and no atomics: the same bits in every run. It is made in fp32 (ref, and f64 on the CPU:
 * double) and rounded once. Tables of integers have no gradient. Indices are data: kernels trust them. */
#ifndef VW_KERNELS_TAKE_H
#define VW_KERNELS_TAKE_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TAKE_TABLE, TAKE_INDEX };
enum { TAKE_GRAD_DY, TAKE_GRAD_INDEX }; /* out: dtable [N, S..] */
typedef struct vw_take_grad_attr {
  int64_t rows;  /* N */
  vw_dtype role; /* of dtable */
} vw_take_grad_attr;

vw_value vw_take(vw_graph *g, vw_value table, vw_value index);
extern const vw_op vw_take_op, vw_take_grad_op;

#ifdef __cplusplus
}
#endif
#endif
