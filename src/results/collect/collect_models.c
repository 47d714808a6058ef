/* /words, /loss, /loss_fixed and /loss_watch of study.h5: one data set a model, as widths and points differ. */
#include "results/collect/collect_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- /words, /loss, /loss_fixed of a model ----------------------------------------------------------------------- */

typedef struct model_part {
  int64_t model, vectors, width, points; /* vectors of a word */
  vw_dtype type;
  int64_t *steps;        /* [points] */
  vw_row_range *present; /* this rank's rows whose blocks are there, among the model's */
  int64_t n_present;
} model_part;

/* Calls `copy` for every row of the model that this rank has, in the order of part->present. */
typedef vw_status (*copy_row)(const vw_safetensors *f, const vw_block *b, int64_t k, const model_part *part, char **to);
static vw_status each_row(const vw_writer *w, const model_part *part, copy_row copy, char *to) {
  const vw_plan *p = w->c->s->plan;
  for (int64_t i = 0; i < p->n_blocks; i++) {
    const vw_block *b = &p->blocks[i];
    if (!w->c->file[i] || b->model_index != part->model) continue;
    for (int64_t k = 0; k < b->n; k++)
      if (p->trials[b->first + k].row >= 0) VW_TRY(copy(w->c->file[i], b, k, part, &to));
  }
  return VW_OK;
}

static vw_status copy_word(const vw_safetensors *f, const vw_block *b, int64_t k, const model_part *part, char **to) {
  vw_tensor t;
  const int64_t bytes = part->vectors * part->width * (int64_t)vw_dtype_bytes(part->type);
  VW_TRY(vw_safetensors_find(f, "words", &t));
  const bool has_shape = part->vectors > 1 ? t.ndim == 3 && t.dim[1] == part->vectors : t.ndim == 2;
  VW_CHECK(t.dtype == part->type && has_shape && t.dim[0] == b->n && vw_last_dim(&t) == part->width, VW_ERR_INPUT,
           "%s: words are %s %s, the network has width %" PRId64 "; delete the file and run again",
           vw_safetensors_path(f), vw_dtype_name(t.dtype), vw_shape_text(&t), part->width);
  memcpy(*to, (const char *)t.data + k * bytes, (size_t)bytes);
  *to += bytes;
  return VW_OK;
}

static vw_status copy_history(const vw_safetensors *f, const vw_block *b, int64_t k, const model_part *part,
                              char **to) {
  vw_tensor t;
  VW_TRY(vw_safetensors_find(f, "history", &t));
  VW_CHECK(t.dtype == VW_F64 && t.ndim == 2 && t.dim[0] == part->points && t.dim[1] == b->n, VW_ERR_INPUT,
           "%s: history is %s, expected [%" PRId64 ", %" PRId64 "]; delete the file and run again",
           vw_safetensors_path(f), vw_shape_text(&t), part->points, b->n);
  for (int64_t i = 0; i < part->points; i++) {
    VW_TRY(vw_convert(*to, part->type, (const double *)t.data + i * b->n + k, VW_F64, 1));
    *to += vw_dtype_bytes(part->type);
  }
  return VW_OK;
}

/* The looks that the study asks for; NaN where a block was not looked at then: no trial depends on looks, so blocks may
 * be older than the study's wish for them. */
static vw_status copy_looks(const vw_safetensors *f, const vw_block *b, int64_t k, const model_part *part, char **to) {
  double *out = (double *)(void *)*to;
  vw_tensor t, at;
  *to += part->points * (int64_t)sizeof *out;
  for (int64_t i = 0; i < part->points; i++) out[i] = NAN;
  if (!vw_safetensors_has(f, "looked")) return VW_OK;
  VW_TRY(vw_safetensors_find(f, "looked", &t));
  VW_TRY(vw_safetensors_find(f, "look_step", &at));
  VW_CHECK(t.dtype == VW_F64 && t.ndim == 2 && t.dim[1] == b->n && at.dtype == VW_I64 && vw_count(&at) == t.dim[0],
           VW_ERR_INPUT, "%s: looked is %s, of %" PRId64 " words; delete the file and run again",
           vw_safetensors_path(f), vw_shape_text(&t), b->n);
  const int64_t *step = at.data;
  for (int64_t i = 0, j = 0; i < t.dim[0]; i++) {
    while (j < part->points && part->steps[j] < step[i]) j++;
    if (j < part->points && part->steps[j] == step[i]) out[j] = ((const double *)t.data)[i * b->n + k];
  }
  return VW_OK;
}

