/* group_norm and its gradient, channels-last, for any number of channels. Rows of a multiple of 8 channels are
 * group_norm_packs.cu's; what is left is small: networks of tests.
 *
 *   1  pieces   a block takes a piece of a picture's rows with all channels: a thread owns channels c, c + 256, ... and
 *               runs down the rows; then a thread a group adds its channels in order. Forward: the mean, then the squares
 *               about it; gradient: g and g xh.
 *   2  groups   a warp a (picture, group) joins the pieces: each lane its own in order, then a butterfly. Means and
 *               squares by Chan, Golub & LeVeque 1983: no cancellation, whatever the mean
 *   3  packs    y or dx, 8 elements a thread
 *
 * No atomics, one order: the same bits in every run and at any number of pictures. Traffic: x twice (the second reading
 * of pass 1 hits a cache where the piece fits), y once; the gradient reads x and dy twice, writes dx once. */
#include "kernels/cuda/group_norm.cuh"

enum { THREADS = 256, LEAST_ROWS = 32, MOST_PIECES = 256, WARPS = 8 };

using group_shape = vw_group_shape;

static group_shape shape_of(const vw_tensor *x, int64_t G) {
  return vw_group_shape_of(x, G, LEAST_ROWS, MOST_PIECES);
}

/* Two numbers a piece and group, then two averages a group. */
static vw_status measure_for(vw_call *c, const vw_tensor *x, const vw_tensor *dy) {
  const int64_t G = static_cast<const vw_group_norm_attr *>(c->attr)->groups;
  const group_shape s = shape_of(x, G);
  c->scratch_bytes = vw_group_norm_has_packs(x) ? vw_group_norm_packs_scratch(x, dy, G)
                                                : static_cast<size_t>(s.B * (s.pieces + 1) * s.G * 2) * sizeof(float);
  return VW_OK;
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  (void)ctx;
  return measure_for(c, &c->in[GN_X], nullptr);
}

static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  (void)ctx;
  return measure_for(c, &c->in[GNG_X], &c->in[GNG_DY]);
}

__device__ static float group_sum(const group_shape &s, const float *channels, int64_t g) {
  float sum = 0;
  for (int64_t d = 0; d < s.D; d++) sum += channels[g * s.D + d];
  return sum;
}

/* Where an element stands: its picture, its row of the picture, its channel. Found by division once a pack. */
struct place {
  int64_t b, row;
  int c;
};

__device__ static place place_of(const group_shape &s, int64_t i) {
  const int64_t row = i / s.C;
  return {row / s.S, row % s.S, static_cast<int>(i - row * s.C)};
}

__device__ static void next(const group_shape &s, place &at) {
  if (++at.c < s.C) return;
  at.c = 0;
  if (++at.row == s.S) at.row = 0, at.b++;
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* Shared: C sums, then G means. */
template <typename X>
__global__ static void __launch_bounds__(THREADS)
    group_norm_sums_kernel(float *__restrict__ pairs, const X *__restrict__ x, group_shape s) {
  float *sums = vw_shared(), *means = sums + s.C;
  const vw_group_piece p = vw_group_piece_of(s, blockIdx.x);
  float *out = pairs + static_cast<int64_t>(blockIdx.x) * s.G * 2;
  for (int64_t c = threadIdx.x; c < s.C; c += THREADS) {
    float sum = 0;
    for (int64_t r = p.first; r < p.end; r++) sum += vw_load(x, r * s.C + c);
    sums[c] = sum;
  }
  __syncthreads();
  for (int64_t g = threadIdx.x; g < s.G; g += THREADS)
    out[2 * g] = means[g] = group_sum(s, sums, g) / static_cast<float>((p.end - p.first) * s.D);
  __syncthreads();
  for (int64_t c = threadIdx.x; c < s.C; c += THREADS) {
    const float mean = means[c / s.D];
    float sum = 0;
    for (int64_t r = p.first; r < p.end; r++) {
      const float off = vw_load(x, r * s.C + c) - mean;
      sum += off * off;
    }
    sums[c] = sum;
  }
  __syncthreads();
  for (int64_t g = threadIdx.x; g < s.G; g += THREADS) out[2 * g + 1] = group_sum(s, sums, g);
}

/* Count, mean and squares about it of two sets. */
struct moments {
  float n, mean, squares;
};

__device__ static moments joined(const moments &a, const moments &b) {
  const float n = a.n + b.n, off = b.mean - a.mean, share = n > 0 ? b.n / n : 0;
  return {n, a.mean + off * share, a.squares + b.squares + off * off * a.n * share};
}

__global__ static void __launch_bounds__(32 * WARPS)
    group_norm_join_kernel(float *__restrict__ mean, float *__restrict__ rstd, const float *__restrict__ pairs,
                           group_shape s, float eps) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.y;
  if (i >= s.B * s.G) return; /* whole warps leave together */
  const float *of = pairs + (i / s.G * s.pieces * s.G + i % s.G) * 2;
  moments all = {0, 0, 0};
  for (int64_t p = threadIdx.x; p < s.pieces; p += 32) {
    const int64_t left = s.S - p * s.rows, rows = left < s.rows ? left : s.rows;
    all = joined(all, {static_cast<float>(rows * s.D), of[p * s.G * 2], of[p * s.G * 2 + 1]});
  }
  /* the lower lane's set always comes first: both lanes of a pair compute the same */
  for (int lane = 1; lane < 32; lane *= 2) {
    const moments other = {__shfl_xor_sync(0xffffffffu, all.n, lane), __shfl_xor_sync(0xffffffffu, all.mean, lane),
                           __shfl_xor_sync(0xffffffffu, all.squares, lane)};
    all = threadIdx.x & static_cast<unsigned>(lane) ? joined(other, all) : joined(all, other);
  }
  if (threadIdx.x) return;
  mean[i] = all.mean, rstd[i] = 1.0f / sqrtf(all.squares / all.n + eps);
}

