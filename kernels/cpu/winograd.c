#include "kernels/cpu/winograd.h"

#include "kernels/cpu/simd.h"
#include <omp.h>
#include <string.h>

enum {
  TAPS = 9,
  SIDE = 4, /* of a transformed tile */
  PLACES = SIDE * SIDE,
  ROWS = 192,       /* tiles that use a transformed piece of the weight; a multiple of every MR */
  DEPTH = 128,      /* channels of such a piece, about: 200 KB of the second-level cache */
  WAVE = 4 << 20,   /* floats of transformed inputs at a time */
  LEAST = 16,       /* channels in and out: below, the transforms cost more than they save */
  CHANNELS = 64,    /* of an input transformed at a time */
  MOST_COLUMNS = 48 /* of a panel */
};

bool vw_winograd_pays(int64_t H, int64_t W, int64_t K, int64_t M) {
  const int64_t products = (H + 1) / 2 * ((W + 1) / 2) * PLACES; /* of a channel; the plain way takes 9 H W */
  return K >= LEAST && M >= LEAST && 3 * products <= 2 * TAPS * H * W;
}

static int64_t whole(int64_t n, int64_t size) {
  return (n + size - 1) / size * size;
}

static int64_t tiles_of(const vw_winograd *w) {
  return w->B * ((w->H + 1) / 2) * ((w->W + 1) / 2);
}

/* Tiles at a time. */
static int64_t wave_of(const vw_winograd *w) {
  const int64_t blocks = WAVE / (ROWS * PLACES * w->K), most = (blocks > 1 ? blocks : 1) * ROWS, n = tiles_of(w);
  return n < most ? n : most;
}

/* Channels of a piece: pieces of about one size; whole tiles of a turned weight. */
static int64_t depth_of(const vw_tile *t, const vw_winograd *w) {
  const int64_t pieces = whole(w->K, DEPTH) / DEPTH;
  return whole((w->K + pieces - 1) / pieces, t->NR);
}

/* Tiles of a block. */
static int64_t rows_of(const vw_winograd *w) {
  const int64_t wave = wave_of(w);
  return wave < ROWS ? wave : ROWS;
}

/* Of a thread: taps of a part of a piece of the weight, the piece as it is transformed, and sums of a block of tiles. */
static int64_t room_floats(const vw_tile *t, const vw_winograd *w) {
  return (TAPS * t->NR + PLACES * depth_of(t, w) + PLACES * rows_of(w)) * t->NR;
}

static int64_t wave_floats(const vw_tile *t, const vw_winograd *w) {
  return whole(whole(wave_of(w), t->MR) * PLACES * w->K, 16);
}

int64_t vw_winograd_floats(const vw_tile *t, const vw_winograd *w, int threads) {
  return wave_floats(t, w) + threads * room_floats(t, w);
}

/* ---- inputs */

/* One axis of B' d. */
VW_INLINE void difference(const float *restrict a, const float *restrict b, int64_t n, float *restrict out) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) out[i] = a[i] - b[i];
}

VW_INLINE void sum(const float *restrict a, const float *restrict b, int64_t n, float *restrict out) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) out[i] = a[i] + b[i];
}

VW_INLINE void input_axis(const float *const *d, int64_t stride, int64_t n, float (*out)[CHANNELS]) {
  const float *d0 = d[0], *d1 = d[stride], *d2 = d[2 * stride], *d3 = d[3 * stride];
  difference(d0, d2, n, out[0]), sum(d1, d2, n, out[stride]);
  difference(d2, d1, n, out[2 * stride]), difference(d1, d3, n, out[3 * stride]);
}

/* The 16 inputs of a tile, n channels each, where they lie. */
VW_INLINE void transform_input(const float *const d[PLACES], int64_t n, float (*out)[CHANNELS]) {
  float half[PLACES][CHANNELS];
  const float *rows[PLACES];
  for (int i = 0; i < SIDE; i++) input_axis(d + (ptrdiff_t)i * SIDE, 1, n, half + (ptrdiff_t)i * SIDE);
  for (int i = 0; i < PLACES; i++) rows[i] = half[i];
  for (int j = 0; j < SIDE; j++) input_axis(rows + j, SIDE, n, out + j);
}

/* Where a tile's inputs begin: offsets of channel 0, -1: zeros. */
static void places_of(const vw_winograd *w, int64_t tile, int64_t at[PLACES]) {
  const int64_t across = (w->W + 1) / 2, down = (w->H + 1) / 2, b = tile / (across * down);
  const int64_t h0 = tile / across % down * 2 - w->top, w0 = tile % across * 2 - w->left;
  for (int64_t i = 0; i < PLACES; i++) {
    const int64_t h = h0 + i / SIDE, v = w0 + i % SIDE;
    at[i] = h < 0 || v < 0 || h >= w->from_h || v >= w->from_w ? -1 : ((b * w->from_h + h) * w->from_w + v) * w->K;
  }
}

