/* attention and its gradient behind a cached prefix; the score matrix is never written (contract: kernels/attention.h;
 * Dao et al. 2022, arXiv 2205.14135). For query t of a head, over the keys j that it sees:
 *
 *   s_j = q . k_j / sqrt(D);  lse = log sum exp s_j;  p_j = exp(s_j - lse);  y = sum p_j v_j
 *   dp_j = dy . v_j;  ds_j = p_j (dp_j - dy . y) / sqrt(D);  dq = sum ds_j k_j;  dk_j = sum ds_j q;  dv_j = sum p_j dy
 *
 * Four families: few own positions (attention_few.cu), tensor cores (attention_flash.cu: bf16, and fp32 that may
 * be rounded to TF32), heads of more than 128 channels forward (attention_wide.cu), and here whatever is left: pictures
 * and texts of more than 16 positions in fp32, wide heads that are causal, padded or behind a prefix, and their gradient. Where a network has asked for cuDNN it
 * takes the large shapes of bf16 (attention_library.cu).
 *
 * One warp a query (dk, dv: a key), 8 warps a block that share tiles of 32 keys (queries) in shared memory, padded by
 * one float so that lanes reading rows side by side hit different banks. A lane scores one key, then owns the channels
 * lane, lane + 32, ...; all sums in fp32 and in fixed order: repeatable bit for bit. Traffic: qkv is read once a block
 * of 8 queries and y, lse written once; 4 T^2 D operations a head forward, 14 T^2 D backward, on CUDA cores. */
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/attention_library.cuh"
#include "kernels/cuda/attention_wide.cuh"

#include <type_traits>

enum { WARPS = 8, TILE = 32, MAX_CHANNELS = 256, MAX_CHANNELS_FORWARD = 512 };

using bf16 = __nv_bfloat16;
using geometry = vw_attention_geometry;
template <typename X> using view = vw_attention_view<X>;

/* The block's place: heads of a row one behind the other, tiles of WARPS positions within a head. */
struct place {
  int64_t b, head, first;
};

__device__ static place place_of(const geometry &g) {
  const int64_t tiles = (g.T + WARPS - 1) / WARPS, at = blockIdx.x / tiles;
  return {at / g.heads, at % g.heads, blockIdx.x % tiles * WARPS};
}

template <typename X>
__device__ static view<X> view_of(const geometry &g, const place &at, const X *qkv, const X *prefix) {
  return vw_attention_view_of(g, at.b, at.head, qkv, prefix);
}

/* Rows of D channels into shared memory, D + 1 apart: row r from from(r), zeros where that is NULL. */
template <typename F> __device__ static void fill(float *to, int64_t rows, int64_t D, F from) {
  for (int64_t i = threadIdx.y * 32 + threadIdx.x; i < rows * D; i += WARPS * 32) {
    const auto *row = from(i / D);
    to[i / D * (D + 1) + i % D] = row ? vw_load(row, i % D) : 0.0f;
  }
}

