/* study.h5 as figures see it: whole columns, as doubles or texts. */
#include "results/figures/figure.h"

#include "core/durable.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the file ---------------------------------------------------------------------------------------------------- */

/* The study's name stands in its file; a version that cannot read that calls it by its directory. */
static vw_status read_name(vw_figure_source *s) {
  vw_study_config *config = NULL;
  void *text = NULL;
  vw_status st = vw_study_reader_read(s->file, "/config/study", &text);
  if (st == VW_OK) st = vw_study_config_parse_alone("study.h5", text, strlen(text), vw_kinds_of_study(), &config);
  const char *slash = strrchr(s->dir, '/');
  const char *name = st == VW_OK ? config->study : slash && slash[1] ? slash + 1 : s->dir;
  if (st == VW_ERR_INPUT || st == VW_ERR_UNSUPPORTED) vw_error_clear(), st = VW_OK;
  s->study = vw_pool_text(&s->pool, name, -1);
  if (st == VW_OK && !s->study) st = VW_RAISE(VW_ERR_MEMORY, "figures: out of memory");
  if (config) vw_study_config_destroy(config);
  free(text);
  return st;
}

vw_status vw_figure_source_open(vw_figure_source *s, const char *dir) {
  char path[VW_PATH_BYTES];
  bool found = false;
  *s = (vw_figure_source){.dir = dir};
  VW_TRY(vw_path_format(path, "%s/study.h5", dir));
  VW_TRY(vw_file_find_plain(path, &found));
  VW_CHECK(found, VW_ERR_INPUT, "%s: not there: run 'viswords collect STUDY.yaml -o %s' first", path, dir);
  VW_TRY(vw_study_reader_open(path, &s->file));
  return read_name(s);
}

