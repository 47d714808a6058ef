/* unit_rows: y = x / (|x| + eps), over the last axis: how OWL-v2 divides its class embeddings (CLIP: l2norm).
 *   in   x [N.., C]     attr eps     out  y like x (VW_ACT)
 * No gradient: it is made of frozen pictures. */
#ifndef VW_KERNELS_UNIT_ROWS_H
#define VW_KERNELS_UNIT_ROWS_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vw_unit_rows_attr {
  double eps;
} vw_unit_rows_attr;
vw_value vw_unit_rows(vw_graph *g, vw_value x, double eps);
extern const vw_op vw_unit_rows_op;

#ifdef __cplusplus
}
#endif
#endif
