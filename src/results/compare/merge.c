/* Directories joined: their studies, their plans, their files. */
#include "results/compare/merge.h"

#include "io/study/study_merge.h"
#include "results/compare/diff.h"
#include "tasks/kinds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- do they go together? ---------------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b) {
  return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static vw_status compare_kernels(const vw_merge *m, const vw_merge_source *a, const vw_merge_source *b) {
  char x[VW_KERNELS_TEXT], y[VW_KERNELS_TEXT];
  vw_plan_kernels_text(&a->plan->with, x), vw_plan_kernels_text(&b->plan->with, y);
  if (m->allow_other_kernels ||
      (same_text(a->plan->with.backend, b->plan->with.backend) &&
       same_text(a->plan->with.kernels, b->plan->with.kernels) && same_text(a->plan->algorithms, b->plan->algorithms)))
    return VW_OK;
  return VW_RAISE(VW_ERR_INPUT,
                  "other kernels in %s (%s) than in %s (%s)%s: words are comparable, their last bits are not; pass "
                  "--allow-other-kernels to join them",
                  a->dir, x, b->dir, y,
                  same_text(a->plan->algorithms, b->plan->algorithms) ? "" : ", or other algorithms");
}

/* Trials and baselines that are in both. */
static vw_status compare_results(const vw_merge *m, const vw_merge_source *a, const vw_merge_source *b) {
  vw_diff d = {.dir = {a->dir, b->dir}, .plan = {a->plan, b->plan}, .tolerance = m->tolerance, .only_both = true};
  d.baselines = json_array(), d.sets = json_array();
  vw_status st = vw_diff_results(&d);
  if (st == VW_OK && (d.trials_differ || json_array_size(d.baselines)))
    st = VW_RAISE(VW_ERR_INPUT,
                  "%s; what is in both must be the same: choose one of them, or --tolerance X takes the first one's",
                  d.first);
  json_decref(d.baselines), json_decref(d.sets);
  return st;
}

static vw_status compare_all(const vw_merge *m, const vw_merge_source *s) {
  for (int64_t j = 1; j < m->n; j++)
    for (int64_t i = 0; i < j; i++) {
      VW_TRY(vw_merge_compare_studies(s[i].config, s[i].dir, s[j].config, s[j].dir));
      VW_TRY(vw_merge_compare_plans(&s[i], &s[j]));
      VW_TRY(compare_kernels(m, &s[i], &s[j]));
      VW_TRY(compare_results(m, &s[i], &s[j]));
    }
  return VW_OK;
}

/* ---- the plan ---------------------------------------------------------------------------------------------------- */

enum { KEYS = 6 }; /* model, data set, concept, replica, anchor, delta: the order of a study's trials */

/* A learned block of one of the directories. */
typedef struct candidate {
  int64_t source, block, place[KEYS];
  bool taken;
} candidate;

/* A trial of a candidate. */
typedef struct entry {
  vw_hash id;
  int64_t candidate;
} entry;

static int64_t place_of(const vw_names *names, const char *name) {
  int64_t i = 0;
  while (i < names->n && strcmp(names->name[i], name) != 0) i++;
  return i;
}

static void find_place(const vw_study_config *c, const vw_trial *t, int64_t place[KEYS]) {
  int64_t m = 0, d = 0, e = 0;
  while (m < c->n_models - 1 && strcmp(c->models[m].name, t->model) != 0) m++;
  while (d < c->n_data - 1 && strcmp(c->data[d].name, t->data) != 0) d++;
  const vw_names *concepts = &vw_study_data_of(c, m, d)->concepts;
  const vw_numbers *deltas = &c->models[m].trials.deltas;
  while (e < deltas->n && deltas->v[e] != t->delta) e++;
  const int64_t null = t->null_concept ? strtoll(t->concept + strlen("null-"), NULL, 10) : 0;
  place[0] = m, place[1] = d, place[2] = t->null_concept ? concepts->n + null : place_of(concepts, t->concept);
  place[3] = t->replica, place[4] = place_of(&c->models[m].trials.anchors, t->anchor), place[5] = e;
}

static int by_place(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  for (int i = 0; i < KEYS; i++)
    if (x->place[i] != y->place[i]) return x->place[i] < y->place[i] ? -1 : 1;
  if (x->source != y->source) return x->source < y->source ? -1 : 1;
  return x->block < y->block ? -1 : x->block > y->block;
}

