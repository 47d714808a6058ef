/* Block files into rows: every rank reads its share, then all know all rows. */
#include "results/collect/collect.h"

#include "core/log.h"
#include "io/block_file.h"
#include "learn/block_io.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

_Static_assert((int)VW_MOST_METRICS == (int)VW_SUMMARY_METRICS, "a summary is of the tasks' metrics");

/* ---- what the plan says ------------------------------------------------------------------------------------------ */

static vw_status allocate(vw_collected *c) {
  const vw_plan *p = c->s->plan;
  const size_t n = (size_t)p->n_selected + 1;
  c->trial = calloc(n, sizeof *c->trial), c->rows = calloc(n, sizeof *c->rows), c->mine = calloc(n, sizeof *c->mine);
  c->model_n = calloc((size_t)c->s->config->n_models, sizeof *c->model_n);
  c->file = calloc((size_t)p->n_blocks + 1, sizeof(*c->file));
  VW_CHECK(c->trial && c->rows && c->mine && c->model_n && c->file, VW_ERR_MEMORY,
           "collect: no memory for %" PRId64 " trials", p->n_selected);
  c->n = p->n_selected;
  return VW_OK;
}

/* The row of a trial as the plan has it, nothing learned yet. */
static void plan_row(const vw_trial *t, const vw_block *b, vw_trial_row *r) {
  *r = (vw_trial_row){.row = t->row, .replica = t->replica, .delta = t->delta, .is_null = t->null_concept};
  r->distance_over_radius = r->loss_start = r->loss_end = r->kkt = r->grad_norm = r->seconds = NAN;
  for (int i = 0; i < VW_MOST_METRICS; i++) r->metrics[i] = NAN;
  vw_hash_text(t->id, r->id), vw_hash_text(t->data_hash, r->pictures);
  vw_hash_text(b->weights, r->weights), vw_hash_text(b->protocol, r->protocol);
}

static vw_status plan_rows(vw_collected *c) {
  const vw_plan *p = c->s->plan;
  for (int64_t i = 0; i < p->n_blocks; i++) {
    const vw_block *b = &p->blocks[i];
    if (!vw_block_is_active(b)) continue;
    const bool is_mine = c->blocks++ % c->s->ranks.size == c->s->ranks.rank;
    for (int64_t k = 0; k < b->n; k++) {
      const vw_trial *t = &p->trials[b->first + k];
      if (t->row < 0) continue;
      c->trial[t->row] = t;
      plan_row(t, b, &c->rows[t->row]);
      if (is_mine) c->mine[c->n_mine++] = t->row;
    }
  }
  for (int64_t i = 0; i < c->n; i++) {
    VW_CHECK(c->trial[i], VW_ERR_INPUT, "%s/plan.yaml: trial %" PRId64 " of the study is in no block; use a new -o",
             c->s->out, i);
    c->rows[i].model_row = c->model_n[c->trial[i]->model_index]++;
  }
  return VW_OK;
}

/* ---- one block --------------------------------------------------------------------------------------------------- */

/* Opens a file of a block; *file NULL: not there, or damaged (logged). */
static vw_status open_if_there(const vw_results_source *s, const char *id, vw_safetensors **file) {
  char path[VW_PATH_BYTES];
  *file = NULL;
  VW_TRY(vw_block_file_path(path, s->out, id));
  if (!vw_file_exists(path)) return VW_OK;
  const vw_status st = vw_block_file_open(s->out, id, file);
  if (st != VW_ERR_INPUT) return st;
  vw_log(VW_LOG_WARN, "block=%s is left out: %s", id, vw_error_message());
  vw_error_clear();
  return VW_OK;
}

/* The numbers of tensor `name`, which must be of this type and shape. */
static vw_status column(const vw_safetensors *f, const char *name, vw_dtype type, int64_t n, const void **data) {
  vw_tensor t;
  VW_TRY(vw_safetensors_find(f, name, &t));
  VW_CHECK(t.dtype == type && vw_count(&t) == n, VW_ERR_INPUT,
           "%s: tensor '%s' is %s %s, expected %" PRId64 " of %s; delete the file and run again",
           vw_safetensors_path(f), name, vw_dtype_name(t.dtype), vw_shape_text(&t), n, vw_dtype_name(type));
  *data = t.data;
  return VW_OK;
}

