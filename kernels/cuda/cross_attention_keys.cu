/* cross_attention and its gradient in bf16 on tensor cores, where a row reads few keys: a text's 77. All keys and values
 * of a head lie in shared memory while a block passes over a chunk of queries, so the softmax is taken at once and
 * nothing is rescaled. For query t of a head, over its J keys (mathematics as in attention.cu):
 *
 *   y, dq    a block a (row, head, 256 queries), 4 warps; a warp takes strips of 16 queries and brings its next one
 *            while it computes, without waiting for the others. Keys come in parts of 16, up to J
 *   dk, dv   a block a (row, head, 512 queries), a warp for each 16 keys, which share tiles of queries and dy; what they
 *            sum over the chunk goes to scratch in fp32
 *   dkv      the sum over the chunks of all rows that read the text, in their order
 *
 * No atomics, and chunks do not depend on the number of rows: repeatable bit for bit, a row the same among others. p and
 * ds are rounded to bf16 for their products, sums are fp32. Traffic: q, y once forward; dq reads q, dy, y and writes dq,
 * dkv reads q, dy and moves 2 J D floats a chunk twice. 4 T J D operations a head forward, 6 and 8 back (q k and dy v are
 * made twice), J rounded up to 16: at 77 keys half of the time that the memory takes. */
#include "kernels/cuda/cross_attention.cuh"

#include "core/align.h"
#include "kernels/cuda/attention_tile.cuh"

#include <type_traits>

enum { WARPS = 4, THREADS = 32 * WARPS, STRIP = 16, STRIDE_OF_WARPS = WARPS * STRIP, CHUNK = 256, DKV_CHUNK = 512 };
enum { PART = 16, MOST_KEYS = 96, PARTS = MOST_KEYS / PART, MOST_CHANNELS = 160, SUM_THREADS = 256 };

using bf16 = __nv_bfloat16;
using geometry = vw_cross_geometry;

template <int W> struct sizes {
  static constexpr int STRIDE = vw_tile<bf16, W>::STRIDE;
  static constexpr int QUERIES = W <= 64 ? 64 : W <= 80 ? 32 : 16; /* of a tile, for dk and dv */
};

bool vw_cross_attention_is_keys(const geometry &s, const vw_tensor *q, const vw_tensor *kv, const vw_tensor *y) {
  return s.J <= MOST_KEYS && s.D <= MOST_CHANNELS && q->dtype == VW_BF16 && kv->dtype == VW_BF16 && y->dtype == VW_BF16;
}

__host__ __device__ static int64_t chunks_of(int64_t T, int chunk) {
  return (T + chunk - 1) / chunk;
}

/* Keys in parts of 16. */
__host__ __device__ static int parts_of(const geometry &s) {
  return static_cast<int>((s.J + PART - 1) / PART);
}

/* The block's place: rows, of them heads, of them chunks of queries. */
struct place {
  int64_t b, head, chunk;
  int queries;  /* of the chunk */
  int64_t at;   /* the head's first channel of the chunk's first query in q, y, dy, dq */
  int64_t stat; /* the same in lse */
};

__device__ static place place_of(const geometry &s, int chunk) {
  const int64_t chunks = chunks_of(s.T, chunk), i = blockIdx.x / chunks, first = blockIdx.x % chunks * chunk;
  const int64_t b = i / s.heads, head = i % s.heads, left = s.T - first;
  return {b,
          head,
          blockIdx.x % chunks,
          left < chunk ? static_cast<int>(left) : chunk,
          (b * s.T + first) * s.C + head * s.D,
          i * s.T + first};
}

/* From a chunk's first query to another one. */
__device__ static int row_at(const geometry &s, int row) {
  return row * static_cast<int>(s.C);
}

/* All keys and values of a head to shared memory, zeros from key J on; kv: the text's, at the head. */
template <int W> __device__ static void bring_keys(bf16 *keys, bf16 *values, const geometry &s, const bf16 *kv) {
  const int rows = parts_of(s) * PART, thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  for (int which = 0; which < 2; which++)
    vw_copy_rows(which ? values : keys, rows, W, sizes<W>::STRIDE, s.D, s.packs, thread, threads,
                 [&](int r) { return r < s.J ? kv + (2 * r + which) * s.C : nullptr; });
}

