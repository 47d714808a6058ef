/* How long the stages take that look at words without a task: maps between networks, states of words, maps of states.
 * Where a network is not there but its sizes, words in common and names that it knows are counted as all there may be. */
#include "results/predict_internal.h"

#include "io/block_file.h"
#include "results/maps.h"
#include "transfer/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seconds of something that was named: known, else timed where the prediction measures, else by its operations. */
typedef vw_status (*timing)(const void *what, double *seconds);
static vw_status seconds_of(vw_predictor *p, int64_t model, const vw_timed_name *name, timing time, const void *what,
                            double *seconds) {
  vw_rates *rates = vw_predict_rates(p, model);
  vw_rate_source source = vw_rates_seconds(rates, name->kind, name->shape, name->flops, seconds);
  if (p->measure && source != VW_RATE_MEASURED) {
    VW_TRY(time(what, seconds));
    VW_TRY(vw_rates_put(rates, name->kind, name->shape, name->flops, *seconds));
    source = VW_RATE_MEASURED;
  }
  if (source > p->out->source) p->out->source = source;
  return VW_OK;
}

/* ---- maps between networks --------------------------------------------------------------------------------------- */

typedef struct map_between {
  vw_common_words words;
  const vw_network *from, *to;
  vw_map_rule rule;
} map_between;

static vw_status time_map(const void *what, double *seconds) {
  const map_between *m = what;
  const double start = vw_seconds();
  vw_map map = {0};
  const vw_status st = vw_common_words_fit(&m->words, m->from, m->to, &m->rule, &map);
  vw_map_free(&map);
  *seconds = vw_seconds() - start;
  return st;
}

/* In operations of a single-precision product: those in double count twice, decompositions four times more (they were
 * so much slower with 8,000 words of 768 numbers). */
static double operations(const map_between *m, double n) {
  enum { UNITS = 256, TRIED = 2 }; /* of a hidden layer */
  const bool hidden = m->rule.kind == VW_MAP_HIDDEN;
  const double p = (double)m->from->width + (hidden ? UNITS : 0), d = (double)m->to->width;
  const bool is_ridge = m->rule.kind == VW_MAP_RIDGE || hidden || (m->rule.kind == VW_MAP_AUTO && n < VW_MAP_AMPLE * p);
  const double lambdas = is_ridge && !(m->rule.lambda > 0) ? 7 : 1;
  const double products =
      n * p * (4 * p + 2 * d) + 2 * VW_MAP_FOLDS * p * p * d + 2 * n * p * p + 2 * n * p * d * lambdas;
  const double folds = VW_MAP_FOLDS * 9 * p * p * p, whole = 6 * n * p * p + 20 * p * p * p;
  return 2 * (products + 4 * folds) * (hidden ? TRIED : 1) + 2 * 4 * whole;
}

static vw_status add_map(vw_predictor *p, const vw_transfer_pair *pair) {
  vw_network *const *networks = p->s->results.networks;
  map_between m = {.from = networks[pair->from], .to = networks[pair->to], .rule = vw_transfer_rule(p->config)};
  vw_timed_name name = {.kind = "map"};
  vw_predict_item item = {0};
  vw_status st = VW_OK;
  int64_t n = m.from->text.tower.vocab < m.to->text.tower.vocab ? m.from->text.tower.vocab : m.to->text.tower.vocab;
  if (!p->s->is_counted) VW_GOTO(vw_common_words_find(&m.words, m.from, m.to));
  if (!p->s->is_counted) n = m.words.n;
  const int64_t size[] = {n, m.from->width, m.to->width, m.rule.kind, m.rule.bias, m.rule.lambda > 0};
  name.shape = vw_hash_bytes(size, sizeof size), name.flops = operations(&m, (double)n);
  VW_GOTO(seconds_of(p, pair->to, &name, time_map, &m, &item.seconds));
  VW_GOTO(vw_predict_items_add(&p->items[VW_PREDICT_MAPS], item));
cleanup:
  vw_common_words_free(&m.words);
  return st;
}

