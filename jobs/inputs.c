/* Weights, words and pictures of a study: opened one by one, and every one that cannot be used is a problem with the
 * place in the study file that named it. */
#include "core/inputs.h"
#include "bench/stand_in.h"
#include "core/durable.h"
#include "core/log.h"
#include "io/listing.h"
#include "jobs/random_weights.h"
#include "jobs/session.h"
#include "networks/prompts.h"
#include "tasks/alike.h"
#include "tasks/looks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef char key_text[160];

static const char *key_of(key_text text, const char *section, const char *name, const char *key) {
  (void)snprintf(text, sizeof(key_text), "%s.%s.%s", section, name, key);
  return text;
}

static vw_status keep(vw_session *s, const char *key, int64_t item, vw_status st) {
  return vw_study_keep(s->config, &s->problems, key, item, false, st);
}

/* An anchor is one token, and better a word that the network learned. */
static vw_status check_anchor(vw_session *s, int64_t model, int64_t a) {
  const char *word = s->config->models[model].trials.anchors.name[a];
  char key[VW_STUDY_KEY];
  const vw_word_table *w = &s->words[model];
  int32_t id = 0;
  VW_TRY(vw_tokenizer_word(s->networks[model]->text.tokenizer, word, &id));
  vw_status odd = VW_OK;
  if (w->mask && !w->mask[id])
    odd = VW_RAISE(VW_ERR_INPUT, "'%s' is not among the words that '%s' was trained on: its embedding may mean nothing",
                   word, s->config->models[model].name);
  return vw_study_keep(s->config, &s->problems, vw_study_key_of(s->config, model, "trials.anchors", key), a, true, odd);
}

/* A sentence with a word in it fits the network. */
static vw_status check_sentence(vw_session *s, int64_t model, const char *key, int64_t item, const char *sentence) {
  char own[VW_STUDY_KEY];
  vw_prompt_sizes sizes;
  const vw_status st = vw_prompt_sizes_of(s->networks[model], &sentence, 1, s->config->models[model].vectors, &sizes);
  return keep(s, vw_study_key_of(s->config, model, key, own), item, st);
}

/* Those that words are learned and judged in. */
static vw_status check_sentences(vw_session *s, int64_t model) {
  const vw_learn_config *learn = &s->config->models[model].learn;
  const vw_names *judging = &s->config->models[model].judge.templates;
  bool is_other = true;
  for (int64_t i = 0; i < learn->templates.n; i++) {
    VW_TRY(check_sentence(s, model, "learn.templates", i, learn->templates.name[i]));
    is_other &= strcmp(learn->templates.name[i], learn->judge_template) != 0;
  }
  if (is_other) VW_TRY(check_sentence(s, model, "learn.judge_template", -1, learn->judge_template));
  for (int64_t i = 0; i < judging->n; i++) VW_TRY(check_sentence(s, model, "judge.templates", i, judging->name[i]));
  return VW_OK;
}

/* Of a network of the hub that is not there its sizes alone are opened, where they will do: *stands_in. */
static vw_status open_network(vw_session *s, vw_network **n, const vw_network_kind *kind, const char *path,
                              vw_context *ctx, bool *stands_in) {
  char tokenizer[VW_PATH_BYTES], dir[VW_PATH_BYTES];
  *stands_in = s->options.counts_will_do && access(path, F_OK) != 0 && vw_stand_in_of(path, kind->name);
  if (!*stands_in) return kind->open(n, path, ctx);
  vw_inputs_pause(true); /* what is made here is no input, and goes again */
  vw_status st = vw_find_tokenizer("plan", tokenizer);
  if (st == VW_OK) st = vw_stand_in_make(path, kind->name, tokenizer, dir);
  if (st == VW_OK) {
    st = kind->open(n, dir, ctx);
    vw_stand_in_remove(path, kind->name, dir);
  }
  vw_inputs_pause(false);
  s->is_counted |= st == VW_OK;
  return st;
}

