/* study.h5 from the collected rows (docs/output.md describes it). Every rank brings the rows of its blocks. */
#include "results/collect/collect_writer.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef VISWORDS_REVISION
#define VISWORDS_REVISION "unknown"
#endif

vw_status vw_writer_memory(const vw_writer *w, bool mine) {
  return vw_agree_message(w->ranks, mine ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory"));
}

vw_status vw_writer_path(vw_file_path path, const char *group, const char *name, const char *suffix) {
  const int n = snprintf(path, sizeof(vw_file_path), "%s/%s%s", group, name, suffix);
  VW_CHECK(n > 0 && n < (int)sizeof(vw_file_path) && !strchr(name, '/'), VW_ERR_INPUT,
           "study.h5: '%s' cannot name a data set (too long, or with a '/'); rename the model", name);
  return VW_OK;
}

vw_status vw_writer_count(const vw_writer *w, const char *path, const char *description, int64_t n) {
  int64_t *x = malloc((size_t)(n + 1) * sizeof *x);
  vw_status st = vw_writer_memory(w, x != NULL);
  for (int64_t i = 0; x && st == VW_OK && i < n; i++) x[i] = i;
  if (st == VW_OK) st = vw_table_scale(w->f, w->ranks, path, description, "1", x, n);
  free(x);
  return st;
}

vw_status vw_writer_table(const vw_writer *w, const char *group, const char *scale, const void *rows, size_t stride,
                          int64_t n, const vw_column *columns, int64_t n_columns) {
  int64_t *mine = malloc((size_t)(n + 1) * sizeof *mine);
  vw_status st = vw_writer_memory(w, mine != NULL);
  for (int64_t i = 0; mine && i < n; i++) mine[i] = i;
  const vw_table t = {group, scale, rows, stride, n, mine, w->ranks->rank == 0 ? n : 0};
  if (st == VW_OK) st = vw_table_write(w->f, w->ranks, &t, columns, n_columns);
  free(mine);
  return st;
}

/* ---- /trials ----------------------------------------------------------------------------------------------------- */

#define N(member, dtype, name, units, description) VW_NUMBER(vw_trial_row, member, dtype, name, units, description)
#define T(member, name, description)               VW_TEXT(vw_trial_row, member, name, description)

static const vw_column trial_columns[] = {
    T(id_text, "id", "identity: hash of names, protocol, weights and pictures"),
    T(model, "model", "name in the study"),
    T(data, "data", "data set, name in the study"),
    T(concept, "concept", "what the word was learned for"),
    T(anchor, "anchor", "the word it started from"),
    N(delta, VW_F64, "delta", "1", "radius of the ball over the anchor's distance to its nearest neighbour; inf: free"),
    N(replica, VW_I64, "replica", "1", "repetition with other draws"),
    N(is_null, VW_U8, "null", "1", "1: the concept is a random set of pictures"),
    T(status, "status", "learned | nothing learned | no verdict | failed | missing"),
    T(reason, "reason",
      "why it ended as it did: stopped early, or where a failed one's loss was not finite; else empty"),
    N(steps, VW_I64, "steps", "1", "training steps done"),
    T(nearest, "nearest_word", "whole word nearest to the learned vector"),
    N(rank_words, VW_I64, "rank_words", "1", "place of the anchor among whole words by distance to the vector"),
    N(rank_all, VW_I64, "rank_all", "1", "the same among all entries of the vocabulary"),
    N(distance_over_radius, VW_F64, "distance_over_radius", "1", "distance to the anchor over the radius; NaN: free"),
    N(on_sphere, VW_U8, "on_sphere", "1", "1: the vector is on the sphere of the ball"),
    N(loss_end, VW_F64, "loss_end", "nat", "loss on the fixed set after the last step"),
    N(kkt, VW_F64, "kkt", "1", "KKT residual; 0: no move within the ball lowers the loss"),
    N(grad_norm, VW_F64, "grad_norm", "nat", "length of the gradient of loss_end, per unit of the embedding"),
};
static const vw_column provenance_columns[] = {
    N(seconds, VW_F64, "seconds", "s", "time of training: the block's, divided by its trials"),
    T(weights_text, "weights", "hash of weights, tokenizer and list of neighbours"),
    T(pictures_text, "pictures", "hash of the concept's pictures and those it is judged with"),
    T(protocol_text, "protocol", "hash of what the study file decides for the trial"),
};
#undef N
#undef T
#define COLUMNS(table) (table), (int64_t)(sizeof(table) / sizeof *(table))

static vw_table trial_table(const vw_writer *w, const char *group, const char *scale) {
  return (vw_table){.group = group,
                    .scale = scale,
                    .rows = w->c->rows,
                    .stride = sizeof *w->c->rows,
                    .n_rows = w->c->n,
                    .mine = w->c->mine,
                    .n_mine = w->c->n_mine};
}

static vw_status write_trials(const vw_writer *w) {
  const vw_table t = trial_table(w, "/trials", "/trials/row");
  VW_TRY(vw_writer_count(w, "/trials/row", "place of the trial in the study's order", w->c->n));
  return vw_table_write(w->f, w->ranks, &t, COLUMNS(trial_columns));
}

/* ---- /anchors ---------------------------------------------------------------------------------------------------- */

typedef struct anchor_row {
  int64_t token;
  double distance;
  char neighbour_word[VW_WORD_BYTES];
  const char *name, *neighbour; /* of this process */
} anchor_row;

static const vw_column anchor_columns[] = {
    VW_NUMBER(anchor_row, token, VW_I64, "token", "1", "id in the vocabulary"),
    VW_TEXT(anchor_row, neighbour, "neighbour", "the whole word nearest to it"),
    VW_NUMBER(anchor_row, distance, VW_F64, "neighbour_distance", "1",
              "distance to that word: the radius is delta times it"),
};

/* Rank 0: tokens, neighbours and vectors [n, width] of the network's type. */
static vw_status find_anchors(const vw_results_source *s, int64_t model, anchor_row *rows, char *vectors) {
  const vw_network *network = s->networks[model];
  const vw_word_table *words = &s->words[model];
  const vw_names *anchors = &s->config->models[model].trials.anchors;
  const vw_dtype type = network->word_type;
  const int64_t width = network->width;
  VW_CHECK(rows && vectors, VW_ERR_MEMORY, "collect: out of memory");
  double *x = malloc((size_t)width * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "collect: out of memory");
  vw_status st = VW_OK;
  for (int64_t i = 0; i < anchors->n; i++) {
    int32_t id = 0;
    int64_t nearest = 0;
    VW_GOTO(vw_tokenizer_word(network->text.tokenizer, anchors->name[i], &id));
    VW_GOTO(vw_anchor_neighbour(&words->e, id, &nearest, &rows[i].distance));
    VW_GOTO(vw_text_word_vector(&network->text, id, x));
    VW_GOTO(vw_convert(vectors + i * width * (int64_t)vw_dtype_bytes(type), type, x, VW_F64, width));
    rows[i].token = id;
    vw_tokenizer_label(network->text.tokenizer, (int32_t)nearest, rows[i].neighbour_word, VW_WORD_BYTES);
  }
cleanup:
  free(x);
  return st;
}

static vw_status write_anchor_rows(const vw_writer *w, int64_t model, anchor_row *rows, const void *vectors) {
  const vw_names *anchors = &w->c->s->config->models[model].trials.anchors;
  const char *name = w->c->s->config->models[model].name;
  const vw_row_range all = {0, anchors->n};
  vw_file_path group, scale, path, channel;
  int64_t *mine = malloc((size_t)(anchors->n + 1) * sizeof *mine);
  vw_status st = VW_OK;
  VW_GOTO(vw_writer_memory(w, mine != NULL));
  VW_GOTO(vw_writer_path(group, "/anchors", name, ""));
  VW_GOTO(vw_writer_path(scale, "/anchors", name, "/name"));
  VW_GOTO(vw_writer_path(path, "/anchors", name, "/vector"));
  VW_GOTO(vw_writer_path(channel, "/anchors", name, "/channel"));
  for (int64_t i = 0; mine && rows && i < anchors->n; i++) mine[i] = i, rows[i].neighbour = rows[i].neighbour_word;
  VW_GOTO(vw_table_text_scale(w->f, w->ranks, scale, "anchor word", anchors->name, anchors->n));
  const vw_table t = {group, scale, rows, sizeof *rows, anchors->n, mine, w->ranks->rank == 0 ? anchors->n : 0};
  VW_GOTO(vw_table_write(w->f, w->ranks, &t, COLUMNS(anchor_columns)));
  const int64_t width = w->c->s->networks[model]->width;
  VW_GOTO(vw_writer_count(w, channel, "component of the embedding", width));
  vw_study_data d = {.path = path, .dtype = w->c->s->networks[model]->word_type, .ndim = 2, .units = "1"};
  d.dim[0] = anchors->n, d.dim[1] = width;
  d.description = "embedding of the anchor word", d.scale[0] = scale, d.scale[1] = channel;
  VW_GOTO(vw_study_file_write_rows(w->f, &d, &all, w->ranks->rank == 0, vectors));
cleanup:
  free(mine);
  return st;
}

static vw_status write_anchors(const vw_writer *w) {
  const vw_results_source *s = w->c->s;
  for (int64_t m = 0; m < s->config->n_models; m++) {
    const int64_t n = s->config->models[m].trials.anchors.n;
    anchor_row *rows = calloc((size_t)n + 1, sizeof *rows);
    void *vectors = calloc((size_t)n + 1, (size_t)s->networks[m]->width * sizeof(double));
    vw_status st = vw_writer_memory(w, rows && vectors);
    if (st == VW_OK) st = vw_agree_message(w->ranks, w->ranks->rank == 0 ? find_anchors(s, m, rows, vectors) : VW_OK);
    if (st == VW_OK) st = vw_ranks_broadcast(w->ranks, rows, n * (int64_t)sizeof *rows, 0);
    if (st == VW_OK) st = write_anchor_rows(w, m, rows, vectors);
    free(rows), free(vectors);
    VW_TRY(st);
  }
  return VW_OK;
}

/* ---- /evaluation ------------------------------------------------------------------------------------------------- */

static const vw_column baseline_columns[] = {
    VW_TEXT(vw_baseline, model, "model", "name in the study"),
    VW_TEXT(vw_baseline, data, "data", "data set, name in the study"),
    VW_TEXT(vw_baseline, concept, "concept", "what it was judged on"),
    VW_TEXT(vw_baseline, kind, "kind", "untouched anchor | real name | random word | random direction"),
    VW_TEXT(vw_baseline, anchor, "anchor", "anchor word; empty where there is none"),
    VW_NUMBER(vw_baseline, delta, VW_F64, "delta", "1", "0: untouched; NaN where it does not apply"),
    VW_TEXT(vw_baseline, word, "word", "the word that was judged; empty: not a word, or not known to the network"),
};

/* One task's part of /evaluation. */
typedef struct task_part {
  const vw_task_kind *task;
  vw_file_path metric, trial; /* scales */
  const char *unit;           /* of all its metrics; "1" where they differ */
  int64_t *row, n;            /* its trials' rows in /trials, and how many */
  int64_t *place;             /* [trials] place of a trial among the task's; -1: of another task */
  vw_baseline **baselines;    /* its baselines, in order */
  int64_t n_baselines;
} task_part;

static void task_part_free(task_part *p) {
  free(p->row), free(p->place), free((void *)p->baselines);
}

static vw_status task_part_open(const vw_writer *w, const vw_task_kind *task, task_part *p) {
  const vw_collected *c = w->c;
  *p = (task_part){.task = task, .unit = task->metrics[0].unit};
  p->row = malloc((size_t)(c->n + 1) * sizeof *p->row), p->place = malloc((size_t)(c->n + 1) * sizeof *p->place);
  p->baselines = malloc((size_t)(c->n_baselines + 1) * sizeof(*p->baselines));
  VW_TRY(vw_writer_memory(w, p->row && p->place && p->baselines));
  for (int i = 1; i < task->n_metrics; i++)
    if (strcmp(task->metrics[i].unit, p->unit) != 0) p->unit = "1";
  for (int64_t i = 0; i < c->n; i++) {
    const bool own = vw_collect_task(c, c->trial[i]->model_index) == task;
    p->place[i] = own ? p->n : -1;
    if (own) p->row[p->n++] = i;
  }
  for (int64_t i = 0; i < c->n_baselines; i++)
    if (vw_collect_task(c, c->baselines[i].model_index) == task) p->baselines[p->n_baselines++] = &c->baselines[i];
  if (task->metric_scale)
    VW_TRY(vw_writer_path(p->metric, "/evaluation", task->metric_scale, ""));
  else
    VW_TRY(vw_writer_path(p->metric, "/evaluation", task->name, "_metric"));
  return vw_writer_path(p->trial, "/evaluation", task->name, "_trial");
}

/* Rows of metrics with a scale of their names beside them. */
static vw_status write_metrics(const vw_writer *w, const task_part *p, const char *path, const char *scale,
                               const char *names, const char *description, int64_t n, const vw_row_range *ranges,
                               int64_t n_ranges, const double *metrics) {
  const char *name[VW_MOST_METRICS];
  for (int i = 0; i < p->task->n_metrics; i++) name[i] = p->task->metrics[i].name;
  VW_TRY(vw_table_text_scale(w->f, w->ranks, names, p->task->metrics_are, name, p->task->n_metrics));
  const vw_study_data d = {.path = path,
                           .dtype = VW_F64,
                           .ndim = 2,
                           .dim = {n, p->task->n_metrics},
                           .units = p->unit,
                           .description = description,
                           .scale = {scale, names}};
  return vw_study_file_write_rows(w->f, &d, ranges, n_ranges, metrics);
}

static vw_status write_judged(const vw_writer *w, const task_part *p) {
  const vw_collected *c = w->c;
  const int64_t m = p->task->n_metrics;
  vw_file_path path;
  double *x = malloc((size_t)((c->n_mine + 1) * m) * sizeof *x);
  vw_row_range *ranges = malloc((size_t)(c->n_mine + 1) * sizeof *ranges);
  int64_t n = 0;
  vw_status st = VW_OK;
  VW_GOTO(vw_writer_memory(w, x && ranges));
  for (int64_t i = 0; i < c->n_mine; i++) {
    const int64_t row = c->mine[i];
    if (p->place[row] < 0) continue;
    memcpy(x + n * m, c->rows[row].metrics, (size_t)m * sizeof *x);
    ranges[n++] = (vw_row_range){p->place[row], 1};
  }
  VW_GOTO(vw_writer_path(path, "/evaluation", p->task->name, ""));
  VW_GOTO(vw_table_scale(w->f, w->ranks, p->trial, "row of /trials", "1", p->row, p->n));
  VW_GOTO(
      write_metrics(w, p, path, p->trial, p->metric, "learned words, judged on held-out pictures", p->n, ranges, n, x));
cleanup:
  free(x), free(ranges);
  return st;
}

static vw_status write_baselines(const vw_writer *w, const task_part *p) {
  vw_file_path group, scale, path, names;
  const int64_t n = p->n_baselines, m = p->task->n_metrics;
  double *x = malloc((size_t)((n + 1) * m) * sizeof *x);
  vw_baseline *rows = calloc((size_t)n + 1, sizeof *rows);
  int64_t *mine = malloc((size_t)(n + 1) * sizeof *mine);
  const vw_row_range all = {0, n};
  vw_status st = VW_OK;
  VW_GOTO(vw_writer_memory(w, x && mine && rows));
  for (int64_t i = 0; i < n; i++) {
    memcpy(x + i * m, p->baselines[i]->metrics, (size_t)m * sizeof *x);
    rows[i] = *p->baselines[i], rows[i].word = rows[i].word_text;
    mine[i] = i;
  }
  VW_GOTO(vw_writer_path(group, "/evaluation", p->task->name, "_baselines"));
  VW_GOTO(vw_writer_path(scale, group, "row", ""));
  VW_GOTO(vw_writer_path(path, group, "metrics", ""));
  /* Named as that of the group above: xarray wants one length of a name down a branch of the tree. */
  VW_GOTO(vw_writer_path(names, group, strrchr(p->metric, '/') + 1, ""));
  VW_GOTO(vw_writer_count(w, scale, "row of the baselines", n));
  const vw_table t = {group, scale, rows, sizeof *rows, n, mine, w->ranks->rank == 0 ? n : 0};
  VW_GOTO(vw_table_write(w->f, w->ranks, &t, COLUMNS(baseline_columns)));
  VW_GOTO(write_metrics(w, p, path, scale, names, "what words are compared with", n, &all, w->ranks->rank == 0, x));
cleanup:
  free(x), free(mine), free(rows);
  return st;
}

/* ---- /summary ---------------------------------------------------------------------------------------------------- */

typedef struct summary_row {
  const char *model, *data, *what, *quantity, *metric;
  double delta;
  vw_interval i;
} summary_row;

static const vw_column summary_columns[] = {
    VW_TEXT(summary_row, model, "model", "name in the study"),
    VW_TEXT(summary_row, data, "data", "data set, name in the study"),
    VW_TEXT(summary_row, what, "what", "word, or what words are compared with"),
    VW_TEXT(summary_row, quantity, "quantity", "the value, or a paired difference"),
    VW_NUMBER(summary_row, delta, VW_F64, "delta", "1", "0: untouched anchors; inf: free; NaN: does not apply"),
    VW_TEXT(summary_row, metric, "metric", "what was measured (docs/protocol.md)"),
    VW_INTERVAL(summary_row, "how many numbers"),
};

static vw_status write_summary(const vw_writer *w, const task_part *p) {
  const vw_collected *c = w->c;
  const vw_study_config *config = c->s->config;
  vw_file_path group, scale;
  int64_t n = 0;
  summary_row *rows = calloc((size_t)c->n_summary + 1, sizeof *rows);
  vw_status st = VW_OK;
  VW_GOTO(vw_writer_memory(w, rows != NULL));
  for (int64_t i = 0; i < c->n_summary; i++) {
    const vw_summary_row *r = &c->summary[i];
    if (vw_collect_task(c, r->model) != p->task) continue;
    rows[n++] = (summary_row){config->models[r->model].name,
                              config->data[r->data].name,
                              vw_measured_names[r->what],
                              vw_quantity_names[r->quantity],
                              vw_collect_metric_name(c, r->model, r->metric),
                              r->delta,
                              r->interval};
  }
  VW_GOTO(vw_writer_path(group, "/summary", p->task->name, ""));
  VW_GOTO(vw_writer_path(scale, group, "row", ""));
  VW_GOTO(vw_writer_count(w, scale, "row of the summary", n));
  VW_GOTO(vw_writer_table(w, group, scale, rows, sizeof *rows, n, COLUMNS(summary_columns)));
cleanup:
  free(rows);
  return st;
}

/* /evaluation and /summary of every task of the study. */
static vw_status write_tasks(const vw_writer *w) {
  const vw_task_kind *task = NULL;
  for (int64_t i = 0; (task = vw_collect_task_at(w->c, i)); i++) {
    task_part p;
    vw_status st = task_part_open(w, task, &p);
    if (st == VW_OK) st = write_judged(w, &p);
    if (st == VW_OK) st = write_baselines(w, &p);
    if (st == VW_OK) st = write_summary(w, &p);
    task_part_free(&p);
    VW_TRY(st);
  }
  return VW_OK;
}

/* ---- /config, /provenance ---------------------------------------------------------------------------------------- */

static vw_status write_config(const vw_writer *w) {
  const vw_results_source *s = w->c->s;
  char path[VW_PATH_BYTES], *plan = NULL;
  int64_t bytes = 0;
  vw_status st = vw_path_format(path, "%s/plan.yaml", s->out);
  if (st == VW_OK && w->ranks->rank == 0) st = vw_file_read(path, &plan, &bytes);
  VW_GOTO(vw_agree_message(w->ranks, st));
  VW_GOTO(vw_study_file_write_text(w->f, "/config/study", s->config->text, (int64_t)strlen(s->config->text)));
  VW_GOTO(vw_study_file_write_text(w->f, "/config/plan", plan, bytes));
  VW_GOTO(vw_study_file_attribute_text(w->f, "/", "study", s->config->study));
  VW_GOTO(vw_study_file_attribute_text(w->f, "/", "format", "viswords study 1"));
cleanup:
  free(plan);
  return st;
}

/* A name a line, in rank order. */
static vw_status write_hosts(const vw_writer *w) {
  void *all = NULL;
  int64_t *bytes = calloc((size_t)w->ranks->size, sizeof *bytes), n = 0;
  char text[VW_HOST_BYTES + 1];
  vw_status st = VW_OK;
  (void)snprintf(text, sizeof text, "%s\n", w->ranks->host);
  VW_GOTO(vw_writer_memory(w, bytes != NULL));
  VW_GOTO(vw_ranks_gather(w->ranks, text, (int64_t)strlen(text), &all, bytes));
  for (int r = 0; r < w->ranks->size; r++) n += bytes[r];
  VW_GOTO(vw_study_file_write_text(w->f, "/provenance/hosts", all, n));
cleanup:
  free(all), free(bytes);
  return st;
}

typedef struct left_out_row {
  const char *data, *what, *why;
  int64_t count;
} left_out_row;

static const vw_column left_out_columns[] = {
    VW_TEXT(left_out_row, data, "data", "data set, name in the study"),
    VW_TEXT(left_out_row, what, "what", "what of it was not used, or used otherwise than people see it"),
    VW_TEXT(left_out_row, why, "why", "why, one of them, and what helps"),
    VW_NUMBER(left_out_row, count, VW_I64, "count", "1", "how many")};

/* Models that share a data set share its pictures. */
static bool is_first(const vw_results_source *s, int64_t i) {
  for (int64_t k = 0; k < i; k++)
    if (s->pictures[k] == s->pictures[i]) return false;
  return s->pictures[i] != NULL;
}

/* What `check` and `run` said of the data sets. */
static vw_status write_left_out(const vw_writer *w) {
  const vw_results_source *s = w->c->s;
  const int64_t n = s->config->n_models * s->config->n_data, most = n * VW_MOST_LEFT_OUT;
  left_out_row *rows = calloc((size_t)most + 1, sizeof *rows);
  int64_t *mine = calloc((size_t)most + 1, sizeof *mine);
  vw_table t = {.group = "/provenance/left_out",
                .scale = "/provenance/left_out/row",
                .rows = rows,
                .stride = sizeof *rows,
                .mine = mine};
  vw_status st = vw_writer_memory(w, rows && mine);
  for (int64_t i = 0; st == VW_OK && i < n; i++)
    for (int k = 0; is_first(s, i) && k < s->pictures[i]->n_left_out; k++) {
      const vw_left_out *l = &s->pictures[i]->left_out[k];
      mine[t.n_rows] = t.n_rows;
      rows[t.n_rows++] = (left_out_row){s->pictures[i]->data->name, l->what, l->why, l->count};
    }
  if (w->ranks->rank == 0) t.n_mine = t.n_rows;
  if (st == VW_OK) st = vw_writer_count(w, t.scale, "row of what was left out", t.n_rows);
  if (st == VW_OK) st = vw_table_write(w->f, w->ranks, &t, COLUMNS(left_out_columns));
  free(rows), free(mine);
  return st;
}

static vw_status write_text(const vw_writer *w, const char *path, const char *text) {
  return vw_study_file_write_text(w->f, path, text, (int64_t)strlen(text));
}

/* The judges of the models that have one. */
static vw_status write_judges(const vw_writer *w) {
  const vw_study_config *c = w->c->s->config;
  for (int64_t m = 0; m < c->n_models; m++) {
    const vw_hash judge = c->models[m].judge.network;
    char path[VW_PATH_BYTES], text[VW_HASH_TEXT];
    if (!judge.lo && !judge.hi) continue;
    vw_hash_text(judge, text);
    VW_TRY(vw_path_format(path, "/provenance/judge/%s", c->models[m].name));
    VW_TRY(write_text(w, path, text));
  }
  return VW_OK;
}

/* Where the study file lies, for those who look for what its relative paths mean; as rank 0 sees it. */
static vw_status write_study_place(const vw_writer *w) {
  char path[PATH_MAX];
  const char *given = w->c->s->config->path;
  if (!realpath(given, path)) (void)snprintf(path, sizeof path, "%s", given);
  VW_TRY(vw_ranks_broadcast(w->ranks, path, sizeof path, 0));
  return write_text(w, "/provenance/study_file", path);
}

/* All that may differ between two runs with the same results. */
static vw_status write_provenance(const vw_writer *w) {
  const vw_results_source *s = w->c->s;
  const vw_table t = trial_table(w, "/provenance", "/provenance/trial");
  const time_t now = time(NULL);
  struct tm utc;
  char created[32], kernels[128];
  (void)strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  vw_kernel_set(&s->ctx, kernels);
  /* A scale of its own: scales list who uses them, and nothing outside may depend on what is in here. */
  VW_TRY(vw_writer_count(w, "/provenance/trial", "row of /trials", w->c->n));
  VW_TRY(vw_table_write(w->f, w->ranks, &t, COLUMNS(provenance_columns)));
  VW_TRY(write_text(w, "/provenance/version", VISWORDS_VERSION));
  VW_TRY(write_text(w, "/provenance/revision", VISWORDS_REVISION));
  VW_TRY(write_text(w, "/provenance/created", created));
  VW_TRY(write_study_place(w));
  VW_TRY(write_text(w, "/provenance/backend", vw_backend_name(s->ctx.backend)));
  VW_TRY(write_text(w, "/provenance/kernels", kernels));
  VW_TRY(write_judges(w));
  VW_TRY(write_hosts(w));
  VW_TRY(write_left_out(w));
  VW_TRY(vw_study_file_attribute_number(w->f, "/provenance", "ranks", w->ranks->size));
  VW_TRY(vw_study_file_attribute_number(w->f, "/provenance", "threads", s->ctx.threads));
  VW_TRY(vw_study_file_attribute_number(w->f, "/provenance", "wall_seconds", vw_seconds() - s->started));
  const vw_study_io io = *vw_study_file_io(w->f);
  VW_TRY(vw_study_file_attribute_number(w->f, "/provenance", "writes", (double)io.writes));
  return vw_study_file_attribute_number(w->f, "/provenance", "collective_writes", (double)io.collective);
}

static vw_status write_parts(const vw_writer *w) {
  VW_TRY(write_trials(w));
  VW_TRY(vw_write_models(w));
  VW_TRY(write_anchors(w));
  VW_TRY(write_tasks(w));
  VW_TRY(vw_write_kept(w));
  VW_TRY(vw_write_probe(w));
  VW_TRY(vw_write_transfer(w));
  VW_TRY(vw_write_truncation(w));
  VW_TRY(vw_write_spread(w));
  VW_TRY(write_config(w));
  return write_provenance(w);
}

static vw_status inputs_unchanged(const vw_results_source *s) {
  for (int64_t i = 0; i < s->config->n_models; i++) VW_TRY(vw_network_unchanged(s->networks[i]));
  return VW_OK;
}

vw_status vw_collect_study_file(const vw_collected *c) {
  vw_writer w = {.c = c, .ranks = &c->s->ranks};
  char path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(path, "%s/study.h5", c->s->out));
  VW_TRY(vw_study_file_create(w.ranks, path, &w.f));
  vw_status st = write_parts(&w);
  if (st == VW_OK) st = inputs_unchanged(c->s); /* /anchors is read from the weights */
  return vw_study_file_close(w.f, st);
}