static vw_status metadata_number(const vw_safetensors *f, const char *key, double *v) {
  const char *text = vw_safetensors_metadata(f, key);
  char *end = NULL;
  *v = text ? strtod(text, &end) : 0;
  VW_CHECK(end && end != text && !*end, VW_ERR_INPUT, "%s: metadata '%s' is no number; delete the file and run again",
           vw_safetensors_path(f), key);
  return VW_OK;
}

/* The list in a metadata value; the caller calls json_decref. */
static vw_status metadata_list(const vw_safetensors *f, const char *key, int64_t n, json_t **list) {
  const char *text = vw_safetensors_metadata(f, key);
  *list = text ? json_loads(text, 0, NULL) : NULL;
  if (json_is_array(*list) && (n < 0 || (int64_t)json_array_size(*list) == n)) return VW_OK;
  json_decref(*list);
  *list = NULL;
  return VW_RAISE(VW_ERR_INPUT, "%s: metadata '%s' is no list of its rows; delete the file and run again",
                  vw_safetensors_path(f), key);
}

static const char *member(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

typedef struct block_columns {
  const double *loss_start, *loss_end, *grad_norm, *kkt, *radius, *distance;
  const uint8_t *on_sphere, *failed;
  const int64_t *rank_words, *rank_all;
  const double *history;
  int64_t points, every;
  const int64_t *steps_of; /* NULL: all words have done `steps` */
  double steps, seconds;
} block_columns;

/* Losses on the way, and where words stopped. */
static vw_status way_of(const vw_safetensors *f, int64_t K, block_columns *b) {
  vw_tensor t;
  const int64_t *step = NULL;
  VW_TRY(vw_safetensors_find(f, "history_step", &t));
  b->points = t.dim[0];
  VW_TRY(column(f, "history_step", VW_I64, b->points, (const void **)&step));
  VW_TRY(column(f, "history", VW_F64, b->points * K, (const void **)&b->history));
  b->every = b->points > 1 ? step[1] : 1;
  VW_CHECK(b->every > 0 && b->every < INT64_MAX / (b->points + 1), VW_ERR_INPUT,
           "%s: tensor 'history_step' does not rise; delete the file and run again", vw_safetensors_path(f));
  if (vw_safetensors_has(f, "steps")) VW_TRY(column(f, "steps", VW_I64, K, (const void **)&b->steps_of));
  return VW_OK;
}

static vw_status block_columns_of(const vw_safetensors *f, int64_t K, block_columns *b) {
  const struct {
    const char *name;
    vw_dtype type;
    const void **data;
  } columns[] = {
      {"loss_start", VW_F64, (const void **)&b->loss_start}, {"loss_end", VW_F64, (const void **)&b->loss_end},
      {"grad_norm", VW_F64, (const void **)&b->grad_norm},   {"kkt", VW_F64, (const void **)&b->kkt},
      {"radius", VW_F64, (const void **)&b->radius},         {"distance", VW_F64, (const void **)&b->distance},
      {"on_sphere", VW_U8, (const void **)&b->on_sphere},    {"failed", VW_U8, (const void **)&b->failed},
      {"rank_words", VW_I64, (const void **)&b->rank_words}, {"rank_all", VW_I64, (const void **)&b->rank_all}};
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
    VW_TRY(column(f, columns[i].name, columns[i].type, K, columns[i].data));
  VW_TRY(way_of(f, K, b));
  VW_TRY(metadata_number(f, "steps", &b->steps));
  return metadata_number(f, "seconds", &b->seconds);
}

/* How many steps a word has done, and why it ended so. */
static void fill_end(const block_columns *b, int64_t K, int64_t k, int64_t all, vw_trial_row *r) {
  r->steps = b->steps_of ? b->steps_of[k] : (int64_t)b->steps;
  r->is_stopped = r->steps < all, r->why[0] = 0;
  if (r->failed) {
    const int64_t stored = b->points * b->every, seen = r->steps < stored ? r->steps : stored;
    int64_t at = vw_block_failed_step(b->history, K, k, b->every, seen);
    if (at == seen) at = r->steps;
    (void)snprintf(r->why, sizeof r->why, "loss not finite at step %" PRId64, at);
  } else if (r->is_stopped) {
    (void)snprintf(r->why, sizeof r->why, "stopped early");
  }
}

static vw_status fill_rows(vw_collected *c, const vw_block *b, const vw_safetensors *f) {
  block_columns col = {0};
  json_t *list = NULL;
  VW_TRY(block_columns_of(f, b->n, &col));
  VW_TRY(metadata_list(f, "trials", b->n, &list));
  for (int64_t k = 0; k < b->n; k++) {
    const int64_t row = c->s->plan->trials[b->first + k].row;
    if (row < 0) continue;
    vw_trial_row *r = &c->rows[row];
    r->learned = 1, r->failed = col.failed[k] != 0, r->on_sphere = col.on_sphere[k] != 0;
    fill_end(&col, b->n, k, c->s->config->models[b->model_index].learn.steps, r);
    r->seconds = col.seconds / (double)b->n;
    r->rank_words = col.rank_words[k], r->rank_all = col.rank_all[k];
    r->loss_start = col.loss_start[k], r->loss_end = col.loss_end[k], r->grad_norm = col.grad_norm[k];
    r->kkt = col.kkt[k];
    r->distance_over_radius = isfinite(col.radius[k]) ? col.distance[k] / col.radius[k] : NAN;
    (void)snprintf(r->nearest_word, sizeof r->nearest_word, "%s", member(json_array_get(list, (size_t)k), "nearest"));
  }
  json_decref(list);
  return VW_OK;
}

static vw_status fill_metrics(vw_collected *c, const vw_block *b, const vw_safetensors *f) {
  const double *metrics = NULL;
  const int64_t n = vw_collect_task(c, b->model_index)->n_metrics;
  VW_TRY(column(f, "metrics", VW_F64, b->n * n, (const void **)&metrics));
  for (int64_t k = 0; k < b->n; k++) {
    const int64_t row = c->s->plan->trials[b->first + k].row;
    if (row < 0) continue;
    c->rows[row].judged = 1;
    memcpy(c->rows[row].metrics, metrics + k * n, (size_t)n * sizeof *metrics);
  }
  return VW_OK;
}

static vw_status read_block(vw_collected *c, int64_t i) {
  const vw_block *b = &c->s->plan->blocks[i];
  char id[VW_BLOCK_ID];
  vw_safetensors *judged = NULL;
  vw_block_file_id(b, "", id);
  VW_TRY(open_if_there(c->s, id, &c->file[i]));
  if (!c->file[i]) {
    c->missing_blocks++;
    return VW_OK;
  }
  VW_TRY(fill_rows(c, b, c->file[i]));
  vw_block_evaluation_id(b, id);
  VW_TRY(open_if_there(c->s, id, &judged));
  if (!judged) c->unjudged_blocks++;
  const vw_status st = judged ? fill_metrics(c, b, judged) : VW_OK;
  vw_safetensors_close(judged);
  return st;
}

static vw_status read_blocks(vw_collected *c) {
  int64_t active = 0;
  for (int64_t i = 0; i < c->s->plan->n_blocks; i++)
    if (vw_block_is_active(&c->s->plan->blocks[i]) && active++ % c->s->ranks.size == c->s->ranks.rank)
      VW_TRY(read_block(c, i));
  return VW_OK;
}

/* ---- baselines --------------------------------------------------------------------------------------------------- */

static int64_t place_of(const vw_names *names, const char *name) {
  for (int64_t i = 0; i < names->n; i++)
    if (!strcmp(names->name[i], name)) return i;
  return -1;
}

static bool kind_of(const char *text, vw_measured *what) {
  static const struct {
    const char *name;
    vw_measured what;
  } kinds[] = {{"anchor", VW_OF_ANCHOR},
               {"name", VW_OF_NAME},
               {"random_word", VW_OF_RANDOM_WORD},
               {"random_direction", VW_OF_RANDOM_DIRECTION}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(kinds[i].name, text)) {
      *what = kinds[i].what;
      return true;
    }
  return false;
}

/* Appends the rows of one concept's file to c->baselines. */
static vw_status add_baselines(vw_collected *c, const vw_baseline *where, const vw_safetensors *f) {
  const vw_names *anchors = &c->s->config->models[where->model_index].trials.anchors;
  json_t *list = NULL;
  const double *metrics = NULL;
  vw_status st = VW_OK;
  VW_TRY(metadata_list(f, "rows", -1, &list));
  const int64_t n = (int64_t)json_array_size(list), m = vw_collect_task(c, where->model_index)->n_metrics;
  VW_GOTO(column(f, "metrics", VW_F64, n * m, (const void **)&metrics));
  vw_baseline *all = realloc(c->baselines, (size_t)(c->n_baselines + n + 1) * sizeof *all);
  if (!all) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "collect: no memory for baselines"));
  c->baselines = all;
  for (int64_t i = 0; i < n; i++) {
    const json_t *row = json_array_get(list, (size_t)i);
    const char *anchor = member(row, "anchor"), *delta = member(row, "delta");
    vw_baseline *b = &all[c->n_baselines++];
    *b = *where;
    b->delta = *delta ? strtod(delta, NULL) : NAN;
    b->anchor_index = *anchor ? place_of(anchors, anchor) : -1;
    if (!kind_of(member(row, "kind"), &b->what) || (*anchor && b->anchor_index < 0))
      VW_GOTO(VW_RAISE(VW_ERR_INPUT,
                       "%s: row %" PRId64 " is of an unknown kind or anchor; delete the file and run again",
                       vw_safetensors_path(f), i));
    (void)snprintf(b->word_text, sizeof b->word_text, "%s", member(row, "word"));
    memcpy(b->metrics, metrics + i * m, (size_t)m * sizeof *metrics);
  }
