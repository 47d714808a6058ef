/* group_norm and its gradient where rows are packs of 8 channels. A thread owns packs of channels and runs down the rows,
 * so that a warp reads 512 bytes side by side, and what belongs to a channel (mean, rstd gamma, beta) stays in registers.
 *
 *   whole    A picture's positions of a few neighbouring groups (as many as packs want) fit into shared memory: one
 *            block reads them once, sums, and writes from there. x once, y once; the gradient x, dy, dx once each.
 *   pieces   Otherwise a picture's rows are cut. A block sums a piece; a warp a (picture, group) joins the pieces; then y
 *            or dx, by blocks in the opposite order: what pass 1 read last is in the L2 cache still. x twice, y once.
 *
 * Sums of a channel are about its first value in the block: no cancellation beyond what that value's own distance from
 * the mean brings, and it is one of the values whose squares are summed. Channels are joined to groups by Chan, Golub &
 * LeVeque 1983. No atomics, one order, which follows from a picture's size alone: the same bits in every run and at any
 * number of pictures. About 10 operations an element, SiLU included: in bf16 by the fast exponential, whose error (2^-21)
 * is far below a rounding to bf16 (2^-9). */
#include "kernels/cuda/group_norm.cuh"

enum { THREADS = 256, WARPS = THREADS / 32, PIECE = 16384, MOST_PIECES = 1024, MOST_TOGETHER = 8 };
/* Of shared memory for rows: two blocks fit a multiprocessor of 9.0, one of 8.0. */
static const int64_t MOST_ROWS_BYTES = 96 << 10;

using shape = vw_group_shape;

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

template <typename T> struct sigmoid_of {
  __device__ static float at(float x) { return 1.0f / (1.0f + expf(-x)); }
};
#ifdef __CUDACC__ /* the host that emulates a device has the exact ones alone */
template <> struct sigmoid_of<__nv_bfloat16> {
  __device__ static float at(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }
};
#endif

/* A thread's place in a block that walks rows of `packs` packs: its first pack, its rows, and how many threads lie side
 * by side. Threads without a place have no rows. */
struct walk {
  int64_t pack, lane, lanes, side;
};

__device__ static walk walk_of(int64_t packs) {
  const int64_t side = packs < THREADS ? packs : static_cast<int64_t>(THREADS), lanes = THREADS / side;
  return {threadIdx.x % side, threadIdx.x / side, lanes, side};
}

/* Sums of K channels by every lane of rows, one behind the other: first[lane K + c], second behind all of them. */
__device__ static void put_sums(float *sums, int64_t lanes, int64_t K, int64_t lane, int64_t c,
                                const float (&a)[VW_PACK], const float (&b)[VW_PACK]) {
  vw_store_pack(sums + lane * K + c, a);
  vw_store_pack(sums + (lanes + lane) * K + c, b);
}

/* Adds lanes up in a fixed order into lane 0; all threads must come. */
__device__ static void fold(float *sums, int64_t lanes, int64_t K) {
  const int64_t fits = THREADS / K, parts = fits < 1 ? 1 : fits < lanes ? fits : lanes;
  float *second = sums + lanes * K;
  __syncthreads();
  if (parts > 1 && threadIdx.x < parts * K) { /* lanes q, q + parts, ...: nobody else reads those */
    const int64_t q = threadIdx.x / K, c = threadIdx.x % K;
    float a = 0, b = 0;
    for (int64_t l = q; l < lanes; l += parts) a += sums[l * K + c], b += second[l * K + c];
    sums[q * K + c] = a, second[q * K + c] = b;
  }
  __syncthreads();
  const int64_t left = parts > 1 ? parts : lanes;
  for (int64_t c = threadIdx.x; c < K; c += THREADS) {
    float a = 0, b = 0;
    for (int64_t l = 0; l < left; l++) a += sums[l * K + c], b += second[l * K + c];
    sums[c] = a, second[c] = b;
  }
  __syncthreads();
}

