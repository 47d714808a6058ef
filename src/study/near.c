#include "study/near.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { LANES = 8 };

/* a b, or |a - b|^2: eight partial sums, so that compilers use vector registers without being allowed to reorder. */
static double sum_of(const double *a, const double *b, int64_t d, bool is_distance) {
  double sum[LANES] = {0}, total = 0;
  int64_t i = 0;
  for (; is_distance && i + LANES <= d; i += LANES)
    for (int k = 0; k < LANES; k++) sum[k] += (a[i + k] - b[i + k]) * (a[i + k] - b[i + k]);
  for (; i + LANES <= d; i += LANES)
    for (int k = 0; k < LANES; k++) sum[k] += a[i + k] * b[i + k];
  for (int k = 0; k < LANES; k++) total += sum[k];
  for (; i < d; i++) total += is_distance ? (a[i] - b[i]) * (a[i] - b[i]) : a[i] * b[i];
  return total;
}

static const double *row_of(const vw_embeddings *e, int64_t v, double *buffer) {
  if (e->dtype == VW_F64) return (const double *)e->data + v * e->d;
  const float *row = (const float *)e->data + v * e->d;
  for (int64_t i = 0; i < e->d; i++) buffer[i] = row[i];
  return buffer;
}

static double order_of(const vw_near_word *w, bool by_angle) {
  return by_angle ? -w->cosine : w->distance;
}

/* Into a list that is in order, behind those that are as near: words come with ascending ids. */
static void insert(vw_near_word *list, int64_t top, const vw_near_word *w, bool by_angle) {
  int64_t at = top;
  while (at > 0 && (list[at - 1].id < 0 || order_of(w, by_angle) < order_of(&list[at - 1], by_angle))) at--;
  if (at == top) return;
  for (int64_t i = top - 1; i > at; i--) list[i] = list[i - 1];
  list[at] = *w;
}

vw_status vw_near_words(const vw_embeddings *e, const double *vectors, int64_t K, int64_t top, vw_near_word *near,
                        vw_near_word *alike) {
  VW_CHECK(e->dtype == VW_F32 || e->dtype == VW_F64, VW_ERR_ARG, "word embeddings are %s; expected f32 or f64",
           vw_dtype_name(e->dtype));
  VW_CHECK(top >= 1 && top <= VW_NEAR_MOST, VW_ERR_ARG, "%" PRId64 " nearest words: expected 1 to %d", top,
           VW_NEAR_MOST);
  double *buffer = malloc((size_t)(e->d + K) * sizeof *buffer), *norm = buffer ? buffer + e->d : NULL;
  VW_CHECK(buffer, VW_ERR_MEMORY, "no memory for a word");
  for (int64_t i = 0; i < K * top; i++) near[i] = alike[i] = (vw_near_word){.id = -1};
  for (int64_t k = 0; k < K; k++) norm[k] = sqrt(sum_of(vectors + k * e->d, vectors + k * e->d, e->d, false));
  for (int64_t v = 0; v < e->V; v++) {
    if (!e->word[v]) continue;
    const double *row = row_of(e, v, buffer), length = sqrt(sum_of(row, row, e->d, false));
    for (int64_t k = 0; k < K; k++) {
      const double *x = vectors + k * e->d, both = length * norm[k];
      const vw_near_word w = {v, sqrt(sum_of(x, row, e->d, true)), both > 0 ? sum_of(x, row, e->d, false) / both : 0};
      insert(near + k * top, top, &w, false);
      insert(alike + k * top, top, &w, true);
    }
  }
  free(buffer);
  return VW_OK;
}
