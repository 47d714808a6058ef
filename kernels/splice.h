/* splice: puts a learned word, n vectors in a row, into a template's token embeddings.
 *   in   words         [K, n C] (VW_HEAD); n is the quotient of the two widths
 *        tail          [M, T, C] (VW_PARAM): token + position embeddings of each template's positions; at the word's
 *                      places the position embedding alone
 *        row_word      [B] i32
 *        row_template  [B] i32
 *        word_pos      [M] i32, in 0..T-n: the place of the word's first vector
 *   out  x             [B, T, C] (VW_RESIDUAL)
 *   x[b,t] = tail[m,t] + (0 <= j < n ? words[row_word[b], j] : 0),  m = row_template[b], j = t - word_pos[m]
 * splice_grad:
 *   dwords[k,j] = sum over rows b with row_word[b] == k, in row order, of dx[b, word_pos[m] + j]
 * No atomics. Indices are data: kernels trust them (the block builder checks them once). */
#ifndef VW_KERNELS_SPLICE_H
#define VW_KERNELS_SPLICE_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPLICE_WORDS, SPLICE_TAIL, SPLICE_ROW_WORD, SPLICE_ROW_TEMPLATE, SPLICE_WORD_POS };
enum {
  SPLICE_GRAD_DX,
  SPLICE_GRAD_ROW_WORD,
  SPLICE_GRAD_ROW_TEMPLATE,
  SPLICE_GRAD_WORD_POS
}; /* out: dwords [K, n C] */
typedef struct vw_splice_grad_attr {
  int64_t n_words; /* K */
  int64_t vectors; /* n; 0: one */
} vw_splice_grad_attr;

vw_value vw_splice(vw_graph *g, vw_value words, vw_value tail, vw_value row_word, vw_value row_template,
                   vw_value word_pos);
extern const vw_op vw_splice_op, vw_splice_grad_op;

#ifdef __cplusplus
}
#endif
#endif
