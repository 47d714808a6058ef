/* Softmax attention by a library (attention_library.cu), for self- and cross-attention of many positions. */
#ifndef VW_KERNELS_CUDA_ATTENTION_LIBRARY_CUH
#define VW_KERNELS_CUDA_ATTENTION_LIBRARY_CUH

#include "kernels/cuda/library_check.cuh"

/* B rows of `heads` heads of D channels, T queries, J keys, everything bf16 and every row and head on 16 bytes. A
 * position's queries and keys lie q_stride and kv_stride elements from the next one's, in y and dy heads * D. */
struct vw_attention_shape {
  int64_t B, heads, T, J, D, q_stride, kv_stride;
  bool forward;
  bool has_rival; /* an own kernel that should be as fast: the library only where algorithms are timed, or recorded */
};

/* lse [B, heads, T] fp32; dq, dk, dv lie as q, k, v; NULL where forward. */
struct vw_attention_data {
  const void *q, *k, *v, *dy;
  void *y, *lse, *dq, *dk, *dv;
};

struct vw_attention_call;

/* Bytes of scratch on VW_ALIGN where the library takes such a call, -1 where the caller's own kernels are to run. */
vw_status vw_attention_library_scratch(vw_context *ctx, const vw_attention_shape *s, int64_t *bytes);
/* After it said so: compares the library with the op's own kernel, once a plan. *agrees false: own kernels. */
vw_status vw_attention_library_try(vw_context *ctx, const vw_attention_shape *s, const vw_call *c,
                                   const vw_library_kernel *kernel, bool *agrees);

vw_status vw_attention_library_bind(vw_context *ctx, const vw_attention_shape *s, const vw_attention_data *data,
                                    void *scratch, vw_attention_call **out);
vw_status vw_attention_library_run(vw_context *ctx, const vw_attention_call *call);
void vw_attention_library_unbind(vw_attention_call *call); /* NULL allowed */

#endif