/* MR tiles from `first` on, at most `rows` of them, channels k0..k0+k, into out[place][k][MR], places `apart` floats apart. */
VW_SIMD static void pack_tiles(const vw_winograd *w, int64_t first, int64_t rows, int MR, int64_t k0, int64_t k,
                               int64_t apart, float *out) {
  static const float zeros[CHANNELS];
  float v[VW_MOST_ROWS][PLACES][CHANNELS];
  int64_t at[VW_MOST_ROWS][PLACES];
  for (int64_t i = 0; i < rows; i++) places_of(w, first + i, at[i]);
  for (int64_t c = 0; c < k; c += CHANNELS) {
    const int64_t n = k - c < CHANNELS ? k - c : CHANNELS;
    for (int64_t i = 0; i < rows; i++) {
      const float *d[PLACES];
      for (int64_t j = 0; j < PLACES; j++) d[j] = at[i][j] < 0 ? zeros : w->p.a + at[i][j] + k0 + c;
      transform_input(d, n, v[i]);
    }
    for (int64_t j = 0; j < PLACES; j++) {
      const float *row[VW_MOST_ROWS];
      for (int64_t i = 0; i < VW_MOST_ROWS; i++) row[i] = i < rows ? v[i][j] : zeros;
      vw_interleave(row, n, MR, out + j * apart + c * MR);
    }
  }
}

/* ---- the weight */

/* A row of G g to four places of G g G'. */
#define WEIGHT_ROW(r0, r1, r2, place)                                                                                  \
  do {                                                                                                                 \
    const float outer = .5F * ((r0) + (r2)), middle = .5F * (r1);                                                      \
    o[(place)*apart] = (r0), o[((place) + 1) * apart] = outer + middle;                                                \
    o[((place) + 2) * apart] = outer - middle, o[((place) + 3) * apart] = (r2);                                        \
  } while (0)

/* n numbers of each tap to n of each place, places `apart` floats apart: G g G' with all of it in registers. */
VW_SIMD static void transform_weight(const float *const g[TAPS], int64_t n, int64_t apart, float *restrict out) {
  const float *restrict g0 = g[0], *restrict g1 = g[1], *restrict g2 = g[2], *restrict g3 = g[3], *restrict g4 = g[4];
  const float *restrict g5 = g[5], *restrict g6 = g[6], *restrict g7 = g[7], *restrict g8 = g[8];
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float a0 = g0[i], a1 = g1[i], a2 = g2[i], d0 = g6[i], d1 = g7[i], d2 = g8[i];
    float *o = out + i;
    WEIGHT_ROW(a0, a1, a2, 0);
    WEIGHT_ROW(d0, d1, d2, 12);
    const float s0 = .5F * (a0 + d0), s1 = .5F * (a1 + d1), s2 = .5F * (a2 + d2);
    const float m0 = .5F * g3[i], m1 = .5F * g4[i], m2 = .5F * g5[i];
    const float b0 = s0 + m0, b1 = s1 + m1, b2 = s2 + m2, c0 = s0 - m0, c1 = s1 - m1, c2 = s2 - m2;
    WEIGHT_ROW(b0, b1, b2, 4);
    WEIGHT_ROW(c0, c1, c2, 8);
  }
}

/* Channels k0..k0+k of a panel, transformed: [place][k][NR], NR of them at a time; `taps` has room for those. */
static void weight_piece(const vw_tile *t, const vw_winograd *w, int64_t panel, int64_t k0, int64_t k, float *taps,
                         float *out) {
  const int64_t NR = t->NR;
  const float *g[TAPS];
  for (int64_t c = 0; c < k; c += NR) {
    const int64_t n = k - c < NR ? k - c : NR;
    for (int64_t tap = 0; tap < TAPS; tap++)
      g[w->reversed ? TAPS - 1 - tap : tap] =
          vw_product_block(t, &w->p, panel, tap * w->K + k0 + c, n, taps + tap * n * NR);
    transform_weight(g, n * NR, k * NR, out + c * NR);
  }
}

/* ---- results */

/* One axis of A' m: four arrays to two. */
VW_INLINE void output_axis(const float *restrict m0, const float *restrict m1, const float *restrict m2,
                           const float *restrict m3, int64_t n, float *restrict o0, float *restrict o1) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float a = m1[i], b = m2[i];
    o0[i] = m0[i] + a + b, o1[i] = a - b - m3[i];
  }
}

