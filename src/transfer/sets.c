#include "transfer/sets.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *const vw_carried_names[VW_CARRIED_KINDS] = {"carried word", "carried anchor", "carried name",
                                                        "carried random word"};

vw_map_rule vw_transfer_rule(const vw_study_config *config) {
  const vw_transfer_config *t = &config->transfer;
  return (vw_map_rule){.kind = t->map, .bias = t->bias, .lambda = t->lambda};
}

/* ---- pairs ------------------------------------------------------------------------------------------------------- */

/* Two networks, and words of as many vectors: the target's task judges them as its own. */
static bool differ(const vw_transfer_source *s, int64_t a, int64_t b) {
  if (s->config->models[a].vectors != s->config->models[b].vectors) return false;
  return s->weights[a].lo != s->weights[b].lo || s->weights[a].hi != s->weights[b].hi;
}

/* "clip->owl" */
typedef char pair_text[160];
static void name_pair(const vw_study_config *c, int64_t from, int64_t to, pair_text text) {
  (void)snprintf(text, sizeof(pair_text), "%s->%s", c->models[from].name, c->models[to].name);
}

static bool is_asked_for(const vw_study_config *c, int64_t from, int64_t to) {
  pair_text text;
  name_pair(c, from, to, text);
  for (int64_t i = 0; i < c->transfer.pairs.n; i++)
    if (!strcmp(c->transfer.pairs.name[i], text)) return true;
  return !c->transfer.pairs.n;
}

/* A pair that the study names must be one. */
static vw_status check_names(const vw_transfer_source *s, const vw_transfer_pair *pairs, int64_t n) {
  const vw_study_config *c = s->config;
  for (int64_t i = 0; i < c->transfer.pairs.n; i++) {
    pair_text text = "";
    int64_t k = 0;
    for (; k < n; k++) {
      name_pair(c, pairs[k].from, pairs[k].to, text);
      if (!strcmp(c->transfer.pairs.name[i], text)) break;
    }
    VW_CHECK(k<n, VW_ERR_INPUT,
                 "'%s' is no pair of models with different networks and words of as many vectors; write it as %s->%s",
                 c->transfer.pairs.name[i], c->models[0].name, c->n_models> 1
                 ? c->models[1].name
                 : "another");
  }
  return VW_OK;
}

