/* The models of a study file: their own values over what stands for all of them, and the data sets that they learn on.
 */
#include "core/options.h"
#include "io/study/study_walk.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  SHOWN = 64,        /* bytes of a name in a message */
  MOST_PAIRS = 65536 /* of a model and a data set: each has a place in memory */
};

/* --- one model -------------------------------------------------------------------------------------------------- */

/* study.h5 has /words/<model> beside its scales /words/<model>_trial, and /loss_fixed/when: no model's name may be that
 * of a scale. */
static vw_status check_model_name(vw_reader *r, yaml_node_t *node, const char *name) {
  static const char *const ends[] = {"_trial", "_step", "_channel", "_vector"};
  VW_TRY(vw_reader_check_name(r, node, "models", name));
  if (strcmp(name, "when") == 0)
    return VW_AT(r, node, "models: '%s' is a name that study.h5 keeps for a scale; choose another", name);
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    const size_t n = strlen(name), e = strlen(ends[i]);
    if (n >= e && strcmp(name + n - e, ends[i]) == 0)
      return VW_AT(r, node, "models: '%s' ends in %s, which study.h5 keeps for its scales; choose another name", name,
                   ends[i]);
  }
  return VW_OK;
}

/* The place-th of a kind's lists, which commas part. */
static const char *list_of(vw_reader *r, const char *lists, int place) {
  for (; place > 0; place--) lists += strcspn(lists, ",") + 1;
  return vw_pool_text(&r->config->pool, lists, (ptrdiff_t)strcspn(lists, ","));
}

/* What the words of a kind of models are learned for. */
static vw_status find_task(vw_reader *r, vw_model_config *m) {
  int n = 0;
  const int place = vw_word_place(r->kinds->models, m->kind, strlen(m->kind));
  const char *task = vw_word_at(r->kinds->tasks, place, &n);
  m->task = task ? vw_pool_text(&r->config->pool, task, n) : NULL;
  m->keys = list_of(r, r->kinds->keys, place), m->takes = list_of(r, r->kinds->data, place);
  m->defaults = r->kinds->defaults ? list_of(r, r->kinds->defaults, place) : "";
  VW_CHECK(m->task && m->keys && m->takes && m->defaults, VW_ERR_MEMORY, "%s: out of memory", r->path);
  return VW_OK;
}

/* What a model's mapping holds besides values: its sections, and the list of its data sets. */
typedef struct model_nodes {
  yaml_node_t *key, *data, *section[VW_SHARED_SECTIONS];
} model_nodes;

static vw_status read_model(vw_reader *r, yaml_node_t *map, int64_t i, model_nodes *nodes) {
  vw_model_config *m = &r->config->models[i];
  yaml_node_t *seen[VW_MOST_KEYS] = {0};
  nodes->key = vw_reader_node(r, map->data.mapping.pairs.start[i].key);
  yaml_node_t *value = vw_reader_node(r, map->data.mapping.pairs.start[i].value);
  VW_TRY(vw_reader_keep(r, check_model_name(r, nodes->key, m->name)));
  const char *path = vw_reader_path(r, "models", m->name);
  VW_CHECK(path, VW_ERR_MEMORY, "%s: out of memory", r->path);
  VW_TRY(vw_reader_defaults(r, VW_SEC_MODEL, m));
  const vw_target t = {VW_SEC_MODEL, m, path, "", seen, false};
  VW_TRY(vw_reader_section(r, &t, value));
  VW_TRY(find_task(r, m));
  for (int o = 0; o < vw_study_n_keys; o++) {
    const char *name = vw_key_name(&vw_study_keys[o]);
    if (!seen[o] || vw_study_keys[o].section != VW_SEC_MODEL) continue;
    if (strcmp(name, "data") == 0) nodes->data = seen[o];
    for (int k = 0; k < VW_SHARED_SECTIONS; k++)
      if (strcmp(name, vw_section_shared(VW_SEC_LEARN + k)->key) == 0) nodes->section[k] = seen[o];
  }
  return VW_OK;
}

