/* Numbers of figures that no other table has: quartiles of losses and of where words end in their balls; how far apart
 * words of one concept are. Rank 0 gathers and computes, all ranks get the rows. */
#include "analysis/spread.h"
#include "results/collect/collect_alike.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const vw_quartile_names[VW_QUARTILES] = {"training loss", "watched loss", "distance over radius", "kkt"};
const char *const vw_performant_names[VW_PERFORMANTS] = {"cosine, other anchors",
                                                         "distance over radius, other anchors",
                                                         "cosine, other replicas",
                                                         "distance over radius, other replicas",
                                                         "cosine, other concepts",
                                                         "distance over radius, other concepts",
                                                         "cosine, untouched anchors",
                                                         "picture cosine, other anchors",
                                                         "picture cosine, other replicas",
                                                         "picture cosine, other concepts",
                                                         "picture cosine, other anchors minus other concepts",
                                                         "picture cosine, real name",
                                                         "picture cosine, own anchor",
                                                         "picture cosine, untouched anchors",
                                                         "nearest word is the anchor",
                                                         "performance",
                                                         "performance minus next smaller delta",
                                                         "performance at delta 1 minus at 0.5"};

/* ---- what blocks hold of a model's trials, on rank 0 ------------------------------------------------------------- */

/* Rows of 1 + columns doubles: the place in /trials, then numbers. */
typedef struct gathered {
  double *rows;
  int64_t n, columns;
  bool is_shaped; /* false: the numbers of a row are a column of the tensor */
  const char *tensor;
  const int64_t *steps; /* [columns] of what was looked at on the way, "looked"; NULL: a tensor of all columns */
} gathered;

static const double *numbers_of(const gathered *g, int64_t i) {
  return g->rows + i * (1 + g->columns) + 1;
}

static int64_t trial_of(const gathered *g, int64_t i) {
  return (int64_t)g->rows[i * (1 + g->columns)];
}

static vw_status copy_block(const gathered *g, const vw_collected *c, int64_t block, double **to) {
  const vw_block *b = &c->s->plan->blocks[block];
  vw_tensor t;
  VW_TRY(vw_safetensors_find(c->file[block], g->tensor, &t));
  VW_CHECK(vw_count(&t) == b->n * g->columns, VW_ERR_INPUT,
           "%s: %s is %s, expected %" PRId64 " x %" PRId64 " numbers; delete the file and run again",
           vw_safetensors_path(c->file[block]), g->tensor, vw_shape_text(&t), b->n, g->columns);
  double *x = malloc((size_t)vw_count(&t) * sizeof *x + 1);
  VW_CHECK(x, VW_ERR_MEMORY, "collect: out of memory");
  const vw_status st = vw_convert(x, VW_F64, t.data, t.dtype, vw_count(&t));
  for (int64_t k = 0; st == VW_OK && k < b->n; k++) {
    const int64_t row = c->s->plan->trials[b->first + k].row;
    if (row < 0) continue;
    *(*to)++ = (double)row;
    for (int64_t i = 0; i < g->columns; i++) *(*to)++ = g->is_shaped ? x[k * g->columns + i] : x[i * b->n + k];
  }
  free(x);
  return st;
}

/* Looks of a block: some of the steps, or none. */
static vw_status copy_looks(const gathered *g, const vw_collected *c, int64_t block, double **to) {
  const vw_block *b = &c->s->plan->blocks[block];
  const vw_safetensors *f = c->file[block];
  vw_tensor t = {0}, at = {0};
  if (vw_safetensors_has(f, "looked")) {
    VW_TRY(vw_safetensors_find(f, "looked", &t));
    VW_TRY(vw_safetensors_find(f, "look_step", &at));
    VW_CHECK(t.dtype == VW_F64 && t.ndim == 2 && t.dim[1] == b->n && at.dtype == VW_I64 && vw_count(&at) == t.dim[0],
             VW_ERR_INPUT, "%s: looked is %s, of %" PRId64 " words; delete the file and run again",
             vw_safetensors_path(f), vw_shape_text(&t), b->n);
  }
  for (int64_t k = 0; k < b->n; k++) {
    const int64_t row = c->s->plan->trials[b->first + k].row, looks = t.ndim ? t.dim[0] : 0;
    if (row < 0) continue;
    *(*to)++ = (double)row;
    for (int64_t j = 0, i = 0; j < g->columns; j++) {
      while (i < looks && ((const int64_t *)at.data)[i] < g->steps[j]) i++;
      const bool is_there = i < looks && ((const int64_t *)at.data)[i] == g->steps[j];
      *(*to)++ = is_there ? ((const double *)t.data)[i * b->n + k] : NAN;
    }
  }
  return VW_OK;
}

