/* One register tile of a product: c [rows, columns] += a [rows, k] b [k, columns], columns in whole vectors, once for each instruction set. No include
 * guard: gemm_tiles.c includes it several times, with
 *   TILE        the function's name; TILE_sweep is its other (gemm.h)
 *   TARGET      its target attribute
 *   MR          rows at most
 *   VECTORS     vectors a row, NR = VECTORS * LANES
 *   VEC, LANES  vector type and its floats
 *   ZERO, LOAD(p), STORE(p, v), SPREAD(f), FMA(x, y, sum)
 *
 * a is packed [k][MR], b is packed [k][NR]; both are read once, front to back. Each element of c is one chain of
 * fused multiply-adds in the order of k, continued from c unless `first`: its bits depend on its row of a and its
 * column of b alone, not on the tile's shape nor on how k is cut. MR * VECTORS sums stay in registers.
 * What is asked for ahead: b, or, where b is `near`, the tile of a behind this one. */

TARGET VW_INLINE void JOIN(TILE, rows)(const int rows, const int vectors, int64_t k, const float *restrict a,
                                       const float *restrict b, float *restrict c, int64_t ldc, bool first,
                                       const bool near) {
  enum { NR = VECTORS * LANES, AHEAD = 48 };
  VEC sum[MR][VECTORS];
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) sum[i][j] = first ? ZERO : LOAD(c + i * ldc + j * LANES);
  const float *restrict next = a + k * MR;
#pragma GCC unroll 2
  for (int64_t l = 0; l < k; l++) {
    VEC y[VECTORS];
    if (near) __builtin_prefetch(next + l * MR);
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) {
      if (!near && j * LANES % 16 == 0) __builtin_prefetch(b + AHEAD * NR + j * LANES); /* once a cache line */
      y[j] = LOAD(b + j * LANES);
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
      const VEC x = SPREAD(a[i]);
#pragma GCC unroll 8
      for (int j = 0; j < vectors; j++) sum[i][j] = FMA(x, y[j], sum[i][j]);
    }
    a += MR, b += NR;
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) STORE(c + i * ldc + j * LANES, sum[i][j]);
}

/* A copy for each number of rows and of vectors, so that sums are registers. */
TARGET VW_INLINE void JOIN(TILE, wide)(int rows, const int vectors, int64_t k, const float *a, const float *b, float *c,
                                       int64_t ldc, bool first) {
  switch (rows) {
#if MR > 4
  case 8:
    JOIN(TILE, rows)(8, vectors, k, a, b, c, ldc, first, false);
    break;
  case 7:
    JOIN(TILE, rows)(7, vectors, k, a, b, c, ldc, first, false);
    break;
  case 6:
    JOIN(TILE, rows)(6, vectors, k, a, b, c, ldc, first, false);
    break;
  case 5:
    JOIN(TILE, rows)(5, vectors, k, a, b, c, ldc, first, false);
    break;
#endif
  case 4:
    JOIN(TILE, rows)(4, vectors, k, a, b, c, ldc, first, false);
    break;
  case 3:
    JOIN(TILE, rows)(3, vectors, k, a, b, c, ldc, first, false);
    break;
  case 2:
    JOIN(TILE, rows)(2, vectors, k, a, b, c, ldc, first, false);
    break;
  default:
    JOIN(TILE, rows)(1, vectors, k, a, b, c, ldc, first, false);
  }
}

TARGET static void TILE(int rows, int columns, int64_t k, const float *a, const float *b, float *c, int64_t ldc,
                        bool first) {
  switch ((columns + LANES - 1) / LANES) {
#if VECTORS > 3
  case 6:
    JOIN(TILE, wide)(rows, 6, k, a, b, c, ldc, first);
    break;
  case 5:
    JOIN(TILE, wide)(rows, 5, k, a, b, c, ldc, first);
    break;
  case 4:
    JOIN(TILE, wide)(rows, 4, k, a, b, c, ldc, first);
    break;
#endif
  case 3:
    JOIN(TILE, wide)(rows, 3, k, a, b, c, ldc, first);
    break;
  case 2:
    JOIN(TILE, wide)(rows, 2, k, a, b, c, ldc, first);
    break;
  default:
    JOIN(TILE, wide)(rows, 1, k, a, b, c, ldc, first);
  }
}

TARGET static void JOIN(TILE, sweep)(int64_t rows, int columns, int64_t k, const float *a, const float *b, float *c,
                                     bool first) {
  enum { NR = VECTORS * LANES };
  int64_t i = 0;
  if (columns > NR - LANES)
    for (; i + MR <= rows; i += MR) JOIN(TILE, rows)(MR, VECTORS, k, a + i * k, b, c + i * NR, NR, first, true);
  for (; i < rows; i += MR) TILE(rows - i < MR ? (int)(rows - i) : MR, columns, k, a + i * k, b, c + i * NR, NR, first);
}

#undef TILE
#undef TARGET
#undef MR
#undef VECTORS
#undef VEC
#undef LANES
#undef ZERO
#undef LOAD
#undef STORE
#undef SPREAD
#undef FMA
