#include "kernels/cpu/gemm.h"

#include "core/align.h"
#include "kernels/cpu/activation.h"
#include <stdlib.h>
#include <string.h>

enum {
  FEW_FLOPS = 1 << 19, /* below, waking threads costs more than they save */
  ROWS = 192,          /* rows at a time: KC of their packed a stay in the second-level cache; a multiple of every MR */
  TURNED_ROWS = 768    /* the same where b is turned, which is worth more than a near cache */
};

static int64_t rows_of(const vw_product *p) {
  return p->turned_taps ? TURNED_ROWS : ROWS;
}

static int64_t pieces(int64_t n, int64_t size) {
  return (n + size - 1) / size;
}

int64_t vw_packed_a(const vw_tile *t, int64_t N, int64_t K) {
  return pieces(N, t->MR) * t->MR * K;
}

int64_t vw_packed_b(const vw_tile *t, int64_t M, int64_t K) {
  return pieces(M, t->NR) * t->NR * K;
}

/* ---- packing of the left factor */

enum { BLOCK = VW_GATHERED };

/* Rows of a, at most MR, to [K][MR] with zeros behind; times act'(z) where z is given. */
VW_SIMD static void pack_tile(const vw_product *p, int64_t first, int rows, int MR, float *restrict out) {
  static const float zeros[BLOCK];
  float line[VW_MOST_ROWS][BLOCK];
  const float *row[VW_MOST_ROWS];
  for (int64_t k0 = 0; k0 < p->K; k0 += BLOCK) {
    const int64_t n = p->K - k0 < BLOCK ? p->K - k0 : BLOCK;
    for (int i = 0; i < VW_MOST_ROWS; i++) {
      row[i] = zeros;
      if (i < rows) row[i] = p->gather ? p->gather(p, first + i, k0, n, line[i]) : p->a + (first + i) * p->K + k0;
    }
    for (int i = 0; i < rows && p->a_z; i++) {
      vw_act_grad(p->act, p->a_z + (first + i) * p->K + k0, row[i], line[i], n);
      row[i] = line[i];
    }
    vw_interleave(row, n, MR, out + k0 * MR);
  }
}

/* ---- the product */

/* A panel's bias, activation and residual: `columns` of them from column `at` on, rows from..to. */
VW_SIMD static void finish_panel(const vw_product *p, int64_t from, int64_t to, int64_t at, int64_t columns) {
  for (int64_t n = from; n < to; n++) {
    float *c = p->c + n * p->M + at;
    if (p->bias) {
      const float *bias = p->bias + at;
#pragma omp simd
      for (int64_t j = 0; j < columns; j++) c[j] += bias[j];
    }
    if (p->z) {
      memcpy(p->z + n * p->M + at, c, (size_t)columns * sizeof *c);
      vw_act(p->act, p->z + n * p->M + at, c, columns);
    }
    if (p->shift) {
      const float *shift = p->shift + (p->shift_from + n) / p->shift_rows * p->M + at;
#pragma omp simd
      for (int64_t j = 0; j < columns; j++) c[j] += shift[j];
    }
    if (p->residual) {
      const float *residual = p->residual + n * p->M + at;
#pragma omp simd
      for (int64_t j = 0; j < columns; j++) c[j] += residual[j];
    }
  }
}

enum { LINE = 64 }; /* bytes */

enum { MOST_COLUMNS = 48, PIECE = 128 * MOST_COLUMNS }; /* PIECE: floats of a panel that are made at a time */

/* n floats of p->b from `at` on: where they lie, or in `room`. */
VW_INLINE const float *packed_at(const vw_product *p, int64_t at, int64_t n, float *room) {
  if (p->b_type == VW_F32) return (const float *)p->b + at;
  vw_widen((const uint16_t *)p->b + at, p->b_type, n, room);
  return room;
}

/* Asks for lines first..first+lines of what begins at number `at` of b. */
VW_INLINE void prefetch(const vw_product *p, int64_t at, int64_t first, int64_t lines) {
  const char *from = (const char *)p->b + (size_t)at * vw_dtype_bytes(p->b_type) + first * LINE;
  for (int64_t i = 0; i < lines; i++) __builtin_prefetch(from + i * LINE, 0, 2);
}

static int64_t lines_of(const vw_product *p, int64_t n) {
  return n * (int64_t)vw_dtype_bytes(p->b_type) / LINE;
}

/* Columns at.. for outputs from..from+n of a tap, out of the panels of the result: NR outputs of an input lie there
 * side by side. `from` is a multiple of NR. */
