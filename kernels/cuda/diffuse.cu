/* mix and sample_moments: a thread an element; latents are small (16,384 numbers a picture of 512 px). Traffic: inputs
 * read and the result written once. */
#include "kernels/diffuse.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

template <typename Y, typename A, typename C>
__global__ static void __launch_bounds__(THREADS)
    mix_kernel(Y *__restrict__ y, const A *__restrict__ a, const C *__restrict__ c, const float *__restrict__ coef,
               const int32_t *__restrict__ t, int64_t B, int64_t S) {
  const int64_t i = vw_thread();
  if (i >= B * S) return;
  const float *row = coef + 2 * static_cast<int64_t>(t[i / S]);
  vw_store(y, i, row[0] * vw_load(a, i) + row[1] * vw_load(c, i));
}

template <typename X, typename N>
__global__ static void __launch_bounds__(THREADS)
    sample_moments_kernel(float *__restrict__ z, const X *__restrict__ x, const N *__restrict__ noise, float scale,
                          int64_t n, int64_t C) {
  const int64_t i = vw_thread(), at = i / C * 2 * C + i % C;
  if (i >= n) return;
  const float logvar = fminf(fmaxf(vw_load(x, at + C), VW_LOGVAR_LEAST), VW_LOGVAR_MOST);
  z[i] = scale * (vw_load(x, at) + expf(logvar / 2) * vw_load(noise, i));
}

static vw_status run_mix(vw_context *ctx, const vw_call *c) {
  const int64_t B = c->out[0].dim[0], S = B ? vw_count(&c->out[0]) / B : 0;
  VW_TRY(vw_check_f32("mix", "coefficients", &c->in[MIX_COEF]));
  return vw_with_type("mix", &c->out[0], [&](auto y) {
    return vw_with_type("mix", &c->in[MIX_A], [&](auto a) {
      return vw_with_type("mix", &c->in[MIX_C], [&](auto b) {
        return vw_launch(ctx, "mix", mix_kernel<decltype(y), decltype(a), decltype(b)>, B * S, THREADS, THREADS, 0,
                         vw_data<decltype(y)>(&c->out[0]), vw_data<const decltype(a)>(&c->in[MIX_A]),
                         vw_data<const decltype(b)>(&c->in[MIX_C]), vw_f32(&c->in[MIX_COEF]), vw_i32(&c->in[MIX_T]), B,
                         S);
      });
    });
  });
}

static vw_status run_moments(vw_context *ctx, const vw_call *c) {
  const float scale = static_cast<float>(static_cast<const vw_sample_moments_attr *>(c->attr)->scale);
  const int64_t n = vw_count(&c->out[0]), C = vw_last_dim(&c->out[0]);
  VW_TRY(vw_check_f32("sample_moments", "latents", &c->out[0]));
  return vw_with_type("sample_moments", &c->in[MOMENTS_X], [&](auto x) {
    return vw_with_type("sample_moments", &c->in[MOMENTS_NOISE], [&](auto e) {
      return vw_launch(ctx, "sample_moments", sample_moments_kernel<decltype(x), decltype(e)>, n, THREADS, THREADS, 0,
                       vw_f32(&c->out[0]), vw_data<const decltype(x)>(&c->in[MOMENTS_X]),
                       vw_data<const decltype(e)>(&c->in[MOMENTS_NOISE]), scale, n, C);
    });
  });
}

extern "C" const vw_kernel mix_cuda = {run_mix, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel sample_moments_cuda = {run_moments, nullptr, nullptr, nullptr, 0};
