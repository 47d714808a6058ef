/* Two study.h5, data set by data set; /provenance holds what may differ. */
#include "jobs/diff.h"

#include "io/json.h"
#include "io/study_file.h"

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

static bool same_text(const vw_study_data *a, const char *x, const vw_study_data *b, const char *y, int64_t i) {
  char p[64], q[64]; /* most texts are short; longer ones are compared where they lie */
  if (a->text_bytes == b->text_bytes)
    return !memcmp(x + i * a->text_bytes, y + i * b->text_bytes, (size_t)a->text_bytes);
  if (a->text_bytes >= (int64_t)sizeof p || b->text_bytes >= (int64_t)sizeof q) return false;
  (void)snprintf(p, sizeof p, "%.*s", (int)a->text_bytes, x + i * a->text_bytes);
  (void)snprintf(q, sizeof q, "%.*s", (int)b->text_bytes, y + i * b->text_bytes);
  return !strcmp(p, q);
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

static vw_status compare_set(vw_diff *d, vw_study_reader *const r[2], const vw_study_data *a) {
  const vw_study_data *b = vw_study_reader_find(r[1], a->path);
  void *x = NULL, *y = NULL;
  vw_status st = VW_OK;
  if (!b || !same_shape(d, a, b)) {
    note(d, a->path, b ? "other shape or type" : "only in the first");
    return VW_OK;
  }
  VW_GOTO(vw_study_reader_read(r[0], a->path, &x));
  VW_GOTO(vw_study_reader_read(r[1], a->path, &y));
  compare_values(d, a, x, b, y);
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
    if (is_compared(d, b->path) && !vw_study_reader_find(r[0], b->path)) note(d, b->path, "only in the second");
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
