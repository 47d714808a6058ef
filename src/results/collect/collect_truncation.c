/* What the truncation stage left: rank 0 reads it, all ranks get the rows, and their means with intervals. */
#include "results/collect/collect.h"
#include "results/truncation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const vw_truncation_quantity_names[VW_CUT_QUANTITIES] = {"value", "deepest minus this"};

void vw_truncated_free(vw_truncated *t) {
  free(t->rows), free(t->depths), free(t->n_depths), free(t->layers), free(t->metrics), free(t->summary);
  *t = (vw_truncated){0};
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static vw_status find_depths(const vw_results_source *s, vw_truncated *t) {
  const int64_t n = s->config->n_models;
  t->room = VW_MOST_DEPTHS;
  t->depths = calloc((size_t)(n * t->room) + 1, sizeof *t->depths);
  t->n_depths = calloc((size_t)n + 1, sizeof *t->n_depths), t->layers = calloc((size_t)n + 1, sizeof *t->layers);
  VW_CHECK(t->depths && t->n_depths && t->layers, VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t m = 0; m < n; m++) {
    if (!s->networks[m]->kind->bytes) continue;
    VW_TRY(vw_cut_depths(s, m, t->depths + m * t->room, &t->n_depths[m]));
    t->layers[m] = s->networks[m]->text.tower.t.layers;
  }
  return VW_OK;
}

static vw_truncation_row row_of(const vw_cut_set *set, const vw_cut_row *r, bool is_known) {
  vw_truncation_row out = {.model = set->model,
                           .data = set->data,
                           .source = set->source,
                           .concept_index = r->concept_place,
                           .anchor_index = r->anchor_place,
                           .replica = r->replica,
                           .trial = r->trial ? r->trial->row : -1,
                           .kind = r->origin,
                           .delta = r->delta};
  (void)snprintf(out.word_text, sizeof out.word_text, "%s", is_known ? r->word : "");
  return out;
}

static bool any_finite(const double *x, int64_t n) {
  bool any = false;
  for (int64_t i = 0; i < n; i++) any = any || isfinite(x[i]);
  return any;
}

static vw_status make_room(vw_truncated *t, int64_t more) {
  vw_truncation_row *rows = realloc(t->rows, (size_t)(t->n + more) * sizeof *rows);
  if (rows) t->rows = rows;
  const size_t one = (size_t)(t->room * VW_MOST_METRICS) * sizeof(double);
  double *metrics = realloc(t->metrics, (size_t)(t->n + more) * one);
  if (metrics) t->metrics = metrics;
  VW_CHECK(rows && metrics, VW_ERR_MEMORY, "collect: out of memory");
  return VW_OK;
}

/* The words of a set at all depths; none where no file of theirs is there. */
static vw_status read_set(const vw_results_source *s, vw_truncated *t, const vw_cut_set *set) {
  const int m = s->kinds[set->model]->task->n_metrics;
  const int64_t all = t->room * VW_MOST_METRICS;
  vw_cut_words w = {0};
  double *metrics = NULL;
  bool any = false;
  int64_t missing = 0;
  vw_status st = VW_OK;
  VW_GOTO(vw_cut_words_list(&w, s, set));
  VW_GOTO(make_room(t, w.n));
  metrics = malloc((size_t)(w.n * m) * sizeof *metrics + 1);
  if (!metrics) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "collect: out of memory"));
  double *to = t->metrics + t->n * all;
  for (int64_t i = 0; i < w.n * all; i++) to[i] = NAN;
  for (int64_t d = 0; d < t->n_depths[set->model]; d++) {
    bool found = false;
    VW_GOTO(vw_cut_read(&w, s, set, t->depths[set->model * t->room + d], metrics, &found));
    missing += !found, any = any || found;
    for (int64_t i = 0; found && i < w.n; i++)
      memcpy(to + i * all + d * VW_MOST_METRICS, metrics + i * m, (size_t)m * sizeof *metrics);
  }
  if (missing && vw_cut_words_are_there(s, set)) t->missing += missing;
  for (int64_t i = 0; any && i < w.n; i++) t->rows[t->n + i] = row_of(set, &w.rows[i], any_finite(to + i * all, all));
  if (any) t->n += w.n;
cleanup:
  vw_cut_words_free(&w), free(metrics);
  return st;
}

static vw_status read_sets(const vw_results_source *s, vw_truncated *t) {
  vw_cut_set *sets = NULL;
  int64_t n = 0;
  VW_TRY(vw_cut_sets(s, &sets, &n));
  vw_status st = VW_OK;
  for (int64_t i = 0; st == VW_OK && i < n; i++) st = read_set(s, t, &sets[i]);
  free(sets);
  return st;
}

/* ---- means ------------------------------------------------------------------------------------------------------- */

/* Words of one kind, source, data set and delta of a model. */
typedef struct scoring {
  vw_truncated *t;
  const vw_truncation_row *like;
  uint64_t key;
  vw_score *scores; /* [rows] */
  int64_t room;     /* of the summary */
} scoring;

static bool same_delta(double a, double b) {
  return a == b || (isnan(a) && isnan(b));
}

static bool is_like(const vw_truncation_row *a, const vw_truncation_row *b) {
  return a->model == b->model && a->data == b->data && a->source == b->source && a->kind == b->kind &&
         same_delta(a->delta, b->delta);
}

