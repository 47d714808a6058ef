#include "results/truncation.h"

#include "io/block_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- depths, deltas ---------------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

vw_status vw_cut_depths(const vw_results_source *s, int64_t model, int64_t depths[VW_MOST_DEPTHS], int64_t *n) {
  enum { EVENLY = 4 };
  const vw_model_config *m = &s->config->models[model];
  const vw_network *network = s->networks[model];
  const vw_numbers *asked = &m->truncation.depths;
  const int64_t all = network->text.tower.t.layers;
  *n = 0;
  VW_CHECK(network->kind->bytes, VW_ERR_UNSUPPORTED,
           "model %s: networks of kind %s have no text encoder to cut; leave truncation out of the stages", m->name,
           network->kind->name);
  VW_CHECK(asked->n <= VW_MOST_DEPTHS, VW_ERR_INPUT, "%" PRId64 " depths; at most %d", asked->n, VW_MOST_DEPTHS);
  for (int64_t i = 0; i < asked->n; i++) {
    VW_CHECK(asked->v[i] <= (double)all, VW_ERR_INPUT,
             "the text encoder of model %s has %" PRId64 " layers, %g cannot be kept; give it depths of its own: "
             "models.%s.truncation.depths",
             m->name, all, asked->v[i], m->name);
    depths[(*n)++] = (int64_t)asked->v[i];
  }
  if (!asked->n) {
    depths[(*n)++] = 0, depths[(*n)++] = 1;
    for (int i = 1; i <= EVENLY; i++) {
      const int64_t depth = llround((double)(all * i) / EVENLY);
      if (depth > depths[*n - 1]) depths[(*n)++] = depth;
    }
  }
  qsort(depths, (size_t)*n, sizeof *depths, by_number);
  return VW_OK;
}

/* Are words of the model and delta judged so? */
static bool takes_delta(const vw_model_config *m, double delta) {
  const vw_numbers *asked = &m->truncation.deltas, *learned = &m->trials.deltas;
  double most = 0;
  for (int64_t i = 0; i < asked->n; i++)
    if (asked->v[i] == delta) return true;
  if (asked->n) return false;
  for (int64_t i = 0; i < learned->n; i++)
    if (isfinite(learned->v[i]) && learned->v[i] > most) most = learned->v[i];
  return delta == (most > 0 ? most : INFINITY);
}

static bool takes_trial(const vw_results_source *s, int64_t model, const vw_trial *t) {
  return t->row >= 0 && !t->null_concept && takes_delta(&s->config->models[model], t->delta);
}

static bool is_carried(const vw_cut_set *set) {
  return set->source != set->model;
}

static vw_transfer_set carried_of(const vw_cut_set *set) {
  return (vw_transfer_set){
      .from = set->source, .to = set->model, .data = set->data, .block = set->block, .concept = -1};
}

/* ---- sets -------------------------------------------------------------------------------------------------------- */

typedef struct set_list {
  const vw_results_source *s;
  vw_cut_set *set;
  int64_t n, room;
} set_list;

static vw_status add_set(set_list *l, vw_cut_set set) {
  if (l->n == l->room) {
    const int64_t room = 2 * l->room + 64;
    vw_cut_set *more = realloc(l->set, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "truncation: out of memory");
    l->set = more, l->room = room;
  }
  l->set[l->n++] = set;
  return VW_OK;
}

static vw_status add_learned(set_list *l, int64_t model, int64_t data) {
  const vw_plan *plan = l->s->plan;
  for (int64_t i = 0; i < plan->n_blocks; i++) {
    const vw_block *b = &plan->blocks[i];
    bool any = false;
    if (!vw_block_is_active(b) || b->model_index != model || b->data_index != data) continue;
    for (int64_t k = b->first; k < b->first + b->n; k++) any = any || takes_trial(l->s, model, &plan->trials[k]);
    if (any) VW_TRY(add_set(l, (vw_cut_set){model, data, model, i, -1}));
  }
  return VW_OK;
}

