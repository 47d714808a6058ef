/* Joint probabilities of t-SNE. Squared distances of all pairs, in double; for each point the width beta at which the
 * entropy of p(j | i) ~ exp(-beta d) is log(perplexity); then p(i, j) = (p(j | i) + p(i | j)) / 2n, in fp32. */
#include "analysis/lanes.h"
#include "analysis/tsne_internal.h"
#include "core/align.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIDE = VW_TSNE_SIDE, PANEL = 8, PANELS = SIDE / PANEL, PAIRS = VW_TSNE_PAIRS };

/* ---- memory ------------------------------------------------------------------------------------------------------ */

vw_status vw_affinities_allocate(vw_affinities **out, int64_t n) {
  const int64_t blocks = (n + SIDE - 1) / SIDE, tiles = vw_tile_at(blocks, 0);
  const size_t bytes = (size_t)(tiles * PAIRS) * sizeof(float);
  vw_affinities *p = calloc(1, sizeof *p);
  *out = NULL;
  if (p) *p = (vw_affinities){.n = n, .blocks = blocks, .tiles = tiles, .p = aligned_alloc(VW_ALIGN, bytes)};
  if (!p || !p->p) {
    free(p);
    return VW_RAISE(VW_ERR_MEMORY, "t-SNE of %" PRId64 " points: no memory for their pairs, about %.1f GB in all", n,
                    6e-9 * (double)n * (double)n);
  }
  *out = p;
  return VW_OK;
}

void vw_affinities_destroy(vw_affinities *p) {
  if (!p) return;
  free(p->p);
  free(p);
}

double vw_affinity(const vw_affinities *p, int64_t i, int64_t j) {
  const int64_t a = i > j ? i : j, b = i > j ? j : i;
  return p->p[vw_tile_at(a / SIDE, b / SIDE) * PAIRS + a % SIDE * SIDE + b % SIDE];
}

vw_status vw_affinities_of(vw_affinities **out, const double *joint, int64_t n) {
  vw_affinities *p = NULL;
  VW_TRY(vw_affinities_allocate(&p, n));
  memset(p->p, 0, (size_t)(p->tiles * PAIRS) * sizeof *p->p);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j <= (i / SIDE + 1) * SIDE - 1 && j < n; j++)
      if (i != j) p->p[vw_tile_at(i / SIDE, j / SIDE) * PAIRS + i % SIDE * SIDE + j % SIDE] = (float)joint[i * n + j];
  *out = p;
  return VW_OK;
}

/* ---- distances --------------------------------------------------------------------------------------------------- */

/* Points as panels of 8: [panels, d, 8] doubles; those behind the last are 0. Errors: VW_ERR_MEMORY. */
static vw_status make_panels(double **out, const float *x, int64_t n, int64_t d, int64_t blocks, int threads) {
  double *panels = aligned_alloc(VW_ALIGN, (size_t)(blocks * SIDE * d) * sizeof *panels);
  *out = panels;
  VW_CHECK(panels, VW_ERR_MEMORY, "t-SNE: no memory for %" PRId64 " points of %" PRId64 " numbers", n, d);
#pragma omp parallel for num_threads(threads)
  for (int64_t q = 0; q < blocks * PANELS; q++)
    for (int64_t k = 0; k < d; k++)
      for (int64_t l = 0; l < PANEL; l++)
        panels[(q * d + k) * PANEL + l] = q * PANEL + l < n ? x[(q * PANEL + l) * d + k] : 0;
  return VW_OK;
}

/* Squared distances of the rows first .. first + 3 of panel a to the points of panel b: four rows of out, SIDE apart. */
VW_INLINE void distances_of_four(const double *a, const double *b, int64_t d, double *out) {
  vw_lanes sum[4][2] = {{{0}}};
  for (int64_t k = 0; k < d; k++) {
    const vw_lanes *bk = (const vw_lanes *)(b + k * PANEL);
    for (int r = 0; r < 4; r++)
      for (int h = 0; h < 2; h++) {
        const vw_lanes e = a[k * PANEL + r] - bk[h];
        sum[r][h] += e * e;
      }
  }
  for (int r = 0; r < 4; r++)
    for (int h = 0; h < 2; h++) ((vw_lanes *)(out + (ptrdiff_t)r * SIDE))[h] = sum[r][h];
}

VW_SIMD
static void tile_distances(const double *rows, const double *columns, int64_t d, double *out) {
  for (int64_t c = 0; c < PANELS; c++)
    for (int64_t r = 0; r < PANELS; r++)
      for (int64_t four = 0; four < PANEL; four += 4)
        distances_of_four(rows + r * d * PANEL + four, columns + c * d * PANEL, d,
                          out + (r * PANEL + four) * SIDE + c * PANEL);
}

