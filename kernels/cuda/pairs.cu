/* Exact t-SNE's passes over all pairs (kernels/pairs.h), in double. Tiles are 256 x 256 pairs. No sum's order depends on
 * the device, and all are the CPU's (src/analysis): this file is compiled without contraction (--fmad=false).
 *
 *   centre       a thread a number of the points, which are added one after the other.
 *   scores       for the principal components: a thread a point and vector, d products one after the other; then a
 *                thread a chunk of points, number and vector. Reads x twice.
 *   distances    d = sum_k (x_i - x_j)^2, k ascending: 64 x 64 pairs a block of 256 threads, 4 x 4 each, 16 numbers of
 *                every point at a time through shared memory. 3 n^2 d / 2 operations; bound by those.
 *   nearest      a thread a point: least distance and the mean above it.
 *   moments      four threads a point, as the CPU has four lanes: thread l the others l, l + 4, ... of it; then the four.
 *                Reads each pair's distance twice, 8 n^2 bytes; 45 operations each, mostly of the exponential.
 *   joint        a thread a pair: reads 8 bytes, writes 4, two exponentials.
 *   forces       a block a tile, a thread a column, four rows at a time. w = 1 / (1 + |y_i - y_j|^2) and four forces
 *                go to shared memory, where 64 threads add them along rows (four lanes a row, as the CPU) and four more
 *                add up Z; each column's sums stay in its thread. Traffic: 4 bytes a pair. What bounds it is Z's order,
 *                16,384 sums one after the other in each of a tile's four lanes: some 100 us, in which an SM has four
 *                blocks under way.
 *   move         a thread a number of a point: its tiles' sums in their order, then the step.
 *   divergence   a block a tile, a thread a column, then a fixed tree. */
#include "kernels/pairs.h"

#include "kernels/cuda/device.cuh"

#include <cfloat>
#include <cmath>

enum { SIDE = VW_PAIRS_SIDE, TILE = VW_PAIRS_TILE, THREADS = 256 };
enum { ATTRACT_X, ATTRACT_Y, REPEL_X, REPEL_Y, SUMS }; /* of a point */

/* ---- where pairs lie --------------------------------------------------------------------------------------------- */

__device__ inline int64_t tile_at(int64_t row, int64_t column) {
  return row * (row + 1) / 2 + column;
}

__device__ inline void tile_blocks(int64_t tile, int64_t *row, int64_t *column) {
  int64_t r = static_cast<int64_t>((sqrt(8.0 * static_cast<double>(tile) + 1) - 1) / 2);
  while (tile_at(r, 0) > tile) r--;
  while (tile_at(r + 1, 0) <= tile) r++;
  *row = r, *column = tile - tile_at(r, 0);
}

__device__ inline int64_t pair_at(int64_t i, int64_t j) {
  const int64_t a = i > j ? i : j, b = i > j ? j : i;
  return tile_at(a / SIDE, b / SIDE) * TILE + a % SIDE * SIDE + b % SIDE;
}

__device__ inline int at_most(int64_t n, int most) {
  return n < most ? static_cast<int>(n) : most;
}

__device__ inline int block_points(int64_t n, int64_t block) {
  return at_most(n - block * SIDE, SIDE);
}

/* ---- principal components ---------------------------------------------------------------------------------------- */

enum { VECTORS = VW_PAIRS_VECTORS, CHUNKS = VW_PAIRS_CHUNKS };

__global__ static void __launch_bounds__(THREADS)
    pairs_centre_kernel(double *__restrict__ centre, const float *__restrict__ x, int64_t n, int64_t d) {
  const int64_t k = vw_thread();
  if (k >= d) return;
  double sum = 0;
#pragma unroll 8
  for (int64_t i = 0; i < n; i++) sum += static_cast<double>(x[i * d + k]);
  centre[k] = sum / static_cast<double>(n);
}

static vw_status centre(vw_context *ctx, const vw_pairs_data *p) {
  return vw_launch(ctx, "pairs_centre", pairs_centre_kernel, p->d, THREADS, THREADS, 0, p->centre, p->x, p->n, p->d);
}

__global__ static void __launch_bounds__(THREADS)
    pairs_scores_kernel(double *__restrict__ scores, const float *__restrict__ x, const double *__restrict__ centre,
                        const double *__restrict__ vectors, int64_t n, int64_t d) {
  const int64_t at = vw_thread(), i = at / VECTORS, v = at % VECTORS;
  if (i >= n) return;
  double sum = 0;
#pragma unroll 8
  for (int64_t k = 0; k < d; k++) sum += (static_cast<double>(x[i * d + k]) - centre[k]) * vectors[k * VECTORS + v];
  scores[at] = sum;
}

