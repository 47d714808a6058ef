/* focal_loss: sigmoid focal loss of words at all patches of pictures, a number a word.
 *   in   z        [K, S, N]    logits
 *        picture  [G, S] i32   G divides K, as in patch_logits
 *        matched  [P, N] i32   1 where the patch has a true box, else 0; or each word's own, [K, S, N]
 *        boxes    [P] i32      how many have
 *        batch    [G, A] i32   all pictures of the step, of which the S may be a slice
 *   attr alpha: weight of matched patches, 1 - alpha of the others
 *   out  loss     [K] (VW_HEAD) = sum over s, n of f(z[k,s,n]) / max(1, sum over a of boxes[batch[g,a]])
 *   f(z) = a p^2 softplus(y),  p = sigmoid(y);  y = -z and a = alpha where matched, else y = z and a = 1 - alpha
 * focal_loss_grad:
 *   dz = dloss / max(1, boxes) a p^2 (2 (1 - p) softplus(y) + p), its sign turned where matched
 * Source: Lin et al. 2017, arXiv 1708.02002, eq. 5 with gamma 2. */
#ifndef VW_KERNELS_FOCAL_LOSS_H
#define VW_KERNELS_FOCAL_LOSS_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FOCAL_Z, FOCAL_PICTURE, FOCAL_MATCHED, FOCAL_BOXES, FOCAL_BATCH };
enum { FOCALG_DLOSS, FOCALG_Z, FOCALG_PICTURE, FOCALG_MATCHED, FOCALG_BOXES, FOCALG_BATCH }; /* out: dz */
typedef struct vw_focal_loss_attr {
  double alpha;
} vw_focal_loss_attr;
typedef struct vw_focal_targets {
  vw_value picture, matched, boxes, batch;
} vw_focal_targets;
vw_value vw_focal_loss(vw_graph *g, vw_value z, vw_focal_targets t, double alpha);
extern const vw_op vw_focal_loss_op, vw_focal_loss_grad_op;

#ifdef __cplusplus
}
#endif
#endif
