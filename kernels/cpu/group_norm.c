/* group_norm and its gradient on the CPU, channels-last: rows of all C channels are read as they lie, PIECE rows of a
 * picture at a time by one thread, so that one large picture keeps all threads busy.
 *
 *   1  pieces   each channel's sum over the piece's rows, then each group's mean, then the squares about it, while the
 *               piece is in the cache: (mean, squares) a piece and group
 *   2  groups   joined over the pieces, in their order (Chan, Golub & LeVeque 1983): no cancellation, whatever the mean
 *   3  pieces   y, or dx
 *
 * The gradient's sums of g and g xh need no joining formula: they are added in the order of the pieces. What a piece
 * is depends on the shape alone: the same bits for any number of threads and pictures. Traffic: x read twice, y written
 * once; the gradient reads dy and x twice. */
#include "kernels/group_norm.h"

#include "kernels/cpu/activation.h"
#include <math.h>
#include <omp.h>

enum { PIECE = 32, LINES = 4 }; /* LINES: rows of C floats that a thread keeps */

typedef struct shape {
  int64_t B, S, C, G, D, pieces, line; /* pieces: of a picture; line: C in whole cache lines */
} shape;

static shape shape_of(const vw_tensor *x, int64_t G) {
  shape s = {.B = x->dim[0], .C = vw_last_dim(x), .G = G};
  s.S = s.B ? vw_count(x) / (s.B * s.C) : 0;
  s.D = s.C / G, s.pieces = (s.S + PIECE - 1) / PIECE, s.line = (s.C + 15) / 16 * 16;
  return s;
}

/* Scratch: two numbers a piece and group, two averages a group, then each thread's lines. */
static size_t pair_floats(const shape *s) {
  return (size_t)((s->B * (s->pieces + 1) * s->G * 2 + 15) / 16 * 16);
}

static vw_status measure_for(vw_context *ctx, vw_call *c, const vw_tensor *x) {
  const shape s = shape_of(x, ((const vw_group_norm_attr *)c->attr)->groups);
  c->scratch_bytes = (pair_floats(&s) + (size_t)(ctx->threads * LINES * s.line)) * sizeof(float);
  return VW_OK;
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  return measure_for(ctx, c, &c->in[GN_X]);
}

static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  return measure_for(ctx, c, &c->in[GNG_X]);
}

static float *lines_of(const shape *s, const vw_call *c) {
  return (float *)c->scratch + pair_floats(s) + omp_get_thread_num() * LINES * s->line;
}

static int64_t rows_of(const shape *s, int64_t piece) {
  const int64_t left = s->S - piece * PIECE;
  return left < PIECE ? left : PIECE;
}

/* out[channel] = values[group], n channels a group. */
static void spread(const shape *s, const float *values, int64_t stride, float *out) {
  for (int64_t g = 0; g < s->G; g++)
    for (int64_t d = 0; d < s->D; d++) out[g * s->D + d] = values[g * stride];
}

static float group_sum(const shape *s, const float *line, int64_t g) {
  float sum = 0;
  for (int64_t d = 0; d < s->D; d++) sum += line[g * s->D + d];
  return sum;
}

/* ---- forward */

VW_SIMD static void sum_piece(const shape *s, const float *x, int64_t rows, float *line, float *pairs) {
  float *sum = line, *mean = line + s->line;
  const int64_t C = s->C;
  for (int64_t i = 0; i < C; i++) sum[i] = 0;
  for (int64_t r = 0; r < rows; r++) {
    const float *row = x + r * C;
#pragma omp simd
    for (int64_t i = 0; i < C; i++) sum[i] += row[i];
  }
  for (int64_t g = 0; g < s->G; g++) pairs[2 * g] = group_sum(s, sum, g) / (float)(rows * s->D);
  spread(s, pairs, 2, mean);
  for (int64_t i = 0; i < C; i++) sum[i] = 0;
  for (int64_t r = 0; r < rows; r++) {
    const float *row = x + r * C;
#pragma omp simd
    for (int64_t i = 0; i < C; i++) sum[i] += (row[i] - mean[i]) * (row[i] - mean[i]);
  }
  for (int64_t g = 0; g < s->G; g++) pairs[2 * g + 1] = group_sum(s, sum, g);
}

