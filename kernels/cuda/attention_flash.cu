/* attention and its gradient in bf16 on tensor cores, for pictures and long texts (contract: kernels/attention.h;
 * mathematics: attention.cu; Dao 2023, arXiv 2307.08691: an outer loop over queries forward and for dq, over keys for
 * dk and dv, so that no sum is shared between blocks).
 *
 * 4 warps a block; a warp owns 16 rows (forward with heads of up to 64 channels 32) and multiplies them with tiles that
 * the block shares: m16n8k16 products with fp32 sums, fragments through ldmatrix. Tiles come as 16-byte asynchronous
 * copies, the next one while this one is used; rows lie 16 bytes further apart than their width, so the eight rows of a
 * matrix fall into different banks. Probabilities (and ds) are rounded to bf16 for the second product, as the type of
 * storage; maxima, sums and lse are fp32. No atomics, fixed order: repeatable bit for bit. The gradient takes two
 * kernels, dq (which also leaves dy . y) and dk with dv: seven products where atomic sums would need five.
 *
 * 4 T^2 D operations a head forward, 14 T^2 D backward (causal half); keys and values are read from L2 once a block of
 * rows, so arithmetic bounds it from some hundred positions on. */
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/mma.cuh"

#include <type_traits>

enum { WARPS = 4, THREADS = 32 * WARPS, KEYS = 64, MOST_CHANNELS = 128 };
static constexpr float LOG2E = 1.44269504f;

using bf16 = __nv_bfloat16;

bool vw_attention_is_flash(int64_t T, int64_t D, vw_dtype stored) {
  (void)T;
  return stored == VW_BF16 && D <= MOST_CHANNELS;
}