static vw_status add_carried(set_list *l, const vw_transfer_source *t, const vw_transfer_set *set) {
  const vw_block *b = &l->s->plan->blocks[set->block];
  const vw_trial *target = NULL;
  bool any = false;
  for (int64_t k = b->first; k < b->first + b->n; k++) {
    const vw_trial *trial = &l->s->plan->trials[k];
    any = any ||
          (takes_trial(l->s, set->to, trial) && vw_transfer_takes(t, set->from, set->to, set->data, trial, &target));
  }
  return any ? add_set(l, (vw_cut_set){set->to, set->data, set->from, set->block, -1}) : VW_OK;
}

/* Sets that a model's network was carried, in their order. */
static vw_status add_model(set_list *l, const vw_transfer_source *t, int64_t model, const vw_transfer_set *sets,
                           int64_t n) {
  const vw_study_config *c = l->s->config;
  for (int64_t d = 0; d < c->n_data; d++)
    if (vw_study_learns_on(c, model, d)) VW_TRY(add_learned(l, model, d));
  for (int64_t i = 0; c->models[model].truncation.carried && i < n; i++)
    if (sets[i].to == model && sets[i].block >= 0) VW_TRY(add_carried(l, t, &sets[i]));
  for (int64_t d = 0; d < c->n_data; d++)
    for (int64_t k = 0; vw_study_learns_on(c, model, d) && k < vw_study_data_of(c, model, d)->concepts.n; k++)
      VW_TRY(add_set(l, (vw_cut_set){model, d, model, -1, k}));
  return VW_OK;
}

vw_status vw_cut_sets(const vw_results_source *s, vw_cut_set **sets, int64_t *n) {
  const vw_transfer_source t = vw_results_transfer(s);
  vw_transfer_pair *pairs = NULL;
  vw_transfer_set *carried = NULL;
  int64_t n_pairs = 0, n_carried = 0;
  set_list l = {.s = s};
  vw_status st = VW_OK;
  if (vw_study_has_stage(s->config, "transfer")) {
    VW_GOTO(vw_transfer_pairs(&t, &pairs, &n_pairs));
    VW_GOTO(vw_transfer_sets(&t, pairs, n_pairs, &carried, &n_carried));
  }
  for (int64_t m = 0; m < s->config->n_models; m++) VW_GOTO(add_model(&l, &t, m, carried, n_carried));
cleanup:
  free(pairs), free(carried);
  if (st != VW_OK) free(l.set), l = (set_list){0};
  *sets = l.set, *n = l.n;
  return st;
}

