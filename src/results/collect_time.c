#include "results/collect_time.h"

#include "core/random.h"
#include "io/block_file.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct amounts {
  double rows, numbers, bytes; /* trials and baselines; metrics of all of them; of block files */
} amounts;

static int64_t baseline_rows(const vw_study_config *c) {
  return 2 + c->anchors.n * (1 + c->deltas.n);
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
               ((double)(2 * s->networks[b->model_index]->width) + (double)c->models[b->model_index].learn.loss_points);
  }
  for (int64_t m = 0; m < c->n_models; m++)
    for (int64_t d = 0; d < c->n_data; d++) {
      const double n = (double)(c->data[d].concepts.n * baseline_rows(c));
      a.rows += n, a.numbers += n * s->kinds[m]->task->n_metrics;
    }
  return a;
}

vw_status vw_collect_time_name(const vw_results_source *s, vw_timed_name *name) {
  static const double quantities = 3, operations = 8; /* of a number in a resample: about */
  const amounts a = amounts_of(s);
  memset(name, 0, sizeof *name);
  (void)snprintf(name->kind, sizeof name->kind, "collect");
  name->shape = vw_hash_bytes(&a, sizeof a);
  name->flops = a.numbers * VW_RESAMPLES * quantities * operations + 4 * a.bytes;
  return VW_OK;
}

bool vw_can_time_collect(const vw_results_source *s) {
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
  VW_TRY(
      vw_block_made_up_write(s->out, b, trials, &s->config->models[b->model_index].learn, s->networks[b->model_index]));
  vw_status st = make_metrics(b->n, task, (uint64_t)i, &metrics);
  if (st == VW_OK) st = vw_block_evaluation_write(s->out, b, trials, task, metrics);
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
  const vw_task_kind *task = s->kinds[m]->task;
  vw_baselines b = {.concept = c->data[d].concepts.name[k]};
  char id[VW_BLOCK_ID];
  double *metrics = NULL;
  vw_status st = VW_OK;
  VW_TRY(vw_results_baseline_id(s, m, d, k, id));
  b.rows = calloc((size_t)baseline_rows(c), sizeof *b.rows);
  VW_CHECK(b.rows, VW_ERR_MEMORY, "timing: out of memory");
  set_row(&b.rows[b.n++], "name", "", -1), set_row(&b.rows[b.n++], "random_word", "", -1);
  for (int64_t a = 0; a < c->anchors.n; a++) {
    set_row(&b.rows[b.n++], "anchor", c->anchors.name[a], -1);
    for (int64_t i = 0; i < c->deltas.n; i++)
      set_row(&b.rows[b.n++], "random_direction", c->anchors.name[a], c->deltas.v[i]);
  }
  VW_GOTO(make_metrics(b.n, task, (uint64_t)k, &metrics));
  VW_GOTO(vw_baselines_write(s->out, id, c->models[m].name, c->data[d].name, task, &b, metrics));
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
      for (int64_t k = 0; k < s->config->data[d].concepts.n; k++) VW_TRY(make_baselines(s, m, d, k));
  return VW_OK;
}

/* ---- the time ---------------------------------------------------------------------------------------------------- */

static vw_status gather(const vw_results_source *s) {
  vw_collected c;
  vw_status st = VW_OK;
  VW_GOTO(vw_collect_read(s, &c));
  VW_GOTO(vw_collect_study_file(&c));
  VW_GOTO(vw_collect_csv(&c));
  VW_GOTO(vw_collect_figures(&c));
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