cleanup:
  json_decref(list);
  return st;
}

static vw_status read_baselines(vw_collected *c) {
  const vw_results_source *s = c->s;
  int64_t item = 0;
  for (int64_t m = 0; m < s->config->n_models; m++)
    for (int64_t d = 0; d < s->config->n_data; d++)
      for (int64_t k = 0; vw_study_learns_on(s->config, m, d) && k < vw_study_data_of(s->config, m, d)->concepts.n;
           k++, item++) {
        const vw_baseline where = {.item = item, .model_index = m, .data_index = d, .concept_index = k};
        char id[VW_BLOCK_ID];
        vw_safetensors *f = NULL;
        if (item % s->ranks.size != s->ranks.rank) continue;
        VW_TRY(vw_results_baseline_id(s, m, d, k, id));
        VW_TRY(open_if_there(s, id, &f));
        if (!f) c->missing_baselines++;
        const vw_status st = f ? add_baselines(c, &where, f) : VW_OK;
        vw_safetensors_close(f);
        VW_TRY(st);
      }
  return VW_OK;
}

/* ---- all ranks know all ------------------------------------------------------------------------------------------ */

static vw_status share_rows(vw_collected *c) {
  const vw_ranks *ranks = &c->s->ranks;
  void *all = NULL;
  int64_t *bytes = calloc((size_t)ranks->size, sizeof *bytes);
  vw_trial_row *own = calloc((size_t)c->n_mine + 1, sizeof *own);
  vw_status st = VW_OK;
  for (int64_t i = 0; own && i < c->n_mine; i++) own[i] = c->rows[c->mine[i]];
  VW_GOTO(vw_agree_message(ranks, bytes && own ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory")));
  VW_GOTO(vw_ranks_gather(ranks, own, c->n_mine * (int64_t)sizeof *own, &all, bytes));
  const vw_trial_row *rows = all;
  for (int64_t i = 0; ranks->rank == 0 && i < c->n; i++) c->rows[rows[i].row] = rows[i];
  VW_GOTO(vw_ranks_broadcast(ranks, c->rows, c->n * (int64_t)sizeof *c->rows, 0));
cleanup:
  free(all), free(bytes), free(own);
  return st;
}

static int by_item(const void *a, const void *b) {
  const vw_baseline *x = a, *y = b;
  if (x->item != y->item) return x->item < y->item ? -1 : 1;
  return x->row < y->row ? -1 : x->row > y->row;
}

static vw_status share_baselines(vw_collected *c) {
  const vw_ranks *ranks = &c->s->ranks;
  void *all = NULL;
  int64_t total = c->n_baselines, *bytes = calloc((size_t)ranks->size, sizeof *bytes);
  vw_status st = VW_OK;
  for (int64_t i = 0; i < c->n_baselines; i++) c->baselines[i].row = i; /* orders those of one file */
  VW_GOTO(vw_agree_message(ranks, bytes ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory")));
  VW_GOTO(vw_ranks_reduce(ranks, &total, 1, VW_REDUCE_SUM));
  VW_GOTO(vw_ranks_gather(ranks, c->baselines, c->n_baselines * (int64_t)sizeof *c->baselines, &all, bytes));
  free(c->baselines);
  c->baselines = ranks->rank == 0 ? all : calloc((size_t)total + 1, sizeof *c->baselines);
  all = NULL, c->n_baselines = total;
  VW_GOTO(vw_agree_message(ranks, c->baselines || !total ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory")));
  if (ranks->rank == 0 && total) qsort(c->baselines, (size_t)total, sizeof *c->baselines, by_item);
  VW_GOTO(vw_ranks_broadcast(ranks, c->baselines, total * (int64_t)sizeof *c->baselines, 0));
cleanup:
  free(all), free(bytes);
  return st;
}

/* Pointers do not travel. */
static void set_texts(vw_collected *c) {
  const vw_study_config *config = c->s->config;
  for (int64_t i = 0; i < c->n; i++) {
    vw_trial_row *r = &c->rows[i];
    const vw_trial *t = c->trial[i];
    r->model = t->model, r->data = t->data, r->concept = t->concept, r->anchor = t->anchor;
    r->nearest = r->nearest_word, r->id_text = r->id, r->pictures_text = r->pictures;
    r->weights_text = r->weights, r->protocol_text = r->protocol;
  }
  for (int64_t i = 0; i < c->n_baselines; i++) {
    vw_baseline *b = &c->baselines[i];
    b->row = i;
    b->model = config->models[b->model_index].name, b->data = config->data[b->data_index].name;
    b->concept = vw_study_data_of(config, b->model_index, b->data_index)->concepts.name[b->concept_index];
    b->anchor = b->anchor_index < 0 ? "" : config->models[b->model_index].trials.anchors.name[b->anchor_index];
    b->kind = vw_measured_names[b->what], b->word = b->word_text;
  }
}

/* ---- verdicts, summary ------------------------------------------------------------------------------------------- */

/* Words of all trials, then all baselines: what there is to be compared. */
static vw_status measures(const vw_collected *c, vw_measure **out) {
  vw_measure *m = calloc((size_t)(c->n + c->n_baselines) + 1, sizeof *m);
  VW_CHECK(m, VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t i = 0; i < c->n; i++) {
    const vw_trial *t = c->trial[i];
    m[i] = (vw_measure){.what = t->null_concept ? VW_OF_NULL : VW_OF_WORD, .model = t->model_index};
    m[i].data = t->data_index, m[i].concept = t->concept_index, m[i].anchor = t->anchor_index;
    m[i].replica = t->replica, m[i].delta = t->delta;
    for (int k = 0; k < VW_MOST_METRICS; k++) m[i].metric[k] = c->rows[i].failed ? NAN : c->rows[i].metrics[k];
  }
  for (int64_t i = 0; i < c->n_baselines; i++) {
    const vw_baseline *b = &c->baselines[i];
    vw_measure *at = &m[c->n + i];
    *at = (vw_measure){.what = b->what, .model = b->model_index, .data = b->data_index, .concept = b->concept_index};
    at->anchor = b->anchor_index < 0 ? 0 : b->anchor_index, at->delta = b->delta;
    memcpy(at->metric, b->metrics, sizeof b->metrics);
  }
  *out = m;
  return VW_OK;
}

static const char *status_of(const vw_trial_row *r, signed char verdict) {
  if (!r->learned) return "missing";
  if (r->failed) return "failed";
  return verdict > 0 ? "nothing learned" : verdict == 0 ? "learned" : "no verdict";
}

static vw_status summarise(vw_collected *c) {
  const vw_study_config *config = c->s->config;
  const int64_t n = c->n + c->n_baselines;
  vw_measure *m = NULL;
  vw_status st = VW_OK;
  signed char *verdict = malloc((size_t)n + 1);
  uint64_t *keys = calloc((size_t)config->n_data, sizeof *keys);
  vw_summary_metrics *by = calloc((size_t)config->n_models, sizeof *by);
  if (!verdict || !keys || !by) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "collect: out of memory"));
  for (int64_t i = 0; i < config->n_models; i++)
    by[i] = (vw_summary_metrics){vw_collect_task(c, i)->n_metrics, vw_collect_task(c, i)->headline};
  VW_GOTO(measures(c, &m));
  VW_GOTO(vw_verdicts(m, n, by, verdict));
  for (int64_t i = 0; i < c->n; i++)
    c->rows[i].status = status_of(&c->rows[i], verdict[i]), c->rows[i].reason = c->rows[i].why;
  for (int64_t i = 0; i < config->n_data; i++) {
    const vw_stream stream = {.data = config->data[i].name, .concept = "", .seed = config->seed};
    VW_GOTO(vw_stream_key(&stream, &keys[i]));
  }
  if (c->s->ranks.rank == 0)
    VW_GOTO(vw_summarise(m, n, by, config->n_models, config->n_data, keys, &c->summary, &c->n_summary));
cleanup:
  free(m), free(verdict), free(keys), free(by);
  return st;
}

const vw_task_kind *vw_collect_task(const vw_collected *c, int64_t model) {
  return c->s->kinds[model]->task;
}

const vw_task_kind *vw_collect_task_at(const vw_collected *c, int64_t place) {
  for (int64_t m = 0; m < c->s->config->n_models; m++) {
    const vw_task_kind *task = vw_collect_task(c, m);
    int64_t first = 0;
    while (vw_collect_task(c, first) != task) first++;
    if (first == m && place-- == 0) return task;
  }
  return NULL;
}

const char *vw_collect_metric_name(const vw_collected *c, int64_t model, int metric) {
  return metric == VW_NOTHING_LEARNED ? "nothing_learned" : vw_collect_task(c, model)->metrics[metric].name;
}

vw_status vw_results_baseline_id(const vw_results_source *s, int64_t model, int64_t data, int64_t concept,
                                 char id[VW_BLOCK_ID]) {
  const char *name = vw_study_data_of(s->config, model, data)->concepts.name[concept];
  vw_baseline_inputs in = {
      .weights = s->weights[model], .seed = s->config->seed, .trials = &s->config->models[model].trials};
  VW_TRY(vw_protocol_hash(s->config, model, data, &in.protocol));
  VW_TRY(vw_judging_hash(s->config, model, data, &in.judging));
  VW_TRY(vw_picture_set_hash(s->pictures[model * s->config->n_data + data], s->kinds[model]->task->sees, name, false,
                             &in.pictures));
  return vw_baseline_file_id(&in, s->config->data[data].name, name, id);
}

static vw_status share_summary(vw_collected *c) {
  const vw_ranks *ranks = &c->s->ranks;
  VW_TRY(vw_ranks_broadcast(ranks, &c->n_summary, sizeof c->n_summary, 0));
  if (ranks->rank != 0) c->summary = calloc((size_t)c->n_summary + 1, sizeof *c->summary);
  VW_TRY(
      vw_agree_message(ranks, c->summary || !c->n_summary ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory")));
  return vw_ranks_broadcast(ranks, c->summary, c->n_summary * (int64_t)sizeof *c->summary, 0);
}

static vw_status read_own(vw_collected *c) {
  VW_TRY(allocate(c));
  VW_TRY(plan_rows(c));
  VW_TRY(read_blocks(c));
  return read_baselines(c);
}

vw_status vw_collect_asks(vw_collected *c) {
  int64_t any = c->s->stop && c->s->stop();
  VW_TRY(vw_ranks_reduce(&c->s->ranks, &any, 1, VW_REDUCE_MAX));
  c->stopped |= any != 0;
  return VW_OK;
}

vw_status vw_collect_read(const vw_results_source *s, vw_collected *c) {
  *c = (vw_collected){.s = s};
  VW_TRY(vw_agree_message(&s->ranks, read_own(c)));
  VW_TRY(vw_collect_asks(c));
  if (c->stopped) return VW_OK;
  VW_TRY(share_rows(c));
  VW_TRY(share_baselines(c));
  int64_t counts[] = {c->missing_blocks, c->unjudged_blocks, c->missing_baselines};
  VW_TRY(vw_ranks_reduce(&s->ranks, counts, 3, VW_REDUCE_SUM));
  c->missing_blocks = counts[0], c->unjudged_blocks = counts[1], c->missing_baselines = counts[2];
  for (int64_t i = 0; i < c->n; i++) c->missing += !c->rows[i].learned;
  set_texts(c);
  VW_TRY(vw_agree_message(&s->ranks, summarise(c)));
  VW_TRY(share_summary(c));
  static vw_status (*const parts[])(vw_collected *) = {vw_collect_kept, vw_collect_read_transfer,
                                                       vw_collect_read_truncation};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    VW_TRY(vw_collect_asks(c));
    if (c->stopped) return VW_OK;
    VW_TRY(parts[i](c));
  }
  return VW_OK;
}

void vw_collected_free(vw_collected *c) {
  for (int64_t i = 0; c->file && i < c->s->plan->n_blocks; i++) vw_safetensors_close(c->file[i]);
  free((void *)c->trial), free(c->rows), free(c->model_n), free((void *)c->file), free(c->mine);
  free(c->baselines), free(c->summary), free(c->probe), free(c->quartiles), free(c->performant);
  vw_collected_kept_free(c);
  vw_transferred_free(&c->transfer);
  vw_truncated_free(&c->truncation);
}