static int by_id(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->id.hi != y->id.hi) return x->id.hi < y->id.hi ? -1 : 1;
  if (x->id.lo != y->id.lo) return x->id.lo < y->id.lo ? -1 : 1;
  return x->candidate < y->candidate ? -1 : x->candidate > y->candidate;
}

/* Candidates in the order of the directories; their trials behind each other. */
static void list_candidates(vw_merge *m, const vw_merge_source *s, const vw_study_config *joined, candidate *c,
                            int64_t *n, entry *e, int64_t *n_entries) {
  *n = *n_entries = 0;
  for (int64_t i = 0; i < m->n; i++) {
    const vw_plan *p = s[i].plan;
    m->trials[i] = 0;
    for (int64_t b = 0; b < p->n_blocks; b++) {
      if (!s[i].has_results[b]) continue;
      const vw_block *block = &p->blocks[b];
      int64_t first = block->first;
      while (p->trials[first].row < 0) first++;
      c[*n] = (candidate){.source = i, .block = b};
      find_place(joined, &p->trials[first], c[*n].place);
      for (int64_t t = first; t < block->first + block->n; t++)
        if (p->trials[t].row >= 0) e[(*n_entries)++] = (entry){p->trials[t].id, *n};
      m->trials[i] += block->n_selected;
      (*n)++;
    }
  }
}

/* A block is taken for a trial that no directory before has. */
static void choose(vw_merge *m, candidate *c, entry *e, int64_t n_entries) {
  qsort(e, (size_t)n_entries, sizeof *e, by_id);
  m->learned = 0;
  for (int64_t i = 0; i < n_entries; i++) {
    const bool is_first = !i || e[i].id.lo != e[i - 1].id.lo || e[i].id.hi != e[i - 1].id.hi;
    c[e[i].candidate].taken |= is_first;
    m->learned += is_first;
  }
}

static vw_status fill_plan(vw_merge *m, const vw_merge_source *s, const vw_study_config *joined, vw_plan *plan) {
  int64_t blocks = 0, trials = 0, n = 0, n_entries = 0;
  for (int64_t i = 0; i < m->n; i++) blocks += s[i].plan->n_blocks, trials += s[i].plan->n_trials;
  candidate *c = calloc((size_t)blocks + 1, sizeof *c);
  entry *e = calloc((size_t)trials + 1, sizeof *e);
  vw_status st = c && e ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "merge: out of memory");
  if (st == VW_OK) {
    list_candidates(m, s, joined, c, &n, e, &n_entries);
    choose(m, c, e, n_entries);
    qsort(c, (size_t)n, sizeof *c, by_place);
  }
  for (int64_t i = 0; st == VW_OK && i < n; i++)
    if (c[i].taken) st = vw_plan_take(plan, s[c[i].source].plan, c[i].block);
  free(c), free(e);
  return st;
}

/* The first plan's kernels, and those of the others where they may differ. Borrows the sources' texts. */
static vw_status make_plan(vw_merge *m, const vw_merge_source *s, const vw_study_config *joined, vw_plan *plan) {
  char first[VW_KERNELS_TEXT], text[VW_KERNELS_TEXT];
  plan->study = joined->study, plan->seed = joined->seed;
  plan->with = s[0].plan->with, plan->algorithms = s[0].plan->algorithms;
  vw_plan_kernels_text(&plan->with, first);
  for (int64_t i = 0; i < m->n; i++) {
    const vw_names *others = &s[i].plan->other_kernels;
    vw_plan_kernels_text(&s[i].plan->with, text);
    if (strcmp(text, first) != 0) VW_TRY(vw_plan_note_kernels(plan, text));
    for (int64_t k = 0; k < others->n; k++) VW_TRY(vw_plan_note_kernels(plan, others->name[k]));
  }
  plan->changed = true;
  return fill_plan(m, s, joined, plan);
}

/* ---- the directory ----------------------------------------------------------------------------------------------- */

/* The joined study's text, and what it decides: what each of the studies decided. */
static vw_status try_studies(const vw_merge *m, const vw_merge_source *s, bool spelled_out, char **text,
                             vw_study_config **joined) {
  const vw_study_merging how = {m->name, spelled_out};
  vw_study_source *sources = calloc((size_t)m->n, sizeof *sources);
  VW_CHECK(sources, VW_ERR_MEMORY, "merge: out of memory");
  for (int64_t i = 0; i < m->n; i++) sources[i] = (vw_study_source){s[i].text, s[i].place, s[i].config};
  vw_status st = vw_study_merge(sources, m->n, &how, text);
  free(sources);
  if (st == VW_OK)
    st = vw_study_config_parse_alone("the joined study", *text, strlen(*text), vw_kinds_of_study(), joined);
  for (int64_t i = 0; st == VW_OK && i < m->n; i++)
    st = vw_merge_compare_studies(s[i].config, s[i].dir, *joined, "the joined study");
  return st;
}