static vw_status open_model(vw_session *s, int64_t i) {
  const vw_model_config *m = &s->config->models[i];
  const char *vocabulary = s->config->vocabulary;
  key_text key;
  char own[VW_STUDY_KEY];
  s->kinds[i] = vw_kind_named(m->kind);
  if (!m->weights) return VW_OK; /* a problem already */
  const vw_status opened =
      open_network(s, &s->networks[i], s->kinds[i]->network, m->weights, &s->contexts[i], &s->stands_in[i].model);
  VW_TRY(keep(s, key_of(key, "models", m->name, "weights"), -1, opened));
  s->ctx.convolutions |= s->contexts[i].convolutions; /* the study's kernels are those of all its networks */
  if (!s->networks[i]) return VW_OK;
  const bool file = strchr(vocabulary, '/') || vw_file_exists(vocabulary);
  const vw_status words = vw_word_table_open(&s->words[i], s->networks[i], vocabulary);
  VW_TRY(keep(s, file ? "trials.vocabulary" : key_of(key, "models", m->name, "weights"), -1, words));
  if (s->stands_in[i].model) return VW_OK; /* neither its tokenizer nor its numbers */
  for (int64_t a = 0; a < m->trials.anchors.n; a++)
    VW_TRY(keep(s, vw_study_key_of(s->config, i, "trials.anchors", own), a, check_anchor(s, i, a)));
  VW_TRY(check_sentences(s, i));
  if (s->ranks.rank == 0 && s->networks[i]->kind->check_finite)
    VW_TRY(keep(s, key_of(key, "models", m->name, "weights"), -1, s->networks[i]->kind->check_finite(s->networks[i])));
  return VW_OK;
}

/* The network that judges what the model's words draw. */
static vw_status open_judge(vw_session *s, int64_t i) {
  const vw_model_config *m = &s->config->models[i];
  const vw_network_kind *kind = s->kinds[i]->task->judge_kind;
  char own[VW_STUDY_KEY];
  if (!kind || !m->judge.weights) return VW_OK; /* what is missing is a problem already */
  const char *key = vw_study_key_of(s->config, i, "judge.weights", own);
  bool *stands_in = &s->stands_in[i].judge;
  vw_status st = open_network(s, &s->judges[i], kind, m->judge.weights, &s->contexts[i], stands_in);
  if (st == VW_OK && s->ranks.rank == 0 && !*stands_in && kind->check_finite) st = kind->check_finite(s->judges[i]);
  return keep(s, key, -1, st);
}

/* What identifies a model's network; of one that is not there, its name on the hub, so that two are told apart. */
static vw_status hash_model(vw_session *s, int64_t i) {
  const vw_model_config *m = &s->config->models[i];
  if (!s->stands_in[i].model) return vw_word_table_hash(&s->words[i], &s->weights[i]);
  const char *hub = vw_stand_in_of(m->weights, m->kind);
  s->weights[i] = vw_hash_bytes(hub, strlen(hub));
  return VW_OK;
}

/* What identifies the judge in an evaluation. A judge that learns words itself may find in pictures what it would have
 * learned. */
static vw_status hash_judge(vw_session *s, int64_t i) {
  vw_judge_config *judge = &s->config->models[i].judge;
  char own[VW_STUDY_KEY];
  if (!s->judges[i] || s->stands_in[i].judge) return VW_OK;
  VW_TRY(s->judges[i]->kind->hash(s->judges[i], &judge->network));
  for (int64_t k = 0; k < s->config->n_models; k++) {
    const vw_network *n = s->networks[k];
    vw_hash learner = {0};
    if (!n || s->stands_in[k].model || n->kind != s->judges[i]->kind) continue;
    VW_TRY(n->kind->hash(n, &learner));
    if (learner.lo != judge->network.lo || learner.hi != judge->network.hi) continue;
    const vw_status is_learner =
        VW_RAISE(VW_ERR_INPUT,
                 "this network learns words itself, as model '%s': choose one that does not, its verdict "
                 "on pictures is worth more",
                 s->config->models[k].name);
    VW_TRY(vw_study_keep(s->config, &s->problems, vw_study_key_of(s->config, i, "judge.weights", own), -1, true,
                         is_learner));
  }
  return VW_OK;
}

/* What a task cannot learn from, or finds odd. */
static vw_status check_data(vw_session *s, const vw_session_set *set) {
  const int64_t i = set->index;
  key_text key;
  for (int64_t m = 0; m < s->config->n_models; m++) {
    if (s->pictures[m * s->config->n_data + i] != set->pictures) continue;
    const vw_task_kind *task = s->kinds[m]->task;
    const vw_task_inputs in = vw_session_inputs(s, m, i);
    const vw_status st = task->check ? task->check(&in, s->config->null_concepts) : VW_OK;
    if (st != VW_OK) return keep(s, key_of(key, "data", s->config->data[i].name, "root"), -1, st);
  }
  return VW_OK;
}

typedef struct refused_name {
  vw_session *s;
  const vw_data_config *data;
} refused_name;

static vw_status refuse(void *user, const char *what, int64_t item, vw_status st) {
  const refused_name *r = user;
  key_text key;
  return keep(r->s, key_of(key, "data", r->data->name, what), item, st);
}

