/* /transfer and /summary/transfer of study.h5. Rank 0 has the numbers and writes them; all ranks take part. */
#include "results/collect/collect_writer.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS(table)                             (table), (int64_t)(sizeof(table) / sizeof *(table))
#define N(member, dtype, name, units, description) VW_NUMBER(vw_transfer_row, member, dtype, name, units, description)
#define T(member, name, description)               VW_TEXT(vw_transfer_row, member, name, description)

static const vw_column row_columns[] = {
    T(kind_name, "kind", "carried word | carried anchor | carried name | carried random word"),
    T(data_name, "data", "data set that the target judged it on"),
    T(concept, "concept", "what it was learned for, or judged on"),
    T(anchor, "anchor", "anchor word; empty where there is none"),
    N(delta, VW_F64, "delta", "1", "as in /trials; 0: an anchor; NaN: does not apply"),
    N(replica, VW_I64, "replica", "1", "as in /trials"),
    N(trial, VW_I64, "trial", "1", "row of /trials that it was learned in; -1: none"),
    N(target, VW_I64, "target", "1", "row of /trials of the same word learned in the target; -1: none"),
    T(word, "word", "the word that was carried; empty: a learned one, or a name that the source does not know"),
    T(before, "nearest_before", "whole word of the source nearest to v"),
    T(after, "nearest_after", "whole word of the target nearest to T v"),
    N(norm_ratio, VW_F64, "norm_ratio", "1", "|T v| over |v|"),
    N(cosine, VW_F64, "cosine_anchor", "1", "cosine of T v and T(anchor)"),
    N(distance, VW_F64, "distance_over_radius", "1",
      "|T v - the target's anchor| over the radius there; of an anchor over that of delta 1; NaN: free"),
};
#undef N
#undef T

typedef struct vocabulary_row {
  const char *word;
  int64_t fold, from, to;
} vocabulary_row;

static const vw_column vocabulary_columns[] = {
    VW_TEXT(vocabulary_row, word, "word", "whole word that both networks were trained on"),
    VW_NUMBER(vocabulary_row, fold, VW_I64, "fold", "1", "held out together: FNV-1a of its bytes modulo 10"),
    VW_NUMBER(vocabulary_row, from, VW_I64, "from_token", "1", "id in the source's vocabulary"),
    VW_NUMBER(vocabulary_row, to, VW_I64, "to_token", "1", "id in the target's vocabulary"),
};

/* "/transfer/clip/owl" and what is below it. */
typedef struct pair_writer {
  const vw_writer *w;
  const vw_transfer_part *p;
  const vw_task_kind *task;
  vw_file_path group, row, channel, feature;
  int64_t *mine; /* 0, 1, ... */
  int64_t n_mine;
} pair_writer;

static vw_status in_group(const pair_writer *o, const char *name, vw_file_path path) {
  return vw_writer_path(path, o->group, name, "");
}

/* Rank 0's numbers [d->dim[0], ...]. */
static vw_status write_numbers(const pair_writer *o, vw_study_data *d, vw_dtype type, const char *name,
                               const double *numbers) {
  vw_file_path path;
  const vw_row_range all = {0, d->dim[0]};
  VW_TRY(in_group(o, name, path));
  d->path = path, d->units = "1", d->dtype = type;
  const int64_t n = d->dim[0] * (d->ndim > 1 ? d->dim[1] : 1) * (d->ndim > 2 ? d->dim[2] : 1);
  void *room = malloc((size_t)n * sizeof(double) + 1);
  vw_status st = vw_writer_memory(o->w, room != NULL);
  if (st == VW_OK && numbers) st = vw_convert(room, d->dtype, numbers, VW_F64, n);
  st = vw_agree_message(o->w->ranks, st);
  if (st == VW_OK) st = vw_study_file_write_rows(o->w->f, d, &all, o->w->ranks->rank == 0, room);
  free(room);
  return st;
}

static vw_status write_map(const pair_writer *o) {
  const vw_map *m = &o->p->map;
  vw_file_path unit;
  vw_study_data t = {.ndim = 2, .dim = {m->from + m->hidden, m->to}, .scale = {o->feature, o->channel}};
  t.description = "the map: numbers of a word, then units of its hidden layer, times this";
  VW_TRY(vw_writer_count(o->w, o->channel, "component of the target's embedding", m->to));
  VW_TRY(vw_writer_count(o->w, o->feature, "component of the source's embedding, then unit of the hidden layer",
                         m->from + m->hidden));
  VW_TRY(write_numbers(o, &t, VW_F64, "T", m->matrix));
  vw_study_data bias = {.ndim = 1, .dim = {m->to}, .scale = {o->channel}};
  bias.description = "added to that; 0 without a bias";
  VW_TRY(write_numbers(o, &bias, VW_F64, "bias", m->bias));
  if (!m->hidden) return VW_OK;
  VW_TRY(in_group(o, "unit", unit));
  VW_TRY(vw_writer_count(o->w, unit, "unit of the hidden layer", m->hidden));
  vw_file_path input;
  VW_TRY(in_group(o, "input", input));
  VW_TRY(vw_writer_count(o->w, input, "component of the source's embedding, then the unit's offset", m->from + 1));
  vw_study_data layer = {.ndim = 2, .dim = {m->from + 1, m->hidden}, .scale = {input, unit}};
  layer.description = "hidden layer: a unit is the attribute scale times tanh of the word times this, plus the offset";
  return write_numbers(o, &layer, VW_F64, "layer", m->layer);
}

