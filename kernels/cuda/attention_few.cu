/* attention and its gradient for up to 16 own positions, usually behind a cached prefix (contract: kernels/attention.h;
 * mathematics: attention.cu), in heads of up to 64 channels. The case of every learned word: 2-16 rows of text behind a
 * template's start. Up to 4 of heads of 64 channels are attention_short.cu's.
 *
 * One warp a row and head, up to 4 warps a block, no warp waits for another. It brings tiles of 32 keys and values into
 * shared memory, each byte once, as 16-byte asynchronous copies of whole rows; then lane j scores key j for all queries
 * (its row in 16-byte reads, 16 bytes of padding keep them free of bank conflicts; queries are broadcast), softmax runs
 * over the lanes, and for the products with values (keys) each lane owns a pair of channels. The gradient does dq, dk
 * and dv in the same pass, so it reads queries, keys, values, y and dy once and writes dqkv once. Sums are fp32 in a
 * fixed order: tiles, then keys, then queries; repeatable bit for bit.
 *
 * Per row and head, J keys: traffic (J + T) 2D elements read (the prefix mostly from L2, shared by the rows of a
 * template), T D written; 4 T J D operations forward, 6 T J D + 4 T T D backward; memory and latency bound. */
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/mma.cuh"

#include <type_traits>

enum { TILE = 32, MOST_QUERIES = 16, FEWER_QUERIES = 8, MOST_WARPS = 4, MOST_CHANNELS = 64, SHARED_GOAL = 100 << 10 };

bool vw_attention_is_few(int64_t T, int64_t D) {
  return T <= MOST_QUERIES && D <= MOST_CHANNELS;
}

/* Channels of a row in shared memory, and elements from row to row: odd multiples of 16 bytes. */
__host__ __device__ static int width_of(int64_t D) {
  return static_cast<int>((D + 15) / 16 * 16);
}
template <typename X> __host__ __device__ static int stride_of(int64_t D) {
  return width_of(D) + static_cast<int>(16 / sizeof(X));
}

/* A warp's part of shared memory: keys, values, then floats: queries and dy [Q][width], p and ds [Q][TILE]. */
template <typename X> struct warp_memory {
  X *keys, *values; /* [rows of a tile] */
  float *query, *slope, *p, *ds;
  int width, stride;
};

/* Rows of a tile: what there is at most, in fours. Few keys leave shared memory to more warps. */
static int rows_of_tile(const vw_attention_geometry &g) {
  const int64_t most = (g.prefix_rows + g.T + 3) / 4 * 4;
  return static_cast<int>(most < TILE ? most : static_cast<int64_t>(TILE));
}

template <typename X> static size_t bytes_of_warp(const vw_attention_geometry &g, int Q, bool is_grad) {
  const int64_t D = g.D;
  return 2 * static_cast<size_t>(rows_of_tile(g)) * sizeof(X) * static_cast<size_t>(stride_of<X>(D)) +
         sizeof(float) * static_cast<size_t>(Q) * static_cast<size_t>((width_of(D) + TILE) * (is_grad ? 2 : 1));
}

template <typename X> __device__ static warp_memory<X> memory_of(size_t bytes, int64_t D, int Q, int rows) {
  warp_memory<X> m;
  m.width = width_of(D), m.stride = stride_of<X>(D);
  m.keys = reinterpret_cast<X *>(reinterpret_cast<char *>(vw_shared()) + threadIdx.y * bytes);
  m.values = m.keys + rows * m.stride;
  m.query = reinterpret_cast<float *>(m.values + rows * m.stride);
  m.p = m.query + Q * m.width;
  m.slope = m.p + Q * TILE, m.ds = m.slope + Q * m.width;
  return m;
}

/* Rows 0..n-1 of `apart` elements to floats [Q][width], zeros elsewhere. */
template <typename X>
__device__ static void fill(float *to, const X *from, int64_t apart, int64_t n, int Q, int width, int64_t D) {
  for (int i = threadIdx.x; i < Q * width; i += 32) {
    const int t = i / width, c = i % width;
    to[i] = t < n && c < D ? vw_load(from, t * apart + c) : 0.0f;
  }
}

/* The tile's keys and values from `base` on; rows behind J up to a multiple of 4 are zero. */
template <typename X>
__device__ static void bring(const warp_memory<X> &m, const vw_attention_view<X> &v, const vw_attention_geometry &g,
                             int64_t base, int64_t J) {
  const int n = static_cast<int>(vw_least(J - base, TILE)), rows = (n + 3) / 4 * 4, D = static_cast<int>(g.D);
  __syncwarp(); /* the tile before has been read */
  vw_copy_rows(m.keys, rows, m.width, m.stride, D, g.packs, threadIdx.x, 32,
               [&](int r) -> const X * { return r < n ? v.key(base + r) : nullptr; });
  vw_copy_rows(m.values, rows, m.width, m.stride, D, g.packs, threadIdx.x, 32,
               [&](int r) -> const X * { return r < n ? v.value(base + r) : nullptr; });
  vw_copy_commit();
  vw_copy_wait<0>();
  __syncwarp();
}

