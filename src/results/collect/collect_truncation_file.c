/* /truncation and /summary/truncation of study.h5, truncation.csv. Rank 0 has the numbers and writes them; all ranks
 * take part. */
#include "results/collect/collect_format.h"
#include "results/collect/collect_writer.h"
#include "results/truncation.h"

#include "core/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS(table)                             (table), (int64_t)(sizeof(table) / sizeof *(table))
#define N(member, dtype, name, units, description) VW_NUMBER(vw_truncation_row, member, dtype, name, units, description)
#define T(member, name, description)               VW_TEXT(vw_truncation_row, member, name, description)

static const vw_column row_columns[] = {
    T(kind_name, "kind", "learned | carried | anchor | name"),
    T(model_name, "model", "whose text encoder was cut"),
    T(source_name, "source", "model that learned a carried word; empty: not carried"),
    T(data_name, "data", "data set that it was judged on"),
    N(trial, VW_I64, "trial", "1", "row of /trials that it was learned in; -1: none"),
    T(concept, "concept", "what it was learned for, or judged on"),
    T(anchor, "anchor", "anchor word; empty where there is none"),
    N(delta, VW_F64, "delta", "1", "as in /trials; 0: an anchor; NaN: a name"),
    N(replica, VW_I64, "replica", "1", "as in /trials"),
    T(word, "word", "the word itself; empty: it was learned, or the network does not know it"),
};
#undef N
#undef T

/* ---- /truncation/<task> ------------------------------------------------------------------------------------------ */

typedef struct task_writer {
  const vw_writer *w;
  const vw_task_kind *task;
  vw_file_path group, row, depth, metric;
  vw_truncation_row *rows; /* [n] of the task's models */
  int64_t *from;           /* [n] their places among all */
  int64_t n;
  int64_t *depths, n_depths; /* of all these models, ascending */
  int64_t *mine;             /* 0, 1, ... */
} task_writer;

