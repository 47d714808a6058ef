#include "results/predict_internal.h"

#include "io/block_file.h"
#include "results/collect/collect_time.h"
#include "results/judging_pieces.h"
#include "results/truncation.h"
#include "transfer/carried.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const vw_predict_names[VW_PREDICT_STAGES] = {"start",    "features",   "learn", "evaluate", "maps",
                                                         "transfer", "truncation", "probe", "tsne",     "collect"};

static const double seconds_a_kind = 1, seconds_of_product = 0.3;

typedef vw_predictor predictor;

/* The first model with the precision of this one: their times are one machine's. */
static int64_t first_alike(const vw_predict_source *s, int64_t model) {
  int64_t m = 0;
  while (strcmp(s->precision[m], s->precision[model]) != 0) m++;
  return m;
}

vw_rates *vw_predict_rates(const vw_predictor *p, int64_t model) {
  return &p->rates[first_alike(p->s, model)];
}

static vw_rates *rates_of(const predictor *p, const vw_block_kind *k) {
  return vw_predict_rates(p, k->in.model - p->config->models);
}

static bool is_known(const vw_rates *r, const vw_timed_name *name) {
  double ignored = 0;
  return vw_rates_seconds(r, name->kind, name->shape, name->flops, &ignored) == VW_RATE_MEASURED;
}

/* Seconds of one run of a kind's pass; measured anew the first time that `measure` wants it. */
static vw_status seconds_of(predictor *p, const vw_block_kind *k, vw_timed what, double *seconds) {
  vw_timed_name name;
  *seconds = 0;
  if (!vw_can_name(k, what)) {
    p->out->source = VW_RATE_UNKNOWN;
    return VW_OK;
  }
  VW_TRY(vw_timed_name_of(k, what, &name));
  vw_rates *rates = rates_of(p, k);
  const bool can_run = vw_can_time(k, what) && !(what == VW_TIMED_CACHE && k->in.pictures->is_counted);
  if (p->measure && can_run && !is_known(rates, &name)) {
    double one = 0;
    VW_TRY(vw_time_runs(k, what, seconds_a_kind, &one));
    if (one > 0) VW_TRY(vw_rates_put(rates, name.kind, name.shape, name.flops, one));
  }
  const vw_rate_source source = vw_rates_seconds(rates, name.kind, name.shape, name.flops, seconds);
  if (source > p->out->source) p->out->source = source;
  return VW_OK;
}

static bool has_file(const vw_predict_source *s, const char *id) {
  return s->results.out[0] && !s->is_counted && vw_block_file_exists(s->results.out, id);
}

bool vw_predict_has_file(const vw_predictor *p, const char *id) {
  return has_file(p->s, id);
}

static const vw_step_cut whole = {1, 1};

static vw_block_kind kind_of(const predictor *p, int64_t model, int64_t data, int64_t rows, vw_step_cut cut) {
  return (vw_block_kind){.task = p->s->results.kinds[model]->task,
                         .in = p->s->inputs[model * p->config->n_data + data],
                         .rows = rows,
                         .cut = cut};
}

static vw_status runs_of(const vw_block_kind *k, vw_task_part what, int64_t words, double *runs) {
  *runs = 0;
  return k->task->part_runs ? k->task->part_runs(&k->in, what, 0, words, runs) : VW_OK;
}

/* Judging: how often each kind of its runs is wanted. */
typedef struct judging {
  double runs[VW_MOST_PIECES];
} judging;

static vw_status judge_words(const vw_block_kind *k, int64_t words, judging *j) {
  for (int piece = 0; k->task->part_runs && piece < (k->task->judge_pieces ? k->task->judge_pieces : 1); piece++) {
    double runs = 0;
    VW_TRY(k->task->part_runs(&k->in, VW_PART_JUDGE, piece, words, &runs));
    j->runs[piece] += runs;
  }
  return VW_OK;
}

static vw_status judging_seconds(predictor *p, const vw_block_kind *k, const judging *j, double *seconds) {
  vw_block_kind of = *k;
  double one = 0;
  *seconds = 0;
  if (!k->task->part_runs) return seconds_of(p, k, VW_TIMED_JUDGE, &one); /* says that it is unknown */
  for (; of.piece < VW_MOST_PIECES; of.piece++) {
    if (!j->runs[of.piece]) continue;
    VW_TRY(seconds_of(p, &of, VW_TIMED_JUDGE, &one));
    *seconds += one * j->runs[of.piece];
  }
  return VW_OK;
}

