/* Packing of a weight (vw_pack_b, vw_pack_taps; see gemm.h), for one type of what is packed. No include guard:
 * gemm_pack.c includes this file once a type, with
 *
 *   ELEMENT         float, or uint16_t: numbers of 16 bits as they lie in their files
 *   NAME(x)         a name of its own for each type
 *   ELEMENTS(s, row, at, n, room)
 *                   n elements of a row of a stack from column `at` on: where they lie, or made in `room` */

/* Columns at.. of w' to [K][NR]: rows of w are read RUN elements at a time (pages of a mapped file: long runs are
 * fetched ahead), eight of them become columns at once. */
VW_SIMD static void NAME(pack_rows)(const stack *s, int64_t at, int64_t columns, int64_t NR, ELEMENT *restrict out) {
  static const ELEMENT zeros[RUN];
  ELEMENT room[VW_MOST_ROWS][RUN];
  for (int64_t k0 = 0; k0 < s->width; k0 += RUN) {
    const int64_t n = s->width - k0 < RUN ? s->width - k0 : RUN;
    for (int64_t j = 0; j < NR; j += VW_MOST_ROWS) {
      const ELEMENT *row[VW_MOST_ROWS];
      for (int i = 0; i < VW_MOST_ROWS; i++) row[i] = j + i < columns ? ELEMENTS(s, at + j + i, k0, n, room[i]) : zeros;
      for (int64_t k = 0; k < n; k++)
        for (int i = 0; i < VW_MOST_ROWS; i++) out[(k0 + k) * NR + j + i] = row[i][k];
    }
  }
}

/* Columns at.. of w itself to [K][NR]. */
static void NAME(pack_columns)(const stack *s, int64_t at, int64_t columns, int64_t NR, ELEMENT *out) {
  ELEMENT room[MOST_COLUMNS];
  for (int64_t k = 0; k < s->rows; k++, out += NR) {
    memcpy(out, ELEMENTS(s, k, at, columns, room), (size_t)columns * sizeof *out);
    for (int64_t j = columns; j < NR; j++) out[j] = 0;
  }
}

/* Columns at.. to [K][NR]: row m of w is column m of b; element c taps + tap becomes k = tap C + c. */
static void NAME(pack_tap_rows)(const stack *s, int64_t at, int64_t columns, int64_t NR, int64_t taps, ELEMENT *out) {
  ELEMENT room[RUN];
  const int64_t C = s->width / taps;
  for (int64_t j = 0; j < NR; j++)
    for (int64_t e0 = 0; e0 < s->width; e0 += RUN) {
      const int64_t n = s->width - e0 < RUN ? s->width - e0 : RUN;
      const ELEMENT *from = j < columns ? ELEMENTS(s, at + j, e0, n, room) : NULL;
      for (int64_t e = e0; e < e0 + n; e++) out[(e % taps * C + e / taps) * NR + j] = from ? from[e - e0] : 0;
    }
}

/* Columns at.. to [K][NR]: row o of w holds column c at c taps + tap, for k = tap O + o. */
static void NAME(pack_tap_columns)(const stack *s, int64_t at, int64_t columns, int64_t NR, int64_t taps,
                                   ELEMENT *out) {
  ELEMENT room[RUN];
  for (int64_t o = 0; o < s->rows; o++)
    for (int64_t j = 0; j < NR; j++) {
      const ELEMENT *from = j < columns ? ELEMENTS(s, o, (at + j) * taps, taps, room) : NULL;
      for (int64_t tap = 0; tap < taps; tap++) out[(tap * s->rows + o) * NR + j] = from ? from[tap] : 0;
    }
}

/* All panels of a weight. */
static void NAME(pack)(const vw_context *ctx, const vw_tile *t, bool transposed, int64_t M, int64_t K, int64_t taps,
                       const vw_parts *w, ELEMENT *out) {
  const int64_t NR = t->NR, panels = (M + NR - 1) / NR;
  const stack s = {w, transposed ? M : K / taps, transposed ? K : M * taps};
#pragma omp parallel for num_threads(ctx->threads) schedule(static) if (M * K > FEW_NUMBERS)
  for (int64_t p = 0; p < panels; p++) {
    const int64_t at = p * NR, columns = M - at < NR ? M - at : NR;
    ELEMENT *to = out + at * K;
    if (taps > 1)
      (transposed ? NAME(pack_tap_rows) : NAME(pack_tap_columns))(&s, at, columns, NR, taps, to);
    else
      (transposed ? NAME(pack_rows) : NAME(pack_columns))(&s, at, columns, NR, to);
  }
}

#undef ELEMENT
#undef NAME
#undef ELEMENTS