/* Steps of the stored losses: the same in all blocks of a model, known from those that are there. */
static vw_status read_steps(const vw_writer *w, model_part *part) {
  const vw_plan *p = w->c->s->plan;
  const int64_t *steps = NULL;
  vw_tensor t;
  vw_status st = VW_OK;
  for (int64_t i = 0; i < p->n_blocks && !steps; i++) {
    if (!w->c->file[i] || p->blocks[i].model_index != part->model) continue;
    st = vw_safetensors_find(w->c->file[i], "history_step", &t);
    if (st == VW_OK && t.dtype == VW_I64 && t.ndim == 1) steps = t.data, part->points = t.dim[0];
  }
  VW_TRY(vw_agree_message(w->ranks, st));
  VW_TRY(vw_ranks_reduce(w->ranks, &part->points, 1, VW_REDUCE_MAX));
  part->steps = malloc((size_t)(part->points + 1) * sizeof *part->steps);
  VW_TRY(vw_writer_memory(w, part->steps != NULL));
  for (int64_t i = 0; i < part->points; i++) part->steps[i] = steps ? steps[i] : -1;
  return vw_ranks_reduce(w->ranks, part->steps, (int)part->points, VW_REDUCE_MAX);
}

static vw_status list_present(const vw_writer *w, model_part *part) {
  const vw_plan *p = w->c->s->plan;
  part->present = calloc((size_t)w->c->n_mine + 1, sizeof *part->present);
  VW_TRY(vw_writer_memory(w, part->present != NULL));
  for (int64_t i = 0; i < p->n_blocks; i++) {
    const vw_block *b = &p->blocks[i];
    if (!w->c->file[i] || b->model_index != part->model) continue;
    for (int64_t k = 0; k < b->n; k++) {
      const int64_t row = p->trials[b->first + k].row;
      if (row >= 0) part->present[part->n_present++] = (vw_row_range){w->c->rows[row].model_row, 1};
    }
  }
  return VW_OK;
}

/* "GROUP/<model>_trial" in `path`: which rows of /trials are the model's. Every group has its own: netCDF finds a scale
 * in the group of what it belongs to, or above. */
static vw_status write_trial_scale(const vw_writer *w, const model_part *part, const char *group, vw_file_path path) {
  const vw_collected *c = w->c;
  int64_t n = 0, *rows = malloc((size_t)(c->n + 1) * sizeof *rows);
  vw_status st = VW_OK;
  VW_GOTO(vw_writer_memory(w, rows != NULL));
  for (int64_t i = 0; i < c->n; i++)
    if (c->trial[i]->model_index == part->model) rows[n++] = i;
  VW_GOTO(vw_writer_path(path, group, c->s->config->models[part->model].name, "_trial"));
  VW_GOTO(vw_table_scale(w->f, w->ranks, path, "row of /trials", "1", rows, n));
cleanup:
  free(rows);
  return st;
}

/* Numbers [n_model, ...] of this rank's rows; d->ndim and d->dim but the first are set. */
static vw_status write_matrix(const vw_writer *w, const model_part *part, vw_study_data *d, copy_row copy) {
  const int64_t n = w->c->model_n[part->model];
  const int64_t columns = d->dim[1] * (d->ndim > 2 ? d->dim[2] : 1);
  char *rows = malloc((size_t)(part->n_present * columns) * vw_dtype_bytes(part->type) + 1);
  vw_status st = vw_writer_memory(w, rows != NULL);
  d->dtype = part->type, d->dim[0] = n;
  if (st == VW_OK) st = vw_agree_message(w->ranks, each_row(w, part, copy, rows));
  if (st == VW_OK) st = vw_study_file_write_rows(w->f, d, part->present, part->n_present, rows);
  free(rows);
  return st;
}

static vw_status write_words(const vw_writer *w, const model_part *part, const char *model) {
  vw_file_path path, channel, trial, vector;
  VW_TRY(write_trial_scale(w, part, "/words", trial));
  VW_TRY(vw_writer_path(path, "/words", model, ""));
  VW_TRY(vw_writer_path(channel, "/words", model, "_channel"));
  VW_TRY(vw_writer_count(w, channel, "component of the embedding", part->width));
  vw_study_data d = {.path = path, .ndim = 2, .dim = {0, part->width}, .units = "1"};
  d.description = "learned word embeddings", d.scale[0] = trial, d.scale[1] = channel;
  if (part->vectors > 1) {
    VW_TRY(vw_writer_path(vector, "/words", model, "_vector"));
    VW_TRY(vw_writer_count(w, vector, "vector of a word", part->vectors));
    d.ndim = 3, d.dim[1] = part->vectors, d.dim[2] = part->width, d.scale[1] = vector, d.scale[2] = channel;
  }
  return write_matrix(w, part, &d, copy_word);
}

