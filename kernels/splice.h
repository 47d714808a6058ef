/* splice: puts a learned word into a template's token embeddings.
 *   in   words         [K, C] (VW_HEAD)
 *        tail          [M, T, C] (VW_PARAM): token + position embeddings of each template's positions; at the word's
 *                      place the position embedding alone
 *        row_word      [B] i32
 *        row_template  [B] i32
 *        word_pos      [M] i32, in 0..T-1
 *   out  x             [B, T, C] (VW_RESIDUAL)
 *   x[b,t] = tail[m,t] + (t == word_pos[m] ? words[row_word[b]] : 0),  m = row_template[b]
 * splice_grad:
 *   dwords[k] = sum over rows b with row_word[b] == k, in row order, of dx[b, word_pos[m]]
 * No atomics. Indices are data: kernels trust them (the block builder checks them once). */
#ifndef VW_KERNELS_SPLICE_H
#define VW_KERNELS_SPLICE_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPLICE_WORDS, SPLICE_TAIL, SPLICE_ROW_WORD, SPLICE_ROW_TEMPLATE, SPLICE_WORD_POS };
enum { SPLICE_GRAD_DX, SPLICE_GRAD_ROW_WORD, SPLICE_GRAD_ROW_TEMPLATE, SPLICE_GRAD_WORD_POS }; /* out: dwords [K, C] */
typedef struct vw_splice_grad_attr {
  int64_t n_words; /* K */
} vw_splice_grad_attr;

vw_value vw_splice(vw_graph *g, vw_value words, vw_value tail, vw_value row_word, vw_value row_template,
                   vw_value word_pos);
extern const vw_op vw_splice_op, vw_splice_grad_op;

#ifdef __cplusplus
}
#endif
#endif
