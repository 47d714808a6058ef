/* add: y = a + b, same shape, role of a. Gradient: dy to both. */
#ifndef VW_KERNELS_ADD_H
#define VW_KERNELS_ADD_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif
vw_value vw_add(vw_graph *g, vw_value a, vw_value b);
extern const vw_op vw_add_op;

#ifdef __cplusplus
}
#endif
#endif