__global__ static void __launch_bounds__(THREADS)
    pairs_products_kernel(double *__restrict__ part, const float *__restrict__ x, const double *__restrict__ centre,
                          const double *__restrict__ scores, int64_t n, int64_t d) {
  const int64_t at = vw_thread(), chunk = at / (d * VECTORS), k = at / VECTORS % d, v = at % VECTORS;
  if (chunk >= CHUNKS) return;
  const int64_t first = n * chunk / CHUNKS, end = n * (chunk + 1) / CHUNKS;
  double sum = 0;
#pragma unroll 8
  for (int64_t i = first; i < end; i++)
    sum += (static_cast<double>(x[i * d + k]) - centre[k]) * scores[i * VECTORS + v];
  part[at] = sum;
}

static vw_status scores(vw_context *ctx, const vw_pairs_data *p) {
  VW_TRY(vw_launch(ctx, "pairs_scores", pairs_scores_kernel, p->n * VECTORS, THREADS, THREADS, 0, p->scores, p->x,
                   p->centre, p->vectors, p->n, p->d));
  return vw_launch(ctx, "pairs_products", pairs_products_kernel, CHUNKS * p->d * VECTORS, THREADS, THREADS, 0, p->part,
                   p->x, p->centre, p->scores, p->n, p->d);
}

/* ---- distances --------------------------------------------------------------------------------------------------- */

enum {
  PART = 64,
  PARTS = SIDE / PART * (SIDE / PART),
  ACROSS = 16,
  EACH = PART / ACROSS,
  DEPTH = 16,
  PITCH = PART + 1
};

/* Numbers k0 .. k0 + 15 of 64 points, points side by side; 0 where there are none: what that adds to a sum is 0. */
__device__ inline void stage(double *to, const float *__restrict__ x, int64_t first, int64_t n, int64_t d, int64_t k0) {
  const int point = static_cast<int>(threadIdx.x) / 4, k = static_cast<int>(threadIdx.x) % 4 * 4;
  const bool is_point = first + point < n;
  for (int i = 0; i < 4; i++)
    to[(k + i) * PITCH + point] =
        is_point && k0 + k + i < d ? static_cast<double>(x[(first + point) * d + k0 + k + i]) : 0;
}

__global__ static void __launch_bounds__(THREADS)
    pairs_distances_kernel(double *__restrict__ out, const float *__restrict__ x, int64_t n, int64_t d) {
  __shared__ double rows[DEPTH * PITCH], columns[DEPTH * PITCH];
  const int64_t tile = blockIdx.x / PARTS;
  const int part = static_cast<int>(blockIdx.x) % PARTS, ty = static_cast<int>(threadIdx.x) / ACROSS,
            tx = static_cast<int>(threadIdx.x) % ACROSS, down = part / (SIDE / PART) * PART,
            right = part % (SIDE / PART) * PART;
  int64_t row, column;
  tile_blocks(tile, &row, &column);
  if (row * SIDE + down >= n || column * SIDE + right >= n) return;
  double sum[EACH][EACH] = {};
  for (int64_t k0 = 0; k0 < d; k0 += DEPTH) {
    stage(rows, x, row * SIDE + down, n, d, k0);
    stage(columns, x, column * SIDE + right, n, d, k0);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < DEPTH; k++)
#pragma unroll
      for (int r = 0; r < EACH; r++)
#pragma unroll
        for (int c = 0; c < EACH; c++) {
          const double e = rows[k * PITCH + ty + r * ACROSS] - columns[k * PITCH + tx + c * ACROSS];
          sum[r][c] += e * e;
        }
    __syncthreads();
  }
  out += tile * TILE + down * SIDE + right;
  for (int r = 0; r < EACH; r++)
    for (int c = 0; c < EACH; c++) out[(ty + r * ACROSS) * SIDE + tx + c * ACROSS] = sum[r][c];
}

static vw_status distances(vw_context *ctx, const vw_pairs_data *p) {
  return vw_launch(ctx, "pairs_distances", pairs_distances_kernel, p->tiles * PARTS, 1, THREADS, 0, p->distance, p->x,
                   p->n, p->d);
}

__global__ static void __launch_bounds__(THREADS)
    pairs_nearest_kernel(double *__restrict__ least, double *__restrict__ mean, const double *__restrict__ distance,
                         int64_t n) {
  const int64_t i = vw_thread();
  if (i >= n) return;
  double low = INFINITY, sum = 0;
  for (int64_t j = 0; j < n; j++)
    if (j != i) low = fmin(low, distance[pair_at(i, j)]);
  for (int64_t j = 0; j < n; j++)
    if (j != i) sum += distance[pair_at(i, j)] - low;
  least[i] = low, mean[i] = sum / static_cast<double>(n - 1);
}