vw_status vw_transfer_pairs(const vw_transfer_source *s, vw_transfer_pair **pairs, int64_t *n) {
  const vw_study_config *c = s->config;
  *n = 0;
  *pairs = calloc((size_t)(c->n_models * c->n_models) + 1, sizeof **pairs);
  VW_CHECK(*pairs, VW_ERR_MEMORY, "transfer: out of memory");
  for (int64_t a = 0; a < c->n_models; a++)
    for (int64_t b = 0; b < c->n_models; b++)
      if (differ(s, a, b) && is_asked_for(c, a, b)) (*pairs)[(*n)++] = (vw_transfer_pair){a, b};
  vw_status st = check_names(s, *pairs, *n);
  if (st == VW_OK && !*n)
    st = VW_RAISE(
        VW_ERR_INPUT,
        "transfer needs two models with different networks and words of as many vectors; add one under `models`, or "
        "leave transfer out of `stages`");
  if (st != VW_OK) free(*pairs), *pairs = NULL;
  return st;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static bool has_name(const vw_names *names, const char *name) {
  for (int64_t i = 0; i < names->n; i++)
    if (!strcmp(names->name[i], name)) return true;
  return false;
}

static bool learns_concept(const vw_study_config *c, int64_t model, int64_t data, const char *concept) {
  return vw_study_learns_on(c, model, data) && has_name(&vw_study_data_of(c, model, data)->concepts, concept);
}

static const vw_trial *find_target(const vw_transfer_source *s, int64_t to, int64_t data, const vw_trial *t) {
  for (int64_t i = 0; i < s->plan->n_trials; i++) {
    const vw_trial *u = &s->plan->trials[i];
    if (u->row < 0 || u->model_index != to || u->data_index != data || u->delta != t->delta ||
        u->replica != t->replica || u->null_concept)
      continue;
    if (!strcmp(u->concept, t->concept) && !strcmp(u->anchor, t->anchor)) return u;
  }
  return NULL;
}

bool vw_transfer_takes(const vw_transfer_source *s, int64_t from, int64_t to, int64_t data, const vw_trial *trial,
                       const vw_trial **target) {
  const vw_study_config *c = s->config;
  *target = NULL;
  if (trial->row < 0 || trial->model_index != from || trial->null_concept) return false;
  if (!learns_concept(c, to, data, trial->concept)) return false;
  if (trial->data_index != data && learns_concept(c, from, data, trial->concept)) return false;
  *target = find_target(s, to, data, trial);
  return *target || c->transfer.all;
}

/* ---- sets -------------------------------------------------------------------------------------------------------- */

typedef struct set_list {
  vw_transfer_set *set;
  int64_t n, room;
} set_list;

static vw_status add_set(set_list *l, vw_transfer_set set) {
  if (l->n == l->room) {
    const int64_t room = 2 * l->room + 64;
    vw_transfer_set *more = realloc(l->set, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "transfer: out of memory");
    l->set = more, l->room = room;
  }
  l->set[l->n++] = set;
  return VW_OK;
}

/* has[k]: words of the data set's concept k are carried. */
static vw_status add_blocks(const vw_transfer_source *s, const vw_transfer_pair *p, int64_t data, bool *has,
                            set_list *l) {
  const vw_names *concepts = &vw_study_data_of(s->config, p->to, data)->concepts;
  const vw_trial *target = NULL;
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    bool any = false;
    if (!vw_block_is_active(b) || b->model_index != p->from) continue;
    for (int64_t k = b->first; k < b->first + b->n; k++) {
      if (!vw_transfer_takes(s, p->from, p->to, data, &s->plan->trials[k], &target)) continue;
      any = true;
      for (int64_t c = 0; c < concepts->n; c++)
        has[c] = has[c] || !strcmp(concepts->name[c], s->plan->trials[k].concept);
    }
    if (any) VW_TRY(add_set(l, (vw_transfer_set){p->from, p->to, data, i, -1}));
  }
  return VW_OK;
}

static vw_status add_sets(const vw_transfer_source *s, const vw_transfer_pair *p, int64_t data, set_list *l) {
  const int64_t n = vw_study_data_of(s->config, p->to, data)->concepts.n;
  bool *has = calloc((size_t)n + 1, sizeof *has);
  VW_CHECK(has, VW_ERR_MEMORY, "transfer: out of memory");
  vw_status st = add_blocks(s, p, data, has, l);
  for (int64_t k = 0; st == VW_OK && k < n; k++)
    if (has[k]) st = add_set(l, (vw_transfer_set){p->from, p->to, data, -1, k});
  free(has);
  return st;
}

vw_status vw_transfer_sets(const vw_transfer_source *s, const vw_transfer_pair *pairs, int64_t n_pairs,
                           vw_transfer_set **sets, int64_t *n) {
  set_list l = {0};
  vw_status st = VW_OK;
  for (int64_t i = 0; i < n_pairs; i++)
    for (int64_t d = 0; st == VW_OK && d < s->config->n_data; d++)
      if (vw_study_learns_on(s->config, pairs[i].to, d)) st = add_sets(s, &pairs[i], d, &l);
  if (st != VW_OK) free(l.set), l = (set_list){0};
  *sets = l.set, *n = l.n;
  return st;
}

/* ---- identities -------------------------------------------------------------------------------------------------- */

static vw_status finish_id(vw_hasher *h, vw_status st, const char *suffix, char id[VW_BLOCK_ID]) {
  char text[VW_HASH_TEXT];
  vw_hash_text(vw_hasher_done(h), text);
  vw_hasher_destroy(h);
  (void)snprintf(id, VW_BLOCK_ID, "%s-%s", text, suffix);
  return st;
}

