#include "study/schedule.h"

#include <inttypes.h>
#include <stdbool.h>
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

typedef struct load {
  double cost;
  int64_t worker;
} load;

static bool is_less(const load *a, const load *b) {
  return a->cost != b->cost ? a->cost < b->cost : a->worker < b->worker;
}

/* Lets the root of a heap sink: the least load stands first. */
static void sink(load *heap, int64_t n) {
  for (int64_t i = 0, child = 1; child < n; child = 2 * i + 1) {
    if (child + 1 < n && is_less(&heap[child + 1], &heap[child])) child++;
    if (!is_less(&heap[child], &heap[i])) return;
    const load swap = heap[i];
    heap[i] = heap[child], heap[child] = swap;
    i = child;
  }
}

/* worker may be NULL. *length: the largest load. */
static vw_status share(const double *cost, int64_t n, int64_t workers, int64_t *worker, double *length) {
  const int64_t used = workers < n ? workers : n; /* the others find nothing */
  *length = 0;
  if (used <= 0) return VW_OK;
  load *heap = calloc((size_t)used, sizeof *heap);
  int64_t *order = malloc((size_t)n * sizeof *order);
  if (!heap || !order) {
    free(heap), free(order);
    return VW_RAISE(VW_ERR_MEMORY, "no memory to schedule %" PRId64 " items", n);
  }
  for (int64_t i = 0; i < used; i++) heap[i].worker = i;
  for (int64_t i = 0; i < n; i++) order[i] = i;
  vw_schedule_sort(order, n, cost);
  for (int64_t i = 0; i < n; i++) {
    if (worker) worker[order[i]] = heap[0].worker;
    heap[0].cost += cost[order[i]];
    if (heap[0].cost > *length) *length = heap[0].cost;
    sink(heap, used);
  }
  free(heap), free(order);
  return VW_OK;
}

vw_status vw_schedule_length(const double *cost, int64_t n, int64_t workers, double *length) {
  return share(cost, n, workers, NULL, length);
}

vw_status vw_schedule_share(const double *cost, int64_t n, int64_t workers, int64_t *worker) {
  double ignored;
  return share(cost, n, workers, worker, &ignored);
}

vw_status vw_schedule_utilisation(const double *cost, int64_t n, int64_t workers, double *share) {
  double sum = 0, length = 0;
  *share = 1;
  for (int64_t i = 0; i < n; i++) sum += cost[i];
  VW_TRY(vw_schedule_length(cost, n, workers, &length));
  if (length > 0 && workers > 0) *share = sum / (length * (double)workers);
  return VW_OK;
}
