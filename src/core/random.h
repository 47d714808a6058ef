/* Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011) with our own normals.
 *
 * A draw is a pure function of (key, counter): any rank, thread or GPU lane computes it without state. Integers,
 * uniforms and normals have the same bits on CPU and GPU: the header uses only integer arithmetic, and additions,
 * multiplications and square roots that are correctly rounded and never contracted (host: -ffp-contract=off;
 * device: __fmul_rn, __fadd_rn, which nvcc never fuses). */
#ifndef VW_CORE_RANDOM_H
#define VW_CORE_RANDOM_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define VW_HD static __host__ __device__ inline
#else
#define VW_HD static inline
#endif

#ifdef __CUDA_ARCH__
#define VW_MUL(a, b) __fmul_rn((a), (b))
#define VW_ADD(a, b) __fadd_rn((a), (b))
#define VW_SQRT(a)   __fsqrt_rn(a)
#define VW_BITS(f)   __float_as_uint(f)
#define VW_FLOAT(u)  __uint_as_float(u)
#else
#define VW_MUL(a, b) ((float)((a) * (b)))
#define VW_ADD(a, b) ((float)((a) + (b)))
#define VW_SQRT(a)   sqrtf(a)
static inline uint32_t vw_bits_of_float(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}
static inline float vw_float_of_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}
#define VW_BITS(f)   vw_bits_of_float(f)
#define VW_FLOAT(u)  vw_float_of_bits(u)
#endif

typedef struct vw_philox {
  uint32_t v[4];
} vw_philox;

/* What a stream is used for: the third counter word keeps purposes apart. Append only: results depend on it. */
typedef enum vw_purpose {
  VW_DRAW_TEMPLATE = 1,
  VW_DRAW_POSITIVE = 2,
  VW_DRAW_NEGATIVE = 3,
  VW_DRAW_SPLIT = 4,
  VW_DRAW_BASELINE = 5,
  VW_DRAW_BOOTSTRAP = 6,
  VW_DRAW_NULL = 7,
  VW_DRAW_WEIGHTS = 8,
  VW_DRAW_NOISE = 9,      /* that latents are diffused with in a step of learning */
  VW_DRAW_TIMESTEP = 10,  /* of a step of learning */
  VW_DRAW_POSTERIOR = 11, /* latents of a picture's moments */
  VW_DRAW_LATENT = 12,    /* where a generated picture starts */
  VW_DRAW_AGAINST = 13,   /* detection: the pictures without a concept that its words are learned against */
  VW_DRAW_MIRROR = 14,    /* whether a picture of a step of learning is mirrored */
  VW_DRAW_LAYER = 24,     /* transfer: the hidden layer of a map, which no seed changes */
  VW_DRAW_MAP = 30,       /* where the points of t-SNE start, unless at principal components */
  VW_DRAW_WATCH = 0x100   /* added to a purpose: the same draw on the fixed evaluation set */
} vw_purpose;

VW_HD vw_philox vw_philox4x32(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) {
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    const uint32_t hi0 = (uint32_t)(p0 >> 32), lo0 = (uint32_t)p0, hi1 = (uint32_t)(p1 >> 32), lo1 = (uint32_t)p1;
    c0 = hi1 ^ c1 ^ k0, c1 = lo1, c2 = hi0 ^ c3 ^ k1, c3 = lo0;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  vw_philox r;
  r.v[0] = c0, r.v[1] = c1, r.v[2] = c2, r.v[3] = c3;
  return r;
}

/* The i-th 32-bit word of the stream (key, step, purpose). Counter layout: {i / 4, step low, purpose, step high}. */
VW_HD uint32_t vw_draw_u32(uint64_t key, uint64_t step, uint32_t purpose, uint32_t i) {
  return vw_philox4x32(key, i / 4, (uint32_t)step, purpose, (uint32_t)(step >> 32)).v[i % 4];
}

/* A 32-bit word to an integer in [0, n): multiply-shift; the bias is below n / 2^32. */
VW_HD uint32_t vw_below(uint32_t word, uint32_t n) {
  return (uint32_t)(((uint64_t)word * n) >> 32);
}

/* Open interval (0, 1): 23 bits and a half, never 0 or 1, exact in fp32. */
VW_HD float vw_uniform(uint32_t word) {
  return VW_MUL(VW_ADD((float)(word >> 9), 0.5f), 1.1920928955078125e-7f); /* 2^-23 */
}

/* ln(x) for x in (0, 1], within 2 ulp: exponent split, then atanh series in s = (m - 1) / (m + 1). */
VW_HD float vw_log01(float x) {
  uint32_t bits = VW_BITS(x);
  int32_t e = (int32_t)(bits >> 23) - 127;
  float m = VW_FLOAT((bits & 0x7fffffu) | 0x3f800000u);
  if (m > 1.41421356f) m = VW_MUL(m, 0.5f), e += 1;
  const float num = VW_ADD(m, -1.0f), den = VW_ADD(m, 1.0f);
#ifdef __CUDA_ARCH__
  const float s = __fdiv_rn(num, den);
#else
  const float s = num / den;
#endif
  const float z = VW_MUL(s, s);
  float p = VW_ADD(VW_MUL(z, 0.11111111f), 0.14285714f); /* 1/9, 1/7 */
  p = VW_ADD(VW_MUL(p, z), 0.2f);
  p = VW_ADD(VW_MUL(p, z), 0.33333333f);
  p = VW_MUL(VW_MUL(p, z), s);
  const float ln_m = VW_MUL(2.0f, VW_ADD(s, p));
  return VW_ADD(VW_MUL((float)e, 0.69314718f), ln_m);
}

/* sin and cos of 2 pi t, t in (0, 1): quadrant reduction is exact, then Taylor on [-pi/4, pi/4]. */
VW_HD void vw_sincos_turn(float t, float *sin_out, float *cos_out) {
  const float t4 = VW_MUL(t, 4.0f);
  const int32_t q = (int32_t)VW_ADD(t4, 0.5f);
  const float r = VW_MUL(VW_ADD(t4, -(float)q), 1.57079633f), z = VW_MUL(r, r);
  float s = VW_ADD(VW_MUL(z, 2.7557319e-6f), -1.9841270e-4f);
  s = VW_ADD(VW_MUL(s, z), 8.3333333e-3f);
  s = VW_ADD(VW_MUL(s, z), -1.6666667e-1f);
  s = VW_ADD(r, VW_MUL(VW_MUL(s, z), r));
  float c = VW_ADD(VW_MUL(z, 2.4801587e-5f), -1.3888889e-3f);
  c = VW_ADD(VW_MUL(c, z), 4.1666667e-2f);
  c = VW_ADD(VW_MUL(c, z), -0.5f);
  c = VW_ADD(VW_MUL(c, z), 1.0f);
  switch (q & 3) {
  case 0:
    *sin_out = s, *cos_out = c;
    break;
  case 1:
    *sin_out = c, *cos_out = -s;
    break;
  case 2:
    *sin_out = -s, *cos_out = -c;
    break;
  default:
    *sin_out = -c, *cos_out = s;
  }
}

/* Four standard normals from one Philox block (Box and Muller 1958). */
VW_HD void vw_normal4(vw_philox block, float out[4]) {
  for (int i = 0; i < 4; i += 2) {
    const float radius = VW_SQRT(VW_MUL(-2.0f, vw_log01(vw_uniform(block.v[i]))));
    float s, c;
    vw_sincos_turn(vw_uniform(block.v[i + 1]), &s, &c);
    out[i] = VW_MUL(radius, c), out[i + 1] = VW_MUL(radius, s);
  }
}

#endif