/* --- sections that stand for all models, and again under one ---------------------------------------------------- */

typedef struct shared_values {
  vw_model_config common;               /* its sections: defaults, then what stands for all models */
  yaml_node_t **seen;                   /* [option] the node that set it for all models; NULL: none */
  int64_t n_own[VW_MOST_KEYS];          /* models that have the key themselves */
  const char *missing_of[VW_MOST_KEYS]; /* a model that has not: its name */
  bool told_sentences;                  /* check_sentences */
} shared_values;

static bool has_free(const vw_trials_config *t) {
  for (int64_t i = 0; i < t->deltas.n; i++)
    if (isinf(t->deltas.v[i])) return true;
  return false;
}

/* Decay that moves a word: adamw's, of a free one. */
static bool decays(const vw_model_config *m) {
  return m->learn.optimiser == VW_ADAMW && has_free(&m->trials);
}

/* A key that nothing reads is a mistake: learn.lr with pgd changes no result. first .. last: the models that read it;
 * own[option]: how many of them have a key of their own instead (NULL: not asked). */
static vw_status check_used(vw_reader *r, yaml_node_t **seen, const char *prefix, int64_t first, int64_t last,
                            const int64_t *own) {
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    bool used = false, any_decays = false;
    int64_t readers = 0;
    if (!seen[i] || o->type == VW_KEY_SECTION) continue;
    const char *key = o->key + (o->alone ? strlen("models.<name>.") : 0);
    for (int64_t m = first; m < last; m++) {
      const vw_model_config *model = &r->config->models[m];
      used |= vw_key_applies(o, model), any_decays |= decays(model);
      readers += !o->scoped || (model->keys && vw_word_place(model->keys, o->key, strlen(o->key)) >= 0);
    }
    if (!readers)
      VW_TRY(vw_reader_keep(
          r, VW_AT(r, seen[i], "%s%s: nothing uses it; no task of this study does: remove it", prefix, key)));
    else if (!used && o->with_stopping)
      VW_TRY(vw_reader_keep(r, VW_AT(r, seen[i],
                                     "%s%s: nothing uses it; words learn all their steps: remove it or give "
                                     "learn.early_stop.patience",
                                     prefix, key)));
    else if (!used)
      VW_TRY(vw_reader_keep(
          r, VW_AT(r, seen[i], "%s%s: nothing uses it; only optimiser %s does: remove it or change learn.optimiser",
                   prefix, key, o->needs == 1 + VW_PGD ? "pgd" : "adamw")));
    else if (own && own[i] == readers)
      VW_TRY(vw_reader_keep(r, VW_AT(r, seen[i], "%s: nothing uses it; every model has its own: remove it", key)));
    else if (o->type == VW_KEY_REAL && strcmp(o->key, "learn.weight_decay") == 0 && !any_decays)
      VW_TRY(vw_reader_keep(r, VW_AT(r, seen[i],
                                     "%s%s: nothing uses it; only free words decay: remove it or add "
                                     "free to trials.deltas",
                                     prefix, key)));
  }
  return VW_OK;
}

/* Defaults, then what stands for all models. It is read once: lists are compared with themselves, and thousands of
 * models times thousands of values would take minutes. */
static vw_status read_common(vw_reader *r, yaml_node_t *const nodes[VW_SHARED_SECTIONS], shared_values *v) {
  r->model = NULL;
  for (int k = 0; k < VW_SHARED_SECTIONS; k++) {
    const vw_section section = VW_SEC_LEARN + k;
    const vw_shared_section *of = vw_section_shared(section);
    void *base = (char *)&v->common + of->offset;
    const vw_target t = {section, base, of->key, "", v->seen, true};
    VW_TRY(vw_reader_defaults(r, section, base));
    if (nodes[k]) VW_TRY(vw_reader_keep(r, vw_reader_walk(r, &t, nodes[k])));
  }
  r->config->precision = v->common.plan.precision;
  return VW_OK;
}

