/* attention and its gradient on the CPU: one (row, head) pair a thread at a time, the scores of one query in the
 * thread's part of the scratch. For query t over the keys j it sees (prefix, then own positions):
 *
 *   s_j = q . k_j / sqrt(D);  lse = log sum exp s_j;  p_j = exp(s_j - lse);  y = sum p_j v_j
 *   dp_j = dy . v_j;  ds_j = p_j (dp_j - dy . y) / sqrt(D);  dq += ds_j k_j;  dk_j += ds_j q;  dv_j += p_j dy
 *
 * A pair's sums are made by one thread in one order: the same bits for any number of threads. */
#include "kernels/attention.h"

#include "kernels/cpu/activation.h"
#include "kernels/cpu/attention_dense.h"
#include <math.h>
#include <omp.h>

/* What one row and head sees: its keys j = 0..P-1 of the prefix, then own positions. */
typedef struct view {
  int64_t T, C, D, P, length; /* P, length: of this row */
  bool causal;
  const float *qkv, *prefix; /* of this row and head; strides 3C and 2C */
} view;

static view view_of(const vw_tensor *in, const vw_attention_attr *a, int64_t b, int64_t head) {
  /* The optional inputs stand in the same order after qkv in forward and gradient. */
  const vw_tensor *qkv = &in[ATTN_QKV], *prefix = &in[ATTN_PREFIX], *length = &in[ATTN_LENGTH];
  view v = {.T = qkv->dim[1], .C = qkv->dim[2] / 3, .causal = a->causal};
  v.D = v.C / a->heads;
  v.qkv = vw_f32(qkv) + b * v.T * 3 * v.C + head * v.D;
  v.length = vw_present(length) ? vw_i32(length)[b] : v.T;
  if (vw_present(prefix)) {
    const int64_t m = vw_i32(&in[ATTN_ROW_PREFIX])[b];
    v.P = vw_i32(&in[ATTN_PREFIX_LEN])[m];
    v.prefix = vw_f32(prefix) + m * prefix->dim[1] * 2 * v.C + head * v.D;
  }
  return v;
}

VW_INLINE int64_t keys(const view *v, int64_t t) {
  return v->P + (v->causal ? t + 1 : v->length);
}

VW_INLINE const float *key(const view *v, int64_t j) {
  return j < v->P ? v->prefix + j * 2 * v->C : v->qkv + (j - v->P) * 3 * v->C + v->C;
}

/* One query: its output y, and the log-sum-exp of its scaled scores; `s` holds P + T floats. */
VW_SIMD static float query(const view *v, int64_t t, float *s, float *y) {
  const float scale = 1 / sqrtf((float)v->D), *q = v->qkv + t * 3 * v->C;
  const int64_t J = keys(v, t);
  float largest = -INFINITY, sum = 0;
  for (int64_t j = 0; j < J; j++) {
    s[j] = scale * vw_dot(q, key(v, j), v->D);
    if (s[j] > largest) largest = s[j];
  }
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < J; j++) sum += s[j] = vw_expf(s[j] - largest);
  for (int64_t i = 0; i < v->D; i++) y[i] = 0;
  for (int64_t j = 0; j < J; j++) vw_axpy(y, s[j] / sum, key(v, j) + v->C, v->D);
  return largest + logf(sum);
}

static int64_t score_floats(const vw_tensor *in) {
  const int64_t P = vw_present(&in[ATTN_PREFIX]) ? in[ATTN_PREFIX].dim[1] : 0;
  return (P + in[ATTN_QKV].dim[1] + 15) / 16 * 16;
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  const vw_attention_attr *a = c->attr;
  c->scratch_bytes = (size_t)(ctx->threads * score_floats(c->in)) * sizeof(float);
  if (vw_attention_is_dense(c->in, a)) c->scratch_bytes = vw_attention_dense_scratch(ctx, c->in, a, false);
  return VW_OK;
}

