#include "study/schedule.h"

#include <inttypes.h>
#include <stdlib.h>

static int by_cost(const void *a, const void *b, void *cost) {
  const int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
  const double x = ((const double *)cost)[i], y = ((const double *)cost)[j];
  if (x != y) return x < y ? 1 : -1;
  return i < j ? -1 : i > j;
}

void vw_schedule_sort(int64_t *order, int64_t n, const double *cost) {
  qsort_r(order, (size_t)n, sizeof *order, by_cost, (void *)(uintptr_t)cost);
}

/* Lets the root of a heap sink: the least load stands first. */
static void sink(double *load, int64_t n) {
  for (int64_t i = 0, child = 1; child < n; child = 2 * i + 1) {
    if (child + 1 < n && load[child + 1] < load[child]) child++;
    if (load[i] <= load[child]) return;
    const double swap = load[i];
    load[i] = load[child], load[child] = swap;
    i = child;
  }
}

vw_status vw_schedule_length(const double *cost, int64_t n, int64_t workers, double *length) {
  const int64_t used = workers < n ? workers : n; /* the others find the queue empty */
  *length = 0;
  if (used <= 0) return VW_OK;
  double *load = calloc((size_t)used, sizeof *load);
  int64_t *order = malloc((size_t)n * sizeof *order);
  if (!load || !order) {
    free(load), free(order);
    return VW_RAISE(VW_ERR_MEMORY, "no memory to schedule %" PRId64 " items", n);
  }
  for (int64_t i = 0; i < n; i++) order[i] = i;
  vw_schedule_sort(order, n, cost);
  for (int64_t i = 0; i < n; i++) {
    load[0] += cost[order[i]];
    if (load[0] > *length) *length = load[0];
    sink(load, used);
  }
  free(load), free(order);
  return VW_OK;
}

vw_status vw_schedule_utilisation(const double *cost, int64_t n, int64_t workers, double *share) {
  double sum = 0, length = 0;
  *share = 1;
  for (int64_t i = 0; i < n; i++) sum += cost[i];
  VW_TRY(vw_schedule_length(cost, n, workers, &length));
  if (length > 0 && workers > 0) *share = sum / (length * (double)workers);
  return VW_OK;
}