void vw_figure_source_close(vw_figure_source *s) {
  vw_study_reader_close(s->file);
  vw_pool_fini(&s->pool);
  *s = (vw_figure_source){0};
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

static int64_t elements(const vw_study_data *d) {
  int64_t n = 1;
  for (int i = 0; i < d->ndim; i++) n *= d->dim[i]; /* the reader has counted their bytes */
  return n;
}

bool vw_figure_has(const vw_figure_source *s, const char *path) {
  return vw_study_reader_find(s->file, path) != NULL;
}

static double number_at(const vw_study_data *d, const void *values, int64_t i) {
  switch (d->dtype) {
  case VW_F32:
    return (double)((const float *)values)[i];
  case VW_F64:
    return ((const double *)values)[i];
  case VW_I32:
    return ((const int32_t *)values)[i];
  case VW_I64:
    return (double)((const int64_t *)values)[i];
  case VW_U32:
    return ((const uint32_t *)values)[i];
  case VW_U8:
    return ((const uint8_t *)values)[i];
  default:
    return NAN;
  }
}

vw_status vw_figure_numbers(vw_figure_source *s, const char *path, const double **numbers, int64_t *n) {
  const vw_study_data *d = vw_study_reader_find(s->file, path);
  void *values = NULL;
  *numbers = NULL, *n = 0;
  VW_CHECK(d && !d->text_bytes, VW_ERR_INPUT, "%s/study.h5: %s is %s", s->dir, path, d ? "no numbers" : "not in it");
  VW_TRY(vw_study_reader_read(s->file, path, &values));
  const int64_t m = elements(d);
  double *x = vw_pool_take(&s->pool, (size_t)m * sizeof *x + 1);
  for (int64_t i = 0; x && i < m; i++) x[i] = number_at(d, values, i);
  free(values);
  VW_CHECK(x, VW_ERR_MEMORY, "figures: out of memory");
  *numbers = x, *n = m;
  return VW_OK;
}

vw_status vw_figure_texts(vw_figure_source *s, const char *path, const char *const **texts, int64_t *n) {
  const vw_study_data *d = vw_study_reader_find(s->file, path);
  void *values = NULL;
  *texts = NULL, *n = 0;
  VW_CHECK(d && d->text_bytes, VW_ERR_INPUT, "%s/study.h5: %s is %s", s->dir, path, d ? "no texts" : "not in it");
  VW_TRY(vw_study_reader_read(s->file, path, &values));
  const int64_t m = elements(d);
  const char **x = vw_pool_take(&s->pool, (size_t)m * sizeof(*x) + 1);
  bool ok = x != NULL;
  for (int64_t i = 0; ok && i < m; i++) {
    const char *text = (const char *)values + i * d->text_bytes;
    x[i] = vw_pool_text(&s->pool, text, (ptrdiff_t)strnlen(text, (size_t)d->text_bytes));
    ok = x[i] != NULL;
  }
  free(values);
  VW_CHECK(ok, VW_ERR_MEMORY, "figures: out of memory");
  *texts = x, *n = m;
  return VW_OK;
}

vw_status vw_figure_column(vw_figure_source *s, const char *path, const char *const **texts, const double **numbers,
                           int64_t *rows) {
  int64_t n = 0;
  VW_TRY(texts ? vw_figure_texts(s, path, texts, &n) : vw_figure_numbers(s, path, numbers, &n));
  if (*rows < 0) *rows = n;
  VW_CHECK(n == *rows, VW_ERR_INPUT, "%s/study.h5: %s has %" PRId64 " rows, others of its table %" PRId64, s->dir, path,
           n, *rows);
  return VW_OK;
}

int64_t vw_figure_index(double number, int64_t n) {
  return number >= 0 && number < (double)n ? (int64_t)number : -1;
}

/* ---- tables of /summary ------------------------------------------------------------------------------------------ */

typedef struct text_column {
  const char *name;
  size_t offset;
} text_column;
static const text_column text_columns[] = {
    {"model", offsetof(vw_figure_row, model)},
    {"from", offsetof(vw_figure_row, from)},
    {"to", offsetof(vw_figure_row, to)},
    {"data", offsetof(vw_figure_row, data)},
    {"what", offsetof(vw_figure_row, what)},
    {"quantity", offsetof(vw_figure_row, quantity)},
    {"position", offsetof(vw_figure_row, position)},
    {"kind", offsetof(vw_figure_row, kind)},
    {"metric", offsetof(vw_figure_row, metric)},
    {"source", offsetof(vw_figure_row, source)},
};
static const text_column number_columns[] = {
    {"delta", offsetof(vw_figure_row, delta)},   {"layer", offsetof(vw_figure_row, layer)},
    {"layers", offsetof(vw_figure_row, layers)}, {"depth", offsetof(vw_figure_row, depth)},
    {"step", offsetof(vw_figure_row, step)},
};
static const text_column interval_columns[] = {
    {"mean", offsetof(vw_figure_row, i.mean)},           {"low", offsetof(vw_figure_row, i.low)},
    {"high", offsetof(vw_figure_row, i.high)},           {"boot_low", offsetof(vw_figure_row, i.boot_low)},
    {"boot_high", offsetof(vw_figure_row, i.boot_high)},
};
static const text_column quartile_columns[] = {
    {"median", offsetof(vw_figure_row, i.mean)},         {"quartile_1", offsetof(vw_figure_row, i.low)},
    {"quartile_3", offsetof(vw_figure_row, i.high)},     {"boot_low", offsetof(vw_figure_row, i.boot_low)},
    {"boot_high", offsetof(vw_figure_row, i.boot_high)},
};

static vw_status read_texts(vw_figure_source *s, const char *group, const text_column *c, const vw_figure_rows *rows) {
  char path[320];
  const char *const *texts = NULL;
  int64_t n = rows->n;
  (void)snprintf(path, sizeof path, "%s/%s", group, c->name);
  if (vw_figure_has(s, path)) VW_TRY(vw_figure_column(s, path, &texts, NULL, &n));
  for (int64_t i = 0; i < rows->n; i++) {
    const char *text = texts ? texts[i] : "";
    memcpy((char *)&rows->row[i] + c->offset, &text, sizeof text);
  }
  return VW_OK;
}

static vw_status read_numbers(vw_figure_source *s, const char *group, const text_column *c,
                              const vw_figure_rows *rows) {
  char path[320];
  const double *x = NULL;
  int64_t n = rows->n;
  (void)snprintf(path, sizeof path, "%s/%s", group, c->name);
  if (vw_figure_has(s, path)) VW_TRY(vw_figure_column(s, path, NULL, &x, &n));
  for (int64_t i = 0; i < rows->n; i++) {
    const double v = x ? x[i] : NAN;
    memcpy((char *)&rows->row[i] + c->offset, &v, sizeof v);
  }
  return VW_OK;
}

vw_status vw_figure_rows_read(vw_figure_source *s, const char *group, vw_figure_rows *rows) {
  char path[320];
  const double *counts = NULL;
  *rows = (vw_figure_rows){0};
  (void)snprintf(path, sizeof path, "%s/n", group);
  if (!vw_figure_has(s, path)) return VW_OK;
  VW_TRY(vw_figure_numbers(s, path, &counts, &rows->n));
  rows->row = vw_pool_take(&s->pool, (size_t)rows->n * sizeof *rows->row + 1);
  VW_CHECK(rows->row, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t i = 0; i < rows->n; i++)
    rows->row[i].i.n = vw_figure_index(counts[i], INT64_MAX) < 0 ? 0 : (int64_t)counts[i];
  for (size_t i = 0; i < sizeof text_columns / sizeof *text_columns; i++)
    VW_TRY(read_texts(s, group, &text_columns[i], rows));
  for (size_t i = 0; i < sizeof number_columns / sizeof *number_columns; i++)
    VW_TRY(read_numbers(s, group, &number_columns[i], rows));
  (void)snprintf(path, sizeof path, "%s/median", group);
  const bool has_quartiles = vw_figure_has(s, path);
  for (size_t i = 0; i < sizeof interval_columns / sizeof *interval_columns; i++)
    VW_TRY(read_numbers(s, group, has_quartiles ? &quartile_columns[i] : &interval_columns[i], rows));
  for (int64_t i = 0; i < rows->n; i++) rows->row[i].has_quartiles = has_quartiles;
  return VW_OK;
}

vw_status vw_figure_task(vw_figure_source *s, const char *model, const vw_task_kind **task) {
  *task = NULL;
  for (int k = 0; k < vw_n_kinds && !*task; k++) {
    char path[320];
    const char *const *models = NULL;
    int64_t n = 0;
    (void)snprintf(path, sizeof path, "/summary/%s/model", vw_kinds[k].task->name);
    if (!vw_figure_has(s, path)) continue;
    VW_TRY(vw_figure_texts(s, path, &models, &n));
    if (vw_figure_place(models, n, model) >= 0) *task = vw_kinds[k].task;
  }
  return VW_OK;
}

int64_t vw_figure_place(const char *const *names, int64_t n, const char *name) {
  for (int64_t i = 0; i < n; i++)
    if (!strcmp(names[i], name)) return i;
  return -1;
}

int64_t vw_figure_distinct(const char *const *texts, int64_t n, const char **out, int64_t room) {
  int64_t found = 0, kept = 0;
  for (int64_t i = 0; i < n; i++) {
    if (vw_figure_place(out, kept, texts[i]) >= 0) continue;
    if (kept < room)
      out[kept++] = texts[i], found++;
    else if (vw_figure_place(texts, i, texts[i]) < 0)
      found++;
  }
  return found;
}
