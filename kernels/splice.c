#include "kernels/splice.h"

#include <inttypes.h>

static vw_status check_index(const char *op, const char *name, const vw_tensor *t, int64_t n) {
  VW_CHECK(t->dtype == VW_I32 && vw_is_vector(t, n), VW_ERR_ARG, "%s: %s is %s %s, expected i32 [%" PRId64 "]", op,
           name, vw_dtype_name(t->dtype), vw_shape_text(t), n);
  return VW_OK;
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  (void)attr;
  const vw_tensor *words = &in[SPLICE_WORDS], *tail = &in[SPLICE_TAIL];
  VW_CHECK(words->ndim == 2 && tail->ndim == 3 && tail->dim[2] > 0 && words->dim[1] >= tail->dim[2] &&
               words->dim[1] % tail->dim[2] == 0 && words->dim[1] / tail->dim[2] <= tail->dim[1],
           VW_ERR_ARG, "splice: words are %s, tail is %s: expected [K, n C] and [M, T, C], n at most T",
           vw_shape_text(words), vw_shape_text(tail));
  const int64_t B = in[SPLICE_ROW_WORD].dim[0];
  VW_TRY(check_index("splice", "row_word", &in[SPLICE_ROW_WORD], B));
  VW_TRY(check_index("splice", "row_template", &in[SPLICE_ROW_TEMPLATE], B));
  VW_TRY(check_index("splice", "word_pos", &in[SPLICE_WORD_POS], tail->dim[0]));
  out[0] = vw_shape(VW_RESIDUAL, B, tail->dim[1], tail->dim[2]);
  return VW_OK;
}

/* The tail is frozen: only the words are ever asked for. */
static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[0] == VW_NONE || !vw_wanted(g, n, SPLICE_WORDS)) return VW_OK;
  const vw_tensor words = vw_value_tensor(g, n->in[SPLICE_WORDS]);
  const vw_splice_grad_attr attr = {words.dim[0], words.dim[1] / vw_value_tensor(g, n->in[SPLICE_TAIL]).dim[2]};
  return vw_emit(g, &vw_splice_grad_op, &attr,
                 (vw_value[]){dy[0], n->in[SPLICE_ROW_WORD], n->in[SPLICE_ROW_TEMPLATE], n->in[SPLICE_WORD_POS]},
                 &dx[SPLICE_WORDS]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_splice_grad_attr *a = attr;
  const vw_tensor *dx = &in[SPLICE_GRAD_DX], *pos = &in[SPLICE_GRAD_WORD_POS];
  VW_CHECK(dx->ndim == 3, VW_ERR_ARG, "splice_grad: dx is %s, expected [B, T, C]", vw_shape_text(dx));
  VW_TRY(check_index("splice_grad", "row_word", &in[SPLICE_GRAD_ROW_WORD], dx->dim[0]));
  VW_TRY(check_index("splice_grad", "row_template", &in[SPLICE_GRAD_ROW_TEMPLATE], dx->dim[0]));
  VW_TRY(check_index("splice_grad", "word_pos", pos, pos->dim[0]));
  const int64_t vectors = a->vectors > 1 ? a->vectors : 1;
  VW_CHECK(vectors <= dx->dim[1], VW_ERR_ARG, "splice_grad: words of %" PRId64 " vectors, dx is %s", vectors,
           vw_shape_text(dx));
  out[0] = vw_shape(VW_HEAD, a->n_words, vectors * dx->dim[2]);
  return VW_OK;
}

/* Of dx the word's positions of each row are read. */
static double bytes_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  const vw_splice_grad_attr *a = attr;
  const vw_tensor *dx = &in[SPLICE_GRAD_DX];
  const double vectors = a->vectors > 1 ? (double)a->vectors : 1;
  return vectors * (double)vw_bytes(dx) / (double)(dx->dim[1] > 0 ? dx->dim[1] : 1) +
         2 * (double)vw_bytes(&in[SPLICE_GRAD_ROW_WORD]) + (double)vw_bytes(&out[0]);
}

const vw_op vw_splice_op = {
    .name = "splice", .id = VW_OP_splice, .n_in = 5, .n_out = 1, .infer = infer, .gradient = gradient};

const vw_op vw_splice_grad_op = {.name = "splice_grad",
                                 .id = VW_OP_splice_grad,
                                 .n_in = 4,
                                 .n_out = 1,
                                 .attr_size = sizeof(vw_splice_grad_attr),
                                 .infer = infer_grad,
                                 .bytes = bytes_grad};

vw_value vw_splice(vw_graph *g, vw_value words, vw_value tail, vw_value row_word, vw_value row_template,
                   vw_value word_pos) {
  vw_value out = VW_NONE;
  (void)vw_emit(g, &vw_splice_op, NULL, (vw_value[]){words, tail, row_word, row_template, word_pos}, &out);
  return out;
}
