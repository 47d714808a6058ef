/* cross_attention and its gradient on CUDA cores. A text has few states (77): all scores of a query fit into shared
 * memory, nothing is tiled over keys.
 *
 *   y, dq   a warp a (row, head, query): a lane makes the scores of keys lane, lane + 32, ..., then the sums over keys
 *           of channels lane, lane + 32, ...; keys and values come from L1 and L2
 *   dkv     a thread block a (word, head, key): its warps share out the queries of all rows that read the word, each
 *           adds in order, then the warps' sums are added in order: no atomics, the same bits in every run
 *
 * Sums in fp32. 4 T J C operations a row forward, 6 for dq, 10 for dkv: at the rate of fp32. */
#include "kernels/cross_attention.h"

#include "kernels/cuda/device.cuh"

enum { WARPS = 8, MOST_KEYS = 1536, MOST_D = 512, EACH = MOST_D / 32 };

struct heads_shape {
  int64_t B, T, C, J;
  int D, heads;
  float scale;
};

/* Where a warp's query stands. */
struct query {
  int64_t b, h, t, at; /* at: its first channel in q, y, dy, dq */
};

__device__ static query query_of(const heads_shape &s, int64_t i) {
  const int64_t t = i % s.T, h = i / s.T % s.heads, b = i / (s.T * s.heads);
  return {b, h, t, (b * s.T + t) * s.C + h * s.D};
}

/* a . b of D neighbours, by one lane. */
template <typename A, typename B> __device__ static float dot(const A *a, const B *b, int D) {
  float sum = 0;
  for (int d = 0; d < D; d++) sum += vw_load(a, d) * vw_load(b, d);
  return sum;
}

/* The same by all lanes. */
template <typename A, typename B> __device__ static float warp_dot(const A *a, const B *b, int D) {
  float sum = 0;
  for (int d = static_cast<int>(threadIdx.x); d < D; d += 32) sum += vw_load(a, d) * vw_load(b, d);
  return vw_warp_sum(sum);
}

/* Shared: J numbers a warp. */
template <typename Y, typename Q, typename K>
__global__ static void __launch_bounds__(32 * WARPS)
    cross_attention_kernel(Y *__restrict__ y, float *__restrict__ lse, const Q *__restrict__ q,
                           const K *__restrict__ kv, const int32_t *__restrict__ row_kv, heads_shape s) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.y;
  if (i >= s.B * s.heads * s.T) return; /* whole warps leave together */
  float *p = vw_shared() + threadIdx.y * s.J;
  const query at = query_of(s, i);
  const K *keys = kv + row_kv[at.b] * s.J * 2 * s.C + at.h * s.D;
  float most = -INFINITY, sum = 0;
  for (int64_t j = threadIdx.x; j < s.J; j += 32) {
    p[j] = s.scale * dot(q + at.at, keys + j * 2 * s.C, s.D);
    most = fmaxf(most, p[j]);
  }
  most = vw_warp_max(most);
  for (int64_t j = threadIdx.x; j < s.J; j += 32) sum += p[j] = expf(p[j] - most);
  sum = vw_warp_sum(sum);
  __syncwarp();
  for (int d = static_cast<int>(threadIdx.x); d < s.D; d += 32) {
    float out = 0;
    for (int64_t j = 0; j < s.J; j++) out += p[j] * vw_load(keys, j * 2 * s.C + s.C + d);
    vw_store(y, at.at + d, out / sum);
  }
  if (threadIdx.x == 0) lse[i] = most + logf(sum);
}

template <typename G, typename Q, typename K> struct grad_inputs {
  const G *dy, *y; /* of one type */
  const Q *q;
  const K *kv;
  const int32_t *row_kv;
  const float *lse;
  heads_shape s;
};