/* Rows t .. t + 15 to shared memory by the warp, zeros from `end` on; from: the head's, C apart. */
template <int W> __device__ static void bring_strip(bf16 *to, const geometry &s, const bf16 *from, int t, int end) {
  vw_copy_rows(to, STRIP, W, sizes<W>::STRIDE, s.D, s.packs, vw_lane(), 32,
               [&](int r) { return t + r < end ? from + row_at(s, t + r) : nullptr; });
}

/* A strip as the factor of products over its channels. */
template <int W> struct strip_factor {
  uint32_t a[W / 16][4];
  __device__ explicit strip_factor(const bf16 *strip) {
#pragma unroll
    for (int k = 0; k < W / 16; k++) vw_tile_fragment<W>(a[k], strip, 16 * k);
  }
  __device__ void operator()(int, int k, uint32_t (&to)[4]) const {
    for (int i = 0; i < 4; i++) to[i] = a[k / 16][i];
  }
};

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* Scores of a strip, in units of log2, become probabilities relative to their maximum; keys from J on get none. */
__device__ static void soften(float (&p)[PARTS][1][2][4], float (&most)[2], float (&sum)[2], const geometry &s) {
  const int parts = parts_of(s), J = static_cast<int>(s.J);
  most[0] = most[1] = -INFINITY, sum[0] = sum[1] = 0;
#pragma unroll
  for (int i = 0; i < PARTS; i++)
    if (i < parts)
      for (int n = 0; n < 2; n++)
        for (int e = 0; e < 4; e++) {
          float &x = p[i][0][n][e];
          x = i * PART + vw_tile_column(n, e) < J ? x * (s.scale * VW_LOG2E) : -INFINITY;
          most[e / 2] = fmaxf(most[e / 2], x);
        }
  for (int half = 0; half < 2; half++) most[half] = vw_quad_max(most[half]);
#pragma unroll
  for (int i = 0; i < PARTS; i++)
    if (i < parts)
      for (int n = 0; n < 2; n++)
        for (int e = 0; e < 4; e++) {
          float &x = p[i][0][n][e];
          x = exp2f(x - most[e / 2]), sum[e / 2] += x;
        }
  for (int half = 0; half < 2; half++) sum[half] = vw_quad_sum(sum[half]);
}

/* A strip that begins at query t; y and lse are the head's. */
template <int W>
__device__ static void attend(bf16 *y, float *lse, const bf16 *strip, const bf16 *keys, const bf16 *values,
                              const geometry &s, int t, int end) {
  constexpr int STRIDE = sizes<W>::STRIDE;
  const int parts = parts_of(s);
  const strip_factor<W> q(strip);
  float p[PARTS][1][2][4] = {}, out[1][W / 8][4] = {}, most[2], sum[2], factor[2];
#pragma unroll
  for (int i = 0; i < PARTS; i++)
    if (i < parts) vw_tile_multiply_turned<bf16, W>(p[i], q, keys + i * PART * STRIDE);
  soften(p, most, sum, s);
#pragma unroll
  for (int i = 0; i < PARTS; i++)
    if (i < parts) vw_tile_multiply<bf16, W>(out, p[i], values + i * PART * STRIDE);
  for (int half = 0; half < 2; half++) {
    const int row = t + vw_tile_row(2 * half);
    factor[half] = 1.0f / sum[half];
    if (vw_lane() % 4 == 0 && row < end) lse[row] = most[half] / VW_LOG2E + logf(sum[half]);
  }
  vw_tile_put<bf16, W>(out[0], factor, s.D, s.packs,
                       [&](int r) { return t + r < end ? y + row_at(s, t + r) : nullptr; });
}

