#include "results/activations.h"

#include "core/log.h"
#include "io/block_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const vw_origin_names[] = {"learned", "carried", "anchor", "name"};

void vw_activations_free(vw_activations *a) {
  for (int64_t f = 0; a->file && f < a->n_files; f++) vw_safetensors_close(a->file[f]);
  free(a->rows), free(a->id), free(a->file_rows), free(a->block), free((void *)a->file), free((void *)a->states);
  free(a->source), free(a->data);
  *a = (vw_activations){0};
}

/* ---- which words ------------------------------------------------------------------------------------------------- */

static bool has_block(const vw_results_source *s, const vw_activations *a, int64_t i) {
  return vw_block_is_active(&s->plan->blocks[i]) && s->plan->blocks[i].model_index == a->model;
}

/* Sets of words that are carried to the model, of a study that does so; malloc'ed. */
static vw_status find_sets(const vw_results_source *s, int64_t model, vw_transfer_set **sets, int64_t *n) {
  const vw_transfer_source t = vw_results_transfer(s);
  vw_transfer_pair *pairs = NULL;
  int64_t n_pairs = 0, all = 0;
  vw_status st = VW_OK;
  *sets = NULL, *n = 0;
  if (!vw_study_has_stage(s->config, "transfer")) return VW_OK;
  VW_GOTO(vw_transfer_pairs(&t, &pairs, &n_pairs));
  VW_GOTO(vw_transfer_sets(&t, pairs, n_pairs, sets, &all));
  for (int64_t i = 0; i < all; i++)
    if ((*sets)[i].to == model && (*sets)[i].block >= 0) (*sets)[(*n)++] = (*sets)[i];
cleanup:
  free(pairs);
  return st;
}

static vw_transfer_set set_of(const vw_activations *a, int64_t f) {
  return (vw_transfer_set){
      .from = a->source[f], .to = a->model, .data = a->data[f], .block = a->block[f], .concept = -1};
}

static bool is_carried(const vw_activations *a, int64_t f) {
  return a->source[f] != a->model;
}

/* Files of the model's blocks and of carried words, and room for all rows. */
static vw_status list_files(const vw_results_source *s, const vw_transfer_set *sets, int64_t n_sets,
                            vw_activations *a) {
  const vw_transfer_source t = vw_results_transfer(s);
  const vw_study_config *c = s->config;
  int64_t blocks = n_sets, rows = c->models[a->model].trials.anchors.n;
  for (int64_t i = 0; i < s->plan->n_blocks; i++)
    if (has_block(s, a, i)) blocks++, rows += s->plan->blocks[i].n;
  for (int64_t d = 0; d < c->n_data; d++)
    if (vw_study_learns_on(c, a->model, d)) rows += vw_study_data_of(c, a->model, d)->concepts.n;
  for (int64_t i = 0; i < n_sets; i++) rows += s->plan->blocks[sets[i].block].n;
  const size_t room = (size_t)blocks + 1;
  a->rows = calloc((size_t)rows + 1, sizeof *a->rows), a->id = calloc(room, sizeof *a->id);
  a->file_rows = calloc(room, sizeof *a->file_rows), a->block = calloc(room, sizeof *a->block);
  a->file = calloc(room, sizeof(*a->file)), a->states = calloc(room, sizeof(*a->states));
  a->source = calloc(room, sizeof *a->source), a->data = calloc(room, sizeof *a->data);
  VW_CHECK(a->rows && a->id && a->file_rows && a->block && a->file && a->states && a->source && a->data, VW_ERR_MEMORY,
           "activations: out of memory");
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    if (!has_block(s, a, i)) continue;
    vw_block_file_id(b, "-activations", a->id[a->n_files]);
    a->source[a->n_files] = a->model, a->data[a->n_files] = b->data_index;
    a->file_rows[a->n_files] = b->n, a->block[a->n_files++] = i;
  }
  for (int64_t i = 0; i < n_sets; i++) {
    enum { SHOWN = VW_BLOCK_ID - 16 }; /* all of it */
    char id[VW_BLOCK_ID];
    VW_TRY(vw_transfer_set_id(&t, &sets[i], id));
    (void)snprintf(a->id[a->n_files], VW_BLOCK_ID, "%.*s-activations", SHOWN, id);
    a->source[a->n_files] = sets[i].from, a->data[a->n_files] = sets[i].data;
    a->block[a->n_files++] = sets[i].block; /* its rows are counted as they are listed */
  }
  a->source[a->n_files] = a->model, a->block[a->n_files++] = -1;
  return VW_OK;
}