/* s[t] += this lane's row . rows of `with`. */
template <int Q, typename X>
__device__ static void score(float (&s)[Q], const X *row, const float *with, int width, int64_t T) {
  for (int c = 0; c < width; c += VW_PACK) {
    float k[VW_PACK], q[VW_PACK];
    vw_load_pack(row + c, k);
#pragma unroll
    for (int t = 0; t < Q; t++) {
      if (t >= T) break;
      vw_load_pack(with + t * width + c, q);
#pragma unroll
      for (int i = 0; i < VW_PACK; i++) s[t] += k[i] * q[i];
    }
  }
}

/* The pair of channels from c on of a row in shared memory. */
__device__ static float2 pair_at(const float *row, int c) {
  return *reinterpret_cast<const float2 *>(row + c);
}
__device__ static float2 pair_at(const __nv_bfloat16 *row, int c) {
  const uint32_t bits = *reinterpret_cast<const uint32_t *>(row + c);
  return make_float2(__uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000u));
}

/* First channel of the lane's pair. */
__device__ static int channel(void) {
  return 2 * static_cast<int>(threadIdx.x);
}

/* sum[t] += weight[t][j] row j, over the first n rows (a multiple of 4), for the lane's channels. */
template <int Q, typename X>
__device__ static void add_rows(float2 (&sum)[Q], const float *weight, const X *rows, int n, int width, int stride,
                                int64_t T) {
  for (int j = 0; j < n; j += 4) {
    float2 x[4];
    for (int r = 0; r < 4; r++)
      x[r] = channel() < width ? pair_at(rows + (j + r) * stride, channel()) : make_float2(0, 0);
#pragma unroll
    for (int t = 0; t < Q; t++) {
      if (t >= T) break;
      const float4 w = *reinterpret_cast<const float4 *>(weight + t * TILE + j);
      const float each[4] = {w.x, w.y, w.z, w.w};
      for (int r = 0; r < 4; r++) sum[t].x += each[r] * x[r].x, sum[t].y += each[r] * x[r].y;
    }
  }
}

/* The lane's channels of a row of D. */
template <typename X> __device__ static void put(X *to, float2 x, float factor, int64_t D, bool packs) {
  const int c = channel();
  if (packs && c < D) {
    vw_store_pair(to + c, x.x * factor, x.y * factor);
  } else {
    if (c < D) vw_store(to, c, x.x * factor);
    if (c + 1 < D) vw_store(to, c + 1, x.y * factor);
  }
}

/* Query t sees key j. */
__device__ static bool sees(const vw_attention_geometry &g, int64_t P, int64_t length, int64_t t, int64_t j) {
  return t < length && j < P + (g.causal ? t + 1 : length);
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

template <typename X, int Q>
__global__ static void __launch_bounds__(32 * MOST_WARPS)
    attention_few_kernel(X *__restrict__ y, float *__restrict__ lse, const X *__restrict__ qkv,
                         const X *__restrict__ prefix, vw_attention_geometry g, size_t bytes, int rows) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y, b = at / g.heads, head = at % g.heads;
  if (b >= g.B) return; /* whole warps, and they wait for their own lanes only */
  const warp_memory<X> m = memory_of<X>(bytes, g.D, Q, rows);
  const vw_attention_view<X> v = vw_attention_view_of(g, b, head, qkv, prefix);
  const int64_t J = v.length ? v.P + v.length : 0;
  float most[Q], sum[Q];
  float2 out[Q];
  for (int t = 0; t < Q; t++) most[t] = -INFINITY, sum[t] = 0, out[t] = make_float2(0, 0);
  fill(m.query, v.qkv, 3 * g.C, v.length, Q, m.width, g.D);

  for (int64_t base = 0; base < J; base += TILE) {
    const int n = static_cast<int>(vw_least(J - base, TILE));
    bring(m, v, g, base, J);
    float s[Q] = {};
    if (static_cast<int>(threadIdx.x) < n) score(s, m.keys + threadIdx.x * m.stride, m.query, m.width, v.length);
#pragma unroll
    for (int t = 0; t < Q; t++) {
      if (t >= v.length) break; /* the whole warp */
      const bool seen = sees(g, v.P, v.length, t, base + threadIdx.x);
      const float x = seen ? g.scale * s[t] : -INFINITY, now = fmaxf(most[t], vw_warp_max(x));
      const float shrink = expf(most[t] - now), p = seen ? expf(x - now) : 0.0f; /* now is finite: key 0 is seen */
      sum[t] = sum[t] * shrink + vw_warp_sum(p), most[t] = now;
      out[t].x *= shrink, out[t].y *= shrink;
      m.p[t * TILE + threadIdx.x] = p;
    }
    __syncwarp();
    add_rows(out, m.p, m.values, (n + 3) / 4 * 4, m.width, m.stride, v.length);
  }
#pragma unroll
  for (int t = 0; t < Q; t++) {
    if (t >= g.T) break;
    const bool live = t < v.length;
    put(y + (b * g.T + t) * g.C + head * g.D, out[t], live ? 1.0f / sum[t] : 0.0f, g.D, g.packs);
    if (threadIdx.x == 0) lse[(b * g.heads + head) * g.T + t] = live ? most[t] + logf(sum[t]) : 0.0f;
  }
}

