/* patch_logits and its gradient on the CPU: products of register tiles (gemm.h), all words of a row of pictures at
 * once.
 *
 *   forward   words are packed once, [C][MR] a tile; a thread packs NR patches, [C][NR], and multiplies all words by
 *             them while they are in the cache, then shift and scale
 *   gradient  dz scale of all words is packed, [S N][MR] a tile; a thread makes some panels of NR channels of all
 *             words: it packs those of ROWS patches, which every tile then reads from the cache. The sums of all tiles
 *             lie in memory meanwhile
 *
 * Bits: an element is one chain of fused multiply-adds, over the channels or over the patches in their order: the same
 * for any number of threads and of words. */
#include "kernels/patch_logits.h"

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/simd.h"
#include <omp.h>
#include <string.h>

enum { ROWS = 128, MOST_TILE = 64, WIDE = 4 }; /* MOST_TILE: of MR and NR; WIDE: panels of channels at a time */

typedef struct sizes {
  int64_t K, G, S, N, C; /* K: words of one row of pictures */
  int64_t tiles, panels; /* of MR words; forward: of NR patches, gradient: of NR channels */
  const vw_tile *tile;
} sizes;

static sizes sizes_of(const vw_tensor *z, const vw_tensor *picture, int64_t C) {
  sizes s = {.G = picture->dim[0], .S = z->dim[1], .N = z->dim[2], .C = C, .tile = vw_tile_best()};
  s.K = z->dim[0] / s.G;
  s.tiles = (s.K + s.tile->MR - 1) / s.tile->MR;
  return s;
}

static size_t aligned(int64_t floats) {
  return ((size_t)floats + 15) / 16 * 16;
}

/* Rows first .. first + MR of the K rows of x (the last one again behind the end), n numbers each, as [n][MR]. */
static void pack_words(const sizes *s, const float *x, int64_t first, int64_t stride, int64_t n, float *out) {
  const float *row[VW_MOST_ROWS];
  for (int64_t j = 0; j < VW_MOST_ROWS; j++) row[j] = x + (first + j < s->K ? first + j : s->K - 1) * stride;
  vw_interleave(row, n, s->tile->MR, out);
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

static vw_status measure(vw_context *ctx, vw_call *c) {
  const sizes s = sizes_of(&c->out[0], &c->in[PATCHL_PICTURE], c->in[PATCHL_Q].dim[1]);
  c->scratch_bytes =
      (aligned(s.G * s.tiles * s.tile->MR * s.C) + (size_t)ctx->threads * aligned(s.tile->NR * s.C)) * sizeof(float);
  return VW_OK;
}

/* n patches as [C][NR], eight at a time; behind them the last one again: nobody reads those columns. */
VW_SIMD static void pack_patches(const float *f, int64_t n, int64_t C, int64_t NR, float *restrict out) {
  for (int64_t j = 0; j < NR; j += VW_MOST_ROWS) {
    const float *row[VW_MOST_ROWS];
    for (int i = 0; i < VW_MOST_ROWS; i++) row[i] = f + (j + i < n ? j + i : n - 1) * C;
    for (int64_t k = 0; k < C; k++)
      for (int i = 0; i < VW_MOST_ROWS; i++) out[k * NR + j + i] = row[i][k];
  }
}

/* Words of group g at the patches of panel p of its s-th picture. */
static void multiply(const sizes *s, const vw_call *c, int64_t g, int64_t at, int64_t p, const float *words,
                     float *room) {
  const int64_t MR = s->tile->MR, NR = s->tile->NR, first = p * NR, n = s->N - first < NR ? s->N - first : NR;
  const int64_t patch = vw_i32(&c->in[PATCHL_PICTURE])[g * s->S + at] * s->N + first;
  const float factor = (float)((const vw_patch_logits_attr *)c->attr)->factor;
  const float *shift = vw_f32(&c->in[PATCHL_SHIFT]) + patch, *scale = vw_f32(&c->in[PATCHL_SCALE]) + patch;
  float tile[MOST_TILE * MOST_TILE];
  pack_patches(vw_f32(&c->in[PATCHL_FEATURES]) + patch * s->C, n, s->C, NR, room);
  for (int64_t k = 0; k < s->K; k += MR) {
    const int64_t rows = s->K - k < MR ? s->K - k : MR;
    s->tile->run((int)rows, NR, s->C, words + k * s->C, room, tile, NR, true);
    for (int64_t i = 0; i < rows; i++) {
      float *z = vw_f32(&c->out[0]) + ((g * s->K + k + i) * s->S + at) * s->N + first;
      for (int64_t j = 0; j < n; j++) z[j] = (factor * tile[i * NR + j] + shift[j]) * scale[j];
    }
  }
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const sizes s = sizes_of(&c->out[0], &c->in[PATCHL_PICTURE], c->in[PATCHL_Q].dim[1]);
  const int64_t MR = s.tile->MR, panels = (s.N + s.tile->NR - 1) / s.tile->NR, one = s.tiles * MR * s.C;
  float *words = c->scratch, *room = words + aligned(s.G * one);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t i = 0; i < s.G * s.tiles; i++) {
    const int64_t g = i / s.tiles, first = i % s.tiles * MR;
    pack_words(&s, vw_f32(&c->in[PATCHL_Q]) + g * s.K * s.C, first, s.C, s.C, words + g * one + first * s.C);
  }
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t i = 0; i < s.G * s.S * panels; i++) {
    const int64_t g = i / (s.S * panels), at = i / panels % s.S;
    multiply(&s, c, g, at, i % panels, words + g * one,
             room + (size_t)omp_get_thread_num() * aligned(s.tile->NR * s.C));
  }
  return VW_OK;
}