vw_status vw_transfer_map_id(const vw_transfer_source *s, int64_t from, int64_t to, char id[VW_BLOCK_ID]) {
  const vw_map_rule rule = vw_transfer_rule(s->config);
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "transfer: out of memory");
  vw_hasher_field(h, "viswords-map-1");
  vw_hasher_add(h, &s->weights[from], sizeof *s->weights), vw_hasher_add(h, &s->weights[to], sizeof *s->weights);
  vw_hasher_field(h, vw_map_names[rule.kind]);
  vw_hasher_int(h, rule.bias), vw_hasher_double(h, rule.lambda);
  return finish_id(h, VW_OK, "map", id);
}

/* What judging on a concept of the target depends on. */
static vw_status add_concept(const vw_transfer_source *s, const vw_transfer_set *set, const char *concept,
                             vw_hasher *h) {
  vw_hash pictures;
  const vw_picture_set *of = s->pictures[set->to * s->config->n_data + set->data];
  VW_TRY(vw_picture_set_hash(of, s->kinds[set->to]->task->sees, concept, false, &pictures));
  vw_hasher_field(h, concept);
  vw_hasher_add(h, &pictures, sizeof pictures);
  return VW_OK;
}

static vw_status add_judging(const vw_transfer_source *s, const vw_transfer_set *set, vw_hasher *h) {
  vw_hash protocol, judging;
  char map[VW_BLOCK_ID];
  VW_TRY(vw_transfer_map_id(s, set->from, set->to, map));
  VW_TRY(vw_protocol_hash(s->config, set->to, set->data, &protocol));
  VW_TRY(vw_judging_hash(s->config, set->to, set->data, &judging));
  vw_hasher_field(h, map);
  vw_hasher_add(h, &s->weights[set->to], sizeof *s->weights);
  vw_hasher_add(h, &protocol, sizeof protocol), vw_hasher_add(h, &judging, sizeof judging);
  vw_hasher_field(h, s->config->data[set->data].name);
  vw_hasher_int(h, s->config->transfer.radius);
  if (s->config->transfer.pictures) vw_hasher_int(h, s->config->transfer.pictures);
  return VW_OK;
}

static vw_status add_words(const vw_transfer_source *s, const vw_transfer_set *set, vw_hasher *h) {
  const vw_block *b = &s->plan->blocks[set->block];
  const char *last = "";
  vw_hasher_add(h, &b->id, sizeof b->id);
  for (int64_t i = b->first; i < b->first + b->n; i++) {
    const vw_trial *t = &s->plan->trials[i], *target = NULL;
    if (!vw_transfer_takes(s, set->from, set->to, set->data, t, &target)) continue;
    vw_hasher_add(h, &t->id, sizeof t->id);
    if (strcmp(last, t->concept) != 0) VW_TRY(add_concept(s, set, t->concept, h));
    last = t->concept;
  }
  return VW_OK;
}

static vw_status add_baselines(const vw_transfer_source *s, const vw_transfer_set *set, vw_hasher *h) {
  const vw_names *anchors = &s->config->models[set->from].trials.anchors;
  VW_TRY(add_concept(s, set, vw_study_data_of(s->config, set->to, set->data)->concepts.name[set->concept], h));
  vw_hasher_int(h, s->config->seed);
  for (int64_t i = 0; i < anchors->n; i++) vw_hasher_field(h, anchors->name[i]);
  return VW_OK;
}

vw_status vw_transfer_set_id(const vw_transfer_source *s, const vw_transfer_set *set, char id[VW_BLOCK_ID]) {
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "transfer: out of memory");
  vw_hasher_field(h, "viswords-carried-1");
  vw_status st = add_judging(s, set, h);
  if (st == VW_OK) st = set->block >= 0 ? add_words(s, set, h) : add_baselines(s, set, h);
  return finish_id(h, st, "carried", id);
}
