/* patch_embed: the entry of a vision transformer.
 *   in   pixels           [B, H, W, 3] (VW_ACT, normalised, channels last)
 *        weight           [D, 3, P, P] (hub order)
 *        class_embedding  [D]
 *        position         [1 + (H/P)(W/P), D]
 *   out  x                [B, 1 + n, D] (VW_RESIDUAL): row 0 the class token, then patches row by row, position added
 * H and W divisible by P. No gradient: pictures and weights are frozen. Source: Dosovitskiy et al. 2020, eq. 1. */
#ifndef VW_KERNELS_PATCH_EMBED_H
#define VW_KERNELS_PATCH_EMBED_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PATCH_PIXELS, PATCH_WEIGHT, PATCH_CLASS, PATCH_POSITION };
vw_value vw_patch_embed(vw_graph *g, vw_value pixels, vw_value weight, vw_value class_embedding, vw_value position);
extern const vw_op vw_patch_embed_op;

#ifdef __cplusplus
}
#endif
#endif
