/* one_vs_rest_loss: softmax cross-entropy over all classes where all logits but the word's are constants.
 *   in   z          [B, S]       the word's logit on picture s of the row
 *        picture    [B, S] i32
 *        row_table  [B] i32
 *        rest       [R, P]       log-sum-exp of the other classes' logits on picture p
 *        truth      [R, P]       logit of p's own class; unused for pictures of the word's concept
 *   attr positives: pictures s < positives show the word's concept, the others do not
 *        of: what the sum is divided by; 0: S; more than S: the S are a slice of the pictures of a step
 *   out  loss       [B] (VW_HEAD) = (1/of) sum_s (logaddexp(rest, z) - target), target = z for positives, truth
 *                   otherwise, read at [row_table[b], picture[b,s]]
 * This is the same real number as the full softmax over [other classes, word]. The text features of the other classes
 * are frozen, so their part is summed once a study and not once a step.
 * one_vs_rest_loss_grad: dz = dloss / of (sigmoid(z - rest) - [s < positives]). */
#ifndef VW_KERNELS_ONE_VS_REST_LOSS_H
#define VW_KERNELS_ONE_VS_REST_LOSS_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { OVR_Z, OVR_PICTURE, OVR_ROW_TABLE, OVR_REST, OVR_TRUTH };
enum { OVRG_DLOSS, OVRG_Z, OVRG_PICTURE, OVRG_ROW_TABLE, OVRG_REST };
typedef struct vw_one_vs_rest_attr {
  int64_t positives, of;
} vw_one_vs_rest_attr;
typedef struct vw_one_vs_rest_tables {
  vw_value row_table, rest, truth;
} vw_one_vs_rest_tables;
vw_value vw_one_vs_rest_loss(vw_graph *g, vw_value z, vw_value picture, vw_one_vs_rest_tables t,
                             vw_one_vs_rest_attr attr);
extern const vw_op vw_one_vs_rest_loss_op, vw_one_vs_rest_loss_grad_op;

#ifdef __cplusplus
}
#endif
#endif
