/* cross_attention and its gradient: which kernels take a call, and those on CUDA cores for whatever is left. A text has
 * few states (77): all scores of a query fit into shared memory, nothing is tiled over keys.
 *
 *   y, dq   a warp a (row, head, query): a lane makes the scores of keys lane, lane + 32, ..., then the sums over keys
 *           of channels lane, lane + 32, ...; keys and values come from L1 and L2
 *   dkv     a thread block a (word, head, key): its warps share out the queries of all rows that read the word, each
 *           adds in order, then the warps' sums are added in order: no atomics, the same bits in every run
 *
 * Sums in fp32. 4 T J C operations a row forward, 6 for dq, 10 for dkv: at the rate of fp32.
 *
 * In bf16 up to 96 keys go to tensor cores (cross_attention_keys.cu), or to a library that was faster where algorithms
 * are timed; more keys to a library where a network has asked for one. */
#include "kernels/cuda/cross_attention.cuh"

#include "kernels/cuda/attention_library.cuh"

#include "core/align.h"
#include "kernels/cuda/vector.cuh"

#include <cstdlib>

enum { WARPS = 8, MOST_KEYS = 1536, MOST_D = 512, EACH = MOST_D / 32 };

using heads_shape = vw_cross_geometry;

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

static vw_status check_size(const heads_shape &s) {
  VW_CHECK(s.J <= MOST_KEYS && s.D <= MOST_D, VW_ERR_UNSUPPORTED,
           "cross_attention on cuda: %lld keys and heads of %d channels, at most %d and %d",
           static_cast<long long>(s.J), s.D, MOST_KEYS, MOST_D);
  return VW_OK;
}

static size_t scores(const heads_shape &s) {
  return static_cast<size_t>(WARPS * s.J) * sizeof(float);
}

/* ---- by a library ------------------------------------------------------------------------------------------------ */

/* A library wants every row's keys and values beside each other: they are copied for it, some per mille of what it
 * reads, and its dkv of every row are added up. Scratch: kv of the rows, backward their dkv, dq where nobody wants it,
 * then the library's. */
enum { THREADS = 256 };

using bf16 = __nv_bfloat16;

__global__ static void __launch_bounds__(THREADS)
    spread_kv_kernel(bf16 *__restrict__ to, const bf16 *__restrict__ kv, const int32_t *__restrict__ row_kv,
                     int64_t each, int64_t n) {
  const int64_t i = vw_thread() * VW_PACK;
  if (i >= n) return;
  float x[VW_PACK];
  vw_load_pack(kv + row_kv[i / each] * each + i % each, x);
  vw_store_pack(to + i, x);
}

/* A pack of dkv [K, each]: the sum over the B rows that read it, in their order. */
__global__ static void __launch_bounds__(THREADS)
    gather_dkv_kernel(bf16 *__restrict__ dkv, const bf16 *__restrict__ rows, const int32_t *__restrict__ row_kv,
                      int64_t B, int64_t each, int64_t n) {
  const int64_t i = vw_thread() * VW_PACK;
  if (i >= n) return;
  float sum[VW_PACK] = {}, x[VW_PACK];
  for (int64_t b = 0; b < B; b++) {
    if (row_kv[b] != i / each) continue;
    vw_load_pack(rows + b * each + i % each, x);
    for (int j = 0; j < VW_PACK; j++) sum[j] += x[j];
  }
  vw_store_pack(dkv + i, sum);
}

/* Parts of the scratch, in bytes. */
struct room {
  size_t kv, dkv, dq, all;
};

static size_t on_line(size_t bytes) {
  return (bytes + VW_ALIGN - 1) / VW_ALIGN * VW_ALIGN;
}