int64_t vw_cut_pictures(const vw_results_source *s, const vw_cut_set *set) {
  const vw_truncation_config *t = &s->config->models[set->model].truncation;
  return is_carried(set) && t->pictures_carried ? t->pictures_carried : t->pictures;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

void vw_cut_words_free(vw_cut_words *w) {
  free(w->rows), free(w->words), free((void *)w->texts), free((void *)w->anchors), free((void *)w->labels);
  free(w->label);
  *w = (vw_cut_words){0};
}

static vw_cut_row row_of_trial(vw_origin origin, const vw_trial *t) {
  return (vw_cut_row){.origin = origin,
                      .anchor_place = t->anchor_index,
                      .replica = t->replica,
                      .trial = t,
                      .concept = t->concept,
                      .anchor = t->anchor,
                      .word = "",
                      .delta = t->delta,
                      .is_judged = true};
}

static void list_trials(vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set) {
  const vw_transfer_source t = vw_results_transfer(s);
  const vw_block *b = &s->plan->blocks[set->block];
  for (int64_t i = b->first; i < b->first + b->n; i++) {
    const vw_trial *trial = &s->plan->trials[i], *target = NULL;
    if (!takes_trial(s, set->model, trial)) continue;
    if (is_carried(set) && !vw_transfer_takes(&t, set->source, set->model, set->data, trial, &target)) continue;
    w->rows[w->n++] = row_of_trial(is_carried(set) ? VW_ORIGIN_CARRIED : VW_ORIGIN_LEARNED, trial);
  }
}

static void list_known(vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set) {
  const vw_names *anchors = &s->config->models[set->model].trials.anchors;
  const char *concept = vw_study_data_of(s->config, set->model, set->data)->concepts.name[set->concept];
  for (int64_t a = 0; a < anchors->n; a++)
    w->rows[w->n++] = (vw_cut_row){.origin = VW_ORIGIN_ANCHOR,
                                   .anchor_place = a,
                                   .concept = concept,
                                   .anchor = anchors->name[a],
                                   .word = anchors->name[a],
                                   .is_judged = true};
  w->rows[w->n++] = (vw_cut_row){
      .origin = VW_ORIGIN_NAME, .anchor_place = -1, .concept = concept, .anchor = "", .word = concept, .delta = NAN};
}

static int64_t place_of(const vw_names *names, const char *name) {
  int64_t i = 0;
  while (i < names->n && strcmp(names->name[i], name) != 0) i++;
  return i;
}

vw_status vw_cut_words_list(vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set) {
  const vw_names *concepts = &vw_study_data_of(s->config, set->model, set->data)->concepts;
  const int64_t most =
      set->block >= 0 ? s->plan->blocks[set->block].n : s->config->models[set->model].trials.anchors.n + 1;
  *w = (vw_cut_words){.width = s->config->models[set->model].vectors * s->networks[set->model]->width};
  w->rows = calloc((size_t)most + 1, sizeof *w->rows);
  VW_CHECK(w->rows, VW_ERR_MEMORY, "truncation: out of memory for %" PRId64 " words", most);
  if (set->block >= 0)
    list_trials(w, s, set);
  else
    list_known(w, s, set);
  for (int64_t i = 0; i < w->n; i++) w->rows[i].concept_place = place_of(concepts, w->rows[i].concept);
  return VW_OK;
}

/* ---- what they are judged as ------------------------------------------------------------------------------------- */

static vw_status read_learned(vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set) {
  const vw_block *b = &s->plan->blocks[set->block];
  const size_t one = (size_t)w->width * sizeof(double);
  double *words = NULL;
  uint8_t *failed = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_block_words_read(s->out, b, w->width, &words));
  VW_GOTO(vw_block_failed_read(s->out, b, &failed));
  for (int64_t i = 0; i < w->n; i++) {
    const int64_t k = w->rows[i].trial - (s->plan->trials + b->first);
    memcpy(w->words + i * w->width, words + k * w->width, one);
    w->rows[i].is_judged = !failed[k];
    vw_drawn_trial(w->rows[i].trial, w->label[i]);
  }
cleanup:
  free(words), free(failed);
  return st;
}

static vw_status read_carried(vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set) {
  const vw_transfer_source t = vw_results_transfer(s);
  const vw_transfer_set of = carried_of(set);
  vw_carried c = {0};
  double *metrics = NULL;
  bool found = false;
  vw_status st = VW_OK;
  VW_GOTO(vw_carried_list(&c, &t, &of));
  metrics = malloc((size_t)(c.n * s->kinds[set->model]->task->n_metrics) * sizeof *metrics + 1);
  if (!metrics) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "truncation: out of memory"));
  VW_GOTO(vw_carried_read(&c, &t, &of, metrics, NULL, &found));
  if (!found) VW_GOTO(VW_RAISE(VW_ERR_IO, "a set of carried words is not there any more"));
  for (int64_t i = 0, k = 0; i < w->n; i++) { /* both in the block's order */
    while (c.rows[k].trial != w->rows[i].trial) k++;
    memcpy(w->words + i * w->width, c.words + k * w->width, (size_t)w->width * sizeof *w->words);
    w->rows[i].is_judged = c.rows[k].is_carried;
    vw_carried_label(&c.rows[k], s->config->models[set->source].name, w->label[i]);
  }