static int by_number(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static void find_rows(task_writer *o) {
  const vw_truncated *t = &o->w->c->truncation;
  const int64_t n_models = o->w->c->s->config->n_models;
  int64_t n = 0;
  for (int64_t i = 0; i < t->n; i++) {
    if (vw_collect_task(o->w->c, t->rows[i].model) != o->task) continue;
    o->mine[o->n] = o->n;
    o->from[o->n] = i, o->rows[o->n++] = t->rows[i];
  }
  for (int64_t m = 0; m < n_models; m++)
    for (int64_t d = 0; vw_collect_task(o->w->c, m) == o->task && d < t->n_depths[m]; d++)
      o->depths[n++] = t->depths[m * t->room + d];
  qsort(o->depths, (size_t)n, sizeof *o->depths, by_number);
  for (int64_t i = 0; i < n; i++)
    if (!o->n_depths || o->depths[o->n_depths - 1] != o->depths[i]) o->depths[o->n_depths++] = o->depths[i];
}

/* Rank 0: x [n, depths, metrics]. */
static void fill(const task_writer *o, double *x) {
  const vw_truncated *t = &o->w->c->truncation;
  const int64_t m = o->task->n_metrics;
  for (int64_t i = 0; i < o->n; i++) {
    const int64_t model = o->rows[i].model;
    for (int64_t d = 0; d < o->n_depths; d++) {
      int64_t k = 0;
      while (k < t->n_depths[model] && t->depths[model * t->room + k] != o->depths[d]) k++;
      const double *from = t->metrics + (o->from[i] * t->room + k) * VW_MOST_METRICS;
      for (int64_t j = 0; j < m; j++) x[(i * o->n_depths + d) * m + j] = k < t->n_depths[model] ? from[j] : (double)NAN;
    }
  }
}

static vw_status write_metrics(const task_writer *o) {
  const vw_writer *w = o->w;
  const int64_t m = o->task->n_metrics;
  const vw_row_range all = {0, o->n};
  const char *name[VW_MOST_METRICS];
  vw_file_path path;
  double *x = malloc((size_t)(o->n * o->n_depths * m) * sizeof *x + 1);
  vw_status st = VW_OK;
  VW_GOTO(vw_writer_memory(w, x != NULL));
  if (w->ranks->rank == 0) fill(o, x);
  for (int64_t i = 0; i < m; i++) name[i] = o->task->metrics[i].name;
  VW_GOTO(vw_table_scale(w->f, w->ranks, o->depth,
                         "layers of the text encoder that are kept; 0: the pooled token sees no word", "1", o->depths,
                         o->n_depths));
  VW_GOTO(vw_table_text_scale(w->f, w->ranks, o->metric, o->task->metrics_are, name, m));
  VW_GOTO(vw_writer_path(path, o->group, "evaluation", ""));
  const vw_study_data d = {.path = path,
                           .dtype = VW_F64,
                           .ndim = 3,
                           .dim = {o->n, o->n_depths, m},
                           .units = "1",
                           .description = "words judged with the first layers of the text encoder alone; NaN: not at "
                                          "this depth",
                           .scale = {o->row, o->depth, o->metric}};
  VW_GOTO(vw_study_file_write_rows(w->f, &d, &all, w->ranks->rank == 0, x));
cleanup:
  free(x);
  return st;
}

static vw_status write_rows(task_writer *o) {
  const vw_writer *w = o->w;
  find_rows(o);
  if (!o->n) return VW_OK;
  VW_TRY(vw_writer_path(o->group, "/truncation", o->task->name, ""));
  VW_TRY(vw_writer_path(o->row, o->group, "row", ""));
  VW_TRY(vw_writer_path(o->depth, o->group, "depth", ""));
  VW_TRY(vw_writer_path(o->metric, o->group, "metric", ""));
  VW_TRY(vw_writer_count(w, o->row, "word", o->n));
  const vw_table table = {.group = o->group,
                          .scale = o->row,
                          .rows = o->rows,
                          .stride = sizeof *o->rows,
                          .n_rows = o->n,
                          .mine = o->mine,
                          .n_mine = w->ranks->rank == 0 ? o->n : 0};
  VW_TRY(vw_table_write(w->f, w->ranks, &table, COLUMNS(row_columns)));
  return write_metrics(o);
}

static vw_status write_task(const vw_writer *w, const vw_task_kind *task) {
  const vw_truncated *t = &w->c->truncation;
  const size_t n = (size_t)t->n + 1;
  task_writer o = {.w = w, .task = task, .rows = malloc(n * sizeof *o.rows), .from = malloc(n * sizeof *o.from)};
  o.mine = malloc(n * sizeof *o.mine);
  o.depths = malloc((size_t)(w->c->s->config->n_models * t->room) * sizeof *o.depths + 1);
  vw_status st = vw_writer_memory(w, o.rows && o.from && o.mine && o.depths);
  if (st == VW_OK) st = write_rows(&o);
  free(o.rows), free(o.from), free(o.mine), free(o.depths);
  return st;
}

/* ---- /summary/truncation ----------------------------------------------------------------------------------------- */

typedef struct summary_row {
  const char *model, *data, *kind, *source, *quantity, *metric;
  int64_t depth, layers;
  uint8_t sees_word;
  double delta;
  vw_interval i;
} summary_row;

static const vw_column summary_columns[] = {
    VW_TEXT(summary_row, model, "model", "whose text encoder was cut"),
    VW_TEXT(summary_row, data, "data", "data set that the words were judged on"),
    VW_TEXT(summary_row, kind, "kind", "learned | carried | anchor | name"),
    VW_TEXT(summary_row, source, "source", "model that learned carried words; empty: not carried"),
    VW_NUMBER(summary_row, depth, VW_I64, "depth", "1", "layers that are kept"),
    VW_NUMBER(summary_row, layers, VW_I64, "layers", "1", "that the text encoder has in all"),
    VW_NUMBER(summary_row, sees_word, VW_U8, "sees_word", "1", "0: no layer brings the word to the pooled token"),
    VW_NUMBER(summary_row, delta, VW_F64, "delta", "1", "0: anchors; inf: free; NaN: names"),
    VW_TEXT(summary_row, quantity, "quantity",
            "the value; that of the same words at the largest depth minus this, paired"),
    VW_TEXT(summary_row, metric, "metric", "of the model's task (docs/protocol.md)"),
    VW_INTERVAL(summary_row, "how many words"),
};

static summary_row row_of(const vw_collected *c, const vw_truncation_summary *r) {
  const vw_study_config *config = c->s->config;
  return (summary_row){.model = config->models[r->model].name,
                       .data = config->data[r->data].name,
                       .kind = vw_origin_names[r->kind],
                       .source = r->source == r->model ? "" : config->models[r->source].name,
                       .quantity = vw_truncation_quantity_names[r->quantity],
                       .metric = vw_collect_metric_name(c, r->model, r->metric),
                       .depth = r->depth,
                       .layers = c->truncation.layers[r->model],
                       .sees_word = r->depth > 0,
                       .delta = r->delta,
                       .i = r->interval};
}

static vw_status write_summary(const vw_writer *w) {
  const vw_truncated *t = &w->c->truncation;
  summary_row *rows = calloc((size_t)t->n_summary + 1, sizeof *rows);
  vw_status st = VW_OK;
  VW_GOTO(vw_writer_memory(w, rows != NULL));
  for (int64_t i = 0; i < t->n_summary; i++) rows[i] = row_of(w->c, &t->summary[i]);
  VW_GOTO(vw_writer_count(w, "/summary/truncation/row", "row of the summary", t->n_summary));
  VW_GOTO(vw_writer_table(w, "/summary/truncation", "/summary/truncation/row", rows, sizeof *rows, t->n_summary,
                          COLUMNS(summary_columns)));
cleanup:
  free(rows);
  return st;
}

vw_status vw_write_truncation(const vw_writer *w) {
  const vw_task_kind *task = NULL;
  if (!w->c->truncation.n) return VW_OK;
  for (int64_t i = 0; (task = vw_collect_task_at(w->c, i)); i++) VW_TRY(write_task(w, task));
  return write_summary(w);
}

/* ---- truncation.csv ---------------------------------------------------------------------------------------------- */

static void csv_row(const vw_collected *c, const vw_truncation_summary *s, FILE *out) {
  const vw_metric *metric = &vw_collect_task(c, s->model)->metrics[s->metric];
  const summary_row r = row_of(c, s);
  const vw_interval i =
      metric->is_share ? vw_share_interval(s->interval, s->quantity == VW_CUT_DEEPEST_MINUS) : s->interval;
  char delta[VW_DELTA_TEXT] = "";
  if (!isnan(r.delta)) vw_delta_text(r.delta, delta);
  vw_csv_text(out, r.model), vw_csv_text(out, r.data), vw_csv_text(out, r.kind), vw_csv_text(out, r.source);
  (void)vw_print(out, "%lld,%lld,%d,", (long long)r.depth, (long long)r.layers, r.sees_word);
  vw_csv_text(out, delta), vw_csv_text(out, r.quantity), vw_csv_text(out, r.metric);
  vw_csv_interval(out, &i);
}

vw_status vw_collect_truncation_csv(const vw_collected *c) {
  const vw_truncated *t = &c->truncation;
  char path[VW_PATH_BYTES], *text = NULL;
  size_t bytes = 0;
  if (!t->n) return VW_OK;
  VW_TRY(vw_path_format(path, "%s/truncation.csv", c->s->out));
  FILE *out = open_memstream(&text, &bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "%s: out of memory", path);
  (void)vw_print(
      out, "model,data,kind,source,depth,layers,sees_word,delta,quantity,metric,n,mean,low,high,boot_low,boot_high\n");
  for (int64_t i = 0; i < t->n_summary; i++) csv_row(c, &t->summary[i], out);
  const bool failed = ferror(out) != 0;
  vw_status st = fclose(out) != 0 || failed ? VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path) : VW_OK;
  if (st == VW_OK) st = vw_file_write(path, text, (int64_t)bytes);
  free(text);
  return st;
}
