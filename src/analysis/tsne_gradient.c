/* Gradient and divergence of t-SNE, and the descent along it. With w = 1 / (1 + |yi - yj|^2), Z the sum of w over all
 * ordered pairs and q = w / Z:
 *
 *   KL    = sum p log(p / q)
 *   grad_i = 4 sum_j (p - q) w (yi - yj) = 4 (sum_j p w (yi - yj) - 1 / Z sum_j w^2 (yi - yj))
 *
 * So one pass over the pairs gives both sums and Z. A tile of pairs (tsne_internal.h) writes what it adds to its rows
 * and to its columns beside the others'; then every point adds its tiles' numbers in their order. No order depends on
 * threads. Traffic: 4 bytes a pair (p), and 4 SIDE^-1 numbers a pair for the sums. */
#include "analysis/lanes.h"
#include "analysis/tsne_internal.h"
#include "core/align.h"
#include "core/pulse.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ATTRACT_X, ATTRACT_Y, REPEL_X, REPEL_Y, SUMS };
enum { SIDE = VW_TSNE_SIDE };

/* What a pass over the pairs needs. */
typedef struct forces {
  const vw_affinities *p;
  int threads;
  double *x, *y;     /* [blocks, SIDE] the points; padding is far away from everything */
  double *row, *col; /* [tiles, SIDE / LANES, SUMS, LANES] what a tile adds to its rows and columns */
  double *z;         /* [tiles] */
  double scale;      /* 1 / Z */
} forces;

static const double far_away = 1e150; /* its square is finite, its weight 0 */

static void forces_close(forces *f) {
  free(f->x), free(f->y), free(f->row), free(f->col), free(f->z);
  *f = (forces){0};
}

static vw_status forces_open(forces *f, const vw_affinities *p, int threads) {
  const size_t points = (size_t)(p->blocks * SIDE) * sizeof(double);
  const size_t sums = (size_t)(p->tiles * SUMS * SIDE) * sizeof(double);
  *f = (forces){.p = p, .threads = threads < p->tiles ? threads : (int)p->tiles};
  f->x = aligned_alloc(VW_ALIGN, points), f->y = aligned_alloc(VW_ALIGN, points);
  f->row = aligned_alloc(VW_ALIGN, sums), f->col = aligned_alloc(VW_ALIGN, sums);
  f->z = calloc((size_t)p->tiles, sizeof *f->z);
  if (f->x && f->y && f->row && f->col && f->z) {
    memset(f->row, 0, sums); /* what stands behind the last point is added, too */
    return VW_OK;
  }
  forces_close(f);
  return VW_RAISE(VW_ERR_MEMORY, "t-SNE: out of memory for the forces of %lld points", (long long)p->n);
}

static void place_points(forces *f, const double *y) {
  for (int64_t i = 0; i < f->p->blocks * SIDE; i++) {
    const bool is_point = i < f->p->n;
    f->x[i] = is_point ? y[2 * i] : far_away, f->y[i] = is_point ? y[2 * i + 1] : far_away;
  }
}

/* Where sum k of a block's point i lies: four points' sums stand side by side, as arrays a power of two apart would get
 * into each other's way in the cache. */
static int64_t sum_at(int64_t i, int k) {
  return (i / VW_LANES * SUMS + k) * VW_LANES + i % VW_LANES;
}

/* A tile as its loop sees it. */
typedef struct tile_pass {
  const double *row_x, *row_y, *column_x, *column_y; /* of its points */
  const float *p;
  int64_t rows, vectors;      /* points of the row block; vectors of the column block */
  double *row_sums, *columns; /* [SIDE / LANES, SUMS, LANES] what is added to its rows and to its columns */
} tile_pass;

