/* Rows are added one at a time. A new row walks the shortest path of reduced costs to a free column, and the rows on
 * the path each move on by one: after every row the assignment of the rows so far is the cheapest. */
#include "core/assignment.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

typedef struct assigner {
  const double *cost;
  int64_t rows, columns;
  double *row_price, *column_price; /* reduced cost = cost - row_price - column_price >= 0 */
  double *shortest;                 /* [columns] length of the best path found so far */
  int64_t *from;                    /* [columns] the row before the column on it */
  int64_t *owner;                   /* [columns] the row that has it, -1: free */
  int64_t *column;                  /* [rows] the caller's */
  uint8_t *done;                    /* [columns] 1: its shortest path is known */
} assigner;

static void assigner_free(assigner *a) {
  free(a->row_price), free(a->column_price), free(a->shortest), free(a->from), free(a->owner), free(a->done);
}

static vw_status assigner_create(assigner *a) {
  const size_t n = (size_t)a->rows + 1, m = (size_t)a->columns + 1;
  a->row_price = calloc(n, sizeof *a->row_price);
  a->column_price = calloc(m, sizeof *a->column_price);
  a->shortest = calloc(m, sizeof *a->shortest);
  a->from = calloc(m, sizeof *a->from);
  a->owner = calloc(m, sizeof *a->owner);
  a->done = calloc(m, 1);
  VW_CHECK(a->row_price && a->column_price && a->shortest && a->from && a->owner && a->done, VW_ERR_MEMORY,
           "no memory to assign %" PRId64 " rows to %" PRId64 " columns", a->rows, a->columns);
  for (int64_t j = 0; j < a->columns; j++) a->owner[j] = -1;
  return VW_OK;
}

/* Extends paths through `row`, reached at `length`; returns the nearest column that is not done. */
static int64_t extend(assigner *a, int64_t row, double length) {
  const double *cost = a->cost + row * a->columns;
  int64_t next = -1;
  for (int64_t j = 0; j < a->columns; j++) {
    if (a->done[j]) continue;
    const double through = length + cost[j] - a->row_price[row] - a->column_price[j];
    if (through < a->shortest[j]) a->shortest[j] = through, a->from[j] = row;
    /* of equally near columns a free one ends the search at once */
    if (next < 0 || a->shortest[j] < a->shortest[next] ||
        (a->shortest[j] == a->shortest[next] && a->owner[j] < 0 && a->owner[next] >= 0))
      next = j;
  }
  return next;
}

/* The free column at the end of the shortest path from `row`; *length: of that path. */
static int64_t search(assigner *a, int64_t row, double *length) {
  int64_t at = row, end = -1;
  *length = 0;
  for (int64_t j = 0; j < a->columns; j++) a->shortest[j] = INFINITY, a->done[j] = 0;
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

static void add_row(assigner *a, int64_t row) {
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
    a->owner[j] = i;
    const int64_t before = a->column[i];
    a->column[i] = j;
    j = before;
  }
}

vw_status vw_assign(const double *cost, int64_t rows, int64_t columns, int64_t *column) {
  VW_CHECK(rows >= 0 && rows <= columns, VW_ERR_ARG, "%" PRId64 " rows cannot have a column each of %" PRId64, rows,
           columns);
  for (int64_t i = 0; i < rows * columns; i++)
    VW_CHECK(isfinite(cost[i]), VW_ERR_ARG, "the cost of row %" PRId64 ", column %" PRId64 " is not finite",
             i / columns, i % columns);
  assigner a = {.cost = cost, .rows = rows, .columns = columns, .column = column};
  vw_status st = VW_OK;
  VW_GOTO(assigner_create(&a));
  for (int64_t i = 0; i < rows; i++) column[i] = -1;
  for (int64_t i = 0; i < rows; i++) add_row(&a, i);
cleanup:
  assigner_free(&a);
  return st;
}
