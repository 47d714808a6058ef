/* What the transfer stage left: rank 0 reads it, all ranks get the rows, and their means with intervals. */
#include "results/collect/collect.h"

#include "core/log.h"
#include "io/block_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const vw_transfer_quantity_names[VW_CARRIED_QUANTITIES] = {"value", "in domain", "in domain minus carried",
                                                                       "minus untouched anchor"};

vw_transfer_source vw_results_transfer(const vw_results_source *s) {
  return (vw_transfer_source){.config = s->config,
                              .plan = s->plan,
                              .out = s->out,
                              .kinds = s->kinds,
                              .networks = s->networks,
                              .words = s->words,
                              .weights = s->weights,
                              .pictures = s->pictures};
}

void vw_transferred_free(vw_transferred *t) {
  for (int64_t i = 0; t->pair && i < t->n_pairs; i++) vw_map_free(&t->pair[i].map), free(t->pair[i].words);
  free(t->pair), free(t->rows), free(t->summary);
  *t = (vw_transferred){0};
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool has_file(const char *out, const char *id) {
  char path[VW_PATH_BYTES];
  return vw_block_file_path(path, out, id) == VW_OK && vw_file_exists(path);
}

/* Maps that are there; a study that carries nothing has none, whatever its models. */
static vw_status read_maps(const vw_transfer_source *s, vw_transferred *t) {
  vw_transfer_pair *pairs = NULL;
  int64_t n = 0;
  const vw_status st = vw_transfer_pairs(s, &pairs, &n);
  if (st != VW_OK && !vw_study_has_stage(s->config, "transfer")) {
    vw_error_clear();
    return VW_OK;
  }
  VW_TRY(st);
  t->pair = calloc((size_t)n + 1, sizeof *t->pair);
  vw_status read = t->pair ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t i = 0; read == VW_OK && i < n; i++) {
    char id[VW_BLOCK_ID];
    read = vw_transfer_map_id(s, pairs[i].from, pairs[i].to, id);
    if (read != VW_OK || !has_file(s->out, id)) continue;
    t->pair[t->n_pairs].models = pairs[i];
    read = vw_map_read(&t->pair[t->n_pairs++].map, s, &pairs[i]);
  }
  free(pairs);
  return read;
}

static int64_t place_of(const vw_names *names, const char *name) {
  for (int64_t i = 0; i < names->n; i++)
    if (!strcmp(names->name[i], name)) return i;
  return -1;
}

static vw_transfer_row row_of(const vw_transfer_source *s, const vw_transfer_set *set, int64_t pair,
                              const vw_carried_row *r) {
  const vw_study_config *c = s->config;
  vw_transfer_row row = {.pair = pair,
                         .data = set->data,
                         .kind = r->kind,
                         .replica = r->replica,
                         .delta = r->delta,
                         .norm_ratio = r->norm_ratio,
                         .cosine = r->cosine,
                         .distance = r->distance};
  row.concept_index = place_of(&vw_study_data_of(c, set->to, set->data)->concepts, r->concept);
  row.anchor_index = place_of(&c->models[set->from].trials.anchors, r->anchor);
  row.trial = r->trial ? r->trial->row : -1, row.target = r->target ? r->target->row : -1;
  memcpy(row.word_text, r->word, sizeof row.word_text), memcpy(row.before_text, r->before, sizeof row.before_text);
  memcpy(row.after_text, r->after, sizeof row.after_text);
  return row;
}

static bool is_learned(const vw_transfer_source *s, const vw_transfer_set *set) {
  char id[VW_BLOCK_ID];
  if (set->block < 0) return true;
  vw_block_file_id(&s->plan->blocks[set->block], "", id);
  return has_file(s->out, id);
}

/* Appends the rows of one set, and its words to those of the pair. */
static vw_status append(vw_transferred *t, const vw_transfer_source *s, const vw_transfer_set *set, int64_t pair,
                        const vw_carried *c, const double *metrics) {
  vw_transfer_part *p = &t->pair[pair];
  const int64_t m = s->kinds[set->to]->task->n_metrics, one = c->vectors * c->to_width; /* numbers of a word */
  vw_transfer_row *rows = realloc(t->rows, (size_t)(t->n + c->n + 1) * sizeof *rows);
  VW_CHECK(rows, VW_ERR_MEMORY, "collect: no memory for carried words");
  t->rows = rows;
  double *words = realloc(p->words, (size_t)((p->n + c->n) * one + 1) * sizeof *words);
  VW_CHECK(words, VW_ERR_MEMORY, "collect: no memory for carried words");
  p->words = words;
  memcpy(words + p->n * one, c->words, (size_t)(c->n * one) * sizeof *words);
  for (int64_t i = 0; i < c->n; i++) {
    vw_transfer_row *r = &rows[t->n++];
    *r = row_of(s, set, pair, &c->rows[i]);
    for (int k = 0; k < VW_MOST_METRICS; k++) r->metrics[k] = k < m ? metrics[i * m + k] : NAN;
    for (int64_t k = 0; k < one && !c->rows[i].is_carried; k++) words[(p->n + i) * one + k] = NAN;
  }
  p->n += c->n;
  return VW_OK;
}

