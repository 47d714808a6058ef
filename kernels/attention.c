#include "kernels/attention.h"

#include <inttypes.h>

/* The optional inputs of forward and gradient: prefix, row_prefix and prefix_len come together. */
static vw_status check_rows(const char *op, const vw_tensor *prefix, const vw_tensor *row_prefix,
                            const vw_tensor *prefix_len, const vw_tensor *length, int64_t B, int64_t C) {
  if (vw_present(prefix)) {
    VW_CHECK(prefix->ndim == 3 && prefix->dim[2] == 2 * C, VW_ERR_ARG,
             "%s: prefix is %s, expected [M, P, 2C] with C=%" PRId64, op, vw_shape_text(prefix), C);
    VW_CHECK(row_prefix->dtype == VW_I32 && vw_is_vector(row_prefix, B), VW_ERR_ARG,
             "%s: row_prefix is %s %s, expected i32 [%" PRId64 "]", op, vw_dtype_name(row_prefix->dtype),
             vw_shape_text(row_prefix), B);
    VW_CHECK(prefix_len->dtype == VW_I32 && vw_is_vector(prefix_len, prefix->dim[0]), VW_ERR_ARG,
             "%s: prefix_len is %s %s, expected i32 [%" PRId64 "]", op, vw_dtype_name(prefix_len->dtype),
             vw_shape_text(prefix_len), prefix->dim[0]);
  } else {
    VW_CHECK(!vw_present(row_prefix) && !vw_present(prefix_len), VW_ERR_ARG,
             "%s: row_prefix and prefix_len are given without a prefix", op);
  }
  VW_CHECK(!vw_present(length) || (length->dtype == VW_I32 && vw_is_vector(length, B)), VW_ERR_ARG,
           "%s: length is %s %s, expected i32 [%" PRId64 "]", op, vw_dtype_name(length->dtype), vw_shape_text(length),
           B);
  return VW_OK;
}

static vw_status check_qkv(const char *op, const vw_tensor *qkv, int64_t heads) {
  VW_CHECK(heads > 0 && qkv->ndim == 3 && qkv->dim[2] > 0 && qkv->dim[2] % (3 * heads) == 0, VW_ERR_ARG,
           "%s: qkv is %s, expected [B, T, 3C] with C a multiple of %" PRId64 " heads", op, vw_shape_text(qkv), heads);
  return VW_OK;
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_attention_attr *a = attr;
  const vw_tensor *qkv = &in[ATTN_QKV];
  VW_TRY(check_qkv("attention", qkv, a->heads));
  const int64_t B = qkv->dim[0], T = qkv->dim[1], C = qkv->dim[2] / 3;
  VW_TRY(check_rows("attention", &in[ATTN_PREFIX], &in[ATTN_ROW_PREFIX], &in[ATTN_PREFIX_LEN], &in[ATTN_LENGTH], B, C));
  out[ATTN_Y] = vw_shape(VW_ACT, B, T, C);
  out[ATTN_LSE] = vw_shape(VW_STAT, B, a->heads, T);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  if (dy[ATTN_Y] == VW_NONE || !vw_wanted(g, n, ATTN_QKV)) return VW_OK;
  return vw_emit(g, &vw_attention_grad_op, n->attr,
                 (vw_value[]){dy[ATTN_Y], n->in[ATTN_QKV], n->in[ATTN_PREFIX], n->in[ATTN_ROW_PREFIX],
                              n->in[ATTN_PREFIX_LEN], n->in[ATTN_LENGTH], n->out[ATTN_Y], n->out[ATTN_LSE]},
                 &dx[ATTN_QKV]);
}

/* Query-key pairs times C, the prefix counted at full length and every row as unpadded. */
static double pairs(const vw_tensor *qkv, const vw_tensor *prefix, bool causal) {
  const double T = (double)qkv->dim[1], own = causal ? T * (T + 1) / 2 : T * T;
  const double P = vw_present(prefix) ? (double)prefix->dim[1] : 0;
  return (double)qkv->dim[0] * (own + T * P) * (double)qkv->dim[2] / 3;
}

/* Two products: q k and p v. */
static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)out;
  return 4 * pairs(&in[ATTN_QKV], &in[ATTN_PREFIX], ((const vw_attention_attr *)attr)->causal);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_attention_attr *a = attr;
  const vw_tensor *qkv = &in[ATTNG_QKV];
  VW_TRY(check_qkv("attention_grad", qkv, a->heads));
  const int64_t B = qkv->dim[0], T = qkv->dim[1], C = qkv->dim[2] / 3;
  VW_TRY(check_rows("attention_grad", &in[ATTNG_PREFIX], &in[ATTNG_ROW_PREFIX], &in[ATTNG_PREFIX_LEN],
                    &in[ATTNG_LENGTH], B, C));
  const vw_tensor y = vw_shape(VW_ACT, B, T, C), lse = vw_shape(VW_STAT, B, a->heads, T);
  VW_CHECK(vw_same_shape(&in[ATTNG_DY], &y) && vw_same_shape(&in[ATTNG_Y], &y), VW_ERR_ARG,
           "attention_grad: dy is %s and y %s, expected %s", vw_shape_text(&in[ATTNG_DY]), vw_shape_text(&in[ATTNG_Y]),
           vw_shape_text(&y));
  VW_CHECK(vw_same_shape(&in[ATTNG_LSE], &lse), VW_ERR_ARG, "attention_grad: lse is %s, expected %s",
           vw_shape_text(&in[ATTNG_LSE]), vw_shape_text(&lse));
  out[0] = vw_shape_of(qkv->dtype, 3, qkv->dim);
  return VW_OK;
}

/* Five products: q k again, dy v, and those of dq, dk, dv. */
static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)out;
  return 10 * pairs(&in[ATTNG_QKV], &in[ATTNG_PREFIX], ((const vw_attention_attr *)attr)->causal);
}

enum { ROWS = 1u << ATTN_PREFIX | 1u << ATTN_ROW_PREFIX | 1u << ATTN_PREFIX_LEN | 1u << ATTN_LENGTH };
enum { GRAD_ROWS = 1u << ATTNG_PREFIX | 1u << ATTNG_ROW_PREFIX | 1u << ATTNG_PREFIX_LEN | 1u << ATTNG_LENGTH };

const vw_op vw_attention_op = {.name = "attention",
                               .id = VW_OP_attention,
                               .n_in = 5,
                               .n_out = 2,
                               .optional = ROWS,
                               .attr_size = sizeof(vw_attention_attr),
                               .infer = infer,
                               .gradient = gradient,
                               .flops = flops};

const vw_op vw_attention_grad_op = {.name = "attention_grad",
                                    .id = VW_OP_attention_grad,
                                    .n_in = 8,
                                    .n_out = 1,
                                    .optional = GRAD_ROWS,
                                    .attr_size = sizeof(vw_attention_attr),
                                    .infer = infer_grad,
                                    .flops = flops_grad};

vw_value vw_attention(vw_graph *g, vw_value qkv, int64_t heads, bool causal, vw_attention_rows rows) {
  const vw_attention_attr attr = {heads, causal, rows.fixed};
  vw_value out[2] = {VW_NONE, VW_NONE};
  (void)vw_emit(g, &vw_attention_op, &attr,
                (vw_value[]){qkv, rows.prefix, rows.row_prefix, rows.prefix_len, rows.length}, out);
  return out[ATTN_Y];
}
