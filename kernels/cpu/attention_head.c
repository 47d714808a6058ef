#include "kernels/cpu/attention_head.h"

#include "core/align.h"
#include "kernels/cpu/activation.h"
#include <math.h>
#include <string.h>

static int64_t whole(int64_t n, int64_t size) {
  return (n + size - 1) / size * size;
}

static int64_t lay_out(const vw_tile *t, int64_t columns, int64_t D, bool gradient, float *scratch, vw_head_room *r) {
  const int64_t across = whole(columns, t->NR), width = whole(D, t->NR);
  const int64_t part = columns < t->KC ? columns : t->KC, longer = part > D ? part : D; /* of packed rows */
  const int64_t packed = across * D, down = width * columns, score = VW_HEAD_ROWS * across;
  const int64_t sizes[] = {packed,
                           gradient ? packed : 0,
                           gradient ? down : 0,
                           down,
                           VW_HEAD_ROWS * longer,
                           score,
                           gradient ? score : 0,
                           VW_HEAD_ROWS * width,
                           gradient ? columns : 0};
  float **const parts[] = {&r->x_across, &r->z_across, &r->x_down, &r->z_down, &r->a, &r->s, &r->d, &r->out, &r->delta};
  int64_t at = 0;
  for (int i = 0; i < 9; i++) {
    *parts[i] = scratch ? scratch + at : NULL;
    at += whole(sizes[i], 16);
  }
  return at;
}

int64_t vw_head_floats(const vw_tile *t, int64_t columns, int64_t D, bool gradient) {
  vw_head_room r;
  return lay_out(t, columns, D, gradient, NULL, &r);
}

vw_head_room vw_head_room_of(const vw_tile *t, int64_t columns, int64_t D, bool gradient, float *scratch) {
  vw_head_room r;
  (void)lay_out(t, columns, D, gradient, scratch, &r);
  return r;
}

/* ---- packing */

/* Columns of a product that are rows of x: panels of [D][NR] over them, zeros behind. */
VW_SIMD static void pack_across(const vw_head *h, const vw_head_rows *x, float *out) {
  enum { BLOCK = 32 };
  static const float zeros[BLOCK];
  float eight[BLOCK * VW_MOST_ROWS] __attribute__((aligned(VW_ALIGN)));
  const int64_t NR = h->tile->NR, D = h->D, all = whole(x->n, NR);
  const float *row[VW_MOST_ROWS];
  for (int64_t j = 0; j < all; j += VW_MOST_ROWS)
    for (int64_t d = 0; d < D; d += BLOCK) {
      const int64_t n = D - d < BLOCK ? D - d : BLOCK;
      float *to = out + j / NR * NR * D + d * NR + j % NR;
      for (int64_t i = 0; i < VW_MOST_ROWS; i++) row[i] = j + i < x->n ? x->at + (j + i) * x->stride + d : zeros;
      vw_interleave(row, n, VW_MOST_ROWS, eight);
      for (int64_t i = 0; i < n; i++) memcpy(to + i * NR, eight + i * VW_MOST_ROWS, VW_MOST_ROWS * sizeof *to);
    }
}

/* The right factor of a product over rows of x: panels of [n][NR] over channels, zeros behind. */
static void pack_down(const vw_head *h, const vw_head_rows *x, float *out) {
  const int64_t NR = h->tile->NR, D = h->D;
  memset(out, 0, (size_t)(whole(D, NR) * x->n) * sizeof *out);
  for (int64_t j = 0; j < x->n; j++)
    for (int64_t d = 0; d < D; d += NR)
      memcpy(out + d * x->n + j * NR, x->at + j * x->stride + d, (size_t)(D - d < NR ? D - d : NR) * sizeof *out);
}

/* n rows of `length` floats, `stride` apart, to tiles of [length][MR]; the last tile repeats the last row. */
VW_SIMD static void pack_rows(const vw_head *h, const vw_head_room *r, const float *rows, int64_t stride, int64_t n,
                              int64_t length) {
  const int64_t MR = h->tile->MR;
  const float *row[VW_MOST_ROWS];
  for (int64_t i = 0; i < n; i += MR) {
    for (int64_t j = 0; j < VW_MOST_ROWS; j++) row[j] = rows + (i + j < n ? i + j : n - 1) * stride;
    vw_interleave(row, length, (int)MR, r->a + i * length);
  }
}