static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  const vw_attention_attr *a = c->attr;
  const vw_tensor *in = c->in + ATTNG_QKV;
  if (vw_attention_is_dense(in, a)) c->scratch_bytes = vw_attention_dense_scratch(ctx, in, a, true);
  return VW_OK;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_attention_attr *a = c->attr;
  if (vw_attention_is_dense(c->in, a)) return vw_attention_dense(ctx, c);
  const int64_t B = c->out[ATTN_Y].dim[0], T = c->out[ATTN_Y].dim[1], C = c->out[ATTN_Y].dim[2];
  const int64_t D = C / a->heads, floats = score_floats(c->in);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t pair = 0; pair < B * a->heads; pair++) {
    const int64_t b = pair / a->heads, h = pair % a->heads;
    const view v = view_of(c->in, a, b, h);
    float *s = (float *)c->scratch + omp_get_thread_num() * floats, *lse = vw_f32(&c->out[ATTN_LSE]) + pair * T;
    for (int64_t t = 0; t < T; t++) {
      float *y = vw_f32(&c->out[ATTN_Y]) + (b * T + t) * C + h * D;
      if (t < v.length) {
        lse[t] = query(&v, t, s, y);
      } else {
        lse[t] = 0;
        for (int64_t i = 0; i < D; i++) y[i] = 0;
      }
    }
  }
  return VW_OK;
}

/* Adds what query t contributes to the gradients of its row and head: dqkv has strides 3C, already at the head. */
VW_SIMD static void query_grad(const view *v, int64_t t, const float *dy, const float *y, float lse, float *dqkv) {
  const float scale = 1 / sqrtf((float)v->D), *q = v->qkv + t * 3 * v->C, dyy = vw_dot(dy, y, v->D);
  const int64_t J = keys(v, t);
  for (int64_t j = 0; j < J; j++) {
    const float *k = key(v, j);
    const float p = vw_expf(scale * vw_dot(q, k, v->D) - lse);
    const float ds = scale * p * (vw_dot(dy, k + v->C, v->D) - dyy);
    vw_axpy(dqkv + t * 3 * v->C, ds, k, v->D);
    if (j < v->P) continue; /* no gradient to the prefix */
    float *dk = dqkv + (j - v->P) * 3 * v->C + v->C;
    vw_axpy(dk, ds, q, v->D);
    vw_axpy(dk + v->C, p, dy, v->D);
  }
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_attention_attr *a = c->attr;
  if (vw_attention_is_dense(c->in + ATTNG_QKV, a)) return vw_attention_dense_grad(ctx, c);
  const int64_t B = c->out[0].dim[0], T = c->out[0].dim[1], C = c->out[0].dim[2] / 3, D = C / a->heads;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t pair = 0; pair < B * a->heads; pair++) {
    const int64_t b = pair / a->heads, h = pair % a->heads;
    const view v = view_of(c->in + ATTNG_QKV, a, b, h);
    const float *lse = vw_f32(&c->in[ATTNG_LSE]) + pair * T;
    float *dqkv = vw_f32(&c->out[0]) + b * T * 3 * C + h * D;
    for (int64_t t = 0; t < T; t++)
      for (int part = 0; part < 3; part++)
        for (int64_t i = 0; i < D; i++) dqkv[(t * 3 + part) * C + i] = 0;
    for (int64_t t = 0; t < v.length; t++) {
      const int64_t at = (b * T + t) * C + h * D;
      query_grad(&v, t, vw_f32(&c->in[ATTNG_DY]) + at, vw_f32(&c->in[ATTNG_Y]) + at, lse[t], dqkv);
    }
  }
  return VW_OK;
}

_Static_assert(ATTNG_LENGTH - ATTNG_QKV == ATTN_LENGTH - ATTN_QKV, "view_of reads both argument lists");

const vw_kernel attention_cpu = {.run = run, .measure = measure},
                attention_grad_cpu = {.run = run_grad, .measure = measure_grad};