static vw_status read_set(vw_transferred *t, const vw_transfer_source *s, const vw_transfer_set *set, int64_t pair) {
  vw_carried c = {0};
  double *metrics = NULL;
  bool found = false;
  vw_status st = VW_OK;
  VW_GOTO(vw_carried_list(&c, s, set));
  metrics = malloc((size_t)(c.n * s->kinds[set->to]->task->n_metrics) * sizeof *metrics + 1);
  if (!metrics) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "collect: out of memory"));
  st = vw_carried_read(&c, s, set, metrics, &found);
  if (st == VW_ERR_INPUT) { /* damaged: as if it were not there */
    vw_log(VW_LOG_WARN, "a set of carried words is left out: %s", vw_error_message());
    vw_error_clear();
    st = VW_OK, found = false;
  }
  VW_GOTO(st);
  if (found)
    VW_GOTO(append(t, s, set, pair, &c, metrics));
  else
    t->missing += is_learned(s, set);
cleanup:
  vw_carried_free(&c), free(metrics);
  return st;
}

static vw_status read_sets(vw_transferred *t, const vw_transfer_source *s) {
  vw_status st = VW_OK;
  for (int64_t i = 0; st == VW_OK && i < t->n_pairs; i++) {
    vw_transfer_set *sets = NULL;
    int64_t n = 0;
    t->pair[i].first = t->n;
    st = vw_transfer_sets(s, &t->pair[i].models, 1, &sets, &n);
    for (int64_t k = 0; st == VW_OK && k < n; k++) st = read_set(t, s, &sets[k], i);
    free(sets);
  }
  return st;
}

/* ---- means ------------------------------------------------------------------------------------------------------- */

/* The scores of one kind of carried words of a pair and data set. */
typedef struct scoring {
  const vw_collected *c;
  vw_transferred *t;
  int64_t pair, data;
  vw_carried_kind what;
  uint64_t key;
  vw_score *scores; /* [rows of the pair] */
  double *deltas;
  int64_t n_deltas, room;
} scoring;

static bool is_of(const scoring *s, const vw_transfer_row *r) {
  return r->pair == s->pair && r->data == s->data && r->kind == s->what;
}

static int by_number(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Ascending; those that have none are kept as one NaN. */
static void find_deltas(scoring *s) {
  int64_t n = 0;
  s->n_deltas = 0;
  for (int64_t i = 0; i < s->t->n; i++)
    if (is_of(s, &s->t->rows[i])) s->deltas[n++] = s->t->rows[i].delta;
  if (n && isnan(s->deltas[0])) {
    s->n_deltas = 1;
    return;
  }
  qsort(s->deltas, (size_t)n, sizeof *s->deltas, by_number);
  for (int64_t i = 0; i < n; i++)
    if (!s->n_deltas || s->deltas[s->n_deltas - 1] != s->deltas[i]) s->deltas[s->n_deltas++] = s->deltas[i];
}

static double in_domain(const vw_collected *c, const vw_transfer_row *r, int metric) {
  if (r->target < 0 || c->rows[r->target].failed) return NAN;
  return c->rows[r->target].metrics[metric];
}

/* The untouched anchor of the target. */
static double of_anchor(const vw_collected *c, const vw_transfer_part *p, const vw_transfer_row *r, int metric) {
  const char *anchor = c->s->config->models[p->models.from].trials.anchors.name[r->anchor_index];
  for (int64_t i = 0; i < c->n_baselines; i++) {
    const vw_baseline *b = &c->baselines[i];
    if (b->what == VW_OF_ANCHOR && b->model_index == p->models.to && b->data_index == r->data &&
        b->concept_index == r->concept_index && !strcmp(b->anchor, anchor))
      return b->metrics[metric];
  }
  return NAN;
}

static double score_of(const scoring *s, const vw_transfer_row *r, vw_transfer_quantity quantity, int metric) {
  const double carried = r->metrics[metric];
  switch (quantity) {
  case VW_CARRIED_IN_DOMAIN:
    return isfinite(carried) ? in_domain(s->c, r, metric) : NAN;
  case VW_CARRIED_LOSS:
    return in_domain(s->c, r, metric) - carried;
  case VW_CARRIED_MINUS_ANCHOR:
    return carried - of_anchor(s->c, &s->t->pair[s->pair], r, metric);
  default:
    return carried;
  }
}

static vw_status add_summary(scoring *s, vw_transfer_quantity quantity, double delta, int metric) {
  vw_transferred *t = s->t;
  vw_interval interval;
  int64_t n = 0;
  for (int64_t i = 0; i < t->n; i++) {
    const vw_transfer_row *r = &t->rows[i];
    if (!is_of(s, r) || !(r->delta == delta || (isnan(r->delta) && isnan(delta)))) continue;
    s->scores[n++] = (vw_score){r->concept_index, r->anchor_index, r->replica, r->delta, 0};
    s->scores[n - 1].value = score_of(s, r, quantity, metric);
  }
  VW_TRY(vw_mean_interval(s->scores, n, s->key, &interval));
  if (t->n_summary == s->room) {
    const int64_t room = 2 * s->room + 256;
    vw_transfer_summary *more = realloc(t->summary, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "collect: out of memory");
    t->summary = more, s->room = room;
  }
  t->summary[t->n_summary++] = (vw_transfer_summary){s->pair, s->data, s->what, quantity, delta, metric, interval};
  return VW_OK;
}

static vw_status summarise_kind(scoring *s) {
  const int metrics = vw_collect_task(s->c, s->t->pair[s->pair].models.to)->n_metrics;
  const int quantities = s->what == VW_CARRIED_WORD ? VW_CARRIED_QUANTITIES : 1;
  find_deltas(s);
  for (int q = 0; q < quantities; q++)
    for (int64_t e = 0; e < s->n_deltas; e++)
      for (int m = 0; m < metrics; m++) VW_TRY(add_summary(s, (vw_transfer_quantity)q, s->deltas[e], m));
  return VW_OK;
}

static vw_status summarise(const vw_collected *c, vw_transferred *t) {
  const vw_study_config *config = c->s->config;
  scoring s = {.c = c, .t = t};
  vw_status st = VW_OK;
  s.scores = malloc((size_t)(t->n + 1) * sizeof *s.scores), s.deltas = malloc((size_t)(t->n + 1) * sizeof *s.deltas);
  if (!s.scores || !s.deltas) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "collect: out of memory"));
  for (s.pair = 0; s.pair < t->n_pairs; s.pair++)
    for (s.data = 0; s.data < config->n_data; s.data++)
      for (int what = 0; what < VW_CARRIED_KINDS; what++) {
        const vw_stream stream = {.data = config->data[s.data].name, .concept = "", .seed = config->seed};
        s.what = (vw_carried_kind)what;
        VW_GOTO(vw_stream_key(&stream, &s.key));
        VW_GOTO(summarise_kind(&s));
      }