/* All pairs of a tile; returns the sum of w. */
VW_SIMD
static double tile_forces(const tile_pass *t) {
  const vw_lanes *x = (const vw_lanes *)t->column_x, *y = (const vw_lanes *)t->column_y;
  vw_lanes z = {0};
  memset(t->columns, 0, (size_t)(SUMS * SIDE) * sizeof *t->columns);
  for (int64_t i = 0; i < t->rows; i++) {
    const double xi = t->row_x[i], yi = t->row_y[i];
    const float *p = t->p + i * SIDE;
    vw_lanes ax = {0}, ay = {0}, rx = {0}, ry = {0};
    for (int64_t j = 0; j < t->vectors; j++) {
      const vw_lanes dx = xi - x[j], dy = yi - y[j], d = 1.0 + (dx * dx + dy * dy);
      const vw_lanes w = 1.0 / d;
      const vw_lanes share = {p[4 * j], p[4 * j + 1], p[4 * j + 2], p[4 * j + 3]}, a = share * w, r = w * w;
      const vw_lanes fx = a * dx, fy = a * dy, gx = r * dx, gy = r * dy;
      z += w;
      ax += fx, ay += fy, rx += gx, ry += gy;
      vw_lanes *to = (vw_lanes *)t->columns + j * SUMS;
      to[ATTRACT_X] -= fx, to[ATTRACT_Y] -= fy, to[REPEL_X] -= gx, to[REPEL_Y] -= gy;
    }
    double *to = t->row_sums + sum_at(i, 0);
    to[ATTRACT_X * VW_LANES] = vw_lanes_sum(&ax), to[ATTRACT_Y * VW_LANES] = vw_lanes_sum(&ay);
    to[REPEL_X * VW_LANES] = vw_lanes_sum(&rx), to[REPEL_Y * VW_LANES] = vw_lanes_sum(&ry);
  }
  return vw_lanes_sum(&z);
}

/* A tile's part of Z is of both orders of each pair; the diagonal ones hold both, and each point with itself. Their
 * columns' sums are those of their rows again, and nobody reads them. */
static void run_tile(forces *f, int64_t at) {
  int64_t row, column;
  vw_tile_blocks(at, &row, &column);
  const int64_t rows = vw_block_points(f->p->n, row);
  const tile_pass t = {.row_x = f->x + row * SIDE,
                       .row_y = f->y + row * SIDE,
                       .column_x = f->x + column * SIDE,
                       .column_y = f->y + column * SIDE,
                       .p = f->p->p + at * VW_TSNE_PAIRS,
                       .rows = rows,
                       .vectors = (vw_block_points(f->p->n, column) + VW_LANES - 1) / VW_LANES,
                       .row_sums = f->row + at * SUMS * SIDE,
                       .columns = f->col + at * SUMS * SIDE};
  const double z = tile_forces(&t);
  f->z[at] = row == column ? z - (double)rows : 2 * z;
}

static void sum_z(forces *f) {
  double z = 0;
  for (int64_t t = 0; t < f->p->tiles; t++) z += f->z[t];
  f->scale = 1 / z;
}