/* Words of one concept are judged together. */
static vw_status judging_trials(predictor *p, const vw_block_kind *k, const vw_trial *trials, int64_t n,
                                double *seconds) {
  judging j = {{0}};
  for (int64_t first = 0, end; first < n; first = end) {
    for (end = first + 1; end < n && !strcmp(trials[end].concept, trials[first].concept);) end++;
    if (!trials[first].null_concept || !k->task->skips_null) VW_TRY(judge_words(k, end - first, &j));
  }
  return judging_seconds(p, k, &j, seconds);
}

/* The items of judging some words, which takes `seconds` in all, as the stages list them (jobs/stages/judging.c): the
 * metrics, and before them the pictures that are not there. `stem`: of the file with the metrics, NULL without ids. */
static vw_status add_judging(predictor *p, int stage, const vw_words_to_judge *w, const char *stem, double seconds) {
  const vw_task_kind *task = p->s->results.kinds[w->model]->task;
  const vw_task_inputs *in = &p->s->inputs[w->model * p->config->n_data + w->data];
  vw_predict_items *items = &p->items[stage];
  int64_t pictures = 0, numbers = 0;
  char id[VW_BLOCK_ID];
  VW_TRY(vw_judging_pieces(task, in, w, &pictures, &numbers));
  if (!pictures) return vw_predict_items_add(items, (vw_predict_item){.seconds = seconds});
  VW_TRY(vw_predict_items_add(items, (vw_predict_item){.round = 1}));
  for (int64_t i = 0; i < pictures; i++) {
    if (stem) VW_TRY(vw_judged_part_id(stem, i, id));
    if (stem && has_file(p->s, id)) continue;
    const vw_predict_item one = {.seconds = seconds / (double)pictures,
                                 .group = vw_judging_group(task, w, p->config->n_data, i)};
    VW_TRY(vw_predict_items_add(items, one));
  }
  return VW_OK;
}

static vw_status add_block(predictor *p, int64_t i) {
  const vw_predict_source *s = p->s;
  const vw_block *b = &p->plan->blocks[i];
  if (!vw_block_is_active(b)) return VW_OK;
  const vw_block_kind k = kind_of(p, b->model_index, b->data_index, b->n, (vw_step_cut){b->slices, b->segments});
  vw_block_cost cost;
  char id[VW_BLOCK_ID];
  double one = 0;
  vw_block_file_id(b, "", id);
  const bool is_learned = has_file(s, id);
  if (!is_learned || s->learn) {
    VW_TRY(vw_costs_find(s->costs, &k, &cost));
    VW_TRY(seconds_of(p, &k, VW_TIMED_STEP, &one));
    if (s->learn) s->learn[i] = one * (double)cost.runs;
    const vw_predict_item item = {.seconds = one * (double)cost.runs, .cost = cost.step.flops * (double)cost.runs};
    if (!is_learned) VW_TRY(vw_predict_items_add(&p->items[VW_PREDICT_LEARN], item));
  }
  vw_block_evaluation_id(b, id);
  if (has_file(s, id)) return VW_OK;
  VW_TRY(judging_trials(p, &k, p->plan->trials + b->first, b->n, &one));
  const vw_words_to_judge w = {.model = b->model_index, .data = b->data_index, .block = i};
  return add_judging(p, VW_PREDICT_EVALUATE, &w, s->is_counted ? NULL : id, one);
}

static bool is_used(const predictor *p, int64_t model, int64_t data) {
  for (int64_t i = 0; i < p->plan->n_blocks; i++) {
    const vw_block *b = &p->plan->blocks[i];
    if (b->n_selected && b->model_index == model && b->data_index == data) return true;
  }
  return false;
}

/* Words of a concept's baselines that are judged (learn/baselines.h): a random word, the concept's name where it is
 * known, directions, anchors. What an untouched anchor draws serves all concepts. */
static int64_t baseline_words(const vw_block_kind *k, const vw_word_table *w, const char *concept, bool is_first) {
  const vw_trials_config *trials = &k->in.model->trials;
  const int64_t directions = trials->anchors.n * (k->task->few_directions ? 1 : trials->deltas.n);
  const bool has_name = !w->mask || !w->network->text.tokenizer || vw_baseline_name_is_known(w, concept);
  return 1 + has_name + directions + (k->task->draws_parts && !is_first ? 0 : trials->anchors.n);
}