/* Sizes that follow from W, the channels of a tile: D rounded up. */
template <int W> struct sizes {
  static constexpr int STRIDE = W + 8;              /* elements from row to row */
  static constexpr int M = W <= 64 ? 2 : 1;         /* 16-row parts of a warp, forward */
  static constexpr int ROWS = 16 * WARPS;           /* of a block, for one part a warp */
  static constexpr int QUERIES = W <= 64 ? 64 : 32; /* of a tile, for dk and dv */
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
template <int W, typename F> __device__ static void bring(bf16 *to, int rows, const vw_attention_geometry &g, F from) {
  vw_copy_rows(to, rows, W, sizes<W>::STRIDE, static_cast<int>(g.D), g.packs, static_cast<int>(threadIdx.x), THREADS,
               from);
}

/* Keys base .. base + KEYS - 1 and their values, zeros from key J on, as one group of copies. */
template <int W>
__device__ static void bring_keys(bf16 *keys, bf16 *values, const vw_attention_geometry &g,
                                  const vw_attention_view<bf16> &v, int64_t base, int64_t J) {
  bring<W>(keys, KEYS, g, [&](int r) { return base + r < J ? v.key(base + r) : nullptr; });
  bring<W>(values, KEYS, g, [&](int r) { return base + r < J ? v.value(base + r) : nullptr; });
  vw_copy_commit();
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* A fragment of 16 rows of a tile at channel k. */
template <int W> __device__ static void rows_fragment(uint32_t (&a)[4], const bf16 *rows, int k) {
  const int lane = threadIdx.x % 32;
  vw_ldmatrix(a, rows + (lane / 8 % 2 * 8 + lane % 8) * sizes<W>::STRIDE + k + lane / 16 * 8);
}

/* sum[m] += A[m] tile^T: a(m, k, fragment) gives 16 rows at channel k; 8 N rows of the tile are the columns. */
template <int W, int M, int N, typename A>
__device__ static void multiply_turned(float (&sum)[M][N][4], A a, const bf16 *tile) {
  const int lane = threadIdx.x % 32;
  const bf16 *at = tile + (lane / 16 * 8 + lane % 8) * sizes<W>::STRIDE + lane / 8 % 2 * 8;
#pragma unroll
  for (int k = 0; k < W; k += 16) {
    uint32_t left[M][4];
#pragma unroll
    for (int m = 0; m < M; m++) a(m, k, left[m]);
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      uint32_t right[4];
      vw_ldmatrix(right, at + n * 8 * sizes<W>::STRIDE + k);
#pragma unroll
      for (int m = 0; m < M; m++) {
        vw_mma_bf16(sum[m][n], left[m], right[0], right[1]);
        vw_mma_bf16(sum[m][n + 1], left[m], right[2], right[3]);
      }
    }
  }
}

/* sum[m] += P[m] tile: P is 16 x 8 N as a product left it, rounded to bf16; its columns are the rows of the tile. */
template <int W, int M, int N>
__device__ static void multiply(float (&sum)[M][W / 8][4], const float (&p)[M][N][4], const bf16 *tile) {
  const int lane = threadIdx.x % 32;
  const bf16 *at = tile + (lane / 8 % 2 * 8 + lane % 8) * sizes<W>::STRIDE + lane / 16 * 8;
#pragma unroll
  for (int k = 0; k < N; k += 2) {
    uint32_t left[M][4];
#pragma unroll
    for (int m = 0; m < M; m++)
      for (int i = 0; i < 2; i++) {
        left[m][2 * i] = vw_bf16_pair(p[m][k + i][0], p[m][k + i][1]);
        left[m][2 * i + 1] = vw_bf16_pair(p[m][k + i][2], p[m][k + i][3]);
      }
#pragma unroll
    for (int n = 0; n < W / 8; n += 2) {
      uint32_t right[4];
      vw_ldmatrix_turned(right, at + k * 8 * sizes<W>::STRIDE + n * 8);
#pragma unroll
      for (int m = 0; m < M; m++) {
        vw_mma_bf16(sum[m][n], left[m], right[0], right[1]);
        vw_mma_bf16(sum[m][n + 1], left[m], right[2], right[3]);
      }
    }
  }
}

/* Row and column of element e of a lane's part of a product, columns from those of fragment n. */
__device__ static int row_of(int e) {
  return static_cast<int>(threadIdx.x) % 32 / 4 + e / 2 * 8;
}
__device__ static int column_of(int n, int e) {
  return n * 8 + static_cast<int>(threadIdx.x) % 4 * 2 + e % 2;
}

/* The warp's 16 rows of W channels to memory: row r, times factor(r / 8), where to(r) is not NULL. */
template <int W, typename F>
__device__ static void put(const float (&x)[W / 8][4], const float (&factor)[2], int64_t D, bool packs, F to) {
  for (int half = 0; half < 2; half++) {
    bf16 *row = to(row_of(2 * half));
    if (!row) continue;
    for (int n = 0; n < W / 8; n++) {
      const int c = column_of(n, 0);
      const float a = x[n][2 * half] * factor[half], b = x[n][2 * half + 1] * factor[half];
      if (packs && c < D) {
        vw_store_pair(row + c, a, b);
      } else {
        if (c < D) vw_store(row, c, a);
        if (c + 1 < D) vw_store(row, c + 1, b);
      }
    }
  }
}

/* Over the four lanes that hold a row. */
__device__ static float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ static float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

/* Keys that query t sees. */
__device__ static int64_t keys_of(const vw_attention_geometry &g, int64_t P, int64_t length, int64_t t) {
  return t >= length ? 0 : P + (g.causal ? t + 1 : length);
}

/* Keys that some query of [first, first + rows) sees. */
__device__ static int64_t keys_of_block(const vw_attention_geometry &g, int64_t P, int64_t length, int64_t first,
                                        int rows) {
  return first >= length ? 0 : keys_of(g, P, length, vw_least(first + rows, length) - 1);
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* Scores of one part of a warp become probabilities relative to the new maximum `most` (in units of log2); what was
 * summed with the old one is to be multiplied by shrink. Rows that see nothing keep most = -inf and p = 0. */
template <int N>
__device__ static void soften(float (&s)[N][4], float (&most)[2], float (&sum)[2], float (&shrink)[2], float scale,
                              const int64_t (&seen)[2], int64_t base) {
  for (int half = 0; half < 2; half++) {
    float largest = -INFINITY;
#pragma unroll
    for (int n = 0; n < N; n++)
      for (int e = 2 * half; e < 2 * half + 2; e++) {
        s[n][e] = base + column_of(n, e) < seen[half] ? s[n][e] * scale : -INFINITY;
        largest = fmaxf(largest, s[n][e]);
      }
    const float now = fmaxf(most[half], quad_max(largest)), from = now == -INFINITY ? 0.0f : now;
    shrink[half] = exp2f(most[half] - from), most[half] = now;
    sum[half] *= shrink[half];
#pragma unroll
    for (int n = 0; n < N; n++)
      for (int e = 2 * half; e < 2 * half + 2; e++) s[n][e] = exp2f(s[n][e] - from), sum[half] += s[n][e];
  }
}

/* Shared: the block's queries, then two tiles of keys, two of values. */
template <int W>
__global__ static void __launch_bounds__(THREADS)
    attention_flash_kernel(bf16 *__restrict__ y, float *__restrict__ lse, const bf16 *__restrict__ qkv,
                           const bf16 *__restrict__ prefix, vw_attention_geometry g) {
  constexpr int M = sizes<W>::M, ROWS = sizes<W>::ROWS * M, TILE = KEYS * sizes<W>::STRIDE, N = KEYS / 8;
  bf16 *query = reinterpret_cast<bf16 *>(vw_shared()), *keys = query + ROWS * sizes<W>::STRIDE,
       *values = keys + 2 * TILE;
  const place at = place_of(g, ROWS);
  const vw_attention_view<bf16> v = vw_attention_view_of(g, at.b, at.head, qkv, prefix);
  const int64_t J = keys_of_block(g, v.P, v.length, at.first, ROWS);
  const int own = static_cast<int>(threadIdx.x) / 32 * 16 * M; /* the warp's first row of the block */
  float out[M][W / 8][4] = {}, most[M][2], sum[M][2] = {};
  int64_t seen[M][2];
#pragma unroll
  for (int m = 0; m < M; m++)
    for (int half = 0; half < 2; half++) {
      most[m][half] = -INFINITY;
      seen[m][half] = keys_of(g, v.P, v.length, at.first + own + 16 * m + row_of(2 * half));
    }
  const auto bring_tile = [&](int64_t base) {
    const int slot = base / KEYS % 2 * TILE;
    bring_keys<W>(keys + slot, values + slot, g, v, base, J);
  };

  if (J) {
    bring<W>(query, ROWS, g, [&](int r) { return at.first + r < v.length ? v.query(at.first + r) : nullptr; });
    bring_tile(0);
  }
  for (int64_t base = 0; base < J; base += KEYS) {
    const int slot = base / KEYS % 2 * TILE;
    if (base + KEYS < J) {
      bring_tile(base + KEYS);
      vw_copy_wait<1>();
    } else {
      vw_copy_wait<0>();
    }
    __syncthreads();
    float s[M][N][4] = {}, shrink[2];
    multiply_turned<W>(
        s, [&](int m, int k, uint32_t(&a)[4]) { rows_fragment<W>(a, query + (own + 16 * m) * sizes<W>::STRIDE, k); },
        keys + slot);
#pragma unroll
    for (int m = 0; m < M; m++) {
      soften(s[m], most[m], sum[m], shrink, g.scale * LOG2E, seen[m], base);
      for (int n = 0; n < W / 8; n++)
        for (int e = 0; e < 4; e++) out[m][n][e] *= shrink[e / 2];
    }
    multiply<W>(out, s, values + slot);
    __syncthreads(); /* the tile is free for the one after next */
  }
#pragma unroll
  for (int m = 0; m < M; m++) {
    const int64_t first = at.first + own + 16 * m;
    float factor[2];
    for (int half = 0; half < 2; half++) {
      const float total = quad_sum(sum[m][half]);
      const int64_t t = first + row_of(2 * half);
      factor[half] = total > 0 ? 1.0f / total : 0.0f;
      if (threadIdx.x % 4 == 0 && t < g.T)
        lse[(at.b * g.heads + at.head) * g.T + t] = total > 0 ? most[m][half] / LOG2E + logf(total) : 0.0f;
    }
    put<W>(out[m], factor, g.D, g.packs,
           [&](int r) { return first + r < g.T ? y + (at.b * g.T + first + r) * g.C + at.head * g.D : nullptr; });
  }
}

/* ---- gradient ---------------------------------------------------------------------------------------------------- */

/* dy . y of the warp's 16 rows, of which `rows` are there, to along[0..15] in shared memory. */
__device__ static void dot_rows(float *along, const bf16 *dy, const bf16 *y, int64_t rows, int64_t C, int64_t D) {
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
template <int W>
__global__ static void __launch_bounds__(THREADS)
    attention_flash_dq_kernel(bf16 *__restrict__ dqkv, float *__restrict__ dyy, const bf16 *__restrict__ dy,
                              const bf16 *__restrict__ qkv, const bf16 *__restrict__ prefix, const bf16 *__restrict__ y,
                              const float *__restrict__ lse, vw_attention_geometry g) {
  constexpr int ROWS = sizes<W>::ROWS, STRIDE = sizes<W>::STRIDE, TILE = KEYS * STRIDE, N = KEYS / 8;
  bf16 *query = reinterpret_cast<bf16 *>(vw_shared()), *slope = query + ROWS * STRIDE, *keys = slope + ROWS * STRIDE;
  bf16 *values = keys + 2 * TILE;
  const int own = static_cast<int>(threadIdx.x) / 32 * 16;
  float *along = reinterpret_cast<float *>(values + 2 * TILE) + own;
  const place at = place_of(g, ROWS);
  const vw_attention_view<bf16> v = vw_attention_view_of(g, at.b, at.head, qkv, prefix);
  const int64_t J = keys_of_block(g, v.P, v.length, at.first, ROWS), stat = (at.b * g.heads + at.head) * g.T;
  const int64_t first = at.first + own, here = at.b * g.T * g.C + at.head * g.D;
  float dq[1][W / 8][4] = {}, norm[2] = {}, project[2] = {};
  int64_t seen[2];
  dot_rows(along, dy + here + first * g.C, y + here + first * g.C, v.length - first, g.C, g.D);
  for (int half = 0; half < 2; half++) {
    const int64_t t = first + row_of(2 * half);
    seen[half] = keys_of(g, v.P, v.length, t), project[half] = along[row_of(2 * half)];
    if (t < v.length) norm[half] = lse[stat + t] * LOG2E;
    if (threadIdx.x % 4 == 0 && t < g.T) dyy[stat + t] = project[half];
  }
  const auto bring_tile = [&](int64_t base) {
    const int slot = base / KEYS % 2 * TILE;
    bring_keys<W>(keys + slot, values + slot, g, v, base, J);
  };

  if (J) {
    bring<W>(query, ROWS, g, [&](int r) { return at.first + r < v.length ? v.query(at.first + r) : nullptr; });
    bring<W>(slope, ROWS, g,
             [&](int r) { return at.first + r < v.length ? dy + here + (at.first + r) * g.C : nullptr; });
    bring_tile(0);
  }
  for (int64_t base = 0; base < J; base += KEYS) {
    const int slot = base / KEYS % 2 * TILE;
    if (base + KEYS < J) {
      bring_tile(base + KEYS);
      vw_copy_wait<1>();
    } else {
      vw_copy_wait<0>();
    }
    __syncthreads();
    float s[1][N][4] = {}, dp[1][N][4] = {};
    multiply_turned<W>(
        s, [&](int, int k, uint32_t(&a)[4]) { rows_fragment<W>(a, query + own * STRIDE, k); }, keys + slot);
    multiply_turned<W>(
        dp, [&](int, int k, uint32_t(&a)[4]) { rows_fragment<W>(a, slope + own * STRIDE, k); }, values + slot);
    for (int n = 0; n < N; n++)
      for (int e = 0; e < 4; e++) {
        const bool sees = base + column_of(n, e) < seen[e / 2];
        const float p = sees ? exp2f(s[0][n][e] * (g.scale * LOG2E) - norm[e / 2]) : 0.0f;
        s[0][n][e] = g.scale * p * (dp[0][n][e] - project[e / 2]);
      }
    multiply<W>(dq, s, keys + slot);
    __syncthreads();
  }
  const float one[2] = {1.0f, 1.0f};
  put<W>(dq[0], one, g.D, g.packs,
         [&](int r) { return first + r < g.T ? dqkv + (at.b * g.T + first + r) * 3 * g.C + at.head * g.D : nullptr; });
}

/* dk and dv of own positions; the prefix gets none. Rows are keys here, columns queries. Shared: keys and values of the
 * block, two tiles of queries, two of dy, then lse and dy . y of the queries (two tiles of floats each). */
template <int W>
__global__ static void __launch_bounds__(THREADS)
    attention_flash_dkv_kernel(bf16 *__restrict__ dqkv, const float *__restrict__ dyy, const bf16 *__restrict__ dy,
                               const bf16 *__restrict__ qkv, const float *__restrict__ lse, vw_attention_geometry g) {
  constexpr int ROWS = sizes<W>::ROWS, STRIDE = sizes<W>::STRIDE, Q = sizes<W>::QUERIES, TILE = Q * STRIDE, N = Q / 8;
  bf16 *keys = reinterpret_cast<bf16 *>(vw_shared()), *values = keys + ROWS * STRIDE, *query = values + ROWS * STRIDE;
  bf16 *slope = query + 2 * TILE;
  float *norm = reinterpret_cast<float *>(slope + 2 * TILE), *along = norm + 2 * Q;
  const int own = static_cast<int>(threadIdx.x) / 32 * 16;
  const place at = place_of(g, ROWS);
  const vw_attention_view<bf16> v = vw_attention_view_of<bf16>(g, at.b, at.head, qkv, nullptr);
  const int64_t first = at.first + own, stat = (at.b * g.heads + at.head) * g.T;
  const bf16 *row_dy = dy + at.b * g.T * g.C + at.head * g.D;
  float dk[1][W / 8][4] = {}, dv[1][W / 8][4] = {};
  const auto bring_tile = [&](int64_t base) {
    const int slot = static_cast<int>(base / Q % 2);
    bring<W>(query + slot * TILE, Q, g, [&](int r) { return base + r < v.length ? v.query(base + r) : nullptr; });
    bring<W>(slope + slot * TILE, Q, g,
             [&](int r) { return base + r < v.length ? row_dy + (base + r) * g.C : nullptr; });
    for (int r = threadIdx.x; r < Q; r += THREADS) {
      const bool is_there = base + r < v.length;
      norm[slot * Q + r] = is_there ? lse[stat + base + r] * LOG2E : 0.0f;
      along[slot * Q + r] = is_there ? dyy[stat + base + r] : 0.0f;
    }
    vw_copy_commit();
  };

  /* queries before the block's first key do not see it when causal; a block of padding has none at all */
  const int64_t start = g.causal ? at.first / Q * Q : 0, end = at.first < v.length ? v.length : 0;
  if (start < end) {
    bring<W>(keys, ROWS, g, [&](int r) { return at.first + r < v.length ? v.key(at.first + r) : nullptr; });
    bring<W>(values, ROWS, g, [&](int r) { return at.first + r < v.length ? v.value(at.first + r) : nullptr; });
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
    multiply_turned<W>(
        p, [&](int, int k, uint32_t(&a)[4]) { rows_fragment<W>(a, keys + own * STRIDE, k); }, query + slot * TILE);
    multiply_turned<W>(
        ds, [&](int, int k, uint32_t(&a)[4]) { rows_fragment<W>(a, values + own * STRIDE, k); }, slope + slot * TILE);
    for (int n = 0; n < N; n++)
      for (int e = 0; e < 4; e++) {
        const int column = column_of(n, e);
        const int64_t t = base + column, j = first + row_of(e);
        const bool sees = t < v.length && j < v.length && (!g.causal || t >= j);
        p[0][n][e] = sees ? exp2f(p[0][n][e] * (g.scale * LOG2E) - norm[slot * Q + column]) : 0.0f;
        ds[0][n][e] = g.scale * p[0][n][e] * (ds[0][n][e] - along[slot * Q + column]);
      }
    multiply<W>(dv, p, slope + slot * TILE);
    multiply<W>(dk, ds, query + slot * TILE);
    __syncthreads();
  }
  const float one[2] = {1.0f, 1.0f};
  bf16 *out = dqkv + at.b * g.T * 3 * g.C + at.head * g.D;
  put<W>(dk[0], one, g.D, g.packs,
         [&](int r) { return first + r < g.T ? out + (first + r) * 3 * g.C + g.C : nullptr; });
  put<W>(dv[0], one, g.D, g.packs,
         [&](int r) { return first + r < g.T ? out + (first + r) * 3 * g.C + 2 * g.C : nullptr; });
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

/* Calls f with the channels of a tile. */
template <typename F> static vw_status with_width(int64_t D, F f) {
  if (D <= 32) return f(std::integral_constant<int, 32>());
  if (D <= 64) return f(std::integral_constant<int, 64>());
  if (D <= 80) return f(std::integral_constant<int, 80>());
  return f(std::integral_constant<int, MOST_CHANNELS>());
}

static int64_t blocks_of(const vw_attention_geometry &g, int rows) {
  return g.B * g.heads * ((g.T + rows - 1) / rows);
}

template <int W> static vw_status launch(vw_context *ctx, const vw_call *c) {
  using size = sizes<W>;
  vw_attention_geometry g = vw_attention_geometry_of(c->in, c->attr);
  g.packs = vw_attention_packs(g, &c->in[ATTN_QKV], &c->in[ATTN_PREFIX], &c->out[ATTN_Y], &c->out[ATTN_Y]);
  const size_t shared = sizeof(bf16) * size::STRIDE * (size::ROWS * size::M + 4 * KEYS);
  return vw_launch(ctx, "attention_flash", attention_flash_kernel<W>, blocks_of(g, size::ROWS * size::M), 1, THREADS,
                   shared, vw_data<bf16>(&c->out[ATTN_Y]), vw_f32(&c->out[ATTN_LSE]),
                   vw_data<const bf16>(&c->in[ATTN_QKV]), vw_data<const bf16>(&c->in[ATTN_PREFIX]), g);
}

template <int W> static vw_status launch_grad(vw_context *ctx, const vw_call *c) {
  using size = sizes<W>;
  const vw_tensor *in = c->in;
  vw_attention_geometry g = vw_attention_geometry_of(in + ATTNG_QKV, c->attr);
  g.packs = vw_attention_packs(g, &in[ATTNG_QKV], &in[ATTNG_PREFIX], &in[ATTNG_DY], &c->out[0]);
  const int64_t blocks = blocks_of(g, size::ROWS);
  const bf16 *dy = vw_data<const bf16>(&in[ATTNG_DY]), *qkv = vw_data<const bf16>(&in[ATTNG_QKV]);
  const float *lse = vw_f32(&in[ATTNG_LSE]);
  float *dyy = static_cast<float *>(c->scratch);
  const size_t dq_shared = sizeof(bf16) * size::STRIDE * (2 * size::ROWS + 4 * KEYS) + sizeof(float) * size::ROWS;
  const size_t dkv_shared =
      sizeof(bf16) * size::STRIDE * (2 * size::ROWS + 4 * size::QUERIES) + sizeof(float) * 4 * size::QUERIES;
  VW_TRY(vw_launch(ctx, "attention_flash_dq", attention_flash_dq_kernel<W>, blocks, 1, THREADS, dq_shared,
                   vw_data<bf16>(&c->out[0]), dyy, dy, qkv, vw_data<const bf16>(&in[ATTNG_PREFIX]),
                   vw_data<const bf16>(&in[ATTNG_Y]), lse, g));
  return vw_launch(ctx, "attention_flash_dkv", attention_flash_dkv_kernel<W>, blocks, 1, THREADS, dkv_shared,
                   vw_data<bf16>(&c->out[0]), dyy, dy, qkv, lse, g);
}

vw_status vw_attention_flash(vw_context *ctx, const vw_call *c) {
  return with_width(vw_attention_geometry_of(c->in, c->attr).D,
                    [&](auto w) { return launch<decltype(w)::value>(ctx, c); });
}

vw_status vw_attention_flash_grad(vw_context *ctx, const vw_call *c) {
  return with_width(vw_attention_geometry_of(c->in + ATTNG_QKV, c->attr).D,
                    [&](auto w) { return launch_grad<decltype(w)::value>(ctx, c); });
}