/* Pictures are drawn with replacement, so few are allowed; a step then sees the same ones again and again. */
static vw_status warn_few(vw_session *s, const vw_session_set *set) {
  const vw_picture_set *p = set->pictures;
  const int64_t i = set->index;
  key_text key;
  for (int64_t m = 0; m < s->config->n_models; m++) {
    if (s->pictures[m * s->config->n_data + i] != p) continue;
    const int64_t batch = s->config->models[m].learn.positives;
    for (int64_t k = 0; k < s->config->data[i].concepts.n; k++) {
      const int64_t owner = vw_picture_set_find(p, s->config->data[i].concepts.name[k]);
      const vw_picture_owner *o = owner < 0 ? NULL : &p->owners[owner];
      const int64_t n = o && s->kinds[m]->task->sees & VW_SEES_SCENES ? o->n_chosen : o ? o->n_train : batch;
      if (n >= batch) continue;
      const vw_status few = VW_RAISE(VW_ERR_INPUT,
                                     "'%s' has %" PRId64 " training pictures, fewer than the %" PRId64
                                     " positives of a step: the same ones are drawn several times",
                                     o->name, n, batch);
      VW_TRY(vw_study_keep(s->config, &s->problems, key_of(key, "data", p->data->name, "concepts"), k, true, few));
    }
  }
  return VW_OK;
}

/* Whether a model learns on the data set with so many pictures. */
static bool has_set(const vw_session *s, int64_t model, const vw_session_set *set) {
  const vw_data_config *on = vw_study_data_of(s->config, model, set->index);
  return vw_study_learns_on(s->config, model, set->index) && on->train == set->data.train && on->test == set->data.test;
}

/* Adds the data set as the model has it, where it is not there yet. */
static void add_set(vw_session *s, int64_t model, int64_t data) {
  const vw_study_config *c = s->config;
  if (!vw_study_learns_on(c, model, data)) return;
  for (int64_t i = 0; i < s->n_sets; i++)
    if (s->sets[i].index == data && has_set(s, model, &s->sets[i])) return;
  vw_session_set *set = &s->sets[s->n_sets++];
  *set = (vw_session_set){.data = *vw_study_data_of(c, model, data), .index = data};
  set->data.concepts = c->data[data].concepts;
}

/* The data sets as the models have them, each once; first of all with the numbers of pictures that stand beside it. */
static void list_sets(vw_session *s) {
  const vw_study_config *c = s->config;
  for (int64_t d = 0; d < c->n_data; d++) {
    for (int64_t m = 0; m < c->n_models; m++) {
      const vw_data_config *on = vw_study_data_of(c, m, d);
      if (on->train == c->data[d].train && on->test == c->data[d].test) add_set(s, m, d);
    }
    for (int64_t m = 0; m < c->n_models; m++) add_set(s, m, d);
  }
}

/* What the tasks of the models that have the set see of it. */
static unsigned seen_by_all(const vw_session *s, const vw_session_set *set) {
  unsigned sees = 0;
  for (int64_t m = 0; m < s->config->n_models; m++)
    if (s->kinds[m] && has_set(s, m, set)) sees |= s->kinds[m]->task->sees;
  return sees;
}

/* Of a data set that is not there sizes alone are known; *done false: it is there, or the study does not say. */
static vw_status count_data_set(vw_session *s, vw_session_set *set, bool *done) {
  const vw_data_config *d = &set->data;
  const bool is_said = d->counts.classes || d->counts.train || d->counts.test;
  key_text key;
  *done = s->options.counts_will_do && access(d->root, F_OK) != 0;
  if (!*done) return VW_OK;
  const vw_status st =
      is_said ? vw_picture_set_count(&set->pictures, d)
              : VW_RAISE(VW_ERR_INPUT, "%s: no such folder: put the data set there, or give data.%s.counts", d->root,
                         d->name);
  if (st != VW_OK) return keep(s, key_of(key, "data", d->name, is_said ? "counts" : "root"), -1, st);
  s->is_counted = true;
  return VW_OK;
}

static vw_status tell_left_out(const vw_session *s, const vw_picture_set *p) {
  if (s->options.quiet || s->options.json) return VW_OK;
  for (int i = 0; s->ranks.rank == 0 && i < p->n_left_out; i++)
    vw_log(VW_LOG_INFO, "data.%s: %s", p->data->name, p->left_out[i].why);
  return VW_OK;
}

