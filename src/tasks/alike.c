#include "tasks/alike.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct finder {
  const vw_alike_inputs *in;
  vw_problems *problems;
} finder;

/* ---- texts ------------------------------------------------------------------------------------------------------- */

enum { NAME_TOKENS = 128, NAME_BYTES = 512 };

/* What a network reads of a class' or concept's name: its tokens. n = 0: it has none, or cannot be a text (which the
 * run says when it encodes it). */
static int64_t tokens_of(const vw_tokenizer *t, const char *name, int32_t ids[NAME_TOKENS]) {
  char text[NAME_BYTES];
  int64_t n = 0;
  if (vw_class_text("{}", name, text, sizeof text) == VW_OK &&
      vw_tokenizer_encode_part(t, text, ids, NAME_TOKENS, &n) == VW_OK)
    return n;
  vw_error_clear();
  return 0;
}

/* Where the study file names an owner of pictures: among the classes or concepts, else the folder that has it. */
static vw_status keep_owner(const finder *f, const vw_picture_set *p, int64_t owner, bool warning, vw_status st) {
  const vw_data_config *d = p->data;
  const char *what = "root";
  int64_t item = -1;
  char key[160];
  for (int64_t k = 0; k < d->concepts.n; k++)
    if (strcmp(d->concepts.name[k], p->owners[owner].name) == 0) what = "concepts", item = k;
  if (owner < d->classes.n) what = "classes", item = owner;
  (void)snprintf(key, sizeof key, "data.%s.%s", d->name, what);
  return vw_study_keep(f->in->config, f->problems, key, item, warning, st);
}

/* Two owners that a network reads the same. Without a class among them it only confuses tables. */
static vw_status say_one_text(const finder *f, int64_t model, const vw_picture_set *p, int64_t first, int64_t second) {
  const char *a = p->owners[first].name, *b = p->owners[second].name, *m = f->in->config->models[model].name;
  if (first >= p->n_classes)
    return keep_owner(f, p, second, true,
                      VW_RAISE(VW_ERR_INPUT, "the concepts '%s' and '%s' are one text to '%s'", a, b, m));
  return keep_owner(
      f, p, second, false,
      VW_RAISE(VW_ERR_INPUT,
               "'%s' and '%s' are one text to '%s', which reads both alike: neither can ever be told from "
               "the other; rename or leave out one",
               a, b, m));
}

static vw_status find_one_text(const finder *f, int64_t model, const vw_picture_set *p) {
  vw_status st = VW_OK;
  vw_hash *text = calloc((size_t)p->n_owners + 1, sizeof *text);
  VW_CHECK(text, VW_ERR_MEMORY, "out of memory for %" PRId64 " names", p->n_owners);
  for (int64_t i = 0; i < p->n_owners && st == VW_OK; i++) {
    int32_t ids[NAME_TOKENS];
    const int64_t n = tokens_of(f->in->networks[model]->text.tokenizer, p->owners[i].name, ids);
    if (!n) continue;
    text[i] = vw_hash_bytes(ids, (size_t)n * sizeof *ids);
    for (int64_t k = 0; k < i; k++)
      if (text[k].lo == text[i].lo && text[k].hi == text[i].hi) {
        st = say_one_text(f, model, p, k, i);
        break;
      }
  }
  free(text);
  return st;
}

/* ---- anchors ----------------------------------------------------------------------------------------------------- */

static vw_status keep_anchor(const finder *f, int64_t model, int64_t a, bool warning, vw_status st) {
  char own[VW_STUDY_KEY];
  return vw_study_keep(f->in->config, f->problems, vw_study_key_of(f->in->config, model, "trials.anchors", own), a,
                       warning, st);
}

/* An anchor that is a concept's name, as it stands or as the network reads it. */
static vw_status find_concept(const finder *f, int64_t model, int64_t a, int32_t id) {
  const vw_study_config *c = f->in->config;
  const char *word = c->models[model].trials.anchors.name[a];
  for (int64_t d = 0; d < c->n_data; d++)
    for (int64_t k = 0; vw_study_learns_on(c, model, d) && k < vw_study_data_of(c, model, d)->concepts.n; k++) {
      const char *concept = vw_study_data_of(c, model, d)->concepts.name[k];
      int32_t ids[NAME_TOKENS];
      if (strcmp(concept, word) == 0)
        return keep_anchor(f, model, a, true,
                           VW_RAISE(VW_ERR_INPUT, "'%s' is a concept too: its word starts at the answer", word));
      if (tokens_of(f->in->networks[model]->text.tokenizer, concept, ids) == 1 && ids[0] == id)
        return keep_anchor(f, model, a, true,
                           VW_RAISE(VW_ERR_INPUT,
                                    "'%s' is the concept '%s' in another spelling: its word starts at the answer", word,
                                    concept));
    }
  return VW_OK;
}

