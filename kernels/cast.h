/* cast: the same numbers in the storage type of another role or another scope (vw_graph_scope): the only op, with its
 * gradient, that may read a value of a scope which is not the current one.
 *   in   x [S..], a float role or type      out  y [S..] of the role attr.role in the current scope
 * y = x, rounded to nearest even where y's type is narrower. gradient: dx = dy, cast back to the role and scope of x.
 * Where both types are the same, y lies where x lies: no kernel runs and nothing is copied. */
#ifndef VW_KERNELS_CAST_H
#define VW_KERNELS_CAST_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vw_cast_attr {
  vw_dtype role;
} vw_cast_attr;

vw_value vw_cast(vw_graph *g, vw_value x, vw_dtype role);
extern const vw_op vw_cast_op;

#ifdef __cplusplus
}
#endif
#endif
