/* exp and the activations, branch-free scalars that vectorise inside `#pragma omp simd` loops. Plain IEEE operations
 * without contraction: the same bits alone or in a vector, on any processor. Accuracy
 * (tests/kernels/test_activation.c): exp within 1.5 ulp, Phi within 3 ulp or 2^-24, activations to a few roundings. */
#ifndef VW_KERNELS_CPU_ACTIVATION_H
#define VW_KERNELS_CPU_ACTIVATION_H

#include "kernels/cpu/simd.h"
#include "kernels/op.h"
#include <string.h>

/* condition ? a : b by masks: GCC turns a conditional into branches with copies of what follows, which no longer
 * vectorise. */
VW_INLINE float vw_select(bool condition, float a, float b) {
  const uint32_t mask = -(uint32_t)condition;
  uint32_t x, y;
  memcpy(&x, &a, sizeof x);
  memcpy(&y, &b, sizeof y);
  x = (x & mask) | (y & ~mask);
  memcpy(&a, &x, sizeof a);
  return a;
}

/* e^x; x is clamped to [-87, 88], so that the result is a normal number. NaN stays NaN.
 * x = n ln 2 + r, |r| <= ln 2 / 2: n ln 2 in two parts (the first has 15 trailing zeros: n times it is exact), then a
 * polynomial of degree 6 in r, then 2^n into the exponent. */
VW_INLINE float vw_expf(float x) {
  const float magic = 12582912.0F; /* 1.5 * 2^23: adding it rounds to an integer */
  x = vw_select(x < -87.0F, -87.0F, x);
  x = vw_select(x > 88.0F, 88.0F, x);
  const float t = x * 1.44269504F + magic, n = t - magic;
  const float r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  float q = 0.00138145988F * r + 0.00836871658F; /* minimax of (e^r - 1 - r) / r^2, relative error of e^r 3e-9 */
  q = q * r + 0.0416683890F;
  q = q * r + 0.166665211F;
  q = q * r + 0.499999940F;
  const float e = (q * r) * r + r + 1;
  uint32_t power; /* unsigned: any NaN may come through here */
  memcpy(&power, &t, sizeof power);
  const uint32_t bits = (power - 0x4B400000 + 127) << 23; /* t's low bits are n + 0x4B400000 */
  float two_n;
  memcpy(&two_n, &bits, sizeof two_n);
  return e * two_n;
}

VW_INLINE float vw_sigmoidf(float x) {
  return 1 / (1 + vw_expf(-x));
}

/* Phi(z), the normal distribution, and density = Phi'(z). The tail Phi(-|z|) is density * R(|z|), R Mills' ratio;
 * (1 + 0.75 |z|) R sqrt(2 pi) is a polynomial in u = (|z| - 3.5) / (|z| + 3.5), minimax on [0, 13.5], relative error
 * 1e-8 (the change of variable: Shepherd & Laframboise, Math. Comp. 36, 1981). */
VW_INLINE float vw_normalf(float z, float *density) {
  const float x = vw_select(z < 0, -z, z), u = (x - 3.5F) / (x + 3.5F), e = vw_expf(-0.5F * x * x);
  float p = 0.000106706568F * u + 0.000102646532F;
  p = p * u - 0.000953777402F;
  p = p * u - 0.000126351835F;
  p = p * u + 0.00739202229F;
  p = p * u - 0.0179300960F;
  p = p * u + 0.0131260408F;
  p = p * u + 0.0320542529F;
  p = p * u - 0.120069355F;
  p = p * u + 0.385501176F;
  const float tail = e * p / (1 + 0.75F * x);
  *density = e * 0.398942280F;
  return vw_select(z < 0, tail, 1 - tail);
}

/* y = act(z), n of them. */
VW_INLINE void vw_act(vw_activation act, const float *restrict z, float *restrict y, int64_t n) {
  if (act == VW_ACT_QUICK_GELU) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = z[i] * vw_sigmoidf(1.702F * z[i]);
  } else if (act == VW_ACT_GELU) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      float density;
      y[i] = z[i] * vw_normalf(z[i], &density);
    }
  } else if (act == VW_ACT_SILU) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = z[i] * vw_sigmoidf(z[i]);
  }
}

/* dz = dy act'(z), n of them. */
VW_INLINE void vw_act_grad(vw_activation act, const float *restrict z, const float *restrict dy, float *restrict dz,
                           int64_t n) {
  if (act == VW_ACT_QUICK_GELU) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      const float s = vw_sigmoidf(1.702F * z[i]);
      dz[i] = dy[i] * (s + 1.702F * z[i] * s * (1 - s));
    }
  } else if (act == VW_ACT_GELU) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      float density;
      const float phi = vw_normalf(z[i], &density);
      dz[i] = dy[i] * (phi + z[i] * density);
    }
  } else if (act == VW_ACT_SILU) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
      const float s = vw_sigmoidf(z[i]);
      dz[i] = dy[i] * (s + z[i] * s * (1 - s));
    }
  }
}

/* log(1 + e^y), where e = exp(-|y|): max(y, 0) + log1p(e), and log1p(e) = 2 atanh(t), t = e / (2 + e) <= 1/3, of whose
 * series seven terms leave 1.5e-8. */
VW_INLINE float vw_softplus(float y, float e) {
  const float t = e / (2 + e), u = t * t;
  float s = u * (1.0F / 13) + 1.0F / 11;
  s = s * u + 1.0F / 9;
  s = s * u + 1.0F / 7;
  s = s * u + 1.0F / 5;
  s = s * u + 1.0F / 3;
  return vw_select(y > 0, y, 0) + 2 * (t + t * u * s);
}

#endif
