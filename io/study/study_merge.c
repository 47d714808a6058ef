/* libyaml's documents: the nodes of all studies are put into the first one's, whose sections then grow. */
#include "io/study/study_merge.h"

#include "core/pool.h"
#include "study/keys.h"
#include "study/trial.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

typedef struct merger {
  const vw_study_source *s;
  int64_t n;
  yaml_document_t doc;
  int *root; /* [n] the node of each study */
  vw_pool pool;
  bool starved;
} merger;

/* ---- nodes: numbers, as pointers change whenever one is added ---------------------------------------------------- */

static yaml_node_t *node_of(merger *g, int id) {
  return id > 0 ? yaml_document_get_node(&g->doc, id) : NULL;
}

static const char *text_of(merger *g, int id) {
  const yaml_node_t *v = node_of(g, id);
  return v && v->type == YAML_SCALAR_NODE ? (const char *)v->data.scalar.value : NULL;
}

static int64_t pairs_of(merger *g, int map) {
  const yaml_node_t *m = node_of(g, map);
  return m && m->type == YAML_MAPPING_NODE ? m->data.mapping.pairs.top - m->data.mapping.pairs.start : 0;
}

static yaml_node_pair_t pair_at(merger *g, int map, int64_t i) {
  return node_of(g, map)->data.mapping.pairs.start[i];
}

/* The place of a key in a mapping; -1: it is not there. */
static int64_t place_in(merger *g, int map, const char *key) {
  for (int64_t i = 0; i < pairs_of(g, map); i++) {
    const char *text = text_of(g, pair_at(g, map, i).key);
    if (text && strcmp(text, key) == 0) return i;
  }
  return -1;
}

/* The value of a key; 0: there is none. */
static int value_in(merger *g, int map, const char *key) {
  const int64_t i = place_in(g, map, key);
  return i < 0 ? 0 : pair_at(g, map, i).value;
}

static int new_text(merger *g, const char *text) {
  const int id =
      yaml_document_add_scalar(&g->doc, NULL, (const yaml_char_t *)text, (int)strlen(text), YAML_ANY_SCALAR_STYLE);
  g->starved |= !id;
  return id;
}

static void set_value(merger *g, int map, const char *key, int value) {
  const int64_t i = place_in(g, map, key);
  if (!value || !node_of(g, map)) return; /* out of memory, or nothing to put it into */
  if (i >= 0)
    node_of(g, map)->data.mapping.pairs.start[i].value = value;
  else
    g->starved |= !yaml_document_append_mapping_pair(&g->doc, map, new_text(g, key), value);
}

static void drop_key(merger *g, int map, const char *key) {
  const int64_t i = place_in(g, map, key), n = pairs_of(g, map);
  if (i < 0) return;
  yaml_node_t *m = node_of(g, map);
  yaml_node_pair_t *pair = m->data.mapping.pairs.start;
  memmove(pair + i, pair + i + 1, (size_t)(n - i - 1) * sizeof *pair);
  m->data.mapping.pairs.top--;
}

