/* The first two principal components, by subspace iteration: eight vectors, multiplied by X^T X and made orthogonal
 * again until what the two largest explain stays. Sums run in a fixed order: over a fixed number of chunks of points,
 * then over the chunks. */
#include "analysis/lanes.h"
#include "analysis/tsne_internal.h"
#include "core/align.h"
#include "core/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { VECTORS = VW_PAIRS_VECTORS, CHUNKS = VW_PAIRS_CHUNKS, MOST_ROUNDS = 50 };

typedef struct pca {
  const float *x; /* [n, d] */
  int64_t n, d;
  int threads;
  vw_pairs *device; /* that has x, or NULL */
  double *mean;     /* [d] */
  double *v;        /* [d, VECTORS] orthonormal */
  double *part;     /* [CHUNKS, d, VECTORS] */
  double *scores;   /* [n, VECTORS] */
} pca;

static void chunk_range(const pca *a, int64_t chunk, int64_t *first, int64_t *end) {
  *first = a->n * chunk / CHUNKS, *end = a->n * (chunk + 1) / CHUNKS;
}

static void find_mean(const pca *a) {
#pragma omp parallel for num_threads(a->threads)
  for (int64_t k = 0; k < a->d; k++) {
    double sum = 0;
    for (int64_t i = 0; i < a->n; i++) sum += a->x[i * a->d + k];
    a->mean[k] = sum / (double)a->n;
  }
}

/* scores = (x - mean) v of a chunk; part = their product with (x - mean)^T. */
VW_SIMD
static void multiply_chunk(const pca *a, int64_t chunk) {
  int64_t first, end;
  double *part = a->part + chunk * a->d * VECTORS;
  chunk_range(a, chunk, &first, &end);
  memset(part, 0, (size_t)(a->d * VECTORS) * sizeof *part);
  for (int64_t i = first; i < end; i++) {
    const float *x = a->x + i * a->d;
    vw_lanes low = {0}, high = {0};
    for (int64_t k = 0; k < a->d; k++) {
      const vw_lanes *v = (const vw_lanes *)(a->v + k * VECTORS);
      const double e = x[k] - a->mean[k];
      low += e * v[0], high += e * v[1];
    }
    vw_lanes *score = (vw_lanes *)(a->scores + i * VECTORS);
    score[0] = low, score[1] = high;
    for (int64_t k = 0; k < a->d; k++) {
      vw_lanes *to = (vw_lanes *)(part + k * VECTORS);
      const double e = x[k] - a->mean[k];
      to[0] += e * low, to[1] += e * high;
    }
  }
}

static vw_status multiply(const pca *a) {
  if (a->device) return vw_pairs_scores(a->device, a->v, a->scores, a->part);
#pragma omp parallel for schedule(dynamic) num_threads(a->threads)
  for (int64_t c = 0; c < CHUNKS; c++) multiply_chunk(a, c);
  return VW_OK;
}

/* Eigenvectors of a symmetric matrix m (Jacobi 1846), in the columns of e, eigenvalues on m's diagonal. */
static void jacobi(double m[VECTORS][VECTORS], double e[VECTORS][VECTORS]) {
  enum { SWEEPS = 30 };
  for (int i = 0; i < VECTORS; i++)
    for (int j = 0; j < VECTORS; j++) e[i][j] = i == j;
  for (int sweep = 0; sweep < SWEEPS; sweep++)
    for (int p = 0; p < VECTORS; p++)
      for (int q = p + 1; q < VECTORS; q++) {
        if (m[p][q] == 0) continue;
        const double theta = (m[q][q] - m[p][p]) / (2 * m[p][q]);
        const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
        const double c = 1 / sqrt(t * t + 1), s = t * c;
        for (int k = 0; k < VECTORS; k++) {
          const double a = m[k][p], b = m[k][q];
          m[k][p] = c * a - s * b, m[k][q] = s * a + c * b;
        }
        for (int k = 0; k < VECTORS; k++) {
          const double a = m[p][k], b = m[q][k], u = e[k][p], v = e[k][q];
          m[p][k] = c * a - s * b, m[q][k] = s * a + c * b;
          e[k][p] = c * u - s * v, e[k][q] = s * u + c * v;
        }
      }
}

/* The two largest eigenvalues of the scores' products, and where the scores turn to. */
static void rotate_scores(const pca *a, double e[VECTORS][VECTORS], double value[2], int place[2]) {
  double m[VECTORS][VECTORS] = {{0}};
  for (int64_t i = 0; i < a->n; i++)
    for (int p = 0; p < VECTORS; p++)
      for (int q = 0; q < VECTORS; q++) m[p][q] += a->scores[i * VECTORS + p] * a->scores[i * VECTORS + q];
  jacobi(m, e);
  place[0] = 0;
  for (int i = 1; i < VECTORS; i++)
    if (m[i][i] > m[place[0]][place[0]]) place[0] = i;
  place[1] = place[0] == 0;
  for (int i = 0; i < VECTORS; i++)
    if (i != place[0] && m[i][i] > m[place[1]][place[1]]) place[1] = i;
  for (int i = 0; i < 2; i++) value[i] = m[place[i]][place[i]];
}

