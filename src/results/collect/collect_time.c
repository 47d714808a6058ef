#include "results/collect/collect_time.h"

#include "core/random.h"
#include "io/block_file.h"
#include "results/figures/figures.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct amounts {
  double rows, numbers, bytes; /* trials and baselines; metrics of all of them; of block files */
} amounts;

static int64_t baseline_rows(const vw_study_config *c, int64_t model) {
  const vw_trials_config *t = &c->models[model].trials;
  return 2 + t->anchors.n * (1 + t->deltas.n);
}

static int64_t concepts_of(const vw_study_config *c, int64_t model, int64_t data) {
  return vw_study_learns_on(c, model, data) ? vw_study_data_of(c, model, data)->concepts.n : 0;
}

static amounts amounts_of(const vw_results_source *s) {
  const vw_study_config *c = s->config;
  amounts a = {0};
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    if (!vw_block_is_active(b)) continue;
    const double n = (double)b->n;
    a.rows += n, a.numbers += n * s->kinds[b->model_index]->task->n_metrics;
    a.bytes += n * 8 *
               ((double)((1 + c->models[b->model_index].vectors) * s->networks[b->model_index]->width) +
                (double)c->models[b->model_index].learn.loss_points);
  }
  for (int64_t m = 0; m < c->n_models; m++)
    for (int64_t d = 0; d < c->n_data; d++) {
      const double n = (double)(concepts_of(c, m, d) * baseline_rows(c, m));
      a.rows += n, a.numbers += n * s->kinds[m]->task->n_metrics;
    }
  return a;
}

/* In nanoseconds of a processor of 2020, seen with 12 and 240 trials: only their ratios count where a time was ever
 * measured. Files are made and synced whatever is in them. */
static double nanoseconds(const amounts *a) {
  static const double of_files = 2e8, of_a_draw = 10, quantities = 3, of_a_byte = 20;
  return of_files + of_a_draw * quantities * VW_RESAMPLES * a->numbers + of_a_byte * a->bytes;
}

vw_status vw_collect_time_name(const vw_results_source *s, vw_timed_name *name) {
  const amounts a = amounts_of(s);
  memset(name, 0, sizeof *name);
  (void)snprintf(name->kind, sizeof name->kind, "collect");
  name->shape = vw_hash_bytes(&a, sizeof a);
  name->flops = nanoseconds(&a);
  return VW_OK;
}

double vw_collect_time_guess(const vw_results_source *s) {
  const amounts a = amounts_of(s);
  return 1e-9 * nanoseconds(&a);
}

bool vw_can_time_collect(const vw_results_source *s) {
  for (int64_t i = 0; i < s->config->n_models * s->config->n_data; i++)
    if (s->pictures[i] && s->pictures[i]->is_counted) return false;
  return amounts_of(s).bytes < 0x1p30;
}

/* ---- made-up results --------------------------------------------------------------------------------------------- */

/* [n, task's metrics] from 0 to 1, malloc'ed. */
static vw_status make_metrics(int64_t n, const vw_task_kind *task, uint64_t key, double **metrics) {
  *metrics = malloc((size_t)(n * task->n_metrics) * sizeof **metrics + 1);
  VW_CHECK(*metrics, VW_ERR_MEMORY, "timing: out of memory");
  for (int64_t i = 0; i < n * task->n_metrics; i++)
    (*metrics)[i] = vw_uniform(vw_draw_u32(key, 0, (uint32_t)(i >> 32), (uint32_t)i));
  return VW_OK;
}

static vw_status make_block(const vw_results_source *s, int64_t i) {
  const vw_block *b = &s->plan->blocks[i];
  const vw_trial *trials = s->plan->trials + b->first;
  const vw_task_kind *task = s->kinds[b->model_index]->task;
  double *metrics = NULL;
  VW_TRY(vw_block_made_up_write(s->out, b, trials, &s->config->models[b->model_index].learn,
                                s->networks[b->model_index], s->config->models[b->model_index].vectors));
  vw_status st = make_metrics(b->n, task, (uint64_t)i, &metrics);
  if (st == VW_OK) st = vw_block_evaluation_write(s->out, b, trials, task, metrics, &(vw_kept_numbers){0});
  free(metrics);
  return st;
}