/* The common values as a model has them: only a map of steps says something else to each. */
static void copy_common(const vw_reader *r, const shared_values *v, vw_model_config *m) {
  m->learn = v->common.learn, m->trials = v->common.trials, m->plan = v->common.plan, m->judge = v->common.judge;
  m->truncation = v->common.truncation;
  for (int k = 0; k < vw_study_n_keys; k++)
    if (v->seen[k] && vw_study_keys[k].type == VW_KEY_STEPS)
      vw_steps_of(r, v->seen[k], v->common.learn.steps, &m->learn.steps);
}

/* What the model's task has for a default, where nothing stands for all models. */
static vw_status set_task_defaults(const vw_reader *r, const shared_values *v, vw_model_config *m) {
  for (int k = 0; k < vw_study_n_keys; k++) {
    const vw_key *o = &vw_study_keys[k];
    const vw_shared_section *of = vw_section_shared(o->section);
    int n = 0;
    const char *text = vw_key_default(m->defaults, o->key, &n);
    if (text && of && !v->seen[k]) VW_TRY(vw_reader_default(r, o, text, (size_t)n, (char *)m + of->offset));
  }
  return VW_OK;
}

/* Every slice of a step needs a picture. */
static vw_status check_slices(vw_reader *r, const vw_model_config *m, yaml_node_t *node, const char *prefix) {
  const vw_learn_config *l = &m->learn;
  const int64_t most = l->positives > l->negatives ? l->positives : l->negatives;
  if (!node || m->plan.ranks_per_block <= most) return VW_OK;
  return vw_reader_keep(r, VW_AT(r, node,
                                 "%splan.ranks_per_block: %" PRId64 " is more than model '%s' has positives or "
                                 "negatives in a step (%" PRId64 "): each slice needs a picture",
                                 prefix, m->plan.ranks_per_block, m->name, most));
}

/* Words of a delta that no model learns with cannot be judged. first .. last: the models that read the list. */
static vw_status check_cut_deltas(vw_reader *r, yaml_node_t *node, const vw_numbers *deltas, const char *prefix,
                                  int64_t first, int64_t last) {
  for (int64_t i = 0; node && i < deltas->n; i++) {
    bool is_learned = false;
    for (int64_t m = first; m < last; m++) {
      const vw_numbers *learned = &r->config->models[m].trials.deltas;
      for (int64_t k = 0; k < learned->n; k++) is_learned |= learned->v[k] == deltas->v[i];
    }
    if (!is_learned)
      VW_TRY(vw_reader_keep(r, VW_AT(r, node,
                                     "%struncation.deltas: no word is learned at %g: take deltas of trials.deltas",
                                     prefix, deltas->v[i])));
  }
  return VW_OK;
}

/* Words stop by what is seen of them, and before their last step. */
static vw_status check_stopping(vw_reader *r, const vw_model_config *m, yaml_node_t *const *own,
                                yaml_node_t *const *common, const char *before) {
  const vw_learn_config *l = &m->learn;
  const int patience = vw_key_place("learn.early_stop.patience");
  const bool is_own = own[patience] != NULL;
  yaml_node_t *node = is_own ? own[patience] : common[patience];
  const char *prefix = is_own ? before : "";
  if (!l->patience || !node) return VW_OK;
  if (!l->watch_every)
    return vw_reader_keep(r, VW_AT(r, node,
                                   "%slearn.early_stop.patience: model '%s' is not looked at; give the steps between "
                                   "looks, learn.watch.every",
                                   prefix, m->name));
  if (l->patience < (l->steps + l->watch_every - 1) / l->watch_every) return VW_OK;
  return vw_reader_keep(r, VW_AT(r, node,
                                 "%slearn.early_stop.patience: no word could stop early: model '%s' has %" PRId64
                                 " steps, and %" PRId64 " looks, each %" PRId64 " steps, are not over before its last",
                                 prefix, m->name, l->steps, l->patience, l->watch_every));
}

