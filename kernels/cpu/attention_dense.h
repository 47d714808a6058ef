/* Forward attention without mask, prefix or padding, for long rows: an image tower's. */
#ifndef VW_KERNELS_CPU_ATTENTION_DENSE_H
#define VW_KERNELS_CPU_ATTENTION_DENSE_H

#include "kernels/op.h"

/* Is the call of this kind? Short rows are faster without matrix products. */
bool vw_attention_is_dense(const vw_tensor *in, bool causal);

/* Scratch bytes that vw_attention_dense wants. */
size_t vw_attention_dense_scratch(const vw_context *ctx, const vw_tensor *in, int64_t heads);

/* As attention's run; c->scratch holds vw_attention_dense_scratch bytes. */
vw_status vw_attention_dense(vw_context *ctx, const vw_call *c);

#endif
