/* What the families of cross-attention kernels share (contract: kernels/cross_attention.h):
 *
 *   cross_attention.cu       any shape on CUDA cores, or a library
 *   cross_attention_keys.cu  bf16 on tensor cores: up to 96 keys, which texts have */
#ifndef VW_KERNELS_CUDA_CROSS_ATTENTION_CUH
#define VW_KERNELS_CUDA_CROSS_ATTENTION_CUH

#include "kernels/cross_attention.h"

#include "kernels/cuda/device.cuh"

struct vw_cross_geometry {
  int64_t B, T, C, J, K;
  int D, heads;
  float scale;
  bool packs; /* every row of every head lies on 16 bytes and has a multiple of 8 channels */
};

/* packs is false. */
static inline vw_cross_geometry vw_cross_geometry_of(const vw_tensor *q, const vw_tensor *kv, const void *attr) {
  const int64_t heads = static_cast<const vw_cross_attention_attr *>(attr)->heads, C = vw_last_dim(q), D = C / heads;
  return {q->dim[0],
          q->dim[0] ? vw_rows(q) / q->dim[0] : 0,
          C,
          kv->dim[1],
          kv->dim[0],
          static_cast<int>(D),
          static_cast<int>(heads),
          1.0f / sqrtf(static_cast<float>(D)),
          false};
}

/* Whether cross_attention_keys.cu takes a call; y is dy in the gradient. */
bool vw_cross_attention_is_keys(const vw_cross_geometry &s, const vw_tensor *q, const vw_tensor *kv,
                                const vw_tensor *y);
vw_status vw_cross_attention_keys(vw_context *ctx, const vw_call *c);
/* Bytes of scratch of its gradient. */
size_t vw_cross_attention_keys_scratch(const vw_cross_geometry &s, const void *attr);
vw_status vw_cross_attention_keys_grad(vw_context *ctx, const vw_call *c);

#endif
