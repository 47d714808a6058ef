/* /activations, /tsne and /summary/probe of study.h5. */
#include "results/collect/collect_probe.h"
#include "results/collect/collect_writer.h"
#include "results/maps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS(table) (table), (int64_t)(sizeof(table) / sizeof *(table))

/* ---- /activations ------------------------------------------------------------------------------------------------ */

static const vw_column activation_columns[] = {
    VW_TEXT(vw_activation_row, origin_text, "origin", "learned | carried | anchor | name"),
    VW_TEXT(vw_activation_row, source_name, "source", "model that learned a carried word; empty: not carried"),
    VW_NUMBER(vw_activation_row, trial, VW_I64, "trial", "1", "row of /trials; -1: not of a trial"),
    VW_TEXT(vw_activation_row, data_name, "data", "data set; empty: of an anchor"),
    VW_TEXT(vw_activation_row, concept, "concept", "what it was learned for, or names; empty: an anchor"),
    VW_TEXT(vw_activation_row, anchor, "anchor", "what it was learned from, or is; empty: a name"),
    VW_NUMBER(vw_activation_row, delta, VW_F64, "delta", "1", "0: an anchor; inf: free; NaN: a name"),
    VW_TEXT(vw_activation_row, word, "word", "the word itself; empty: it was learned"),
};

/* The group of a model, and what lies in it. */
typedef struct places {
  vw_file_path group, state, row, position, layer, channel;
} places;

static vw_status places_of(const vw_writer *w, const vw_activations *a, places *p) {
  VW_TRY(vw_writer_path(p->group, "/activations", w->c->s->config->models[a->model].name, ""));
  VW_TRY(vw_writer_path(p->state, p->group, "state", ""));
  VW_TRY(vw_writer_path(p->row, p->group, "row", ""));
  VW_TRY(vw_writer_path(p->position, p->group, "position", ""));
  VW_TRY(vw_writer_path(p->layer, p->group, "layer", ""));
  return vw_writer_path(p->channel, p->group, "channel", "");
}

/* The rows of this rank's open files, and their states one after the other. */
static vw_status write_states(const vw_writer *w, const vw_activations *a, const vw_study_data *d) {
  const int64_t one = VW_STATE_POSITIONS * a->layers * a->width;
  int64_t n = 0, own = 0;
  for (int64_t i = 0; i < a->n; i++) own += a->states[a->rows[i].file] != NULL;
  float *x = malloc((size_t)(own * one) * sizeof *x + 1);
  vw_row_range *ranges = malloc((size_t)(own + 1) * sizeof *ranges);
  vw_status st = vw_writer_memory(w, x && ranges);
  for (int64_t i = 0; x && ranges && st == VW_OK && i < a->n; i++) {
    const float *from = vw_activations_state(a, &a->rows[i], 0, 0);
    if (!from) continue;
    memcpy(x + n * one, from, (size_t)one * sizeof *x);
    ranges[n++] = (vw_row_range){i, 1};
  }
  if (st == VW_OK) st = vw_study_file_write_rows(w->f, d, ranges, n, x);
  free(x), free(ranges);
  return st;
}

static vw_status write_activations(const vw_writer *w, const vw_activations *a) {
  places p;
  VW_TRY(places_of(w, a, &p));
  VW_TRY(vw_writer_count(w, p.row, "word", a->n));
  VW_TRY(vw_table_text_scale(w->f, w->ranks, p.position,
                             "pooled: where the network reads the text; word: where the word stands",
                             vw_state_positions, VW_STATE_POSITIONS));
  VW_TRY(vw_writer_count(w, p.layer, "behind which layer; 0: the embedding", a->layers));
  VW_TRY(vw_writer_count(w, p.channel, "component of the state", a->width));
  VW_TRY(vw_writer_table(w, p.group, p.row, a->rows, sizeof *a->rows, a->n, COLUMNS(activation_columns)));
  const vw_study_data d = {.path = p.state,
                           .dtype = VW_F32,
                           .ndim = 4,
                           .dim = {a->n, VW_STATE_POSITIONS, a->layers, a->width},
                           .units = "1",
                           .description = "residual stream of the text encoder, before its final norm",
                           .scale = {p.row, p.position, p.layer, p.channel}};
  VW_TRY(write_states(w, a, &d));
  return vw_study_file_attribute_text(w->f, p.group, "text", a->text);
}