/* study.yaml. Where what stands for all models differs between the studies, it stands under each. */
static vw_status join_studies(vw_merge *m, const vw_merge_source *s, const char *dir, vw_study_config **joined) {
  char path[VW_PATH_BYTES], *text = NULL;
  vw_status st = try_studies(m, s, false, &text, joined);
  if (st == VW_ERR_INPUT) {
    vw_error_clear();
    free(text), vw_study_config_destroy(*joined);
    text = NULL, *joined = NULL;
    st = try_studies(m, s, true, &text, joined);
  }
  m->asked = 0;
  for (int64_t i = 0; st == VW_OK && i < (*joined)->n_models * (*joined)->n_data; i++)
    m->asked += (int64_t)vw_study_trial_count(*joined, i / (*joined)->n_data, i % (*joined)->n_data);
  if (st == VW_OK) st = vw_path_format(path, "%s/study.yaml", dir);
  if (st == VW_OK) st = vw_file_write(path, text, (int64_t)strlen(text));
  free(text);
  return st;
}

static vw_status fill(vw_merge *m, const vw_merge_source *s, const char *dir) {
  char path[VW_PATH_BYTES];
  vw_study_config *joined = NULL;
  vw_plan *plan = NULL;
  vw_status st = VW_OK;
  VW_GOTO(join_studies(m, s, dir, &joined));
  VW_GOTO(vw_plan_create(&plan));
  VW_GOTO(make_plan(m, s, joined, plan));
  VW_GOTO(vw_merge_files(s, m->n, plan, m->tolerance, dir));
  VW_GOTO(vw_path_format(path, "%s/plan.yaml", dir));
  VW_GOTO(vw_plan_save(plan, path));
cleanup:
  vw_plan_destroy(plan);
  vw_study_config_destroy(joined);
  return st;
}

/* All that was linked is on the disk before the directory has its name, which is free or an empty folder's. */
static vw_status put_in_place(const char *partial, const char *out) {
  const int fd = open(partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && syncfs(fd) == 0;
  const int err = errno;
  if (fd >= 0) (void)close(fd);
  VW_CHECK(synced, VW_ERR_IO, "%s: cannot write it out: %s", partial, strerror(err));
  VW_CHECK(rename(partial, out) == 0,
           errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR ? VW_ERR_INPUT : VW_ERR_IO,
           "%s: cannot put the joined directory there: %s; choose another -o", out, strerror(errno));
  return VW_OK;
}

static vw_status make_directory(vw_merge *m, const vw_merge_source *s) {
  char partial[VW_PATH_BYTES];
  const mode_t mask = umask(0);
  (void)umask(mask);
  VW_TRY(vw_path_format(partial, "%s.merging-XXXXXX", m->out));
  VW_CHECK(mkdtemp(partial), VW_ERR_IO, "%s: cannot make the folder: %s", m->out, strerror(errno));
  (void)chmod(partial, 0777 & ~mask); /* mkdtemp makes it for its owner alone */
  vw_status st = fill(m, s, partial);
  if (st == VW_OK) st = put_in_place(partial, m->out);
  if (st != VW_OK) vw_merge_remove(partial);
  return st;
}

/* Told before anything is read. */
static vw_status check_target(const char *out) {
  struct stat info;
  int n = 0;
  if (lstat(out, &info) != 0) return VW_OK;
  DIR *list = S_ISDIR(info.st_mode) ? opendir(out) : NULL;
  while (list && readdir(list)) n++;
  if (list) (void)closedir(list);
  VW_CHECK(n == 2, VW_ERR_INPUT, "%s: is there already, and stays as it is; choose another -o", out); /* . and .. */
  return VW_OK;
}

vw_status vw_merge_directories(vw_merge *m) {
  vw_merge_source *s = calloc((size_t)m->n, sizeof *s);
  vw_status st = s ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "merge: out of memory");
  VW_GOTO(check_target(m->out));
  for (int64_t i = 0; i < m->n; i++) VW_GOTO(vw_merge_source_open(&s[i], m->dir[i]));
  VW_GOTO(compare_all(m, s));
  VW_GOTO(make_directory(m, s));
cleanup:
  for (int64_t i = 0; s && i < m->n; i++) vw_merge_source_close(&s[i]);
  free(s);
  return st;
}
