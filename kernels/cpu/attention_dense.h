/* attention and its gradient without masks, by the blocks of attention_head.h (attention.c decides). */
#ifndef VW_KERNELS_CPU_ATTENTION_DENSE_H
#define VW_KERNELS_CPU_ATTENTION_DENSE_H
#include "kernels/op.h"

/* Neither causal nor prefix nor lengths, and rows enough for tiles. `in`: from qkv on, of forward or gradient. */
bool vw_attention_is_dense(const vw_tensor *in, bool causal);
/* Bytes. */
size_t vw_attention_dense_scratch(const vw_context *ctx, const vw_tensor *in, int64_t heads, bool gradient);
vw_status vw_attention_dense(vw_context *ctx, const vw_call *c);
vw_status vw_attention_dense_grad(vw_context *ctx, const vw_call *c);
#endif