/* A model's own keys over the common ones. */
static vw_status read_own(vw_reader *r, int64_t i, const model_nodes *nodes, shared_values *v, yaml_node_t **seen) {
  vw_model_config *m = &r->config->models[i];
  const char *model = vw_reader_path(r, "models", m->name);
  VW_CHECK(model, VW_ERR_MEMORY, "%s: out of memory", r->path);
  r->model = m->name;
  copy_common(r, v, m);
  VW_TRY(set_task_defaults(r, v, m));
  for (int k = 0; k < VW_SHARED_SECTIONS; k++) {
    const vw_section section = VW_SEC_LEARN + k;
    const vw_shared_section *of = vw_section_shared(section);
    const char *path = vw_reader_path(r, model, of->key);
    VW_CHECK(path, VW_ERR_MEMORY, "%s: out of memory", r->path);
    const vw_target t = {section, (char *)m + of->offset, path, "", seen, false};
    if (nodes->section[k]) VW_TRY(vw_reader_keep(r, vw_reader_walk(r, &t, nodes->section[k])));
  }
  if (!m->learn.judge_template) m->learn.judge_template = m->learn.templates.name[0];
  for (int k = 0; k < vw_study_n_keys; k++) {
    v->n_own[k] += seen[k] != NULL;
    if (!seen[k] && vw_key_applies(&vw_study_keys[k], m)) v->missing_of[k] = m->name;
  }
  return VW_OK;
}

/* One sentence of judging and several: which of them is meant? Told once where both stand for all models. */
static vw_status check_sentences(vw_reader *r, const vw_model_config *m, shared_values *v, yaml_node_t **seen) {
  const int one = vw_key_place("learn.judge_template"), many = vw_key_place("judge.templates");
  yaml_node_t *node = seen[many] ? seen[many] : v->seen[many];
  const bool is_common = !seen[one] && !seen[many];
  if (!node || !(seen[one] || v->seen[one]) || !vw_key_applies(&vw_study_keys[many], m)) return VW_OK;
  if (is_common && v->told_sentences) return VW_OK;
  v->told_sentences |= is_common;
  return vw_reader_keep(r, VW_AT(r, node,
                                 "judge.templates stands beside learn.judge_template: model '%s' is judged in one "
                                 "sentence or in several, not in both: remove one of the keys",
                                 m->name));
}

static vw_status check_own(vw_reader *r, int64_t i, shared_values *v, yaml_node_t **seen) {
  const int slices = vw_key_place("plan.ranks_per_block");
  const vw_model_config *m = &r->config->models[i];
  char before[96];
  (void)snprintf(before, sizeof before, "models.%s.", m->name);
  VW_TRY(check_used(r, seen, before, i, i + 1, NULL));
  VW_TRY(check_cut_deltas(r, seen[vw_key_place("truncation.deltas")], &m->truncation.deltas, before, i, i + 1));
  VW_TRY(check_stopping(r, m, seen, v->seen, before));
  VW_TRY(check_sentences(r, m, v, seen));
  return check_slices(r, m, seen[slices] ? seen[slices] : v->seen[slices], seen[slices] ? before : "");
}

/* What some model has neither of its own nor from all. */
static vw_status require_shared(vw_reader *r, const shared_values *v, yaml_node_t *root) {
  for (int k = 0; k < vw_study_n_keys; k++) {
    const vw_key *o = &vw_study_keys[k];
    if (!vw_section_shared(o->section) || o->text || v->seen[k]) continue;
    if ((r->config->n_models || o->scoped) && !v->missing_of[k]) continue;
    if (o->scoped)
      VW_TRY(vw_reader_keep(r, VW_AT(r, root, "%s: missing; model '%s' needs it, here or as models.%s.%s; %s", o->key,
                                     v->missing_of[k], v->missing_of[k], o->key, o->help)));
    else
      VW_TRY(vw_reader_keep(r, VW_AT(r, root, "%s: missing; give %s", o->key, o->help)));
  }
  return VW_OK;
}

/* --- which model learns on which data --------------------------------------------------------------------------- */