vw_status vw_group_norm_join(vw_context *ctx, const group_shape &s, const float *pairs, double eps, float *mean,
                             float *rstd) {
  return vw_launch(ctx, "group_norm_join", group_norm_join_kernel, s.B * s.G, WARPS, dim3(32, WARPS), 0, mean, rstd,
                   pairs, s, static_cast<float>(eps));
}

template <typename Y, typename X, typename W, bool SILU>
__global__ static void __launch_bounds__(THREADS)
    group_norm_kernel(Y *__restrict__ y, const X *__restrict__ x, const W *__restrict__ gamma,
                      const W *__restrict__ beta, const float *__restrict__ mean, const float *__restrict__ rstd,
                      group_shape s, int64_t n) {
  const int64_t i = vw_thread() * VW_PACK;
  if (i >= n) return;
  float v[VW_PACK];
  vw_load_some(x, i, n, v);
  place at = place_of(s, i);
  for (int j = 0; j < VW_PACK && i + j < n; j++, next(s, at)) {
    const int64_t g = at.b * s.G + at.c / static_cast<int>(s.D);
    const float h = (v[j] - mean[g]) * rstd[g] * vw_load(gamma, at.c) + vw_load(beta, at.c);
    v[j] = SILU ? h / (1.0f + expf(-h)) : h;
  }
  vw_store_some(y, i, n, v);
}

template <typename Y, typename X, typename W> static vw_status launch(vw_context *ctx, const vw_call *c) {
  const vw_group_norm_attr *a = static_cast<const vw_group_norm_attr *>(c->attr);
  const group_shape s = shape_of(&c->in[GN_X], a->groups);
  const X *x = vw_data<const X>(&c->in[GN_X]);
  float *pairs = static_cast<float *>(c->scratch), *mean = vw_f32(&c->out[GN_MEAN]), *rstd = vw_f32(&c->out[GN_RSTD]);
  const int64_t n = vw_count(&c->in[GN_X]);
  if (!n) return VW_OK;
  VW_TRY(vw_launch(ctx, "group_norm_sums", group_norm_sums_kernel<X>, s.B * s.pieces, 1, THREADS,
                   static_cast<size_t>(s.C + s.G) * sizeof(float), pairs, x, s));
  VW_TRY(vw_group_norm_join(ctx, s, pairs, a->eps, mean, rstd));
  return vw_launch(ctx, "group_norm", a->silu ? group_norm_kernel<Y, X, W, true> : group_norm_kernel<Y, X, W, false>, n,
                   THREADS * VW_PACK, THREADS, 0, vw_data<Y>(&c->out[GN_Y]), x, vw_data<const W>(&c->in[GN_GAMMA]),
                   vw_data<const W>(&c->in[GN_BETA]), static_cast<const float *>(mean),
                   static_cast<const float *>(rstd), s, n);
}