/* Files of the blocks that this rank gathers; rank 0 has the known words. */
static vw_status open_own(const vw_writer *w, vw_activations *a) {
  vw_status st = VW_OK;
  for (int64_t f = 0; st == VW_OK && f < a->n_files; f++)
    if (a->block[f] < 0 ? w->ranks->rank == 0 : w->c->file[a->block[f]] != NULL)
      st = vw_activations_open(w->c->s, a, f);
  return vw_agree_message(w->ranks, st);
}

/* ---- /tsne ------------------------------------------------------------------------------------------------------- */

typedef struct map_row {
  double kl, perplexity, learning_rate, exaggeration;
  int64_t points, iterations;
  const char *position;
} map_row;

static const vw_column map_columns[] = {
    VW_TEXT(map_row, position, "position", "whose states are mapped: pooled | word"),
    VW_NUMBER(map_row, points, VW_I64, "n", "1", "words that are mapped; 0: not made yet"),
    VW_NUMBER(map_row, kl, VW_F64, "kl", "nat", "Kullback-Leibler divergence of the points"),
    VW_NUMBER(map_row, perplexity, VW_F64, "perplexity", "1", "that was used"),
    VW_NUMBER(map_row, learning_rate, VW_F64, "learning_rate", "1", "of a gradient without the factor 4"),
    VW_NUMBER(map_row, exaggeration, VW_F64, "exaggeration", "1", "in the first quarter of the iterations"),
    VW_NUMBER(map_row, iterations, VW_I64, "iterations", "1", "of the descent"),
};

/* Rank 0: what is there of the maps [n, words, 2]. */
static vw_status read_maps(const vw_results_source *s, const vw_activations *a, const int64_t *layers, int n,
                           map_row *rows, double *points, int64_t *there) {
  for (int i = 0; i < n; i++) {
    double *x = NULL;
    vw_tsne_map_numbers m;
    VW_TRY(vw_tsne_map_read(s, a, layers[i], &x, &m));
    if (!x) continue;
    memcpy(points + 2 * a->n * i, x, (size_t)(2 * a->n) * sizeof *x);
    free(x);
    rows[i].kl = m.kl, rows[i].perplexity = m.perplexity, rows[i].learning_rate = m.learning_rate;
    rows[i].exaggeration = m.exaggeration, rows[i].points = (int64_t)m.points;
    rows[i].iterations = (int64_t)m.iterations;
    ++*there;
  }
  return VW_OK;
}

static vw_status write_map_data(const vw_writer *w, const vw_activations *a, const int64_t *layers, int n,
                                const map_row *rows, const double *points) {
  static const char *const axes[] = {"x", "y"};
  const vw_row_range all = {0, n};
  vw_file_path group, layer, row, axis, path;
  VW_TRY(vw_writer_path(group, "/tsne", w->c->s->config->models[a->model].name, ""));
  VW_TRY(vw_writer_path(layer, group, "layer", ""));
  VW_TRY(vw_writer_path(row, group, "row", ""));
  VW_TRY(vw_writer_path(axis, group, "axis", ""));
  VW_TRY(vw_writer_path(path, group, "points", ""));
  VW_TRY(vw_table_scale(w->f, w->ranks, layer, "behind which layer; 0: the embedding", "1", layers, n));
  VW_TRY(vw_writer_count(w, row, "row of /activations of the model", a->n));
  VW_TRY(vw_table_text_scale(w->f, w->ranks, axis, "of the plane", axes, 2));
  VW_TRY(vw_writer_table(w, group, layer, rows, sizeof *rows, n, COLUMNS(map_columns)));
  const vw_study_data d = {.path = path,
                           .dtype = VW_F64,
                           .ndim = 3,
                           .dim = {n, a->n, 2},
                           .units = "1",
                           .description = "t-SNE of the words' states; NaN: states that are not finite",
                           .scale = {layer, row, axis}};
  return vw_study_file_write_rows(w->f, &d, &all, w->ranks->rank == 0, points);
}

