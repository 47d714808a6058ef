/* patch_logits: how much words are seen at each patch of pictures (OWL-v2's class head).
 *   in   q             [K, C] (unit length, VW_HEAD)
 *        features      [P, N, C] (unit length, VW_ACT or a storage type)
 *        shift, scale  [P, N] (VW_HEAD)
 *        picture       [G, S] i32, G divides K: words k K/G .. (k + 1) K/G - 1 look at row k
 *   attr factor: of cosines
 *   out  z             [K, S, N] (VW_HEAD)
 *   z[k,s,n] = (factor q[k] . features[p,n] + shift[p,n]) scale[p,n],  p = picture[g,s]
 * patch_logits_grad: dq[k] = factor sum over s, n of dz[k,s,n] scale[p,n] features[p,n]. All else is frozen.
 * Words of one row of pictures are one product. Source: Minderer et al. 2022, arXiv 2205.06230. */
#ifndef VW_KERNELS_PATCH_LOGITS_H
#define VW_KERNELS_PATCH_LOGITS_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PATCHL_Q, PATCHL_FEATURES, PATCHL_SHIFT, PATCHL_SCALE, PATCHL_PICTURE };
enum { PATCHLG_DZ, PATCHLG_FEATURES, PATCHLG_SCALE, PATCHLG_PICTURE }; /* out: dq */
typedef struct vw_patch_logits_attr {
  double factor;
} vw_patch_logits_attr;
typedef struct vw_patch_features {
  vw_value features, shift, scale;
} vw_patch_features;
vw_value vw_patch_logits(vw_graph *g, vw_value q, vw_patch_features f, vw_value picture, double factor);
extern const vw_op vw_patch_logits_op, vw_patch_logits_grad_op;

#ifdef __cplusplus
}
#endif
#endif