/* ---- gradient ---------------------------------------------------------------------------------------------------- */

/* Of one channel of one picture. */
template <bool SILU> struct channel {
  float mean, rstd, gamma, beta;
  /* xh of x, and g = gamma dy act'(h). */
  __device__ void terms(float x, float dy, float &xh, float &g) const {
    xh = (x - mean) * rstd, g = gamma * dy;
    if (!SILU) return;
    const float h = gamma * xh + beta, sigmoid = 1.0f / (1.0f + expf(-h));
    g *= sigmoid * (1.0f + h * (1.0f - sigmoid));
  }
};

template <typename W> struct grad_inputs {
  const W *gamma, *beta;
  const float *mean, *rstd;
  group_shape s;
};

template <bool SILU, typename W>
__device__ static channel<SILU> channel_of(const grad_inputs<W> &in, int64_t b, int64_t c) {
  const int64_t g = b * in.s.G + c / in.s.D;
  return {in.mean[g], in.rstd[g], vw_load(in.gamma, c), vw_load(in.beta, c)};
}

/* Shared: C sums of g, C sums of g xh. */
template <typename Y, typename X, typename W, bool SILU>
__global__ static void __launch_bounds__(THREADS)
    group_norm_grad_sums_kernel(float *__restrict__ pairs, const Y *__restrict__ dy, const X *__restrict__ x,
                                grad_inputs<W> in) {
  const group_shape &s = in.s;
  float *sums = vw_shared(), *sums_x = sums + s.C;
  const vw_group_piece p = vw_group_piece_of(s, blockIdx.x);
  for (int64_t c = threadIdx.x; c < s.C; c += THREADS) {
    const channel<SILU> here = channel_of<SILU>(in, p.b, c);
    float sum = 0, sum_x = 0;
    for (int64_t r = p.first; r < p.end; r++) {
      float xh, g;
      here.terms(vw_load(x, r * s.C + c), vw_load(dy, r * s.C + c), xh, g);
      sum += g, sum_x += g * xh;
    }
    sums[c] = sum, sums_x[c] = sum_x;
  }
  __syncthreads();
  float *out = pairs + static_cast<int64_t>(blockIdx.x) * s.G * 2;
  for (int64_t g = threadIdx.x; g < s.G; g += THREADS)
    out[2 * g] = group_sum(s, sums, g), out[2 * g + 1] = group_sum(s, sums_x, g);
}

__global__ static void __launch_bounds__(32 * WARPS)
    group_norm_average_kernel(float *__restrict__ averages, const float *__restrict__ pairs, group_shape s) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.y;
  if (i >= s.B * s.G) return; /* whole warps leave together */
  const float *of = pairs + (i / s.G * s.pieces * s.G + i % s.G) * 2;
  float g = 0, gx = 0;
  for (int64_t p = threadIdx.x; p < s.pieces; p += 32) g += of[p * s.G * 2], gx += of[p * s.G * 2 + 1];
  g = vw_warp_sum(g), gx = vw_warp_sum(gx);
  const float n = static_cast<float>(s.S * s.D);
  if (threadIdx.x == 0) averages[2 * i] = g / n, averages[2 * i + 1] = gx / n;
}

vw_status vw_group_norm_average(vw_context *ctx, const group_shape &s, const float *pairs, float *averages) {
  return vw_launch(ctx, "group_norm_average", group_norm_average_kernel, s.B * s.G, WARPS, dim3(32, WARPS), 0, averages,
                   pairs, s);
}

template <typename D, typename Y, typename X, typename W, bool SILU>
__global__ static void __launch_bounds__(THREADS)
    group_norm_grad_kernel(D *__restrict__ dx, const Y *__restrict__ dy, const X *__restrict__ x,
                           const float *__restrict__ averages, grad_inputs<W> in, int64_t n) {
  const int64_t i = vw_thread() * VW_PACK;
  if (i >= n) return;
  const group_shape &s = in.s;
  float v[VW_PACK], d[VW_PACK];
  vw_load_some(x, i, n, v), vw_load_some(dy, i, n, d);
  place at = place_of(s, i);
  for (int j = 0; j < VW_PACK && i + j < n; j++, next(s, at)) {
    const int64_t group = at.b * s.G + at.c / static_cast<int>(s.D);
    float xh, g;
    channel_of<SILU>(in, at.b, at.c).terms(v[j], d[j], xh, g);
    v[j] = in.rstd[group] * (g - averages[2 * group] - xh * averages[2 * group + 1]);
  }
  vw_store_some(dx, i, n, v);
}