/* All tiles [tiles, SIDE, SIDE]; malloc'ed. */
static vw_status all_distances(double **out, const vw_affinities *p, const float *x, int64_t d, int threads) {
  double *panels = NULL, *t = aligned_alloc(VW_ALIGN, (size_t)(p->tiles * PAIRS) * sizeof *t);
  *out = t;
  VW_CHECK(t, VW_ERR_MEMORY, "t-SNE of %" PRId64 " points: no memory for their pairs, about %.1f GB in all", p->n,
           6e-9 * (double)p->n * (double)p->n);
  VW_TRY(make_panels(&panels, x, p->n, d, p->blocks, threads));
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t tile = 0; tile < p->tiles; tile++) {
    int64_t row, column;
    vw_tile_blocks(tile, &row, &column);
    tile_distances(panels + row * SIDE * d, panels + column * SIDE * d, d, t + tile * PAIRS);
  }
  free(panels);
  return VW_OK;
}

/* ---- widths ------------------------------------------------------------------------------------------------------ */

/* Of a point: p(j | i) = exp(-beta (d - least)) / sum. */
typedef struct width {
  double beta, least, sum;
} width;

/* Distances of the 8 points of a panel to all others, without themselves, each as d - least: rows of `room` numbers;
 * what is left of a row is far away. */
static void panel_rows(const vw_affinities *p, const double *t, int64_t panel, int64_t room, double *rows, width *w) {
  const int64_t first = panel * PANEL, block = first / SIDE, in = first % SIDE;
  for (int64_t l = 0; l < PANEL && first + l < p->n; l++) {
    double *to = rows + l * room, least = INFINITY;
    int64_t n = 0;
    for (int64_t c = 0; c < p->blocks; c++) {
      const double *tile = t + vw_tile_at(c > block ? c : block, c > block ? block : c) * PAIRS;
      const int64_t count = vw_block_points(p->n, c);
      const double *from = c > block ? tile + in + l : tile + (in + l) * SIDE;
      const int64_t step = c > block ? SIDE : 1;
      for (int64_t j = 0; j < count; j++)
        if (c != block || j != in + l) to[n++] = from[j * step];
    }
    for (int64_t j = 0; j < n; j++) least = fmin(least, to[j]);
    for (int64_t j = 0; j < n; j++) to[j] -= least;
    for (; n < room; n++) to[n] = 1e300;
    w[l].least = least;
  }
}

/* Of the distances x, each minus the least. */
VW_SIMD
static vw_moments moments_of(const double *x, int64_t room, double beta) {
  vw_lanes e = {0}, xe = {0}, xxe = {0};
  for (int64_t j = 0; j < room / VW_LANES; j++) {
    const vw_lanes v = ((const vw_lanes *)x)[j], minus = -beta * v;
    vw_lanes y;
    vw_lanes_exp(&minus, &y);
    e += y, xe += v * y, xxe += v * (v * y);
  }
  return (vw_moments){vw_lanes_sum(&e), vw_lanes_sum(&xe), vw_lanes_sum(&xxe)};
}

vw_width_search vw_width_begin(double scale, double target) {
  return (vw_width_search){
      .beta = scale > 0 ? 1 / scale : 1, .high = INFINITY, .target = target, .has_root = scale > 0};
}

bool vw_width_next(vw_width_search *s, const vw_moments *m) {
  enum { MOST = 200 };
  s->sum = m->e;
  if (!s->has_root || s->tries++ == MOST) return false;
  const double mean = m->xe / m->e, entropy = log(m->e) + s->beta * mean, off = entropy - s->target;
  const double variance = m->xxe / m->e - mean * mean, slope = -s->beta * s->beta * variance; /* by log(beta) */
  if (fabs(off) < 1e-13) return false;
  if (off > 0)
    s->low = s->beta;
  else
    s->high = s->beta;
  double next = slope < 0 ? s->beta * exp(fmin(fmax(-off / slope, -2), 2)) : INFINITY;
  if (!(next > s->low && next < s->high)) next = isinf(s->high) ? 2 * s->beta : s->low + (s->high - s->low) / 2;
  if (next == s->beta || isinf(next)) return false;
  s->beta = next;
  return true;
}

static width find_width(const double *x, int64_t room, double least, double scale, double target) {
  vw_width_search s = vw_width_begin(scale, target);
  vw_moments m;
  do m = moments_of(x, room, s.beta);
  while (vw_width_next(&s, &m));
  return (width){s.beta, least, s.sum};
}

