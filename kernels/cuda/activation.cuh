/* The activations and their derivatives, in fp32. */
#ifndef VW_KERNELS_CUDA_ACTIVATION_CUH
#define VW_KERNELS_CUDA_ACTIVATION_CUH

#include "kernels/cuda/device.cuh"

__device__ inline float vw_act(vw_activation a, float z) {
  if (a == VW_ACT_QUICK_GELU) return z / (1.0f + expf(-1.702f * z));
  if (a == VW_ACT_GELU) return 0.5f * z * erfcf(-z * 0.70710678f);
  if (a == VW_ACT_SILU) return z / (1.0f + expf(-z));
  return z;
}

__device__ inline float vw_act_grad(vw_activation a, float z) {
  if (a == VW_ACT_QUICK_GELU) {
    const float s = 1.0f / (1.0f + expf(-1.702f * z));
    return s + 1.702f * z * s * (1.0f - s);
  }
  if (a == VW_ACT_GELU) return 0.5f * erfcf(-z * 0.70710678f) + z * 0.39894228f * expf(-0.5f * z * z);
  if (a == VW_ACT_SILU) {
    const float s = 1.0f / (1.0f + expf(-z));
    return s + z * s * (1.0f - s);
  }
  return 1.0f;
}

#endif
