/* attention and its gradient for up to 4 own positions of heads of 64 channels (contract: kernels/attention.h;
 * mathematics: attention.cu): words' texts as most are, "a photo of a <w>" behind its cached start.
 *
 * Eight lanes a row and head, each with 8 channels of every vector in registers: 16-byte accesses in which a warp's four
 * heads lie side by side, no shared memory. Keys come one by one; a score is 8 products a lane and a butterfly over the
 * eight, so that all have it; softmax runs along (Milakov & Gimelshein 2018, arXiv 1805.02867). The gradient does dq of
 * all queries and, at an own key, its dk and dv. fp32 sums in a fixed order (channels of a lane, the butterfly, keys,
 * queries): repeatable bit for bit.
 *
 * Traffic: queries, own keys and values once, y once; the gradient reads y, dy too and writes dqkv; prefixes come from a
 * cache, shared by the rows of a template. Some 40 operations a lane, query and key: 7 keys and 2 queries of 19,200
 * heads (1,600 words) are 4 us of an H200's instructions, 9 us of its memory. */
#include "kernels/cuda/attention.cuh"

#include <type_traits>

enum { THREADS = 128, LANES = 8, HEAD = LANES * VW_PACK, MOST_QUERIES = 4 };

bool vw_attention_is_short(int64_t T, int64_t D) {
  return T <= MOST_QUERIES && D == HEAD;
}

/* The same in the eight lanes of a head; all 32 lanes must come. */
__device__ static float over_head(float x) {
  for (int lane = LANES / 2; lane; lane /= 2) x += __shfl_xor_sync(0xffffffffu, x, lane);
  return x;
}

__device__ static float dot(const float (&a)[VW_PACK], const float (&b)[VW_PACK]) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < VW_PACK; i++) sum += a[i] * b[i];
  return over_head(sum);
}

__device__ static void add(float (&sum)[VW_PACK], float factor, const float (&x)[VW_PACK]) {
#pragma unroll
  for (int i = 0; i < VW_PACK; i++) sum[i] += factor * x[i];
}

/* Packs of up to Q vectors that lie `apart` elements from each other; zeros from the n-th on. */
template <int Q, typename X>
__device__ static void take(float (&to)[Q][VW_PACK], const X *from, int64_t apart, int64_t n) {
#pragma unroll
  for (int t = 0; t < Q; t++) {
    for (int i = 0; i < VW_PACK; i++) to[t][i] = 0;
    if (t < n) vw_load_pack(from + t * apart, to[t]);
  }
}

/* What eight lanes do. Lanes behind the last head do its work again and write nothing. */
template <typename X> struct place {
  int64_t b, head, c, J, most_J; /* c: the lane's channel; most_J: keys of the warp's longest head */
  bool is_there;
  vw_attention_view<X> v; /* at the lane's channels */
};

template <typename X>
__device__ static place<X> place_of(const vw_attention_geometry &g, const X *qkv, const X *prefix) {
  place<X> p;
  const int64_t n = g.B * g.heads, at = vw_thread() / LANES, mine = at < n ? at : n - 1;
  p.is_there = at < n, p.b = mine / g.heads, p.head = mine % g.heads;
  p.c = threadIdx.x % LANES * VW_PACK;
  p.v = vw_attention_view_of(g, p.b, p.head, qkv, prefix);
  p.v.qkv += p.c;
  if (p.v.prefix) p.v.prefix += p.c;
  p.J = p.v.length ? p.v.P + p.v.length : 0;
  p.most_J = static_cast<int64_t>(vw_warp_max(static_cast<float>(p.J)));
  return p;
}

/* Query t sees key j. */
template <typename X>
__device__ static bool sees(const vw_attention_geometry &g, const place<X> &p, int64_t t, int64_t j) {
  return t < p.v.length && j < p.v.P + (g.causal ? t + 1 : p.v.length);
}

template <typename X, int Q>
__global__ static void __launch_bounds__(THREADS)
    attention_short_kernel(X *__restrict__ y, float *__restrict__ lse, const X *__restrict__ qkv,
                           const X *__restrict__ prefix, vw_attention_geometry g) {
  const place<X> p = place_of(g, qkv, prefix);
  float query[Q][VW_PACK], out[Q][VW_PACK] = {}, most[Q], sum[Q] = {};
  take(query, p.v.qkv, 3 * g.C, p.v.length);
  for (float &m : most) m = -INFINITY;

#pragma unroll 2
  for (int64_t j = 0; j < p.most_J; j++) {
    const int64_t here = j < p.J ? j : 0; /* a shorter head waits for the warp's longest */
    float key[VW_PACK], value[VW_PACK];
    vw_load_pack(p.v.key(here), key), vw_load_pack(p.v.value(here), value);
#pragma unroll
    for (int t = 0; t < Q; t++) {
      const float x = g.scale * dot(query[t], key);
      if (!sees(g, p, t, j)) continue;
      const float now = fmaxf(most[t], x), shrink = expf(most[t] - now), weight = expf(x - now);
      most[t] = now, sum[t] = sum[t] * shrink + weight;
#pragma unroll
      for (int i = 0; i < VW_PACK; i++) out[t][i] = out[t][i] * shrink + weight * value[i];
    }
  }
  if (!p.is_there) return;
#pragma unroll
  for (int t = 0; t < Q; t++) {
    if (t >= g.T) break;
    const bool live = t < p.v.length;
    const float factor = live ? 1.0f / sum[t] : 0.0f;
    for (float &x : out[t]) x *= factor;
    vw_store_pack(y + (p.b * g.T + t) * g.C + p.head * g.D + p.c, out[t]);
    if (p.c == 0) lse[(p.b * g.heads + p.head) * g.T + t] = live ? most[t] + logf(sum[t]) : 0.0f;
  }
}