/* False: not for a library. */
static bool library_shape(const vw_call *c, bool forward, vw_attention_shape *s, room *r) {
  const vw_cross_attention_attr *a = static_cast<const vw_cross_attention_attr *>(c->attr);
  const vw_tensor *q = &c->in[forward ? static_cast<int>(XATTN_Q) : static_cast<int>(XATTNG_Q)];
  const vw_tensor *kv = &c->in[forward ? static_cast<int>(XATTN_KV) : static_cast<int>(XATTNG_KV)];
  const int64_t C = vw_last_dim(q), B = q->dim[0], J = kv->dim[1];
  if (q->dtype != VW_BF16 || kv->dtype != VW_BF16 || !B || (!forward && (!a->dkv || c->in[XATTNG_DY].dtype != VW_BF16)))
    return false;
  const vw_tensor *y = forward ? &c->out[XATTN_Y] : &c->in[XATTNG_DY];
  const bool has_rival = vw_cross_attention_is_keys(vw_cross_geometry_of(q, kv, c->attr), q, kv, y);
  *s = {B, a->heads, vw_rows(q) / B, J, C / a->heads, C, 2 * C, forward, has_rival};
  r->kv = on_line(static_cast<size_t>(B * J * 2 * C) * sizeof(bf16));
  r->dkv = forward ? 0 : r->kv;
  r->dq = forward || a->dq ? 0 : on_line(vw_bytes(q));
  r->all = r->kv + r->dkv + r->dq;
  return true;
}

/* Whether the library takes it, and all scratch. */
static vw_status library_takes(vw_context *ctx, const vw_call *c, bool forward, vw_attention_shape *s, room *r,
                               bool *takes) {
  int64_t bytes = -1;
  if (library_shape(c, forward, s, r)) VW_TRY(vw_attention_library_scratch(ctx, s, &bytes));
  *takes = bytes >= 0;
  if (*takes) r->all += static_cast<size_t>(bytes);
  return VW_OK;
}

static vw_status measure_library(vw_context *ctx, vw_call *c, bool forward) {
  vw_attention_shape s;
  room r;
  bool takes = false;
  VW_TRY(library_takes(ctx, c, forward, &s, &r, &takes));
  if (takes) c->scratch_bytes = r.all;
  return VW_OK;
}

static vw_status bind_library(vw_context *ctx, vw_call *c, bool forward) {
  vw_attention_shape s;
  vw_attention_call *call = nullptr;
  room r;
  bool takes = false;
  VW_TRY(library_takes(ctx, c, forward, &s, &r, &takes));
  if (!takes || r.all > c->scratch_bytes) return VW_OK;
  const int64_t C = s.heads * s.D;
  const vw_tensor *y = forward ? &c->out[XATTN_Y] : &c->in[XATTNG_Y];
  const vw_tensor *lse = forward ? &c->out[XATTN_LSE] : &c->in[XATTNG_LSE];
  const vw_tensor *q = forward ? &c->in[XATTN_Q] : &c->in[XATTNG_Q], *dy = forward ? y : &c->in[XATTNG_DY];
  for (const vw_tensor *t : {q, y, dy})
    if (t->dtype != VW_BF16 || !vw_packs(static_cast<const char *>(t->data), C)) return VW_OK;
  char *at = static_cast<char *>(c->scratch);
  const bf16 *kv = reinterpret_cast<bf16 *>(at);
  bf16 *dkv = forward ? nullptr : reinterpret_cast<bf16 *>(at + r.kv);
  void *dq = forward ? nullptr : r.dq ? at + r.kv + r.dkv : c->out[XATTNG_DQ].data;
  const vw_attention_data data = {q->data, kv, kv + C, dy->data, y->data, lse->data, dq, dkv, dkv ? dkv + C : nullptr};
  VW_TRY(vw_attention_library_bind(ctx, &s, &data, at + r.kv + r.dkv + r.dq, &call));
  c->state = call;
  return VW_OK;
}

static vw_status run_library(vw_context *ctx, const vw_call *c, bool forward) {
  vw_attention_shape s;
  room r;
  (void)library_shape(c, forward, &s, &r);
  const int64_t each = s.J * 2 * s.heads * s.D;
  const vw_tensor *kv = forward ? &c->in[XATTN_KV] : &c->in[XATTNG_KV];
  const int32_t *row_kv = vw_i32(forward ? &c->in[XATTN_ROW_KV] : &c->in[XATTNG_ROW_KV]);
  bf16 *rows = static_cast<bf16 *>(c->scratch);
  VW_TRY(vw_launch(ctx, "spread_kv", spread_kv_kernel, s.B * each, THREADS * VW_PACK, THREADS, 0, rows,
                   vw_data<const bf16>(kv), row_kv, each, s.B * each));
  VW_TRY(vw_attention_library_run(ctx, static_cast<const vw_attention_call *>(c->state)));
  if (forward) return VW_OK;
  const vw_tensor *dkv = &c->out[XATTNG_DKV];
  return vw_launch(ctx, "gather_dkv", gather_dkv_kernel, vw_count(dkv), THREADS * VW_PACK, THREADS, 0,
                   vw_data<bf16>(dkv), reinterpret_cast<const bf16 *>(static_cast<char *>(c->scratch) + r.kv), row_kv,
                   s.B, each, vw_count(dkv));
}

