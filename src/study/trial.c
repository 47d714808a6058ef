#include "study/trial.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void vw_delta_text(double delta, char text[VW_DELTA_TEXT]) {
  if (isinf(delta)) {
    (void)snprintf(text, VW_DELTA_TEXT, "free");
    return;
  }
  for (int digits = 1; digits <= 17; digits++) {
    (void)snprintf(text, VW_DELTA_TEXT, "%.*g", digits, delta);
    if (strtod(text, NULL) == delta) return;
  }
}

void vw_null_name(int64_t j, char text[VW_NULL_NAME]) {
  (void)snprintf(text, VW_NULL_NAME, "null-%" PRId64, j);
}

vw_status vw_stream_key(const vw_stream *s, uint64_t *key) {
  char replica[32], seed[32], delta[VW_DELTA_TEXT];
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "no memory for a stream's key");
  (void)snprintf(replica, sizeof replica, "%" PRId64, s->replica);
  (void)snprintf(seed, sizeof seed, "%" PRId64, s->seed);
  vw_hasher_field(h, "viswords-stream-1");
  vw_hasher_field(h, s->data);
  vw_hasher_field(h, s->concept);
  vw_hasher_field(h, replica);
  vw_hasher_field(h, seed);
  if (s->anchor) {
    vw_delta_text(s->delta, delta);
    vw_hasher_field(h, s->anchor);
    vw_hasher_field(h, delta);
  }
  *key = vw_hasher_done(h).lo;
  vw_hasher_destroy(h);
  return VW_OK;
}

vw_status vw_trial_stream_key(const vw_study_config *config, const vw_trial *t, uint64_t *key) {
  VW_CHECK(t->model_index >= 0, VW_ERR_ARG, "trial of model %s, which is not in the study %s", t->model, config->study);
  const bool own = config->models[t->model_index].learn.streams == VW_STREAMS_TRIAL;
  const vw_stream s = {t->data, t->concept, t->replica, config->seed, own ? t->anchor : NULL, t->delta};
  return vw_stream_key(&s, key);
}

vw_status vw_protocol_hash(const vw_study_config *config, int64_t model, int64_t data, vw_hash *hash) {
  char *text = NULL;
  VW_TRY(vw_study_protocol_text(config, model, data, &text));
  *hash = vw_hash_bytes(text, strlen(text));
  free(text);
  return VW_OK;
}

vw_status vw_judging_hash(const vw_study_config *config, int64_t model, int64_t data, vw_hash *hash) {
  char *text = NULL;
  VW_TRY(vw_study_judging_text(config, model, data, &text));
  *hash = text[0] ? vw_hash_bytes(text, strlen(text)) : (vw_hash){0};
  free(text);
  const vw_hash network = config->models[model].judge.network;
  if (!network.lo && !network.hi) return VW_OK;
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "no memory for an evaluation's identity");
  vw_hasher_add(h, hash, sizeof *hash);
  vw_hasher_add(h, &network, sizeof network);
  *hash = vw_hasher_done(h);
  vw_hasher_destroy(h);
  return VW_OK;
}

vw_status vw_trial_hash(const vw_trial *t, vw_hash weights, vw_hash protocol, vw_hash *id) {
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "no memory for a trial's identity");
  vw_hasher_field(h, "viswords-trial-1");
  vw_hasher_field(h, t->model);
  vw_hasher_field(h, t->data);
  vw_hasher_field(h, t->concept);
  vw_hasher_field(h, t->null_concept ? "null" : "concept");
  vw_hasher_field(h, t->anchor);
  vw_hasher_double(h, t->delta);
  vw_hasher_int(h, t->replica);
  vw_hasher_add(h, &weights, sizeof weights);
  vw_hasher_add(h, &t->data_hash, sizeof t->data_hash);
  vw_hasher_add(h, &protocol, sizeof protocol);
  *id = vw_hasher_done(h);
  vw_hasher_destroy(h);
  return VW_OK;
}