VW_SIMD static void turn(const vw_product *p, int64_t NR, int64_t at, int64_t tap, int64_t from, int64_t n,
                         float *restrict out) {
  static const float zeros[MOST_COLUMNS];
  float eight[MOST_COLUMNS * VW_MOST_ROWS] __attribute__((aligned(VW_ALIGN))); /* side by side: shuffles of vectors */
  float wide[MOST_COLUMNS * MOST_COLUMNS] __attribute__((aligned(VW_ALIGN)));
  const int64_t inputs = p->turned_taps * p->M, columns = p->M - at < NR ? p->M - at : NR;
  for (int64_t o = 0; o < n; o += NR) {
    const int64_t first = (from + o) * inputs + (tap * p->M + at) * NR;
    const float *tile = packed_at(p, first, columns * NR, wide);
    const int64_t outputs = n - o < NR ? n - o : NR;
    prefetch(p, first + inputs * NR, 0, lines_of(p, NR * NR)); /* the next tile lies far away */
    for (int64_t j = 0; j < NR; j += VW_MOST_ROWS) {
      const float *row[VW_MOST_ROWS];
      for (int64_t i = 0; i < VW_MOST_ROWS; i++) row[i] = j + i < columns ? tile + (j + i) * NR : zeros;
      vw_interleave(row, outputs, VW_MOST_ROWS, eight);
      for (int64_t k = 0; k < outputs; k++)
        memcpy(out + (o + k) * NR + j, eight + k * VW_MOST_ROWS, VW_MOST_ROWS * sizeof *out);
    }
  }
}

/* The next elements of k that are multiplied at once: at most KC; of a turned weight, whole tiles of one tap. */
static int64_t next_block(const vw_tile *t, const vw_product *p, int64_t k0) {
  const int64_t outputs = p->turned_taps ? p->K / p->turned_taps : p->K,
                most = p->turned_taps ? t->KC / t->NR * t->NR : t->KC;
  const int64_t left = outputs - k0 % outputs;
  return left < most ? left : most;
}

const float *vw_product_block(const vw_tile *t, const vw_product *p, int64_t panel, int64_t k0, int64_t k,
                              float *room) {
  const int64_t NR = t->NR;
  if (!p->turned_taps) return packed_at(p, panel * NR * p->K + k0 * NR, k * NR, room);
  const int64_t outputs = p->K / p->turned_taps;
  turn(p, NR, panel * NR, k0 / outputs, k0 % outputs, k, room);
  return room;
}

/* One panel for the rows of one block. A last panel that ends within a vector is made beside (`edge`, MR x NR), its
 * columns copied. */
static void run_panel(const vw_tile *t, const vw_product *p, const float *a, int64_t from, int64_t panel) {
  enum { MOST = 8 * 48 };
  float edge[MOST] __attribute__((aligned(VW_ALIGN))), room[PIECE] __attribute__((aligned(VW_ALIGN)));
  const int64_t NR = t->NR, MR = t->MR, at = panel * NR, columns = p->M - at < NR ? p->M - at : NR;
  const int64_t to = p->N - from < rows_of(p) ? p->N : from + rows_of(p), tiles = pieces(to - from, MR);
  const int64_t all = lines_of(p, t->KC * NR), even = pieces(all, tiles);
  const int64_t lines = even < 32 ? even : 32; /* of the next block, a tile */
  for (int64_t k0 = 0, k; k0 < p->K; k0 += k) {
    k = next_block(t, p, k0);
    const float *b = vw_product_block(t, p, panel, k0, k, room);
    for (int64_t i = 0; i < tiles; i++) {
      const int64_t row = from + i * MR;
      const int rows = (int)(to - row < MR ? to - row : MR);
      const float *tile_a = a + row * p->K + k0 * MR;
      float *c = p->c + row * p->M + at;
      if (!p->turned_taps && i * lines < all) prefetch(p, at * p->K + (k0 + k) * NR, i * lines, lines);
      if (columns % t->lanes == 0) {
        t->run(rows, (int)columns, k, tile_a, b, c, p->M, k0 == 0);
        continue;
      }
      for (int r = 0; r < rows; r++) memcpy(edge + r * NR, c + r * p->M, (size_t)columns * sizeof *c);
      t->run(rows, (int)columns, k, tile_a, b, edge, NR, k0 == 0);
      for (int r = 0; r < rows; r++) memcpy(c + r * p->M, edge + r * NR, (size_t)columns * sizeof *c);
    }
  }
  finish_panel(p, from, to, at, columns);
}

void vw_product_run(const vw_context *ctx, const vw_tile *t, const vw_product *p, float *scratch) {
  const int64_t tiles = pieces(p->N, t->MR), panels = pieces(p->M, t->NR), MR = t->MR, rows = rows_of(p);
  if (p->K == 0) memset(p->c, 0, (size_t)(p->N * p->M) * sizeof *p->c);
#pragma omp parallel num_threads(ctx->threads) if (p->N * p->M * p->K > FEW_FLOPS)
  {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < tiles; i++)
      pack_tile(p, i * MR, (int)(p->N - i * MR < MR ? p->N - i * MR : MR), t->MR, scratch + i * MR * p->K);
#pragma omp for schedule(static) collapse(2)
    for (int64_t from = 0; from < p->N; from += rows)
      for (int64_t panel = 0; panel < panels; panel++) run_panel(t, p, scratch, from, panel);
  }
}