cleanup:
  vw_carried_free(&c), free(metrics);
  return st;
}

/* The anchors and the name among a concept's baselines. */
static vw_status read_known(vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set) {
  const vw_task_inputs in = {.network = s->networks[set->model],
                             .model = &s->config->models[set->model],
                             .pictures = s->pictures[set->model * s->config->n_data + set->data],
                             .vectors = s->config->models[set->model].vectors,
                             .seed = s->config->seed};
  vw_baselines b = {0};
  vw_status st = vw_baselines_list(&b, &in, s->kinds[set->model]->task, &s->words[set->model], w->rows[0].concept);
  for (int64_t i = 0, k = 0; st == VW_OK && k < b.n && i < w->n; k++) {
    const char *kind = w->rows[i].origin == VW_ORIGIN_ANCHOR ? "anchor" : "name";
    if (strcmp(b.rows[k].kind, kind) != 0) continue; /* both have anchors in their order, then the name */
    memcpy(w->words + i * w->width, b.vectors + k * w->width, (size_t)w->width * sizeof *w->words);
    w->rows[i].is_judged = b.rows[k].is_judged;
    w->texts[i] = b.texts[k]; /* the study's name of the concept */
    memcpy(w->label[i++], b.rows[k].label, VW_DRAWN_LABEL);
  }
  vw_baselines_free(&b);
  return st;
}

/* Pictures of a cut encoder are not those of the whole one. */
static void set_labels(vw_cut_words *w, int64_t depth, bool is_cut) {
  for (int64_t i = 0; i < w->n; i++) {
    char own[VW_DRAWN_LABEL];
    enum { SHOWN = VW_DRAWN_LABEL - 32 };
    memcpy(own, w->label[i], VW_DRAWN_LABEL);
    if (is_cut) (void)snprintf(w->label[i], VW_DRAWN_LABEL, "layers-%" PRId64 "-%.*s", depth, SHOWN, own);
    w->anchors[i] = w->rows[i].anchor[0] ? w->rows[i].anchor : NULL;
    w->labels[i] = w->rows[i].is_judged ? w->label[i] : NULL;
  }
}

bool vw_cut_words_are_there(const vw_results_source *s, const vw_cut_set *set) {
  const vw_transfer_source t = vw_results_transfer(s);
  const vw_transfer_set of = carried_of(set);
  char id[VW_BLOCK_ID];
  if (set->block < 0) return true;
  if (!is_carried(set))
    vw_block_file_id(&s->plan->blocks[set->block], "", id);
  else if (vw_transfer_set_id(&t, &of, id) != VW_OK)
    vw_error_clear(), id[0] = 0;
  return id[0] && vw_block_file_exists(s->out, id);
}

vw_status vw_cut_words_read(vw_cut_words *w, const vw_results_source *s, const vw_cut_set *set, int64_t depth) {
  const size_t n = (size_t)w->n + 1;
  w->words = calloc(n * (size_t)w->width, sizeof *w->words);
  w->texts = calloc(n, sizeof(*w->texts)), w->anchors = calloc(n, sizeof(*w->anchors));
  w->labels = calloc(n, sizeof(*w->labels)), w->label = calloc(n, sizeof *w->label);
  VW_CHECK(w->words && w->texts && w->anchors && w->labels && w->label, VW_ERR_MEMORY,
           "truncation: out of memory for %" PRId64 " words", w->n);
  if (set->block < 0)
    VW_TRY(read_known(w, s, set));
  else if (is_carried(set))
    VW_TRY(read_carried(w, s, set));
  else
    VW_TRY(read_learned(w, s, set));
  set_labels(w, depth, depth < s->networks[set->model]->text.tower.t.layers);
  return VW_OK;
}
