#include "io/rows.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct part {
  int64_t start, count, from; /* from: its first row in the caller's buffer */
} part;

static int by_start(const void *a, const void *b) {
  const int64_t x = ((const part *)a)->start, y = ((const part *)b)->start;
  return (x > y) - (x < y);
}

/* Fills parts with what is not empty; *sorted: they already ascend. */
static vw_status collect(vw_row_set *rows, const char *path, int64_t n_rows, const vw_row_range *mine, int64_t n,
                         part *parts, bool *sorted) {
  *sorted = true;
  for (int64_t i = 0; i < n; i++) {
    VW_CHECK(mine[i].start >= 0 && mine[i].count >= 0 && mine[i].count <= n_rows - mine[i].start, VW_ERR_ARG,
             "%s: rows %" PRId64 " to %" PRId64 " are outside 0 to %" PRId64, path, mine[i].start,
             mine[i].start + mine[i].count - 1, n_rows - 1);
    if (mine[i].count == 0) continue;
    parts[rows->n] = (part){mine[i].start, mine[i].count, rows->total};
    if (rows->n && parts[rows->n].start < parts[rows->n - 1].start) *sorted = false;
    rows->n++, rows->total += mine[i].count;
  }
  return VW_OK;
}

static vw_status join(vw_row_set *rows, const char *path, const part *parts) {
  int64_t n = 0;
  for (int64_t i = 0; i < rows->n; i++) {
    const int64_t end = n ? rows->range[n - 1].start + rows->range[n - 1].count : 0;
    VW_CHECK(!n || parts[i].start >= end, VW_ERR_ARG, "%s: row %" PRId64 " is brought twice", path, parts[i].start);
    if (n && parts[i].start == end)
      rows->range[n - 1].count += parts[i].count;
    else
      rows->range[n++] = (vw_row_range){parts[i].start, parts[i].count};
  }
  rows->n = n;
  return VW_OK;
}

vw_status vw_row_set_sort(vw_row_set *rows, const char *path, int64_t n_rows, const vw_row_range *mine, int64_t n,
                          const void *data, int64_t row_bytes) {
  bool sorted = true;
  vw_status st = VW_OK;
  part *parts = calloc((size_t)n + 1, sizeof *parts);
  *rows = (vw_row_set){.range = malloc((size_t)(n + 1) * sizeof *rows->range), .data = data};
  if (!parts || !rows->range) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path));
  VW_GOTO(collect(rows, path, n_rows, mine, n, parts, &sorted));
  if (!sorted) {
    qsort(parts, (size_t)rows->n, sizeof *parts, by_start);
    char *to = rows->copy = malloc((size_t)(rows->total * row_bytes) + 1);
    if (!to) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path));
    for (int64_t i = 0; i < rows->n; to += parts[i++].count * row_bytes)
      memcpy(to, (const char *)data + parts[i].from * row_bytes, (size_t)(parts[i].count * row_bytes));
    rows->data = rows->copy;
  }
  VW_GOTO(join(rows, path, parts));
cleanup:
  free(parts);
  if (st != VW_OK) vw_row_set_free(rows);
  return st;
}

void vw_row_set_free(vw_row_set *rows) {
  free(rows->range);
  free(rows->copy);
  *rows = (vw_row_set){0};
}