cleanup:
  free(s.scores), free(s.deltas);
  return st;
}

/* ---- all ranks know all ------------------------------------------------------------------------------------------ */

static vw_status share(const vw_ranks *ranks, void **array, int64_t n, size_t bytes) {
  if (ranks->rank != 0) *array = calloc((size_t)n + 1, bytes);
  VW_TRY(vw_agree_message(ranks, *array || !n ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory")));
  return vw_ranks_broadcast(ranks, *array, n * (int64_t)bytes, 0);
}

/* The maps' numbers without their arrays. */
static vw_status share_pairs(const vw_ranks *ranks, vw_transferred *t) {
  vw_transfer_part *plain = calloc((size_t)t->n_pairs + 1, sizeof *plain);
  vw_status st = plain ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t i = 0; plain && ranks->rank == 0 && i < t->n_pairs; i++) {
    plain[i] = t->pair[i];
    plain[i].words = plain[i].map.matrix = plain[i].map.bias = plain[i].map.layer = NULL;
  }
  st = vw_agree_message(ranks, st);
  if (st == VW_OK) st = vw_ranks_broadcast(ranks, plain, t->n_pairs * (int64_t)sizeof *plain, 0);
  if (ranks->rank == 0) {
    free(plain);
    return st;
  }
  free(t->pair);
  t->pair = plain;
  return st;
}

static void set_texts(const vw_study_config *config, vw_transferred *t) {
  for (int64_t i = 0; i < t->n; i++) {
    vw_transfer_row *r = &t->rows[i];
    const vw_transfer_pair *p = &t->pair[r->pair].models;
    r->data_name = config->data[r->data].name, r->kind_name = vw_carried_names[r->kind];
    r->concept = vw_study_data_of(config, p->to, r->data)->concepts.name[r->concept_index];
    r->anchor = r->anchor_index < 0 ? "" : config->models[p->from].trials.anchors.name[r->anchor_index];
    r->word = r->word_text, r->before = r->before_text, r->after = r->after_text;
  }
}

static vw_status read_all(const vw_collected *c, vw_transferred *t) {
  const vw_transfer_source s = vw_results_transfer(c->s);
  VW_TRY(read_maps(&s, t));
  VW_TRY(read_sets(t, &s));
  return summarise(c, t);
}

vw_status vw_collect_read_transfer(vw_collected *c) {
  const vw_ranks *ranks = &c->s->ranks;
  vw_transferred *t = &c->transfer;
  VW_TRY(vw_agree_message(ranks, ranks->rank == 0 ? read_all(c, t) : VW_OK));
  int64_t counts[] = {t->n_pairs, t->n, t->n_summary, t->missing};
  VW_TRY(vw_ranks_broadcast(ranks, counts, sizeof counts, 0));
  t->n_pairs = counts[0], t->n = counts[1], t->n_summary = counts[2], t->missing = counts[3];
  VW_TRY(share_pairs(ranks, t));
  VW_TRY(share(ranks, (void **)&t->rows, t->n, sizeof *t->rows));
  VW_TRY(share(ranks, (void **)&t->summary, t->n_summary, sizeof *t->summary));
  set_texts(c->s->config, t);
  return VW_OK;
}
