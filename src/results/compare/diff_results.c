/* Block files of two output directories, trial by trial, and baselines file by file. */
#include "results/compare/diff.h"

#include "io/block_file.h"
#include "io/json.h"
#include "learn/block_io.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- where the trials are ---------------------------------------------------------------------------------------- */

/* A trial's place in a directory; its block's files, NULL where they are missing. */
typedef struct place {
  vw_hash id;
  int64_t row, rows; /* of its block */
  const vw_safetensors *results, *evaluation;
} place;

typedef struct side {
  vw_safetensors **results, **evaluation; /* [n_blocks] */
  place *places;                          /* [n_trials] in the plan's order */
  const place **sorted;                   /* by id */
} side;

static vw_status open_if_there(const char *dir, const char *id, vw_safetensors **f) {
  char path[VW_PATH_BYTES];
  *f = NULL;
  VW_TRY(vw_block_file_path(path, dir, id));
  return vw_file_exists(path) ? vw_block_file_open(dir, id, f) : VW_OK;
}

static int by_id(const void *a, const void *b) {
  const place *x = *(const place *const *)a, *y = *(const place *const *)b;
  if (x->id.hi != y->id.hi) return x->id.hi < y->id.hi ? -1 : 1;
  return x->id.lo < y->id.lo ? -1 : x->id.lo > y->id.lo;
}

static vw_status side_open(side *s, const char *dir, const vw_plan *p) {
  s->results = calloc((size_t)p->n_blocks + 1, sizeof(*s->results));
  s->evaluation = calloc((size_t)p->n_blocks + 1, sizeof(*s->evaluation));
  s->places = calloc((size_t)p->n_trials + 1, sizeof *s->places);
  s->sorted = calloc((size_t)p->n_trials + 1, sizeof(*s->sorted));
  VW_CHECK(s->results && s->evaluation && s->places && s->sorted, VW_ERR_MEMORY, "diff: out of memory");
  for (int64_t i = 0; i < p->n_blocks; i++) {
    const vw_block *b = &p->blocks[i];
    char id[VW_BLOCK_ID];
    vw_block_file_id(b, "", id);
    VW_TRY(open_if_there(dir, id, &s->results[i]));
    vw_block_evaluation_id(b, id);
    VW_TRY(open_if_there(dir, id, &s->evaluation[i]));
    for (int64_t k = 0; k < b->n; k++) {
      place *at = &s->places[b->first + k];
      *at = (place){p->trials[b->first + k].id, k, b->n, s->results[i], s->evaluation[i]};
      s->sorted[b->first + k] = at;
    }
  }
  qsort((void *)s->sorted, (size_t)p->n_trials, sizeof(*s->sorted), by_id);
  return VW_OK;
}

static void side_close(side *s, const vw_plan *p) {
  for (int64_t i = 0; s->results && i < p->n_blocks; i++) vw_safetensors_close(s->results[i]);
  for (int64_t i = 0; s->evaluation && i < p->n_blocks; i++) vw_safetensors_close(s->evaluation[i]);
  free((void *)s->results), free((void *)s->evaluation), free(s->places), free((void *)s->sorted);
}

/* ---- one trial --------------------------------------------------------------------------------------------------- */

/* What a trial has, in the order in which it came about. by_step: [points, K], else [K, ...]. */
static const struct {
  const char *tensor, *text;
  bool by_step, is_word;
} parts[] = {
    {"anchors", "component %lld of the anchor", false, false},
    {"radius", "radius", false, false},
    {"loss_start", "loss on the fixed set before the first step", false, false},
    {"history", "training loss at step %lld", true, false},
    {"words", "component %lld of the word after the last step", false, true},
    {"loss_end", "loss on the fixed set after the last step", false, false},
    {"grad_norm", "length of the gradient at the end", false, false},
    {"kkt", "KKT residual", false, false},
    {"distance", "distance to the anchor", false, false},
    {"on_sphere", "whether it is on the sphere", false, false},
    {"failed", "whether it failed", false, false},
    {"nearest", "nearest word (token)", false, false},
    {"rank_words", "place of the anchor among words", false, false},
    {"rank_all", "place of the anchor among all entries", false, false},
};
enum { PARTS = sizeof parts / sizeof *parts };

typedef struct trial_pair {
  vw_diff *d;
  const vw_trial *trial;
  const place *at[2];
  bool differs;
} trial_pair;

static void note(trial_pair *t, const char *what, double x, double y) {
  char id[VW_HASH_TEXT], delta[VW_DELTA_TEXT];
  const vw_trial *of = t->trial;
  t->differs = true;
  vw_hash_text(of->id, id), vw_delta_text(of->delta, delta);
  vw_diff_note(t->d, "", "trial %s (%s, %s, %s, anchor %s, delta %s, replica %" PRId64 "): %s: %.9g in %s, %.9g in %s",
               id, of->model, of->data, of->concept, of->anchor, delta, of->replica, what, x, t->d->dir[0], y,
               t->d->dir[1]);
}