template <typename D, typename Y, typename X, typename W, bool SILU>
static vw_status launch_grad(vw_context *ctx, const vw_call *c) {
  const group_shape s = shape_of(&c->in[GNG_X], static_cast<const vw_group_norm_attr *>(c->attr)->groups);
  const grad_inputs<W> in = {vw_data<const W>(&c->in[GNG_GAMMA]), vw_data<const W>(&c->in[GNG_BETA]),
                             vw_f32(&c->in[GNG_MEAN]), vw_f32(&c->in[GNG_RSTD]), s};
  const Y *dy = vw_data<const Y>(&c->in[GNG_DY]);
  const X *x = vw_data<const X>(&c->in[GNG_X]);
  float *pairs = static_cast<float *>(c->scratch), *averages = pairs + 2 * s.B * s.pieces * s.G;
  const int64_t n = vw_count(&c->in[GNG_X]);
  if (!n) return VW_OK;
  VW_TRY(vw_launch(ctx, "group_norm_grad_sums", group_norm_grad_sums_kernel<Y, X, W, SILU>, s.B * s.pieces, 1, THREADS,
                   static_cast<size_t>(2 * s.C) * sizeof(float), pairs, dy, x, in));
  VW_TRY(vw_group_norm_average(ctx, s, pairs, averages));
  return vw_launch(ctx, "group_norm_grad", group_norm_grad_kernel<D, Y, X, W, SILU>, n, THREADS * VW_PACK, THREADS, 0,
                   vw_data<D>(&c->out[0]), dy, x, static_cast<const float *>(averages), in, n);
}

/* ---- types ------------------------------------------------------------------------------------------------------- */

static vw_status check(const char *op, const vw_tensor *gamma, const vw_tensor *beta, const vw_tensor *x,
                       const vw_tensor *y) {
  VW_CHECK(gamma->dtype == beta->dtype, VW_ERR_UNSUPPORTED, "%s on cuda wants gamma and beta of one type", op);
  VW_TRY(vw_check_aligned(op, "x", x->data));
  return vw_check_aligned(op, "the result", y->data);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  VW_TRY(check("group_norm", &c->in[GN_GAMMA], &c->in[GN_BETA], &c->in[GN_X], &c->out[GN_Y]));
  VW_TRY(vw_check_f32("group_norm", "statistics", &c->out[GN_MEAN]));
  if (vw_group_norm_has_packs(&c->in[GN_X])) return vw_group_norm_packs(ctx, c);
  return vw_with_type("group_norm", &c->out[GN_Y], [&](auto y) {
    return vw_with_type("group_norm", &c->in[GN_X], [&](auto x) {
      return vw_with_type("group_norm", &c->in[GN_GAMMA],
                          [&](auto w) { return launch<decltype(y), decltype(x), decltype(w)>(ctx, c); });
    });
  });
}

/* dx has the type of x. */
static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  VW_TRY(check("group_norm_grad", &c->in[GNG_GAMMA], &c->in[GNG_BETA], &c->in[GNG_X], &c->out[0]));
  VW_TRY(vw_check_aligned("group_norm_grad", "dy", c->in[GNG_DY].data));
  if (vw_group_norm_has_packs(&c->in[GNG_X])) return vw_group_norm_packs_grad(ctx, c);
  const bool silu = static_cast<const vw_group_norm_attr *>(c->attr)->silu;
  return vw_with_type("group_norm_grad", &c->in[GNG_DY], [&](auto y) {
    return vw_with_type("group_norm_grad", &c->in[GNG_X], [&](auto x) {
      return vw_with_type("group_norm_grad", &c->in[GNG_GAMMA], [&](auto w) {
        using Y = decltype(y);
        using X = decltype(x);
        using W = decltype(w);
        return silu ? launch_grad<X, Y, X, W, true>(ctx, c) : launch_grad<X, Y, X, W, false>(ctx, c);
      });
    });
  });
}

extern "C" const vw_kernel group_norm_cuda = {run, measure, nullptr, nullptr, 0};
extern "C" const vw_kernel group_norm_grad_cuda = {run_grad, measure_grad, nullptr, nullptr, 0};