/* Where an item of a list stands; the list itself where it has no such item. */
static yaml_node_t *item_of(vw_reader *r, yaml_node_t *list, const char *name) {
  if (list->type != YAML_SEQUENCE_NODE) return list;
  for (const yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top; i++) {
    yaml_node_t *item = vw_reader_node(r, *i);
    if (item->type == YAML_SCALAR_NODE && strcmp((const char *)item->data.scalar.value, name) == 0) return item;
  }
  return list;
}

/* Whether a name of the study means the data set: its own, or, of a fold, that of the data set it was cut from. */
static bool is_meant(const vw_data_config *d, const char *name) {
  char fold[160];
  if (strcmp(d->name, name) == 0) return true;
  if (d->folds <= 1) return false;
  (void)snprintf(fold, sizeof fold, "%s-%" PRId64, name, d->fold + 1);
  return strcmp(d->name, fold) == 0;
}

/* The entry of a list of names that means the data set; -1: none does. */
static int64_t named_in(const vw_names *names, const vw_data_config *d) {
  for (int64_t i = 0; i < names->n; i++)
    if (is_meant(d, names->name[i])) return i;
  return -1;
}

static bool can_learn_on(const vw_model_config *m, const vw_data_config *d) {
  const char *kind = vw_data_kind_name(d);
  return !m->takes || !m->takes[0] || vw_word_place(m->takes, kind, strlen(kind)) >= 0;
}

