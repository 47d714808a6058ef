/* What a directory that is to be joined is, and whether two of them go together. */
#include "results/compare/merge.h"

#include "core/log.h"
#include "io/block_file.h"
#include "io/parts.h"
#include "io/study/study_file.h"
#include "learn/block_io.h"
#include "tasks/kinds.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- one directory ----------------------------------------------------------------------------------------------- */

static void keep_owner(void *user, vw_study_part part, const char *owner) {
  char *kept = user;
  (void)snprintf(kept, VW_LOCK_OWNER_BYTES, "%s", owner);
  (void)part;
}

static vw_status check_idle(const char *dir) {
  char owner[VW_LOCK_OWNER_BYTES] = "";
  if (!vw_lock_owner(dir, NULL, owner)) owner[0] = 0, vw_part_owners(dir, keep_owner, owner);
  VW_CHECK(!owner[0], VW_ERR_INPUT, "%s: %s is working here; wait for it, then collect and merge", dir, owner);
  return VW_OK;
}

static vw_status read_text(vw_study_reader *r, const char *dir, const char *path, char **text) {
  VW_CHECK(vw_study_reader_find(r, path), VW_ERR_INPUT, "%s/study.h5: has no %s: make it again with 'viswords collect'",
           dir, path);
  return vw_study_reader_read(r, path, (void **)text);
}

/* The folder of the study file as `collect` saw it. */
static vw_status find_place(vw_merge_source *s, const char *file) {
  char here[VW_PATH_BYTES] = "";
  if (file[0] != '/' && !getcwd(here, sizeof here)) return VW_RAISE(VW_ERR_IO, "the current folder has no path");
  VW_TRY(vw_path_format(s->place, "%s%s%s", here, here[0] ? "/" : "", file));
  if (!vw_file_exists(s->place))
    vw_log(VW_LOG_WARN, "%s: its study file %s is not there any more: check the paths of the joined study.yaml", s->dir,
           s->place);
  char *slash = strrchr(s->place, '/');
  if (slash) *slash = 0;
  return VW_OK;
}

static int by_text(const void *a, const void *b) {
  return strcmp(a, b);
}

/* Which trials of the plan the study asks for, by /trials/id: a plan also keeps those of earlier versions. */
static vw_status mark_trials(vw_merge_source *s, vw_study_reader *r) {
  const vw_study_data *d = vw_study_reader_find(r, "/trials/id");
  char *values = NULL;
  VW_CHECK(d && d->ndim == 1 && d->text_bytes >= VW_HASH_TEXT - 1, VW_ERR_INPUT,
           "%s/study.h5: has no /trials/id: make it again with 'viswords collect'", s->dir);
  const int64_t n = d->dim[0], width = d->text_bytes;
  VW_TRY(vw_study_reader_read(r, "/trials/id", (void **)&values));
  char(*ids)[VW_HASH_TEXT] = calloc((size_t)n + 1, sizeof *ids);
  for (int64_t i = 0; ids && i < n; i++) memcpy(ids[i], values + i * width, VW_HASH_TEXT - 1);
  free(values);
  VW_CHECK(ids, VW_ERR_MEMORY, "merge: out of memory");
  qsort(ids, (size_t)n, sizeof *ids, by_text);
  for (int64_t b = 0; b < s->plan->n_blocks; b++) {
    vw_block *block = &s->plan->blocks[b];
    block->n_selected = 0;
    for (vw_trial *t = s->plan->trials + block->first; t < s->plan->trials + block->first + block->n; t++) {
      char id[VW_HASH_TEXT];
      vw_hash_text(t->id, id);
      t->row = bsearch(id, ids, (size_t)n, sizeof *ids, by_text) ? 0 : -1;
      block->n_selected += t->row == 0;
    }
  }
  free(ids);
  return VW_OK;
}

static vw_status find_results(vw_merge_source *s) {
  char id[VW_BLOCK_ID], path[VW_PATH_BYTES];
  vw_safetensors *f = NULL;
  s->has_results = calloc((size_t)s->plan->n_blocks + 1, sizeof *s->has_results);
  VW_CHECK(s->has_results, VW_ERR_MEMORY, "merge: out of memory");
  for (int64_t b = 0; b < s->plan->n_blocks; b++) {
    if (!s->plan->blocks[b].n_selected) continue;
    vw_block_file_id(&s->plan->blocks[b], "", id);
    VW_TRY(vw_block_file_path(path, s->dir, id));
    if (!vw_file_exists(path)) continue;
    VW_TRY(vw_block_file_open(s->dir, id, &f)); /* a damaged one is refused, not left out */
    vw_safetensors_close(f);
    s->has_results[b] = true;
  }
  return VW_OK;
}