/* Entries of a trial in a tensor, and the distance between them. */
static int64_t entries(const vw_tensor *t, const place *at, bool by_step, int64_t *first, int64_t *stride) {
  const int64_t n = vw_count(t) / at->rows;
  *first = by_step ? at->row : at->row * n, *stride = by_step ? at->rows : 1;
  return n;
}

static int64_t step_of(const vw_safetensors *f, int64_t point) {
  vw_tensor steps;
  if (vw_safetensors_find(f, "history_step", &steps) != VW_OK || steps.dtype != VW_I64 || point >= vw_count(&steps)) {
    vw_error_clear();
    return point;
  }
  return ((const int64_t *)steps.data)[point];
}

/* The name of metric k, as the file's list of columns has it. */
static const char *metric_name(const vw_safetensors *f, int64_t k, char text[64]) {
  const char *columns = vw_safetensors_metadata(f, "columns");
  json_t *list = columns ? json_loads(columns, 0, NULL) : NULL;
  const char *name = json_string_value(json_array_get(list, (size_t)k));
  if (name)
    (void)snprintf(text, 64, "%s", name);
  else
    (void)snprintf(text, 64, "metric %lld", (long long)k);
  json_decref(list);
  return text;
}

static vw_status compare_part(trial_pair *t, const vw_safetensors *const file[2], const char *tensor, int part) {
  vw_tensor x[2];
  int64_t n[2], first[2], stride[2];
  char what[128];
  const bool by_step = part >= 0 && parts[part].by_step;
  for (int i = 0; i < 2; i++) {
    VW_TRY(vw_safetensors_find(file[i], tensor, &x[i]));
    n[i] = entries(&x[i], t->at[i], by_step, &first[i], &stride[i]);
  }
  (void)snprintf(what, sizeof what, "length of %s", tensor);
  if (n[0] != n[1]) note(t, what, (double)n[0], (double)n[1]);
  for (int64_t k = 0; k < n[0] && k < n[1]; k++) {
    double a, b;
    if (vw_diff_same(t->d, &x[0], first[0] + k * stride[0], &x[1], first[1] + k * stride[1], &a, &b)) continue;
    char metric[64];
    const char *text = part < 0 ? metric_name(file[0], k, metric) : parts[part].text, *number = strstr(text, "%lld");
    if (number)
      (void)snprintf(what, sizeof what, "%.*s%lld%s", (int)(number - text), text,
                     (long long)(by_step ? step_of(file[0], k) : k), number + 4);
    else
      (void)snprintf(what, sizeof what, "%s", text);
    note(t, what, a, b);
    if (part < 0 || !parts[part].is_word) return VW_OK;
    if (!(fabs(a - b) <= t->d->largest)) t->d->largest = fabs(a - b);
  }
  return VW_OK;
}

static vw_status compare_results(trial_pair *t) {
  const vw_safetensors *const file[] = {t->at[0]->results, t->at[1]->results};
  for (int i = 0; i < PARTS; i++) VW_TRY(compare_part(t, file, parts[i].tensor, i));
  return VW_OK;
}

static void note_missing(trial_pair *t, int where, const char *what) {
  char id[VW_HASH_TEXT];
  if (t->d->only_both) return;
  vw_hash_text(t->trial->id, id);
  vw_diff_note(t->d, "a block is missing: 'viswords status' tells how far it is, the same 'viswords run' goes on",
               "trial %s (%s, %s, anchor %s): %s only in %s", id, t->trial->model, t->trial->concept, t->trial->anchor,
               what, t->d->dir[!where]);
}

static vw_status compare_trial(trial_pair *t) {
  vw_diff *d = t->d;
  const bool there[] = {t->at[0]->results != NULL, t->at[1]->results != NULL};
  for (int i = 0; i < 2; i++) {
    d->trials_missing[i] += !there[i];
    if (!there[i] && there[!i]) note_missing(t, i, "results");
  }
  if (!there[0] || !there[1]) return VW_OK;
  d->trials_compared++;
  VW_TRY(compare_results(t));
  const vw_safetensors *const judged[] = {t->at[0]->evaluation, t->at[1]->evaluation};
  for (int i = 0; i < 2; i++)
    if (!judged[i] && judged[!i]) note_missing(t, i, "its evaluation is");
  if (judged[0] && judged[1]) VW_TRY(compare_part(t, judged, "metrics", -1));
  d->trials_differ += t->differs;
  return VW_OK;
}