static vw_status gather_own(const gathered *g, const vw_collected *c, int64_t model, double *own, int64_t *n) {
  double *to = own;
  for (int64_t i = 0; i < c->s->plan->n_blocks; i++)
    if (c->file[i] && c->s->plan->blocks[i].model_index == model)
      VW_TRY(g->steps ? copy_looks(g, c, i, &to) : copy_block(g, c, i, &to));
  *n = (to - own) / (1 + g->columns);
  return VW_OK;
}

static int by_row(const void *a, const void *b) {
  double x, y;
  memcpy(&x, a, sizeof x), memcpy(&y, b, sizeof y);
  return (x > y) - (x < y);
}

/* Collective. g->rows on rank 0, in the order of the trials, so that sums do not depend on the ranks; the caller's to
 * free. */
static vw_status gather(gathered *g, const vw_collected *c, int64_t model) {
  const vw_ranks *ranks = &c->s->ranks;
  const int64_t bytes = (1 + g->columns) * (int64_t)sizeof(double);
  int64_t n = 0, *counts = calloc((size_t)ranks->size, sizeof *counts);
  double *own = malloc((size_t)(c->n_mine * bytes) + 1);
  void *all = NULL;
  vw_status st = own && counts ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory");
  if (st == VW_OK) st = gather_own(g, c, model, own, &n);
  VW_GOTO(vw_agree_message(ranks, st));
  VW_GOTO(vw_ranks_gather(ranks, own, n * bytes, &all, counts));
  g->rows = all;
  for (int r = 0; all && r < ranks->size; r++) g->n += counts[r] / bytes;
  if (g->n) qsort(all, (size_t)g->n, (size_t)bytes, by_row);
cleanup:
  free(own), free(counts);
  return st;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

typedef struct maker {
  vw_collected *c;
  int64_t model, data, quartile_room, performant_room;
  double delta;
  double *values; /* room for a number a trial */
  vw_score *scores;
  uint64_t key; /* of the bootstrap */
} maker;

static vw_status add_quartiles(maker *m, vw_quartile_of of, int64_t step, int64_t n) {
  vw_collected *c = m->c;
  double q[3];
  if (c->n_quartiles == m->quartile_room) {
    m->quartile_room = 2 * m->quartile_room + 64;
    vw_quartile_row *more = realloc(c->quartiles, (size_t)m->quartile_room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "collect: out of memory");
    c->quartiles = more;
  }
  vw_quartiles(m->values, n, q);
  c->quartiles[c->n_quartiles++] = (vw_quartile_row){.model_index = m->model,
                                                     .data_index = m->data,
                                                     .step = step,
                                                     .n = n,
                                                     .of = of,
                                                     .delta = m->delta,
                                                     .low = q[0],
                                                     .median = q[1],
                                                     .high = q[2]};
  return VW_OK;
}

static vw_status add_interval(maker *m, vw_performant of, double delta, const vw_interval *i) {
  vw_collected *c = m->c;
  if (c->n_performant == m->performant_room) {
    m->performant_room = 2 * m->performant_room + 64;
    vw_performant_row *more = realloc(c->performant, (size_t)m->performant_room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "collect: out of memory");
    c->performant = more;
  }
  c->performant[c->n_performant++] =
      (vw_performant_row){.model_index = m->model, .data_index = m->data, .of = of, .delta = delta, .i = *i};
  return VW_OK;
}

static vw_status add_scores(maker *m, vw_performant of, double delta, int64_t n) {
  vw_interval i;
  VW_TRY(vw_mean_interval(m->scores, n, m->key, &i));
  return add_interval(m, of, delta, &i);
}

/* A learned word of a concept, not of a null concept. */
static bool is_word(const maker *m, int64_t row) {
  const vw_trial *t = m->c->trial[row];
  const vw_trial_row *r = &m->c->rows[row];
  return t->model_index == m->model && t->data_index == m->data && !t->null_concept && r->learned && !r->failed;
}

static bool is_counted(const maker *m, int64_t row) {
  return is_word(m, row) && m->c->trial[row]->delta == m->delta;
}

/* ---- quartiles --------------------------------------------------------------------------------------------------- */

static vw_status quartiles_of_rows(maker *m, vw_quartile_of of) {
  int64_t n = 0;
  for (int64_t i = 0; i < m->c->n; i++) {
    const double v = of == VW_QUARTILES_KKT ? m->c->rows[i].kkt : m->c->rows[i].distance_over_radius;
    if (is_counted(m, i) && isfinite(v)) m->values[n++] = v;
  }
  return n ? add_quartiles(m, of, -1, n) : VW_OK;
}

static vw_status quartiles_of_loss(maker *m, vw_quartile_of of, const gathered *loss, const int64_t *steps) {
  for (int64_t p = 0; p < loss->columns; p++) {
    int64_t n = 0;
    for (int64_t i = 0; i < loss->n; i++)
      if (is_counted(m, trial_of(loss, i)) && isfinite(numbers_of(loss, i)[p])) m->values[n++] = numbers_of(loss, i)[p];
    if (n) VW_TRY(add_quartiles(m, of, steps[p], n));
  }
  return VW_OK;
}

/* ---- how far apart ----------------------------------------------------------------------------------------------- */

/* The words at m->delta: their numbers x [n, d], and what they are of. */
static int64_t pick_words(const maker *m, const gathered *words, double *x, vw_spread_item *item) {
  int64_t n = 0;
  for (int64_t i = 0; i < words->n; i++) {
    const int64_t row = trial_of(words, i);
    const vw_trial *t = m->c->trial[row];
    if (!is_counted(m, row)) continue;
    memcpy(x + n * words->columns, numbers_of(words, i), (size_t)words->columns * sizeof *x);
    item[n++] = (vw_spread_item){t->concept_index, t->anchor_index, t->replica, t->delta};
  }
  return n;
}

static vw_status spread_rows(maker *m, const vw_spread *s, int64_t n) {
  static const vw_performant cosines[] = {VW_COSINE_ANCHORS, VW_COSINE_REPLICAS, VW_COSINE_OTHERS};
  static const vw_performant distances[] = {VW_DISTANCE_ANCHORS, VW_DISTANCE_REPLICAS, VW_DISTANCE_OTHERS};
  for (int k = 0; k < VW_SPREAD_PAIRS; k++) {
    for (int64_t i = 0; i < n; i++) m->scores[i] = (vw_score){.concept = s[i].concept, .value = s[i].cosine[k]};
    VW_TRY(add_scores(m, cosines[k], m->delta, n));
    for (int64_t i = 0; i < n; i++) m->scores[i].value = s[i].distance[k];
    VW_TRY(add_scores(m, distances[k], m->delta, n));
  }
  return VW_OK;
}

/* neighbour[anchors]: distance of an anchor to its nearest word, of which delta is a multiple. Words of several vectors
 * are laid end to end: R is that of one vector times the root of their number. */
static vw_status spread_of_words(maker *m, const gathered *words, const double *neighbour) {
  const size_t n = (size_t)words->n + 1;
  double *x = malloc(n * (size_t)words->columns * sizeof *x + 1);
  vw_spread_item *item = malloc(n * sizeof *item);
  vw_spread *s = malloc(n * sizeof *s);
  vw_status st = x && item && s ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory");
  int64_t concepts = 0;
  if (st == VW_OK) {
    const int64_t k = pick_words(m, words, x, item);
    const double vectors = (double)m->c->s->config->models[m->model].vectors;
    for (int64_t i = 0; i < k; i++) item[i].radius *= neighbour[item[i].anchor] * sqrt(vectors);
    vw_spreads(x, k, words->columns, item, s, &concepts);
    st = spread_rows(m, s, concepts);
  }
  free(x), free(item), free(s);
  return st;
}

/* The anchors among themselves: how alike words of different anchors are from the start. */
static vw_status spread_of_anchors(maker *m, const double *anchors, int64_t n, int64_t d) {
  vw_spread_item *item = calloc((size_t)n + 1, sizeof *item);
  vw_spread s[1];
  vw_interval i = {0, NAN, NAN, NAN, NAN, NAN};
  int64_t one = 0;
  VW_CHECK(item, VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t k = 0; k < n; k++) item[k] = (vw_spread_item){0, k, 0, INFINITY};
  vw_spreads(anchors, n, d, item, s, &one);
  free(item);
  if (one) i.n = s->pairs[VW_SPREAD_ANCHORS], i.mean = s->cosine[VW_SPREAD_ANCHORS];
  return add_interval(m, VW_COSINE_UNTOUCHED, 0, &i);
}

/* How alike the judge finds what words draw, where they draw. */
static vw_status alike(maker *m) {
  const vw_alike_words w = {m->c, m->model, m->data, m->key};
  vw_interval out[VW_ALIKES];
  if (!vw_has_features(m->c, m->model)) return VW_OK;
  VW_TRY(vw_alike_at(&w, m->delta, out));
  for (int i = 0; i < VW_ALIKES; i++) VW_TRY(add_interval(m, (vw_performant)(VW_ALIKE_ANCHORS + i), m->delta, &out[i]));
  return VW_OK;
}

static vw_status alike_untouched(maker *m) {
  const vw_alike_words w = {m->c, m->model, m->data, m->key};
  vw_interval out;
  if (!vw_has_features(m->c, m->model)) return VW_OK;
  VW_TRY(vw_alike_untouched(&w, &out));
  return add_interval(m, VW_ALIKE_UNTOUCHED, 0, &out);
}

/* ---- beside performance ------------------------------------------------------------------------------------------ */

static vw_status nearest_is_anchor(maker *m) {
  int64_t n = 0;
  for (int64_t i = 0; i < m->c->n; i++) {
    const vw_trial *t = m->c->trial[i];
    if (is_counted(m, i))
      m->scores[n++] = (vw_score){.concept = t->concept_index,
                                  .anchor = t->anchor_index,
                                  .replica = t->replica,
                                  .delta = t->delta,
                                  .value = m->c->rows[i].rank_words == 1};
  }
  return add_scores(m, VW_NEAREST_IS_ANCHOR, m->delta, n);
}

static vw_status performance(maker *m, vw_performant of, vw_quantity quantity) {
  const int headline = vw_collect_task(m->c, m->model)->headline;
  const vw_summary_row *r =
      vw_summary_find(m->c->summary, m->c->n_summary, m->model, m->data, VW_OF_WORD, quantity, m->delta, headline);
  return r ? add_interval(m, of, m->delta, &r->interval) : VW_OK;
}

/* The paper: at delta 0.5 performance has saturated. */
static vw_status half_to_one(maker *m) {
  static const double deltas[] = {.5, 1};
  const int headline = vw_collect_task(m->c, m->model)->headline;
  vw_interval out[2];
  int64_t n = 0;
  for (int64_t i = 0; i < m->c->n; i++) {
    const vw_trial *t = m->c->trial[i];
    if (is_word(m, i) && m->c->rows[i].judged)
      m->scores[n++] = (vw_score){.concept = t->concept_index,
                                  .anchor = t->anchor_index,
                                  .replica = t->replica,
                                  .delta = t->delta,
                                  .value = m->c->rows[i].metrics[headline]};
  }
  VW_TRY(vw_step_intervals(m->scores, n, deltas, 2, m->key, out));
  return out[1].n ? add_interval(m, VW_PERFORMANCE_HALF, 1, &out[1]) : VW_OK;
}

/* ---- a model ----------------------------------------------------------------------------------------------------- */

typedef struct model_numbers {
  gathered words, loss, looks;
  int64_t *steps, *look_steps;
  double *anchors, *neighbour; /* [anchors, width], [anchors] */
} model_numbers;

static void model_numbers_free(model_numbers *n) {
  free(n->words.rows), free(n->loss.rows), free(n->looks.rows), free(n->steps), free(n->look_steps), free(n->anchors),
      free(n->neighbour);
}

static vw_status find_anchors(const vw_collected *c, int64_t model, model_numbers *to) {
  const vw_results_source *s = c->s;
  const vw_network *network = s->networks[model];
  const vw_names *anchors = &s->config->models[model].trials.anchors;
  to->anchors = malloc((size_t)(anchors->n * network->width) * sizeof *to->anchors + 1);
  to->neighbour = malloc((size_t)anchors->n * sizeof *to->neighbour + 1);
  VW_CHECK(to->anchors && to->neighbour, VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t i = 0; i < anchors->n; i++) {
    int32_t id = 0;
    int64_t nearest = 0;
    VW_TRY(vw_tokenizer_word(network->text.tokenizer, anchors->name[i], &id));
    VW_TRY(vw_anchor_neighbour(&s->words[model].e, id, &nearest, &to->neighbour[i]));
    VW_TRY(vw_text_word_vector(&network->text, id, to->anchors + i * network->width));
  }
  return VW_OK;
}

/* Collective. The steps of the stored losses are the same in all blocks of a model; 0: no block is there. */
static vw_status find_steps(const vw_collected *c, int64_t model, model_numbers *to) {
  const vw_ranks *ranks = &c->s->ranks;
  const int64_t *steps = NULL;
  vw_tensor t;
  vw_status st = VW_OK;
  for (int64_t i = 0; st == VW_OK && i < c->s->plan->n_blocks && !steps; i++) {
    if (!c->file[i] || c->s->plan->blocks[i].model_index != model) continue;
    st = vw_safetensors_find(c->file[i], "history_step", &t);
    if (st == VW_OK && t.dtype == VW_I64 && t.ndim == 1) steps = t.data, to->loss.columns = t.dim[0];
  }
  VW_TRY(vw_agree_message(ranks, st));
  VW_TRY(vw_ranks_reduce(ranks, &to->loss.columns, 1, VW_REDUCE_MAX));
  to->steps = malloc((size_t)(to->loss.columns + 1) * sizeof *to->steps);
  VW_TRY(vw_agree_message(ranks, to->steps ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory")));
  for (int64_t i = 0; i < to->loss.columns; i++) to->steps[i] = steps ? steps[i] : -1;
  return vw_ranks_reduce(ranks, to->steps, (int)to->loss.columns, VW_REDUCE_MAX);
}

/* Collective. Looks are at multiples of the study's number of steps; words that stopped early have fewer. */
static vw_status gather_looks(const vw_collected *c, int64_t model, model_numbers *to) {
  const vw_learn_config *learn = &c->s->config->models[model].learn;
  if (!learn->watch_every) return VW_OK;
  to->looks.columns = learn->steps / learn->watch_every + 1;
  to->look_steps = malloc((size_t)to->looks.columns * sizeof *to->look_steps);
  VW_TRY(vw_agree_message(&c->s->ranks, to->look_steps ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory")));
  for (int64_t i = 0; i < to->looks.columns; i++) to->look_steps[i] = i * learn->watch_every;
  to->looks.steps = to->look_steps;
  return gather(&to->looks, c, model);
}

static vw_status make_delta(maker *m, const model_numbers *n) {
  VW_TRY(quartiles_of_loss(m, VW_QUARTILES_LOSS, &n->loss, n->steps));
  VW_TRY(quartiles_of_loss(m, VW_QUARTILES_WATCH, &n->looks, n->look_steps));
  VW_TRY(quartiles_of_rows(m, VW_QUARTILES_DISTANCE));
  VW_TRY(quartiles_of_rows(m, VW_QUARTILES_KKT));
  VW_TRY(spread_of_words(m, &n->words, n->neighbour));
  VW_TRY(alike(m));
  VW_TRY(nearest_is_anchor(m));
  VW_TRY(performance(m, VW_PERFORMANCE, VW_VALUE));
  return performance(m, VW_PERFORMANCE_MORE, VW_MINUS_SMALLER);
}

/* Rank 0. */
static vw_status make_model(maker *m, const model_numbers *n) {
  const vw_study_config *config = m->c->s->config;
  const vw_trials_config *trials = &config->models[m->model].trials;
  for (m->data = 0; m->data < config->n_data; m->data++) {
    const vw_stream stream = {.data = config->data[m->data].name, .concept = "", .seed = config->seed};
    if (!vw_study_learns_on(config, m->model, m->data)) continue;
    VW_TRY(vw_stream_key(&stream, &m->key));
    VW_TRY(spread_of_anchors(m, n->anchors, trials->anchors.n, n->words.columns));
    VW_TRY(alike_untouched(m));
    for (int64_t i = 0; i < trials->deltas.n; i++) {
      m->delta = trials->deltas.v[i];
      VW_TRY(make_delta(m, n));
    }
    VW_TRY(half_to_one(m));
  }
  return VW_OK;
}

static vw_status collect_model(maker *m) {
  const vw_ranks *ranks = &m->c->s->ranks;
  const int64_t numbers = m->c->s->config->models[m->model].vectors * m->c->s->networks[m->model]->width;
  model_numbers n = {.words = {.columns = numbers, .is_shaped = true, .tensor = "words"},
                     .loss = {.tensor = "history"}};
  vw_status st = VW_OK;
  VW_GOTO(find_steps(m->c, m->model, &n));
  VW_GOTO(gather(&n.loss, m->c, m->model));
  VW_GOTO(gather_looks(m->c, m->model, &n));
  VW_GOTO(gather(&n.words, m->c, m->model));
  if (ranks->rank == 0) {
    st = find_anchors(m->c, m->model, &n);
    if (st == VW_OK) st = make_model(m, &n);
  }
  VW_GOTO(vw_agree_message(ranks, st));
cleanup:
  model_numbers_free(&n);
  return st;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static void set_texts(vw_collected *c) {
  const vw_study_config *config = c->s->config;
  for (int64_t i = 0; i < c->n_quartiles; i++) {
    vw_quartile_row *r = &c->quartiles[i];
    r->model = config->models[r->model_index].name, r->data = config->data[r->data_index].name;
    r->quantity = vw_quartile_names[r->of];
  }
  for (int64_t i = 0; i < c->n_performant; i++) {
    vw_performant_row *r = &c->performant[i];
    const vw_task_kind *task = vw_collect_task(c, r->model_index);
    r->model = config->models[r->model_index].name, r->data = config->data[r->data_index].name;
    r->quantity = vw_performant_names[r->of];
    r->metric = r->of >= VW_PERFORMANCE ? task->metrics[task->headline].name : "";
  }
}

/* Rank 0's rows to all. */
static vw_status share(const vw_ranks *ranks, void **rows, int64_t *n, size_t bytes) {
  VW_TRY(vw_ranks_broadcast(ranks, n, sizeof *n, 0));
  if (ranks->rank != 0) *rows = calloc((size_t)*n + 1, bytes);
  VW_TRY(vw_agree_message(ranks, *rows || !*n ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory")));
  return vw_ranks_broadcast(ranks, *rows, *n * (int64_t)bytes, 0);
}

vw_status vw_collect_spread(vw_collected *c) {
  const vw_ranks *ranks = &c->s->ranks;
  const size_t room = (size_t)c->n + 1;
  maker m = {.c = c, .values = malloc(room * sizeof *m.values), .scores = malloc(room * sizeof *m.scores)};
  void *quartiles = NULL, *performant = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_agree_message(ranks, m.values && m.scores ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory")));
  for (m.model = 0; m.model < c->s->config->n_models; m.model++) {
    VW_GOTO(vw_collect_asks(c));
    if (c->stopped) goto cleanup;
    VW_GOTO(collect_model(&m));
  }
  quartiles = c->quartiles, performant = c->performant;
  st = share(ranks, &quartiles, &c->n_quartiles, sizeof *c->quartiles);
  c->quartiles = quartiles;
  if (st == VW_OK) st = share(ranks, &performant, &c->n_performant, sizeof *c->performant);
  c->performant = performant;
  if (st == VW_OK) set_texts(c);
cleanup:
  free(m.values), free(m.scores);
  return st;
}
