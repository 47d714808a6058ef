/* Vectorised loops of kernels/cpu: `#pragma omp simd` over plain fp32 arithmetic, in functions marked VW_SIMD
 * (core/clones.h). A reduction's order depends on the vector width and on nothing else, so the bits are the same for
 * any number of threads, and on all machines with AVX2. */
#ifndef VW_KERNELS_CPU_SIMD_H
#define VW_KERNELS_CPU_SIMD_H

#include "core/clones.h"
#include <stdint.h>

#ifdef VW_CLONES
/* The clone that this processor runs. */
static inline const char *vw_simd_name(void) {
  return __builtin_cpu_supports("avx2") ? "avx2" : "baseline";
}
#else
static inline const char *vw_simd_name(void) {
  return "baseline";
}
#endif
#define VW_INLINE static inline __attribute__((always_inline))

VW_INLINE float vw_dot(const float *a, const float *b, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* y += s x */
VW_INLINE void vw_axpy(float *restrict y, float s, const float *restrict x, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) y[i] += s * x[i];
}

enum { VW_MOST_ROWS = 8 }; /* of a register tile */

VW_INLINE void vw_interleave_rows(const float *const *row, int64_t n, const int rows, float *restrict out) {
  for (int64_t k = 0; k < n; k++)
    for (int i = 0; i < rows; i++) out[k * rows + i] = row[i][k];
}

/* out[k][i] = row[i][k], n by `rows`, which is 4 or VW_MOST_ROWS: as constants they become shuffles of vectors. */
VW_INLINE void vw_interleave(const float *const *row, int64_t n, int rows, float *restrict out) {
  if (rows == 4)
    vw_interleave_rows(row, n, 4, out);
  else
    vw_interleave_rows(row, n, VW_MOST_ROWS, out);
}

#endif