/* What the tasks make once and keep, as ranks take it: a round for each queue. */
static vw_status add_cache(predictor *p, const vw_block_kind *k, vw_task_part what, double seconds) {
  vw_predict_items *items = &p->items[VW_PREDICT_FEATURES];
  const int64_t round = vw_predict_rounds(items);
  int64_t n = 1;
  if (k->task->part_items) VW_TRY(k->task->part_items(&k->in, what, &n));
  for (int64_t i = 0; i < n; i++)
    VW_TRY(vw_predict_items_add(items, (vw_predict_item){.seconds = seconds / (double)n, .round = round}));
  return VW_OK;
}

/* Pictures without features, the texts of the classes, baselines. */
static vw_status add_pair(predictor *p, int64_t m, int64_t d) {
  const vw_predict_source *s = p->s;
  const vw_names *concepts = &vw_study_data_of(p->config, m, d)->concepts;
  const vw_block_kind k = kind_of(p, m, d, 1, whole);
  double runs = 0;
  double one = 0;
  if (!is_used(p, m, d)) return VW_OK;
  VW_TRY(runs_of(&k, VW_PART_CACHE, 0, &runs));
  if (runs) VW_TRY(seconds_of(p, &k, VW_TIMED_CACHE, &one));
  if (runs) VW_TRY(add_cache(p, &k, VW_PART_CACHE, one * runs));
  VW_TRY(seconds_of(p, &k, VW_TIMED_OPEN, &one));
  VW_TRY(runs_of(&k, VW_PART_OPEN, 0, &runs));
  if (!k.task->shares_open || !k.task->shares_open(&k.in))
    p->items[VW_PREDICT_LEARN].beside += one * runs;
  else if (runs)
    VW_TRY(add_cache(p, &k, VW_PART_OPEN, one * runs));
  for (int64_t i = 0; i < concepts->n; i++) {
    char id[VW_BLOCK_ID];
    VW_TRY(vw_results_baseline_id(&s->results, m, d, i, id));
    if (has_file(s, id)) continue;
    judging j = {{0}};
    VW_TRY(judge_words(&k, baseline_words(&k, &s->results.words[m], concepts->name[i], i == 0), &j));
    VW_TRY(judging_seconds(p, &k, &j, &one));
    const vw_words_to_judge w = {.model = m, .data = d, .block = -1};
    VW_TRY(add_judging(p, VW_PREDICT_EVALUATE, &w, s->is_counted ? NULL : id, one));
  }
  return VW_OK;
}

/* Of the pictures that a task draws of a word, where it is asked for fewer. */
static double share_of_pictures(const vw_block_kind *k, int64_t pictures) {
  const int64_t all = k->in.model->judge.pictures;
  return k->task->draws_parts && pictures && pictures < all ? (double)pictures / (double)all : 1;
}

/* An anchor that draws serves all concepts; a name that is no word of its network is not carried. */
static bool is_judged_carried(const vw_block_kind *k, const vw_transfer_source *t, const vw_transfer_set *set,
                              const vw_carried_row *row) {
  const vw_word_table *from = &t->words[set->from];
  if (row->kind == VW_CARRIED_ANCHOR) return !k->task->draws_parts || set->concept == 0;
  return row->kind != VW_CARRIED_NAME || !from->mask || vw_carried_name_is_word(from, row->concept);
}

/* Judging what a set carries, as runs of its target. */
static vw_status add_set(predictor *p, const vw_transfer_source *t, const vw_transfer_set *set) {
  const vw_block_kind k = kind_of(p, set->to, set->data, 1, whole);
  char id[VW_BLOCK_ID];
  vw_carried c = {0};
  judging j = {{0}};
  double seconds = 0;
  vw_status st = VW_OK;
  if (!p->s->is_counted) VW_TRY(vw_transfer_set_id(t, set, id));
  if (!p->s->is_counted && has_file(p->s, id)) return VW_OK;
  VW_GOTO(vw_carried_list(&c, t, set));
  for (int64_t first = 0, end; first < c.n; first = end) {
    int64_t words = 0;
    for (end = first; end < c.n && !strcmp(c.rows[end].concept, c.rows[first].concept); end++)
      words += is_judged_carried(&k, t, set, &c.rows[end]);
    VW_GOTO(judge_words(&k, words, &j));
  }
  VW_GOTO(judging_seconds(p, &k, &j, &seconds));
  seconds *= share_of_pictures(&k, p->config->transfer.pictures);
  const vw_words_to_judge w = {
      .model = set->to, .data = set->data, .block = set->block, .pictures = p->config->transfer.pictures};
  VW_GOTO(add_judging(p, VW_PREDICT_TRANSFER, &w, p->s->is_counted ? NULL : id, seconds));
cleanup:
  vw_carried_free(&c);
  return st;
}

