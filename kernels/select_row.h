/* select_row: one position of each sequence (the pooled token).  y[b] = x[b, position[b]].
 *   in   x [B, T, C]   position [B] i32 (0..T-1)     out  y [B, C], role of x
 * select_row_grad: dx [B, T, C] = dy at the position, 0 elsewhere. */
#ifndef VW_KERNELS_SELECT_ROW_H
#define VW_KERNELS_SELECT_ROW_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SELECT_X, SELECT_POSITION };
enum { SELECT_GRAD_DY, SELECT_GRAD_POSITION };
typedef struct vw_select_row_grad_attr {
  int64_t T;
  vw_dtype role; /* of dx */
} vw_select_row_grad_attr;
vw_value vw_select_row(vw_graph *g, vw_value x, vw_value position);
extern const vw_op vw_select_row_op, vw_select_row_grad_op;

#ifdef __cplusplus
}
#endif
#endif