/* Shared: the head's keys, its values, then two strips a warp. */
template <int W>
__global__ static void __launch_bounds__(THREADS)
    cross_attention_keys_kernel(bf16 *__restrict__ y, float *__restrict__ lse, const bf16 *__restrict__ q,
                                const bf16 *__restrict__ kv, const int32_t *__restrict__ row_kv, geometry s) {
  constexpr int STRIDE = sizes<W>::STRIDE;
  const int all = parts_of(s) * PART * STRIDE, warp = static_cast<int>(threadIdx.x) / 32;
  bf16 *keys = reinterpret_cast<bf16 *>(vw_shared()), *values = keys + all, *next = values + all;
  bf16 *strip = next + warp * 2 * STRIP * STRIDE;
  const place at = place_of(s, CHUNK);
  int t = warp * STRIP;
  next = strip + STRIP * STRIDE;
  bring_keys<W>(keys, values, s, kv + row_kv[at.b] * s.J * 2 * s.C + at.head * s.D);
  bring_strip<W>(strip, s, q + at.at, t, at.queries);
  vw_copy_commit();
  vw_copy_wait<0>();
  __syncthreads();
  for (; t < at.queries; t += STRIDE_OF_WARPS) {
    bring_strip<W>(next, s, q + at.at, t + STRIDE_OF_WARPS, at.queries);
    vw_copy_commit();
    attend<W>(y + at.at, lse + at.stat, strip, keys, values, s, t, at.queries);
    vw_copy_wait<0>();
    __syncwarp(); /* the next strip is there, and this one free */
    bf16 *free = strip;
    strip = next, next = free;
  }
}

/* ---- gradient ---------------------------------------------------------------------------------------------------- */

/* Of the gradient; delta: dy . y of every query and head. */
struct inputs {
  const bf16 *dy, *q, *kv, *y;
  const int32_t *row_kv;
  const float *lse;
  geometry s;
};

/* dy . y of the lane's rows of a strip that begins at query t; slope: the strip's dy, y: the head's. */
template <int W>
__device__ static void project(float (&sum)[2], const bf16 *slope, const bf16 *y, const geometry &s, int t, int end) {
  for (int half = 0; half < 2; half++) {
    const int r = vw_tile_row(2 * half);
    sum[half] = 0;
    if (t + r < end)
      for (int c = vw_lane() % 4 * VW_PACK; c < s.D; c += 4 * VW_PACK) {
        float a[VW_PACK], b[VW_PACK];
        vw_load_upto(y + row_at(s, t + r), c, s.packs ? s.D : 0, s.D, a);
        vw_load_pack(slope + r * sizes<W>::STRIDE + c, b);
        for (int i = 0; i < VW_PACK; i++) sum[half] += a[i] * b[i];
      }
    sum[half] = vw_quad_sum(sum[half]);
  }
}

/* dq of a strip that begins at query t; to: the head's, lse too. */
template <int W>
__device__ static void descend(bf16 *to, const bf16 *strip, const bf16 *slope, const bf16 *keys, const bf16 *values,
                               const float (&delta)[2], const float *lse, const geometry &s, int t, int end) {
  constexpr int STRIDE = sizes<W>::STRIDE;
  const int parts = parts_of(s), J = static_cast<int>(s.J);
  const strip_factor<W> q(strip), dy(slope);
  float dq[1][W / 8][4] = {}, norm[2];
  for (int half = 0; half < 2; half++) {
    const int row = t + vw_tile_row(2 * half);
    norm[half] = row < end ? lse[row] * VW_LOG2E : 0.0f;
  }
  for (int i = 0; i < parts; i++) {
    float ds[1][2][4] = {}, dp[1][2][4] = {};
    vw_tile_multiply_turned<bf16, W>(ds, q, keys + i * PART * STRIDE);
    vw_tile_multiply_turned<bf16, W>(dp, dy, values + i * PART * STRIDE);
    for (int n = 0; n < 2; n++)
      for (int e = 0; e < 4; e++) {
        const bool sees = i * PART + vw_tile_column(n, e) < J;
        const float p = sees ? exp2f(ds[0][n][e] * (s.scale * VW_LOG2E) - norm[e / 2]) : 0.0f;
        ds[0][n][e] = s.scale * p * (dp[0][n][e] - delta[e / 2]);
      }
    vw_tile_multiply<bf16, W>(dq, ds, keys + i * PART * STRIDE);
  }
  const float one[2] = {1.0f, 1.0f};
  vw_tile_put<bf16, W>(dq[0], one, s.D, s.packs, [&](int r) { return t + r < end ? to + row_at(s, t + r) : nullptr; });
}

