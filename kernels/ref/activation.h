/* The activations and their derivatives, by definition, in double. */
#ifndef VW_KERNELS_REF_ACTIVATION_H
#define VW_KERNELS_REF_ACTIVATION_H

#include "kernels/op.h"
#include <math.h>

static inline double vw_ref_act(vw_activation a, double z) {
  const double sqrt_half = 0.70710678118654752440;
  switch (a) {
  case VW_ACT_QUICK_GELU:
    return z / (1 + exp(-1.702 * z));
  case VW_ACT_GELU:
    return 0.5 * z * erfc(-z * sqrt_half);
  case VW_ACT_SILU:
    return z / (1 + exp(-z));
  default:
    return z;
  }
}

static inline double vw_ref_act_grad(vw_activation a, double z) {
  const double sqrt_half = 0.70710678118654752440, inv_sqrt_2pi = 0.39894228040143267794;
  switch (a) {
  case VW_ACT_QUICK_GELU: {
    const double s = 1 / (1 + exp(-1.702 * z));
    return s + 1.702 * z * s * (1 - s);
  }
  case VW_ACT_GELU:
    return 0.5 * erfc(-z * sqrt_half) + z * inv_sqrt_2pi * exp(-0.5 * z * z);
  case VW_ACT_SILU: {
    const double s = 1 / (1 + exp(-z));
    return s + z * s * (1 - s);
  }
  default:
    return 1;
  }
}

#endif