static void release(vw_context *ctx, vw_call *c) {
  (void)ctx;
  vw_attention_library_unbind(static_cast<vw_attention_call *>(c->state));
  c->state = nullptr;
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  return measure_library(ctx, c, true);
}

static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  const vw_tensor *q = &c->in[XATTNG_Q], *kv = &c->in[XATTNG_KV];
  const heads_shape s = vw_cross_geometry_of(q, kv, c->attr);
  VW_TRY(measure_library(ctx, c, false));
  if (!vw_cross_attention_is_keys(s, q, kv, &c->in[XATTNG_DY])) return VW_OK;
  const size_t own = vw_cross_attention_keys_scratch(s, c->attr);
  if (own > c->scratch_bytes) c->scratch_bytes = own;
  return VW_OK;
}

/* ---- the op ------------------------------------------------------------------------------------------------------ */

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *q = &c->in[XATTN_Q], *kv = &c->in[XATTN_KV];
  const heads_shape s = vw_cross_geometry_of(q, kv, c->attr);
  if (c->state) return run_library(ctx, c, true);
  if (vw_cross_attention_is_keys(s, q, kv, &c->out[XATTN_Y])) return vw_cross_attention_keys(ctx, c);
  VW_TRY(check_size(s));
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
  const heads_shape s = vw_cross_geometry_of(q, kv, c->attr);
  if (c->state) return run_library(ctx, c, false);
  VW_CHECK(dy->dtype == c->in[XATTNG_Y].dtype, VW_ERR_UNSUPPORTED,
           "cross_attention_grad on cuda wants dy and y of one type: change the dtype policy");
  if (vw_cross_attention_is_keys(s, q, kv, dy)) return vw_cross_attention_keys_grad(ctx, c);
  VW_TRY(check_size(s));
  return vw_with_type("cross_attention_grad", dy, [&](auto g) {
    return vw_with_type("cross_attention_grad", q, [&](auto t) {
      return vw_with_type("cross_attention_grad", kv,
                          [&](auto k) { return launch_grad<decltype(g), decltype(t), decltype(k)>(ctx, c, s); });
    });
  });
}

static vw_status bind_forward(vw_context *ctx, vw_call *c) {
  return bind_library(ctx, c, true);
}

static vw_status bind_gradient(vw_context *ctx, vw_call *c) {
  return bind_library(ctx, c, false);
}

/* A call that the library takes, and computes as the own kernel does. */
static vw_status prepare_library(vw_context *ctx, vw_call *c, bool forward) {
  vw_attention_shape s = {};
  bool agrees = false;
  room r;
  bool takes = false;
  VW_TRY(library_takes(ctx, c, forward, &s, &r, &takes));
  if (!takes) return VW_OK;
  const vw_library_kernel kernel =
      forward ? vw_library_kernel{static_cast<int>(XATTN_ROW_KV) + 1, 2, bind_forward, run, release, s.has_rival}
              : vw_library_kernel{static_cast<int>(XATTNG_LSE) + 1, 2, bind_gradient, run_grad, release, s.has_rival};
  VW_TRY(vw_attention_library_try(ctx, &s, c, &kernel, &agrees));
  return agrees ? bind_library(ctx, c, forward) : VW_OK;
}

static vw_status prepare(vw_context *ctx, vw_call *c) {
  return prepare_library(ctx, c, true);
}

static vw_status prepare_grad(vw_context *ctx, vw_call *c) {
  return prepare_library(ctx, c, false);
}

extern "C" const vw_kernel cross_attention_cuda = {run, measure, prepare, release, 0};
extern "C" const vw_kernel cross_attention_grad_cuda = {run_grad, measure_grad, prepare_grad, release, 0};