/* Where one map is there at least. */
static vw_status write_maps(const vw_writer *w, const vw_activations *a) {
  int64_t layers[VW_MAP_LAYERS], there = 0;
  int n = 0;
  VW_TRY(vw_agree_message(w->ranks, vw_tsne_map_layers(w->c->s, a, layers, &n)));
  map_row rows[VW_MAP_LAYERS];
  double *points = malloc((size_t)(2 * n * a->n) * sizeof *points + 1);
  vw_status st = vw_writer_memory(w, points != NULL);
  for (int64_t i = 0; points && st == VW_OK && i < 2 * n * a->n; i++) points[i] = NAN;
  for (int i = 0; i < n; i++)
    rows[i] = (map_row){NAN, NAN, NAN, NAN, 0, 0, vw_state_positions[vw_tsne_map_position(layers[i])]};
  if (st == VW_OK)
    st = vw_agree_message(w->ranks,
                          w->ranks->rank == 0 ? read_maps(w->c->s, a, layers, n, rows, points, &there) : VW_OK);
  if (st == VW_OK) st = vw_ranks_broadcast(w->ranks, &there, sizeof there, 0);
  if (st == VW_OK && there) st = write_map_data(w, a, layers, n, rows, points);
  free(points);
  return st;
}

/* ---- /summary/probe, all ----------------------------------------------------------------------------------------- */

static const vw_column probe_columns[] = {
    VW_TEXT(vw_probe_row, model, "model", "name in the study"),
    VW_TEXT(vw_probe_row, data, "data", "data set, name in the study"),
    VW_TEXT(vw_probe_row, source, "source", "model that learned the words, which were carried; empty: learned here"),
    VW_TEXT(vw_probe_row, position_name, "position", "pooled | word"),
    VW_NUMBER(vw_probe_row, layer, VW_I64, "layer", "1", "behind which layer; 0: the embedding"),
    VW_NUMBER(vw_probe_row, delta, VW_F64, "delta", "1", "of the words; inf: free"),
    VW_TEXT(vw_probe_row, quantity_name, "quantity", "what was asked of a word (docs/protocol.md)"),
    VW_INTERVAL(vw_probe_row, "how many words"),
};

static vw_status write_model(const vw_writer *w, int64_t model) {
  const vw_results_source *s = w->c->s;
  vw_activations a = {0};
  int64_t probed = 0;
  vw_status st = vw_agree_message(w->ranks, vw_activations_list(s, model, &a));
  if (st == VW_OK) probed = w->ranks->rank == 0 && vw_results_probed(s, &a);
  if (st == VW_OK) st = vw_ranks_broadcast(w->ranks, &probed, sizeof probed, 0);
  if (st == VW_OK && probed) st = open_own(w, &a);
  if (st == VW_OK && probed) st = write_activations(w, &a);
  if (st == VW_OK && probed) st = write_maps(w, &a);
  vw_activations_free(&a);
  return st;
}

vw_status vw_write_probe(const vw_writer *w) {
  const vw_collected *c = w->c;
  for (int64_t m = 0; m < c->s->config->n_models; m++)
    if (c->s->networks[m]->kind->states) VW_TRY(write_model(w, m));
  if (!c->n_probe) return VW_OK;
  VW_TRY(vw_writer_count(w, "/summary/probe/row", "row of the summary", c->n_probe));
  return vw_writer_table(w, "/summary/probe", "/summary/probe/row", c->probe, sizeof *c->probe, c->n_probe,
                         COLUMNS(probe_columns));
}
