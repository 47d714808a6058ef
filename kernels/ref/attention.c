/* attention and its gradient, by definition: plain double loops, one query at a time. For query t of a head, over the
 * keys j it sees (prefix, then own positions):
 *
 *   s_j = q . k_j / sqrt(D);  lse = log sum exp s_j;  p_j = exp(s_j - lse);  y = sum p_j v_j
 *   dp_j = dy . v_j;  ds_j = p_j (dp_j - dy . y) / sqrt(D);  dq += ds_j k_j;  dk_j += ds_j q;  dv_j += p_j dy */
#include "kernels/attention.h"

#include <math.h>

/* What one row and head sees: its keys j = 0..P-1 of the prefix, then own positions. */
typedef struct view {
  int64_t B, T, C, D, P, length; /* P, length: of this row */
  bool causal;
  const double *qkv, *prefix; /* of this row and head; strides 3C and 2C */
} view;

static view view_of(const vw_tensor *in, const vw_attention_attr *a, int64_t b, int64_t head) {
  /* The optional inputs stand in the same order after qkv in forward and gradient. */
  const vw_tensor *qkv = &in[ATTN_QKV], *prefix = &in[ATTN_PREFIX], *length = &in[ATTN_LENGTH];
  view v = {.B = qkv->dim[0], .T = qkv->dim[1], .C = qkv->dim[2] / 3, .causal = a->causal};
  v.D = v.C / a->heads;
  v.qkv = vw_f64(qkv) + b * v.T * 3 * v.C + head * v.D;
  v.length = vw_present(length) ? vw_i32(length)[b] : v.T;
  if (vw_present(prefix)) {
    const int64_t m = vw_i32(&in[ATTN_ROW_PREFIX])[b];
    v.P = vw_i32(&in[ATTN_PREFIX_LEN])[m];
    v.prefix = vw_f64(prefix) + m * prefix->dim[1] * 2 * v.C + head * v.D;
  }
  return v;
}

/* Number of keys that query t sees. */
static int64_t keys(const view *v, int64_t t) {
  return v->P + (v->causal ? t + 1 : v->length);
}

static const double *key(const view *v, int64_t j) {
  return j < v->P ? v->prefix + j * 2 * v->C : v->qkv + (j - v->P) * 3 * v->C + v->C;
}

static const double *value(const view *v, int64_t j) {
  return key(v, j) + v->C;
}

static double dot(const double *a, const double *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* One query: its output and the log-sum-exp of its scaled scores; `s` holds P + T doubles. */
static double query(const view *v, int64_t t, double *s, double *y) {
  const double scale = 1 / sqrt((double)v->D), *q = v->qkv + t * 3 * v->C;
  const int64_t J = keys(v, t);
  double largest = -INFINITY, sum = 0;
  for (int64_t j = 0; j < J; j++) {
    s[j] = scale * dot(q, key(v, j), v->D);
    if (s[j] > largest) largest = s[j];
  }
  for (int64_t j = 0; j < J; j++) sum += s[j] = exp(s[j] - largest);
  for (int64_t i = 0; i < v->D; i++) {
    y[i] = 0;
    for (int64_t j = 0; j < J; j++) y[i] += s[j] / sum * value(v, j)[i];
  }
  return largest + log(sum);
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  (void)ctx;
  const int64_t P = vw_present(&c->in[ATTN_PREFIX]) ? c->in[ATTN_PREFIX].dim[1] : 0;
  c->scratch_bytes = (size_t)(P + c->in[ATTN_QKV].dim[1]) * sizeof(double);
  return VW_OK;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_attention_attr *a = c->attr;
  const int64_t B = c->out[ATTN_Y].dim[0], T = c->out[ATTN_Y].dim[1], C = c->out[ATTN_Y].dim[2];
  double *y = vw_f64(&c->out[ATTN_Y]), *lse = vw_f64(&c->out[ATTN_LSE]);
  for (int64_t i = 0; i < B * T * C; i++) y[i] = 0;
  for (int64_t b = 0; b < B; b++)
    for (int64_t h = 0; h < a->heads; h++) {
      const view v = view_of(c->in, a, b, h);
      for (int64_t t = 0; t < T; t++)
        lse[(b * a->heads + h) * T + t] = t < v.length ? query(&v, t, c->scratch, y + (b * T + t) * C + h * v.D) : 0;
    }
  return VW_OK;
}

/* Adds what query t contributes to the gradients of its row and head: dqkv has strides 3C, already at the head. */
static void query_grad(const view *v, int64_t t, const double *dy, const double *y, double lse, double *dqkv) {
  const double scale = 1 / sqrt((double)v->D), *q = v->qkv + t * 3 * v->C, dyy = dot(dy, y, v->D);
  for (int64_t j = 0; j < keys(v, t); j++) {
    const double *k = key(v, j);
    const double p = exp(scale * dot(q, k, v->D) - lse);
    const double ds = scale * p * (dot(dy, value(v, j), v->D) - dyy);
    double *dk = j < v->P ? NULL : dqkv + (j - v->P) * 3 * v->C + v->C; /* none to the prefix */
    for (int64_t i = 0; i < v->D; i++) {
      dqkv[t * 3 * v->C + i] += ds * k[i];
      if (dk) dk[i] += ds * q[i], dk[v->C + i] += p * dy[i];
    }
  }
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_attention_attr *a = c->attr;
  const int64_t B = c->out[0].dim[0], T = c->out[0].dim[1], C = c->out[0].dim[2] / 3;
  const double *dy = vw_f64(&c->in[ATTNG_DY]), *y = vw_f64(&c->in[ATTNG_Y]), *lse = vw_f64(&c->in[ATTNG_LSE]);
  double *dqkv = vw_f64(&c->out[0]);
  for (int64_t i = 0; i < B * T * 3 * C; i++) dqkv[i] = 0;
  for (int64_t b = 0; b < B; b++)
    for (int64_t h = 0; h < a->heads; h++) {
      const view v = view_of(c->in + ATTNG_QKV, a, b, h);
      for (int64_t t = 0; t < v.length; t++) {
        const int64_t at = (b * T + t) * C + h * v.D;
        query_grad(&v, t, dy + at, y + at, lse[(b * a->heads + h) * T + t], dqkv + b * T * 3 * C + h * v.D);
      }
    }
  return VW_OK;
}

_Static_assert(ATTNG_LENGTH - ATTNG_QKV == ATTN_LENGTH - ATTN_QKV, "view_of reads both argument lists");

const vw_kernel attention_ref = {.run = run, .measure = measure}, attention_grad_ref = {.run = run_grad};
