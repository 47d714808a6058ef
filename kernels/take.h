/* take: rows of a table by index. out[b..] = table[index[b]..]. Any 4- or 8-byte element type (role or integer).
 *   in   table [N, S..]   index [B] i32      out  [B, S..], same type as table. No gradient: tables are frozen. */
#ifndef VW_KERNELS_TAKE_H
#define VW_KERNELS_TAKE_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TAKE_TABLE, TAKE_INDEX };
vw_value vw_take(vw_graph *g, vw_value table, vw_value index);
extern const vw_op vw_take_op;

#ifdef __cplusplus
}
#endif
#endif