static void add_sums(const double *from, int64_t n, double *to) {
  for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* The gradient of a block's points: its row tiles, then the column tiles below it. */
static void gather_block(const forces *f, int64_t block, double exaggeration, double *gradient) {
  const int64_t points = vw_block_points(f->p->n, block), n = (points + VW_LANES - 1) / VW_LANES * VW_LANES * SUMS;
  double sums[SUMS * SIDE] = {0};
  for (int64_t c = 0; c <= block; c++) add_sums(f->row + vw_tile_at(block, c) * SUMS * SIDE, n, sums);
  for (int64_t r = block + 1; r < f->p->blocks; r++) add_sums(f->col + vw_tile_at(r, block) * SUMS * SIDE, n, sums);
  for (int64_t i = 0; i < points; i++) {
    const double *s = sums + sum_at(i, 0);
    gradient[2 * i] = 4 * (exaggeration * s[ATTRACT_X * VW_LANES] - f->scale * s[REPEL_X * VW_LANES]);
    gradient[2 * i + 1] = 4 * (exaggeration * s[ATTRACT_Y * VW_LANES] - f->scale * s[REPEL_Y * VW_LANES]);
  }
}

/* ---- the divergence ---------------------------------------------------------------------------------------------- */

/* One tile's part of sum p log(p / q), both orders of each pair. Neither p nor q is less than epsilon in it. */
static double tile_divergence(const forces *f, int64_t tile) {
  int64_t row, column;
  vw_tile_blocks(tile, &row, &column);
  const double *x = f->x + column * SIDE, *y = f->y + column * SIDE;
  const int64_t columns = vw_block_points(f->p->n, column);
  double sum = 0;
  for (int64_t i = 0; i < vw_block_points(f->p->n, row); i++) {
    const double xi = f->x[row * SIDE + i], yi = f->y[row * SIDE + i];
    const float *p = f->p->p + tile * VW_TSNE_PAIRS + i * SIDE;
    for (int64_t j = 0; j < columns; j++) {
      if (p[j] == 0) continue;
      const double dx = xi - x[j], dy = yi - y[j];
      const double q = f->scale / (1 + (dx * dx + dy * dy));
      sum += p[j] * log(fmax(p[j], DBL_EPSILON) / fmax(q, DBL_EPSILON));
    }
  }
  return row == column ? sum : 2 * sum;
}

static double divergence(forces *f) {
  double *part = f->z, sum = 0; /* Z is known */
#pragma omp parallel for schedule(dynamic) num_threads(f->threads)
  for (int64_t t = 0; t < f->p->tiles; t++) part[t] = tile_divergence(f, t);
  for (int64_t t = 0; t < f->p->tiles; t++) sum += part[t];
  return sum;
}

vw_status vw_tsne_gradient(const vw_affinities *p, const double *y, double exaggeration, int threads, double *gradient,
                           double *kl) {
  forces f;
  VW_TRY(forces_open(&f, p, threads));
  place_points(&f, y);
#pragma omp parallel for schedule(dynamic) num_threads(f.threads)
  for (int64_t t = 0; t < p->tiles; t++) run_tile(&f, t);
  sum_z(&f);
  for (int64_t b = 0; b < p->blocks; b++) gather_block(&f, b, exaggeration, gradient + 2 * b * SIDE);
  if (kl) *kl = divergence(&f);
  forces_close(&f);
  return VW_OK;
}

/* ---- the descent ------------------------------------------------------------------------------------------------- */

/* One number along its gradient. */
static void move(const vw_tsne_descent *how, double gradient, double *y, double *update, double *gain) {
  *gain = *update * gradient < 0 ? *gain + 0.2 : *gain * 0.8;
  if (*gain < 0.01) *gain = 0.01;
  *update = how->momentum * *update - how->learning_rate * (gradient * *gain);
  *y += *update;
}

static void move_block(forces *f, const vw_tsne_descent *how, int64_t block, double *update, double *gain) {
  double gradient[2 * SIDE];
  const int64_t n = vw_block_points(f->p->n, block), first = block * SIDE;
  gather_block(f, block, how->exaggeration, gradient);
  for (int64_t i = 0; i < n; i++) {
    const int64_t at = first + i;
    move(how, gradient[2 * i], &f->x[at], &update[2 * at], &gain[2 * at]);
    move(how, gradient[2 * i + 1], &f->y[at], &update[2 * at + 1], &gain[2 * at + 1]);
  }
}

static void iterate(forces *f, const vw_tsne_descent *how, double *update, double *gain) {
#pragma omp parallel num_threads(f->threads)
  {
#pragma omp for schedule(dynamic)
    for (int64_t t = 0; t < f->p->tiles; t++) run_tile(f, t);
#pragma omp single
    sum_z(f);
#pragma omp for
    for (int64_t b = 0; b < f->p->blocks; b++) move_block(f, how, b, update, gain);
  }
}

vw_status vw_tsne_descend(const vw_affinities *p, const vw_tsne_options *o, const vw_tsne_descent *how, double *y,
                          bool *stopped) {
  forces f = {0};
  vw_status st = VW_OK;
  const size_t numbers = (size_t)(2 * p->n);
  double *update = calloc(numbers, sizeof *update), *gain = malloc(numbers * sizeof *gain);
  *stopped = false;
  if (!update || !gain) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "t-SNE: out of memory"));
  VW_GOTO(forces_open(&f, p, o->threads));
  for (size_t i = 0; i < numbers; i++) gain[i] = 1;
  place_points(&f, y);
  for (int64_t i = 0; i < how->iterations && !*stopped; i++) {
    vw_pulse();
    *stopped = o->stop && o->stop(o->user);
    if (!*stopped) iterate(&f, how, update, gain);
  }
  for (int64_t i = 0; i < p->n; i++) y[2 * i] = f.x[i], y[2 * i + 1] = f.y[i];
cleanup:
  forces_close(&f);
  free(update), free(gain);
  return st;
}

vw_status vw_tile_seconds_forces(double *seconds) {
  enum { PASSES = 20 };
  struct timespec start, end;
  vw_affinities *p = NULL;
  forces f;
  VW_TRY(vw_affinities_allocate(&p, SIDE));
  const vw_status st = forces_open(&f, p, 1);
  if (st == VW_OK) {
    memset(p->p, 0, VW_TSNE_PAIRS * sizeof *p->p);
    for (int64_t i = 0; i < SIDE; i++) f.x[i] = (double)(i % 16), f.y[i] = (double)i;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < PASSES; i++) run_tile(&f, 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    *seconds = ((double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec)) / PASSES;
    forces_close(&f);
  }
  vw_affinities_destroy(p);
  return st;
}