/* c [n, columns], its rows `ldc` apart, = packed rows times packed panels of `rows` rows, sums over `length`; added to c
 * unless `first`. */
static void multiply(const vw_head *h, const vw_head_room *r, const float *b, int64_t rows, int64_t n, int64_t columns,
                     int64_t length, float *c, int64_t ldc, bool first) {
  const int64_t MR = h->tile->MR, NR = h->tile->NR;
  for (int64_t p = 0; p < columns; p += NR) {
    const int across = (int)(columns - p < NR ? columns - p : NR);
    for (int64_t i = 0; i < n; i += MR)
      h->tile->run((int)(n - i < MR ? n - i : MR), across, length, r->a + i * length, b + p * rows, c + i * ldc + p,
                   ldc, first);
  }
}

/* Rows of scores times the first `columns` of `rows` packed down, to n rows of D; share: a factor a row, NULL: none.
 * KC columns at a time, so that a part of a panel stays in the first-level cache for all rows. */
VW_SIMD static void multiply_down(const vw_head *h, const vw_head_room *r, const float *s, int64_t n, int64_t columns,
                                  const float *down, int64_t rows, const float *share, float *to, int64_t stride) {
  const int64_t across = whole(columns, h->tile->NR), width = whole(h->D, h->tile->NR), KC = h->tile->KC;
  for (int64_t k0 = 0; k0 < columns; k0 += KC) {
    const int64_t k = columns - k0 < KC ? columns - k0 : KC;
    pack_rows(h, r, s + k0, across, n, k);
    multiply(h, r, down + k0 * h->tile->NR, rows, n, h->D, k, r->out, width, k0 == 0);
  }
  for (int64_t i = 0; i < n; i++) {
    const float factor = share ? share[i] : 1, *from = r->out + i * width;
    float *row = to + i * stride;
#pragma omp simd
    for (int64_t d = 0; d < h->D; d++) row[d] = from[d] * factor;
  }
}

/* ---- forward */

/* Keys that the first `queries` queries see. */
static int64_t keys_of(const vw_head *h, int64_t queries) {
  return h->causal && queries < h->k.n ? queries : h->k.n;
}

void vw_head_pack(const vw_head *h, const vw_head_room *r) {
  pack_across(h, &h->k, r->x_across);
  pack_down(h, &h->v, r->z_down);
}

/* Scores before scaling to exponentials, in place; returns the log-sum-exp and writes 1 / sum. */
VW_SIMD static float exponentials(float *s, int64_t n, float scale, float *share) {
  float largest = s[0], sum = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t j = 0; j < n; j++) largest = s[j] > largest ? s[j] : largest;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < n; j++) sum += s[j] = vw_expf(scale * (s[j] - largest));
  *share = 1 / sum;
  return scale * largest + logf(sum);
}

void vw_head_block(const vw_head *h, const vw_head_room *r, int64_t first, int64_t n, float *y, int64_t stride) {
  const int64_t J = keys_of(h, first + n), across = whole(J, h->tile->NR);
  float share[VW_HEAD_ROWS];
  pack_rows(h, r, h->q.at + first * h->q.stride, h->q.stride, n, h->D);
  multiply(h, r, r->x_across, h->D, n, J, h->D, r->s, across, true);
  for (int64_t i = 0; i < n; i++) {
    const int64_t seen = keys_of(h, first + i + 1);
    h->lse[first + i] = exponentials(r->s + i * across, seen, 1 / sqrtf((float)h->D), &share[i]);
    memset(r->s + i * across + seen, 0, (size_t)(J - seen) * sizeof(float));
  }
  multiply_down(h, r, r->s, n, J, r->z_down, h->k.n, share, y, stride);
}

/* ---- gradient */