template <typename X, int Q>
__global__ static void __launch_bounds__(THREADS)
    attention_short_grad_kernel(X *__restrict__ dqkv, const X *__restrict__ dy, const X *__restrict__ qkv,
                                const X *__restrict__ prefix, const X *__restrict__ y, const float *__restrict__ lse,
                                vw_attention_geometry g) {
  const place<X> p = place_of(g, qkv, prefix);
  const int64_t first = p.b * g.T * g.C + p.head * g.D + p.c;
  X *own = dqkv + p.b * g.T * 3 * g.C + p.head * g.D + p.c;
  float query[Q][VW_PACK], slope[Q][VW_PACK], dq[Q][VW_PACK], along[Q], norm[Q] = {};
  take(query, p.v.qkv, 3 * g.C, p.v.length), take(slope, dy + first, g.C, p.v.length);
  take(dq, y + first, g.C, p.v.length); /* first y itself */
#pragma unroll
  for (int t = 0; t < Q; t++) {
    along[t] = dot(slope[t], dq[t]);
    for (float &x : dq[t]) x = 0;
    if (t < p.v.length) norm[t] = lse[(p.b * g.heads + p.head) * g.T + t];
  }

#pragma unroll 2
  for (int64_t j = 0; j < p.most_J; j++) {
    const int64_t here = j < p.J ? j : 0;
    float key[VW_PACK], value[VW_PACK], dk[VW_PACK] = {}, dv[VW_PACK] = {};
    vw_load_pack(p.v.key(here), key), vw_load_pack(p.v.value(here), value);
#pragma unroll
    for (int t = 0; t < Q; t++) {
      const float s = dot(query[t], key), dp = dot(slope[t], value);
      if (!sees(g, p, t, j)) continue;
      const float weight = expf(g.scale * s - norm[t]), ds = g.scale * weight * (dp - along[t]);
      add(dq[t], ds, key), add(dk, ds, query[t]), add(dv, weight, slope[t]);
    }
    if (p.is_there && j >= p.v.P && j < p.J) {
      vw_store_pack(own + (j - p.v.P) * 3 * g.C + g.C, dk);
      vw_store_pack(own + (j - p.v.P) * 3 * g.C + 2 * g.C, dv);
    }
  }
  if (!p.is_there) return;
#pragma unroll
  for (int t = 0; t < Q; t++) {
    if (t >= g.T) break;
    vw_store_pack(own + t * 3 * g.C, dq[t]);
    if (t < p.v.length) continue; /* padding: zeros, as dq of it is */
    vw_store_pack(own + t * 3 * g.C + g.C, dq[t]);
    vw_store_pack(own + t * 3 * g.C + 2 * g.C, dq[t]);
  }
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

template <typename F> static vw_status with_queries(int64_t T, F f) {
  if (T <= 1) return f(std::integral_constant<int, 1>());
  if (T <= 2) return f(std::integral_constant<int, 2>());
  return f(std::integral_constant<int, MOST_QUERIES>());
}

vw_status vw_attention_short(vw_context *ctx, const vw_call *c) {
  const vw_attention_geometry g = vw_attention_geometry_of(c->in, c->attr);
  return vw_with_type("attention", &c->in[ATTN_QKV], [&](auto x) {
    using X = decltype(x);
    return with_queries(g.T, [&](auto q) {
      return vw_launch(ctx, "attention_short", attention_short_kernel<X, decltype(q)::value>, g.B * g.heads,
                       THREADS / LANES, THREADS, 0, vw_data<X>(&c->out[ATTN_Y]), vw_f32(&c->out[ATTN_LSE]),
                       vw_data<const X>(&c->in[ATTN_QKV]), vw_data<const X>(&c->in[ATTN_PREFIX]), g);
    });
  });
}

vw_status vw_attention_short_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *in = c->in;
  const vw_attention_geometry g = vw_attention_geometry_of(in + ATTNG_QKV, c->attr);
  return vw_with_type("attention_grad", &in[ATTNG_QKV], [&](auto x) {
    using X = decltype(x);
    return with_queries(g.T, [&](auto q) {
      return vw_launch(ctx, "attention_short_grad", attention_short_grad_kernel<X, decltype(q)::value>, g.B * g.heads,
                       THREADS / LANES, THREADS, 0, vw_data<X>(&c->out[0]), vw_data<const X>(&in[ATTNG_DY]),
                       vw_data<const X>(&in[ATTNG_QKV]), vw_data<const X>(&in[ATTNG_PREFIX]),
                       vw_data<const X>(&in[ATTNG_Y]), vw_f32(&in[ATTNG_LSE]), g);
    });
  });
}