static double mean_of(const double *x, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += x[i];
  return sum / (double)n;
}

/* Widths [panels, 8] of all points. */
static vw_status all_widths(const vw_affinities *p, const double *t, double perplexity, int threads, width *w) {
  const int64_t room = (p->n - 1 + PANEL - 1) / PANEL * PANEL, panels = (p->n + PANEL - 1) / PANEL;
  double *rows = aligned_alloc(VW_ALIGN, (size_t)(threads * PANEL * room) * sizeof *rows);
  const double target = log(perplexity);
  VW_CHECK(rows, VW_ERR_MEMORY, "t-SNE: out of memory");
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t q = 0; q < panels; q++) {
    double *own = rows + omp_get_thread_num() * PANEL * room;
    panel_rows(p, t, q, room, own, w + q * PANEL);
    for (int64_t l = 0; l < PANEL && q * PANEL + l < p->n; l++) {
      const double *x = own + l * room;
      w[q * PANEL + l] = find_width(x, room, w[q * PANEL + l].least, mean_of(x, p->n - 1), target);
    }
  }
  free(rows);
  return VW_OK;
}

/* ---- joint probabilities ----------------------------------------------------------------------------------------- */

/* One row of a tile: columns of widths w, the row's own width. */
VW_SIMD
static void row_joint(const double *d, const width *own, const width *w, int64_t columns, double scale, float *p) {
  for (int64_t j = 0; j < SIDE; j += VW_LANES) {
    vw_lanes a = {0}, b = {0}, share = {0}, ea, eb;
    for (int l = 0; l < VW_LANES && j + l < columns; l++) {
      a[l] = -own->beta * (d[j + l] - own->least), b[l] = -w[j + l].beta * (d[j + l] - w[j + l].least);
      share[l] = scale / w[j + l].sum;
    }
    vw_lanes_exp(&a, &ea), vw_lanes_exp(&b, &eb);
    const vw_lanes sum = ea * (scale / own->sum) + eb * share;
    for (int l = 0; l < VW_LANES; l++) p[j + l] = j + l < columns ? (float)fmax(sum[l], DBL_EPSILON) : 0;
  }
}

static void tile_joint(const vw_affinities *p, const double *t, const width *w, int64_t tile) {
  int64_t row, column;
  vw_tile_blocks(tile, &row, &column);
  const int64_t rows = vw_block_points(p->n, row), columns = vw_block_points(p->n, column);
  float *to = p->p + tile * PAIRS;
  for (int64_t i = 0; i < rows; i++) {
    row_joint(t + tile * PAIRS + i * SIDE, &w[row * SIDE + i], w + column * SIDE, columns, 0.5 / (double)p->n,
              to + i * SIDE);
    if (row == column) to[i * SIDE + i] = 0;
  }
  memset(to + rows * SIDE, 0, (size_t)((SIDE - rows) * SIDE) * sizeof *to);
}

static vw_status fill(vw_affinities *p, const float *x, int64_t d, double perplexity, int threads) {
  double *t = NULL;
  width *w = calloc((size_t)(p->blocks * SIDE), sizeof *w);
  vw_status st = VW_OK;
  if (!w) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "t-SNE: out of memory"));
  VW_GOTO(all_distances(&t, p, x, d, threads));
  VW_GOTO(all_widths(p, t, perplexity, threads, w));
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t tile = 0; tile < p->tiles; tile++) tile_joint(p, t, w, tile);
cleanup:
  free(t), free(w);
  return st;
}

vw_status vw_affinities_create(vw_affinities **out, const float *x, int64_t n, int64_t d, double perplexity,
                               int threads) {
  vw_affinities *p = NULL;
  *out = NULL;
  VW_TRY(vw_affinities_allocate(&p, n));
  const vw_status st = fill(p, x, d, perplexity, threads);
  if (st != VW_OK)
    vw_affinities_destroy(p);
  else
    *out = p;
  return st;
}

vw_status vw_tile_seconds_distances(int64_t d, double *seconds) {
  struct timespec start, end;
  const size_t panel = (size_t)(SIDE * d) * sizeof(double);
  double *x = aligned_alloc(VW_ALIGN, panel), *t = aligned_alloc(VW_ALIGN, PAIRS * sizeof *t);
  if (x && t) {
    memset(x, 0, panel);
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    tile_distances(x, x, d, t);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    *seconds = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
  }
  const bool has_memory = x && t;
  free(x), free(t);
  return has_memory ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "t-SNE: out of memory");
}
