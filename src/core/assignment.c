/* Rows are added one at a time. A new row walks the shortest path of reduced costs to a free column, and the rows on
 * the path each move on by one: after every row the assignment of the rows so far is the cheapest. */
#include "core/assignment.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static size_t aligned(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

size_t vw_assignment_bytes(int64_t rows, int64_t columns) {
  const size_t n = (size_t)rows, m = (size_t)columns;
  return 3 * aligned(m * sizeof(double)) + aligned(n * sizeof(double)) + 3 * aligned(m * sizeof(int32_t)) +
         aligned(n * sizeof(int32_t));
}

static void *take(char **room, size_t bytes) {
  void *p = *room;
  *room += aligned(bytes);
  return p;
}

vw_assignment vw_assignment_in(void *room, int64_t rows, int64_t columns) {
  const size_t n = (size_t)rows, m = (size_t)columns;
  char *at = room;
  vw_assignment a = {.rows = rows, .columns = columns};
  a.more = take(&at, m * sizeof *a.more);
  a.shortest = take(&at, m * sizeof *a.shortest);
  a.column_price = take(&at, m * sizeof *a.column_price);
  a.row_price = take(&at, n * sizeof *a.row_price);
  a.from = take(&at, m * sizeof *a.from);
  a.owner = take(&at, m * sizeof *a.owner);
  a.done = take(&at, m * sizeof *a.done);
  a.column = take(&at, n * sizeof *a.column);
  return a;
}

static double cost_of(const vw_assignment *a, int64_t row, int64_t j) {
  const double cost = a->cost64 ? a->cost64[row * a->columns + j] : (double)a->cost32[row * a->columns + j];
  return cost + a->more[j];
}

/* Extends paths through `row`, reached at `length`; returns the nearest column that is not done. */
static int64_t extend(vw_assignment *a, int64_t row, double length) {
  int64_t next = -1;
  for (int64_t j = 0; j < a->columns; j++) {
    if (a->done[j]) continue;
    const double through = length + cost_of(a, row, j) - a->row_price[row] - a->column_price[j];
    if (through < a->shortest[j]) a->shortest[j] = through, a->from[j] = (int32_t)row;
    /* of equally near columns a free one ends the search at once */
    if (next < 0 || a->shortest[j] < a->shortest[next] ||
        (a->shortest[j] == a->shortest[next] && a->owner[j] < 0 && a->owner[next] >= 0))
      next = j;
  }
  return next;
}

/* The free column at the end of the shortest path from `row`; *length: of that path. */
static int64_t search(vw_assignment *a, int64_t row, double *length) {
  int64_t at = row, end = -1;
  *length = 0;
  for (int64_t j = 0; j < a->columns; j++) a->shortest[j] = INFINITY, a->from[j] = (int32_t)row, a->done[j] = 0;
  while (end < 0) {
    const int64_t j = extend(a, at, *length);
    *length = a->shortest[j];
    a->done[j] = 1;
    if (a->owner[j] < 0)
      end = j;
    else
      at = a->owner[j];
  }
  return end;
}

static void add_row(vw_assignment *a, int64_t row) {
  double length = 0;
  int64_t j = search(a, row, &length);
  a->row_price[row] += length;
  for (int64_t k = 0; k < a->columns; k++) {
    if (!a->done[k] || k == j) continue;
    a->row_price[a->owner[k]] += length - a->shortest[k];
    a->column_price[k] -= length - a->shortest[k];
  }
  for (int64_t i = -1; i != row;) {
    i = a->from[j];
    a->owner[j] = (int32_t)i;
    const int64_t before = a->column[i];
    a->column[i] = (int32_t)j;
    j = before;
  }
}

void vw_assignment_solve(vw_assignment *a) {
  for (int64_t j = 0; j < a->columns; j++) a->owner[j] = -1, a->column_price[j] = 0;
  for (int64_t i = 0; i < a->rows; i++) a->column[i] = -1, a->row_price[i] = 0;
  for (int64_t i = 0; i < a->rows; i++) add_row(a, i);
}

vw_status vw_assign(const double *cost, int64_t rows, int64_t columns, int64_t *column) {
  VW_CHECK(rows >= 0 && rows <= columns, VW_ERR_ARG, "%" PRId64 " rows cannot have a column each of %" PRId64, rows,
           columns);
  VW_CHECK(columns <= INT32_MAX, VW_ERR_ARG, "%" PRId64 " columns; expected at most %d", columns, INT32_MAX);
  for (int64_t i = 0; i < rows * columns; i++)
    VW_CHECK(isfinite(cost[i]), VW_ERR_ARG, "the cost of row %" PRId64 ", column %" PRId64 " is not finite",
             i / columns, i % columns);
  void *room = malloc(vw_assignment_bytes(rows, columns) + 1);
  VW_CHECK(room, VW_ERR_MEMORY, "no memory to assign %" PRId64 " rows to %" PRId64 " columns", rows, columns);
  vw_assignment a = vw_assignment_in(room, rows, columns);
  a.cost64 = cost;
  for (int64_t j = 0; j < columns; j++) a.more[j] = 0;
  vw_assignment_solve(&a);
  for (int64_t i = 0; i < rows; i++) column[i] = a.column[i];
  free(room);
  return VW_OK;
}