static void set_row(vw_baseline_row *r, const char *kind, const char *anchor, double delta) {
  *r = (vw_baseline_row){.kind = kind, .anchor = anchor, .is_judged = true};
  if (delta >= 0) vw_delta_text(delta, r->delta);
  (void)snprintf(r->word, sizeof r->word, "word");
}

static vw_status make_baselines(const vw_results_source *s, int64_t m, int64_t d, int64_t k) {
  const vw_study_config *c = s->config;
  const vw_trials_config *t = &c->models[m].trials;
  const vw_task_kind *task = s->kinds[m]->task;
  const vw_baselines_of of = {.model = c->models[m].name, .data = c->data[d].name};
  vw_baselines b = {.concept = vw_study_data_of(c, m, d)->concepts.name[k]};
  char id[VW_BLOCK_ID];
  double *metrics = NULL;
  vw_status st = VW_OK;
  VW_TRY(vw_results_baseline_id(s, m, d, k, id));
  b.rows = calloc((size_t)baseline_rows(c, m), sizeof *b.rows);
  VW_CHECK(b.rows, VW_ERR_MEMORY, "timing: out of memory");
  set_row(&b.rows[b.n++], "name", "", -1), set_row(&b.rows[b.n++], "random_word", "", -1);
  for (int64_t a = 0; a < t->anchors.n; a++) {
    set_row(&b.rows[b.n++], "anchor", t->anchors.name[a], -1);
    for (int64_t i = 0; i < t->deltas.n; i++)
      set_row(&b.rows[b.n++], "random_direction", t->anchors.name[a], t->deltas.v[i]);
  }
  VW_GOTO(make_metrics(b.n, task, (uint64_t)k, &metrics));
  VW_GOTO(vw_baselines_write(s->out, id, &of, task, &b, metrics, &(vw_kept_numbers){0}));
cleanup:
  free(b.rows), free(metrics);
  return st;
}

static vw_status make_all(const vw_results_source *s) {
  static const char plan[] = "# made up, to be timed\n";
  char path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(path, "%s/plan.yaml", s->out));
  VW_TRY(vw_file_write(path, plan, (int64_t)sizeof plan - 1));
  VW_TRY(vw_block_folder_open(s->out));
  for (int64_t i = 0; i < s->plan->n_blocks; i++)
    if (vw_block_is_active(&s->plan->blocks[i])) VW_TRY(make_block(s, i));
  for (int64_t m = 0; m < s->config->n_models; m++)
    for (int64_t d = 0; d < s->config->n_data; d++)
      for (int64_t k = 0; k < concepts_of(s->config, m, d); k++) VW_TRY(make_baselines(s, m, d, k));
  return VW_OK;
}

/* ---- the time ---------------------------------------------------------------------------------------------------- */

static vw_status gather(const vw_results_source *s) {
  vw_collected c;
  vw_status st = VW_OK;
  VW_GOTO(vw_collect_read(s, &c));
  VW_GOTO(vw_collect_spread(&c));
  VW_GOTO(vw_collect_study_file(&c));
  VW_GOTO(vw_collect_csv(&c));
  VW_GOTO(vw_figures_make(s->out, VW_FIGURES_OF_COLLECT, NULL, NULL));
cleanup:
  vw_collected_free(&c);
  return st;
}

static int remove_one(const char *path, const struct stat *info, int what, struct FTW *where) {
  (void)info, (void)what, (void)where;
  (void)remove(path); /* what stays is swept with the cache */
  return 0;
}

vw_status vw_collect_time(const vw_results_source *s, double *seconds) {
  vw_results_source made_up = *s;
  made_up.stop = NULL;
  char folder[VW_PATH_BYTES];
  *seconds = 0;
  VW_TRY(vw_folder_make(s->cache));
  VW_TRY(vw_path_format(folder, "%s/timing-XXXXXX", s->cache));
  VW_CHECK(mkdtemp(folder), VW_ERR_IO, "%s: cannot make the folder: %s", folder, strerror(errno));
  made_up.out = folder;
  vw_status st = make_all(&made_up);
  const double start = vw_seconds();
  if (st == VW_OK) st = gather(&made_up);
  *seconds = vw_seconds() - start;
  (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  return st;
}
