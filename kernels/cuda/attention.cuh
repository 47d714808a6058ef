/* What the families of attention kernels share (contract: kernels/attention.h):
 *
 *   attention.cu        any shape, CUDA cores
 *   attention_few.cu    up to 16 own positions, usually behind a prefix: a word's text
 *   attention_short.cu  of these, up to 4 positions of heads of 64 channels: most words' texts
 *   attention_flash.cu  tensor cores, bf16 or TF32: pictures and long texts
 *   attention_wide.cu   heads of more than 128 channels, by products: an autoencoder's */
#ifndef VW_KERNELS_CUDA_ATTENTION_CUH
#define VW_KERNELS_CUDA_ATTENTION_CUH

#include "kernels/attention.h"

#include "kernels/cuda/vector.cuh"

/* Sizes and the rows' lists; pointers are NULL where absent. */
struct vw_attention_geometry {
  int64_t B, T, C, D, heads, prefix_rows;
  const int32_t *row_prefix, *prefix_len, *length;
  float scale;
  bool causal, packs; /* packs: every row of every head lies on 16 bytes and has a multiple of 8 channels */
};

/* What a row and head sees: keys j = 0..P-1 of the prefix, then own positions. */
template <typename X> struct vw_attention_view {
  const X *qkv, *prefix; /* at the head; rows are 3C and 2C apart */
  int64_t C, P, length;
  __device__ const X *query(int64_t t) const { return qkv + t * 3 * C; }
  __device__ const X *key(int64_t j) const { return j < P ? prefix + j * 2 * C : qkv + (j - P) * 3 * C + C; }
  __device__ const X *value(int64_t j) const { return key(j) + C; }
};

template <typename X>
__device__ static vw_attention_view<X> vw_attention_view_of(const vw_attention_geometry &g, int64_t b, int64_t head,
                                                            const X *qkv, const X *prefix) {
  vw_attention_view<X> v = {qkv + b * g.T * 3 * g.C + head * g.D, nullptr, g.C, 0, g.length ? g.length[b] : g.T};
  if (prefix) {
    const int64_t m = g.row_prefix[b];
    v.prefix = prefix + m * g.prefix_rows * 2 * g.C + head * g.D;
    v.P = g.prefix_len[m];
  }
  return v;
}

__device__ static inline int64_t vw_least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/* in: the inputs from qkv on, in the order of ATTN_QKV..ATTN_LENGTH; packs is false. */
static inline vw_attention_geometry vw_attention_geometry_of(const vw_tensor *in, const void *attr) {
  const vw_attention_attr *a = static_cast<const vw_attention_attr *>(attr);
  const vw_tensor *qkv = &in[ATTN_QKV], *prefix = &in[ATTN_PREFIX];
  vw_attention_geometry g = {};
  g.B = qkv->dim[0], g.T = qkv->dim[1], g.C = qkv->dim[2] / 3;
  g.heads = a->heads, g.D = g.C / a->heads, g.causal = a->causal;
  g.prefix_rows = vw_present(prefix) ? prefix->dim[1] : 0;
  g.row_prefix = vw_i32(&in[ATTN_ROW_PREFIX]), g.prefix_len = vw_i32(&in[ATTN_PREFIX_LEN]);
  g.length = vw_i32(&in[ATTN_LENGTH]);
  g.scale = 1.0f / sqrtf(static_cast<float>(g.D));
  return g;
}
static_assert(ATTNG_LENGTH - ATTNG_QKV == ATTN_LENGTH - ATTN_QKV, "the geometry reads both argument lists");

/* All of these may be read and written in packs by heads of D channels. */
static inline bool vw_attention_packs(const vw_attention_geometry &g, const vw_tensor *a, const vw_tensor *b,
                                      const vw_tensor *c, const vw_tensor *d) {
  const vw_tensor *const all[] = {a, b, c, d};
  bool packs = true;
  for (const vw_tensor *t : all) packs = packs && vw_packs(static_cast<const char *>(t->data), g.D);
  return packs;
}

/* Which family takes a call of T positions and heads of D channels, stored as `stored`; the context
 * says whether fp32 may be rounded to TF32. */
bool vw_attention_is_few(int64_t T, int64_t D);
bool vw_attention_is_short(int64_t T, int64_t D); /* of the few, where all lies in packs */
bool vw_attention_is_flash(const vw_context *ctx, int64_t D, vw_dtype stored);

vw_status vw_attention_few(vw_context *ctx, const vw_call *c);
vw_status vw_attention_few_grad(vw_context *ctx, const vw_call *c);
vw_status vw_attention_short(vw_context *ctx, const vw_call *c);
vw_status vw_attention_short_grad(vw_context *ctx, const vw_call *c);
vw_status vw_attention_flash(vw_context *ctx, const vw_call *c);
vw_status vw_attention_flash_grad(vw_context *ctx, const vw_call *c); /* scratch: B heads T floats */

#endif
