/* Which words lie beside which, layer by layer: /summary/probe and probe.csv. Ranks share the layers. */
#include "results/collect/collect_probe.h"
#include "analysis/neighbours.h"
#include "core/log.h"
#include "core/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const vw_probe_quantities[VW_PROBE_QUANTITIES] = {"concept neighbour", "anchor neighbour",
                                                              "concept silhouette", "anchor silhouette"};

/* A study that does not name the stage has activations where somebody ran `viswords probe`. */
bool vw_results_probed(const vw_results_source *s, const vw_activations *a) {
  return vw_study_has_stage(s->config, "probe") || vw_activations_has(s, a, a->n_files - 1);
}

/* ---- the words of one data set and delta ------------------------------------------------------------------------- */

typedef struct group {
  const vw_collected *c;
  vw_activations *a;
  int64_t data, source, n, *row; /* source: the model that learned the words; rows of the activations */
  double delta;
  uint64_t key; /* of the bootstrap */
} group;

/* Learned words of concepts, not of null concepts; or those that one model's words became here. */
static void find_group(group *g) {
  g->n = 0;
  for (int64_t i = 0; i < g->a->n_learned + g->a->n_carried; i++) {
    const vw_activation_row *r = &g->a->rows[i];
    if (r->source == g->source && r->data == g->data && r->delta == g->delta && !r->is_null &&
        vw_activations_state(g->a, r, 0, 0))
      g->row[g->n++] = i;
  }
}

/* Arrays for the words of a group whose states are finite. */
typedef struct states {
  float *x;
  int64_t n, *concept, *anchor;
  vw_score *score;
  vw_neighbourhood *of;
} states;

static void states_free(states *t) {
  free(t->x), free(t->concept), free(t->anchor), free(t->score), free(t->of);
}

static vw_status states_open(states *t, const group *g) {
  const size_t n = (size_t)g->n + 1;
  *t = (states){.x = malloc(n * (size_t)g->a->width * sizeof *t->x)};
  t->concept = malloc(n * sizeof *t->concept), t->anchor = malloc(n * sizeof *t->anchor);
  t->score = malloc(n * sizeof *t->score), t->of = malloc(n * sizeof *t->of);
  VW_CHECK(t->x && t->concept && t->anchor && t->score && t->of, VW_ERR_MEMORY, "probe: out of memory");
  return VW_OK;
}

static void fill(states *t, const group *g, int position, int64_t layer) {
  t->n = 0;
  for (int64_t i = 0; i < g->n; i++) {
    const vw_activation_row *r = &g->a->rows[g->row[i]];
    if (!vw_activations_is_finite(g->a, r, position, layer)) continue;
    memcpy(t->x + t->n * g->a->width, vw_activations_state(g->a, r, position, layer),
           (size_t)g->a->width * sizeof *t->x);
    t->concept[t->n] = r->concept_place, t->anchor[t->n] = r->anchor_place;
    t->score[t->n++] = (vw_score){.concept = r->concept_place,
                                  .anchor = r->anchor_place,
                                  .replica = g->c->trial[r->trial]->replica,
                                  .delta = r->delta};
  }
}

static double value_of(const vw_neighbourhood *n, int quantity) {
  return quantity < VW_BY_LABELS ? n->agrees[quantity] : n->silhouette[quantity - VW_BY_LABELS];
}

static vw_status add_row(const vw_probe_row *row, vw_probe_row **rows, int64_t *n, int64_t *room) {
  if (*n == *room) {
    const int64_t more = 2 * *room + 64;
    vw_probe_row *larger = realloc(*rows, (size_t)more * sizeof *larger);
    VW_CHECK(larger, VW_ERR_MEMORY, "probe: out of memory");
    *rows = larger, *room = more;
  }
  (*rows)[(*n)++] = *row;
  return VW_OK;
}

typedef struct found {
  vw_probe_row *rows;
  int64_t n, room;
} found;