/* Words in other networks. */
static vw_status add_transfer(predictor *p) {
  const vw_transfer_source t = vw_results_transfer(&p->s->results);
  vw_transfer_pair *pairs = NULL;
  vw_transfer_set *sets = NULL;
  int64_t n_pairs = 0, n = 0;
  vw_status st = VW_OK;
  if (!vw_study_has_stage(p->config, "transfer")) return VW_OK;
  VW_GOTO(vw_transfer_pairs(&t, &pairs, &n_pairs));
  VW_GOTO(vw_transfer_sets(&t, pairs, n_pairs, &sets, &n));
  for (int64_t i = 0; i < n; i++) VW_GOTO(add_set(p, &t, &sets[i]));
cleanup:
  free(pairs), free(sets);
  return st;
}

/* What an untouched anchor draws serves all concepts. */
static bool is_drawn_before(const vw_block_kind *k, const vw_cut_set *set, const vw_cut_row *row) {
  return k->task->draws_parts && set->block < 0 && set->concept > 0 && row->delta == 0;
}

/* Judging a set with so many layers, as runs of a network that is cut. What a task lends to cut ones is made once,
 * whatever the sets and depths: it is counted with the baselines of the first depth, as often as learned words and
 * baselines ask for it; other sets take no time then. */
static vw_status add_cut(predictor *p, const vw_cut_set *set, int64_t depth, bool is_first) {
  const vw_results_source *s = &p->s->results;
  vw_block_kind k = kind_of(p, set->model, set->data, 1, whole);
  const bool lends = k.task->lends_to_cut;
  char id[VW_BLOCK_ID];
  vw_cut_words w = {0};
  const vw_words_to_judge to_judge = {
      .model = set->model, .data = set->data, .block = set->block, .layer = depth, .pictures = vw_cut_pictures(s, set)};
  judging j = {{0}};
  double seconds = 0;
  vw_status st = VW_OK;
  if (!p->s->is_counted) VW_TRY(vw_cut_id(s, set, depth, id));
  if (!p->s->is_counted && has_file(p->s, id)) return VW_OK;
  if (lends && (set->block >= 0 || !is_first))
    return add_judging(p, VW_PREDICT_TRUNCATION, &to_judge, p->s->is_counted ? NULL : id, 0);
  VW_TRY(vw_network_cut(s->networks[set->model], depth, &k.in.network));
  VW_GOTO(vw_cut_words_list(&w, s, set));
  for (int64_t first = 0, end; first < w.n; first = end) {
    int64_t words = 0;
    for (end = first; end < w.n && !strcmp(w.rows[end].concept, w.rows[first].concept); end++)
      words += !is_drawn_before(&k, set, &w.rows[end]);
    VW_GOTO(judge_words(&k, words, &j));
  }
  VW_GOTO(judging_seconds(p, &k, &j, &seconds));
  seconds *= share_of_pictures(&k, to_judge.pictures) * (lends ? 2 : 1);
  VW_GOTO(add_judging(p, VW_PREDICT_TRUNCATION, &to_judge, p->s->is_counted ? NULL : id, seconds));
cleanup:
  vw_cut_words_free(&w);
  vw_network_uncut(k.in.network);
  return st;
}

/* The sets of a model and a data set at all depths. */
static vw_status add_cuts(predictor *p, const vw_cut_set *sets, int64_t n, int64_t m, int64_t d) {
  int64_t depths[VW_MOST_DEPTHS], n_depths = 0;
  if (!vw_study_learns_on(p->config, m, d)) return VW_OK;
  VW_TRY(vw_cut_depths(&p->s->results, m, depths, &n_depths));
  for (int64_t k = 0; k < n_depths; k++)
    for (int64_t i = 0; i < n; i++)
      if (sets[i].model == m && sets[i].data == d) VW_TRY(add_cut(p, &sets[i], depths[k], k == 0));
  return VW_OK;
}

static vw_status add_truncation(predictor *p) {
  const vw_study_config *c = p->config;
  vw_cut_set *sets = NULL;
  int64_t n = 0;
  vw_status st = VW_OK;
  if (!vw_study_has_stage(p->config, "truncation")) return VW_OK;
  VW_GOTO(vw_cut_sets(&p->s->results, &sets, &n));
  for (int64_t i = 0; i < c->n_models * c->n_data; i++) VW_GOTO(add_cuts(p, sets, n, i / c->n_data, i % c->n_data));
cleanup:
  free(sets);
  return st;
}