static vw_status write_loss(const vw_writer *w, const model_part *part, const char *model) {
  vw_file_path path, step, trial;
  VW_TRY(write_trial_scale(w, part, "/loss", trial));
  VW_TRY(vw_writer_path(path, "/loss", model, ""));
  VW_TRY(vw_writer_path(step, "/loss", model, "_step"));
  VW_TRY(vw_table_scale(w->f, w->ranks, step, "training step", "1", part->steps, part->points));
  vw_study_data d = {.path = path,
                     .ndim = 2,
                     .dim = {0, part->points},
                     .units = vw_collect_task(w->c, part->model)->loss_unit,
                     .description = "training loss"};
  d.scale[0] = trial, d.scale[1] = step;
  return write_matrix(w, part, &d, copy_history);
}

static vw_status write_fixed_loss(const vw_writer *w, const model_part *part, const char *model) {
  const vw_collected *c = w->c;
  vw_file_path path, trial;
  double *x = malloc((size_t)(c->n_mine + 1) * 2 * sizeof *x);
  vw_row_range *ranges = malloc((size_t)(c->n_mine + 1) * sizeof *ranges);
  int64_t n = 0;
  vw_status st = VW_OK;
  VW_GOTO(vw_writer_memory(w, x && ranges));
  VW_GOTO(write_trial_scale(w, part, "/loss_fixed", trial));
  VW_GOTO(vw_writer_path(path, "/loss_fixed", model, ""));
  for (int64_t i = 0; i < c->n_mine; i++) {
    const vw_trial_row *r = &c->rows[c->mine[i]];
    if (c->trial[c->mine[i]]->model_index != part->model) continue;
    x[2 * n] = r->loss_start, x[2 * n + 1] = r->loss_end;
    ranges[n++] = (vw_row_range){r->model_row, 1};
  }
  vw_study_data d = {.path = path,
                     .dtype = VW_F64,
                     .ndim = 2,
                     .dim = {c->model_n[part->model], 2},
                     .units = vw_collect_task(w->c, part->model)->loss_unit};
  d.description = "loss on the fixed set, before the first and after the last step";
  d.scale[0] = trial, d.scale[1] = "/loss_fixed/when";
  VW_GOTO(vw_study_file_write_rows(w->f, &d, ranges, n, x));
cleanup:
  free(x), free(ranges);
  return st;
}

/* What was seen of words on the way, where the study asks for it. */
static vw_status write_looks(const vw_writer *w, const model_part *of, const char *model) {
  const vw_learn_config *learn = &w->c->s->config->models[of->model].learn;
  vw_file_path path, step, trial;
  model_part part = *of;
  if (!learn->watch_every) return VW_OK;
  part.type = VW_F64, part.points = learn->steps / learn->watch_every + 1;
  part.steps = malloc((size_t)part.points * sizeof *part.steps);
  vw_status st = vw_writer_memory(w, part.steps != NULL);
  for (int64_t i = 0; st == VW_OK && i < part.points; i++) part.steps[i] = i * learn->watch_every;
  if (st == VW_OK) st = write_trial_scale(w, &part, "/loss_watch", trial);
  if (st == VW_OK) st = vw_writer_path(path, "/loss_watch", model, "");
  if (st == VW_OK) st = vw_writer_path(step, "/loss_watch", model, "_watch_step");
  if (st == VW_OK) st = vw_table_scale(w->f, w->ranks, step, "training step", "1", part.steps, part.points);
  vw_study_data d = {.path = path,
                     .ndim = 2,
                     .dim = {0, part.points},
                     .units = vw_collect_task(w->c, part.model)->loss_unit,
                     .description = "loss on the fixed set after so many steps; NaN: not looked at, or stopped before"};
  d.scale[0] = trial, d.scale[1] = step;
  if (st == VW_OK) st = write_matrix(w, &part, &d, copy_looks);
  free(part.steps);
  return st;
}

static vw_status write_model_part(const vw_writer *w, model_part *part) {
  const char *model = w->c->s->config->models[part->model].name;
  VW_TRY(read_steps(w, part));
  VW_TRY(list_present(w, part));
  VW_TRY(write_words(w, part, model));
  VW_TRY(write_loss(w, part, model));
  VW_TRY(write_fixed_loss(w, part, model));
  return write_looks(w, part, model);
}

vw_status vw_write_models(const vw_writer *w) {
  static const char *const when[] = {"start", "end"};
  VW_TRY(vw_table_text_scale(w->f, w->ranks, "/loss_fixed/when", "before the first, after the last step", when, 2));
  for (int64_t m = 0; m < w->c->s->config->n_models; m++) {
    const vw_network *network = w->c->s->networks[m];
    model_part part = {
        .model = m, .vectors = w->c->s->config->models[m].vectors, .width = network->width, .type = network->word_type};
    const vw_status st = write_model_part(w, &part);
    free(part.steps), free(part.present);
    VW_TRY(st);
  }
  return VW_OK;
}
