/* LayerNorm over the C channels of a row, and its gradient with respect to the input (avg is over the channels):
 *
 *   mean = avg(x)   rstd = 1 / sqrt(avg((x - mean)^2) + eps)      g  = gamma dy
 *   xh   = (x - mean) rstd                                        dx = rstd (g - avg(g) - xh avg(g xh))
 *   y    = gamma xh + beta
 *
 * One warp a row, fp32 sums whose order is fixed (a lane's own channels, then a butterfly), no atomics: repeatable bit
 * for bit. The variance is summed over x - mean: E[x^2] - mean^2 would cancel. Rows of up to 1,536 channels that divide
 * into packs of 8 stay in registers (the _packs kernels): one pass in 16-byte accesses, traffic x read and y written
 * once, or x, dy read and dx written once, and gamma, beta from L1; about 8 operations a channel forward, 12 backward:
 * bound by memory. Any other row is read again from L1. Grid: ceil(N / 8) blocks of 8 warps. */
#include "kernels/layernorm.h"

#include "kernels/cuda/vector.cuh"

#include <type_traits>

enum { ROWS_PER_BLOCK = 8, MOST_CHUNKS = 6, CHUNK = 32 * VW_PACK };

template <typename X, typename Y, typename P>
__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    layernorm_kernel(Y *__restrict__ y, float *__restrict__ mean, float *__restrict__ rstd, const X *__restrict__ x,
                     const P *__restrict__ gamma, const P *__restrict__ beta, float eps, int64_t N, int64_t C) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (row >= N) return; /* whole warps leave together, so vw_warp_sum stays legal */
  x += row * C, y += row * C;

  float sum = 0, squares = 0;
  for (int64_t c = threadIdx.x; c < C; c += 32) sum += vw_load(x, c);
  const float mu = vw_warp_sum(sum) / static_cast<float>(C);
  for (int64_t c = threadIdx.x; c < C; c += 32) {
    const float d = vw_load(x, c) - mu;
    squares += d * d;
  }
  const float rs = 1.0f / sqrtf(vw_warp_sum(squares) / static_cast<float>(C) + eps);

  for (int64_t c = threadIdx.x; c < C; c += 32)
    vw_store(y, c, vw_load(gamma, c) * ((vw_load(x, c) - mu) * rs) + vw_load(beta, c));
  if (threadIdx.x == 0) mean[row] = mu, rstd[row] = rs;
}

template <typename X, typename Y, typename P>
__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    layernorm_grad_kernel(X *__restrict__ dx, const Y *__restrict__ dy, const X *__restrict__ x,
                          const P *__restrict__ gamma, const float *__restrict__ mean, const float *__restrict__ rstd,
                          int64_t N, int64_t C) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (row >= N) return;
  dx += row * C, dy += row * C, x += row * C;
  const float mu = mean[row], rs = rstd[row];

  float avg_g = 0, avg_gx = 0;
  for (int64_t c = threadIdx.x; c < C; c += 32) {
    const float g = vw_load(gamma, c) * vw_load(dy, c);
    avg_g += g, avg_gx += g * ((vw_load(x, c) - mu) * rs);
  }
  avg_g = vw_warp_sum(avg_g) / static_cast<float>(C), avg_gx = vw_warp_sum(avg_gx) / static_cast<float>(C);

  for (int64_t c = threadIdx.x; c < C; c += 32) {
    const float g = vw_load(gamma, c) * vw_load(dy, c), xh = (vw_load(x, c) - mu) * rs;
    vw_store(dx, c, rs * (g - avg_g - xh * avg_gx));
  }
}

/* ---- rows in registers: lane l has channels 8 l .. 8 l + 7 of every chunk of 256 --------------------------------- */

template <typename X, typename Y, int CHUNKS>
__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    layernorm_packs_kernel(Y *__restrict__ y, float *__restrict__ mean, float *__restrict__ rstd,
                           const X *__restrict__ x, const Y *__restrict__ gamma, const Y *__restrict__ beta, float eps,
                           int64_t N, int C) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (row >= N) return;
  const int first = static_cast<int>(threadIdx.x) * VW_PACK;
  constexpr bool early = CHUNKS <= 3; /* gamma and beta: of wider rows they would take registers from other warps */
  float v[CHUNKS][VW_PACK], g[CHUNKS][VW_PACK], b[CHUNKS][VW_PACK], sum = 0, squares = 0;
#pragma unroll
  for (int k = 0; k < CHUNKS; k++) /* all that is read is asked for before the first sum waits */
    if (first + k * CHUNK < C) vw_load_pack(x + row * C + first + k * CHUNK, v[k]);
