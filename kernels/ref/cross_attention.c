/* cross_attention and its gradient, by definition: plain double loops over (row, head, position).
 *
 *   s_j = q . k_j / sqrt(D);  lse = log sum exp s_j;  p_j = exp(s_j - lse);  y = sum p_j v_j
 *   ds_j = p_j (dy . v_j - dy . y) / sqrt(D);  dq = sum ds_j k_j;  dk_j += ds_j q;  dv_j += p_j dy */
#include "kernels/cross_attention.h"

#include <math.h>
#include <string.h>

static double dot(const double *a, const double *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t heads = ((const vw_cross_attention_attr *)c->attr)->heads, C = vw_last_dim(&c->in[XATTN_Q]);
  const int64_t T = c->out[XATTN_LSE].dim[2], J = c->in[XATTN_KV].dim[1], D = C / heads;
  const double scale = 1 / sqrt((double)D);
  for (int64_t i = 0; i < c->in[XATTN_Q].dim[0] * heads * T; i++) {
    const int64_t t = i % T, h = i / T % heads, b = i / (T * heads), at = (b * T + t) * C + h * D;
    const double *q = vw_f64(&c->in[XATTN_Q]) + at;
    const double *k = vw_f64(&c->in[XATTN_KV]) + vw_i32(&c->in[XATTN_ROW_KV])[b] * J * 2 * C + h * D;
    double *y = vw_f64(&c->out[XATTN_Y]) + at, most = -INFINITY, sum = 0;
    for (int64_t j = 0; j < J; j++) most = fmax(most, scale * dot(q, k + j * 2 * C, D));
    for (int64_t j = 0; j < J; j++) sum += exp(scale * dot(q, k + j * 2 * C, D) - most);
    const double lse = vw_f64(&c->out[XATTN_LSE])[i] = most + log(sum);
    for (int64_t d = 0; d < D; d++) y[d] = 0;
    for (int64_t j = 0; j < J; j++) {
      const double p = exp(scale * dot(q, k + j * 2 * C, D) - lse);
      for (int64_t d = 0; d < D; d++) y[d] += p * k[j * 2 * C + C + d];
    }
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_cross_attention_attr *a = c->attr;
  const vw_tensor *in = c->in;
  const int64_t C = vw_last_dim(&in[XATTNG_Q]), T = in[XATTNG_LSE].dim[2], J = in[XATTNG_KV].dim[1], D = C / a->heads;
  const double scale = 1 / sqrt((double)D);
  if (a->dq) memset(c->out[XATTNG_DQ].data, 0, vw_bytes(&c->out[XATTNG_DQ]));
  if (a->dkv) memset(c->out[XATTNG_DKV].data, 0, vw_bytes(&c->out[XATTNG_DKV]));
  for (int64_t i = 0; i < in[XATTNG_Q].dim[0] * a->heads * T; i++) {
    const int64_t t = i % T, h = i / T % a->heads, b = i / (T * a->heads), at = (b * T + t) * C + h * D;
    const double *q = vw_f64(&in[XATTNG_Q]) + at, *dy = vw_f64(&in[XATTNG_DY]) + at;
    const double dyy = dot(dy, vw_f64(&in[XATTNG_Y]) + at, D), lse = vw_f64(&in[XATTNG_LSE])[i];
    for (int64_t j = 0; j < J; j++) {
      const int64_t key = (vw_i32(&in[XATTNG_ROW_KV])[b] * J + j) * 2 * C + h * D;
      const double *k = vw_f64(&in[XATTNG_KV]) + key;
      const double p = exp(scale * dot(q, k, D) - lse);
      const double ds = scale * p * (dot(dy, k + C, D) - dyy);
      for (int64_t d = 0; d < D && a->dq; d++) vw_f64(&c->out[XATTNG_DQ])[at + d] += ds * k[d];
      for (int64_t d = 0; d < D && a->dkv; d++) {
        vw_f64(&c->out[XATTNG_DKV])[key + d] += ds * q[d];
        vw_f64(&c->out[XATTNG_DKV])[key + C + d] += p * dy[d];
      }
    }
  }
  return VW_OK;
}

const vw_kernel cross_attention_ref = {.run = run}, cross_attention_grad_ref = {.run = run_grad};