/* Of n rows: sums about `pivot` of K channels become their means and squares about them. pivot(c): a channel's. */
template <typename F> __device__ static void to_moments(float *sums, int64_t lanes, int64_t K, float n, F pivot) {
  float *second = sums + lanes * K;
  for (int64_t c = threadIdx.x; c < K; c += THREADS) {
    const float off = sums[c] / n;
    second[c] = fmaxf(second[c] - sums[c] * off, 0.0f);
    sums[c] = pivot(c) + off;
  }
  __syncthreads();
}

/* One warp a group of D channels, the first at c: mean, and squares about it; by all lanes, the same in each. */
__device__ static void join_channels(const float *means, const float *squares, int64_t c, int64_t D, float n,
                                     float &mean, float &about) {
  float sum = 0;
  for (int64_t d = threadIdx.x % 32; d < D; d += 32) sum += means[c + d];
  mean = vw_warp_sum(sum) / static_cast<float>(D);
  sum = 0;
  for (int64_t d = threadIdx.x % 32; d < D; d += 32) {
    const float off = means[c + d] - mean;
    sum += squares[c + d] + n * off * off;
  }
  about = vw_warp_sum(sum);
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* What a pack's channels need. */
template <typename Y, bool SILU> struct forward_pack {
  float mean[VW_PACK], factor[VW_PACK], beta[VW_PACK];
  template <typename W, typename M, typename R>
  __device__ void take(const W *gamma, const W *shift, int64_t c, M mean_of, R rstd_of) {
    vw_load_pack(gamma + c, factor), vw_load_pack(shift + c, beta);
    for (int j = 0; j < VW_PACK; j++) mean[j] = mean_of(c + j), factor[j] *= rstd_of(c + j);
  }
  __device__ void apply(float (&v)[VW_PACK]) const {
    for (int j = 0; j < VW_PACK; j++) {
      const float h = (v[j] - mean[j]) * factor[j] + beta[j];
      v[j] = SILU ? h * sigmoid_of<Y>::at(h) : h;
    }
  }
};

/* Shared: two sums a lane and channel. */
template <typename X>
__global__ static void __launch_bounds__(THREADS)
    group_norm_pack_sums_kernel(float *__restrict__ pairs, const X *__restrict__ x, shape s) {
  float *sums = vw_shared();
  const vw_group_piece p = vw_group_piece_of(s, blockIdx.x);
  const walk w = walk_of(s.C / VW_PACK);
  const float n = static_cast<float>(p.end - p.first);
  const X *first = x + p.first * s.C;
  for (int64_t c = w.pack * VW_PACK; c < s.C && w.lane < w.lanes; c += w.side * VW_PACK) {
    float pivot[VW_PACK], a[VW_PACK] = {}, b[VW_PACK] = {};
    vw_load_pack(first + c, pivot);
#pragma unroll 4
    for (int64_t r = p.first + w.lane; r < p.end; r += w.lanes) {
      float v[VW_PACK];
      vw_load_pack(x + r * s.C + c, v);
      for (int j = 0; j < VW_PACK; j++) v[j] -= pivot[j], a[j] += v[j], b[j] += v[j] * v[j];
    }
    put_sums(sums, w.lanes, s.C, w.lane, c, a, b);
  }
  fold(sums, w.lanes, s.C);
  to_moments(sums, w.lanes, s.C, n, [&](int64_t c) { return vw_load(first, c); });
  float *out = pairs + static_cast<int64_t>(blockIdx.x) * s.G * 2;
  for (int64_t g = threadIdx.x / 32; g < s.G; g += WARPS) {
    float mean, about;
    join_channels(sums, sums + w.lanes * s.C, g * s.D, s.D, n, mean, about);
    if (threadIdx.x % 32 == 0) out[2 * g] = mean, out[2 * g + 1] = about;
  }
}

template <typename Y, typename X, typename W, bool SILU>
__global__ static void __launch_bounds__(THREADS)
    group_norm_pack_kernel(Y *__restrict__ y, const X *__restrict__ x, const W *__restrict__ gamma,
                           const W *__restrict__ beta, const float *__restrict__ mean, const float *__restrict__ rstd,
                           shape s) {
  const vw_group_piece p = vw_group_piece_of(s, s.B * s.pieces - 1 - blockIdx.x);
  const walk w = walk_of(s.C / VW_PACK);
  const float *means = mean + p.b * s.G, *factors = rstd + p.b * s.G;
  const int D = static_cast<int>(s.D);
  for (int64_t c = w.pack * VW_PACK; c < s.C && w.lane < w.lanes; c += w.side * VW_PACK) {
    forward_pack<Y, SILU> of;
    of.take(
        gamma, beta, c, [&](int64_t k) { return means[static_cast<int>(k) / D]; },
        [&](int64_t k) { return factors[static_cast<int>(k) / D]; });
#pragma unroll 4
    for (int64_t r = p.first + w.lane; r < p.end; r += w.lanes) {
      float v[VW_PACK];
      vw_load_pack(x + r * s.C + c, v);
      of.apply(v);
      vw_store_pack(y + r * s.C + c, v);
    }
  }
}

/* Neighbouring groups of a picture that one block takes: K channels in packs. */
struct together {
  int64_t groups, K; /* groups 0: such rows are cut into pieces */
};

static together together_of(const shape &s, int64_t bytes_a_channel) {
  for (int64_t k = 1; k <= MOST_TOGETHER; k++)
    if (s.G % k == 0 && k * s.D % VW_PACK == 0)
      return {s.S * k * s.D * bytes_a_channel <= MOST_ROWS_BYTES && k * s.D <= THREADS ? k : 0, k * s.D};
  return {0, 0};
}

static int64_t lanes_of(int64_t K) {
  const int64_t packs = K / VW_PACK;
  return THREADS / (packs < THREADS ? packs : static_cast<int64_t>(THREADS));
}

static size_t sums_bytes(int64_t K) {
  return static_cast<size_t>(2 * lanes_of(K) * K) * sizeof(float);
}

/* Shared: two sums a lane and channel, then the rows. Blocks: the sets of groups of every picture. */
template <typename Y, typename X, typename W, bool SILU>
__global__ static void __launch_bounds__(THREADS)
    group_norm_whole_kernel(Y *__restrict__ y, float *__restrict__ mean, float *__restrict__ rstd,
                            const X *__restrict__ x, const W *__restrict__ gamma, const W *__restrict__ beta, shape s,
                            together t, float eps) {
  __shared__ float means[MOST_TOGETHER], factors[MOST_TOGETHER];
  const walk w = walk_of(t.K / VW_PACK);
  const int64_t sets = s.G / t.groups, b = blockIdx.x / sets, g0 = blockIdx.x % sets * t.groups, c0 = g0 * s.D;
  const int64_t c = w.pack * VW_PACK;
  float *sums = vw_shared(), pivot[VW_PACK], a[VW_PACK] = {}, q[VW_PACK] = {};
  X *rows = reinterpret_cast<X *>(sums + 2 * w.lanes * t.K);
  const X *from = x + b * s.S * s.C + c0;
  const float n = static_cast<float>(s.S);
  const bool has_place = w.lane < w.lanes;
  if (has_place) {
    vw_load_pack(from + c, pivot);
#pragma unroll 4
    for (int64_t r = w.lane; r < s.S; r += w.lanes) {
      float v[VW_PACK];
      vw_load_pack(from + r * s.C + c, v);
      vw_store_pack(rows + r * t.K + c, v);
      for (int j = 0; j < VW_PACK; j++) v[j] -= pivot[j], a[j] += v[j], q[j] += v[j] * v[j];
    }
    put_sums(sums, w.lanes, t.K, w.lane, c, a, q);
  }
  fold(sums, w.lanes, t.K);
  to_moments(sums, w.lanes, t.K, n, [&](int64_t k) { return vw_load(rows, k); });
  for (int64_t g = threadIdx.x / 32; g < t.groups; g += WARPS) {
    float m, about;
    join_channels(sums, sums + w.lanes * t.K, g * s.D, s.D, n, m, about);
    if (threadIdx.x % 32) continue;
    means[g] = mean[b * s.G + g0 + g] = m;
    factors[g] = rstd[b * s.G + g0 + g] = 1.0f / sqrtf(about / (n * static_cast<float>(s.D)) + eps);
  }
  __syncthreads();
  if (!has_place) return;
  const int D = static_cast<int>(s.D), skipped = static_cast<int>(c0);
  forward_pack<Y, SILU> of;
  of.take(
      gamma, beta, c0 + c, [&](int64_t k) { return means[(static_cast<int>(k) - skipped) / D]; },
      [&](int64_t k) { return factors[(static_cast<int>(k) - skipped) / D]; });
  Y *to = y + b * s.S * s.C + c0;
  for (int64_t r = w.lane; r < s.S; r += w.lanes) {
    float v[VW_PACK];
    vw_load_pack(rows + r * t.K + c, v);
    of.apply(v);
    vw_store_pack(to + r * s.C + c, v);
  }
}

/* ---- gradient ---------------------------------------------------------------------------------------------------- */

/* u = dy act'(h), of which gamma u is the contract's g. */
template <typename X, bool SILU> struct slope_pack {
  float mean[VW_PACK], factor[VW_PACK], beta[VW_PACK]; /* factor: rstd gamma */
  template <typename W>
  __device__ void take(const W *gamma, const W *shift, const float *means, const float *rstds, int64_t c, int D) {
    vw_load_pack(gamma + c, factor), vw_load_pack(shift + c, beta);
    for (int j = 0; j < VW_PACK; j++) {
      const int g = static_cast<int>(c + j) / D;
      mean[j] = means[g], factor[j] *= rstds[g];
    }
  }
  /* x becomes x - mean, dy becomes u. */
  __device__ void apply(float (&x)[VW_PACK], float (&dy)[VW_PACK]) const {
    for (int j = 0; j < VW_PACK; j++) {
      x[j] -= mean[j];
      if (!SILU) continue;
      const float h = x[j] * factor[j] + beta[j], sigmoid = sigmoid_of<X>::at(h);
      dy[j] *= sigmoid * (1.0f + h * (1.0f - sigmoid));
    }
  }
};

template <typename W> struct grad_inputs {
  const W *gamma, *beta;
  const float *mean, *rstd;
  shape s;
};

/* Sums of u and u (x - mean) of K channels from c0 on become those of g and g xh; then a warp a group adds them. */
template <typename W, typename F>
__device__ static void add_slopes(float *sums, int64_t lanes, int64_t K, const grad_inputs<W> &in, int64_t b,
                                  int64_t c0, int64_t groups, F put) {
  float *second = sums + lanes * K;
  const int64_t D = in.s.D;
  fold(sums, lanes, K);
  for (int64_t g = threadIdx.x / 32; g < groups; g += WARPS) {
    const float rstd = in.rstd[b * in.s.G + c0 / D + g];
    float sum = 0, sum_x = 0;
    for (int64_t d = threadIdx.x % 32; d < D; d += 32) {
      const float gamma = vw_load(in.gamma, c0 + g * D + d);
      sum += gamma * sums[g * D + d], sum_x += gamma * second[g * D + d];
    }
    sum = vw_warp_sum(sum), sum_x = vw_warp_sum(sum_x) * rstd;
    if (threadIdx.x % 32 == 0) put(g, sum, sum_x);
  }
}

template <typename Y, typename X, typename W, bool SILU>
__global__ static void __launch_bounds__(THREADS)
    group_norm_grad_pack_sums_kernel(float *__restrict__ pairs, const Y *__restrict__ dy, const X *__restrict__ x,
                                     grad_inputs<W> in) {
  const shape &s = in.s;
  float *sums = vw_shared();
  const vw_group_piece p = vw_group_piece_of(s, blockIdx.x);
  const walk w = walk_of(s.C / VW_PACK);
  for (int64_t c = w.pack * VW_PACK; c < s.C && w.lane < w.lanes; c += w.side * VW_PACK) {
    slope_pack<X, SILU> of;
    float a[VW_PACK] = {}, b[VW_PACK] = {};
    of.take(in.gamma, in.beta, in.mean + p.b * s.G, in.rstd + p.b * s.G, c, static_cast<int>(s.D));
#pragma unroll 2
    for (int64_t r = p.first + w.lane; r < p.end; r += w.lanes) {
      float v[VW_PACK], u[VW_PACK];
      vw_load_pack(x + r * s.C + c, v), vw_load_pack(dy + r * s.C + c, u);
      of.apply(v, u);
      for (int j = 0; j < VW_PACK; j++) a[j] += u[j], b[j] += u[j] * v[j];
    }
    put_sums(sums, w.lanes, s.C, w.lane, c, a, b);
  }
  float *out = pairs + static_cast<int64_t>(blockIdx.x) * s.G * 2;
  add_slopes(sums, w.lanes, s.C, in, p.b, 0, s.G,
             [&](int64_t g, float sum, float sum_x) { out[2 * g] = sum, out[2 * g + 1] = sum_x; });
}

/* dx = rstd gamma u - rstd avg(g) - (x - mean) rstd^2 avg(g xh); averages(c): both of a channel's group. */
template <typename X, bool SILU> struct grad_pack {
  slope_pack<X, SILU> slope;
  float constant[VW_PACK], along[VW_PACK];
  template <typename W, typename F> __device__ void take(const grad_inputs<W> &in, int64_t b, int64_t c, F averages) {
    const int D = static_cast<int>(in.s.D);
    slope.take(in.gamma, in.beta, in.mean + b * in.s.G, in.rstd + b * in.s.G, c, D);
    for (int j = 0; j < VW_PACK; j++) {
      const float rstd = in.rstd[b * in.s.G + static_cast<int>(c + j) / D], *of = averages(c + j);
      constant[j] = rstd * of[0], along[j] = rstd * rstd * of[1];
    }
  }
  __device__ void apply(float (&x)[VW_PACK], float (&dy)[VW_PACK]) const {
    slope.apply(x, dy);
    for (int j = 0; j < VW_PACK; j++) x[j] = slope.factor[j] * dy[j] - constant[j] - x[j] * along[j];
  }
};

template <typename Y, typename X, typename W, bool SILU>
__global__ static void __launch_bounds__(THREADS)
    group_norm_grad_pack_kernel(X *__restrict__ dx, const Y *__restrict__ dy, const X *__restrict__ x,
                                const float *__restrict__ averages, grad_inputs<W> in) {
  const shape &s = in.s;
  const vw_group_piece p = vw_group_piece_of(s, s.B * s.pieces - 1 - blockIdx.x);
  const walk w = walk_of(s.C / VW_PACK);
  const float *of_picture = averages + p.b * s.G * 2;
  const int D = static_cast<int>(s.D);
  for (int64_t c = w.pack * VW_PACK; c < s.C && w.lane < w.lanes; c += w.side * VW_PACK) {
    grad_pack<X, SILU> of;
    of.take(in, p.b, c, [&](int64_t k) { return of_picture + 2 * (static_cast<int>(k) / D); });
#pragma unroll 2
    for (int64_t r = p.first + w.lane; r < p.end; r += w.lanes) {
      float v[VW_PACK], u[VW_PACK];
      vw_load_pack(x + r * s.C + c, v), vw_load_pack(dy + r * s.C + c, u);
      of.apply(v, u);
      vw_store_pack(dx + r * s.C + c, v);
    }
  }
}

/* Shared: two sums a lane and channel, then rows of x, rows of dy. */
template <typename Y, typename X, typename W, bool SILU>
__global__ static void __launch_bounds__(THREADS)
    group_norm_grad_whole_kernel(X *__restrict__ dx, const Y *__restrict__ dy, const X *__restrict__ x,
                                 grad_inputs<W> in, together t) {
  __shared__ float averages[2 * MOST_TOGETHER];
  const shape &s = in.s;
  const walk w = walk_of(t.K / VW_PACK);
  const int64_t sets = s.G / t.groups, b = blockIdx.x / sets, g0 = blockIdx.x % sets * t.groups, c0 = g0 * s.D;
  const int64_t c = w.pack * VW_PACK, first = b * s.S * s.C + c0;
  float *sums = vw_shared();
  X *rows = reinterpret_cast<X *>(sums + 2 * w.lanes * t.K);
  Y *slopes = reinterpret_cast<Y *>(rows + s.S * t.K);
  const bool has_place = w.lane < w.lanes;
  if (has_place) {
    slope_pack<X, SILU> of;
    float a[VW_PACK] = {}, q[VW_PACK] = {};
    of.take(in.gamma, in.beta, in.mean + b * s.G, in.rstd + b * s.G, c0 + c, static_cast<int>(s.D));
#pragma unroll 2
    for (int64_t r = w.lane; r < s.S; r += w.lanes) {
      float v[VW_PACK], u[VW_PACK];
      vw_load_pack(x + first + r * s.C + c, v), vw_load_pack(dy + first + r * s.C + c, u);
      vw_store_pack(rows + r * t.K + c, v), vw_store_pack(slopes + r * t.K + c, u);
      of.apply(v, u);
      for (int j = 0; j < VW_PACK; j++) a[j] += u[j], q[j] += u[j] * v[j];
    }
    put_sums(sums, w.lanes, t.K, w.lane, c, a, q);
  }
  const float n = static_cast<float>(s.S * s.D);
  add_slopes(sums, w.lanes, t.K, in, b, c0, t.groups,
             [&](int64_t g, float sum, float sum_x) { averages[2 * g] = sum / n, averages[2 * g + 1] = sum_x / n; });
  __syncthreads();
  if (!has_place) return;
  const int D = static_cast<int>(s.D), skipped = static_cast<int>(c0);
  grad_pack<X, SILU> of;
  of.take(in, b, c0 + c, [&](int64_t k) { return averages + 2 * ((static_cast<int>(k) - skipped) / D); });
  for (int64_t r = w.lane; r < s.S; r += w.lanes) {
    float v[VW_PACK], u[VW_PACK];
    vw_load_pack(rows + r * t.K + c, v), vw_load_pack(slopes + r * t.K + c, u);
    of.apply(v, u);
    vw_store_pack(dx + first + r * s.C + c, v);
  }
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static shape shape_of(const vw_tensor *x, int64_t G) {
  const int64_t C = vw_last_dim(x);
  return vw_group_shape_of(x, G, C < PIECE ? PIECE / C : 1, MOST_PIECES);
}

bool vw_group_norm_has_packs(const vw_tensor *x) {
  return vw_last_dim(x) % VW_PACK == 0;
}

static together together_for(const shape &s, const vw_tensor *x, const vw_tensor *dy) {
  return together_of(s, static_cast<int64_t>(vw_dtype_bytes(x->dtype) + (dy ? vw_dtype_bytes(dy->dtype) : 0)));
}

/* Two numbers a piece and group; the gradient's averages behind them. */
size_t vw_group_norm_packs_scratch(const vw_tensor *x, const vw_tensor *dy, int64_t G) {
  const shape s = shape_of(x, G);
  return together_for(s, x, dy).groups ? 0 : static_cast<size_t>(s.B * (s.pieces + 1) * s.G * 2) * sizeof(float);
}

template <typename Y, typename X, typename W> static vw_status launch(vw_context *ctx, const vw_call *c) {
  const vw_group_norm_attr *a = static_cast<const vw_group_norm_attr *>(c->attr);
  const shape s = shape_of(&c->in[GN_X], a->groups);
  const together t = together_for(s, &c->in[GN_X], nullptr);
  const X *x = vw_data<const X>(&c->in[GN_X]);
  const W *gamma = vw_data<const W>(&c->in[GN_GAMMA]), *beta = vw_data<const W>(&c->in[GN_BETA]);
  Y *y = vw_data<Y>(&c->out[GN_Y]);
  float *pairs = static_cast<float *>(c->scratch), *mean = vw_f32(&c->out[GN_MEAN]), *rstd = vw_f32(&c->out[GN_RSTD]);
  if (!s.B || !s.S) return VW_OK;
  if (t.groups)
    return vw_launch(ctx, "group_norm_whole",
                     a->silu ? group_norm_whole_kernel<Y, X, W, true> : group_norm_whole_kernel<Y, X, W, false>,
                     s.B * s.G, t.groups, THREADS, sums_bytes(t.K) + static_cast<size_t>(s.S * t.K) * sizeof(X), y,
                     mean, rstd, x, gamma, beta, s, t, static_cast<float>(a->eps));
  VW_TRY(vw_launch(ctx, "group_norm_pack_sums", group_norm_pack_sums_kernel<X>, s.B * s.pieces, 1, THREADS,
                   sums_bytes(s.C), pairs, x, s));
  VW_TRY(vw_group_norm_join(ctx, s, pairs, a->eps, mean, rstd));
  return vw_launch(ctx, "group_norm_pack",
                   a->silu ? group_norm_pack_kernel<Y, X, W, true> : group_norm_pack_kernel<Y, X, W, false>,
                   s.B * s.pieces, 1, THREADS, 0, y, x, gamma, beta, static_cast<const float *>(mean),
                   static_cast<const float *>(rstd), s);
}

template <typename Y, typename X, typename W, bool SILU>
static vw_status launch_grad(vw_context *ctx, const vw_call *c) {
  const shape s = shape_of(&c->in[GNG_X], static_cast<const vw_group_norm_attr *>(c->attr)->groups);
  const together t = together_for(s, &c->in[GNG_X], &c->in[GNG_DY]);
  const grad_inputs<W> in = {vw_data<const W>(&c->in[GNG_GAMMA]), vw_data<const W>(&c->in[GNG_BETA]),
                             vw_f32(&c->in[GNG_MEAN]), vw_f32(&c->in[GNG_RSTD]), s};
  const Y *dy = vw_data<const Y>(&c->in[GNG_DY]);
  const X *x = vw_data<const X>(&c->in[GNG_X]);
  X *dx = vw_data<X>(&c->out[0]);
  float *pairs = static_cast<float *>(c->scratch), *averages = pairs + 2 * s.B * s.pieces * s.G;
  if (!s.B || !s.S) return VW_OK;
  if (t.groups)
    return vw_launch(ctx, "group_norm_grad_whole", group_norm_grad_whole_kernel<Y, X, W, SILU>, s.B * s.G, t.groups,
                     THREADS, sums_bytes(t.K) + static_cast<size_t>(s.S * t.K) * (sizeof(X) + sizeof(Y)), dx, dy, x, in,
                     t);
  VW_TRY(vw_launch(ctx, "group_norm_grad_pack_sums", group_norm_grad_pack_sums_kernel<Y, X, W, SILU>, s.B * s.pieces, 1,
                   THREADS, sums_bytes(s.C), pairs, dy, x, in));
  VW_TRY(vw_group_norm_average(ctx, s, pairs, averages));
  return vw_launch(ctx, "group_norm_grad_pack", group_norm_grad_pack_kernel<Y, X, W, SILU>, s.B * s.pieces, 1, THREADS,
                   0, dx, dy, x, static_cast<const float *>(averages), in);
}

vw_status vw_group_norm_packs(vw_context *ctx, const vw_call *c) {
  return vw_with_type("group_norm", &c->out[GN_Y], [&](auto y) {
    return vw_with_type("group_norm", &c->in[GN_X], [&](auto x) {
      return vw_with_type("group_norm", &c->in[GN_GAMMA],
                          [&](auto w) { return launch<decltype(y), decltype(x), decltype(w)>(ctx, c); });
    });
  });
}

vw_status vw_group_norm_packs_grad(vw_context *ctx, const vw_call *c) {
  const bool silu = static_cast<const vw_group_norm_attr *>(c->attr)->silu;
  return vw_with_type("group_norm_grad", &c->in[GNG_DY], [&](auto y) {
    return vw_with_type("group_norm_grad", &c->in[GNG_X], [&](auto x) {
      return vw_with_type("group_norm_grad", &c->in[GNG_GAMMA], [&](auto w) {
        using Y = decltype(y);
        using X = decltype(x);
        using W = decltype(w);
        return silu ? launch_grad<Y, X, W, true>(ctx, c) : launch_grad<Y, X, W, false>(ctx, c);
      });
    });
  });
}