/* One position and layer: a row a quantity. */
static vw_status probe_layer(const group *g, states *t, int position, int64_t layer, found *out) {
  fill(t, g, position, layer);
  VW_TRY(vw_neighbourhoods(t->x, t->n, g->a->width, t->concept, t->anchor, g->c->s->ctx.threads, t->of));
  for (int q = 0; q < VW_PROBE_QUANTITIES; q++) {
    vw_probe_row row = {.model_index = g->a->model,
                        .data_index = g->data,
                        .source_index = g->source,
                        .layer = layer,
                        .position = position,
                        .quantity = q,
                        .delta = g->delta};
    for (int64_t i = 0; i < t->n; i++) t->score[i].value = value_of(&t->of[i], q);
    VW_TRY(vw_mean_interval(t->score, t->n, g->key, &row.i));
    VW_TRY(add_row(&row, &out->rows, &out->n, &out->room));
  }
  return VW_OK;
}

/* This rank's share of the layers. */
static vw_status probe_group(group *g, found *out) {
  const vw_ranks *ranks = &g->c->s->ranks;
  states t;
  find_group(g);
  if (!g->n) return VW_OK;
  vw_status st = states_open(&t, g);
  for (int64_t l = ranks->rank; st == VW_OK && l < g->a->layers; l += ranks->size)
    for (int k = 0; st == VW_OK && k < VW_STATE_POSITIONS; k++) st = probe_layer(g, &t, k, l, out);
  states_free(&t);
  return st;
}

/* ---- all of a model ---------------------------------------------------------------------------------------------- */

/* The words of one model here: of each data set and delta by themselves. */
static vw_status probe_source(group *g, found *out) {
  const vw_study_config *config = g->c->s->config;
  const vw_numbers *deltas = &config->models[g->source].trials.deltas;
  vw_status st = VW_OK;
  for (g->data = 0; st == VW_OK && g->data < config->n_data; g->data++) {
    const vw_stream stream = {.data = config->data[g->data].name, .concept = "", .seed = config->seed};
    st = vw_stream_key(&stream, &g->key);
    for (int64_t i = 0; st == VW_OK && vw_study_learns_on(config, g->a->model, g->data) && i < deltas->n; i++) {
      g->delta = deltas->v[i];
      st = probe_group(g, out);
    }
  }
  return st;
}

static vw_status probe_opened(const vw_collected *c, vw_activations *a, found *out) {
  group g = {.c = c, .a = a, .row = malloc((size_t)a->n * sizeof *g.row + 1)};
  vw_status st = g.row ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "probe: out of memory");
  for (g.source = 0; st == VW_OK && g.source < c->s->config->n_models; g.source++) st = probe_source(&g, out);
  free(g.row);
  return st;
}

static vw_status probe_model(const vw_collected *c, int64_t model, found *out) {
  vw_activations a = {0};
  int64_t missing = 0;
  vw_status st = VW_OK;
  if (!c->s->networks[model]->kind->states) return VW_OK;
  VW_GOTO(vw_activations_list(c->s, model, &a));
  if (!vw_results_probed(c->s, &a)) goto cleanup;
  for (int64_t f = 0; f < a.n_files; f++) {
    VW_GOTO(vw_activations_open(c->s, &a, f));
    missing += !a.file[f] && vw_activations_can_make(c->s, &a, f);
  }
  if (missing && c->s->ranks.rank == 0)
    vw_log(VW_LOG_WARN, "the words of %lld blocks of %s are not probed yet: run 'viswords probe', then collect again",
           (long long)missing, c->s->config->models[model].name);
  VW_GOTO(probe_opened(c, &a, out));
cleanup:
  vw_activations_free(&a);
  return st;
}

/* Words that were learned here first. */
static double source_key(const vw_probe_row *r) {
  return r->source_index == r->model_index ? -1 : (double)r->source_index;
}

static int in_order(const void *x, const void *y) {
  const vw_probe_row *a = x, *b = y;
  const double key_a[] = {(double)a->model_index,
                          (double)a->data_index,
                          source_key(a),
                          a->position,
                          (double)a->layer,
                          a->delta,
                          a->quantity};
  const double key_b[] = {(double)b->model_index,
                          (double)b->data_index,
                          source_key(b),
                          b->position,
                          (double)b->layer,
                          b->delta,
                          b->quantity};
  for (size_t i = 0; i < sizeof key_a / sizeof *key_a; i++)
    if (key_a[i] != key_b[i]) return key_a[i] < key_b[i] ? -1 : 1;
  return 0;
}