static vw_status read_study_file(vw_merge_source *s, vw_study_reader *r, const char *plan_path) {
  char *file = NULL, *recorded = NULL, *plan = NULL, path[VW_PATH_BYTES];
  vw_status st = VW_OK;
  VW_GOTO(vw_file_read(plan_path, &plan, NULL));
  VW_GOTO(read_text(r, s->dir, "/config/plan", &recorded));
  if (strcmp(plan, recorded) != 0)
    VW_GOTO(VW_RAISE(VW_ERR_INPUT,
                     "%s: plan.yaml is newer than study.h5: run 'viswords collect STUDY.yaml -o %s' first", s->dir,
                     s->dir));
  VW_GOTO(read_text(r, s->dir, "/config/study", &s->text));
  VW_GOTO(read_text(r, s->dir, "/provenance/study_file", &file));
  VW_GOTO(find_place(s, file));
  VW_GOTO(vw_path_format(path, "%s/study.h5, /config/study", s->dir));
  VW_GOTO(vw_study_config_parse_alone(path, s->text, strlen(s->text), vw_kinds_of_study(), &s->config));
  VW_GOTO(mark_trials(s, r));
cleanup:
  free(file), free(recorded), free(plan);
  return st;
}

vw_status vw_merge_source_open(vw_merge_source *s, const char *dir) {
  char plan[VW_PATH_BYTES], results[VW_PATH_BYTES];
  vw_study_reader *r = NULL;
  *s = (vw_merge_source){.dir = dir};
  VW_TRY(vw_path_format(plan, "%s/plan.yaml", dir));
  VW_TRY(vw_path_format(results, "%s/study.h5", dir));
  VW_CHECK(vw_file_exists(plan), VW_ERR_INPUT, "%s: no plan.yaml in it: not an output directory of 'viswords run'",
           dir);
  VW_TRY(check_idle(dir));
  VW_CHECK(vw_file_exists(results), VW_ERR_INPUT,
           "%s: no study.h5 in it, which says what was studied: run 'viswords collect STUDY.yaml -o %s' first", dir,
           dir);
  VW_TRY(vw_plan_load(plan, &s->plan));
  VW_TRY(vw_study_reader_open(results, &r));
  const vw_status st = read_study_file(s, r, plan);
  vw_study_reader_close(r);
  VW_TRY(st);
  return find_results(s);
}

void vw_merge_source_close(vw_merge_source *s) {
  vw_plan_destroy(s->plan);
  vw_study_config_destroy(s->config);
  free(s->text), free(s->has_results);
  *s = (vw_merge_source){0};
}

/* ---- two studies ------------------------------------------------------------------------------------------------- */

/* A key and its value in vw_study_values_text; items of a list are lines that begin with "- ". */
typedef struct value {
  const char *key, *text;
  int key_length, length;
} value;

static bool next_value(const char **p, value *v) {
  if (!**p) return false;
  v->key = *p, v->key_length = (int)strcspn(*p, ":");
  v->text = *p + v->key_length + 1;
  const char *end = v->text + strcspn(v->text, "\n");
  while (end[0] && !strncmp(end + 1, "- ", 2)) end = end + 1 + strcspn(end + 1, "\n");
  v->length = (int)(end - v->text);
  *p = end[0] ? end + 1 : end;
  return true;
}

/* The place of the part behind the n-th dot of a key; NULL: it has fewer. */
static const char *behind_dots(const value *v, int n) {
  const char *p = v->key;
  for (; n > 0; n--) {
    p = memchr(p, '.', (size_t)(v->key + v->key_length - p));
    if (!p) return NULL;
    p++;
  }
  return p;
}

/* What may differ between studies that are joined: names, which trials there are, how the work is cut. */
static bool may_differ(const value *v) {
  static const char *const of_study[] = {"study:", "stages:", "plan."};
  static const char *const of_entry[] = {
      "concepts:", "data:", "trials.anchors:", "trials.deltas:", "trials.replicas:", "plan.", "trials.concepts:"};
  const char *entry = strncmp(v->key, "data.", 5) == 0 || strncmp(v->key, "models.", 7) == 0 ? behind_dots(v, 2) : NULL;
  for (size_t i = 0; !entry && i < sizeof of_study / sizeof *of_study; i++)
    if (strncmp(v->key, of_study[i], strlen(of_study[i])) == 0) return true;
  for (size_t i = 0; entry && i < sizeof of_entry / sizeof *of_entry; i++)
    if (strncmp(entry, of_entry[i], strlen(of_entry[i])) == 0) return true;
  return false;
}

static bool find_value(const char *text, const value *like, value *found) {
  while (next_value(&text, found))
    if (found->key_length == like->key_length && !strncmp(found->key, like->key, (size_t)like->key_length)) return true;
  return false;
}

/* On one line, for a message. */
static void shown(const value *v, char out[100]) {
  const char *p = v->text;
  int n = 0;
  for (int i = 0; i < v->length && n < 96; i++)
    if (n || (p[i] != ' ' && p[i] != '\n')) out[n++] = p[i] == '\n' ? ' ' : p[i];
  (void)snprintf(out + n, 4, "%s", n == 96 ? "..." : "");
}