/* An earlier model with the same anchors and concepts has said it. */
static bool is_first_to_say(const vw_study_config *c, int64_t model) {
  const vw_model_config *mine = &c->models[model];
  for (int64_t m = 0; m < model; m++) {
    const vw_model_config *other = &c->models[m];
    if (other->trials.anchors.name == mine->trials.anchors.name && /* those of all models */
        other->trials.concepts.name == mine->trials.concepts.name &&
        memcmp(other->learns_on, mine->learns_on, (size_t)c->n_data * sizeof *mine->learns_on) == 0)
      return false;
  }
  return true;
}

static vw_status find_anchors(const finder *f, int64_t model) {
  const vw_names *anchors = &f->in->config->models[model].trials.anchors;
  const vw_tokenizer *t = f->in->networks[model]->text.tokenizer;
  vw_status st = VW_OK;
  int32_t *id = malloc((size_t)(anchors->n + 1) * sizeof *id);
  VW_CHECK(id, VW_ERR_MEMORY, "out of memory for %" PRId64 " anchors", anchors->n);
  for (int64_t a = 0; a < anchors->n && st == VW_OK; a++) {
    if (vw_tokenizer_word(t, anchors->name[a], &id[a]) != VW_OK) { /* a problem already */
      vw_error_clear();
      id[a] = -1;
      continue;
    }
    int64_t k = 0;
    while (id[k] != id[a]) k++;
    if (k < a)
      st = keep_anchor(f, model, a, false,
                       VW_RAISE(VW_ERR_INPUT,
                                "'%s' and '%s' are one token of '%s': their trials would be counted twice; keep one",
                                anchors->name[k], anchors->name[a], f->in->config->models[model].name));
    if (st == VW_OK && is_first_to_say(f->in->config, model)) st = find_concept(f, model, a, id[a]);
  }
  free(id);
  return st;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

typedef struct owned_picture {
  const vw_picture *picture;
  int64_t owner;
  bool test;
} owned_picture;

static int by_hash(const void *a, const void *b) {
  const owned_picture *p = a, *q = b;
  const vw_hash x = p->picture->hash, y = q->picture->hash;
  if (x.hi != y.hi) return x.hi < y.hi ? -1 : 1;
  if (x.lo != y.lo) return x.lo < y.lo ? -1 : 1;
  if (p->test != q->test) return p->test ? 1 : -1;
  return p->owner != q->owner ? (p->owner < q->owner ? -1 : 1) : strcmp(p->picture->path, q->picture->path);
}

/* Scenes have no owner: what matters is that none is learned from and judged by. */
static int64_t list_scenes(const vw_picture_set *p, owned_picture *all) {
  int64_t n = 0;
  for (int64_t i = 0; i < p->train_scenes.n; i++)
    all[n++] = (owned_picture){&p->train_scenes.scene[i].picture, 0, false};
  for (int64_t i = 0; i < p->test_scenes.n; i++) all[n++] = (owned_picture){&p->test_scenes.scene[i].picture, 0, true};
  return n;
}

static int64_t list_pictures(const vw_picture_set *p, owned_picture *all) {
  for (int64_t o = 0; o < p->n_owners; o++) {
    const vw_picture_owner *w = &p->owners[o];
    for (int64_t i = 0; i < w->n_train; i++) *all++ = (owned_picture){&p->train[w->train_first + i], o, false};
    for (int64_t i = 0; i < w->n_test; i++) *all++ = (owned_picture){&p->test[w->test_first + i], o, true};
  }
  return p->n_train + p->n_test;
}

/* `b` is the picture `a` once more. Two copies in one part of one class do no harm. */
static vw_status say_one_picture(const finder *f, const vw_picture_set *p, const owned_picture *a,
                                 const owned_picture *b) {
  char key[160];
  vw_status st = VW_OK;
  if (a->owner != b->owner)
    st = VW_RAISE(
        VW_ERR_INPUT,
        "%s of '%s' is the same picture as %s of '%s': what is right for one is wrong for the other; remove one",
        b->picture->path, p->owners[b->owner].name, a->picture->path, p->owners[a->owner].name);
  else if (a->test != b->test)
    st = VW_RAISE(VW_ERR_INPUT, "%s is the same picture as %s: it would be judged by what was learned; remove one",
                  b->picture->path, a->picture->path);
  (void)snprintf(key, sizeof key, "data.%s.root", p->data->name);
  /* large data sets hold some: a run warns, so that it can be decided before it */
  return vw_study_keep(f->in->config, f->problems, key, -1, !f->in->is_check, st);
}

static vw_status find_one_picture(const finder *f, const vw_picture_set *p, bool scenes) {
  const int64_t most = p->n_train + p->n_test + p->train_scenes.n + p->test_scenes.n;
  vw_status st = VW_OK;
  owned_picture *all = malloc((size_t)(most + 1) * sizeof *all);
  VW_CHECK(all, VW_ERR_MEMORY, "out of memory for %" PRId64 " pictures", most);
  const int64_t n = scenes ? list_scenes(p, all) : list_pictures(p, all);
  qsort(all, (size_t)n, sizeof *all, by_hash);
  for (int64_t i = 1, first = 0; i < n && st == VW_OK; i++) {
    const vw_hash x = all[first].picture->hash, y = all[i].picture->hash;
    if (x.lo != y.lo || x.hi != y.hi)
      first = i;
    else
      st = say_one_picture(f, p, &all[first], &all[i]);
  }
  free(all);
  return st;
}

/* ---- data sets --------------------------------------------------------------------------------------------------- */

static bool same_hashes(const vw_picture *a, const vw_picture *b, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (a[i].hash.lo != b[i].hash.lo || a[i].hash.hi != b[i].hash.hi) return false;
  return true;
}

static bool same_scenes(const vw_scenes *a, const vw_scenes *b) {
  if (a->n != b->n) return false;
  for (int64_t i = 0; i < a->n; i++)
    if (!same_hashes(&a->scene[i].picture, &b->scene[i].picture, 1)) return false;
  return true;
}

static bool same_set(const vw_picture_set *a, const vw_picture_set *b) {
  if (a->n_owners != b->n_owners || a->n_classes != b->n_classes || a->n_train != b->n_train || a->n_test != b->n_test)
    return false;
  if (a->data->concepts.n != b->data->concepts.n) return false;
  for (int64_t k = 0; k < a->data->concepts.n; k++)
    if (strcmp(a->data->concepts.name[k], b->data->concepts.name[k]) != 0) return false;
  return same_hashes(a->train, b->train, a->n_train) && same_hashes(a->test, b->test, a->n_test) &&
         same_scenes(&a->train_scenes, &b->train_scenes) && same_scenes(&a->test_scenes, &b->test_scenes);
}

static vw_status find_one_set(const finder *f, int64_t set) {
  const vw_alike_set *mine = &f->in->sets[set];
  for (int64_t k = 0; k < set; k++) {
    const vw_alike_set *other = &f->in->sets[k];
    char key[160];
    if (other->data == mine->data || !other->pictures || !same_set(other->pictures, mine->pictures)) continue;
    const char *name = f->in->config->data[mine->data].name;
    (void)snprintf(key, sizeof key, "data.%s.root", name);
    const vw_status st = VW_RAISE(VW_ERR_INPUT, "'%s' and '%s' are the same classes, concepts and pictures",
                                  f->in->config->data[other->data].name, name);
    return vw_study_keep(f->in->config, f->problems, key, -1, true, st);
  }
  return VW_OK;
}

vw_status vw_find_alike(const vw_alike_inputs *in, vw_problems *problems) {
  const finder all = {in, problems}, *f = &all;
  const int64_t n_data = in->config->n_data;
  for (int64_t m = 0; m < in->config->n_models; m++) {
    if (!in->networks[m]) continue;
    VW_TRY(find_anchors(f, m));
    for (int64_t d = 0; d < n_data; d++) {
      const vw_picture_set *p = in->pictures[m * n_data + d];
      if (p && !p->is_counted) VW_TRY(find_one_text(f, m, p)); /* names are made up */
    }
  }
  for (int64_t i = 0; i < in->n_sets; i++) {
    const vw_picture_set *p = in->sets[i].pictures;
    if (!p || p->is_counted) continue;
    for (int scenes = 0; scenes < 2; scenes++) VW_TRY(find_one_picture(f, p, scenes == 1));
    VW_TRY(find_one_set(f, i));
  }
  return VW_OK;
}
