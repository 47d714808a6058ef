#include "kernels/cpu/winograd.h"

#include "kernels/cpu/simd.h"
#include <omp.h>
#include <string.h>

enum {
  TAPS = 9,
  SIDE = 4, /* of a transformed tile */
  PLACES = SIDE * SIDE,
  ROWS = 192,       /* tiles that use a transformed piece of the weight; a multiple of every MR */
  DEPTH = 96,       /* channels of such a piece; a multiple of every NR */
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

static int64_t depth_of(const vw_winograd *w) {
  return w->K < DEPTH ? w->K : DEPTH;
}

/* Tiles of a block. */
static int64_t rows_of(const vw_winograd *w) {
  const int64_t wave = wave_of(w);
  return wave < ROWS ? wave : ROWS;
}

/* Of a thread: a piece of the weight as it is turned and as it is transformed, and sums of a block of tiles. */
static int64_t room_floats(const vw_tile *t, const vw_winograd *w) {
  return ((TAPS + PLACES) * depth_of(w) + PLACES * rows_of(w)) * t->NR;
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

/* MR tiles from `first` on, at most `rows` of them, into out[place][group][K][MR], places `apart` floats apart. */
VW_SIMD static void pack_tiles(const vw_winograd *w, int64_t first, int64_t rows, int MR, int64_t apart, float *out) {
  static const float zeros[CHANNELS];
  float v[VW_MOST_ROWS][PLACES][CHANNELS];
  int64_t at[VW_MOST_ROWS][PLACES];
  for (int64_t i = 0; i < rows; i++) places_of(w, first + i, at[i]);
  for (int64_t c = 0; c < w->K; c += CHANNELS) {
    const int64_t n = w->K - c < CHANNELS ? w->K - c : CHANNELS;
    for (int64_t i = 0; i < rows; i++) {
      const float *d[PLACES];
      for (int64_t j = 0; j < PLACES; j++) d[j] = at[i][j] < 0 ? zeros : w->p.a + at[i][j] + c;
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

/* One axis of G g: three arrays to four. */
VW_INLINE void weight_axis(const float *restrict g0, const float *restrict g1, const float *restrict g2, int64_t n,
                           float *restrict o0, float *restrict o1, float *restrict o2, float *restrict o3) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float outer = .5F * (g0[i] + g2[i]), middle = .5F * g1[i];
    o0[i] = g0[i], o1[i] = outer + middle, o2[i] = outer - middle, o3[i] = g2[i];
  }
}

/* n numbers of each tap to n of each place. */
VW_SIMD static void transform_weight(const float *const g[TAPS], int64_t n, float *out) {
  enum { RUN = 48 };
  float half[SIDE][3][RUN];
  for (int64_t at = 0; at < n; at += RUN) {
    const int64_t m = n - at < RUN ? n - at : RUN;
    for (int j = 0; j < 3; j++)
      weight_axis(g[j] + at, g[3 + j] + at, g[6 + j] + at, m, half[0][j], half[1][j], half[2][j], half[3][j]);
    for (int i = 0; i < SIDE; i++) {
      float *o = out + (ptrdiff_t)i * SIDE * n + at;
      weight_axis(half[i][0], half[i][1], half[i][2], m, o, o + n, o + 2 * n, o + 3 * n);
    }
  }
}

/* Channels k0..k0+k of a panel, transformed: [place][k][NR]; `turned` has room for the taps. */
static void weight_piece(const vw_tile *t, const vw_winograd *w, int64_t panel, int64_t k0, int64_t k, float *turned,
                         float *out) {
  const float *g[TAPS];
  for (int64_t tap = 0; tap < TAPS; tap++)
    g[w->reversed ? TAPS - 1 - tap : tap] =
        vw_product_block(t, &w->p, panel, tap * w->K + k0, k, turned + tap * k * t->NR);
  transform_weight(g, k * t->NR, out);
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

/* Tiles from..to of a wave that begins with tile `wave`, for one panel. */
static void run_panel(const vw_tile *t, const vw_winograd *w, const float *inputs, int64_t apart, int64_t wave,
                      int64_t from, int64_t to, int64_t panel, float *room) {
  const int64_t NR = t->NR, MR = t->MR, at = panel * NR, columns = w->p.M - at < NR ? w->p.M - at : NR;
  const int64_t rows = rows_of(w), depth = depth_of(w);
  float *turned = room, *weight = turned + TAPS * depth * NR, *sums = weight + PLACES * depth * NR;
  for (int64_t k0 = 0; k0 < w->K; k0 += DEPTH) {
    const int64_t k = w->K - k0 < DEPTH ? w->K - k0 : DEPTH;
    weight_piece(t, w, panel, k0, k, turned, weight);
    for (int64_t place = 0; place < PLACES; place++)
      for (int64_t row = from; row < to; row += MR)
        t->run((int)(to - row < MR ? to - row : MR), (int)columns, k, inputs + place * apart + row * w->K + k0 * MR,
               weight + place * k * NR, sums + (place * rows + row - from) * NR, NR, k0 == 0);
  }
  write_tiles(w, wave + from, to - from, NR, at, columns, sums);
}

void vw_winograd_run(const vw_context *ctx, const vw_tile *t, const vw_winograd *w, float *scratch) {
  const int64_t all = tiles_of(w), most = wave_of(w), MR = t->MR, panels = whole(w->p.M, t->NR) / t->NR;
  const int64_t apart = whole(most, MR) * w->K;
  float *rooms = scratch + wave_floats(t, w);
#pragma omp parallel num_threads(ctx->threads)
  for (int64_t wave = 0; wave < all; wave += most) {
    const int64_t n = all - wave < most ? all - wave : most;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < n; i += MR)
      pack_tiles(w, wave + i, n - i < MR ? n - i : MR, t->MR, apart, scratch + i * w->K);
#pragma omp for schedule(static) collapse(2)
    for (int64_t from = 0; from < n; from += ROWS)
      for (int64_t panel = 0; panel < panels; panel++)
        run_panel(t, w, scratch, apart, wave, from, n - from < ROWS ? n : from + ROWS, panel,
                  rooms + omp_get_thread_num() * room_floats(t, w));
  }
}