static vw_status compare_trials(vw_diff *d, const side *a, const side *b) {
  for (int64_t i = 0; i < d->plan[0]->n_trials; i++) {
    const place *key = &a->places[i];
    const place **at = (const place **)bsearch((const void *)&key, (const void *)b->sorted,
                                               (size_t)d->plan[1]->n_trials, sizeof(*b->sorted), by_id);
    if (!at) continue; /* the plans' comparison named it */
    trial_pair t = {.d = d, .trial = &d->plan[0]->trials[i], .at = {key, *at}};
    VW_TRY(compare_trial(&t));
  }
  return VW_OK;
}

/* ---- baselines --------------------------------------------------------------------------------------------------- */

static void note_baselines(vw_diff *d, const vw_safetensors *f, const char *id, const char *what) {
  const char *concept = vw_safetensors_metadata(f, "concept"), *model = vw_safetensors_metadata(f, "model");
  json_array_append_new(d->baselines, vw_json_name(concept ? concept : id));
  vw_diff_note(d, "", "baselines of %s, %s (%s): %s", model ? model : "?", concept ? concept : "?", id, what);
}

static vw_status compare_baseline(vw_diff *d, const char *id) {
  vw_safetensors *f[2] = {NULL, NULL};
  vw_tensor x[2];
  char what[128] = "";
  double a = 0, b = 0;
  vw_status st = VW_OK;
  for (int i = 0; i < 2; i++) VW_GOTO(open_if_there(d->dir[i], id, &f[i]));
  if (!f[0] || !f[1]) goto cleanup; /* other anchors or deltas, or not judged: the plans or the trials tell */
  for (int i = 0; i < 2; i++) VW_GOTO(vw_safetensors_find(f[i], "metrics", &x[i]));
  const char *rows[] = {vw_safetensors_metadata(f[0], "rows"), vw_safetensors_metadata(f[1], "rows")};
  const int64_t metrics = x[0].ndim == 2 && x[0].dim[1] > 0 ? x[0].dim[1] : 1;
  char metric[64];
  if (vw_count(&x[0]) != vw_count(&x[1]) || !rows[0] || !rows[1] || strcmp(rows[0], rows[1]) != 0)
    (void)snprintf(what, sizeof what, "other rows");
  for (int64_t i = 0; !what[0] && i < vw_count(&x[0]); i++)
    if (!vw_diff_same(d, &x[0], i, &x[1], i, &a, &b))
      (void)snprintf(what, sizeof what, "row %lld, %s: %.9g and %.9g", (long long)(i / metrics),
                     metric_name(f[0], i % metrics, metric), a, b);
  if (what[0]) note_baselines(d, f[0], id, what);
cleanup:
  vw_safetensors_close(f[0]), vw_safetensors_close(f[1]);
  return st;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

typedef struct baseline_ids {
  char **id; /* malloc'ed, as each of them */
  int64_t n;
} baseline_ids;

static vw_status list_baselines(void *user, const char *name, const char *path) {
  static const char *const end = "-baselines.safetensors";
  baseline_ids *all = user;
  const size_t length = strlen(name);
  (void)path;
  if (length <= strlen(end) || strcmp(name + length - strlen(end), end) != 0) return VW_OK;
  char **more = realloc((void *)all->id, (size_t)(all->n + 1) * sizeof *more);
  VW_CHECK(more, VW_ERR_MEMORY, "diff: out of memory");
  all->id = more;
  all->id[all->n] = strndup(name, length - strlen(".safetensors"));
  VW_CHECK(all->id[all->n], VW_ERR_MEMORY, "diff: out of memory");
  all->n++;
  return VW_OK;
}

static vw_status compare_baselines(vw_diff *d) {
  baseline_ids all = {0};
  vw_status st = vw_block_files_visit(d->dir[0], list_baselines, &all);
  if (st == VW_ERR_INPUT) { /* no blocks at all */
    vw_error_clear();
    st = VW_OK;
  }
  if (all.n) qsort((void *)all.id, (size_t)all.n, sizeof *all.id, by_text);
  for (int64_t i = 0; st == VW_OK && i < all.n; i++) st = compare_baseline(d, all.id[i]);
  for (int64_t i = 0; i < all.n; i++) free(all.id[i]);
  free((void *)all.id);
  return st;
}

vw_status vw_diff_results(vw_diff *d) {
  side s[2] = {{0}, {0}};
  vw_status st = VW_OK;
  for (int i = 0; i < 2; i++) VW_GOTO(side_open(&s[i], d->dir[i], d->plan[i]));
  VW_GOTO(compare_trials(d, &s[0], &s[1]));
  VW_GOTO(compare_baselines(d));
cleanup:
  for (int i = 0; i < 2; i++) side_close(&s[i], d->plan[i]);
  return st;
}
