/* draw: random members of per-row pools; what makes a training step need nothing of the host.
 *   in   key            [B, 2] u32 (low, high word of the row's stream key)
 *        step           [1] i64
 *        pool           [L] i32
 *        offset, count  [B] i32: row b draws from pool[offset[b] .. offset[b] + count[b])
 *   out  index          [B, S] i32 ([B] when attr.squeeze and S is 1)
 *   index[b,s] = pool[offset + vw_below(vw_draw_u32(key, step, purpose, first + s), count)]
 * With replacement. Rows with equal keys and pools get equal draws (shared streams). Columns first .. first + S of a
 * wider draw are what a draw of these columns alone gives. core/random.h. */
#ifndef VW_KERNELS_DRAW_H
#define VW_KERNELS_DRAW_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { DRAW_KEY, DRAW_STEP, DRAW_POOL, DRAW_OFFSET, DRAW_COUNT };
typedef struct vw_draw_attr {
  int64_t S, first;
  uint32_t purpose; /* vw_purpose */
  bool squeeze;
} vw_draw_attr;
typedef struct vw_draw_pools {
  vw_value pool, offset, count;
} vw_draw_pools;
vw_value vw_draw(vw_graph *g, vw_value key, vw_value step, vw_draw_pools pools, vw_draw_attr attr);
extern const vw_op vw_draw_op;

#ifdef __cplusplus
}
#endif
#endif