static vw_status write_rows(const pair_writer *o) {
  const vw_transferred *t = &o->w->c->transfer;
  const vw_table table = {.group = o->group,
                          .scale = o->row,
                          .rows = t->rows + o->p->first,
                          .stride = sizeof *t->rows,
                          .n_rows = o->p->n,
                          .mine = o->mine,
                          .n_mine = o->n_mine};
  const int64_t m = o->task->n_metrics;
  const char *name[VW_MOST_METRICS];
  vw_file_path metric;
  double *x = malloc((size_t)(o->p->n * m) * sizeof *x + 1);
  vw_status st = VW_OK;
  VW_GOTO(vw_writer_memory(o->w, x != NULL));
  VW_GOTO(vw_writer_count(o->w, o->row, "carried word", o->p->n));
  VW_GOTO(vw_table_write(o->w->f, o->w->ranks, &table, COLUMNS(row_columns)));
  vw_study_data words = {.ndim = 2, .dim = {o->p->n, o->p->map.to}, .scale = {o->row, o->channel}};
  words.description = "words of the source, carried to the target";
  const int64_t vectors = o->w->c->s->config->models[o->p->models.from].vectors;
  vw_file_path vector;
  if (vectors > 1) {
    VW_GOTO(in_group(o, "vector", vector));
    VW_GOTO(vw_writer_count(o->w, vector, "vector of a word", vectors));
    words.ndim = 3, words.dim[1] = vectors, words.dim[2] = o->p->map.to;
    words.scale[1] = vector, words.scale[2] = o->channel;
  }
  VW_GOTO(write_numbers(o, &words, o->w->c->s->networks[o->p->models.to]->word_type, "words", o->p->words));
  for (int i = 0; i < m; i++) name[i] = o->task->metrics[i].name;
  VW_GOTO(in_group(o, "metric", metric));
  VW_GOTO(vw_table_text_scale(o->w->f, o->w->ranks, metric, o->task->metrics_are, name, m));
  for (int64_t i = 0; i < o->p->n; i++) memcpy(x + i * m, t->rows[o->p->first + i].metrics, (size_t)m * sizeof *x);
  vw_study_data judged = {.ndim = 2, .dim = {o->p->n, m}, .scale = {o->row, metric}};
  judged.description = "carried words, judged by the target's task";
  VW_GOTO(write_numbers(o, &judged, VW_F64, "evaluation", x));
  VW_GOTO(vw_writer_kept(o->w, o->group, o->row, &o->p->kept, o->p->n));
cleanup:
  free(x);
  return st;
}

/* Every rank knows the words in common. */
static vw_status write_vocabulary(const pair_writer *o) {
  const vw_results_source *s = o->w->c->s;
  vw_common_words words;
  vocabulary_row *rows = NULL;
  int64_t *mine = NULL;
  vw_file_path group, scale;
  vw_status st = vw_common_words_find(&words, s->networks[o->p->models.from], s->networks[o->p->models.to]);
  VW_GOTO(vw_agree_message(o->w->ranks, st));
  rows = calloc((size_t)words.n + 1, sizeof *rows), mine = calloc((size_t)words.n + 1, sizeof *mine);
  VW_GOTO(vw_writer_memory(o->w, rows && mine));
  for (int64_t i = 0; i < words.n; i++) {
    rows[i] = (vocabulary_row){words.word[i].text, words.word[i].fold, words.word[i].from, words.word[i].to};
    mine[i] = i;
  }
  VW_GOTO(in_group(o, "vocabulary", group));
  VW_GOTO(vw_writer_path(scale, group, "entry", "")); /* a name that no group above has */
  VW_GOTO(vw_writer_count(o->w, scale, "word that the map was fitted on", words.n));
  const vw_table table = {group, scale, rows, sizeof *rows, words.n, mine, o->w->ranks->rank == 0 ? words.n : 0};
  VW_GOTO(vw_table_write(o->w->f, o->w->ranks, &table, COLUMNS(vocabulary_columns)));
cleanup:
  vw_common_words_free(&words);
  free(rows), free(mine);
  return st;
}

