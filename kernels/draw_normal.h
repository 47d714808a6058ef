/* draw_normal: standard normals, a stream a row: noise that a step needs nothing of the host for.
 *   in   key [B, 2] u32 (low, high word of the row's stream key)   step [1] i64
 *   attr dim: the shape S.. of a row; purpose (vw_purpose); first: numbers of the stream before the row's;
 *        planes, channels: a row is latents [.., H, W, C], numbered C, H, W in each (planes H W); else 0
 *   out  y [B, S..] (VW_HEAD): the i-th number of a row is number (first + i) % 4 of vw_normal4 of the Philox block
 *        (first + i) / 4 of the stream (key, step, purpose), as core/random.h lays them out
 * The same bits on every backend. Rows with equal keys get equal noise. No gradient. */
#ifndef VW_KERNELS_DRAW_NORMAL_H
#define VW_KERNELS_DRAW_NORMAL_H
#include "core/random.h"
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { NORMAL_KEY, NORMAL_STEP };
typedef struct vw_draw_normal_attr {
  int ndim; /* of a row */
  int64_t dim[VW_MAX_DIMS - 1];
  uint32_t purpose;
  int64_t first, planes, channels;
} vw_draw_normal_attr;

/* Where the i-th number of a row lies in it. */
VW_HD int64_t vw_normal_place(int64_t i, int64_t planes, int64_t channels) {
  const int64_t all = planes * channels, in_latents = all ? i % all : 0;
  return all ? i - in_latents + in_latents % planes * channels + in_latents / planes : i;
}

/* Only the dimensions of `row` count: vw_shape(VW_HEAD, h, w, 4). */
vw_value vw_draw_normal(vw_graph *g, vw_value key, vw_value step, vw_tensor row, uint32_t purpose);

/* Latents of the shape of `row` [S, H, W, C], each numbered C, H, W, whatever the layout in memory; those of the samples
 * `first` .. first + S - 1 of a stream. */
vw_value vw_draw_latents(vw_graph *g, vw_value key, vw_value step, vw_tensor row, int64_t first, uint32_t purpose);
extern const vw_op vw_draw_normal_op;

#ifdef __cplusplus
}
#endif
#endif