/* ---- gradient ---------------------------------------------------------------------------------------------------- */

/* How a thread's part of the gradient lies in its room, in floats. */
typedef struct room_of_sums {
  int64_t wide;         /* panels at a time: fewer where threads would have none */
  size_t patches, sums; /* [wide][ROWS][NR], [wide][tiles][MR][NR] */
} room_of_sums;

static room_of_sums room_of(const sizes *s, int threads) {
  const int64_t panels = s->G * ((s->C + s->tile->NR - 1) / s->tile->NR), each = panels / threads;
  room_of_sums r = {.wide = each < 1 ? 1 : each < WIDE ? each : WIDE};
  r.patches = aligned(r.wide * s->tile->NR * ROWS);
  r.sums = aligned(r.wide * s->tiles * s->tile->MR * s->tile->NR);
  return r;
}

static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  const sizes s = sizes_of(&c->in[PATCHLG_DZ], &c->in[PATCHLG_PICTURE], c->out[0].dim[1]);
  const room_of_sums r = room_of(&s, ctx->threads);
  const size_t packing = aligned(MOST_TILE * ROWS), each = r.patches + r.sums;
  c->scratch_bytes =
      (aligned(s.G * s.tiles * s.tile->MR * s.S * s.N) + (size_t)ctx->threads * (each > packing ? each : packing)) *
      sizeof(float);
  return VW_OK;
}

/* dz scale of the words of tile t as [S N][MR], by way of `room` [MR, ROWS]. */
VW_SIMD static void pack_gradients(const sizes *s, const vw_call *c, int64_t g, int64_t t, float *restrict room,
                                   float *out) {
  const int64_t MR = s->tile->MR, rows = s->S * s->N;
  const float *row[VW_MOST_ROWS];
  for (int64_t j = 0; j < VW_MOST_ROWS; j++) row[j] = room + (j < MR ? j : 0) * ROWS;
  for (int64_t at = 0; at < s->S; at++) {
    const float *scale = vw_f32(&c->in[PATCHLG_SCALE]) + (int64_t)vw_i32(&c->in[PATCHLG_PICTURE])[g * s->S + at] * s->N;
    for (int64_t first = 0; first < s->N; first += ROWS) {
      const int64_t n = s->N - first < ROWS ? s->N - first : ROWS;
      for (int64_t j = 0; j < MR; j++) {
        const int64_t k = t * MR + j < s->K ? t * MR + j : s->K - 1;
        const float *dz = vw_f32(&c->in[PATCHLG_DZ]) + (g * s->K + k) * rows + at * s->N + first;
#pragma omp simd
        for (int64_t i = 0; i < n; i++) room[j * ROWS + i] = dz[i] * scale[first + i];
      }
      vw_interleave(row, n, (int)MR, out + (at * s->N + first) * MR);
    }
  }
}

