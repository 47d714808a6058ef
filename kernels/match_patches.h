/* match_patches: which patches answer for the boxes of pictures, as words see them now (`learn.matching: dynamic`).
 *   in   z        [K, S, N]    logits
 *        picture  [G, S] i32   G divides K, as in patch_logits
 *        first    [P + 1] i32  boxes first[p] .. first[p + 1] - 1 are picture p's, at most N; ascending, to B
 *        place    [B, N]       (VW_HEAD) what it costs that a patch answers for a box, whatever the word
 *   attr alpha: of the focal loss
 *   out  matched  [K, S, N] i32  1 where a patch answers for a box of picture[g, s], else 0
 * Of every word and picture the boxes get a patch each, so that the sum of place[b, n] + c(z[k, s, n]) is least, where c
 * is what the focal loss of a patch grows by when it has a box:
 *   c(z) = alpha (1 - p)^2 softplus(-z) - (1 - alpha) p^2 softplus(z),  p = sigmoid(z)
 * (Lin et al. 2017, arXiv 1708.02002; Zhu et al. 2020, arXiv 2010.04159). No gradient flows: an assignment is constant
 * almost everywhere. Of patches that are as cheap the first is taken, so bits do not depend on who solves it. A patch
 * whose cost is not a number is never taken while there are others. */
#ifndef VW_KERNELS_MATCH_PATCHES_H
#define VW_KERNELS_MATCH_PATCHES_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MATCH_Z, MATCH_PICTURE, MATCH_FIRST, MATCH_PLACE };
typedef struct vw_match_patches_attr {
  double alpha;
} vw_match_patches_attr;
typedef struct vw_match_boxes {
  vw_value picture, first, place;
} vw_match_boxes;
vw_value vw_match_patches(vw_graph *g, vw_value z, vw_match_boxes b, double alpha);
extern const vw_op vw_match_patches_op;

#ifdef __cplusplus
}
#endif
#endif