/* ---- gradient ---------------------------------------------------------------------------------------------------- */

/* dk and dv of own position i, which is row j of the tile. */
template <typename X>
__device__ static void put_own(X *dqkv, const warp_memory<X> &m, const vw_attention_geometry &g, int64_t i, int j,
                               int64_t queries) {
  float2 dk = make_float2(0, 0), dv = dk;
  for (int t = 0; t < queries && channel() < m.width; t++) {
    const float p = m.p[t * TILE + j], ds = m.ds[t * TILE + j];
    const float2 q = pair_at(m.query + t * m.width, channel()), dy = pair_at(m.slope + t * m.width, channel());
    dk.x += ds * q.x, dk.y += ds * q.y;
    dv.x += p * dy.x, dv.y += p * dy.y;
  }
  put(dqkv + i * 3 * g.C + g.C, dk, 1.0f, g.D, g.packs);
  put(dqkv + i * 3 * g.C + 2 * g.C, dv, 1.0f, g.D, g.packs);
}

template <typename X, int Q>
__global__ static void __launch_bounds__(32 * MOST_WARPS)
    attention_few_grad_kernel(X *__restrict__ dqkv, const X *__restrict__ dy, const X *__restrict__ qkv,
                              const X *__restrict__ prefix, const X *__restrict__ y, const float *__restrict__ lse,
                              vw_attention_geometry g, size_t bytes, int rows) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y, b = at / g.heads, head = at % g.heads;
  if (b >= g.B) return;
  const warp_memory<X> m = memory_of<X>(bytes, g.D, Q, rows);
  const vw_attention_view<X> v = vw_attention_view_of(g, b, head, qkv, prefix);
  const int64_t J = v.length ? v.P + v.length : 0, first = b * g.T * g.C + head * g.D;
  X *own = dqkv + b * g.T * 3 * g.C + head * g.D;
  float along[Q], norm[Q];
  float2 dq[Q];
  fill(m.query, v.qkv, 3 * g.C, v.length, Q, m.width, g.D);
  fill(m.slope, dy + first, g.C, v.length, Q, m.width, g.D);
  __syncwarp(); /* for memory's order: the first sum below makes all lanes wait, too, but orders nothing */
#pragma unroll
  for (int t = 0; t < Q; t++) {
    along[t] = norm[t] = 0, dq[t] = make_float2(0, 0);
    if (t >= v.length) continue;
    for (int c = threadIdx.x; c < g.D; c += 32) along[t] += m.slope[t * m.width + c] * vw_load(y + first, t * g.C + c);
    along[t] = vw_warp_sum(along[t]), norm[t] = lse[(b * g.heads + head) * g.T + t];
  }

  for (int64_t base = 0; base < J; base += TILE) {
    const int n = static_cast<int>(vw_least(J - base, TILE));
    bring(m, v, g, base, J);
    float s[Q] = {}, dp[Q] = {};
    if (static_cast<int>(threadIdx.x) < n) {
      score(s, m.keys + threadIdx.x * m.stride, m.query, m.width, v.length);
      score(dp, m.values + threadIdx.x * m.stride, m.slope, m.width, v.length);
    }
#pragma unroll
    for (int t = 0; t < Q; t++) {
      if (t >= v.length) break;
      const float p = sees(g, v.P, v.length, t, base + threadIdx.x) ? expf(g.scale * s[t] - norm[t]) : 0.0f;
      m.p[t * TILE + threadIdx.x] = p, m.ds[t * TILE + threadIdx.x] = g.scale * p * (dp[t] - along[t]);
    }
    __syncwarp();
    add_rows(dq, m.ds, m.keys, (n + 3) / 4 * 4, m.width, m.stride, v.length);
    for (int j = static_cast<int>(v.P > base ? vw_least(v.P - base, n) : 0); j < n; j++)
      put_own(own, m, g, base + j - v.P, j, v.length);
  }