/* Channels first .. first + n of n_rows patches as panels [ROWS][NR], one behind the other; zeros behind them. */
static void pack_channels(const float *f, int64_t n_rows, int64_t C, int64_t n, int64_t NR, float *out) {
  for (int64_t r = 0; r < n_rows; r++, f += C, out += NR)
    for (int64_t at = 0; at < n; at += NR) {
      const int64_t there = n - at < NR ? n - at : NR;
      memcpy(out + at * ROWS, f + at, (size_t)there * sizeof *out);
      memset(out + at * ROWS + there, 0, (size_t)(NR - there) * sizeof *out);
    }
}

/* What ROWS patches add to the sums [panels][tiles][MR][NR] of all words; packed: dz of these patches. */
static void add_rows(const sizes *s, int64_t panels, int64_t rows, const float *packed, const float *patches,
                     float *sums, bool first) {
  const int64_t MR = s->tile->MR, NR = s->tile->NR;
  for (int64_t w = 0; w < panels; w++)
    for (int64_t t = 0; t < s->tiles; t++) {
      const int64_t words = s->K - t * MR < MR ? s->K - t * MR : MR;
      s->tile->run((int)words, NR, rows, packed + t * s->S * s->N * MR, patches + w * ROWS * NR,
                   sums + (w * s->tiles + t) * MR * NR, NR, first);
    }
}

/* Channels of panels p .. p + wide of the words of group g; dz packed [tiles][S N][MR]. */
static void sum_channels(const sizes *s, const vw_call *c, int64_t g, int64_t p, const room_of_sums *r,
                         const float *packed, float *patches) {
  const int64_t MR = s->tile->MR, NR = s->tile->NR, first = p * NR;
  const int64_t n = s->C - first < r->wide * NR ? s->C - first : r->wide * NR, panels = (n + NR - 1) / NR;
  const float factor = (float)((const vw_patch_logits_attr *)c->attr)->factor;
  float *sums = patches + r->patches;
  for (int64_t at = 0; at < s->S; at++)
    for (int64_t from = 0; from < s->N; from += ROWS) {
      const int64_t rows = s->N - from < ROWS ? s->N - from : ROWS;
      const int64_t patch = (int64_t)vw_i32(&c->in[PATCHLG_PICTURE])[g * s->S + at] * s->N + from;
      pack_channels(vw_f32(&c->in[PATCHLG_FEATURES]) + patch * s->C + first, rows, s->C, n, NR, patches);
      add_rows(s, panels, rows, packed + (at * s->N + from) * MR, patches, sums, at + from == 0);
    }
  for (int64_t k = 0; k < s->K; k++)
    for (int64_t j = 0; j < n; j++)
      vw_f32(&c->out[0])[(g * s->K + k) * s->C + first + j] =
          factor * sums[((j / NR * s->tiles + k / MR) * MR + k % MR) * NR + j % NR];
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const sizes s = sizes_of(&c->in[PATCHLG_DZ], &c->in[PATCHLG_PICTURE], c->out[0].dim[1]);
  const room_of_sums r = room_of(&s, ctx->threads);
  const int64_t MR = s.tile->MR, panels = (s.C + s.tile->NR - 1) / s.tile->NR, one = s.tiles * MR * s.S * s.N;
  const int64_t parts = (panels + r.wide - 1) / r.wide;
  const size_t packing = aligned(MOST_TILE * ROWS), own = r.patches + r.sums, each = own > packing ? own : packing;
  float *packed = c->scratch, *rooms = packed + aligned(s.G * one);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t i = 0; i < s.G * s.tiles; i++)
    pack_gradients(&s, c, i / s.tiles, i % s.tiles, rooms + (size_t)omp_get_thread_num() * each,
                   packed + i * MR * s.S * s.N);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t i = 0; i < s.G * parts; i++)
    sum_channels(&s, c, i / parts, i % parts * r.wide, &r, packed + i / parts * one,
                 rooms + (size_t)omp_get_thread_num() * each);
  return VW_OK;
}

const vw_kernel patch_logits_cpu = {.run = run, .measure = measure};
const vw_kernel patch_logits_grad_cpu = {.run = run_grad, .measure = measure_grad};