VW_SIMD static void set_deltas(const vw_head *h, int64_t first, int64_t n, float *delta) {
  for (int64_t i = 0; i < n; i++)
    delta[i] = vw_dot(h->dy.at + (first + i) * h->dy.stride, h->y.at + (first + i) * h->y.stride, h->D);
}

void vw_head_pack_keys(const vw_head *h, const vw_head_room *r) {
  pack_across(h, &h->k, r->x_across), pack_across(h, &h->v, r->z_across);
  pack_down(h, &h->k, r->x_down);
}

void vw_head_pack_queries(const vw_head *h, const vw_head_room *r) {
  pack_across(h, &h->q, r->x_across), pack_across(h, &h->dy, r->z_across);
  pack_down(h, &h->q, r->x_down), pack_down(h, &h->dy, r->z_down);
  set_deltas(h, 0, h->q.n, r->delta);
}

/* s and d of a block: scores and dy . v, to probabilities p and ds; lse and delta of the row, */
VW_SIMD static void row_terms(float *restrict s, float *restrict d, int64_t n, float scale, float lse, float delta) {
#pragma omp simd
  for (int64_t j = 0; j < n; j++) {
    const float p = vw_expf(scale * s[j] - lse);
    s[j] = p, d[j] = scale * p * (d[j] - delta);
  }
}

/* or of every column. */
VW_SIMD static void column_terms(float *restrict s, float *restrict d, int64_t n, float scale,
                                 const float *restrict lse, const float *restrict delta) {
#pragma omp simd
  for (int64_t j = 0; j < n; j++) {
    const float p = vw_expf(scale * s[j] - lse[j]);
    s[j] = p, d[j] = scale * p * (d[j] - delta[j]);
  }
}

/* s = rows of a times the columns of x, d = rows of b times those of z. */
static void two_products(const vw_head *h, const vw_head_room *r, const vw_head_rows *a, const vw_head_rows *b,
                         int64_t first, int64_t n, int64_t columns) {
  const int64_t across = whole(columns, h->tile->NR);
  pack_rows(h, r, a->at + first * a->stride, a->stride, n, h->D);
  multiply(h, r, r->x_across, h->D, n, columns, h->D, r->s, across, true);
  pack_rows(h, r, b->at + first * b->stride, b->stride, n, h->D);
  multiply(h, r, r->z_across, h->D, n, columns, h->D, r->d, across, true);
}

void vw_head_block_dq(const vw_head *h, const vw_head_room *r, int64_t first, int64_t n, float *dq, int64_t stride) {
  const int64_t J = keys_of(h, first + n), across = whole(J, h->tile->NR);
  float delta[VW_HEAD_ROWS];
  set_deltas(h, first, n, delta);
  two_products(h, r, &h->q, &h->dy, first, n, J);
  for (int64_t i = 0; i < n; i++) {
    const int64_t seen = keys_of(h, first + i + 1);
    row_terms(r->s + i * across, r->d + i * across, seen, 1 / sqrtf((float)h->D), h->lse[first + i], delta[i]);
    memset(r->d + i * across + seen, 0, (size_t)(J - seen) * sizeof(float));
  }
  multiply_down(h, r, r->d, n, J, r->x_down, h->k.n, NULL, dq, stride);
}

void vw_head_block_dkv(const vw_head *h, const vw_head_room *r, int64_t first, int64_t n, float *dk, float *dv,
                       int64_t stride) {
  const int64_t T = h->q.n, across = whole(T, h->tile->NR);
  two_products(h, r, &h->k, &h->v, first, n, T);
  for (int64_t i = 0; i < n; i++) {
    float *s = r->s + i * across, *d = r->d + i * across;
    const int64_t blind = h->causal ? first + i : 0; /* queries that do not see the key */
    memset(s, 0, (size_t)blind * sizeof *s), memset(d, 0, (size_t)blind * sizeof *d);
    column_terms(s + blind, d + blind, T - blind, 1 / sqrtf((float)h->D), h->lse + blind, r->delta + blind);
  }
  multiply_down(h, r, r->d, n, T, r->x_down, T, NULL, dk, stride);
  multiply_down(h, r, r->s, n, T, r->z_down, T, NULL, dv, stride);
}