#pragma unroll
  for (int k = 0; k < CHUNKS; k++)
    if (early && first + k * CHUNK < C)
      vw_load_pack(gamma + first + k * CHUNK, g[k]), vw_load_pack(beta + first + k * CHUNK, b[k]);
#pragma unroll
  for (int k = 0; k < CHUNKS; k++)
    if (first + k * CHUNK < C)
      for (int i = 0; i < VW_PACK; i++) sum += v[k][i];
  const float mu = vw_warp_sum(sum) / static_cast<float>(C);
#pragma unroll
  for (int k = 0; k < CHUNKS; k++)
    if (first + k * CHUNK < C)
      for (int i = 0; i < VW_PACK; i++) v[k][i] -= mu, squares += v[k][i] * v[k][i];
  const float rs = 1.0f / sqrtf(vw_warp_sum(squares) / static_cast<float>(C) + eps);
#pragma unroll
  for (int k = 0; k < CHUNKS; k++) {
    const int c = first + k * CHUNK;
    if (c >= C) break;
    if (!early) vw_load_pack(gamma + c, g[k]), vw_load_pack(beta + c, b[k]);
    for (int i = 0; i < VW_PACK; i++) v[k][i] = g[k][i] * (v[k][i] * rs) + b[k][i];
    vw_store_pack(y + row * C + c, v[k]);
  }
  if (threadIdx.x == 0) mean[row] = mu, rstd[row] = rs;
}

template <typename X, typename Y, int CHUNKS>
__global__ static void __launch_bounds__(32 * ROWS_PER_BLOCK)
    layernorm_grad_packs_kernel(X *__restrict__ dx, const Y *__restrict__ dy, const X *__restrict__ x,
                                const Y *__restrict__ gamma, const float *__restrict__ mean,
                                const float *__restrict__ rstd, int64_t N, int C) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * ROWS_PER_BLOCK + threadIdx.y;
  if (row >= N) return;
  const int first = static_cast<int>(threadIdx.x) * VW_PACK;
  const float mu = mean[row], rs = rstd[row];
  float g[CHUNKS][VW_PACK], xh[CHUNKS][VW_PACK], avg_g = 0, avg_gx = 0;
#pragma unroll
  for (int k = 0; k < CHUNKS; k++) {
    float weight[VW_PACK];
    const int c = first + k * CHUNK;
    if (c >= C) break;
    vw_load_pack(gamma + c, weight), vw_load_pack(dy + row * C + c, g[k]), vw_load_pack(x + row * C + c, xh[k]);
    for (int i = 0; i < VW_PACK; i++) {
      g[k][i] *= weight[i], xh[k][i] = (xh[k][i] - mu) * rs;
      avg_g += g[k][i], avg_gx += g[k][i] * xh[k][i];
    }
  }
  avg_g = vw_warp_sum(avg_g) / static_cast<float>(C), avg_gx = vw_warp_sum(avg_gx) / static_cast<float>(C);
#pragma unroll
  for (int k = 0; k < CHUNKS; k++) {
    if (first + k * CHUNK >= C) break;
    for (int i = 0; i < VW_PACK; i++) g[k][i] = rs * (g[k][i] - avg_g - xh[k][i] * avg_gx);
    vw_store_pack(dx + row * C + first + k * CHUNK, g[k]);
  }
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

/* Calls f with the chunks that hold C channels. */
template <typename F> static vw_status with_chunks(int64_t C, F f) {
  if (C <= 2 * CHUNK) return f(std::integral_constant<int, 2>());
  if (C <= 3 * CHUNK) return f(std::integral_constant<int, 3>());
  if (C <= 4 * CHUNK) return f(std::integral_constant<int, 4>());
  return f(std::integral_constant<int, MOST_CHUNKS>());
}

/* Rows of all these lie in packs and fit the registers; weights are stored as Y, as policies have it. */
static bool in_registers(const vw_tensor *x, const vw_tensor *y, const vw_tensor *gamma, const vw_tensor *beta,
                         const vw_tensor *out) {
  const int64_t C = vw_last_dim(x);
  const vw_tensor *const all[] = {x, y, gamma, beta, out};
  bool fits = C <= MOST_CHUNKS * CHUNK && gamma->dtype == y->dtype;
  for (const vw_tensor *t : all) fits = fits && vw_packs(static_cast<const char *>(t->data), C);
  return fits;
}

