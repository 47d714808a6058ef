/* picture_logits: z[b,s] = scale * (q[b] . features[picture[b,s]]).
 *   in   q         [B, C] (unit length, VW_HEAD)
 *        features  [P, C] (unit length, VW_HEAD)
 *        picture   [B, S] i32
 *   out  z         [B, S] (VW_HEAD)
 * picture_logits_grad: dq[b] = scale * sum_s dz[b,s] features[picture[b,s]], s in order. Features are frozen. */
#ifndef VW_KERNELS_PICTURE_LOGITS_H
#define VW_KERNELS_PICTURE_LOGITS_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PLOGITS_Q, PLOGITS_FEATURES, PLOGITS_PICTURE };
enum { PLOGITSG_DZ, PLOGITSG_FEATURES, PLOGITSG_PICTURE }; /* out: dq */
typedef struct vw_picture_logits_attr {
  double scale;
} vw_picture_logits_attr;
vw_value vw_picture_logits(vw_graph *g, vw_value q, vw_value features, vw_value picture, double scale);
extern const vw_op vw_picture_logits_op, vw_picture_logits_grad_op;

#ifdef __cplusplus
}
#endif
#endif
