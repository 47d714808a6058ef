/* mse: the mean squared error of each trial.
 *   in   x [B, S..] (a prediction)   target [B, S..]: rows k R .. k R + R - 1 belong to trial k, R = B / K
 *   attr trials K; of: rows that a trial's mean is over; 0: R; more than R: the rows are a slice of those of a step
 *   out  loss [K] (VW_HEAD) = 1 / (of |S|) sum over its rows of |x - target|^2
 * mse_grad: dx = dloss[k] 2 / (of |S|) (x - target), like x. The target has no gradient: it is data. */
#ifndef VW_KERNELS_MSE_H
#define VW_KERNELS_MSE_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { MSE_X, MSE_TARGET };
enum { MSEG_DLOSS, MSEG_X, MSEG_TARGET }; /* out: dx */
typedef struct vw_mse_attr {
  int64_t trials, of;
} vw_mse_attr;

/* Elements of a trial's mean. */
static inline double vw_mse_count(const vw_tensor *x, const vw_mse_attr *a) {
  const int64_t B = x->dim[0], rows = a->of ? a->of : B / a->trials;
  return (double)rows * (double)(B ? vw_count(x) / B : 1);
}

vw_value vw_mse(vw_graph *g, vw_value x, vw_value target, vw_mse_attr attr);
extern const vw_op vw_mse_op, vw_mse_grad_op;

#ifdef __cplusplus
}
#endif
#endif