static vw_activation_row row_of_trial(const vw_trial *t, int64_t file, int64_t place) {
  return (vw_activation_row){.origin = VW_ORIGIN_LEARNED,
                             .trial = t->row,
                             .source = t->model_index,
                             .data = t->data_index,
                             .concept_place = t->concept_index,
                             .anchor_place = t->anchor_index,
                             .delta = t->delta,
                             .is_null = t->null_concept,
                             .data_name = t->data,
                             .concept = t->concept,
                             .anchor = t->anchor,
                             .word = "",
                             .token = -1,
                             .file = file,
                             .place = place};
}

static int by_trial(const void *x, const void *y) {
  const vw_activation_row *a = x, *b = y;
  return (a->trial > b->trial) - (a->trial < b->trial);
}

static void list_learned(const vw_results_source *s, vw_activations *a) {
  for (int64_t f = 0; f + 1 < a->n_files; f++) {
    const vw_block *b = &s->plan->blocks[a->block[f]];
    if (is_carried(a, f)) continue;
    for (int64_t k = 0; k < b->n; k++)
      if (s->plan->trials[b->first + k].row >= 0) a->rows[a->n++] = row_of_trial(&s->plan->trials[b->first + k], f, k);
  }
  qsort(a->rows, (size_t)a->n, sizeof *a->rows, by_trial);
  a->n_learned = a->n;
}

/* A concept's place in the target's data set. */
static int64_t place_of(const vw_names *names, const char *name) {
  int64_t i = 0;
  while (i < names->n && strcmp(names->name[i], name) != 0) i++;
  return i;
}

/* Those of carried rows that were learned: all of a block's set. */
static vw_status list_carried(const vw_results_source *s, vw_activations *a) {
  const vw_transfer_source t = vw_results_transfer(s);
  for (int64_t f = 0; f + 1 < a->n_files; f++) {
    const vw_transfer_set set = set_of(a, f);
    vw_carried c = {0};
    if (!is_carried(a, f)) continue;
    const vw_status st = vw_carried_list(&c, &t, &set);
    for (int64_t k = 0; st == VW_OK && k < c.n; k++) {
      vw_activation_row *r = &a->rows[a->n++];
      *r = row_of_trial(c.rows[k].trial, f, k);
      r->origin = VW_ORIGIN_CARRIED, r->source = set.from;
      r->data = set.data, r->data_name = s->config->data[set.data].name;
      r->concept_place = place_of(&vw_study_data_of(s->config, a->model, set.data)->concepts, r->concept);
    }
    a->file_rows[f] = c.n;
    vw_carried_free(&c);
    VW_TRY(st);
  }
  a->n_carried = a->n - a->n_learned;
  return VW_OK;
}

static void add_known(vw_activations *a, vw_origin origin, const char *word, int32_t token, const vw_data_config *data,
                      int64_t d, int64_t place) {
  const bool is_name = origin == VW_ORIGIN_NAME;
  const int64_t f = a->n_files - 1;
  a->rows[a->n++] = (vw_activation_row){.origin = origin,
                                        .trial = -1,
                                        .source = a->model,
                                        .data = is_name ? d : -1,
                                        .concept_place = is_name ? place : -1,
                                        .anchor_place = is_name ? -1 : place,
                                        .delta = is_name ? NAN : 0,
                                        .data_name = is_name ? data->name : "",
                                        .concept = is_name ? word : "",
                                        .anchor = is_name ? "" : word,
                                        .word = word,
                                        .token = token,
                                        .file = f,
                                        .place = a->file_rows[f]++};
}

/* Anchors, then names: those that are one word which the network was trained on. */
static vw_status list_known(const vw_results_source *s, vw_activations *a) {
  const vw_study_config *c = s->config;
  const vw_names *anchors = &c->models[a->model].trials.anchors;
  const vw_tokenizer *tokenizer = s->networks[a->model]->text.tokenizer;
  int32_t token = 0;
  for (int64_t i = 0; i < anchors->n; i++) {
    VW_TRY(vw_tokenizer_word(tokenizer, anchors->name[i], &token));
    add_known(a, VW_ORIGIN_ANCHOR, anchors->name[i], token, NULL, -1, i);
  }
  for (int64_t d = 0; d < c->n_data; d++) {
    const vw_data_config *data = vw_study_data_of(c, a->model, d);
    for (int64_t k = 0; vw_study_learns_on(c, a->model, d) && k < data->concepts.n; k++) {
      if (vw_tokenizer_word(tokenizer, data->concepts.name[k], &token) != VW_OK)
        vw_error_clear();
      else if (s->words[a->model].mask[token])
        add_known(a, VW_ORIGIN_NAME, data->concepts.name[k], token, data, d, k);
    }
  }
  return VW_OK;
}

