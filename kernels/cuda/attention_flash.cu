/* attention and its gradient on tensor cores, for pictures and long texts (contract: kernels/attention.h; mathematics:
 * attention.cu; Dao 2023, arXiv 2307.08691: an outer loop over queries forward and for dq, over keys for dk and dv, so
 * that no sum is shared between blocks). In bf16, and in fp32 where factors may be rounded to TF32 (vw_context.tf32).
 *
 * 4 warps a block; a warp owns 16 rows (bf16 forward with heads of up to 64 channels 32) and multiplies them with tiles
 * that the block shares (attention_tile.cuh). Tiles come as 16-byte asynchronous copies, the next one while this one is
 * used. Probabilities (and ds) are rounded to bf16 or TF32 for the second product; maxima, sums and lse are fp32. No
 * atomics, fixed order: repeatable bit for bit. The gradient takes two kernels, dq (which also leaves dy . y) and dk with
 * dv: seven products where atomic sums would need five.
 *
 * 4 T^2 D operations a head forward, 14 T^2 D backward (causal half); keys and values are read from L2 once a block of
 * rows, so arithmetic bounds it from some hundred positions on. */
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/attention_tile.cuh"

#include <type_traits>

enum { WARPS = 4, THREADS = 32 * WARPS, MOST_CHANNELS = 128, MOST_CHANNELS_FP32 = 64 };

using bf16 = __nv_bfloat16;

bool vw_attention_is_flash(const vw_context *ctx, int64_t D, vw_dtype stored) {
  return stored == VW_BF16 ? D <= MOST_CHANNELS : ctx->tf32 && stored == VW_F32 && D <= MOST_CHANNELS_FP32;
}

/* Sizes that follow from W, the channels of a tile: D rounded up. */
template <typename X, int W> struct sizes {
  static constexpr bool SHORT = sizeof(X) == sizeof(bf16);
  static constexpr int STRIDE = vw_tile<X, W>::STRIDE;       /* elements from row to row */
  static constexpr int M = SHORT && W <= 64 ? 2 : 1;         /* 16-row parts of a warp, forward */
  static constexpr int ROWS = 16 * WARPS;                    /* of a block, for one part a warp */
  static constexpr int KEYS = SHORT ? 64 : 32;               /* of a tile, forward and for dq */
  static constexpr int QUERIES = SHORT && W <= 64 ? 64 : 32; /* of a tile, for dk and dv */
};

/* The block's place: heads of a row one behind the other, tiles of `rows` positions within a head. */
struct place {
  int64_t b, head, first;
};

__device__ static place place_of(const vw_attention_geometry &g, int rows) {
  const int64_t tiles = (g.T + rows - 1) / rows, at = blockIdx.x / tiles;
  return {at / g.heads, at % g.heads, blockIdx.x % tiles * rows};
}

/* Rows of a tile by all threads of the block; vw_copy_commit is the caller's. */
template <typename X, int W, typename F>
__device__ static void bring(X *to, int rows, const vw_attention_geometry &g, F from) {
  vw_copy_rows(to, rows, W, sizes<X, W>::STRIDE, static_cast<int>(g.D), g.packs, static_cast<int>(threadIdx.x), THREADS,
               from);
}

/* Keys base .. base + KEYS - 1 and their values, zeros from key J on, as one group of copies. */
template <typename X, int W>
__device__ static void bring_keys(X *keys, X *values, const vw_attention_geometry &g, const vw_attention_view<X> &v,
                                  int base, int J) {
  constexpr int KEYS = sizes<X, W>::KEYS;
  bring<X, W>(keys, KEYS, g, [&](int r) { return base + r < J ? v.key(base + r) : nullptr; });
  bring<X, W>(values, KEYS, g, [&](int r) { return base + r < J ? v.value(base + r) : nullptr; });
  vw_copy_commit();
}

