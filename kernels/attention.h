/* attention: multi-head scaled dot products, optionally behind a cached prefix.
 *   in   qkv         [B, T, 3C]   q, k, v side by side; C = heads * D
 *        prefix      [M, P, 2C]   optional, VW_PARAM or VW_ACT: keys and values side by side; no gradient
 *        row_prefix  [B] i32      which prefix a row reads; present with `prefix`
 *        prefix_len  [M] i32      1..P valid positions; present with `prefix`
 *        length      [B] i32      optional: positions t >= length[b] are padding: their keys are never read, their
 *                                 outputs are 0
 *   out  y           [B, T, C]    (VW_ACT)
 *        lse         [B, heads, T] (VW_STAT): log-sum-exp of the scaled scores, kept for the gradient
 * Row (b, t) sees all valid prefix positions, and own positions 0..t (causal) or 0..length-1. scale = D^-1/2.
 *
 * attention_grad: out dqkv [B, T, 3C] from dy, qkv, y, lse; zero at padding. Probabilities are recomputed, never stored
 * (Dao et al. 2022, arXiv 2205.14135, eq. of the backward pass). The prefix gets no gradient: it precedes the word. */
#ifndef VW_KERNELS_ATTENTION_H
#define VW_KERNELS_ATTENTION_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ATTN_QKV, ATTN_PREFIX, ATTN_ROW_PREFIX, ATTN_PREFIX_LEN, ATTN_LENGTH };
enum { ATTN_Y, ATTN_LSE };
enum { ATTNG_DY, ATTNG_QKV, ATTNG_PREFIX, ATTNG_ROW_PREFIX, ATTNG_PREFIX_LEN, ATTNG_LENGTH, ATTNG_Y, ATTNG_LSE };
typedef struct vw_attention_attr {
  int64_t heads;
  bool causal;
  bool fixed; /* T is the network's own, not that of the longest text in a batch: kernels may choose by it */
} vw_attention_attr;
typedef struct vw_attention_rows {
  vw_value prefix, row_prefix, prefix_len, length; /* VW_NONE each where absent */
  bool fixed;                                      /* see vw_attention_attr */
} vw_attention_rows;

vw_value vw_attention(vw_graph *g, vw_value qkv, int64_t heads, bool causal, vw_attention_rows rows);
extern const vw_op vw_attention_op, vw_attention_grad_op;

#ifdef __cplusplus
}
#endif
#endif