static vw_status compare_values(const vw_study_config *a, const char *x, const char *a_name, const char *y,
                                const char *b_name) {
  value v, w;
  while (next_value(&x, &v)) {
    char p[100], q[100];
    if (may_differ(&v) || !vw_study_reads_key(a, v.key, v.key_length)) continue;
    if (!find_value(y, &v, &w)) continue; /* of a data set or a model that one of them has not */
    if (v.length == w.length && memcmp(v.text, w.text, (size_t)v.length) == 0) continue;
    shown(&v, p), shown(&w, q);
    return VW_RAISE(VW_ERR_INPUT,
                    "%.*s is '%s' in %s and '%s' in %s: only studies of one protocol are joined; what differs between "
                    "models can stand under each of them",
                    v.key_length, v.key, p, a_name, q, b_name);
  }
  return VW_OK;
}

vw_status vw_merge_compare_studies(const vw_study_config *a, const char *a_name, const vw_study_config *b,
                                   const char *b_name) {
  char *x = NULL, *y = NULL;
  vw_status st = vw_study_values_text(a, &x);
  if (st == VW_OK) st = vw_study_values_text(b, &y);
  if (st == VW_OK) st = compare_values(a, x, a_name, y, b_name);
  free(x), free(y);
  return st;
}

/* ---- two plans --------------------------------------------------------------------------------------------------- */

static bool same_hash(vw_hash a, vw_hash b) {
  return a.hi == b.hi && a.lo == b.lo;
}

static vw_status compare_blocks(const vw_merge_source *a, const vw_block *x, const vw_merge_source *b,
                                const vw_block *y) {
  if (strcmp(x->model, y->model) != 0) return VW_OK;
  VW_CHECK(same_hash(x->weights, y->weights), VW_ERR_INPUT,
           "model '%s': other weights, tokenizer or list of neighbours in %s than in %s", x->model, a->dir, b->dir);
  VW_CHECK(strcmp(vw_block_precision(a->plan, x), vw_block_precision(b->plan, y)) == 0, VW_ERR_INPUT,
           "model '%s': its words are %s in %s and %s in %s: a study's words of a model have one precision", x->model,
           vw_block_precision(a->plan, x), a->dir, vw_block_precision(b->plan, y), b->dir);
  if (strcmp(x->data, y->data) != 0) return VW_OK;
  VW_CHECK(same_hash(x->protocol, y->protocol), VW_ERR_INPUT,
           "model '%s' on '%s': other classes (a list in a file) in %s than in %s, or other versions of viswords",
           x->model, x->data, a->dir, b->dir);
  VW_CHECK(same_hash(x->judging, y->judging), VW_ERR_INPUT,
           "model '%s' on '%s': judged otherwise in %s than in %s (judge.weights, or a list of names in a file)",
           x->model, x->data, a->dir, b->dir);
  return VW_OK;
}

static int by_names(const void *a, const void *b) {
  const vw_trial *x = *(const vw_trial *const *)a, *y = *(const vw_trial *const *)b;
  int c = strcmp(x->model, y->model);
  if (!c) c = strcmp(x->data, y->data);
  if (!c) c = strcmp(x->concept, y->concept);
  if (!c) c = (int)x->null_concept - (int)y->null_concept;
  if (!c) c = strcmp(x->anchor, y->anchor);
  if (!c) c = x->delta < y->delta ? -1 : x->delta > y->delta;
  if (!c) c = x->replica < y->replica ? -1 : x->replica > y->replica;
  return c;
}

/* With weights and rules the same, trials of the same names are the same ones, unless their pictures differ. */
static vw_status compare_pictures(const vw_merge_source *a, const vw_merge_source *b) {
  const vw_trial **sorted = malloc((size_t)(b->plan->n_trials + 1) * sizeof(*sorted));
  int64_t n = 0;
  vw_status st = VW_OK;
  VW_CHECK(sorted, VW_ERR_MEMORY, "merge: out of memory");
  for (int64_t i = 0; i < b->plan->n_trials; i++)
    if (b->plan->trials[i].row >= 0) sorted[n++] = &b->plan->trials[i];
  qsort((void *)sorted, (size_t)n, sizeof(*sorted), by_names);
  for (int64_t i = 0; st == VW_OK && i < a->plan->n_trials; i++) {
    const vw_trial *t = &a->plan->trials[i];
    if (t->row < 0) continue;
    const vw_trial **at =
        (const vw_trial **)bsearch((const void *)&t, (const void *)sorted, (size_t)n, sizeof(*sorted), by_names);
    if (at && !same_hash((*at)->id, t->id))
      st = VW_RAISE(VW_ERR_INPUT, "data set '%s', concept '%s' (model '%s'): other pictures in %s than in %s", t->data,
                    t->concept, t->model, a->dir, b->dir);
  }
  free((void *)sorted);
  return st;
}

vw_status vw_merge_compare_plans(const vw_merge_source *a, const vw_merge_source *b) {
  for (int64_t i = 0; i < a->plan->n_blocks; i++)
    for (int64_t j = 0; j < b->plan->n_blocks; j++)
      if (a->plan->blocks[i].n_selected && b->plan->blocks[j].n_selected)
        VW_TRY(compare_blocks(a, &a->plan->blocks[i], b, &b->plan->blocks[j]));
  return compare_pictures(a, b);
}
