/* Attention of heads that are too wide for tiles in shared memory (attention_wide.cu). */
#ifndef VW_KERNELS_CUDA_ATTENTION_WIDE_CUH
#define VW_KERNELS_CUDA_ATTENTION_WIDE_CUH

#include "kernels/cuda/attention.cuh"

struct vw_attention_wide;

/* Whether forward calls of such shapes go by products: heads of more than 128 channels, a multiple of 8, all of whose
 * queries see all own keys and nothing else. */
bool vw_attention_is_wide(const vw_tensor *in, const void *attr);
size_t vw_attention_wide_scratch(const vw_attention_geometry &g, vw_dtype stored); /* bytes */

/* Chooses the products' algorithms, which may overwrite y and the scratch. *out is NULL where the data lie so that they
 * cannot be multiplied in place: another family takes the call. Errors: VW_ERR_MEMORY, VW_ERR_UNSUPPORTED. */
vw_status vw_attention_wide_bind(vw_context *ctx, const vw_call *c, vw_attention_wide **out);
vw_status vw_attention_wide_run(vw_context *ctx, const vw_call *c, const vw_attention_wide *w);
void vw_attention_wide_unbind(vw_context *ctx, vw_attention_wide *w); /* NULL allowed */

#endif
