/* /pictures of study.h5: what judging kept of words beside their metrics, and the pictures that it was found in. The same
 * of carried words stands below /transfer. Rank 0 has the numbers. */
#include "results/collect/collect_writer.h"

#include <stdlib.h>
#include <string.h>

/* ---- numbers of rows --------------------------------------------------------------------------------------------- */

/* Scales of the dimensions behind the rows, in `group`. */
static vw_status write_scales(const vw_writer *w, const char *group, const vw_kept_numbers *kept) {
  const vw_kept_kind *k = kept->kind;
  for (int i = 0; i < k->ndim; i++) {
    vw_file_path path;
    VW_TRY(vw_writer_path(path, group, k->scale[i], ""));
    if (k->labels && i == k->ndim - 1)
      VW_TRY(vw_table_text_scale(w->f, w->ranks, path, k->scale_help[i], k->labels, kept->dim[i]));
    else
      VW_TRY(vw_writer_count(w, path, k->scale_help[i], kept->dim[i]));
  }
  return VW_OK;
}

/* Numbers of n rows under a name; their scales are there. */
static vw_status write_numbers(const vw_writer *w, const char *group, const char *prefix, const char *row_scale,
                               const vw_kept_numbers *kept, int64_t n) {
  const vw_kept_kind *k = kept->kind;
  const vw_row_range all = {0, n};
  vw_file_path path, scale[VW_KEPT_DIMS];
  VW_TRY(vw_writer_path(path, group, prefix, k->name));
  vw_study_data d = {.path = path, .dtype = VW_F32, .ndim = 1 + k->ndim, .dim = {n}, .units = k->units};
  d.description = k->help, d.scale[0] = row_scale;
  for (int i = 0; i < k->ndim; i++) {
    VW_TRY(vw_writer_path(scale[i], group, k->scale[i], ""));
    d.dim[1 + i] = kept->dim[i], d.scale[1 + i] = scale[i];
  }
  return vw_study_file_write_rows(w->f, &d, &all, w->ranks->rank == 0, kept->numbers);
}

vw_status vw_writer_kept(const vw_writer *w, const char *group, const char *row_scale, const vw_kept_numbers *kept,
                         int64_t n) {
  if (!kept->kind) return VW_OK;
  VW_TRY(write_scales(w, group, kept));
  return write_numbers(w, group, "", row_scale, kept, n);
}

/* ---- the pictures ------------------------------------------------------------------------------------------------ */

typedef struct shown_row {
  const char *data, *concept, *file;
  int64_t picture, width, height;
} shown_row;

static const vw_column shown_columns[] = {
    VW_TEXT(shown_row, data, "data", "data set, name in the study"),
    VW_TEXT(shown_row, concept, "concept", "whose words' numbers are of this picture"),
    VW_NUMBER(shown_row, picture, VW_I64, "place", "1", "its place in the dimension `picture`"),
    VW_TEXT(shown_row, file, "file", "where it lies below the data set's root"),
    VW_NUMBER(shown_row, width, VW_I64, "width", "px", "of the picture"),
    VW_NUMBER(shown_row, height, VW_I64, "height", "px", "of the picture"),
};

/* The path below the root: that of the machine is none of the study's results. */
static const char *below_root(const vw_picture_set *set, const char *path) {
  const size_t n = strlen(set->data->root);
  const char *name = strrchr(path, '/');
  if (strncmp(path, set->data->root, n) == 0 && path[n] == '/') return path + n + 1;
  return name ? name + 1 : path;
}

/* Appends the pictures of a data set's concepts. rows: room for all. */
static vw_status list_shown(const vw_writer *w, int64_t model, int64_t data, shown_row *rows, int64_t *n) {
  const vw_results_source *s = w->c->s;
  const vw_task_kind *task = vw_collect_task(w->c, model);
  const vw_task_inputs in = {.network = s->networks[model],
                             .model = &s->config->models[model],
                             .pictures = s->pictures[model * s->config->n_data + data],
                             .seed = s->config->seed};
  const vw_names *concepts = &vw_study_data_of(s->config, model, data)->concepts;
  for (int64_t k = 0; k < concepts->n; k++) {
    const vw_scene *scene[VW_MOST_SHOWN];
    int64_t shown = 0;
    VW_TRY(task->shown(&in, concepts->name[k], scene, &shown));
    for (int64_t i = 0; i < shown; i++)
      rows[(*n)++] = (shown_row){.data = s->config->data[data].name,
                                 .concept = concepts->name[k],
                                 .file = below_root(in.pictures, scene[i]->picture.path),
                                 .picture = i,
                                 .width = scene[i]->width,
                                 .height = scene[i]->height};
  }
  return VW_OK;
}

