/* cross_attention: multi-head scaled dot products of a picture's positions with given keys and values, which rows may
 * share: the states of a text, once a word and step, not once a picture.
 *   in   q       [B, S.., C]   T = positions S.. together; C = heads * D
 *        kv      [K, J, 2C]    keys and values of J states side by side
 *        row_kv  [B] i32       which of the K a row reads
 *   attr heads
 *   out  y       like q (VW_ACT)
 *        lse     [B, heads, T] (VW_STAT): log-sum-exp of the scaled scores, kept for the gradient
 *   y = softmax(q k' / sqrt(D)) v, every head alone; every position sees all J states
 * cross_attention_grad: from dy, q, kv, row_kv, y and lse
 *   attr dq, dkv: which of the two is wanted; the other is empty ([0])
 *   out  dq      like q
 *        dkv     [K, J, 2C] = the sum over rows b with row_kv[b] == k, in row order, without atomics; 0 where there is
 *                none
 * Indices are data: kernels trust them. */
#ifndef VW_KERNELS_CROSS_ATTENTION_H
#define VW_KERNELS_CROSS_ATTENTION_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { XATTN_Q, XATTN_KV, XATTN_ROW_KV };
enum { XATTN_Y, XATTN_LSE };
enum { XATTNG_DY, XATTNG_Q, XATTNG_KV, XATTNG_ROW_KV, XATTNG_Y, XATTNG_LSE };
enum { XATTNG_DQ, XATTNG_DKV };
typedef struct vw_cross_attention_attr {
  int64_t heads;
  bool dq, dkv; /* of the gradient; the op itself ignores them */
} vw_cross_attention_attr;

vw_value vw_cross_attention(vw_graph *g, vw_value q, vw_value kv, vw_value row_kv, int64_t heads);
extern const vw_op vw_cross_attention_op, vw_cross_attention_grad_op;

#ifdef __cplusplus
}
#endif
#endif