#pragma unroll
  for (int t = 0; t < Q; t++) {
    if (t >= g.T) break;
    put(own + t * 3 * g.C, dq[t], 1.0f, g.D, g.packs);
    if (t >= v.length) put_own(own, m, g, t, 0, 0); /* padding: zeros */
  }
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

/* Calls f with the most queries. Four and fewer of 64 channels are attention_short.cu's: other heads have no kernels of
 * their own for so few. */
template <typename F> static vw_status with_size(int64_t T, F f) {
  if (T <= FEWER_QUERIES) return f(std::integral_constant<int, FEWER_QUERIES>());
  return f(std::integral_constant<int, MOST_QUERIES>());
}

/* As many warps a block as shared memory of several blocks a multiprocessor allows. */
static int warps_for(size_t bytes) {
  int warps = MOST_WARPS;
  while (warps > 1 && warps * bytes > SHARED_GOAL) warps /= 2;
  return warps;
}

template <typename X, int Q> static vw_status launch(vw_context *ctx, const vw_call *c) {
  vw_attention_geometry g = vw_attention_geometry_of(c->in, c->attr);
  g.packs = vw_attention_packs(g, &c->in[ATTN_QKV], &c->in[ATTN_PREFIX], &c->out[ATTN_Y], &c->out[ATTN_Y]);
  const size_t bytes = bytes_of_warp<X>(g, Q, false);
  const int warps = warps_for(bytes);
  return vw_launch(ctx, "attention_few", attention_few_kernel<X, Q>, g.B * g.heads, warps,
                   dim3(32, static_cast<unsigned>(warps)), bytes * static_cast<size_t>(warps),
                   vw_data<X>(&c->out[ATTN_Y]), vw_f32(&c->out[ATTN_LSE]), vw_data<const X>(&c->in[ATTN_QKV]),
                   vw_data<const X>(&c->in[ATTN_PREFIX]), g, bytes, rows_of_tile(g));
}

template <typename X, int Q> static vw_status launch_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *in = c->in;
  vw_attention_geometry g = vw_attention_geometry_of(in + ATTNG_QKV, c->attr);
  g.packs = vw_attention_packs(g, &in[ATTNG_QKV], &in[ATTNG_PREFIX], &in[ATTNG_DY], &c->out[0]);
  const size_t bytes = bytes_of_warp<X>(g, Q, true);
  const int warps = warps_for(bytes);
  return vw_launch(ctx, "attention_few_grad", attention_few_grad_kernel<X, Q>, g.B * g.heads, warps,
                   dim3(32, static_cast<unsigned>(warps)), bytes * static_cast<size_t>(warps), vw_data<X>(&c->out[0]),
                   vw_data<const X>(&in[ATTNG_DY]), vw_data<const X>(&in[ATTNG_QKV]),
                   vw_data<const X>(&in[ATTNG_PREFIX]), vw_data<const X>(&in[ATTNG_Y]), vw_f32(&in[ATTNG_LSE]), g,
                   bytes, rows_of_tile(g));
}

vw_status vw_attention_few(vw_context *ctx, const vw_call *c) {
  const vw_attention_geometry g = vw_attention_geometry_of(c->in, c->attr);
  if (vw_attention_is_short(g.T, g.D) &&
      vw_attention_packs(g, &c->in[ATTN_QKV], &c->in[ATTN_PREFIX], &c->out[ATTN_Y], &c->out[ATTN_Y]))
    return vw_attention_short(ctx, c);
  return vw_with_type("attention", &c->in[ATTN_QKV], [&](auto x) {
    return with_size(g.T, [&](auto q) { return launch<decltype(x), decltype(q)::value>(ctx, c); });
  });
}

vw_status vw_attention_few_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *in = c->in;
  const vw_attention_geometry g = vw_attention_geometry_of(in + ATTNG_QKV, c->attr);
  if (vw_attention_is_short(g.T, g.D) &&
      vw_attention_packs(g, &in[ATTNG_QKV], &in[ATTNG_PREFIX], &in[ATTNG_DY], &c->out[0]) &&
      vw_packs(static_cast<const char *>(in[ATTNG_Y].data), g.D))
    return vw_attention_short_grad(ctx, c);
  return vw_with_type("attention_grad", &c->in[ATTNG_QKV], [&](auto x) {
    return with_size(g.T, [&](auto q) { return launch_grad<decltype(x), decltype(q)::value>(ctx, c); });
  });
}