static vw_status nearest(vw_context *ctx, const vw_pairs_data *p) {
  return vw_launch(ctx, "pairs_nearest", pairs_nearest_kernel, p->n, THREADS, THREADS, 0, p->least, p->mean,
                   p->distance, p->n);
}

/* ---- widths and joint probabilities ------------------------------------------------------------------------------ */

/* The operations of vw_lanes_exp (src/analysis/lanes.h) on one number: e^x of x <= 0, 0 below -700. */
__device__ inline double exp_of(double x) {
  const double magic = 6755399441055744.0;
  const double t = x * 1.4426950408889634 + magic, k = t - magic;
  const double r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10;
  double p = r * (1.0 / 6227020800) + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  uint64_t bits, shift;
  memcpy(&bits, &p, sizeof bits), memcpy(&shift, &t, sizeof shift);
  bits += shift << 52;
  memcpy(&p, &bits, sizeof p);
  return x > -700.0 ? p : 0;
}

enum { LANES = 4, POINTS = THREADS / LANES };

__global__ static void __launch_bounds__(THREADS)
    pairs_moments_kernel(vw_moments *__restrict__ out, const double *__restrict__ distance,
                         const double *__restrict__ betas, const double *__restrict__ leasts, int64_t n) {
  __shared__ vw_moments part[THREADS];
  const int64_t i = static_cast<int64_t>(blockIdx.x) * POINTS + threadIdx.x / LANES;
  const double beta = i < n ? betas[i] : NAN, least = i < n ? leasts[i] : 0;
  const bool is_wanted = !isnan(beta);
  vw_moments m = {0, 0, 0};
  for (int64_t at = threadIdx.x % LANES; is_wanted && at < n - 1; at += LANES) {
    const double v = distance[pair_at(i, at + (at >= i))] - least, e = exp_of(-beta * v);
    m.e += e, m.xe += v * e, m.xxe += v * (v * e);
  }
  part[threadIdx.x] = m;
  __syncthreads();
  if (threadIdx.x % LANES || !is_wanted) return;
  const vw_moments *l = part + threadIdx.x;
  out[i] = {(l[0].e + l[1].e) + (l[2].e + l[3].e), (l[0].xe + l[1].xe) + (l[2].xe + l[3].xe),
            (l[0].xxe + l[1].xxe) + (l[2].xxe + l[3].xxe)};
}

static vw_status moments(vw_context *ctx, const vw_pairs_data *p) {
  return vw_launch(ctx, "pairs_moments", pairs_moments_kernel, p->n, POINTS, THREADS, 0, p->moments, p->distance,
                   p->beta, p->least, p->n);
}

/* A row of a tile. */
__global__ static void __launch_bounds__(SIDE)
    pairs_joint_kernel(float *__restrict__ joint, const double *__restrict__ distance, const double *__restrict__ beta,
                       const double *__restrict__ least, const double *__restrict__ sum, int64_t n) {
  const int64_t tile = blockIdx.x / SIDE, at = static_cast<int64_t>(blockIdx.x) * SIDE + threadIdx.x;
  int64_t row, column;
  tile_blocks(tile, &row, &column);
  const int64_t i = row * SIDE + blockIdx.x % SIDE, j = column * SIDE + threadIdx.x;
  const double scale = 0.5 / static_cast<double>(n);
  float p = 0;
  if (i < n && j < n && i != j) {
    const double d = distance[at], own = exp_of(-beta[i] * (d - least[i])), other = exp_of(-beta[j] * (d - least[j]));
    p = static_cast<float>(fmax(own * (scale / sum[i]) + other * (scale / sum[j]), DBL_EPSILON));
  }
  joint[at] = p;
}

static vw_status joint(vw_context *ctx, const vw_pairs_data *p) {
  return vw_launch(ctx, "pairs_joint", pairs_joint_kernel, p->tiles * SIDE, 1, SIDE, 0, p->joint, p->distance, p->beta,
                   p->least, p->sum, p->n);
}

/* ---- forces ------------------------------------------------------------------------------------------------------ */

/* In shared memory: STRIP rows' terms of each sum, and of w, along the columns. Behind a row stand its four lanes' sums,
 * which also puts rows into other banks. */
enum { STRIP = 4, WEIGHT = SUMS, TERMS = SUMS + 1, LENGTH = SIDE + LANES };

