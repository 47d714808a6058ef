#include "analysis/neighbours.h"

#include <math.h>
#include <stdlib.h>

typedef struct points {
  const float *x;
  int64_t n, d;
  const int64_t *label[VW_BY_LABELS];
  int64_t labels; /* one more than the largest */
} points;

static double distance(const points *p, int64_t i, int64_t j) {
  const float *a = p->x + i * p->d, *b = p->x + j * p->d;
  double sum = 0;
  for (int64_t k = 0; k < p->d; k++) {
    const double e = (double)a[k] - (double)b[k];
    sum += e * e;
  }
  return sqrt(sum);
}

static bool shares(const points *p, int by, int64_t i, int64_t j) {
  return p->label[by][i] == p->label[by][j];
}

static void find_agreement(const points *p, int64_t i, const double *to, double agrees[VW_BY_LABELS]) {
  double least = INFINITY, same[VW_BY_LABELS] = {0}, nearest = 0;
  bool has[VW_BY_LABELS] = {false};
  for (int64_t j = 0; j < p->n; j++) {
    const bool a = shares(p, VW_BY_A, i, j), b = shares(p, VW_BY_B, i, j);
    if (a && b) continue; /* itself and its replicas */
    has[VW_BY_A] |= a, has[VW_BY_B] |= b;
    if (to[j] > least) continue;
    if (to[j] < least) least = to[j], nearest = same[VW_BY_A] = same[VW_BY_B] = 0;
    nearest++, same[VW_BY_A] += a, same[VW_BY_B] += b;
  }
  for (int by = 0; by < VW_BY_LABELS; by++)
    agrees[by] = has[VW_BY_A] && has[VW_BY_B] && nearest > 0 ? same[by] / nearest : NAN;
}

/* sum, count: [labels] room. */
static double find_silhouette(const points *p, int by, int64_t i, const double *to, double *sum, int64_t *count) {
  double other = INFINITY;
  for (int64_t l = 0; l < p->labels; l++) sum[l] = 0, count[l] = 0;
  for (int64_t j = 0; j < p->n; j++)
    if (j != i) sum[p->label[by][j]] += to[j], count[p->label[by][j]]++;
  const int64_t own = p->label[by][i];
  for (int64_t l = 0; l < p->labels; l++)
    if (l != own && count[l]) other = fmin(other, sum[l] / (double)count[l]);
  if (isinf(other)) return NAN; /* one label alone */
  if (!count[own]) return 0;
  const double inner = sum[own] / (double)count[own], most = fmax(inner, other);
  return most > 0 ? (other - inner) / most : 0;
}

vw_status vw_neighbourhoods(const float *x, int64_t n, int64_t d, const int64_t *a, const int64_t *b, int threads,
                            vw_neighbourhood *out) {
  points p = {.x = x, .n = n, .d = d, .label = {a, b}};
  for (int64_t i = 0; i < n; i++) {
    if (a[i] >= p.labels) p.labels = a[i] + 1;
    if (b[i] >= p.labels) p.labels = b[i] + 1;
  }
  bool has_memory = true;
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads) reduction(&& : has_memory)
  for (int64_t i = 0; i < n; i++) {
    double *to = malloc((size_t)n * sizeof *to), *sum = malloc((size_t)p.labels * sizeof *sum);
    int64_t *count = malloc((size_t)p.labels * sizeof *count);
    if (to && sum && count) {
      for (int64_t j = 0; j < n; j++) to[j] = distance(&p, i, j);
      find_agreement(&p, i, to, out[i].agrees);
      for (int by = 0; by < VW_BY_LABELS; by++) out[i].silhouette[by] = find_silhouette(&p, by, i, to, sum, count);
    } else {
      has_memory = false;
    }
    free(to), free(sum), free(count);
  }
  return has_memory ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "neighbours: out of memory");
}
