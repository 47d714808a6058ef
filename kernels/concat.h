/* concat: channels side by side: y[n] = [a[n], b[n]].
 *   in   a [S.., C1]   b [S.., C2]      out  y [S.., C1 + C2] (VW_ACT)
 * channels: a part of them, and concat's gradient: y[n] = x[n, first .. first + count - 1].
 *   in   x [S.., C]    attr first, count, role      out  y [S.., count]. Its gradient is refused: nothing needs it. */
#ifndef VW_KERNELS_CONCAT_H
#define VW_KERNELS_CONCAT_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CONCAT_A, CONCAT_B };
typedef struct vw_channels_attr {
  int64_t first, count;
  vw_dtype role; /* of y */
} vw_channels_attr;

vw_value vw_concat(vw_graph *g, vw_value a, vw_value b);
vw_value vw_channels(vw_graph *g, vw_value x, int64_t first, int64_t count, vw_dtype role);
extern const vw_op vw_concat_op, vw_channels_op;

#ifdef __cplusplus
}
#endif
#endif