static double column_product(const pca *a, int p, int q) {
  double sum = 0;
  for (int64_t k = 0; k < a->d; k++) sum += a->v[k * VECTORS + p] * a->v[k * VECTORS + q];
  return sum;
}

/* Gram and Schmidt, twice; a vector that the others span becomes 0. */
static void make_orthonormal(const pca *a) {
  for (int p = 0; p < VECTORS; p++) {
    const double before = sqrt(column_product(a, p, p));
    for (int q = 0; q < 2 * p; q++) {
      const double along = column_product(a, p, q % p);
      for (int64_t k = 0; k < a->d; k++) a->v[k * VECTORS + p] -= along * a->v[k * VECTORS + q % p];
    }
    const double norm = sqrt(column_product(a, p, p));
    const double scale = norm > 1e-12 * before ? 1 / norm : 0;
    for (int64_t k = 0; k < a->d; k++) a->v[k * VECTORS + p] *= scale;
  }
}

static void next_vectors(const pca *a) {
  memset(a->v, 0, (size_t)(a->d * VECTORS) * sizeof *a->v);
  for (int64_t c = 0; c < CHUNKS; c++)
    for (int64_t k = 0; k < a->d * VECTORS; k++) a->v[k] += a->part[c * a->d * VECTORS + k];
  make_orthonormal(a);
}

static void first_vectors(const pca *a) {
  for (int64_t k = 0; k < a->d; k++)
    for (int q = 0; q < VECTORS; q += 4) {
      float normal[4];
      vw_normal4(vw_philox4x32(0, (uint32_t)k, 0, (uint32_t)q, 0), normal);
      for (int i = 0; i < 4; i++) a->v[k * VECTORS + q + i] = normal[i];
    }
  make_orthonormal(a);
}

/* The scores along one component, of the sign that makes the largest positive. Returns the sum of squares. */
static double write_scores(const pca *a, double e[VECTORS][VECTORS], int place, double *points) {
  double most = 0, sum = 0;
  for (int64_t i = 0; i < a->n; i++) {
    double score = 0;
    for (int q = 0; q < VECTORS; q++) score += a->scores[i * VECTORS + q] * e[q][place];
    points[2 * i] = score, sum += score * score;
    if (fabs(score) > fabs(most)) most = score;
  }
  for (int64_t i = 0; i < a->n && most < 0; i++) points[2 * i] = -points[2 * i];
  return sum;
}

static vw_status find_components(const pca *a, double *points) {
  double e[VECTORS][VECTORS], value[2], last[2] = {-1, -1};
  int place[2];
  if (!a->device) find_mean(a);
  first_vectors(a);
  for (int round = 0; round < MOST_ROUNDS; round++) {
    VW_TRY(multiply(a));
    rotate_scores(a, e, value, place);
    if (fabs(value[0] - last[0]) <= 1e-6 * value[0] && fabs(value[1] - last[1]) <= 1e-6 * value[0]) break;
    last[0] = value[0], last[1] = value[1];
    next_vectors(a);
  }
  const double square = write_scores(a, e, place[0], points);
  (void)write_scores(a, e, place[1], points + 1);
  const double scale = square > 0 ? 1e-4 / sqrt(square / (double)a->n) : 0;
  for (int64_t i = 0; i < 2 * a->n; i++) points[i] *= scale;
  return VW_OK;
}

vw_status vw_pca_start(const float *x, int64_t n, int64_t d, int threads, vw_pairs *device, double *points) {
  pca a = {.x = x, .n = n, .d = d, .threads = threads, .device = device};
  const size_t vectors = (size_t)(d * VECTORS) * sizeof(double);
  a.mean = malloc((size_t)d * sizeof *a.mean), a.v = aligned_alloc(VW_ALIGN, vectors);
  a.part = aligned_alloc(VW_ALIGN, CHUNKS * vectors);
  a.scores = aligned_alloc(VW_ALIGN, (size_t)(n * VECTORS) * sizeof *a.scores);
  const vw_status st = a.mean && a.v && a.part && a.scores
                           ? find_components(&a, points)
                           : VW_RAISE(VW_ERR_MEMORY, "t-SNE: out of memory for the principal components");
  free(a.mean), free(a.v), free(a.part), free(a.scores);
  return st;
}