template <typename X, typename Y> static vw_status launch_packs(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[LN_X];
  const int64_t N = vw_rows(x), C = vw_last_dim(x);
  const float eps = static_cast<float>(static_cast<const vw_layernorm_attr *>(c->attr)->eps);
  return with_chunks(C, [&](auto n) {
    return vw_launch(ctx, "layernorm", layernorm_packs_kernel<X, Y, decltype(n)::value>, N, ROWS_PER_BLOCK,
                     dim3(32, ROWS_PER_BLOCK), 0, vw_data<Y>(&c->out[LN_Y]), vw_f32(&c->out[LN_MEAN]),
                     vw_f32(&c->out[LN_RSTD]), vw_data<const X>(x), vw_data<const Y>(&c->in[LN_GAMMA]),
                     vw_data<const Y>(&c->in[LN_BETA]), eps, N, static_cast<int>(C));
  });
}

template <typename X, typename Y> static vw_status launch_grad_packs(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[LNG_X];
  const int64_t N = vw_rows(x), C = vw_last_dim(x);
  return with_chunks(C, [&](auto n) {
    return vw_launch(ctx, "layernorm_grad", layernorm_grad_packs_kernel<X, Y, decltype(n)::value>, N, ROWS_PER_BLOCK,
                     dim3(32, ROWS_PER_BLOCK), 0, vw_data<X>(&c->out[0]), vw_data<const Y>(&c->in[LNG_DY]),
                     vw_data<const X>(x), vw_data<const Y>(&c->in[LNG_GAMMA]), vw_f32(&c->in[LNG_MEAN]),
                     vw_f32(&c->in[LNG_RSTD]), N, static_cast<int>(C));
  });
}

template <typename X, typename Y, typename P> static vw_status launch(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[LN_X];
  const int64_t N = vw_rows(x), C = vw_last_dim(x);
  const float eps = static_cast<float>(static_cast<const vw_layernorm_attr *>(c->attr)->eps);
  return vw_launch(ctx, "layernorm", layernorm_kernel<X, Y, P>, N, ROWS_PER_BLOCK, dim3(32, ROWS_PER_BLOCK), 0,
                   vw_data<Y>(&c->out[LN_Y]), vw_f32(&c->out[LN_MEAN]), vw_f32(&c->out[LN_RSTD]), vw_data<const X>(x),
                   vw_data<const P>(&c->in[LN_GAMMA]), vw_data<const P>(&c->in[LN_BETA]), eps, N, C);
}

template <typename X, typename Y, typename P> static vw_status launch_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[LNG_X];
  const int64_t N = vw_rows(x), C = vw_last_dim(x);
  return vw_launch(ctx, "layernorm_grad", layernorm_grad_kernel<X, Y, P>, N, ROWS_PER_BLOCK, dim3(32, ROWS_PER_BLOCK),
                   0, vw_data<X>(&c->out[0]), vw_data<const Y>(&c->in[LNG_DY]), vw_data<const X>(x),
                   vw_data<const P>(&c->in[LNG_GAMMA]), vw_f32(&c->in[LNG_MEAN]), vw_f32(&c->in[LNG_RSTD]), N, C);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  VW_TRY(vw_check_f32("layernorm", "statistics", &c->out[LN_MEAN]));
  return vw_with_type("layernorm", &c->in[LN_X], [&](auto x) {
    return vw_with_type("layernorm", &c->out[LN_Y], [&](auto y) {
      if (in_registers(&c->in[LN_X], &c->out[LN_Y], &c->in[LN_GAMMA], &c->in[LN_BETA], &c->out[LN_Y]))
        return launch_packs<decltype(x), decltype(y)>(ctx, c);
      return vw_with_type("layernorm", &c->in[LN_GAMMA],
                          [&](auto p) { return launch<decltype(x), decltype(y), decltype(p)>(ctx, c); });
    });
  });
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  VW_TRY(vw_check_f32("layernorm_grad", "statistics", &c->in[LNG_MEAN]));
  return vw_with_type("layernorm_grad", &c->in[LNG_X], [&](auto x) {
    return vw_with_type("layernorm_grad", &c->in[LNG_DY], [&](auto y) {
      if (in_registers(&c->in[LNG_X], &c->in[LNG_DY], &c->in[LNG_GAMMA], &c->in[LNG_GAMMA], &c->out[0]))
        return launch_grad_packs<decltype(x), decltype(y)>(ctx, c);
      return vw_with_type("layernorm_grad", &c->in[LNG_GAMMA],
                          [&](auto p) { return launch_grad<decltype(x), decltype(y), decltype(p)>(ctx, c); });
    });
  });
}

/* const has internal linkage in C++ unless declared so */
extern "C" const vw_kernel layernorm_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel layernorm_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