/* Of one picture and group; in double: a few operations a piece. */
static void join_pieces(const shape *s, const float *pairs, double eps, float *mean_out, float *rstd_out) {
  double n = 0, mean = 0, squares = 0;
  for (int64_t p = 0; p < s->pieces; p++) {
    const double m = (double)(rows_of(s, p) * s->D), off = (double)pairs[2 * p * s->G] - mean;
    mean += off * m / (n + m);
    squares += (double)pairs[2 * p * s->G + 1] + off * off * n * m / (n + m);
    n += m;
  }
  *mean_out = (float)mean, *rstd_out = (float)(1 / sqrt(squares / n + eps));
}

VW_SIMD static void write_piece(const shape *s, const vw_call *c, int64_t b, const float *x, int64_t rows, float *line,
                                float *y) {
  const float *gamma = vw_f32(&c->in[GN_GAMMA]), *beta = vw_f32(&c->in[GN_BETA]);
  float *mean = line, *scale = line + s->line;
  const bool silu = ((const vw_group_norm_attr *)c->attr)->silu;
  const int64_t C = s->C;
  spread(s, vw_f32(&c->out[GN_MEAN]) + b * s->G, 1, mean);
  spread(s, vw_f32(&c->out[GN_RSTD]) + b * s->G, 1, scale);
  for (int64_t i = 0; i < C; i++) scale[i] *= gamma[i];
  for (int64_t r = 0; r < rows; r++, x += C, y += C) {
#pragma omp simd
    for (int64_t i = 0; i < C; i++) y[i] = (x[i] - mean[i]) * scale[i] + beta[i];
    if (!silu) continue;
#pragma omp simd
    for (int64_t i = 0; i < C; i++) y[i] = y[i] * vw_sigmoidf(y[i]);
  }
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_group_norm_attr *a = c->attr;
  const shape s = shape_of(&c->in[GN_X], a->groups);
  const float *x = vw_f32(&c->in[GN_X]);
  float *pairs = c->scratch;
  if (s.B * s.S == 0) return VW_OK;
#pragma omp parallel num_threads(ctx->threads)
  {
    float *lines = lines_of(&s, c);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < s.B * s.pieces; i++) {
      const int64_t piece = i % s.pieces;
      sum_piece(&s, x + (i / s.pieces * s.S + piece * PIECE) * s.C, rows_of(&s, piece), lines, pairs + 2 * i * s.G);
    }
#pragma omp for schedule(static)
    for (int64_t i = 0; i < s.B * s.G; i++)
      join_pieces(&s, pairs + 2 * (i / s.G * s.pieces * s.G + i % s.G), a->eps, vw_f32(&c->out[GN_MEAN]) + i,
                  vw_f32(&c->out[GN_RSTD]) + i);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < s.B * s.pieces; i++) {
      const int64_t at = (i / s.pieces * s.S + i % s.pieces * PIECE) * s.C;
      write_piece(&s, c, i / s.pieces, x + at, rows_of(&s, i % s.pieces), lines, vw_f32(&c->out[GN_Y]) + at);
    }
  }
  return VW_OK;
}

/* ---- gradient */

enum { BLOCK = 64 };

/* xh and g = gamma dy act'(h) of n neighbouring channels of a row, from channel `at` on. */
VW_INLINE void grad_block(const vw_call *c, int64_t at, int64_t n, const float *mean, const float *rstd, const float *x,
                          const float *dy, float *restrict xh, float *restrict g) {
  const float *gamma = vw_f32(&c->in[GNG_GAMMA]) + at, *beta = vw_f32(&c->in[GNG_BETA]) + at;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) xh[i] = (x[at + i] - mean[at + i]) * rstd[at + i], g[i] = gamma[i] * dy[at + i];
  if (!((const vw_group_norm_attr *)c->attr)->silu) return;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float h = gamma[i] * xh[i] + beta[i], sigmoid = vw_sigmoidf(h);
    g[i] = g[i] * (sigmoid * (1 + h * (1 - sigmoid)));
  }
}

static void spread_statistics(const shape *s, const vw_call *c, int64_t b, float *mean, float *rstd) {
  spread(s, vw_f32(&c->in[GNG_MEAN]) + b * s->G, 1, mean);
  spread(s, vw_f32(&c->in[GNG_RSTD]) + b * s->G, 1, rstd);
}

