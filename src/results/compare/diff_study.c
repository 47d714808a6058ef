/* Two study.h5, data set by data set; /provenance holds what may differ. Of /config what is decided is compared, not
 * how it is written. */
#include "results/compare/diff.h"

#include "io/json.h"
#include "io/study/study_file.h"
#include "tasks/kinds.h"

#include <stdlib.h>
#include <string.h>

static bool begins(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

/* Within a tolerance other kernels are allowed, and the plan in /config names them. */
static bool is_compared(const vw_diff *d, const char *path) {
  return !begins(path, "/provenance/") && !(d->tolerance > 0 && begins(path, "/config/"));
}

static void note(vw_diff *d, const char *path, const char *what) {
  json_array_append_new(d->sets, vw_json_name(path));
  vw_diff_note(d, "", "study.h5, %s: %s", path, what);
}

static bool same_shape(const vw_diff *d, const vw_study_data *a, const vw_study_data *b) {
  if ((a->text_bytes > 0) != (b->text_bytes > 0) || a->ndim != b->ndim) return false;
  if (a->text_bytes == 0 && a->dtype != b->dtype && !(d->tolerance > 0)) return false;
  for (int i = 0; i < a->ndim; i++)
    if (a->dim[i] != b->dim[i]) return false;
  return true;
}

/* Of any widths: texts are padded with zeros. */
static bool same_text(const vw_study_data *a, const char *x, const vw_study_data *b, const char *y, int64_t i) {
  const size_t n = strnlen(x + i * a->text_bytes, (size_t)a->text_bytes);
  return n == strnlen(y + i * b->text_bytes, (size_t)b->text_bytes) &&
         !memcmp(x + i * a->text_bytes, y + i * b->text_bytes, n);
}

/* ---- /config ---- */

/* The line at *p without the blanks at its end, *p behind it; false at the end of the text. */
static bool next_line(const char **p, const char **line, int *n) {
  if (!**p) return false;
  *line = *p;
  *n = (int)strcspn(*p, "\n");
  *p += *n + ((*p)[*n] == '\n');
  while (*n > 0 && strchr(" \t\r", (*line)[*n - 1])) --*n;
  return true;
}

/* The same, without lines that are comments. */
static bool next_value(const char **p, const char **line, int *n) {
  while (next_line(p, line, n))
    if (**line != '#') return true;
  *line = "", *n = 0;
  return false;
}

/* Notes the first line that differs, with the key it belongs to ("- 3 dog" is an item of the list above it). */
static void compare_lines(vw_diff *d, const char *path, const char *x, const char *y) {
  char what[256];
  const char *s = "", *t = "", *key = "";
  int n = 0, m = 0, n_key = 0;
  for (;;) {
    const bool more = next_value(&x, &s, &n), other = next_value(&y, &t, &m);
    if (!more && !other) return;
    if (n != m || memcmp(s, t, (size_t)n) != 0) break;
    if (*s != '-') key = s, n_key = (int)strcspn(s, ":\n");
  }
  const bool is_item = *s == '-' && *t == '-';
  (void)snprintf(what, sizeof what, "%.*s%s'%.*s' and '%.*s'", is_item ? (n_key < 60 ? n_key : 60) : 0, key,
                 is_item ? ": " : "", n < 80 ? n : 80, s, m < 80 ? m : 80, t);
  note(d, path, what);
}

/* The study's values; VW_ERR_INPUT where this version cannot read the text. */
static vw_status values_of(const vw_diff *d, int side, const char *text, char **values) {
  char path[VW_PATH_BYTES];
  vw_study_config *config = NULL;
  *values = NULL;
  VW_TRY(vw_path_format(path, "%s/study.h5, /config/study", d->dir[side]));
  VW_TRY(vw_study_config_parse_alone(path, text, strlen(text), vw_kinds_of_study(), &config));
  const vw_status st = vw_study_values_text(config, values);
  vw_study_config_destroy(config);
  return st;
}

/* Comments, order, spellings and defaults written out decide nothing; where things lie is no part of a result. */
static vw_status compare_studies(vw_diff *d, const char *path, const char *x, const char *y) {
  char *a = NULL, *b = NULL;
  vw_status st = values_of(d, 0, x, &a);
  if (st == VW_OK) st = values_of(d, 1, y, &b);
  if (st == VW_OK) {
    compare_lines(d, path, a, b);
  } else if (st == VW_ERR_INPUT || st == VW_ERR_UNSUPPORTED) { /* of another version: then the texts themselves */
    vw_error_clear();
    compare_lines(d, path, x, y);
    st = VW_OK;
  }
  free(a), free(b);
  return st;
}

static void compare_values(vw_diff *d, const vw_study_data *a, void *x, const vw_study_data *b, void *y) {
  const vw_tensor s = {.data = x, .dtype = a->dtype}, t = {.data = y, .dtype = b->dtype};
  int64_t n = 1, columns = 1;
  char what[256];
  for (int i = 0; i < a->ndim; i++) n *= a->dim[i], columns *= i ? a->dim[i] : 1;
  for (int64_t i = 0; i < n; i++) {
    double p = 0, q = 0;
    if (a->text_bytes ? same_text(a, x, b, y, i) : vw_diff_same(d, &s, i, &t, i, &p, &q)) continue;
    if (a->text_bytes)
      (void)snprintf(what, sizeof what, "row %lld: '%.*s' and '%.*s'", (long long)i,
                     (int)(a->text_bytes < 60 ? a->text_bytes : 60), (const char *)x + i * a->text_bytes,
                     (int)(b->text_bytes < 60 ? b->text_bytes : 60), (const char *)y + i * b->text_bytes);
    else
      (void)snprintf(what, sizeof what, "row %lld, column %lld: %.9g and %.9g", (long long)(i / columns),
                     (long long)(i % columns), p, q);
    note(d, a->path, what);
    return;
  }
}

/* Scales that study files did not have from the start: their originals in /words and /evaluation are compared. */
static bool is_copied_scale(const vw_study_data *a) {
  static const struct {
    const char *begin, *end;
  } copies[] = {
      {"/loss/", "_trial"}, {"/loss_fixed/", "_trial"}, {"/anchors/", "/channel"}, {"/evaluation/", "metric"}};
  const size_t n = strlen(a->path);
  if (begins(a->path, "/evaluation/") && !strstr(a->path, "_baselines/")) return false;
  for (size_t i = 0; a->ndim == 1 && i < sizeof copies / sizeof *copies; i++) {
    const size_t end = strlen(copies[i].end);
    if (begins(a->path, copies[i].begin) && n > end && strcmp(a->path + n - end, copies[i].end) == 0) return true;
  }
  return false;
}

static vw_status compare_set(vw_diff *d, vw_study_reader *const r[2], const vw_study_data *a) {
  const vw_study_data *b = vw_study_reader_find(r[1], a->path);
  void *x = NULL, *y = NULL;
  vw_status st = VW_OK;
  if (!b && is_copied_scale(a)) return VW_OK;
  if (!b || !same_shape(d, a, b)) {
    note(d, a->path, b ? "other shape or type" : "only in the first");
    return VW_OK;
  }
  VW_GOTO(vw_study_reader_read(r[0], a->path, &x));
  VW_GOTO(vw_study_reader_read(r[1], a->path, &y));
  if (a->ndim || !a->text_bytes || same_text(a, x, b, y, 0))
    compare_values(d, a, x, b, y);
  else if (strcmp(a->path, "/config/study") == 0)
    VW_GOTO(compare_studies(d, a->path, x, y));
  else
    compare_lines(d, a->path, x, y); /* /config/plan: the program writes it, in one spelling */
cleanup:
  free(x), free(y);
  return st;
}

static vw_status compare_files(vw_diff *d, vw_study_reader *const r[2]) {
  for (int64_t i = 0; i < vw_study_reader_count(r[0]); i++) {
    const vw_study_data *a = vw_study_reader_data(r[0], i);
    if (is_compared(d, a->path)) VW_TRY(compare_set(d, r, a));
  }
  for (int64_t i = 0; i < vw_study_reader_count(r[1]); i++) {
    const vw_study_data *b = vw_study_reader_data(r[1], i);
    if (is_compared(d, b->path) && !is_copied_scale(b) && !vw_study_reader_find(r[0], b->path))
      note(d, b->path, "only in the second");
  }
  return VW_OK;
}

vw_status vw_diff_study_files(vw_diff *d) {
  char path[2][VW_PATH_BYTES];
  vw_study_reader *r[2] = {NULL, NULL};
  bool there[2];
  vw_status st = VW_OK;
  for (int i = 0; i < 2; i++) {
    VW_TRY(vw_path_format(path[i], "%s/study.h5", d->dir[i]));
    there[i] = vw_file_exists(path[i]);
  }
  for (int i = 0; i < 2; i++)
    if (there[i] && !there[!i])
      vw_diff_note(d, "run 'viswords collect' there", "study.h5 is in %s, not in %s", d->dir[i], d->dir[!i]);
  if (!there[0] || !there[1]) return VW_OK;
  d->study_compared = true;
  for (int i = 0; i < 2; i++) VW_GOTO(vw_study_reader_open(path[i], &r[i]));
  VW_GOTO(compare_files(d, r));
cleanup:
  vw_study_reader_close(r[0]), vw_study_reader_close(r[1]);
  return st;
}