static void set_texts(vw_collected *c) {
  for (int64_t i = 0; i < c->n_probe; i++) {
    vw_probe_row *r = &c->probe[i];
    r->model = c->s->config->models[r->model_index].name, r->data = c->s->config->data[r->data_index].name;
    r->source = r->source_index == r->model_index ? "" : c->s->config->models[r->source_index].name;
    r->position_name = vw_state_positions[r->position], r->quantity_name = vw_probe_quantities[r->quantity];
  }
}

/* All ranks get all rows. */
static vw_status share(vw_collected *c, const found *own) {
  const vw_ranks *ranks = &c->s->ranks;
  const int64_t bytes = (int64_t)sizeof *c->probe;
  int64_t total = own->n, *counts = calloc((size_t)ranks->size, sizeof *counts);
  void *all = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_agree_message(ranks, counts ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "probe: out of memory")));
  VW_GOTO(vw_ranks_reduce(ranks, &total, 1, VW_REDUCE_SUM));
  VW_GOTO(vw_ranks_gather(ranks, own->rows, own->n * bytes, &all, counts));
  c->probe = ranks->rank == 0 ? all : calloc((size_t)total + 1, sizeof *c->probe);
  all = NULL;
  VW_GOTO(vw_agree_message(ranks, c->probe || !total ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "probe: out of memory")));
  if (ranks->rank == 0 && total) qsort(c->probe, (size_t)total, sizeof *c->probe, in_order);
  VW_GOTO(vw_ranks_broadcast(ranks, c->probe, total * bytes, 0));
  c->n_probe = total;
  set_texts(c);
cleanup:
  free(all), free(counts);
  return st;
}

vw_status vw_collect_probe(vw_collected *c) {
  found own = {0};
  vw_status st = VW_OK;
  for (int64_t m = 0; st == VW_OK && m < c->s->config->n_models; m++) st = probe_model(c, m, &own);
  st = vw_agree_message(&c->s->ranks, st);
  if (st == VW_OK) st = share(c, &own);
  free(own.rows);
  return st;
}

/* ---- probe.csv --------------------------------------------------------------------------------------------------- */

static void csv_number(FILE *out, double v, char end) {
  if (isfinite(v)) (void)vw_print(out, "%.17g", v);
  (void)fputc(end, out);
}

static void csv_row(const vw_probe_row *r, FILE *out) {
  char delta[VW_DELTA_TEXT];
  vw_delta_text(r->delta, delta);
  (void)vw_print(out, "%s,%s,%s,%lld,%s,%s,%s,%lld,", r->model, r->data, r->position_name, (long long)r->layer, delta,
                 r->quantity_name, r->source, (long long)r->i.n);
  csv_number(out, r->i.mean, ','), csv_number(out, r->i.low, ','), csv_number(out, r->i.high, ',');
  csv_number(out, r->i.boot_low, ','), csv_number(out, r->i.boot_high, '\n');
}

vw_status vw_collect_probe_csv(const vw_collected *c) {
  char path[VW_PATH_BYTES], *text = NULL;
  size_t bytes = 0;
  if (!c->n_probe) return VW_OK;
  VW_TRY(vw_path_format(path, "%s/probe.csv", c->s->out));
  FILE *out = open_memstream(&text, &bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "%s: out of memory", path);
  (void)vw_print(out, "model,data,position,layer,delta,quantity,source,n,mean,low,high,boot_low,boot_high\n");
  for (int64_t i = 0; i < c->n_probe; i++) csv_row(&c->probe[i], out);
  const bool failed = ferror(out) != 0;
  vw_status st = fclose(out) != 0 || failed ? VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path) : VW_OK;
  if (st == VW_OK) st = vw_file_write(path, text, (int64_t)bytes);
  free(text);
  return st;
}