/* The stem of the known words' file. */
static vw_status name_known(const vw_results_source *s, vw_activations *a) {
  char text[VW_HASH_TEXT];
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "activations: out of memory");
  vw_hasher_field(h, "viswords-activations-1");
  vw_hasher_add(h, &s->weights[a->model], sizeof *s->weights);
  vw_hasher_field(h, a->text);
  for (int64_t i = a->n_learned + a->n_carried; i < a->n; i++) vw_hasher_int(h, a->rows[i].token);
  vw_hash_text(vw_hasher_done(h), text);
  vw_hasher_destroy(h);
  (void)snprintf(a->id[a->n_files - 1], VW_BLOCK_ID, "%s-activations", text);
  return VW_OK;
}

vw_status vw_activations_list(const vw_results_source *s, int64_t model, vw_activations *a) {
  const vw_network *n = s->networks[model];
  vw_transfer_set *sets = NULL;
  int64_t n_sets = 0;
  *a = (vw_activations){.model = model, .text = s->config->models[model].learn.judge_template, .width = n->width};
  VW_CHECK(n->kind->states, VW_ERR_UNSUPPORTED,
           "model %s: networks of kind %s have no layers to look into; leave probe and tsne out of the stages",
           s->config->models[model].name, n->kind->name);
  a->layers = n->kind->state_layers(n);
  VW_TRY(find_sets(s, model, &sets, &n_sets));
  const vw_status st = list_files(s, sets, n_sets, a);
  free(sets);
  VW_TRY(st);
  list_learned(s, a);
  VW_TRY(list_carried(s, a));
  VW_TRY(list_known(s, a));
  for (int64_t i = 0; i < a->n; i++) {
    vw_activation_row *r = &a->rows[i];
    r->origin_text = vw_origin_names[r->origin];
    r->source_name = r->origin == VW_ORIGIN_CARRIED ? s->config->models[r->source].name : "";
  }
  return name_known(s, a);
}

/* ---- their states ------------------------------------------------------------------------------------------------ */

bool vw_activations_has(const vw_results_source *s, const vw_activations *a, int64_t f) {
  return vw_block_file_exists(s->out, a->id[f]);
}

static int64_t vectors_of(const vw_results_source *s, const vw_activations *a) {
  return s->config->models[a->model].vectors;
}

bool vw_activations_can_make(const vw_results_source *s, const vw_activations *a, int64_t f) {
  const vw_transfer_source t = vw_results_transfer(s);
  const vw_transfer_set set = set_of(a, f);
  char id[VW_BLOCK_ID];
  if (a->block[f] < 0) return true;
  if (!is_carried(a, f))
    vw_block_file_id(&s->plan->blocks[a->block[f]], "", id);
  else if (vw_transfer_set_id(&t, &set, id) != VW_OK)
    vw_error_clear(), id[0] = 0;
  return id[0] && vw_block_file_exists(s->out, id);
}

/* As transfer left them; NaN: not carried. */
static vw_status read_carried(const vw_results_source *s, const vw_activations *a, int64_t f, double *words) {
  const vw_transfer_source t = vw_results_transfer(s);
  const vw_transfer_set set = set_of(a, f);
  vw_carried c = {0};
  bool found = false;
  vw_status st = VW_OK;
  double *metrics = malloc((size_t)(a->file_rows[f] * s->kinds[a->model]->task->n_metrics) * sizeof *metrics + 1);
  if (!metrics) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "activations: out of memory"));
  VW_GOTO(vw_carried_list(&c, &t, &set));
  VW_GOTO(vw_carried_read(&c, &t, &set, metrics, NULL, &found));
  if (!found) VW_GOTO(VW_RAISE(VW_ERR_IO, "a set of carried words is not there any more"));
  const int64_t one = c.vectors * c.to_width;
  for (int64_t i = 0; i < c.n * one; i++) words[i] = c.rows[i / one].is_carried ? c.words[i] : (double)NAN;
cleanup:
  vw_carried_free(&c), free(metrics);
  return st;
}