static vw_status open_data_set(vw_session *s, vw_session_set *set) {
  const vw_data_config *d = &set->data;
  key_text key;
  if (!d->root || !d->concepts.n) return VW_OK; /* a problem already */
  bool is_absent = false;
  VW_TRY(count_data_set(s, set, &is_absent));
  if (!is_absent) {
    refused_name names = {s, d};
    const vw_picture_refusals refusals = {refuse, &names};
    const vw_status opened = vw_picture_set_open(&set->pictures, d, s->config->seed, seen_by_all(s, set), &refusals);
    VW_TRY(keep(s, key_of(key, "data", d->name, "root"), -1, opened));
  }
  if (!set->pictures) return VW_OK; /* a problem already */
  for (int64_t m = 0; m < s->config->n_models; m++)
    if (has_set(s, m, set)) s->pictures[m * s->config->n_data + set->index] = set->pictures;
  if (!is_absent) VW_TRY(tell_left_out(s, set->pictures));
  VW_TRY(check_data(s, set));
  return warn_few(s, set);
}

/* ---- the same inputs on all ranks -------------------------------------------------------------------------------- */

static vw_status digest_inputs(vw_session *s) {
  vw_hash files;
  VW_TRY(vw_inputs_digest(&files));
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "inputs: out of memory");
  vw_hasher_add(h, &files, sizeof files);
  for (int64_t i = 0; i < s->n_sets; i++) {
    const vw_picture_set *p = s->sets[i].pictures;
    for (int64_t k = 0; p && k < p->n_owners; k++) {
      vw_hasher_field(h, p->owners[k].name);
      vw_hasher_int(h, p->owners[k].n_train);
      vw_hasher_int(h, p->owners[k].n_test);
    }
    for (int64_t k = 0; p && k < p->n_train; k++) vw_hasher_add(h, &p->train[k].hash, sizeof(vw_hash));
    for (int64_t k = 0; p && k < p->n_test; k++) vw_hasher_add(h, &p->test[k].hash, sizeof(vw_hash));
    for (int64_t k = 0; p && k < p->train_scenes.n; k++)
      vw_hasher_add(h, &p->train_scenes.scene[k].picture.hash, sizeof(vw_hash));
    for (int64_t k = 0; p && k < p->test_scenes.n; k++)
      vw_hasher_add(h, &p->test_scenes.scene[k].picture.hash, sizeof(vw_hash));
  }
  s->inputs = vw_hasher_done(h);
  vw_hasher_destroy(h);
  return VW_OK;
}

enum { MOST_FILES = 256 }; /* of a network's weights */

/* This rank's files of the weights against rank 0's. */
static vw_status compare_weights(const vw_session *s, const vw_network *n, const vw_witness *theirs) {
  vw_safetensors *f = NULL;
  for (int64_t i = 0; i < MOST_FILES && s->ranks.rank != 0 && (f = n->kind->file(n, i)); i++)
    VW_TRY(vw_witness_compare(vw_safetensors_witness(f), &theirs[i], vw_safetensors_path(f)));
  return VW_OK;
}

vw_status vw_session_agree_inputs(vw_session *s) {
  const int64_t n = s->config->n_models;
  vw_hash first = s->inputs;
  vw_status st = VW_OK;
  VW_TRY(vw_ranks_broadcast(&s->ranks, s->weights, n * (int64_t)sizeof *s->weights, 0));
  VW_TRY(vw_ranks_broadcast(&s->ranks, &first, sizeof first, 0));
  if (first.lo != s->inputs.lo || first.hi != s->inputs.hi)
    st = VW_RAISE(VW_ERR_IO,
                  "rank %d read another study, configuration, list or other pictures than rank 0: did a file change "
                  "while the run started, or do the nodes have copies that differ?",
                  s->ranks.rank);
  VW_TRY(vw_agree_message(&s->ranks, st)); /* the same configurations: the same number of files below */
  for (int64_t i = 0; i < n; i++)
    VW_TRY(vw_ranks_broadcast(&s->ranks, &s->config->models[i].judge.network, sizeof(vw_hash), 0));
  for (int64_t i = 0; i < 2 * n; i++) {
    const vw_network *network = i < n ? s->networks[i] : s->judges[i - n];
    vw_witness theirs[MOST_FILES] = {0};
    if (!network) continue; /* of no rank */
    vw_safetensors *f = NULL;
    for (int64_t k = 0; k < MOST_FILES && (f = network->kind->file(network, k)); k++)
      theirs[k] = *vw_safetensors_witness(f);
    VW_TRY(vw_ranks_broadcast(&s->ranks, theirs, sizeof theirs, 0));
    if (st == VW_OK) st = compare_weights(s, network, theirs);
  }
  return vw_agree_message(&s->ranks, st);
}