/* Bias, shift and residual of `columns` columns from `at` on of result row n, in the order of the plain product. */
VW_INLINE void finish_row(const vw_product *p, int64_t n, int64_t at, int64_t columns, float *restrict v) {
  const float *bias = p->bias ? p->bias + at : NULL, *residual = p->residual ? p->residual + n * p->M + at : NULL;
  const float *shift = p->shift ? p->shift + n / p->shift_rows * p->M + at : NULL;
  if (bias)
#pragma omp simd
    for (int64_t j = 0; j < columns; j++) v[j] += bias[j];
  if (shift)
#pragma omp simd
    for (int64_t j = 0; j < columns; j++) v[j] += shift[j];
  if (residual)
#pragma omp simd
    for (int64_t j = 0; j < columns; j++) v[j] += residual[j];
  memcpy(p->c + n * p->M + at, v, (size_t)columns * sizeof *v);
}

/* Sums [place][rows_of][NR] of `n` tiles from `first` on to the results of a panel. */
VW_SIMD static void write_tiles(const vw_winograd *w, int64_t first, int64_t n, int64_t NR, int64_t at, int64_t columns,
                                const float *sums) {
  const int64_t across = (w->W + 1) / 2, down = (w->H + 1) / 2;
  const int64_t apart = rows_of(w) * NR;
  float half[2][SIDE][MOST_COLUMNS], y[2][2][MOST_COLUMNS];
  for (int64_t r = 0; r < n; r++) {
    const int64_t tile = first + r, b = tile / (across * down), i = tile / across % down * 2, j = tile % across * 2;
    const float *m = sums + r * NR;
    for (int64_t v = 0; v < SIDE; v++)
      output_axis(m + v * apart, m + (SIDE + v) * apart, m + (2 * SIDE + v) * apart, m + (3 * SIDE + v) * apart,
                  columns, half[0][v], half[1][v]);
    for (int64_t u = 0; u < 2; u++) {
      output_axis(half[u][0], half[u][1], half[u][2], half[u][3], columns, y[u][0], y[u][1]);
      for (int64_t v = 0; v < 2 && i + u < w->H; v++)
        if (j + v < w->W) finish_row(&w->p, (b * w->H + i + u) * w->W + j + v, at, columns, y[u][v]);
    }
  }
}

/* `tiles` tiles from tile `first` on, their inputs [piece][place][group][k][MR], for one panel. */
static void run_panel(const vw_tile *t, const vw_winograd *w, const float *inputs, int64_t first, int64_t tiles,
                      int64_t panel, float *room) {
  const int64_t NR = t->NR, MR = t->MR, at = panel * NR, columns = w->p.M - at < NR ? w->p.M - at : NR;
  const int64_t rows = rows_of(w), depth = depth_of(t, w), all = whole(tiles, MR);
  float *taps = room, *weight = taps + TAPS * NR * NR, *sums = weight + PLACES * depth * NR;
  for (int64_t k0 = 0; k0 < w->K; k0 += depth) {
    const int64_t k = w->K - k0 < depth ? w->K - k0 : depth;
    const float *a = inputs + k0 * all * PLACES;
    weight_piece(t, w, panel, k0, k, taps, weight);
    for (int64_t place = 0; place < PLACES; place++, a += k * all)
      t->sweep(tiles, (int)columns, k, a, weight + place * k * NR, sums + place * rows * NR, k0 == 0);
  }
  write_tiles(w, first, tiles, NR, at, columns, sums);
}

/* Inputs of a block of tiles, as run_panel reads them, of group i of MR of them. */
static void pack_group(const vw_tile *t, const vw_winograd *w, int64_t first, int64_t tiles, int64_t i, float *out) {
  const int64_t depth = depth_of(t, w), MR = t->MR, all = whole(tiles, MR);
  for (int64_t k0 = 0; k0 < w->K; k0 += depth) {
    const int64_t k = w->K - k0 < depth ? w->K - k0 : depth;
    pack_tiles(w, first + i, tiles - i < MR ? tiles - i : MR, t->MR, k0, k, k * all, out + k0 * all * PLACES + i * k);
  }
}

void vw_winograd_run(const vw_context *ctx, const vw_tile *t, const vw_winograd *w, float *scratch) {
  const int64_t all = tiles_of(w), most = wave_of(w), MR = t->MR, panels = whole(w->p.M, t->NR) / t->NR;
  float *rooms = scratch + wave_floats(t, w);
#pragma omp parallel num_threads(ctx->threads)
  for (int64_t wave = 0; wave < all; wave += most) {
    const int64_t n = all - wave < most ? all - wave : most;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < n; i += MR) {
      const int64_t from = i / ROWS * ROWS, tiles = n - from < ROWS ? n - from : ROWS;
      pack_group(t, w, wave + from, tiles, i - from, scratch + from * PLACES * w->K);
    }
#pragma omp for schedule(static) collapse(2)
    for (int64_t from = 0; from < n; from += ROWS)
      for (int64_t panel = 0; panel < panels; panel++)
        run_panel(t, w, scratch + from * PLACES * w->K, wave + from, n - from < ROWS ? n - from : ROWS, panel,
                  rooms + omp_get_thread_num() * room_floats(t, w));
  }
}