static double metric_at(const vw_truncated *t, int64_t row, int64_t depth, int metric) {
  return t->metrics[(row * t->room + depth) * VW_MOST_METRICS + metric];
}

static vw_status add_row(scoring *s, vw_truncation_quantity quantity, int64_t depth, int metric) {
  vw_truncated *t = s->t;
  const int64_t model = s->like->model, last = t->n_depths[model] - 1;
  vw_interval interval;
  int64_t n = 0;
  for (int64_t i = 0; i < t->n; i++) {
    const vw_truncation_row *r = &t->rows[i];
    const double value = metric_at(t, i, depth, metric);
    if (!is_like(r, s->like)) continue;
    s->scores[n] = (vw_score){r->concept_index, r->anchor_index < 0 ? 0 : r->anchor_index, r->replica, r->delta, 0};
    s->scores[n++].value = quantity == VW_CUT_VALUE ? value : metric_at(t, i, last, metric) - value;
  }
  VW_TRY(vw_mean_interval(s->scores, n, s->key, &interval));
  if (t->n_summary == s->room) {
    const int64_t room = 2 * s->room + 256;
    vw_truncation_summary *more = realloc(t->summary, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "collect: out of memory");
    t->summary = more, s->room = room;
  }
  t->summary[t->n_summary++] = (vw_truncation_summary){.model = model,
                                                       .data = s->like->data,
                                                       .source = s->like->source,
                                                       .kind = s->like->kind,
                                                       .depth = t->depths[model * t->room + depth],
                                                       .quantity = quantity,
                                                       .delta = s->like->delta,
                                                       .metric = metric,
                                                       .interval = interval};
  return VW_OK;
}

static vw_status summarise_like(scoring *s, int metrics) {
  const int64_t depths = s->t->n_depths[s->like->model];
  for (int q = 0; q < VW_CUT_QUANTITIES; q++)
    for (int64_t d = 0; d < depths - (q == VW_CUT_DEEPEST_MINUS); d++)
      for (int m = 0; m < metrics; m++) VW_TRY(add_row(s, (vw_truncation_quantity)q, d, m));
  return VW_OK;
}

/* The kinds of words in the order in which they first come. */
static vw_status summarise(const vw_collected *c, vw_truncated *t) {
  const vw_study_config *config = c->s->config;
  scoring s = {.t = t, .scores = malloc((size_t)(t->n + 1) * sizeof *s.scores)};
  vw_status st = s.scores ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t i = 0; st == VW_OK && i < t->n; i++) {
    int64_t first = 0;
    while (!is_like(&t->rows[first], &t->rows[i])) first++;
    if (first < i) continue;
    const vw_stream stream = {.data = config->data[t->rows[i].data].name, .concept = "", .seed = config->seed};
    s.like = &t->rows[i];
    st = vw_stream_key(&stream, &s.key);
    if (st == VW_OK) st = summarise_like(&s, vw_collect_task(c, s.like->model)->n_metrics);
  }
  free(s.scores);
  return st;
}

/* ---- all ranks know all ------------------------------------------------------------------------------------------ */

static vw_status share(const vw_ranks *ranks, void **array, int64_t n, size_t bytes) {
  if (ranks->rank != 0) *array = calloc((size_t)n + 1, bytes);
  VW_TRY(vw_agree_message(ranks, *array || !n ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory")));
  return vw_ranks_broadcast(ranks, *array, n * (int64_t)bytes, 0);
}

static void set_texts(const vw_study_config *config, vw_truncated *t) {
  for (int64_t i = 0; i < t->n; i++) {
    vw_truncation_row *r = &t->rows[i];
    const vw_model_config *model = &config->models[r->model], *source = &config->models[r->source];
    r->model_name = model->name, r->source_name = r->source == r->model ? "" : source->name;
    r->data_name = config->data[r->data].name, r->kind_name = vw_origin_names[r->kind];
    r->concept = vw_study_data_of(config, r->model, r->data)->concepts.name[r->concept_index];
    r->anchor = r->anchor_index < 0 ? "" : source->trials.anchors.name[r->anchor_index];
    r->word = r->word_text;
  }
}

static vw_status read_all(const vw_collected *c, vw_truncated *t) {
  VW_TRY(read_sets(c->s, t));
  if (!t->n && !vw_study_has_stage(c->s->config, "truncation")) t->missing = 0; /* nobody asked for it */
  return summarise(c, t);
}

vw_status vw_collect_read_truncation(vw_collected *c) {
  const vw_ranks *ranks = &c->s->ranks;
  vw_truncated *t = &c->truncation;
  bool can_be_cut = false;
  for (int64_t m = 0; m < c->s->config->n_models; m++) can_be_cut = can_be_cut || c->s->networks[m]->kind->bytes;
  if (!can_be_cut) return VW_OK;
  VW_TRY(vw_agree_message(ranks, find_depths(c->s, t)));
  VW_TRY(vw_agree_message(ranks, ranks->rank == 0 ? read_all(c, t) : VW_OK));
  int64_t counts[] = {t->n, t->n_summary, t->missing};
  VW_TRY(vw_ranks_broadcast(ranks, counts, sizeof counts, 0));
  t->n = counts[0], t->n_summary = counts[1], t->missing = counts[2];
  VW_TRY(share(ranks, (void **)&t->rows, t->n, sizeof *t->rows));
  VW_TRY(share(ranks, (void **)&t->summary, t->n_summary, sizeof *t->summary));
  set_texts(c->s->config, t);
  return VW_OK;
}
