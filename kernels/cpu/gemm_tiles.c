/* The register tiles, and the choice among them at run time.
 *
 *   avx512    8 x 48: 24 sums, 3 vectors of b
 *   avx2      4 x 24: 12 sums, 3 vectors of b, 1 of a
 *   portable  4 x 24, multiply then add: other bits than the two above, which agree with each other
 *
 * KC: a panel's part of b stays in the first-level cache beside a tile's part of a (24 KB + 4 KB). */
#include "kernels/cpu/gemm.h"

#include "kernels/cpu/simd.h"
#include <string.h>

#define JOIN_(a, b) a##_##b
#define JOIN(a, b)  JOIN_(a, b)

#ifdef __x86_64__
#include <immintrin.h>

#define TILE    tile_avx512
#define TARGET  __attribute__((target("avx512f")))
#define MR      8
#define VECTORS 3
#define VEC     __m512
#define LANES   16
#define ZERO    _mm512_setzero_ps()
#define LOAD    _mm512_loadu_ps
#define STORE   _mm512_storeu_ps
#define SPREAD  _mm512_set1_ps
#define FMA     _mm512_fmadd_ps
#include "kernels/cpu/gemm_tile.h"

#define TILE    tile_avx2
#define TARGET  __attribute__((target("avx2,fma")))
#define MR      4
#define VECTORS 3
#define VEC     __m256
#define LANES   8
#define ZERO    _mm256_setzero_ps()
#define LOAD    _mm256_loadu_ps
#define STORE   _mm256_storeu_ps
#define SPREAD  _mm256_set1_ps
#define FMA     _mm256_fmadd_ps
#include "kernels/cpu/gemm_tile.h"
#endif

/* 16 bytes: every 64-bit machine has such registers */
typedef float four __attribute__((vector_size(16)));
VW_INLINE four load_four(const float *p) {
  four v;
  memcpy(&v, p, sizeof v);
  return v;
}
VW_INLINE void store_four(float *p, four v) {
  memcpy(p, &v, sizeof v);
}

#define TILE tile_portable
#define TARGET
#define MR           4
#define VECTORS      6
#define VEC          four
#define LANES        4
#define ZERO         ((four){0})
#define LOAD         load_four
#define STORE        store_four
#define SPREAD(f)    ((four){(f), (f), (f), (f)})
#define FMA(x, y, s) ((x) * (y) + (s))
#include "kernels/cpu/gemm_tile.h"

#ifdef __x86_64__
static const vw_tile tiles[] = {{"avx512", 8, 48, 128, 16, tile_avx512, tile_avx512_sweep},
                                {"avx2", 4, 24, 256, 8, tile_avx2, tile_avx2_sweep},
                                {"portable", 4, 24, 256, 4, tile_portable, tile_portable_sweep}};
#else
static const vw_tile tiles[] = {{"portable", 4, 24, 256, 4, tile_portable, tile_portable_sweep}};
#endif
enum { TILES = sizeof tiles / sizeof *tiles };

static bool runs_here(const vw_tile *t) {
#ifdef __x86_64__
  if (strcmp(t->name, "avx512") == 0) return __builtin_cpu_supports("avx512f");
  if (strcmp(t->name, "avx2") == 0) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return t->name != NULL;
}

const vw_tile *vw_tile_best(void) {
  for (int i = 0; i < TILES; i++)
    if (runs_here(&tiles[i])) return &tiles[i];
  return &tiles[TILES - 1];
}

const vw_tile *vw_tile_named(const char *name) {
  for (int i = 0; i < TILES; i++)
    if (strcmp(tiles[i].name, name) == 0 && runs_here(&tiles[i])) return &tiles[i];
  return NULL;
}