__device__ inline double *terms_of(double *terms, int row, int k) {
  return terms + (row * TERMS + k) * LENGTH;
}

__device__ inline double lanes_sum(const double *l) {
  return (l[0] + l[1]) + (l[2] + l[3]);
}

/* A lane's sum of a row's terms, behind `sum`. */
__device__ inline double add_lane(const double *terms, int lane, int columns, double sum) {
#pragma unroll 16
  for (int j = lane; j < columns; j += LANES) sum += terms[j];
  return sum;
}

__global__ static void __launch_bounds__(SIDE)
    pairs_forces_kernel(double *__restrict__ row_sums, double *__restrict__ column_sums, double *__restrict__ z_out,
                        const float *__restrict__ joint, const double *__restrict__ y, int64_t n, int64_t room) {
  __shared__ double terms[STRIP * TERMS * LENGTH];
  const int64_t tile = blockIdx.x;
  const int t = static_cast<int>(threadIdx.x), lane = t % LANES, line = t / LANES;
  int64_t row, column;
  tile_blocks(tile, &row, &column);
  const int rows = block_points(n, row), columns = (block_points(n, column) + LANES - 1) / LANES * LANES;
  const double *row_x = y + row * SIDE, *row_y = row_x + room;
  const double xj = y[column * SIDE + t], yj = y[room + column * SIDE + t];
  double z = 0, sum[SUMS] = {};
  joint += tile * TILE, row_sums += tile * SUMS * SIDE, column_sums += tile * SUMS * SIDE;
  for (int i0 = 0; i0 < rows; i0 += STRIP) {
    const int strip = at_most(rows - i0, STRIP);
#pragma unroll
    for (int r = 0; r < STRIP; r++) {
      if (r >= strip) break;
      const double p = joint[(i0 + r) * SIDE + t], dx = row_x[i0 + r] - xj, dy = row_y[i0 + r] - yj;
      const double w = 1.0 / (1.0 + (dx * dx + dy * dy)), a = p * w, b = w * w;
      const double force[SUMS] = {a * dx, a * dy, b * dx, b * dy};
#pragma unroll
      for (int k = 0; k < SUMS; k++) terms_of(terms, r, k)[t] = force[k], sum[k] -= force[k];
      terms_of(terms, r, WEIGHT)[t] = w;
    }
    __syncthreads();
    if (line < strip * SUMS) { /* one of the strip's sums */
      double *from = terms_of(terms, line / SUMS, line % SUMS);
      from[SIDE + lane] = add_lane(from, lane, columns, 0);
    } else if (line == STRIP * SUMS) {
      for (int r = 0; r < strip; r++) z = add_lane(terms_of(terms, r, WEIGHT), lane, columns, z);
    }
    __syncthreads();
    if (t < strip * SUMS) /* the next strip writes these lanes behind its first barrier */
      row_sums[t % SUMS * SIDE + i0 + t / SUMS] = lanes_sum(terms_of(terms, t / SUMS, t % SUMS) + SIDE);
  }
  for (int k = 0; k < SUMS; k++) column_sums[k * SIDE + t] = sum[k];
  if (line == STRIP * SUMS) terms_of(terms, 0, WEIGHT)[SIDE + lane] = z;
  __syncthreads();
  if (t) return;
  z = lanes_sum(terms_of(terms, 0, WEIGHT) + SIDE);
  z_out[tile] = row == column ? z - rows : 2 * z;
}

/* Z in the tiles' order: one block, one thread of which adds what all have read. */
__global__ static void __launch_bounds__(THREADS)
    pairs_scale_kernel(double *__restrict__ scale, const double *__restrict__ z, int64_t tiles) {
  __shared__ double part[THREADS];
  double sum = 0;
  for (int64_t first = 0; first < tiles; first += THREADS) {
    const int n = at_most(tiles - first, THREADS);
    if (first + threadIdx.x < tiles) part[threadIdx.x] = z[first + threadIdx.x];
    __syncthreads();
    for (int i = 0; threadIdx.x == 0 && i < n; i++) sum += part[i];
    __syncthreads();
  }
  if (threadIdx.x == 0) *scale = 1 / sum;
}

static vw_status forces(vw_context *ctx, const vw_pairs_data *p) {
  VW_TRY(vw_launch(ctx, "pairs_forces", pairs_forces_kernel, p->tiles, 1, SIDE, 0, p->row, p->column, p->z, p->joint,
                   p->y, p->n, p->blocks * SIDE));
  return vw_launch(ctx, "pairs_scale", pairs_scale_kernel, 1, 1, THREADS, 0, p->scale, p->z, p->tiles);
}