template <typename G, typename Q, typename K>
__global__ static void __launch_bounds__(32 * WARPS)
    cross_attention_dq_kernel(Q *__restrict__ dq, grad_inputs<G, Q, K> in) {
  const heads_shape &s = in.s;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.y;
  if (i >= s.B * s.heads * s.T) return; /* whole warps leave together */
  float *ds = vw_shared() + threadIdx.y * s.J;
  const query at = query_of(s, i);
  const K *keys = in.kv + in.row_kv[at.b] * s.J * 2 * s.C + at.h * s.D;
  const float delta = warp_dot(in.dy + at.at, in.y + at.at, s.D), lse = in.lse[i];
  for (int64_t j = threadIdx.x; j < s.J; j += 32) {
    const K *key = keys + j * 2 * s.C;
    const float p = expf(s.scale * dot(in.q + at.at, key, s.D) - lse);
    ds[j] = s.scale * p * (dot(in.dy + at.at, key + s.C, s.D) - delta);
  }
  __syncwarp();
  for (int d = static_cast<int>(threadIdx.x); d < s.D; d += 32) {
    float out = 0;
    for (int64_t j = 0; j < s.J; j++) out += ds[j] * vw_load(keys, j * 2 * s.C + d);
    vw_store(dq, at.at + d, out);
  }
}

/* Shared: dk and dv of every warp, 2 D numbers. */
template <typename G, typename Q, typename K>
__global__ static void __launch_bounds__(32 * WARPS)
    cross_attention_dkv_kernel(K *__restrict__ dkv, grad_inputs<G, Q, K> in) {
  const heads_shape &s = in.s;
  const int64_t j = blockIdx.x % s.J, h = blockIdx.x / s.J % s.heads, k = blockIdx.x / (s.J * s.heads);
  const int64_t key_at = (k * s.J + j) * 2 * s.C + h * s.D;
  const K *key = in.kv + key_at;
  float dk[EACH] = {}, dv[EACH] = {};
  for (int64_t b = 0; b < s.B; b++) {
    if (in.row_kv[b] != k) continue;
    for (int64_t t = threadIdx.y; t < s.T; t += WARPS) {
      const int64_t at = (b * s.T + t) * s.C + h * s.D;
      const float p = expf(s.scale * warp_dot(in.q + at, key, s.D) - in.lse[(b * s.heads + h) * s.T + t]);
      const float delta = warp_dot(in.dy + at, in.y + at, s.D);
      const float ds = s.scale * p * (warp_dot(in.dy + at, key + s.C, s.D) - delta);
      for (int e = 0; e < EACH; e++) {
        const int d = static_cast<int>(threadIdx.x) + 32 * e;
        if (d >= s.D) break;
        dk[e] += ds * vw_load(in.q, at + d), dv[e] += p * vw_load(in.dy, at + d);
      }
    }
  }
  float *sums = vw_shared() + threadIdx.y * 2 * s.D;
  for (int e = 0; e < EACH; e++) {
    const int d = static_cast<int>(threadIdx.x) + 32 * e;
    if (d < s.D) sums[d] = dk[e], sums[s.D + d] = dv[e];
  }
  __syncthreads();
  for (int d = static_cast<int>(threadIdx.y * 32 + threadIdx.x); d < 2 * s.D; d += 32 * WARPS) {
    float sum = 0;
    for (int w = 0; w < WARPS; w++) sum += vw_shared()[w * 2 * s.D + d];
    vw_store(dkv, key_at + (d < s.D ? d : s.C + d - s.D), sum);
  }
}

static vw_status shape_of(const vw_tensor *q, const vw_tensor *kv, int64_t heads, heads_shape *s) {
  const int64_t C = vw_last_dim(q), D = C / heads;
  VW_CHECK(kv->dim[1] <= MOST_KEYS && D <= MOST_D, VW_ERR_UNSUPPORTED,
           "cross_attention on cuda: %lld keys and heads of %lld channels, at most %d and %d",
           static_cast<long long>(kv->dim[1]), static_cast<long long>(D), MOST_KEYS, MOST_D);
  *s = {q->dim[0],
        q->dim[0] ? vw_rows(q) / q->dim[0] : 0,
        C,
        kv->dim[1],
        static_cast<int>(D),
        static_cast<int>(heads),
        1.0f / sqrtf(static_cast<float>(D))};
  return VW_OK;
}

