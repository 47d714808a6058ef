#include "results/collect/collect_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_at(const vw_table *t, const vw_column *c, int64_t row) {
  const char *text = NULL;
  memcpy(&text, (const char *)t->rows + (size_t)row * t->stride + c->offset, sizeof text);
  return text;
}

/* Width of a text column, with a zero behind the longest: all ranks see all rows, so it is the same on all. */
static int64_t text_bytes(const vw_table *t, const vw_column *c) {
  int64_t most = VW_LEAST_TEXT;
  for (int64_t i = 0; i < t->n_rows; i++) {
    const int64_t n = (int64_t)strlen(text_at(t, c, i)) + 1;
    if (n > most) most = n;
  }
  return most;
}

static vw_status write_column(vw_study_file *f, const vw_ranks *ranks, const vw_table *t, const vw_column *c,
                              const vw_row_range *ranges) {
  char path[256];
  (void)snprintf(path, sizeof path, "%s/%s", t->group, c->name);
  vw_study_data d = {.path = path, .dtype = c->dtype, .ndim = 1, .dim = {t->n_rows}};
  d.units = c->units, d.description = c->description, d.scale[0] = t->scale;
  if (c->is_text) d.text_bytes = text_bytes(t, c);
  const size_t bytes = c->is_text ? (size_t)d.text_bytes : vw_dtype_bytes(c->dtype);
  char *buffer = calloc((size_t)t->n_mine + 1, bytes + 1);
  vw_status st = buffer ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
  for (int64_t i = 0; buffer && i < t->n_mine; i++) {
    const char *row = (const char *)t->rows + (size_t)t->mine[i] * t->stride;
    const char *text = c->is_text ? text_at(t, c, t->mine[i]) : NULL;
    memcpy(buffer + (size_t)i * bytes, c->is_text ? text : row + c->offset, c->is_text ? strlen(text) : bytes);
  }
  st = vw_agree_message(ranks, st);
  if (st == VW_OK) st = vw_study_file_write_rows(f, &d, ranges, t->n_mine, buffer);
  free(buffer);
  return st;
}

vw_status vw_table_write(vw_study_file *f, const vw_ranks *ranks, const vw_table *t, const vw_column *columns,
                         int64_t n) {
  vw_row_range *ranges = calloc((size_t)t->n_mine + 1, sizeof *ranges);
  vw_status st = ranges ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", t->group);
  for (int64_t i = 0; ranges && i < t->n_mine; i++) ranges[i] = (vw_row_range){t->mine[i], 1};
  VW_GOTO(vw_agree_message(ranks, st));
  for (int64_t i = 0; i < n; i++) VW_GOTO(write_column(f, ranks, t, &columns[i], ranges));
cleanup:
  free(ranges);
  return st;
}

vw_status vw_table_scale(vw_study_file *f, const vw_ranks *ranks, const char *path, const char *description,
                         const char *units, const int64_t *numbers, int64_t n) {
  const vw_study_data d = {
      .path = path, .dtype = VW_I64, .ndim = 1, .dim = {n}, .units = units, .description = description};
  const vw_row_range all = {0, n};
  return vw_study_file_write_scale(f, &d, &all, ranks->rank == 0, numbers);
}

vw_status vw_table_text_scale(vw_study_file *f, const vw_ranks *ranks, const char *path, const char *description,
                              const char *const *texts, int64_t n) {
  vw_study_data d = {
      .path = path, .text_bytes = VW_LEAST_TEXT, .ndim = 1, .dim = {n}, .units = "utf-8", .description = description};
  const vw_row_range all = {0, n};
  for (int64_t i = 0; i < n; i++)
    if ((int64_t)strlen(texts[i]) >= d.text_bytes) d.text_bytes = (int64_t)strlen(texts[i]) + 1;
  char *buffer = calloc((size_t)n + 1, (size_t)d.text_bytes);
  vw_status st = buffer ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
  for (int64_t i = 0; buffer && i < n; i++) memcpy(buffer + i * d.text_bytes, texts[i], strlen(texts[i]));
  st = vw_agree_message(ranks, st);
  if (st == VW_OK) st = vw_study_file_write_scale(f, &d, &all, ranks->rank == 0, buffer);
  free(buffer);
  return st;
}