/* Keys that query t sees. */
__device__ static int keys_of(const vw_attention_geometry &g, int64_t P, int64_t length, int64_t t) {
  return t >= length ? 0 : static_cast<int>(P + (g.causal ? t + 1 : length));
}

/* Keys that some query of [first, first + rows) sees. */
__device__ static int keys_of_block(const vw_attention_geometry &g, int64_t P, int64_t length, int64_t first,
                                    int rows) {
  return first >= length ? 0 : keys_of(g, P, length, vw_least(first + rows, length) - 1);
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* Scores of one part of a warp become probabilities relative to the new maximum `most` (in units of log2); what was
 * summed with the old one is to be multiplied by shrink. Rows that see nothing keep most = -inf and p = 0. */
template <int N>
__device__ static void soften(float (&s)[N][4], float (&most)[2], float (&sum)[2], float (&shrink)[2], float scale,
                              const int (&seen)[2], int base) {
  for (int half = 0; half < 2; half++) {
    float largest = -INFINITY;
#pragma unroll
    for (int n = 0; n < N; n++)
      for (int e = 2 * half; e < 2 * half + 2; e++) {
        s[n][e] = base + vw_tile_column(n, e) < seen[half] ? s[n][e] * scale : -INFINITY;
        largest = fmaxf(largest, s[n][e]);
      }
    const float now = fmaxf(most[half], vw_quad_max(largest)), from = now == -INFINITY ? 0.0f : now;
    shrink[half] = exp2f(most[half] - from), most[half] = now;
    sum[half] *= shrink[half];
#pragma unroll
    for (int n = 0; n < N; n++)
      for (int e = 2 * half; e < 2 * half + 2; e++) s[n][e] = exp2f(s[n][e] - from), sum[half] += s[n][e];
  }
}

/* Shared: the block's queries, then two tiles of keys, two of values. */
template <typename X, int W>
__global__ static void __launch_bounds__(THREADS)
    attention_flash_kernel(X *__restrict__ y, float *__restrict__ lse, const X *__restrict__ qkv,
                           const X *__restrict__ prefix, vw_attention_geometry g) {
  constexpr int M = sizes<X, W>::M, ROWS = sizes<X, W>::ROWS * M, STRIDE = sizes<X, W>::STRIDE;
  constexpr int KEYS = sizes<X, W>::KEYS, TILE = KEYS * STRIDE, N = KEYS / 8;
  X *query = reinterpret_cast<X *>(vw_shared()), *keys = query + ROWS * STRIDE, *values = keys + 2 * TILE;
  const place at = place_of(g, ROWS);
  const vw_attention_view<X> v = vw_attention_view_of(g, at.b, at.head, qkv, prefix);
  const int J = keys_of_block(g, v.P, v.length, at.first, ROWS);
  const int own = static_cast<int>(threadIdx.x) / 32 * 16 * M; /* the warp's first row of the block */
  float out[M][W / 8][4] = {}, most[M][2], sum[M][2] = {};
  int seen[M][2];
#pragma unroll
  for (int m = 0; m < M; m++)
    for (int half = 0; half < 2; half++) {
      most[m][half] = -INFINITY;
      seen[m][half] = keys_of(g, v.P, v.length, at.first + own + 16 * m + vw_tile_row(2 * half));
    }
  const auto bring_tile = [&](int base) {
    const int slot = base / KEYS % 2 * TILE;
    bring_keys<X, W>(keys + slot, values + slot, g, v, base, J);
  };

  if (J) {
    bring<X, W>(query, ROWS, g, [&](int r) { return at.first + r < v.length ? v.query(at.first + r) : nullptr; });
    bring_tile(0);
  }
  for (int base = 0; base < J; base += KEYS) {
    const int slot = base / KEYS % 2 * TILE;
    if (base + KEYS < J) {
      bring_tile(base + KEYS);
      vw_copy_wait<1>();
    } else {
      vw_copy_wait<0>();
    }
    __syncthreads();
    float s[M][N][4] = {}, shrink[2];
    vw_tile_multiply_turned<X, W>(
        s, [&](int m, int k, uint32_t(&a)[4]) { vw_tile_fragment<W>(a, query + (own + 16 * m) * STRIDE, k); },
        keys + slot);
#pragma unroll
    for (int m = 0; m < M; m++) {
      soften(s[m], most[m], sum[m], shrink, g.scale * VW_LOG2E, seen[m], base);
      for (int n = 0; n < W / 8; n++)
        for (int e = 0; e < 4; e++) out[m][n][e] *= shrink[e / 2];
    }
    vw_tile_multiply<X, W>(out, s, values + slot);
    __syncthreads(); /* the tile is free for the one after next */
  }
#pragma unroll
  for (int m = 0; m < M; m++) {
    const int64_t first = at.first + own + 16 * m;
    float factor[2];
    for (int half = 0; half < 2; half++) {
      const float total = vw_quad_sum(sum[m][half]);
      const int64_t t = first + vw_tile_row(2 * half);
      factor[half] = total > 0 ? 1.0f / total : 0.0f;
      if (threadIdx.x % 4 == 0 && t < g.T)
        lse[(at.b * g.heads + at.head) * g.T + t] = total > 0 ? most[m][half] / VW_LOG2E + logf(total) : 0.0f;
    }
    vw_tile_put<X, W>(out[m], factor, g.D, g.packs, [&](int r) {
      return first + r < g.T ? y + (at.b * g.T + first + r) * g.C + at.head * g.D : nullptr;
    });
  }
}

/* ---- gradient ---------------------------------------------------------------------------------------------------- */

/* dy . y of the warp's 16 rows, of which `rows` are there, to along[0..15] in shared memory. */
template <typename X>
__device__ static void dot_rows(float *along, const X *dy, const X *y, int64_t rows, int64_t C, int64_t D) {
  for (int r = 0; r < 16; r++) {
    float sum = 0;
    if (r < rows)
      for (int64_t c = threadIdx.x % 32; c < D; c += 32) sum += vw_load(dy, r * C + c) * vw_load(y, r * C + c);
    sum = vw_warp_sum(sum);
    if (threadIdx.x % 32 == 0) along[r] = sum;
  }
  __syncwarp();
}

/* dq, and dy . y for the other kernel. Shared: queries and dy of the block, two tiles of keys, two of values, 64
 * floats. */
template <typename X, int W>
__global__ static void __launch_bounds__(THREADS)
    attention_flash_dq_kernel(X *__restrict__ dqkv, float *__restrict__ dyy, const X *__restrict__ dy,
                              const X *__restrict__ qkv, const X *__restrict__ prefix, const X *__restrict__ y,
                              const float *__restrict__ lse, vw_attention_geometry g) {
  constexpr int ROWS = sizes<X, W>::ROWS, STRIDE = sizes<X, W>::STRIDE;
  constexpr int KEYS = sizes<X, W>::KEYS, TILE = KEYS * STRIDE, N = KEYS / 8;
  X *query = reinterpret_cast<X *>(vw_shared()), *slope = query + ROWS * STRIDE, *keys = slope + ROWS * STRIDE;
  X *values = keys + 2 * TILE;
  const int own = static_cast<int>(threadIdx.x) / 32 * 16;
  float *along = reinterpret_cast<float *>(values + 2 * TILE) + own;
  const place at = place_of(g, ROWS);
  const vw_attention_view<X> v = vw_attention_view_of(g, at.b, at.head, qkv, prefix);
  const int J = keys_of_block(g, v.P, v.length, at.first, ROWS);
  const int64_t stat = (at.b * g.heads + at.head) * g.T;
  const int64_t first = at.first + own, here = at.b * g.T * g.C + at.head * g.D;
  float dq[1][W / 8][4] = {}, norm[2] = {}, project[2] = {};
  int seen[2];
  dot_rows(along, dy + here + first * g.C, y + here + first * g.C, v.length - first, g.C, g.D);
  for (int half = 0; half < 2; half++) {
    const int64_t t = first + vw_tile_row(2 * half);
    seen[half] = keys_of(g, v.P, v.length, t), project[half] = along[vw_tile_row(2 * half)];
    if (t < v.length) norm[half] = lse[stat + t] * VW_LOG2E;
    if (threadIdx.x % 4 == 0 && t < g.T) dyy[stat + t] = project[half];
  }
  const auto bring_tile = [&](int base) {
    const int slot = base / KEYS % 2 * TILE;
    bring_keys<X, W>(keys + slot, values + slot, g, v, base, J);
  };

  if (J) {
    bring<X, W>(query, ROWS, g, [&](int r) { return at.first + r < v.length ? v.query(at.first + r) : nullptr; });
    bring<X, W>(slope, ROWS, g,
                [&](int r) { return at.first + r < v.length ? dy + here + (at.first + r) * g.C : nullptr; });
    bring_tile(0);
  }
  for (int base = 0; base < J; base += KEYS) {
    const int slot = base / KEYS % 2 * TILE;
    if (base + KEYS < J) {
      bring_tile(base + KEYS);
      vw_copy_wait<1>();
    } else {
      vw_copy_wait<0>();
    }
    __syncthreads();
    float s[1][N][4] = {}, dp[1][N][4] = {};
    vw_tile_multiply_turned<X, W>(
        s, [&](int, int k, uint32_t(&a)[4]) { vw_tile_fragment<W>(a, query + own * STRIDE, k); }, keys + slot);
    vw_tile_multiply_turned<X, W>(
        dp, [&](int, int k, uint32_t(&a)[4]) { vw_tile_fragment<W>(a, slope + own * STRIDE, k); }, values + slot);
    for (int n = 0; n < N; n++)
      for (int e = 0; e < 4; e++) {
        const bool sees = base + vw_tile_column(n, e) < seen[e / 2];
        const float p = sees ? exp2f(s[0][n][e] * (g.scale * VW_LOG2E) - norm[e / 2]) : 0.0f;
        s[0][n][e] = g.scale * p * (dp[0][n][e] - project[e / 2]);
      }
    vw_tile_multiply<X, W>(dq, s, keys + slot);
    __syncthreads();
  }
  const float one[2] = {1.0f, 1.0f};
  vw_tile_put<X, W>(dq[0], one, g.D, g.packs, [&](int r) {
    return first + r < g.T ? dqkv + (at.b * g.T + first + r) * 3 * g.C + at.head * g.D : nullptr;
  });
}

/* dk and dv of own positions; the prefix gets none. Rows are keys here, columns queries. Shared: keys and values of the
 * block, two tiles of queries, two of dy, then lse and dy . y of the queries (two tiles of floats each). */
template <typename X, int W>
__global__ static void __launch_bounds__(THREADS)
    attention_flash_dkv_kernel(X *__restrict__ dqkv, const float *__restrict__ dyy, const X *__restrict__ dy,
                               const X *__restrict__ qkv, const float *__restrict__ lse, vw_attention_geometry g) {
  constexpr int ROWS = sizes<X, W>::ROWS, STRIDE = sizes<X, W>::STRIDE, Q = sizes<X, W>::QUERIES, TILE = Q * STRIDE,
                N = Q / 8;
  X *keys = reinterpret_cast<X *>(vw_shared()), *values = keys + ROWS * STRIDE, *query = values + ROWS * STRIDE;
  X *slope = query + 2 * TILE;
  float *norm = reinterpret_cast<float *>(slope + 2 * TILE), *along = norm + 2 * Q;
  const int own = static_cast<int>(threadIdx.x) / 32 * 16;
  const place at = place_of(g, ROWS);
  const vw_attention_view<X> v = vw_attention_view_of<X>(g, at.b, at.head, qkv, nullptr);
  const int64_t first = at.first + own, stat = (at.b * g.heads + at.head) * g.T;
  const X *row_dy = dy + at.b * g.T * g.C + at.head * g.D;
  float dk[1][W / 8][4] = {}, dv[1][W / 8][4] = {};
  const auto bring_tile = [&](int64_t base) {
    const int slot = static_cast<int>(base / Q % 2);
    bring<X, W>(query + slot * TILE, Q, g, [&](int r) { return base + r < v.length ? v.query(base + r) : nullptr; });
    bring<X, W>(slope + slot * TILE, Q, g,
                [&](int r) { return base + r < v.length ? row_dy + (base + r) * g.C : nullptr; });
    for (int r = threadIdx.x; r < Q; r += THREADS) {
      const bool is_there = base + r < v.length;
      norm[slot * Q + r] = is_there ? lse[stat + base + r] * VW_LOG2E : 0.0f;
      along[slot * Q + r] = is_there ? dyy[stat + base + r] : 0.0f;
    }
    vw_copy_commit();
  };

  /* queries before the block's first key do not see it when causal; a block of padding has none at all */
  const int64_t start = g.causal ? at.first / Q * Q : 0, end = at.first < v.length ? v.length : 0;
  if (start < end) {
    bring<X, W>(keys, ROWS, g, [&](int r) { return at.first + r < v.length ? v.key(at.first + r) : nullptr; });
    bring<X, W>(values, ROWS, g, [&](int r) { return at.first + r < v.length ? v.value(at.first + r) : nullptr; });
    bring_tile(start);
  }
  for (int64_t base = start; base < end; base += Q) {
    const int slot = static_cast<int>(base / Q % 2);
    if (base + Q < end) {
      bring_tile(base + Q);
      vw_copy_wait<1>();
    } else {
      vw_copy_wait<0>();
    }
    __syncthreads();
    float p[1][N][4] = {}, ds[1][N][4] = {};
    vw_tile_multiply_turned<X, W>(
        p, [&](int, int k, uint32_t(&a)[4]) { vw_tile_fragment<W>(a, keys + own * STRIDE, k); }, query + slot * TILE);
    vw_tile_multiply_turned<X, W>(
        ds, [&](int, int k, uint32_t(&a)[4]) { vw_tile_fragment<W>(a, values + own * STRIDE, k); },
        slope + slot * TILE);
    for (int n = 0; n < N; n++)
      for (int e = 0; e < 4; e++) {
        const int column = vw_tile_column(n, e);
        const int64_t t = base + column, j = first + vw_tile_row(e);
        const bool sees = t < v.length && j < v.length && (!g.causal || t >= j);
        p[0][n][e] = sees ? exp2f(p[0][n][e] * (g.scale * VW_LOG2E) - norm[slot * Q + column]) : 0.0f;
        ds[0][n][e] = g.scale * p[0][n][e] * (ds[0][n][e] - along[slot * Q + column]);
      }
    vw_tile_multiply<X, W>(dv, p, slope + slot * TILE);
    vw_tile_multiply<X, W>(dk, ds, query + slot * TILE);
    __syncthreads();
  }
  const float one[2] = {1.0f, 1.0f};
  X *out = dqkv + at.b * g.T * 3 * g.C + at.head * g.D;
  vw_tile_put<X, W>(dk[0], one, g.D, g.packs,
                    [&](int r) { return first + r < g.T ? out + (first + r) * 3 * g.C + g.C : nullptr; });
  vw_tile_put<X, W>(dv[0], one, g.D, g.packs,
                    [&](int r) { return first + r < g.T ? out + (first + r) * 3 * g.C + 2 * g.C : nullptr; });
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

/* Calls f with the type of storage and the channels of a tile. */
template <typename F> static vw_status with_tiles(vw_dtype stored, int64_t D, F f) {
  if (stored == VW_F32) return f(float(), std::integral_constant<int, MOST_CHANNELS_FP32>());
  if (D <= 32) return f(bf16(), std::integral_constant<int, 32>());
  if (D <= 64) return f(bf16(), std::integral_constant<int, 64>());
  if (D <= 80) return f(bf16(), std::integral_constant<int, 80>());
  return f(bf16(), std::integral_constant<int, MOST_CHANNELS>());
}

static int64_t blocks_of(const vw_attention_geometry &g, int rows) {
  return g.B * g.heads * ((g.T + rows - 1) / rows);
}

template <typename X, int W> static vw_status launch(vw_context *ctx, const vw_call *c) {
  using size = sizes<X, W>;
  vw_attention_geometry g = vw_attention_geometry_of(c->in, c->attr);
  g.packs = vw_attention_packs(g, &c->in[ATTN_QKV], &c->in[ATTN_PREFIX], &c->out[ATTN_Y], &c->out[ATTN_Y]);
  const size_t shared = sizeof(X) * size::STRIDE * (size::ROWS * size::M + 4 * size::KEYS);
  return vw_launch(ctx, "attention_flash", attention_flash_kernel<X, W>, blocks_of(g, size::ROWS * size::M), 1, THREADS,
                   shared, vw_data<X>(&c->out[ATTN_Y]), vw_f32(&c->out[ATTN_LSE]), vw_data<const X>(&c->in[ATTN_QKV]),
                   vw_data<const X>(&c->in[ATTN_PREFIX]), g);
}

template <typename X, int W> static vw_status launch_grad(vw_context *ctx, const vw_call *c) {
  using size = sizes<X, W>;
  const vw_tensor *in = c->in;
  vw_attention_geometry g = vw_attention_geometry_of(in + ATTNG_QKV, c->attr);
  g.packs = vw_attention_packs(g, &in[ATTNG_QKV], &in[ATTNG_PREFIX], &in[ATTNG_DY], &c->out[0]);
  const int64_t blocks = blocks_of(g, size::ROWS);
  const X *dy = vw_data<const X>(&in[ATTNG_DY]), *qkv = vw_data<const X>(&in[ATTNG_QKV]);
  const float *lse = vw_f32(&in[ATTNG_LSE]);
  float *dyy = static_cast<float *>(c->scratch);
  const size_t dq_shared = sizeof(X) * size::STRIDE * (2 * size::ROWS + 4 * size::KEYS) + sizeof(float) * size::ROWS;
  const size_t dkv_shared =
      sizeof(X) * size::STRIDE * (2 * size::ROWS + 4 * size::QUERIES) + sizeof(float) * 4 * size::QUERIES;
  VW_TRY(vw_launch(ctx, "attention_flash_dq", attention_flash_dq_kernel<X, W>, blocks, 1, THREADS, dq_shared,
                   vw_data<X>(&c->out[0]), dyy, dy, qkv, vw_data<const X>(&in[ATTNG_PREFIX]),
                   vw_data<const X>(&in[ATTNG_Y]), lse, g));
  return vw_launch(ctx, "attention_flash_dkv", attention_flash_dkv_kernel<X, W>, blocks, 1, THREADS, dkv_shared,
                   vw_data<X>(&c->out[0]), dyy, dy, qkv, lse, g);
}

vw_status vw_attention_flash(vw_context *ctx, const vw_call *c) {
  return with_tiles(c->in[ATTN_QKV].dtype, vw_attention_geometry_of(c->in, c->attr).D,
                    [&](auto x, auto w) { return launch<decltype(x), decltype(w)::value>(ctx, c); });
}

vw_status vw_attention_flash_grad(vw_context *ctx, const vw_call *c) {
  return with_tiles(c->in[ATTNG_QKV].dtype, vw_attention_geometry_of(c->in + ATTNG_QKV, c->attr).D,
                    [&](auto x, auto w) { return launch_grad<decltype(x), decltype(w)::value>(ctx, c); });
}
