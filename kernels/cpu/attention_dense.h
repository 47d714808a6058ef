/* attention and its gradient without prefix and lengths, by the blocks of attention_head.h (attention.c decides). */
#ifndef VW_KERNELS_CPU_ATTENTION_DENSE_H
#define VW_KERNELS_CPU_ATTENTION_DENSE_H
#include "kernels/attention.h"

/* Neither prefix nor lengths, and rows enough for tiles; causal only where T is the network's own: elsewhere a text's
 * bits would depend on how long the others are. `in`: from qkv on, of forward or gradient. */
bool vw_attention_is_dense(const vw_tensor *in, const vw_attention_attr *a);
/* Bytes. */
size_t vw_attention_dense_scratch(const vw_context *ctx, const vw_tensor *in, const vw_attention_attr *a,
                                  bool gradient);
vw_status vw_attention_dense(vw_context *ctx, const vw_call *c);
vw_status vw_attention_dense_grad(vw_context *ctx, const vw_call *c);
#endif