__device__ static float dot(const float *a, const float *b, int64_t n) {
  float sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* Channels of this lane. */
template <typename T, int N> __device__ static void put(T *to, const float (&x)[N], float factor, int64_t D) {
  for (int n = 0; n < N; n++)
    if (threadIdx.x + 32 * n < D) vw_store(to, threadIdx.x + 32 * n, x[n] * factor);
}

/* sum += weight of every lane r < n times row r of shared memory. */
template <int N>
__device__ static void add_rows(float (&sum)[N], float weight, const float *rows, int64_t n, int64_t D) {
  for (int r = 0; r < n; r++) {
    const float w = __shfl_sync(0xffffffffu, weight, r);
    for (int i = 0; i < N; i++)
      if (threadIdx.x + 32 * i < D) sum[i] += w * rows[r * (D + 1) + threadIdx.x + 32 * i];
  }
}

/* ---- forward ---------------------------------------------------------------------------------------------------- */

/* Shared: the block's queries, then a tile of keys, one of values. */
template <typename X, int N>
__global__ static void __launch_bounds__(32 * WARPS)
    attention_kernel(X *__restrict__ y, float *__restrict__ lse, const X *__restrict__ qkv,
                     const X *__restrict__ prefix, geometry g) {
  float *query = vw_shared(), *keys = query + WARPS * (g.D + 1), *values = keys + TILE * (g.D + 1);
  const place at = place_of(g);
  const view<X> v = view_of(g, at, qkv, prefix);
  const int64_t t = at.first + threadIdx.y, last = vw_least(at.first + WARPS, v.length);
  const bool is_live = t < v.length;
  const int64_t J = is_live ? v.P + (g.causal ? t + 1 : v.length) : 0; /* keys of this warp, and of the block */
  const int64_t block_J = at.first < v.length ? v.P + (g.causal ? last : v.length) : 0;
  float most = -INFINITY, sum = 0, out[N] = {};
  fill(query, WARPS, g.D,
       [&](int64_t r) { return at.first + r < v.length ? v.qkv + (at.first + r) * 3 * g.C : nullptr; });

  for (int64_t base = 0; base < block_J; base += TILE) {
    const auto key = [&](int64_t r) { return base + r < block_J ? v.key(base + r) : nullptr; };
    const auto value = [&](int64_t r) { return base + r < block_J ? v.key(base + r) + g.C : nullptr; };
    __syncthreads();
    fill(keys, TILE, g.D, key), fill(values, TILE, g.D, value);
    __syncthreads();
    if (base >= J) continue; /* the whole warp */
    const bool sees = base + threadIdx.x < J;
    const float s =
        sees ? g.scale * dot(query + threadIdx.y * (g.D + 1), keys + threadIdx.x * (g.D + 1), g.D) : -INFINITY;
    const float now = fmaxf(most, vw_warp_max(s)), shrink = expf(most - now), p = sees ? expf(s - now) : 0.0f;
    sum = sum * shrink + vw_warp_sum(p);
    for (int i = 0; i < N; i++) out[i] *= shrink;
    add_rows(out, p, values, vw_least(J - base, TILE), g.D);
    most = now;
  }
  if (t >= g.T) return;
  put(y + (at.b * g.T + t) * g.C + at.head * g.D, out, is_live ? 1.0f / sum : 0.0f, g.D);
  if (threadIdx.x == 0) lse[(at.b * g.heads + at.head) * g.T + t] = is_live ? most + logf(sum) : 0.0f;
}

/* ---- gradient --------------------------------------------------------------------------------------------------- */

/* dq, and dy . y for the other kernel. Shared: queries and dy of the block, then a tile of keys, one of values. */
template <typename X, int N>
__global__ static void __launch_bounds__(32 * WARPS)
    attention_dq_kernel(X *__restrict__ dqkv, float *__restrict__ dyy, const X *__restrict__ dy,
                        const X *__restrict__ qkv, const X *__restrict__ prefix, const X *__restrict__ y,
                        const float *__restrict__ lse, geometry g) {
  float *query = vw_shared(), *slope = query + WARPS * (g.D + 1);
  float *keys = slope + WARPS * (g.D + 1), *values = keys + TILE * (g.D + 1);
  const place at = place_of(g);
  const view<X> v = view_of(g, at, qkv, prefix);
  const int64_t t = at.first + threadIdx.y, last = vw_least(at.first + WARPS, v.length);
  const int64_t J = t < v.length ? v.P + (g.causal ? t + 1 : v.length) : 0;
  const int64_t block_J = at.first < v.length ? v.P + (g.causal ? last : v.length) : 0;
  const int64_t stat = (at.b * g.heads + at.head) * g.T + t, here = (at.b * g.T + t) * g.C + at.head * g.D;
  float dq[N] = {}, along = 0;
  const X *first_dy = dy + (at.b * g.T + at.first) * g.C + at.head * g.D;
  fill(query, WARPS, g.D,
       [&](int64_t r) { return at.first + r < v.length ? v.qkv + (at.first + r) * 3 * g.C : nullptr; });
  fill(slope, WARPS, g.D, [&](int64_t r) { return at.first + r < v.length ? first_dy + r * g.C : nullptr; });
  if (J)
    for (int64_t i = threadIdx.x; i < g.D; i += 32) along += vw_load(dy, here + i) * vw_load(y, here + i);
  along = vw_warp_sum(along);

  for (int64_t base = 0; base < block_J; base += TILE) {
    const auto key = [&](int64_t r) { return base + r < block_J ? v.key(base + r) : nullptr; };
    const auto value = [&](int64_t r) { return base + r < block_J ? v.key(base + r) + g.C : nullptr; };
    __syncthreads();
    fill(keys, TILE, g.D, key), fill(values, TILE, g.D, value);
    __syncthreads();
    if (base >= J) continue;
    float ds = 0;
    if (base + threadIdx.x < J) {
      const float s = g.scale * dot(query + threadIdx.y * (g.D + 1), keys + threadIdx.x * (g.D + 1), g.D);
      const float dp = dot(slope + threadIdx.y * (g.D + 1), values + threadIdx.x * (g.D + 1), g.D);
      ds = g.scale * expf(s - lse[stat]) * (dp - along);
    }
    add_rows(dq, ds, keys, vw_least(J - base, TILE), g.D);
  }
  if (t >= g.T) return;
  put(dqkv + (at.b * g.T + t) * 3 * g.C + at.head * g.D, dq, 1.0f, g.D);
  if (threadIdx.x == 0) dyy[stat] = along;
}

/* dk and dv of own positions; the prefix gets none. Shared: keys and values of the block, then tiles of queries, dy. */
template <typename X, int N>
__global__ static void __launch_bounds__(32 * WARPS)
    attention_dkv_kernel(X *__restrict__ dqkv, const float *__restrict__ dyy, const X *__restrict__ dy,
                         const X *__restrict__ qkv, const float *__restrict__ lse, geometry g) {
  float *keys = vw_shared(), *values = keys + WARPS * (g.D + 1);
  float *query = values + WARPS * (g.D + 1), *slope = query + TILE * (g.D + 1);
  const place at = place_of(g);
  const view<X> v = view_of<X>(g, at, qkv, nullptr);
  const int64_t j = at.first + threadIdx.y, stat = (at.b * g.heads + at.head) * g.T;
  float dk[N] = {}, dv[N] = {};
  const X *own = v.qkv + at.first * 3 * g.C, *row_dy = dy + at.b * g.T * g.C + at.head * g.D;
  const int64_t own_rows = v.length - at.first;
  fill(keys, WARPS, g.D, [&](int64_t r) { return r < own_rows ? own + r * 3 * g.C + g.C : nullptr; });
  fill(values, WARPS, g.D, [&](int64_t r) { return r < own_rows ? own + r * 3 * g.C + 2 * g.C : nullptr; });

  /* queries before the block's first key do not see it when causal; a block of padding has none at all */
  for (int64_t base = g.causal ? at.first / TILE * TILE : 0; own_rows > 0 && base < v.length; base += TILE) {
    __syncthreads();
    fill(query, TILE, g.D, [&](int64_t r) { return base + r < v.length ? v.qkv + (base + r) * 3 * g.C : nullptr; });
    fill(slope, TILE, g.D, [&](int64_t r) { return base + r < v.length ? row_dy + (base + r) * g.C : nullptr; });
    __syncthreads();
    const int64_t t = base + threadIdx.x;
    float p = 0, ds = 0;
    if (t < v.length && j < v.length && (!g.causal || t >= j)) {
      p = expf(g.scale * dot(query + threadIdx.x * (g.D + 1), keys + threadIdx.y * (g.D + 1), g.D) - lse[stat + t]);
      const float dp = dot(slope + threadIdx.x * (g.D + 1), values + threadIdx.y * (g.D + 1), g.D);
      ds = g.scale * p * (dp - dyy[stat + t]);
    }
    const int64_t n = vw_least(v.length - base, TILE);
    add_rows(dk, ds, query, n, g.D), add_rows(dv, p, slope, n, g.D);
  }
  if (j >= g.T) return;
  X *out = dqkv + (at.b * g.T + j) * 3 * g.C + at.head * g.D;
  put(out + g.C, dk, 1.0f, g.D), put(out + 2 * g.C, dv, 1.0f, g.D);
}

/* ---- launches --------------------------------------------------------------------------------------------------- */

/* Blocks: B * heads * ceil(T / WARPS). */
static int64_t blocks_of(const geometry &g, const vw_tensor *qkv) {
  return qkv->dim[0] * g.heads * ((g.T + WARPS - 1) / WARPS);
}

static size_t shared_of(const geometry &g, int64_t rows) {
  return static_cast<size_t>(rows * (g.D + 1)) * sizeof(float);
}

static vw_status check_types(const char *op, const vw_tensor *qkv, const vw_tensor *prefix, const vw_tensor *other,
                             const vw_tensor *lse) {
  VW_CHECK((!vw_present(prefix) || prefix->dtype == qkv->dtype) && other->dtype == qkv->dtype, VW_ERR_UNSUPPORTED,
           "%s on cuda wants queries, prefix and outputs of one type: change the dtype policy", op);
  return vw_check_f32(op, "log-sum-exps", lse);
}

/* Calls f with the number of channels a lane owns. Autoencoders have a head of 512 channels and no gradient: 148 KiB of
 * shared memory forward, more than a block can have backward. */
template <int MOST, typename F> static vw_status with_channels(const char *op, int64_t D, F f) {
  if (D <= 32) return f(std::integral_constant<int, 1>());
  if (D <= 64) return f(std::integral_constant<int, 2>());
  if (D <= 96) return f(std::integral_constant<int, 3>());
  if (D <= 128) return f(std::integral_constant<int, 4>());
  if (D <= MAX_CHANNELS) return f(std::integral_constant<int, MAX_CHANNELS / 32>());
  if (D <= MOST) return f(std::integral_constant<int, MOST / 32>());
  return VW_RAISE(VW_ERR_UNSUPPORTED, "%s on cuda takes heads of at most %d channels, not %lld", op,
                  static_cast<int>(MOST), static_cast<long long>(D));
}

template <typename X, int N> static vw_status launch(vw_context *ctx, const vw_call *c) {
  const geometry g = vw_attention_geometry_of(c->in, c->attr);
  return vw_launch(ctx, "attention", attention_kernel<X, N>, blocks_of(g, &c->in[ATTN_QKV]), 1, dim3(32, WARPS),
                   shared_of(g, WARPS + 2 * TILE), vw_data<X>(&c->out[ATTN_Y]), vw_f32(&c->out[ATTN_LSE]),
                   vw_data<const X>(&c->in[ATTN_QKV]), vw_data<const X>(&c->in[ATTN_PREFIX]), g);
}

template <typename X, int N> static vw_status launch_grad(vw_context *ctx, const vw_call *c) {
  const geometry g = vw_attention_geometry_of(c->in + ATTNG_QKV, c->attr);
  const int64_t blocks = blocks_of(g, &c->in[ATTNG_QKV]);
  const size_t shared = shared_of(g, 2 * WARPS + 2 * TILE);
  const X *dy = vw_data<const X>(&c->in[ATTNG_DY]), *qkv = vw_data<const X>(&c->in[ATTNG_QKV]);
  const float *lse = vw_f32(&c->in[ATTNG_LSE]);
  float *dyy = static_cast<float *>(c->scratch);
  VW_TRY(vw_launch(ctx, "attention_dq", attention_dq_kernel<X, N>, blocks, 1, dim3(32, WARPS), shared,
                   vw_data<X>(&c->out[0]), dyy, dy, qkv, vw_data<const X>(&c->in[ATTNG_PREFIX]),
                   vw_data<const X>(&c->in[ATTNG_Y]), lse, g));
  return vw_launch(ctx, "attention_dkv", attention_dkv_kernel<X, N>, blocks, 1, dim3(32, WARPS), shared,
                   vw_data<X>(&c->out[0]), dyy, dy, qkv, lse, g);
}

/* ---- the op: which family takes a call --------------------------------------------------------------------------- */

/* A library for many positions that all see each other, where a network has asked for it (kernels/libraries.h).
 * in: from qkv on, as vw_attention_geometry_of wants it. False: never. */
static bool library_shape(const vw_tensor *in, const void *attr, bool forward, vw_attention_shape *s) {
  const geometry g = vw_attention_geometry_of(in, attr);
  *s = {g.B, g.heads, g.T, g.T, g.D, 3 * g.C, 3 * g.C, forward, false};
  return in[ATTN_QKV].dtype == VW_BF16 && !vw_present(&in[ATTN_PREFIX]) && !vw_present(&in[ATTN_LENGTH]) && !g.causal;
}

static vw_status library_scratch(vw_context *ctx, const vw_call *c, bool forward, vw_attention_shape *s,
                                 int64_t *bytes) {
  *bytes = -1;
  if (!library_shape(c->in + (forward ? 0 : static_cast<int>(ATTNG_QKV)), c->attr, forward, s)) return VW_OK;
  return vw_attention_library_scratch(ctx, s, bytes);
}

static vw_status bind_library(vw_context *ctx, vw_call *c, bool forward) {
  vw_attention_shape s;
  vw_attention_call *call = nullptr;
  int64_t bytes = 0;
  VW_TRY(library_scratch(ctx, c, forward, &s, &bytes));
  if (bytes < 0 || static_cast<size_t>(bytes) > c->scratch_bytes) return VW_OK;
  const int64_t C = s.heads * s.D;
  const vw_tensor *qkv = &c->in[forward ? static_cast<int>(ATTN_QKV) : static_cast<int>(ATTNG_QKV)];
  const vw_tensor *y = forward ? &c->out[ATTN_Y] : &c->in[ATTNG_Y],
                  *lse = forward ? &c->out[ATTN_LSE] : &c->in[ATTNG_LSE];
  const vw_tensor *dy = forward ? y : &c->in[ATTNG_DY], *dx = forward ? y : &c->out[0];
  for (const vw_tensor *t : {qkv, y, dy, dx})
    if (t->dtype != VW_BF16 || !vw_packs(static_cast<const char *>(t->data), C)) return VW_OK;
  const bf16 *q = vw_data<const bf16>(qkv);
  bf16 *to = vw_data<bf16>(dx);
  const vw_attention_data data = {q, q + C, q + 2 * C, dy->data, y->data, lse->data, to, to + C, to + 2 * C};
  VW_TRY(vw_attention_library_bind(ctx, &s, &data, c->scratch, &call));
  c->state = call;
  return VW_OK;
}

static void release_grad(vw_context *ctx, vw_call *c) {
  (void)ctx;
  vw_attention_library_unbind(static_cast<vw_attention_call *>(c->state));
  c->state = nullptr;
}

/* Heads that are wide are too wide for the library: a state is either's. */
static void release(vw_context *ctx, vw_call *c) {
  if (!vw_attention_is_wide(c->in, c->attr)) return release_grad(ctx, c);
  vw_attention_wide_unbind(ctx, static_cast<vw_attention_wide *>(c->state));
  c->state = nullptr;
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  vw_attention_shape s;
  int64_t bytes = 0;
  if (vw_attention_is_wide(c->in, c->attr)) {
    c->scratch_bytes = vw_attention_wide_scratch(vw_attention_geometry_of(c->in, c->attr), c->in[ATTN_QKV].dtype);
    return VW_OK;
  }
  VW_TRY(library_scratch(ctx, c, true, &s, &bytes));
  if (bytes > 0) c->scratch_bytes = static_cast<size_t>(bytes);
  return VW_OK;
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *qkv = &c->in[ATTN_QKV];
  const geometry g = vw_attention_geometry_of(c->in, c->attr);
  if (c->state && vw_attention_is_wide(c->in, c->attr))
    return vw_attention_wide_run(ctx, c, static_cast<const vw_attention_wide *>(c->state));
  if (c->state) return vw_attention_library_run(ctx, static_cast<const vw_attention_call *>(c->state));
  VW_TRY(check_types("attention", qkv, &c->in[ATTN_PREFIX], &c->out[ATTN_Y], &c->out[ATTN_LSE]));
  if (vw_attention_is_few(g.T, g.D)) return vw_attention_few(ctx, c);
  if (vw_attention_is_flash(ctx, g.D, qkv->dtype)) return vw_attention_flash(ctx, c);
  return vw_with_type("attention", qkv, [&](auto x) {
    return with_channels<MAX_CHANNELS_FORWARD>("attention", g.D,
                                               [&](auto n) { return launch<decltype(x), decltype(n)::value>(ctx, c); });
  });
}

/* dy . y of every query and head, where the gradient takes two kernels. */
static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  const geometry g = vw_attention_geometry_of(c->in + ATTNG_QKV, c->attr);
  vw_attention_shape s;
  int64_t bytes = 0;
  c->scratch_bytes = vw_attention_is_few(g.T, g.D) ? 0 : vw_bytes(&c->in[ATTNG_LSE]);
  VW_TRY(library_scratch(ctx, c, false, &s, &bytes));
  if (bytes > 0 && static_cast<size_t>(bytes) > c->scratch_bytes) c->scratch_bytes = static_cast<size_t>(bytes);
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *qkv = &c->in[ATTNG_QKV];
  const geometry g = vw_attention_geometry_of(c->in + ATTNG_QKV, c->attr);
  if (c->state) return vw_attention_library_run(ctx, static_cast<const vw_attention_call *>(c->state));
  VW_TRY(check_types("attention_grad", qkv, &c->in[ATTNG_PREFIX], &c->in[ATTNG_DY], &c->in[ATTNG_LSE]));
  VW_TRY(check_types("attention_grad", qkv, &c->in[ATTNG_Y], &c->out[0], &c->in[ATTNG_LSE]));
  if (vw_attention_is_few(g.T, g.D)) return vw_attention_few_grad(ctx, c);
  if (vw_attention_is_flash(ctx, g.D, qkv->dtype)) return vw_attention_flash_grad(ctx, c);
  return vw_with_type("attention_grad", qkv, [&](auto x) {
    return with_channels<MAX_CHANNELS>("attention_grad", g.D,
                                       [&](auto n) { return launch_grad<decltype(x), decltype(n)::value>(ctx, c); });
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
  const vw_library_kernel kernel =
      forward ? vw_library_kernel{static_cast<int>(ATTN_LENGTH) + 1, 2, bind_forward, run, release, false}
              : vw_library_kernel{static_cast<int>(ATTNG_LSE) + 1, 1, bind_gradient, run_grad, release, false};
  vw_attention_shape s;
  bool agrees = false;
  int64_t bytes = 0;
  VW_TRY(library_scratch(ctx, c, forward, &s, &bytes));
  if (bytes < 0) return VW_OK;
  VW_TRY(vw_attention_library_try(ctx, &s, c, &kernel, &agrees));
  return agrees ? bind_library(ctx, c, forward) : VW_OK;
}

static vw_status prepare(vw_context *ctx, vw_call *c) {
  if (!vw_attention_is_wide(c->in, c->attr)) return prepare_library(ctx, c, true);
  vw_attention_wide *wide = nullptr;
  VW_TRY(vw_attention_wide_bind(ctx, c, &wide));
  c->state = wide;
  return VW_OK;
}

static vw_status prepare_grad(vw_context *ctx, vw_call *c) {
  return prepare_library(ctx, c, false);
}

extern "C" const vw_kernel attention_cuda = {run, measure, prepare, release, 0};
extern "C" const vw_kernel attention_grad_cuda = {run_grad, measure_grad, prepare_grad, release_grad, 0};