/* ---- the step ---------------------------------------------------------------------------------------------------- */

/* Number `axis` of point i of a block: what the block's row tiles add, then what the column tiles below it add. */
__device__ inline double gradient_of(const vw_pairs_data &p, int64_t block, int axis, int i, double exaggeration) {
  const int attract = (ATTRACT_X + axis) * SIDE + i, repel = (REPEL_X + axis) * SIDE + i;
  double a = 0, b = 0;
  for (int64_t c = 0; c <= block; c++) {
    const double *from = p.row + tile_at(block, c) * SUMS * SIDE;
    a += from[attract], b += from[repel];
  }
  for (int64_t r = block + 1; r < p.blocks; r++) {
    const double *from = p.column + tile_at(r, block) * SUMS * SIDE;
    a += from[attract], b += from[repel];
  }
  return 4 * (exaggeration * a - *p.scale * b);
}

/* Two blocks of threads a block of points, one for x, one for y. */
__global__ static void __launch_bounds__(SIDE) pairs_move_kernel(vw_pairs_data p, vw_pairs_move how) {
  const int64_t block = blockIdx.x / 2, point = block * SIDE + threadIdx.x;
  const int axis = static_cast<int>(blockIdx.x) % 2;
  if (point >= p.n) return;
  const int64_t at = axis * p.blocks * SIDE + point;
  const double g = gradient_of(p, block, axis, static_cast<int>(threadIdx.x), how.exaggeration);
  double gain = p.gain[at], update = p.update[at];
  gain = update * g < 0 ? gain + 0.2 : gain * 0.8;
  if (gain < 0.01) gain = 0.01;
  update = how.momentum * update - how.learning_rate * (g * gain);
  p.gain[at] = gain, p.update[at] = update;
  p.y[at] += update;
}

static vw_status move(vw_context *ctx, const vw_pairs_data *p, const vw_pairs_move *how) {
  return vw_launch(ctx, "pairs_move", pairs_move_kernel, 2 * p->blocks, 1, SIDE, 0, *p, *how);
}

__global__ static void __launch_bounds__(SIDE) pairs_gradient_kernel(vw_pairs_data p, double exaggeration) {
  const int64_t block = blockIdx.x / 2, point = block * SIDE + threadIdx.x;
  const int axis = static_cast<int>(blockIdx.x) % 2;
  if (point < p.n)
    p.gradient[2 * point + axis] = gradient_of(p, block, axis, static_cast<int>(threadIdx.x), exaggeration);
}

static vw_status gradient(vw_context *ctx, const vw_pairs_data *p, double exaggeration) {
  return vw_launch(ctx, "pairs_gradient", pairs_gradient_kernel, 2 * p->blocks, 1, SIDE, 0, *p, exaggeration);
}

/* ---- divergence -------------------------------------------------------------------------------------------------- */

/* A tile's part of sum p log(p / q), both orders of each pair. */
__global__ static void __launch_bounds__(SIDE) pairs_divergence_kernel(vw_pairs_data p) {
  __shared__ double part[SIDE];
  const int64_t tile = blockIdx.x, room = p.blocks * SIDE;
  const int t = static_cast<int>(threadIdx.x);
  int64_t row, column;
  tile_blocks(tile, &row, &column);
  const int rows = block_points(p.n, row);
  const double xj = p.y[column * SIDE + t], yj = p.y[room + column * SIDE + t], scale = *p.scale;
  double sum = 0;
  for (int i = 0; i < rows; i++) {
    const double pij = p.joint[tile * TILE + i * SIDE + t];
    const double dx = p.y[row * SIDE + i] - xj, dy = p.y[room + row * SIDE + i] - yj;
    const double q = scale / (1 + (dx * dx + dy * dy));
    if (pij != 0) sum += pij * log(fmax(pij, DBL_EPSILON) / fmax(q, DBL_EPSILON));
  }
  part[t] = sum;
  for (int half = SIDE / 2; half; half /= 2) {
    __syncthreads();
    if (t < half) part[t] += part[t + half];
  }
  if (t == 0) p.z[tile] = row == column ? part[0] : 2 * part[0];
}

static vw_status divergence(vw_context *ctx, const vw_pairs_data *p) {
  return vw_launch(ctx, "pairs_divergence", pairs_divergence_kernel, p->tiles, 1, SIDE, 0, *p);
}

extern "C" const vw_pairs_passes vw_pairs_cuda = {centre, scores, distances, nearest,  moments,
                                                  joint,  forces, move,      gradient, divergence};
