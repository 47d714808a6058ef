/* Four doubles at a time, in plain C: GCC and clang make AVX2 of it where VW_SIMD allows, SSE2 elsewhere. Every
 * operation is an IEEE operation on each lane and sums are lane by lane, so the bits are the same everywhere. Functions
 * take pointers: a vector passed by value has another ABI in every clone. */
#ifndef VW_ANALYSIS_LANES_H
#define VW_ANALYSIS_LANES_H

#include "core/clones.h"

#include <stdint.h>

enum { VW_LANES = 4 };
typedef double vw_lanes __attribute__((vector_size(32)));
typedef int64_t vw_int_lanes __attribute__((vector_size(32)));
typedef float vw_float_lanes __attribute__((vector_size(16)));

#define VW_INLINE static inline __attribute__((always_inline))

/* The sum of the lanes, always in this order. */
VW_INLINE double vw_lanes_sum(const vw_lanes *x) {
  return ((*x)[0] + (*x)[1]) + ((*x)[2] + (*x)[3]);
}

/* e^x of x <= 0, within 2 ulp; 0 below -700. k = round(x / ln 2), then Taylor's series of x - k ln 2 and 2^k. */
VW_INLINE void vw_lanes_exp(const vw_lanes *x, vw_lanes *y) {
  const double magic = 6755399441055744.0; /* 1.5 x 2^52: a sum with it holds the rounded number in its low bits */
  const vw_lanes t = *x * 1.4426950408889634 + magic, k = t - magic;
  const vw_lanes r = (*x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10;
  vw_lanes p = r * (1.0 / 6227020800) + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const vw_int_lanes scaled = (vw_int_lanes)p + ((vw_int_lanes)t << 52), is_large = *x > -700.0;
  *y = (vw_lanes)(scaled & is_large);
}

#endif