/* dq, and delta for the other kernel; either may be NULL. Shared: as forward, then strips of dy. */
template <int W>
__global__ static void __launch_bounds__(THREADS)
    cross_attention_keys_dq_kernel(bf16 *__restrict__ dq, float *__restrict__ delta, inputs in) {
  constexpr int STRIDE = sizes<W>::STRIDE, BOTH = 2 * STRIP * STRIDE;
  const geometry &s = in.s;
  const int all = parts_of(s) * PART * STRIDE, warp = static_cast<int>(threadIdx.x) / 32;
  bf16 *keys = reinterpret_cast<bf16 *>(vw_shared()), *values = keys + all;
  bf16 *strip = values + all + warp * 2 * BOTH, *next = strip + BOTH; /* queries, then dy */
  const place at = place_of(s, CHUNK);
  const auto bring = [&](bf16 *to, int t) {
    bring_strip<W>(to, s, in.q + at.at, t, at.queries);
    bring_strip<W>(to + STRIP * STRIDE, s, in.dy + at.at, t, at.queries);
    vw_copy_commit();
  };
  int t = warp * STRIP;
  if (dq) bring_keys<W>(keys, values, s, in.kv + in.row_kv[at.b] * s.J * 2 * s.C + at.head * s.D);
  bring(strip, t);
  vw_copy_wait<0>();
  __syncthreads();
  for (; t < at.queries; t += STRIDE_OF_WARPS) {
    float along[2];
    bring(next, t + STRIDE_OF_WARPS);
    project<W>(along, strip + STRIP * STRIDE, in.y + at.at, s, t, at.queries);
    for (int half = 0; half < 2; half++) {
      const int row = t + vw_tile_row(2 * half);
      if (delta && vw_lane() % 4 == 0 && row < at.queries) delta[at.stat + row] = along[half];
    }
    if (dq)
      descend<W>(dq + at.at, strip, strip + STRIP * STRIDE, keys, values, along, in.lse + at.stat, s, t, at.queries);
    vw_copy_wait<0>();
    __syncwarp(); /* the next strips are there, and these free */
    bf16 *free = strip;
    strip = next, next = free;
  }
}

/* dk and dv of a chunk of queries, to parts [B, chunks, heads, 2, J, D]. Rows are keys here, columns queries; where there
 * is no query, q and dy are 0, and so is all that it adds. Shared: keys, values, two tiles of queries, two of dy, then
 * lse and delta of the queries (two tiles of floats each). */
template <int W>
__global__ static void __launch_bounds__(32 * PARTS)
    cross_attention_keys_dkv_kernel(float *__restrict__ parts, const float *__restrict__ delta, inputs in) {
  constexpr int STRIDE = sizes<W>::STRIDE, Q = sizes<W>::QUERIES, TILE = Q * STRIDE, N = Q / 8;
  const geometry &s = in.s;
  const int all = parts_of(s) * PART * STRIDE, own = static_cast<int>(threadIdx.x) / 32 * PART;
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  bf16 *keys = reinterpret_cast<bf16 *>(vw_shared()), *values = keys + all, *query = values + all;
  bf16 *slope = query + 2 * TILE;
  float *norm = reinterpret_cast<float *>(slope + 2 * TILE), *along = norm + 2 * Q;
  const place at = place_of(s, DKV_CHUNK);
  const auto bring = [&](int t, int slot) {
    for (int which = 0; which < 2; which++)
      vw_copy_rows((which ? slope : query) + slot * TILE, Q, W, STRIDE, s.D, s.packs, thread, threads, [&](int r) {
        return t + r < at.queries ? (which ? in.dy : in.q) + at.at + row_at(s, t + r) : nullptr;
      });
    for (int r = thread; r < Q; r += threads) {
      const bool is_there = t + r < at.queries;
      norm[slot * Q + r] = is_there ? in.lse[at.stat + t + r] * VW_LOG2E : 0.0f;
      along[slot * Q + r] = is_there ? delta[at.stat + t + r] : 0.0f;
    }
    vw_copy_commit();
  };
  float dk[1][W / 8][4] = {}, dv[1][W / 8][4] = {};
  int slot = 0;
  bring_keys<W>(keys, values, s, in.kv + in.row_kv[at.b] * s.J * 2 * s.C + at.head * s.D);
  bring(0, 0);
  for (int t = 0; t < at.queries; t += Q, slot ^= 1) {
    if (t + Q < at.queries) {
      bring(t + Q, slot ^ 1);
      vw_copy_wait<1>();
    } else {
      vw_copy_wait<0>();
    }
    __syncthreads();
    float p[1][N][4] = {}, ds[1][N][4] = {};
    vw_tile_multiply_turned<bf16, W>(
        p, [&](int, int k, uint32_t(&a)[4]) { vw_tile_fragment<W>(a, keys + own * STRIDE, k); }, query + slot * TILE);
    vw_tile_multiply_turned<bf16, W>(
        ds, [&](int, int k, uint32_t(&a)[4]) { vw_tile_fragment<W>(a, values + own * STRIDE, k); },
        slope + slot * TILE);
    for (int n = 0; n < N; n++)
      for (int e = 0; e < 4; e++) {
        const int column = slot * Q + vw_tile_column(n, e);
        p[0][n][e] = exp2f(p[0][n][e] * (s.scale * VW_LOG2E) - norm[column]);
        ds[0][n][e] = s.scale * p[0][n][e] * (ds[0][n][e] - along[column]);
      }
    vw_tile_multiply<bf16, W>(dv, p, slope + slot * TILE);
    vw_tile_multiply<bf16, W>(dk, ds, query + slot * TILE);
    __syncthreads(); /* the tile is free for the one after next */
  }
  const float one[2] = {1.0f, 1.0f};
  float *to = parts + ((at.b * chunks_of(s.T, DKV_CHUNK) + at.chunk) * s.heads + at.head) * 2 * s.J * s.D;
  const auto row = [&](int r) { return own + r < s.J ? to + (own + r) * s.D : nullptr; };
  vw_tile_put<float, W>(dk[0], one, s.D, s.packs, row);
  to += s.J * s.D;
  vw_tile_put<float, W>(dv[0], one, s.D, s.packs, row);
}

