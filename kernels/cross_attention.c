#include "kernels/cross_attention.h"

#include <inttypes.h>

static vw_status check(const char *op, const vw_tensor *q, const vw_tensor *kv, const vw_tensor *row, int64_t heads) {
  const int64_t C = vw_last_dim(q);
  VW_CHECK(q->ndim >= 3 && heads > 0 && C > 0 && C % heads == 0, VW_ERR_ARG,
           "%s: q is %s, expected [B, S.., C] with C a multiple of %" PRId64 " heads", op, vw_shape_text(q), heads);
  VW_CHECK(kv->ndim == 3 && kv->dim[1] > 0 && kv->dim[2] == 2 * C, VW_ERR_ARG,
           "%s: kv is %s, expected [K, J, 2C] with C=%" PRId64, op, vw_shape_text(kv), C);
  VW_CHECK(row->dtype == VW_I32 && vw_is_vector(row, q->dim[0]), VW_ERR_ARG,
           "%s: row_kv is %s %s, expected i32 [%" PRId64 "]", op, vw_dtype_name(row->dtype), vw_shape_text(row),
           q->dim[0]);
  return VW_OK;
}

static vw_tensor statistic(const vw_tensor *q, int64_t heads) {
  return vw_shape(VW_STAT, q->dim[0], heads, q->dim[0] ? vw_rows(q) / q->dim[0] : 0);
}

static vw_status infer(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_cross_attention_attr *a = attr;
  const vw_tensor *q = &in[XATTN_Q];
  VW_TRY(check("cross_attention", q, &in[XATTN_KV], &in[XATTN_ROW_KV], a->heads));
  out[XATTN_Y] = vw_shape_of(VW_ACT, q->ndim, q->dim);
  out[XATTN_LSE] = statistic(q, a->heads);
  return VW_OK;
}

static vw_status gradient(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx) {
  vw_cross_attention_attr attr = *(const vw_cross_attention_attr *)n->attr;
  vw_value out[2];
  attr.dq = vw_wanted(g, n, XATTN_Q), attr.dkv = vw_wanted(g, n, XATTN_KV);
  if (dy[XATTN_Y] == VW_NONE || !(attr.dq || attr.dkv)) return VW_OK;
  VW_TRY(vw_emit(g, &vw_cross_attention_grad_op, &attr,
                 (vw_value[]){dy[XATTN_Y], n->in[XATTN_Q], n->in[XATTN_KV], n->in[XATTN_ROW_KV], n->out[XATTN_Y],
                              n->out[XATTN_LSE]},
                 out));
  if (attr.dq) dx[XATTN_Q] = out[XATTNG_DQ];
  if (attr.dkv) dx[XATTN_KV] = out[XATTNG_DKV];
  return VW_OK;
}

/* Query-key pairs times C. */
static double pairs(const vw_tensor *q, const vw_tensor *kv) {
  return (double)vw_count(q) * (double)kv->dim[1];
}

/* Two products: q k and p v. */
static double flops(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  (void)attr, (void)out;
  return 4 * pairs(&in[XATTN_Q], &in[XATTN_KV]);
}

static vw_status infer_grad(const vw_tensor *in, const void *attr, vw_tensor *out) {
  const vw_cross_attention_attr *a = attr;
  const vw_tensor *q = &in[XATTNG_Q], *kv = &in[XATTNG_KV];
  VW_TRY(check("cross_attention_grad", q, kv, &in[XATTNG_ROW_KV], a->heads));
  const vw_tensor lse = statistic(q, a->heads);
  VW_CHECK(vw_same_shape(&in[XATTNG_DY], q) && vw_same_shape(&in[XATTNG_Y], q), VW_ERR_ARG,
           "cross_attention_grad: dy is %s and y %s, expected %s", vw_shape_text(&in[XATTNG_DY]),
           vw_shape_text(&in[XATTNG_Y]), vw_shape_text(q));
  VW_CHECK(vw_same_shape(&in[XATTNG_LSE], &lse), VW_ERR_ARG, "cross_attention_grad: lse is %s, expected %s",
           vw_shape_text(&in[XATTNG_LSE]), vw_shape_text(&lse));
  out[XATTNG_DQ] = a->dq ? vw_shape_of(q->dtype, q->ndim, q->dim) : vw_shape(VW_ACT, 0);
  out[XATTNG_DKV] = a->dkv ? vw_shape_of(kv->dtype, 3, kv->dim) : vw_shape(VW_ACT, 0);
  return VW_OK;
}

/* Two products of both (q k again, dy v), one for dq, two for dkv. */
static double flops_grad(const vw_tensor *in, const void *attr, const vw_tensor *out) {
  const vw_cross_attention_attr *a = attr;
  (void)out;
  return (4 + (a->dq ? 2 : 0) + (a->dkv ? 4 : 0)) * pairs(&in[XATTNG_Q], &in[XATTNG_KV]);
}

const vw_op vw_cross_attention_op = {.name = "cross_attention",
                                     .id = VW_OP_cross_attention,
                                     .n_in = 3,
                                     .n_out = 2,
                                     .attr_size = sizeof(vw_cross_attention_attr),
                                     .infer = infer,
                                     .gradient = gradient,
                                     .flops = flops};

const vw_op vw_cross_attention_grad_op = {.name = "cross_attention_grad",
                                          .id = VW_OP_cross_attention_grad,
                                          .n_in = 6,
                                          .n_out = 2,
                                          .attr_size = sizeof(vw_cross_attention_attr),
                                          .infer = infer_grad,
                                          .flops = flops_grad};

vw_value vw_cross_attention(vw_graph *g, vw_value q, vw_value kv, vw_value row_kv, int64_t heads) {
  const vw_cross_attention_attr attr = {.heads = heads};
  vw_value out[2] = {VW_NONE, VW_NONE};
  (void)vw_emit(g, &vw_cross_attention_op, &attr, (vw_value[]){q, kv, row_kv}, out);
  return out[XATTN_Y];
}