/* A file's words [rows, n W], an entry of the vocabulary n times; malloc'ed. */
static vw_status read_words(const vw_results_source *s, const vw_activations *a, int64_t f, double **words) {
  const vw_network *n = s->networks[a->model];
  if (a->block[f] >= 0 && !is_carried(a, f))
    return vw_block_words_read(s->out, &s->plan->blocks[a->block[f]], vectors_of(s, a) * n->width, words);
  const int64_t one = vectors_of(s, a) * n->width;
  double *x = calloc((size_t)(a->file_rows[f] * one) + 1, sizeof *x);
  vw_status st = x ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "activations: out of memory");
  if (x && is_carried(a, f)) st = read_carried(s, a, f, x);
  for (int64_t i = a->n_learned + a->n_carried; x && st == VW_OK && a->block[f] < 0 && i < a->n; i++)
    for (int64_t at = 0; st == VW_OK && at < one; at += n->width)
      st = vw_text_word_vector(&n->text, a->rows[i].token, x + a->rows[i].place * one + at);
  *words = x;
  return st;
}

static vw_status write_states(const vw_results_source *s, const vw_activations *a, int64_t f, float *states) {
  vw_tensor t = vw_shape(VW_F32, a->file_rows[f], VW_STATE_POSITIONS, a->layers, a->width);
  t.data = states;
  const vw_safetensors_entry e[] = {{.name = "states", .tensor = t}};
  const vw_keyvalue metadata[] = {{"model", s->config->models[a->model].name},
                                  {"text", a->text},
                                  {"source", is_carried(a, f) ? s->config->models[a->source[f]].name : ""}};
  VW_TRY(vw_network_unchanged(s->networks[a->model]));
  return vw_block_file_write(s->out, a->id[f], e, 1, metadata, is_carried(a, f) ? 3 : 2);
}

vw_status vw_activations_make(const vw_results_source *s, const vw_activations *a, int64_t f) {
  vw_network *n = s->networks[a->model];
  double *words = NULL;
  float *states = malloc((size_t)(a->file_rows[f] * VW_STATE_POSITIONS * a->layers * a->width) * sizeof *states + 1);
  vw_status st = states ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "activations: out of memory");
  if (st == VW_OK) st = read_words(s, a, f, &words);
  if (st == VW_OK) st = n->kind->states(n, a->text, words, vectors_of(s, a), a->file_rows[f], states);
  if (st == VW_OK) st = write_states(s, a, f, states);
  free(words), free(states);
  return st;
}

vw_status vw_activations_open(const vw_results_source *s, vw_activations *a, int64_t f) {
  char path[VW_PATH_BYTES];
  vw_tensor t;
  VW_TRY(vw_block_file_path(path, s->out, a->id[f]));
  if (a->file[f] || !vw_file_exists(path)) return VW_OK;
  vw_status st = vw_block_file_open(s->out, a->id[f], &a->file[f]);
  if (st == VW_OK) st = vw_safetensors_find(a->file[f], "states", &t);
  if (st == VW_OK && (t.dtype != VW_F32 || t.ndim != 4 || t.dim[0] != a->file_rows[f] ||
                      t.dim[1] != VW_STATE_POSITIONS || t.dim[2] != a->layers || t.dim[3] != a->width))
    st = VW_RAISE(VW_ERR_INPUT, "%s: states are %s %s; delete the file and run again", path, vw_dtype_name(t.dtype),
                  vw_shape_text(&t));
  if (st == VW_OK) {
    a->states[f] = t.data;
    return VW_OK;
  }
  vw_safetensors_close(a->file[f]);
  a->file[f] = NULL;
  if (st != VW_ERR_INPUT) return st;
  vw_log(VW_LOG_WARN, "block=%s is left out: %s", a->id[f], vw_error_message());
  vw_error_clear();
  return VW_OK;
}

const float *vw_activations_state(const vw_activations *a, const vw_activation_row *r, int position, int64_t layer) {
  if (!a->states[r->file]) return NULL;
  return a->states[r->file] + ((r->place * VW_STATE_POSITIONS + position) * a->layers + layer) * a->width;
}

bool vw_activations_is_finite(const vw_activations *a, const vw_activation_row *r, int position, int64_t layer) {
  const float *x = vw_activations_state(a, r, position, layer);
  bool is_finite = x != NULL;
  for (int64_t c = 0; is_finite && c < a->width; c++) is_finite = isfinite(x[c]);
  return is_finite;
}