/* A block a row of dkv [K J 2, C]: the sum over the rows that read the text, and their chunks, in their order. */
__global__ static void __launch_bounds__(SUM_THREADS)
    cross_attention_keys_sum_kernel(bf16 *__restrict__ dkv, const float *__restrict__ parts,
                                    const int32_t *__restrict__ row_kv, geometry s) {
  const int C = static_cast<int>(s.C);
  const int64_t j = blockIdx.x / 2 % s.J, k = blockIdx.x / 2 / s.J, chunks = chunks_of(s.T, DKV_CHUNK);
  const int64_t each = 2 * s.J * s.D; /* of a head */
  const float *from = parts + (blockIdx.x % 2 * s.J + j) * s.D;
  for (int c = static_cast<int>(threadIdx.x); c < C; c += SUM_THREADS) {
    float sum = 0;
    for (int64_t b = 0; b < s.B; b++) {
      if (row_kv[b] != k) continue;
      for (int64_t i = b * chunks; i < (b + 1) * chunks; i++) sum += from[(i * s.heads + c / s.D) * each + c % s.D];
    }
    vw_store(dkv, static_cast<int64_t>(blockIdx.x) * s.C + c, sum);
  }
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

/* Calls f with the channels of a tile: heads of 40, 64, 80 and 160 are those of Stable Diffusion's UNets. */
template <typename F> static vw_status with_width(int D, F f) {
  if (D <= 48) return f(std::integral_constant<int, 48>());
  if (D <= 64) return f(std::integral_constant<int, 64>());
  if (D <= 80) return f(std::integral_constant<int, 80>());
  return f(std::integral_constant<int, MOST_CHANNELS>());
}

static bool packs(const geometry &s, const vw_tensor *const (&all)[4]) {
  bool packs = true;
  for (const vw_tensor *t : all) packs = packs && vw_packs(static_cast<const char *>(t->data), s.D);
  return packs;
}

static int64_t blocks_of(const geometry &s, int chunk) {
  return s.B * s.heads * chunks_of(s.T, chunk);
}

template <int W> static vw_status launch(vw_context *ctx, const vw_call *c, const geometry &s) {
  const size_t shared =
      sizeof(bf16) * sizes<W>::STRIDE * static_cast<size_t>(2 * parts_of(s) * PART + 2 * WARPS * STRIP);
  return vw_launch(ctx, "cross_attention_keys", cross_attention_keys_kernel<W>, blocks_of(s, CHUNK), 1, THREADS, shared,
                   vw_data<bf16>(&c->out[XATTN_Y]), vw_f32(&c->out[XATTN_LSE]), vw_data<const bf16>(&c->in[XATTN_Q]),
                   vw_data<const bf16>(&c->in[XATTN_KV]), static_cast<const int32_t *>(vw_i32(&c->in[XATTN_ROW_KV])),
                   s);
}

vw_status vw_cross_attention_keys(vw_context *ctx, const vw_call *c) {
  const vw_tensor *q = &c->in[XATTN_Q], *kv = &c->in[XATTN_KV], *y = &c->out[XATTN_Y];
  geometry s = vw_cross_geometry_of(q, kv, c->attr);
  s.packs = packs(s, {q, kv, y, y});
  VW_TRY(vw_check_f32("cross_attention", "log-sum-exps", &c->out[XATTN_LSE]));
  return with_width(s.D, [&](auto w) { return launch<decltype(w)::value>(ctx, c, s); });
}

/* delta in front of the chunks' sums. */
static size_t delta_bytes(const geometry &s) {
  return (static_cast<size_t>(s.B * s.heads * s.T) * sizeof(float) + VW_ALIGN - 1) / VW_ALIGN * VW_ALIGN;
}

size_t vw_cross_attention_keys_scratch(const geometry &s, const void *attr) {
  if (!static_cast<const vw_cross_attention_attr *>(attr)->dkv) return 0;
  return delta_bytes(s) + static_cast<size_t>(s.B * chunks_of(s.T, DKV_CHUNK) * 2 * s.J * s.C) * sizeof(float);
}

template <int W> static vw_status launch_grad(vw_context *ctx, const vw_call *c, const inputs &in) {
  const geometry &s = in.s;
  const bool wants_dkv = static_cast<const vw_cross_attention_attr *>(c->attr)->dkv;
  const size_t row = sizeof(bf16) * sizes<W>::STRIDE, keys = static_cast<size_t>(2 * parts_of(s) * PART) * row;
  const size_t dkv_shared = keys + (4 * row + 4 * sizeof(float)) * static_cast<size_t>(sizes<W>::QUERIES);
  float *delta = wants_dkv ? static_cast<float *>(c->scratch) : nullptr;
  bf16 *dq = vw_count(&c->out[XATTNG_DQ]) ? vw_data<bf16>(&c->out[XATTNG_DQ]) : nullptr;
  VW_TRY(vw_launch(ctx, "cross_attention_keys_dq", cross_attention_keys_dq_kernel<W>, blocks_of(s, CHUNK), 1, THREADS,
                   keys + 4 * WARPS * STRIP * row, dq, delta, in));
  if (!wants_dkv) return VW_OK;
  float *parts = reinterpret_cast<float *>(static_cast<char *>(c->scratch) + delta_bytes(s));
  VW_TRY(vw_launch(ctx, "cross_attention_keys_dkv", cross_attention_keys_dkv_kernel<W>, blocks_of(s, DKV_CHUNK), 1,
                   static_cast<unsigned>(32 * parts_of(s)), dkv_shared, parts, static_cast<const float *>(delta), in));
  return vw_launch(ctx, "cross_attention_keys_sum", cross_attention_keys_sum_kernel, 2 * s.K * s.J, 1, SUM_THREADS, 0,
                   vw_data<bf16>(&c->out[XATTNG_DKV]), static_cast<const float *>(parts), in.row_kv, s);
}

vw_status vw_cross_attention_keys_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *q = &c->in[XATTNG_Q], *kv = &c->in[XATTNG_KV], *dy = &c->in[XATTNG_DY], *y = &c->in[XATTNG_Y];
  const vw_tensor *dq = vw_count(&c->out[XATTNG_DQ]) ? &c->out[XATTNG_DQ] : q;
  geometry s = vw_cross_geometry_of(q, kv, c->attr);
  s.packs = packs(s, {q, kv, dy, dq}) && packs(s, {y, y, y, y});
  const inputs in = {vw_data<const bf16>(dy),
                     vw_data<const bf16>(q),
                     vw_data<const bf16>(kv),
                     vw_data<const bf16>(y),
                     vw_i32(&c->in[XATTNG_ROW_KV]),
                     vw_f32(&c->in[XATTNG_LSE]),
                     s};
  return with_width(s.D, [&](auto w) { return launch_grad<decltype(w)::value>(ctx, c, in); });
}