static vw_status write_attributes(const pair_writer *o) {
  const vw_map *m = &o->p->map;
  const struct {
    const char *name;
    double value;
  } numbers[] = {{"lambda", m->lambda},
                 {"words", (double)m->words},
                 {"rank", (double)m->rank},
                 {"condition", m->condition},
                 {"r2", m->r2},
                 {"r2_held_out", m->r2_held_out},
                 {"hidden", (double)m->hidden},
                 {"scale", m->scale}};
  VW_TRY(vw_study_file_attribute_text(o->w->f, o->group, "map", vw_map_names[m->kind]));
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    VW_TRY(vw_study_file_attribute_number(o->w->f, o->group, numbers[i].name, numbers[i].value));
  return VW_OK;
}

static vw_status write_pair(const vw_writer *w, const vw_transfer_part *p) {
  const vw_study_config *config = w->c->s->config;
  pair_writer o = {.w = w, .p = p, .task = vw_collect_task(w->c, p->models.to)};
  vw_file_path from;
  vw_status st = VW_OK;
  o.mine = malloc((size_t)(p->n + 1) * sizeof *o.mine);
  VW_GOTO(vw_writer_memory(w, o.mine != NULL));
  for (int64_t i = 0; i < p->n; i++) o.mine[i] = i;
  o.n_mine = w->ranks->rank == 0 ? p->n : 0;
  VW_GOTO(vw_writer_path(from, "/transfer", config->models[p->models.from].name, ""));
  VW_GOTO(vw_writer_path(o.group, from, config->models[p->models.to].name, ""));
  VW_GOTO(in_group(&o, "row", o.row));
  VW_GOTO(in_group(&o, "channel", o.channel));
  VW_GOTO(in_group(&o, "feature", o.feature));
  VW_GOTO(write_map(&o));
  VW_GOTO(write_rows(&o));
  VW_GOTO(write_vocabulary(&o));
  VW_GOTO(write_attributes(&o));
cleanup:
  free(o.mine);
  return st;
}

/* ---- /summary/transfer ------------------------------------------------------------------------------------------- */

typedef struct summary_row {
  const char *from, *to, *data, *what, *quantity, *metric;
  double delta;
  vw_interval i;
} summary_row;

static const vw_column summary_columns[] = {
    VW_TEXT(summary_row, from, "from", "model whose words were carried"),
    VW_TEXT(summary_row, to, "to", "model that they were carried to"),
    VW_TEXT(summary_row, data, "data", "data set that the target judged them on"),
    VW_TEXT(summary_row, what, "what", "carried word, or what carried words are compared with"),
    VW_TEXT(summary_row, quantity, "quantity", "the value; that of the same words learned there; a paired difference"),
    VW_NUMBER(summary_row, delta, VW_F64, "delta", "1", "0: anchors; inf: free; NaN: does not apply"),
    VW_TEXT(summary_row, metric, "metric", "of the target's task (docs/protocol.md)"),
    VW_INTERVAL(summary_row, "how many numbers"),
};

static vw_status write_summary(const vw_writer *w) {
  const vw_transferred *t = &w->c->transfer;
  const vw_study_config *config = w->c->s->config;
  summary_row *rows = calloc((size_t)t->n_summary + 1, sizeof *rows);
  vw_status st = VW_OK;
  VW_GOTO(vw_writer_memory(w, rows != NULL));
  for (int64_t i = 0; i < t->n_summary; i++) {
    const vw_transfer_summary *r = &t->summary[i];
    const vw_transfer_pair *p = &t->pair[r->pair].models;
    rows[i] = (summary_row){config->models[p->from].name,
                            config->models[p->to].name,
                            config->data[r->data].name,
                            vw_carried_names[r->what],
                            vw_transfer_quantity_names[r->quantity],
                            vw_collect_metric_name(w->c, p->to, r->metric),
                            r->delta,
                            r->interval};
  }
  VW_GOTO(vw_writer_count(w, "/summary/transfer/row", "row of the summary", t->n_summary));
  VW_GOTO(vw_writer_table(w, "/summary/transfer", "/summary/transfer/row", rows, sizeof *rows, t->n_summary,
                          COLUMNS(summary_columns)));
cleanup:
  free(rows);
  return st;
}

vw_status vw_write_transfer(const vw_writer *w) {
  const vw_transferred *t = &w->c->transfer;
  for (int64_t i = 0; i < t->n_pairs; i++) VW_TRY(write_pair(w, &t->pair[i]));
  return t->n_pairs ? write_summary(w) : VW_OK;
}