vw_status vw_predict_maps(vw_predictor *p) {
  const vw_transfer_source t = vw_results_transfer(&p->s->results);
  vw_transfer_pair *pairs = NULL;
  int64_t n = 0;
  char id[VW_BLOCK_ID];
  vw_status st = VW_OK;
  if (!vw_study_has_stage(p->config, "transfer")) return VW_OK;
  VW_GOTO(vw_transfer_pairs(&t, &pairs, &n));
  for (int64_t i = 0; i < n; i++) {
    VW_GOTO(vw_transfer_map_id(&t, pairs[i].from, pairs[i].to, id));
    if (!vw_predict_has_file(p, id)) VW_GOTO(add_map(p, &pairs[i]));
  }
cleanup:
  free(pairs);
  return st;
}

/* ---- states of words --------------------------------------------------------------------------------------------- */

/* The words of a model that are looked at, by file. */
typedef struct looked_at {
  vw_activations a; /* of a network that is there */
  int64_t n_files, *rows, words;
} looked_at;

static void looked_at_free(looked_at *l) {
  vw_activations_free(&l->a);
  free(l->rows);
}

/* Without a network's words: its blocks, sets that are carried to it, and all anchors and names. */
static vw_status count_files(const vw_predictor *p, int64_t model, looked_at *l) {
  const vw_transfer_source t = vw_results_transfer(&p->s->results);
  const vw_study_config *c = p->config;
  vw_transfer_pair *pairs = NULL;
  vw_transfer_set *sets = NULL;
  int64_t n_pairs = 0, n = 0;
  vw_status st = VW_OK;
  if (vw_study_has_stage(c, "transfer")) {
    VW_GOTO(vw_transfer_pairs(&t, &pairs, &n_pairs));
    VW_GOTO(vw_transfer_sets(&t, pairs, n_pairs, &sets, &n));
  }
  l->rows = calloc((size_t)(p->plan->n_blocks + n) + 1, sizeof *l->rows);
  VW_GOTO(l->rows ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory"));
  for (int64_t i = 0; i < p->plan->n_blocks; i++)
    if (vw_block_is_active(&p->plan->blocks[i]) && p->plan->blocks[i].model_index == model)
      l->rows[l->n_files++] = p->plan->blocks[i].n;
  for (int64_t i = 0; i < n; i++)
    if (sets[i].to == model && sets[i].block >= 0) l->rows[l->n_files++] = p->plan->blocks[sets[i].block].n;
  l->rows[l->n_files] = c->models[model].trials.anchors.n;
  for (int64_t d = 0; d < c->n_data; d++)
    if (vw_study_learns_on(c, model, d)) l->rows[l->n_files] += vw_study_data_of(c, model, d)->concepts.n;
  l->n_files++;
  for (int64_t f = 0; f < l->n_files; f++) l->words += l->rows[f];
cleanup:
  free(pairs), free(sets);
  return st;
}

static vw_status look_at(const vw_predictor *p, int64_t model, looked_at *l) {
  *l = (looked_at){0};
  if (p->s->is_counted) return count_files(p, model, l);
  VW_TRY(vw_activations_list(&p->s->results, model, &l->a));
  l->rows = calloc((size_t)l->a.n_files + 1, sizeof *l->rows);
  VW_CHECK(l->rows, VW_ERR_MEMORY, "out of memory");
  l->n_files = l->a.n_files, l->words = l->a.n;
  memcpy(l->rows, l->a.file_rows, (size_t)l->n_files * sizeof *l->rows);
  return VW_OK;
}

typedef struct states_of {
  vw_network *network;
  const char *text;
  int64_t vectors, words;
} states_of;

/* With making the program ready, as each file does. */
static vw_status time_states(const void *what, double *seconds) {
  const states_of *w = what;
  vw_network *n = w->network;
  const size_t states = (size_t)(w->words * VW_STATE_POSITIONS * n->kind->state_layers(n) * n->width);
  double *words = calloc((size_t)(w->words * w->vectors * n->width) + 1, sizeof *words);
  float *out = malloc(states * sizeof *out + 1);
  vw_status st = words && out ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory");
  const double start = vw_seconds();
  if (st == VW_OK) st = n->kind->states(n, w->text, words, w->vectors, w->words, out);
  *seconds = vw_seconds() - start;
  free(words), free(out);
  return st;
}

static vw_status seconds_of_file(vw_predictor *p, int64_t model, int64_t rows, const vw_state_work *pass,
                                 double *seconds) {
  const vw_model_config *c = &p->config->models[model];
  const states_of what = {p->s->results.networks[model], c->learn.judge_template, c->vectors, rows};
  const int64_t passes = (rows + pass->words - 1) / pass->words;
  const int64_t size[] = {what.vectors, (int64_t)pass->flops, passes};
  vw_timed_name name = {.flops = pass->flops * (double)passes};
  (void)snprintf(name.kind, sizeof name.kind, "states %lldx%lld", (long long)what.network->width,
                 (long long)what.network->text.tower.t.layers);
  name.shape = vw_hash_bytes(size, sizeof size);
  return seconds_of(p, model, &name, time_states, &what, seconds);
}

static vw_status probe_model(vw_predictor *p, int64_t model) {
  const vw_model_config *c = &p->config->models[model];
  vw_network *n = p->s->results.networks[model];
  looked_at l = {0};
  vw_state_work pass;
  vw_status st = VW_OK;
  if (!n->kind->states) return VW_OK;
  VW_TRY(vw_word_states_work(n, c->learn.judge_template, c->vectors, &pass));
  VW_GOTO(look_at(p, model, &l));
  for (int64_t f = 0; f < l.n_files; f++) {
    vw_predict_item item = {.cost = (double)(l.rows[f] * n->kind->state_layers(n))};
    if (!l.rows[f] || (l.a.n_files && vw_predict_has_file(p, l.a.id[f]))) continue;
    VW_GOTO(seconds_of_file(p, model, l.rows[f], &pass, &item.seconds));
    VW_GOTO(vw_predict_items_add(&p->items[VW_PREDICT_PROBE], item));
  }
cleanup:
  looked_at_free(&l);
  return st;
}

vw_status vw_predict_probe(vw_predictor *p) {
  if (!vw_study_has_stage(p->config, "probe")) return VW_OK;
  for (int64_t m = 0; m < p->config->n_models; m++) VW_TRY(probe_model(p, m));
  return VW_OK;
}

/* ---- maps of states ---------------------------------------------------------------------------------------------- */

static vw_status map_model(vw_predictor *p, int64_t model) {
  const vw_results_source *s = &p->s->results;
  vw_network *network = s->networks[model];
  looked_at l = {0};
  vw_activations sizes = {.model = model};
  int64_t layers[VW_MAP_LAYERS];
  vw_predict_item item = {0};
  char id[VW_BLOCK_ID];
  int n = 0;
  vw_status st = VW_OK;
  if (!network->kind->states) return VW_OK;
  sizes.layers = network->kind->state_layers(network);
  VW_GOTO(look_at(p, model, &l));
  if (l.words < VW_TSNE_LEAST) goto cleanup;
  VW_GOTO(vw_tsne_map_layers(s, &sizes, layers, &n));
  item.cost = (double)l.words * (double)l.words;
  for (int i = 0; i < n; i++) {
    if (!p->s->is_counted) VW_GOTO(vw_tsne_map_id(s, &l.a, layers[i], id));
    if (!p->s->is_counted && vw_predict_has_file(p, id)) continue;
    if (item.seconds <= 0) VW_GOTO(vw_tsne_map_seconds(s, l.words, network->width, &item.seconds));
    VW_GOTO(vw_predict_items_add(&p->items[VW_PREDICT_TSNE], item));
  }
cleanup:
  looked_at_free(&l);
  return st;
}

vw_status vw_predict_tsne(vw_predictor *p) {
  if (!vw_study_has_stage(p->config, "tsne")) return VW_OK;
  for (int64_t m = 0; m < p->config->n_models; m++) VW_TRY(map_model(p, m));
  return VW_OK;
}