static size_t scores(const heads_shape &s) {
  return static_cast<size_t>(WARPS * s.J) * sizeof(float);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *q = &c->in[XATTN_Q], *kv = &c->in[XATTN_KV];
  heads_shape s;
  VW_TRY(shape_of(q, kv, static_cast<const vw_cross_attention_attr *>(c->attr)->heads, &s));
  VW_TRY(vw_check_f32("cross_attention", "log-sum-exps", &c->out[XATTN_LSE]));
  return vw_with_type("cross_attention", &c->out[XATTN_Y], [&](auto y) {
    return vw_with_type("cross_attention", q, [&](auto t) {
      return vw_with_type("cross_attention", kv, [&](auto k) {
        return vw_launch(ctx, "cross_attention", cross_attention_kernel<decltype(y), decltype(t), decltype(k)>,
                         s.B * s.heads * s.T, WARPS, dim3(32, WARPS), scores(s), vw_data<decltype(y)>(&c->out[XATTN_Y]),
                         vw_f32(&c->out[XATTN_LSE]), vw_data<const decltype(t)>(q), vw_data<const decltype(k)>(kv),
                         static_cast<const int32_t *>(vw_i32(&c->in[XATTN_ROW_KV])), s);
      });
    });
  });
}

template <typename G, typename Q, typename K>
static vw_status launch_grad(vw_context *ctx, const vw_call *c, const heads_shape &s) {
  const vw_cross_attention_attr *a = static_cast<const vw_cross_attention_attr *>(c->attr);
  const grad_inputs<G, Q, K> in = {vw_data<const G>(&c->in[XATTNG_DY]),
                                   vw_data<const G>(&c->in[XATTNG_Y]),
                                   vw_data<const Q>(&c->in[XATTNG_Q]),
                                   vw_data<const K>(&c->in[XATTNG_KV]),
                                   vw_i32(&c->in[XATTNG_ROW_KV]),
                                   vw_f32(&c->in[XATTNG_LSE]),
                                   s};
  if (a->dq)
    VW_TRY(vw_launch(ctx, "cross_attention_dq", cross_attention_dq_kernel<G, Q, K>, s.B * s.heads * s.T, WARPS,
                     dim3(32, WARPS), scores(s), vw_data<Q>(&c->out[XATTNG_DQ]), in));
  if (!a->dkv) return VW_OK;
  return vw_launch(ctx, "cross_attention_dkv", cross_attention_dkv_kernel<G, Q, K>,
                   c->in[XATTNG_KV].dim[0] * s.heads * s.J, 1, dim3(32, WARPS),
                   static_cast<size_t>(WARPS * 2 * s.D) * sizeof(float), vw_data<K>(&c->out[XATTNG_DKV]), in);
}

/* dq has the type of q, dkv that of kv. */
static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *dy = &c->in[XATTNG_DY], *q = &c->in[XATTNG_Q], *kv = &c->in[XATTNG_KV];
  heads_shape s;
  VW_TRY(shape_of(q, kv, static_cast<const vw_cross_attention_attr *>(c->attr)->heads, &s));
  VW_CHECK(dy->dtype == c->in[XATTNG_Y].dtype, VW_ERR_UNSUPPORTED,
           "cross_attention_grad on cuda wants dy and y of one type: change the dtype policy");
  return vw_with_type("cross_attention_grad", dy, [&](auto g) {
    return vw_with_type("cross_attention_grad", q, [&](auto t) {
      return vw_with_type("cross_attention_grad", kv,
                          [&](auto k) { return launch_grad<decltype(g), decltype(t), decltype(k)>(ctx, c, s); });
    });
  });
}

extern "C" const vw_kernel cross_attention_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel cross_attention_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