/* The mapping of a key, made where it is not there. */
static int mapping_in(merger *g, int map, const char *key) {
  int id = value_in(g, map, key);
  if (id) return id;
  id = yaml_document_add_mapping(&g->doc, NULL, YAML_BLOCK_MAPPING_STYLE);
  g->starved |= !id;
  set_value(g, map, key, id);
  return id;
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

typedef struct names {
  const char **name; /* of the pool */
  int64_t n, room;
} names;

static void add_name(merger *g, names *all, const char *name) {
  for (int64_t i = 0; i < all->n; i++)
    if (strcmp(all->name[i], name) == 0) return;
  if (all->n == all->room) {
    const int64_t room = 2 * all->room + 8;
    const char **more = vw_pool_take(&g->pool, (size_t)room * sizeof *more);
    if (more && all->n) memcpy((void *)more, (const void *)all->name, (size_t)all->n * sizeof *more);
    if (!more) {
      g->starved = true;
      return;
    }
    all->name = more, all->room = room;
  }
  const char *kept = vw_pool_text(&g->pool, name, -1);
  g->starved |= !kept;
  if (kept) all->name[all->n++] = kept;
}

static void add_names(merger *g, names *all, const vw_names *some) {
  for (int64_t i = 0; i < some->n; i++) add_name(g, all, some->name[i]);
}

/* The items of a list in the file. */
static void add_items(merger *g, names *all, int list) {
  const yaml_node_t *v = node_of(g, list);
  const int64_t n = v && v->type == YAML_SEQUENCE_NODE ? v->data.sequence.items.top - v->data.sequence.items.start : 0;
  for (int64_t i = 0; i < n; i++) {
    const char *text = text_of(g, node_of(g, list)->data.sequence.items.start[i]);
    if (text) add_name(g, all, text);
  }
}

static bool same_names(const names *a, const names *b) {
  bool same = a->n == b->n;
  for (int64_t i = 0; same && i < a->n; i++) same = !strcmp(a->name[i], b->name[i]);
  return same;
}

static void set_list(merger *g, int map, const char *key, const names *all) {
  const int list = yaml_document_add_sequence(&g->doc, NULL, YAML_FLOW_SEQUENCE_STYLE);
  g->starved |= !list;
  for (int64_t i = 0; list && i < all->n; i++)
    g->starved |= !yaml_document_append_sequence_item(&g->doc, list, new_text(g, all->name[i]));
  set_value(g, map, key, list);
}

/* ---- all studies in one document --------------------------------------------------------------------------------- */

static vw_status load(const char *text, yaml_document_t *doc) {
  yaml_parser_t parser;
  VW_CHECK(yaml_parser_initialize(&parser), VW_ERR_MEMORY, "joining studies: out of memory");
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
  const int loaded = yaml_parser_load(&parser, doc);
  yaml_parser_delete(&parser);
  VW_CHECK(loaded, VW_ERR_INPUT, "joining studies: a text is no YAML");
  return VW_OK;
}

/* Copies every node of another document behind ours: node i becomes node i + *offset. */
static void import(merger *g, yaml_document_t *from, int *offset) {
  const int n = (int)(from->nodes.top - from->nodes.start);
  *offset = (int)(g->doc.nodes.top - g->doc.nodes.start);
  for (int i = 1; i <= n && !g->starved; i++) {
    const yaml_node_t *v = yaml_document_get_node(from, i);
    int id = 0;
    if (v->type == YAML_SCALAR_NODE)
      id = yaml_document_add_scalar(&g->doc, v->tag, v->data.scalar.value, (int)v->data.scalar.length,
                                    v->data.scalar.style);
    else if (v->type == YAML_SEQUENCE_NODE)
      id = yaml_document_add_sequence(&g->doc, v->tag, v->data.sequence.style);
    else
      id = yaml_document_add_mapping(&g->doc, v->tag, v->data.mapping.style);
    g->starved |= !id;
  }
  for (int i = 1; i <= n && !g->starved; i++) {
    const yaml_node_t *v = yaml_document_get_node(from, i);
    if (v->type == YAML_SEQUENCE_NODE)
      for (const yaml_node_item_t *k = v->data.sequence.items.start; k < v->data.sequence.items.top; k++)
        g->starved |= !yaml_document_append_sequence_item(&g->doc, i + *offset, *k + *offset);
    if (v->type == YAML_MAPPING_NODE)
      for (const yaml_node_pair_t *k = v->data.mapping.pairs.start; k < v->data.mapping.pairs.top; k++)
        g->starved |= !yaml_document_append_mapping_pair(&g->doc, i + *offset, k->key + *offset, k->value + *offset);
  }
}

static vw_status load_all(merger *g) {
  VW_TRY(load(g->s[0].text, &g->doc));
  g->root[0] = 1;
  for (int64_t i = 1; i < g->n; i++) {
    yaml_document_t other;
    int offset = 0;
    VW_TRY(load(g->s[i].text, &other));
    import(g, &other, &offset);
    g->root[i] = offset + 1;
    yaml_document_delete(&other);
  }
  return VW_OK;
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

static void rebase(merger *g, int map, const char *key, const char *place) {
  const char *text = text_of(g, value_in(g, map, key));
  char path[4096];
  if (!text || text[0] == '/' || strncmp(text, "~/", 2) == 0) return;
  (void)snprintf(path, sizeof path, "%s/%s", place, text);
  set_value(g, map, key, new_text(g, path));
}

static void rebase_judge(merger *g, int map, const char *place) {
  const int judge = value_in(g, map, "judge");
  rebase(g, judge, "weights", place), rebase(g, judge, "names", place);
}

/* Every path of a study; where a list may stand instead, there is no text. */
static void rebase_study(merger *g, int root, const char *place) {
  const int data = value_in(g, root, "data"), models = value_in(g, root, "models"),
            trials = value_in(g, root, "trials");
  const char *vocabulary = text_of(g, value_in(g, trials, "vocabulary"));
  for (int64_t i = 0; i < pairs_of(g, data); i++) {
    const int set = pair_at(g, data, i).value;
    rebase(g, set, "root", place), rebase(g, set, "classes", place), rebase(g, set, "names", place);
  }
  for (int64_t i = 0; i < pairs_of(g, models); i++) {
    rebase(g, pair_at(g, models, i).value, "weights", place);
    rebase_judge(g, pair_at(g, models, i).value, place);
  }
  rebase_judge(g, root, place);
  rebase(g, root, "cache", place);
  if (vocabulary && strcmp(vocabulary, "default") != 0 && strcmp(vocabulary, "words") != 0 &&
      strcmp(vocabulary, "all") != 0)
    rebase(g, trials, "vocabulary", place);
}

/* ---- the joined study -------------------------------------------------------------------------------------------- */

/* Entries of a section of study i that the first does not have. */
static void add_entries(merger *g, const char *section, int64_t i) {
  const int to = mapping_in(g, g->root[0], section), from = value_in(g, g->root[i], section);
  for (int64_t k = 0; k < pairs_of(g, from); k++) {
    const yaml_node_pair_t pair = pair_at(g, from, k);
    const char *name = text_of(g, pair.key);
    if (name && place_in(g, to, name) < 0)
      g->starved |= !yaml_document_append_mapping_pair(&g->doc, to, pair.key, pair.value);
  }
}

/* A list that stands under one entry of a section, of all studies. */
static void join_list(merger *g, const char *section, const char *entry, const char *key) {
  names all = {0};
  for (int64_t i = 0; i < g->n; i++)
    add_items(g, &all, value_in(g, value_in(g, value_in(g, g->root[i], section), entry), key));
  if (all.n) set_list(g, value_in(g, value_in(g, g->root[0], section), entry), key, &all);
}

static int64_t model_in(const vw_study_config *c, const char *name) {
  for (int64_t m = 0; m < c->n_models; m++)
    if (strcmp(c->models[m].name, name) == 0) return m;
  return -1;
}

/* Is `name` of the file the data set d, or the one that its folds are of? */
static bool is_set(const char *name, const vw_data_config *d) {
  const size_t n = strlen(name);
  return strcmp(name, d->name) == 0 || (d->folds && strncmp(name, d->name, n) == 0 && d->name[n] == '-');
}

/* What a model has in all studies. */
typedef struct model_part {
  names data, anchors, deltas, concepts, all; /* concepts that it learns; those that its data sets have */
  int64_t replicas;
} model_part;

static void add_deltas(merger *g, names *all, const vw_numbers *some) {
  char text[VW_DELTA_TEXT];
  for (int64_t i = 0; i < some->n; i++) {
    vw_delta_text(some->v[i], text);
    add_name(g, all, text);
  }
}

static void add_model(merger *g, int64_t i, const char *name, model_part *p) {
  const vw_study_config *c = g->s[i].config;
  const int64_t m = model_in(c, name);
  const int sets = value_in(g, g->root[i], "data");
  if (m < 0) return;
  const vw_trials_config *t = &c->models[m].trials;
  add_names(g, &p->anchors, &t->anchors);
  add_deltas(g, &p->deltas, &t->deltas);
  if (t->replicas > p->replicas) p->replicas = t->replicas;
  for (int64_t d = 0; d < c->n_data; d++) {
    if (!vw_study_learns_on(c, m, d)) continue;
    add_names(g, &p->concepts, &vw_study_data_of(c, m, d)->concepts);
    for (int64_t k = 0; k < pairs_of(g, sets); k++) {
      const char *set = text_of(g, pair_at(g, sets, k).key);
      if (set && is_set(set, &c->data[d])) add_name(g, &p->data, set);
    }
  }
}

static void set_trials(merger *g, int map, const model_part *p, const model_part *common) {
  char replicas[32];
  (void)snprintf(replicas, sizeof replicas, "%" PRId64, p->replicas);
  if (!common || !same_names(&p->anchors, &common->anchors)) set_list(g, map, "anchors", &p->anchors);
  if (!common || !same_names(&p->deltas, &common->deltas)) set_list(g, map, "deltas", &p->deltas);
  if (!common || p->replicas != common->replicas) set_value(g, map, "replicas", new_text(g, replicas));
}

/* Trials of a model of its own where they are not those that stand for all. */
static void set_model(merger *g, int model, const model_part *p, const model_part *common) {
  static const char *const keys[] = {"anchors", "deltas", "replicas", "concepts"};
  set_list(g, model, "data", &p->data);
  const int trials = mapping_in(g, model, "trials");
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) drop_key(g, trials, keys[i]);
  set_trials(g, trials, p, common);
  if (p->concepts.n != p->all.n) set_list(g, trials, "concepts", &p->concepts);
  if (!pairs_of(g, trials)) drop_key(g, model, "trials");
}

/* ---- keys of learn and judge under each model -------------------------------------------------------------------- */

/* A decided value as a node; 0: nothing is to stand there. Paths are taken from the files. */
static int value_node(merger *g, const vw_key *o, const void *base) {
  const char *member = (const char *)base + o->offset, *word = NULL;
  char text[64] = "";
  int n = 0;
  switch (o->type) {
  case VW_KEY_AUTO:
    if (*(const int64_t *)(const void *)member == 0) return new_text(g, "auto"); /* fall through */
  case VW_KEY_INT:
  case VW_KEY_STEPS:
    (void)snprintf(text, sizeof text, "%" PRId64, *(const int64_t *)(const void *)member);
    return new_text(g, text);
  case VW_KEY_REAL:
    vw_delta_text(*(const double *)(const void *)member, text); /* the shortest decimal */
    return new_text(g, text);
  case VW_KEY_CHOICE:
    word = vw_word_at(o->choices, *(const int *)(const void *)member, &n);
    (void)snprintf(text, sizeof text, "%.*s", n, word ? word : "");
    return new_text(g, text);
  case VW_KEY_TEXT:
  case VW_KEY_TEMPLATE:
    word = *(const char *const *)(const void *)member;
    return word && word[0] ? new_text(g, word) : 0;
  default:
    return 0;
  }
}

static void spell_key(merger *g, int section, const vw_key *o, const void *base) {
  const char *name = vw_key_name(o), *dot = strchr(name, '.');
  char above[64];
  (void)snprintf(above, sizeof above, "%.*s", dot ? (int)(dot - name) : 0, name);
  const int map = dot ? mapping_in(g, section, above) : section;
  const char *key = dot ? dot + 1 : name;
  if (o->type == VW_KEY_TEMPLATES) {
    const vw_names *list = (const vw_names *)(const void *)((const char *)base + o->offset);
    names all = {0};
    add_names(g, &all, list);
    if (all.n) set_list(g, map, key, &all);
    return;
  }
  set_value(g, map, key, value_node(g, o, base));
}

/* Decay without free words is refused, as nothing uses it. */
static bool is_used(const vw_key *o, const vw_model_config *m) {
  bool any_free = false;
  for (int64_t i = 0; i < m->trials.deltas.n; i++) any_free |= isinf(m->trials.deltas.v[i]);
  return vw_key_applies(o, m) && (any_free || strcmp(o->key, "learn.weight_decay") != 0);
}

/* Section `section` of a model of study i, with all that was decided. */
static void spell_section(merger *g, int64_t i, int model, const vw_model_config *m, vw_section section) {
  static const char *const paths[] = {"weights", "names"}; /* of judge: a list of names may stand there, too */
  const vw_shared_section *of = vw_section_shared(section);
  const int own = value_in(g, model, of->key), common = value_in(g, g->root[i], of->key);
  const int all = yaml_document_add_mapping(&g->doc, NULL, YAML_BLOCK_MAPPING_STYLE);
  g->starved |= !all;
  for (int k = 0; k < vw_study_n_keys; k++) {
    const vw_key *o = &vw_study_keys[k];
    if (o->section == section && is_used(o, m)) spell_key(g, all, o, (const char *)m + of->offset);
  }
  for (size_t k = 0; k < sizeof paths / sizeof *paths && section == VW_SEC_JUDGE && m->judge.weights; k++)
    set_value(g, all, paths[k],
              value_in(g, own, paths[k]) ? value_in(g, own, paths[k]) : value_in(g, common, paths[k]));
  if (pairs_of(g, all))
    set_value(g, model, of->key, all);
  else
    drop_key(g, model, of->key);
}

static void spell_models(merger *g) {
  const int models = value_in(g, g->root[0], "models");
  for (int64_t k = 0; k < pairs_of(g, models) && !g->starved; k++) {
    int64_t m = -1, i = -1;
    while (m < 0 && ++i < g->n) m = model_in(g->s[i].config, text_of(g, pair_at(g, models, k).key));
    if (m < 0) continue;
    spell_section(g, i, pair_at(g, models, k).value, &g->s[i].config->models[m], VW_SEC_LEARN);
    spell_section(g, i, pair_at(g, models, k).value, &g->s[i].config->models[m], VW_SEC_JUDGE);
  }
  drop_key(g, g->root[0], "learn"), drop_key(g, g->root[0], "judge");
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void join_models(merger *g) {
  const int models = value_in(g, g->root[0], "models"), data = value_in(g, g->root[0], "data");
  model_part common = {0};
  for (int64_t k = 0; k < pairs_of(g, models) && !g->starved; k++) {
    const char *name = vw_pool_text(&g->pool, text_of(g, pair_at(g, models, k).key), -1);
    model_part p = {.replicas = 1};
    for (int64_t i = 0; name && i < g->n; i++) add_model(g, i, name, &p);
    for (int64_t i = 0; i < p.data.n; i++)
      add_items(g, &p.all, value_in(g, value_in(g, data, p.data.name[i]), "concepts"));
    if (!k) {
      common = p;
      set_trials(g, mapping_in(g, g->root[0], "trials"), &p, NULL);
    }
    set_model(g, pair_at(g, models, k).value, &p, &common);
  }
}

static void join(merger *g, const vw_study_merging *how) {
  names studies = {0}, stages = {0};
  char all[1024] = "";
  for (int64_t i = 0; i < g->n; i++) {
    rebase_study(g, g->root[i], g->s[i].place);
    if (i) add_entries(g, "data", i), add_entries(g, "models", i);
    add_name(g, &studies, g->s[i].config->study);
    add_names(g, &stages, &g->s[i].config->stages);
  }
  const int data = value_in(g, g->root[0], "data");
  for (int64_t k = 0; k < pairs_of(g, data); k++) join_list(g, "data", text_of(g, pair_at(g, data, k).key), "concepts");
  join_models(g);
  if (how->spelled_out) spell_models(g);
  for (int64_t i = 0; i < studies.n; i++) {
    const size_t at = strlen(all);
    (void)snprintf(all + at, sizeof all - at, "%s%s", i ? " + " : "", studies.name[i]);
  }
  set_value(g, g->root[0], "study", new_text(g, how->name ? how->name : all));
  set_list(g, g->root[0], "stages", &stages);
}

/* ---- its text ---------------------------------------------------------------------------------------------------- */

static int keep_text(void *user, unsigned char *buffer, size_t size) {
  return fwrite(buffer, 1, size, user) == size;
}

/* The document is given away. */
static vw_status write_text(merger *g, char **text) {
  enum { WIDTH = 110 };
  yaml_emitter_t emitter;
  size_t bytes = 0;
  FILE *out = open_memstream(text, &bytes);
  bool ok = out && yaml_emitter_initialize(&emitter);
  if (ok) {
    yaml_emitter_set_output(&emitter, keep_text, out);
    yaml_emitter_set_unicode(&emitter, 1), yaml_emitter_set_width(&emitter, WIDTH);
    (void)fprintf(out, "# Written by 'viswords merge': all that the joined studies ask for.\n");
    ok = yaml_emitter_open(&emitter) && yaml_emitter_dump(&emitter, &g->doc) && yaml_emitter_close(&emitter) &&
         yaml_emitter_flush(&emitter);
    yaml_emitter_delete(&emitter);
    g->doc = (yaml_document_t){0};
  }
  if (out && fclose(out) != 0) ok = false;
  if (ok) return VW_OK;
  free(*text);
  *text = NULL;
  return VW_RAISE(VW_ERR_MEMORY, "joining studies: out of memory");
}

vw_status vw_study_merge(const vw_study_source *s, int64_t n, const vw_study_merging *how, char **text) {
  merger g = {.s = s, .n = n, .root = calloc((size_t)n + 1, sizeof(int))};
  *text = NULL;
  vw_status st = g.root ? load_all(&g) : VW_RAISE(VW_ERR_MEMORY, "joining studies: out of memory");
  if (st == VW_OK) {
    join(&g, how);
    st = g.starved ? VW_RAISE(VW_ERR_MEMORY, "joining studies: out of memory") : write_text(&g, text);
  }
  if (g.doc.nodes.start) yaml_document_delete(&g.doc);
  free(g.root);
  vw_pool_fini(&g.pool);
  return st;
}