vw_status vw_session_inputs_unchanged(const vw_session *s) {
  for (int64_t i = 0; i < s->config->n_models; i++) VW_TRY(vw_network_unchanged(s->networks[i]));
  for (int64_t i = 0; i < s->config->n_models; i++)
    if (s->judges[i]) VW_TRY(vw_network_unchanged(s->judges[i]));
  return VW_OK;
}

static vw_status find_alike(vw_session *s) {
  vw_alike_set *sets = calloc((size_t)s->n_sets + 1, sizeof *sets);
  VW_CHECK(sets, VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; i < s->n_sets; i++) sets[i] = (vw_alike_set){s->sets[i].pictures, s->sets[i].index};
  const vw_alike_inputs in = {.config = s->config,
                              .networks = s->networks,
                              .pictures = s->pictures,
                              .sets = sets,
                              .n_sets = s->n_sets,
                              .is_check = s->options.all_problems};
  const vw_status st = vw_find_alike(&in, &s->problems);
  free(sets);
  return st;
}

static vw_status open_networks(vw_session *s) {
  const vw_study_config *c = s->config;
  const size_t n_data = (size_t)c->n_data, n_models = (size_t)c->n_models;
  s->sets = calloc(n_models * n_data + 1, sizeof *s->sets);
  s->pictures = calloc(n_models * n_data + 1, sizeof *s->pictures),
  s->networks = calloc(n_models + 1, sizeof *s->networks);
  s->judges = calloc(n_models + 1, sizeof *s->judges), s->stands_in = calloc(n_models + 1, sizeof *s->stands_in);
  s->words = calloc(n_models + 1, sizeof *s->words), s->weights = calloc(n_models + 1, sizeof *s->weights);
  s->tasks = calloc(n_models * n_data + 1, sizeof *s->tasks), s->kinds = calloc(n_models + 1, sizeof *s->kinds);
  VW_CHECK(s->sets && s->pictures && s->networks && s->judges && s->stands_in && s->words && s->weights && s->tasks &&
               s->kinds,
           VW_ERR_MEMORY, "out of memory");
  for (int64_t i = 0; i < c->n_models; i++) VW_TRY(open_model(s, i));
  for (int64_t i = 0; i < c->n_models; i++) VW_TRY(open_judge(s, i));
  return VW_OK;
}

static vw_status open_sets(vw_session *s) {
  for (int64_t i = 0; i < s->n_sets; i++) VW_TRY(open_data_set(s, &s->sets[i]));
  return VW_OK;
}

/* Collective: rank 0 reads folders and pictures, then the others look whether theirs are the same (io/listing.h,
 * tasks/looks.h). */
static vw_status open_data_sets(vw_session *s) {
  const bool reads = s->ranks.rank == 0;
  list_sets(s);
  vw_looks_begin(), vw_listings_begin();
  vw_status st = reads ? open_sets(s) : VW_OK;
  vw_status shared = vw_looks_share(&s->ranks);
  if (shared == VW_OK) shared = vw_listings_share(&s->ranks);
  if (st == VW_OK) st = shared;
  if (st == VW_OK && !reads) st = open_sets(s);
  vw_log(VW_LOG_DEBUG, "pictures read=%lld folders read=%lld", (long long)vw_looks_read(),
         (long long)vw_listings_read());
  vw_looks_end(), vw_listings_end();
  return st;
}

vw_status vw_session_open_inputs(vw_session *s) {
  const vw_study_config *c = s->config;
  const vw_status opened = open_networks(s);
  if (vw_agree(&s->ranks, opened) != VW_OK) return opened; /* another rank's message comes to all later */
  VW_TRY(open_data_sets(s));
  VW_TRY(find_alike(s));
  VW_TRY(digest_inputs(s));
  /* reads all weights: no use where nothing will be planned; rank 0 tells the others (vw_session_agree_inputs) */
  for (int64_t i = 0; i < c->n_models && s->ranks.rank == 0 && !s->problems.n_errors; i++) VW_TRY(hash_model(s, i));
  for (int64_t i = 0; i < c->n_models && s->ranks.rank == 0 && !s->problems.n_errors; i++) VW_TRY(hash_judge(s, i));
  if (s->ranks.rank == 0 && !s->problems.n_errors) VW_TRY(vw_session_check_transfer(s));
  if (s->ranks.rank == 0 && !s->problems.n_errors) VW_TRY(vw_session_check_truncation(s));
  if (s->ranks.rank == 0 && !s->problems.n_errors) VW_TRY(vw_session_check_tsne(s));
  vw_problems_sort(&s->problems);
  return vw_problems_first(&s->problems);
}
