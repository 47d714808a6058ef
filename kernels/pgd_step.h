/* pgd_step: normalised projected gradient step of all words at once (docs/protocol.md, Optimiser).
 *   in   words   [K, C] (state, updated in place)
 *        grad    [K, C]
 *        anchor  [K, C]
 *        radius  [K] (inf: free)
 *        step    [1] i64
 *   attr eta0, steps:  eta_t = eta0 / 2 (1 + cos(pi t / steps)), t = step[0]; 0 from t = steps on
 *   out  words'  [K, C] (takes words' storage):  v <- P(v - eta_t R g / |g|);  R = radius, or |anchor| when free.
 * P: v <- anchor + (v - anchor) min(1, radius / |v - anchor|). No move when |g| is 0 or not finite. Norms are sums of
 * doubles in fixed order (squares of fp32 gradients under- and overflow fp32).
 *
 * adamw_step: decoupled weight decay (Loshchilov & Hutter 2019, alg. 2), then the same projection.
 *   in   words, grad, anchor, radius, m [K, C] (state), v [K, C] (state), step
 *   attr lr, beta1, beta2, eps, weight_decay
 *   out  words', m', v' (in place)
 * Weight decay is applied to rows with infinite radius only. Bias correction with t = step + 1. Rows whose gradient is
 * not finite do not move (nor do their m, v). */
#ifndef VW_KERNELS_PGD_STEP_H
#define VW_KERNELS_PGD_STEP_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PGD_WORDS, PGD_GRAD, PGD_ANCHOR, PGD_RADIUS, PGD_STEP };
typedef struct vw_pgd_attr {
  double eta0;
  int64_t steps;
} vw_pgd_attr;
vw_value vw_pgd_step(vw_graph *g, vw_value words, vw_value grad, vw_value anchor, vw_value radius, vw_value step,
                     vw_pgd_attr attr);

enum { ADAMW_WORDS, ADAMW_GRAD, ADAMW_ANCHOR, ADAMW_RADIUS, ADAMW_M, ADAMW_V, ADAMW_STEP };
typedef struct vw_adamw_attr {
  double lr, beta1, beta2, eps, weight_decay;
} vw_adamw_attr;
typedef struct vw_adamw_moments {
  vw_value m, v;
} vw_adamw_moments;
vw_value vw_adamw_step(vw_graph *g, vw_value words, vw_value grad, vw_value anchor, vw_value radius,
                       vw_adamw_moments mv, vw_value step, vw_adamw_attr attr);
extern const vw_op vw_pgd_step_op, vw_adamw_step_op;

#ifdef __cplusplus
}
#endif
#endif