/* Sums of g and g xh over a piece, of each group. */
VW_SIMD static void sum_grad_piece(const shape *s, const vw_call *c, int64_t b, int64_t first, int64_t rows,
                                   float *line, float *pairs) {
  float *mean = line, *rstd = line + s->line, *sum = line + 2 * s->line, *sum_x = line + 3 * s->line;
  float xh[BLOCK], g[BLOCK];
  spread_statistics(s, c, b, mean, rstd);
  for (int64_t i = 0; i < s->C; i++) sum[i] = sum_x[i] = 0;
  for (int64_t r = first; r < first + rows; r++)
    for (int64_t at = 0; at < s->C; at += BLOCK) {
      const int64_t n = s->C - at < BLOCK ? s->C - at : BLOCK;
      grad_block(c, at, n, mean, rstd, vw_f32(&c->in[GNG_X]) + r * s->C, vw_f32(&c->in[GNG_DY]) + r * s->C, xh, g);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) sum[at + i] += g[i], sum_x[at + i] += g[i] * xh[i];
    }
  for (int64_t k = 0; k < s->G; k++) pairs[2 * k] = group_sum(s, sum, k), pairs[2 * k + 1] = group_sum(s, sum_x, k);
}

/* Averages of one picture and group. */
static void average_pieces(const shape *s, const float *pairs, float *averages) {
  double g = 0, gx = 0;
  for (int64_t p = 0; p < s->pieces; p++) g += (double)pairs[2 * p * s->G], gx += (double)pairs[2 * p * s->G + 1];
  averages[0] = (float)(g / (double)(s->S * s->D)), averages[1] = (float)(gx / (double)(s->S * s->D));
}

VW_SIMD static void write_grad_piece(const shape *s, const vw_call *c, int64_t b, int64_t first, int64_t rows,
                                     const float *averages, float *line) {
  float *mean = line, *rstd = line + s->line, *avg_g = line + 2 * s->line, *avg_gx = line + 3 * s->line;
  float xh[BLOCK], g[BLOCK];
  spread_statistics(s, c, b, mean, rstd);
  spread(s, averages, 2, avg_g), spread(s, averages + 1, 2, avg_gx);
  for (int64_t r = first; r < first + rows; r++)
    for (int64_t at = 0; at < s->C; at += BLOCK) {
      const int64_t n = s->C - at < BLOCK ? s->C - at : BLOCK;
      float *dx = vw_f32(&c->out[0]) + r * s->C + at;
      grad_block(c, at, n, mean, rstd, vw_f32(&c->in[GNG_X]) + r * s->C, vw_f32(&c->in[GNG_DY]) + r * s->C, xh, g);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) dx[i] = rstd[at + i] * (g[i] - avg_g[at + i] - xh[i] * avg_gx[at + i]);
    }
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const shape s = shape_of(&c->in[GNG_X], ((const vw_group_norm_attr *)c->attr)->groups);
  float *pairs = c->scratch, *averages = pairs + 2 * s.B * s.pieces * s.G;
  if (s.B * s.S == 0) return VW_OK;
#pragma omp parallel num_threads(ctx->threads)
  {
    float *lines = lines_of(&s, c);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < s.B * s.pieces; i++)
      sum_grad_piece(&s, c, i / s.pieces, i / s.pieces * s.S + i % s.pieces * PIECE, rows_of(&s, i % s.pieces), lines,
                     pairs + 2 * i * s.G);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < s.B * s.G; i++)
      average_pieces(&s, pairs + 2 * (i / s.G * s.pieces * s.G + i % s.G), averages + 2 * i);
#pragma omp for schedule(static)
    for (int64_t i = 0; i < s.B * s.pieces; i++)
      write_grad_piece(&s, c, i / s.pieces, i / s.pieces * s.S + i % s.pieces * PIECE, rows_of(&s, i % s.pieces),
                       averages + 2 * (i / s.pieces) * s.G, lines);
  }
  return VW_OK;
}

const vw_kernel group_norm_cpu = {.run = run, .measure = measure};
const vw_kernel group_norm_grad_cpu = {.run = run_grad, .measure = measure_grad};