/* Every rank knows the pictures. */
static vw_status write_shown(const vw_writer *w, int64_t model, const char *group) {
  const vw_study_config *config = w->c->s->config;
  vw_file_path table, scale;
  int64_t most = 1, n = 0;
  if (!vw_collect_task(w->c, model)->shown) return VW_OK;
  for (int64_t d = 0; d < config->n_data; d++)
    if (vw_study_learns_on(config, model, d)) most += vw_study_data_of(config, model, d)->concepts.n * VW_MOST_SHOWN;
  shown_row *rows = calloc((size_t)most, sizeof *rows);
  vw_status st = VW_OK;
  VW_GOTO(vw_writer_memory(w, rows != NULL));
  for (int64_t d = 0; st == VW_OK && d < config->n_data; d++)
    if (vw_study_learns_on(config, model, d)) st = list_shown(w, model, d, rows, &n);
  VW_GOTO(vw_agree_message(w->ranks, st));
  VW_GOTO(vw_writer_path(table, group, "shown", ""));
  VW_GOTO(vw_writer_path(scale, table, "row", ""));
  VW_GOTO(vw_writer_count(w, scale, "picture of a concept", n));
  VW_GOTO(vw_writer_table(w, table, scale, rows, sizeof *rows, n, shown_columns,
                          (int64_t)(sizeof shown_columns / sizeof *shown_columns)));
cleanup:
  free(rows);
  return st;
}

/* ---- a model ----------------------------------------------------------------------------------------------------- */

static vw_status write_trial_scale(const vw_writer *w, int64_t model, const char *path) {
  const vw_collected *c = w->c;
  int64_t n = 0, *rows = malloc((size_t)(c->n + 1) * sizeof *rows);
  vw_status st = vw_writer_memory(w, rows != NULL);
  for (int64_t i = 0; st == VW_OK && i < c->n; i++)
    if (c->trial[i]->model_index == model) rows[n++] = i;
  if (st == VW_OK) st = vw_table_scale(w->f, w->ranks, path, "row of /trials", "1", rows, n);
  free(rows);
  return st;
}

/* Places among the rows of /evaluation/<task>_baselines, which are those of all models of the task. */
static vw_status write_baseline_scale(const vw_writer *w, int64_t model, const char *path) {
  const vw_collected *c = w->c;
  const vw_task_kind *task = vw_collect_task(c, model);
  int64_t n = 0, place = 0, *rows = malloc((size_t)(c->n_baselines + 1) * sizeof *rows);
  vw_status st = vw_writer_memory(w, rows != NULL);
  for (int64_t i = 0; st == VW_OK && i < c->n_baselines; i++) {
    if (c->baselines[i].model_index == model) rows[n++] = place;
    place += vw_collect_task(c, c->baselines[i].model_index) == task;
  }
  if (st == VW_OK) st = vw_table_scale(w->f, w->ranks, path, "row of /evaluation/<task>_baselines", "1", rows, n);
  free(rows);
  return st;
}

static vw_status write_model(const vw_writer *w, int64_t model) {
  const vw_kept_part *p = &w->c->kept[model];
  vw_file_path group, trial, baseline;
  VW_TRY(vw_writer_path(group, "/pictures", w->c->s->config->models[model].name, ""));
  VW_TRY(vw_writer_path(trial, group, "trial", ""));
  VW_TRY(write_trial_scale(w, model, trial));
  VW_TRY(vw_writer_kept(w, group, trial, &p->words, w->c->model_n[model]));
  if (p->n_baselines) {
    VW_TRY(vw_writer_path(baseline, group, "baseline", ""));
    VW_TRY(write_baseline_scale(w, model, baseline));
    VW_TRY(write_numbers(w, group, "baseline_", baseline, &p->baselines, p->n_baselines));
  }
  return write_shown(w, model, group);
}

vw_status vw_write_kept(const vw_writer *w) {
  for (int64_t m = 0; m < w->c->s->config->n_models; m++)
    if (w->c->kept[m].words.kind) VW_TRY(write_model(w, m));
  return VW_OK;
}
