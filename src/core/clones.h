/* VW_SIMD compiles a function for AVX2 and for the baseline; the loader picks one. Every operation is an IEEE operation
 * (nothing is contracted), so both give the same bits but where a sum's order depends on the vector width. */
#ifndef VW_CORE_CLONES_H
#define VW_CORE_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define VW_CLONES
#define VW_SIMD __attribute__((target_clones("avx2", "default")))
#else
#define VW_SIMD /* sanitizers start after the loader has chosen clones; clang-14 has no clones of static functions */
#endif
#endif