/* The names of a data set's concepts, null concepts last. NULL: out of memory. */
static const char **concept_names(const vw_study_config *c, const vw_data_config *d, vw_pool *pool) {
  const int64_t n = d->concepts.n + c->null_concepts;
  const char **name = vw_pool_take(pool, (size_t)n * sizeof *name);
  if (!name) return NULL;
  for (int64_t i = 0; i < d->concepts.n; i++) name[i] = d->concepts.name[i];
  for (int64_t j = 0; j < c->null_concepts; j++) {
    char text[VW_NULL_NAME];
    vw_null_name(j, text);
    name[d->concepts.n + j] = vw_pool_text(pool, text, -1);
    if (!name[d->concepts.n + j]) return NULL;
  }
  return name;
}

/* The trials of one model on one data set, from out[0] on. */
static vw_status list_trials(const vw_study_config *c, const vw_study_inputs *in, int64_t m, int64_t d, vw_pool *pool,
                             vw_trial *out, int64_t *n) {
  const vw_data_config *data = vw_study_data_of(c, m, d);
  const vw_trials_config *trials = &c->models[m].trials;
  vw_hash protocol;
  if (!vw_study_learns_on(c, m, d)) return VW_OK;
  VW_TRY(vw_protocol_hash(c, m, d, &protocol));
  const char **concept = concept_names(c, data, pool);
  VW_CHECK(concept, VW_ERR_MEMORY, "no memory for the names of concepts");
  for (int64_t k = 0; k < data->concepts.n + c->null_concepts; k++)
    for (int64_t r = 0; r < trials->replicas; r++)
      for (int64_t a = 0; a < trials->anchors.n; a++)
        for (int64_t e = 0; e < trials->deltas.n; e++) {
          vw_trial *t = &out[*n];
          *t = (vw_trial){.data_hash = in->pictures[m * c->n_data + d][k],
                          .model = c->models[m].name,
                          .data = data->name,
                          .concept = concept[k],
                          .anchor = trials->anchors.name[a],
                          .delta = trials->deltas.v[e],
                          .replica = r,
                          .null_concept = k >= data->concepts.n,
                          .model_index = m,
                          .data_index = d,
                          .concept_index = k,
                          .anchor_index = a};
          VW_TRY(vw_trial_hash(t, in->weights[m], protocol, &t->id));
          (*n)++;
        }
  return VW_OK;
}

double vw_study_trial_count(const vw_study_config *c, int64_t model, int64_t data) {
  const vw_trials_config *t = &c->models[model].trials;
  const double concepts = (double)(vw_study_data_of(c, model, data)->concepts.n + c->null_concepts);
  if (!vw_study_learns_on(c, model, data)) return 0;
  return (double)t->replicas * (double)t->anchors.n * (double)t->deltas.n * concepts;
}

vw_status vw_study_trials(const vw_study_config *c, const vw_study_inputs *inputs, vw_pool *pool, vw_trial **trials,
                          int64_t *n) {
  enum { MOST = 10000000 }; /* far beyond any study; keeps the products below from overflowing */
  double total = 0;
  for (int64_t m = 0; m < c->n_models; m++)
    for (int64_t d = 0; d < c->n_data; d++) total += vw_study_trial_count(c, m, d);
  VW_CHECK(total <= MOST, VW_ERR_INPUT, "%s: %.3g trials are more than the %d that a study may have", c->path, total,
           MOST);
  *n = 0;
  *trials = vw_pool_take(pool, (size_t)total * sizeof **trials);
  VW_CHECK(*trials, VW_ERR_MEMORY, "no memory for %.0f trials", total);
  for (int64_t m = 0; m < c->n_models; m++)
    for (int64_t d = 0; d < c->n_data; d++) VW_TRY(list_trials(c, inputs, m, d, pool, *trials, n));
  for (int64_t i = 0; i < *n; i++) (*trials)[i].row = i;
  return VW_OK;
}