/* One entry of models.<name>.data. */
static vw_status check_named(vw_reader *r, const vw_model_config *m, yaml_node_t *item, const char *name) {
  const vw_study_config *c = r->config;
  const char *names[64];
  int64_t n = 0;
  for (int64_t d = 0; d < c->n_data; d++) {
    if (n < 64) names[n++] = c->data[d].name;
    if (!is_meant(&c->data[d], name)) continue;
    if (can_learn_on(m, &c->data[d])) return VW_OK;
    return VW_AT(r, item, "models.%s.data: '%s' is of kind %s; the task %s learns on %s", m->name, name,
                 vw_data_kind_name(&c->data[d]), m->task, m->takes);
  }
  const char *near = vw_near_miss(name, names, n);
  return VW_AT(r, item, "models.%s.data: '%.*s' is no data set of this study%s%s%s", m->name, SHOWN, name,
               near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* The concepts that a model names, sorted: lists may be long. */
typedef struct wanted_concept {
  const char *name;
  int64_t at; /* in the list */
  bool found; /* on a data set that it learns on */
} wanted_concept;

static int by_name(const void *a, const void *b) {
  return strcmp(((const wanted_concept *)a)->name, ((const wanted_concept *)b)->name);
}

static int by_place(const void *a, const void *b) {
  const int64_t x = ((const wanted_concept *)a)->at, y = ((const wanted_concept *)b)->at;
  return (x > y) - (x < y);
}

static vw_status sort_wanted(vw_reader *r, const vw_names *names, wanted_concept **wanted) {
  *wanted = vw_pool_take(&r->scratch, (size_t)(names->n + 1) * sizeof **wanted);
  VW_CHECK(*wanted, VW_ERR_MEMORY, "%s: out of memory", r->path);
  for (int64_t k = 0; k < names->n; k++) (*wanted)[k] = (wanted_concept){names->name[k], k, false};
  qsort(*wanted, (size_t)names->n, sizeof **wanted, by_name);
  return VW_OK;
}

/* The data set as the model has it; it learns on it where it learns one of its concepts. */
static vw_status set_pair(vw_reader *r, vw_model_config *m, int64_t d, bool is_named, wanted_concept *wanted) {
  vw_data_config *on = &m->on[d];
  const vw_names all = r->config->data[d].concepts;
  const int64_t n = m->trials.concepts.n;
  *on = r->config->data[d];
  if (m->trials.train) on->train = m->trials.train;
  if (m->trials.test) on->test = m->trials.test;
  if (n) {
    on->concepts =
        (vw_names){0, vw_pool_take(&r->config->pool, (size_t)(n < all.n ? n : all.n) * sizeof *all.name + 1)};
    VW_CHECK(on->concepts.name, VW_ERR_MEMORY, "%s: out of memory", r->path);
  }
  for (int64_t k = 0; n && k < all.n; k++) {
    const wanted_concept key = {.name = all.name[k]};
    wanted_concept *w = bsearch(&key, wanted, (size_t)n, sizeof *wanted, by_name);
    if (!w) continue;
    on->concepts.name[on->concepts.n++] = all.name[k];
    w->found |= is_named;
  }
  m->learns_on[d] = is_named && (on->concepts.n > 0 || !n);
  return VW_OK;
}

/* Every concept that the model names is one of its data sets'. */
static vw_status check_concepts(vw_reader *r, const vw_model_config *m, yaml_node_t *node, wanted_concept *wanted) {
  const int64_t n = m->trials.concepts.n;
  qsort(wanted, (size_t)n, sizeof *wanted, by_place);
  for (int64_t k = 0; node && k < n; k++)
    if (!wanted[k].found)
      VW_TRY(vw_reader_keep(r, VW_AT(r, item_of(r, node, wanted[k].name),
                                     "models.%s.trials.concepts: '%.*s' is no concept of a data set that the model "
                                     "learns on",
                                     m->name, SHOWN, wanted[k].name)));
  return VW_OK;
}

static vw_status find_data_of(vw_reader *r, vw_model_config *m, const model_nodes *nodes, yaml_node_t *concepts) {
  vw_study_config *c = r->config;
  const vw_names named = m->data;
  wanted_concept *wanted = NULL;
  bool any = false;
  VW_TRY(sort_wanted(r, &m->trials.concepts, &wanted));
  m->on = vw_pool_take(&c->pool, (size_t)(c->n_data + 1) * sizeof *m->on);
  m->learns_on = vw_pool_take(&c->pool, (size_t)(c->n_data + 1) * sizeof *m->learns_on);
  m->data = (vw_names){0, vw_pool_take(&c->pool, (size_t)(c->n_data + 1) * sizeof *m->data.name)};
  VW_CHECK(m->on && m->learns_on && m->data.name, VW_ERR_MEMORY, "%s: out of memory", r->path);
  for (int64_t i = 0; nodes->data && i < named.n; i++)
    VW_TRY(vw_reader_keep(r, check_named(r, m, item_of(r, nodes->data, named.name[i]), named.name[i])));
  for (int64_t d = 0; d < c->n_data; d++) {
    const int64_t item = named_in(&named, &c->data[d]);
    VW_TRY(set_pair(r, m, d, can_learn_on(m, &c->data[d]) && (!named.n || item >= 0), wanted));
    if (m->learns_on[d]) m->data.name[m->data.n++] = c->data[d].name;
    any |= can_learn_on(m, &c->data[d]);
    if (nodes->data && item >= 0 && m->trials.concepts.n && !m->on[d].concepts.n)
      VW_TRY(vw_reader_keep(r, VW_AT(r, item_of(r, nodes->data, named.name[item]),
                                     "models.%s.data: '%s' has none of the model's trials.concepts", m->name,
                                     c->data[d].name)));
  }
  if (c->n_data && !any)
    VW_TRY(vw_reader_keep(r, VW_AT(r, nodes->key,
                                   "models.%s: no data set of this study is of a kind that its task, "
                                   "%s, learns on: %s",
                                   m->name, m->task, m->takes)));
  return check_concepts(r, m, concepts, wanted);
}

/* The key of the data mapping that a data set comes from; the mapping where there is none (a key that is no word). */
static const yaml_node_t *key_of(const vw_reader *r, const yaml_node_t *map, const vw_data_config *d) {
  for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
    const yaml_node_t *key = vw_reader_node(r, p->key);
    if (key->type == YAML_SCALAR_NODE && is_meant(d, (const char *)key->data.scalar.value)) return key;
  }
  return map;
}

static vw_status check_data_used(vw_reader *r, const yaml_node_t *map) {
  const vw_study_config *c = r->config;
  for (int64_t d = 0; d < c->n_data; d++) {
    bool used = false;
    for (int64_t m = 0; m < c->n_models; m++) used |= c->models[m].learns_on[d];
    if (!used)
      VW_TRY(vw_reader_keep(r, VW_AT(r, key_of(r, map, &c->data[d]),
                                     "data.%s: nothing uses it; no model learns on it: remove it or change the models' "
                                     "data or trials.concepts",
                                     c->data[d].name)));
  }
  return VW_OK;
}

/* A key of data sets that only some tasks read, where none of those learns on the data set. */
static vw_status check_place_used(vw_reader *r, const vw_key *o, const vw_study_place *p) {
  const vw_study_config *c = r->config;
  const yaml_node_t at = {.start_mark = {.line = (size_t)p->line - 1, .column = (size_t)p->column - 1}};
  for (int64_t d = 0; d < c->n_data; d++) {
    char key[160];
    bool used = false;
    (void)snprintf(key, sizeof key, "data.%s.%s", c->data[d].name, vw_key_name(o));
    if (c->data[d].fold > 0 || strcmp(key, p->key) != 0) continue;
    for (int64_t m = 0; m < c->n_models; m++) used |= c->models[m].learns_on[d] && vw_key_applies(o, &c->models[m]);
    if (!used)
      return vw_reader_keep(
          r, VW_AT(r, &at, "%s: nothing uses it; no task that learns on this data set does: remove it", key));
  }
  return VW_OK;
}

static vw_status check_data_keys(vw_reader *r) {
  const vw_study_config *c = r->config;
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    const size_t n = strlen(vw_key_name(o));
    if (o->section != VW_SEC_DATA || !o->scoped) continue;
    for (int64_t k = 0; k < c->n_places; k++) {
      const vw_study_place p = c->places[k]; /* the list may move */
      const size_t length = strlen(p.key);
      if (p.item >= 0 || strncmp(p.key, "data.", 5) != 0) continue;
      if (length > n && strcmp(p.key + length - n, vw_key_name(o)) == 0) VW_TRY(check_place_used(r, o, &p));
    }
  }
  return VW_OK;
}