static vw_status add_all(predictor *p) {
  for (int64_t i = 0; i < p->plan->n_blocks; i++) VW_TRY(add_block(p, i));
  for (int64_t m = 0; m < p->config->n_models; m++)
    for (int64_t d = 0; d < p->config->n_data; d++) VW_TRY(add_pair(p, m, d));
  if (!p->items[VW_PREDICT_LEARN].n) p->items[VW_PREDICT_LEARN].beside = 0;
  VW_TRY(vw_predict_maps(p));
  VW_TRY(add_transfer(p));
  VW_TRY(add_truncation(p));
  VW_TRY(vw_predict_probe(p));
  return vw_predict_tsne(p);
}

/* Seconds of each stage, as its queues share the items out; learning among teams of ranks. */
static vw_status add_up(predictor *p) {
  vw_prediction *out = p->out;
  int64_t team = 1;
  for (int64_t i = 0; i < p->plan->n_blocks; i++)
    if (p->plan->blocks[i].slices > team) team = p->plan->blocks[i].slices;
  for (int i = VW_PREDICT_FEATURES; i < VW_PREDICT_STAGES; i++) {
    const int64_t takers = i == VW_PREDICT_LEARN ? (out->ranks + team - 1) / team : out->ranks;
    VW_TRY(vw_predict_items_length(&p->items[i], takers, &out->seconds[i]));
  }
  return VW_OK;
}

/* Of one rank: what is read in parallel is little of it. Kept with the first model's times. */
static vw_status add_collect(predictor *p) {
  const vw_results_source *results = &p->s->results;
  double *seconds = &p->items[VW_PREDICT_COLLECT].alone;
  vw_timed_name name;
  VW_TRY(vw_collect_time_name(results, &name));
  if (p->measure && vw_can_time_collect(results) && !is_known(p->rates, &name)) {
    double one = 0;
    VW_TRY(vw_collect_time(results, &one));
    if (one > 0) VW_TRY(vw_rates_put(p->rates, name.kind, name.shape, name.flops, one));
  }
  const vw_rate_source source = vw_rates_seconds(p->rates, name.kind, name.shape, name.flops, seconds);
  if (source == VW_RATE_ESTIMATE || source == VW_RATE_UNKNOWN) *seconds = vw_collect_time_guess(results);
  if (source > p->out->source) p->out->source = source;
  return VW_OK;
}

static vw_status open_rates(predictor *p, int64_t model) {
  vw_rates *r = &p->rates[model];
  vw_context *ctx = &p->s->contexts[model];
  VW_TRY(vw_rates_open(r, ctx, p->s->results.cache));
  if (p->measure) r->n = 0; /* the machine may be another, or as busy as it was not */
  if (p->measure || r->product <= 0) VW_TRY(vw_time_product(ctx, seconds_of_product, &r->product));
  return VW_OK;
}

vw_status vw_predict(const vw_predict_source *s, int64_t ranks, bool measure, vw_prediction *out) {
  const vw_study_config *config = s->results.config;
  const int64_t n_models = config->n_models;
  vw_predict_items own[VW_PREDICT_STAGES] = {{0}};
  predictor p = {.s = s,
                 .config = config,
                 .plan = s->results.plan,
                 .out = out,
                 .measure = measure,
                 .items = s->items ? s->items : own};
  vw_status st = VW_OK;
  *out = (vw_prediction){.ranks = ranks, .seconds = {[VW_PREDICT_START] = vw_seconds() - s->results.started}};
  p.rates = calloc((size_t)n_models + 1, sizeof *p.rates);
  VW_GOTO(p.rates ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory"));
  for (int64_t m = 0; m < n_models; m++)
    if (first_alike(s, m) == m) VW_GOTO(open_rates(&p, m));
  VW_GOTO(add_all(&p));
  VW_GOTO(add_collect(&p));
  VW_GOTO(add_up(&p));
  for (int64_t m = 0; measure && m < n_models; m++)
    if (first_alike(s, m) == m) VW_GOTO(vw_rates_save(&p.rates[m]));
cleanup:
  for (int64_t m = 0; p.rates && m < n_models; m++) vw_rates_close(&p.rates[m]);
  for (int i = 0; i < VW_PREDICT_STAGES; i++) vw_predict_items_free(&own[i]);
  free(p.rates);
  return st;
}