/* --- all models ------------------------------------------------------------------------------------------------- */

static vw_status read_models(vw_reader *r, yaml_node_t *map, const yaml_node_t *data, shared_values *v) {
  vw_study_config *c = r->config;
  if (c->n_models * c->n_data > MOST_PAIRS)
    return VW_AT(r, map, "models: %" PRId64 " on %" PRId64 " data sets are more than %d pairs", c->n_models, c->n_data,
                 MOST_PAIRS);
  for (int64_t i = 0; i < c->n_models; i++) {
    yaml_node_t *seen[VW_MOST_KEYS] = {0};
    model_nodes nodes = {0};
    VW_TRY(vw_reader_keep(r, read_model(r, map, i, &nodes)));
    VW_TRY(read_own(r, i, &nodes, v, seen));
    VW_TRY(check_own(r, i, v, seen));
    VW_TRY(find_data_of(r, &c->models[i], &nodes, seen[vw_key_place("models.<name>.trials.concepts")]));
  }
  VW_TRY(check_used(r, v->seen, "", 0, c->n_models, v->n_own));
  VW_TRY(check_cut_deltas(r, v->seen[vw_key_place("truncation.deltas")], &v->common.truncation.deltas, "", 0,
                          c->n_models));
  VW_TRY(check_data_keys(r));
  return check_data_used(r, data);
}

vw_status vw_reader_models(vw_reader *r, yaml_node_t *root, yaml_node_t *models, const yaml_node_t *data,
                           yaml_node_t **seen) {
  shared_values values = {.seen = seen};
  yaml_node_t *shared[VW_SHARED_SECTIONS] = {0};
  for (int k = 0; k < VW_SHARED_SECTIONS; k++) shared[k] = seen[vw_key_place(vw_section_shared(VW_SEC_LEARN + k)->key)];
  VW_TRY(read_common(r, shared, &values));
  if (r->config->n_models) VW_TRY(read_models(r, models, data, &values));
  return require_shared(r, &values, root);
}
