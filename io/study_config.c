/* The reader of study files: libyaml's document, walked along the table of io/study_keys.c. Values are converted in
 * io/study_values.c. */
#include "io/study_config.h"
#include "io/durable.h"
#include "io/study_keys.h"
#include "io/study_values.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MOST_BYTES = 16 << 20 }; /* a study file is written by hand */

/* --- walking --------------------------------------------------------------------------------------------------- */

/* The keys known below `rel` of a section, separated by blanks. */
static void known_keys(vw_section section, const char *rel, char *out, size_t bytes) {
  const size_t n_rel = strlen(rel);
  const char *last = "";
  size_t at = 0;
  out[0] = 0;
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    if (o->section != section || strncmp(vw_key_name(o), rel, n_rel) != 0) continue;
    const char *k = vw_key_name(o) + n_rel;
    const int n = (int)strcspn(k, ".");
    const bool again = strncmp(last, k, (size_t)n) == 0 && (last[n] == '.' || !last[n]); /* batch.negatives */
    if (!again && at < bytes) at += (size_t)snprintf(out + at, bytes - at, "%s%.*s", last[0] ? " " : "", n, k);
    last = k;
  }
}

/* The option of a key below `rel`, or with *deeper set when keys begin with it. */
static const vw_key *find_key(vw_section section, const char *rel, const char *key, bool *deeper) {
  const size_t n_rel = strlen(rel), n_key = strlen(key);
  *deeper = false;
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    const char *k = vw_key_name(o);
    if (o->section != section || strncmp(k, rel, n_rel) != 0 || strncmp(k + n_rel, key, n_key) != 0) continue;
    if (!k[n_rel + n_key]) return o;
    if (k[n_rel + n_key] == '.') *deeper = true;
  }
  return NULL;
}

/* A key as text; refuses keys that are lists or maps, and keys given twice before it. */
static vw_status mapping_key(vw_reader *r, yaml_node_t *map, int64_t i, const char *path, const char **key) {
  yaml_node_pair_t *pair = map->data.mapping.pairs.start;
  yaml_node_t *k = vw_reader_node(r, pair[i].key);
  if (k->type != YAML_SCALAR_NODE) return VW_AT(r, k, "%s: a key must be a word", path[0] ? path : "study file");
  *key = (const char *)k->data.scalar.value;
  if (!(*key)[0] || strlen(*key) != k->data.scalar.length)
    return VW_AT(r, k, "%s: an empty key", path[0] ? path : "study file");
  for (int64_t j = 0; j < i; j++) {
    yaml_node_t *other = vw_reader_node(r, pair[j].key);
    if (strcmp((const char *)other->data.scalar.value, *key) == 0)
      return VW_AT(r, k, "%s: given twice, first on line %zu; keep one", vw_reader_path(r, path, *key),
                   other->start_mark.line + 1);
  }
  return VW_OK;
}

static int64_t mapping_count(const yaml_node_t *map) {
  return map->data.mapping.pairs.top - map->data.mapping.pairs.start;
}

/* Reads the keys of one mapping into the struct at `base`. `path` is what a user calls the mapping ("models.clip"),
 * `rel` the same below its section with a final dot ("batch."). seen[option]: the node that set it. */
static vw_status walk(vw_reader *r, vw_section section, void *base, yaml_node_t *map, const char *path, const char *rel,
                      yaml_node_t **seen) {
  if (map->type != YAML_MAPPING_NODE)
    return VW_AT(r, map, "%s: expected a mapping of keys, got %s", path[0] ? path : "study file", vw_reader_got(map));
  for (int64_t i = 0; i < mapping_count(map); i++) {
    const char *key = NULL;
    VW_TRY(mapping_key(r, map, i, path, &key));
    yaml_node_t *k = vw_reader_node(r, map->data.mapping.pairs.start[i].key);
    yaml_node_t *v = vw_reader_node(r, map->data.mapping.pairs.start[i].value);
    const char *full = vw_reader_path(r, path, key);
    bool deeper = false;
    const vw_key *o = find_key(section, rel, key, &deeper);
    if (!full) return VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", r->path);
    if (o) {
      seen[o - vw_study_keys] = v;
      if (o->type != VW_KEY_SECTION) VW_TRY(vw_reader_assign(r, o, base, v, full));
    } else if (deeper) {
      const char *below = vw_reader_path(r, rel, key);
      char dotted[64];
      (void)snprintf(dotted, sizeof dotted, "%s%s.", rel, key);
      if (!below) return VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", r->path);
      VW_TRY(walk(r, section, base, v, full, dotted, seen));
    } else {
      char known[512];
      known_keys(section, rel, known, sizeof known);
      const char *hint = vw_word_hint(known, key);
      if (hint[0]) return VW_AT(r, k, "%s: unknown key%s", full, hint);
      return VW_AT(r, k, "%s: unknown key; known here: %s", full, known);
    }
  }
  return VW_OK;
}

static vw_status require(vw_reader *r, vw_section section, yaml_node_t *map, const char *path, yaml_node_t **seen) {
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    if (o->section == section && !o->text && !seen[i])
      return VW_AT(r, map, "%s: missing; give %s", vw_reader_path(r, path, vw_key_name(o)), o->help);
  }
  return VW_OK;
}

/* --- defaults --------------------------------------------------------------------------------------------------- */

/* Sets every option of a section to its default: the text in the table, read as YAML by the same code as a study. */
static vw_status set_defaults(vw_reader *r, vw_section section, void *base) {
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    if (o->section != section || !o->text || !o->text[0]) continue;
    vw_reader d = *r;
    yaml_document_t document;
    d.document = &document;
    d.path = "default";
    VW_TRY(vw_reader_load(&d, o->text, strlen(o->text)));
    vw_status st = vw_reader_assign(&d, o, base, yaml_document_get_root_node(&document), o->key);
    yaml_document_delete(&document);
    if (st != VW_OK) return vw_fail(st, __FILE__, __LINE__, "default of %s", o->key);
  }
  return VW_OK;
}

/* --- sections --------------------------------------------------------------------------------------------------- */

/* Names of data sets and models stand in paths, in study.h5 and on command lines. */
static vw_status check_name(vw_reader *r, yaml_node_t *node, const char *section, const char *name) {
  const size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
  if (name[n] || n > 64)
    return VW_AT(r, node, "%s: '%s' cannot name a part of a study; use at most 64 letters, digits, - and _", section,
                 name);
  return VW_OK;
}

static vw_status read_data(vw_reader *r, yaml_node_t *map) {
  vw_study_config *c = r->config;
  if (map->type != YAML_MAPPING_NODE || !mapping_count(map))
    return VW_AT(r, map, "data: expected data sets by name, got %s", vw_reader_got(map));
  c->n_data = mapping_count(map);
  c->data = vw_pool_take(&c->pool, (size_t)c->n_data * sizeof *c->data);
  VW_CHECK(c->data, VW_ERR_MEMORY, "%s: out of memory", r->path);
  for (int64_t i = 0; i < c->n_data; i++) {
    yaml_node_t *seen[VW_MOST_KEYS] = {0};
    vw_data_config *d = &c->data[i];
    yaml_node_t *key = vw_reader_node(r, map->data.mapping.pairs.start[i].key);
    yaml_node_t *value = vw_reader_node(r, map->data.mapping.pairs.start[i].value);
    VW_TRY(mapping_key(r, map, i, "data", &d->name));
    VW_TRY(check_name(r, key, "data", d->name));
    d->name = vw_pool_text(&c->pool, d->name, -1);
    const char *path = d->name ? vw_reader_path(r, "data", d->name) : NULL;
    VW_CHECK(path, VW_ERR_MEMORY, "%s: out of memory", r->path);
    VW_TRY(set_defaults(r, VW_SEC_DATA, d));
    VW_TRY(walk(r, VW_SEC_DATA, d, value, path, "", seen));
    VW_TRY(require(r, VW_SEC_DATA, value, path, seen));
  }
  return VW_OK;
}

static vw_status read_models(vw_reader *r, yaml_node_t *map, yaml_node_t **learn) {
  vw_study_config *c = r->config;
  for (int64_t i = 0; i < c->n_models; i++) {
    yaml_node_t *seen[VW_MOST_KEYS] = {0};
    vw_model_config *m = &c->models[i];
    yaml_node_t *key = vw_reader_node(r, map->data.mapping.pairs.start[i].key);
    yaml_node_t *value = vw_reader_node(r, map->data.mapping.pairs.start[i].value);
    VW_TRY(check_name(r, key, "models", m->name));
    const char *path = vw_reader_path(r, "models", m->name);
    VW_CHECK(path, VW_ERR_MEMORY, "%s: out of memory", r->path);
    VW_TRY(set_defaults(r, VW_SEC_MODEL, m));
    VW_TRY(walk(r, VW_SEC_MODEL, m, value, path, "", seen));
    VW_TRY(require(r, VW_SEC_MODEL, value, path, seen));
    for (int o = 0; o < vw_study_n_keys; o++)
      if (vw_study_keys[o].section == VW_SEC_MODEL && vw_study_keys[o].type == VW_KEY_SECTION) learn[i] = seen[o];
  }
  return VW_OK;
}

/* All names first: a map of steps by model name may stand before the models are read. */
static vw_status name_models(vw_reader *r, yaml_node_t *map) {
  vw_study_config *c = r->config;
  if (map->type != YAML_MAPPING_NODE || !mapping_count(map))
    return VW_AT(r, map, "models: expected models by name, got %s", vw_reader_got(map));
  c->n_models = mapping_count(map);
  c->models = vw_pool_take(&c->pool, (size_t)c->n_models * sizeof *c->models);
  VW_CHECK(c->models, VW_ERR_MEMORY, "%s: out of memory", r->path);
  for (int64_t i = 0; i < c->n_models; i++) {
    VW_TRY(mapping_key(r, map, i, "models", &c->models[i].name));
    c->models[i].name = vw_pool_text(&c->pool, c->models[i].name, -1);
    VW_CHECK(c->models[i].name, VW_ERR_MEMORY, "%s: out of memory", r->path);
  }
  return VW_OK;
}

/* A key that nothing reads is a mistake: learn.lr with pgd changes no result. */
static vw_status check_used(vw_reader *r, yaml_node_t **seen, const char *prefix, int64_t first, int64_t last) {
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    if (!seen[i] || !o->needs) continue;
    bool used = false;
    for (int64_t m = first; m < last; m++) used |= r->config->models[m].learn.optimiser + 1 == o->needs;
    if (!used)
      return VW_AT(r, seen[i], "%s%s: nothing uses it; only optimiser %s does: remove it or change learn.optimiser",
                   prefix, o->key, o->needs == 1 + VW_PGD ? "pgd" : "adamw");
  }
  return VW_OK;
}

/* Defaults, then learn, then models.<name>.learn, for each model. */
static vw_status read_learn(vw_reader *r, yaml_node_t *common, yaml_node_t **own) {
  vw_study_config *c = r->config;
  yaml_node_t *seen[VW_MOST_KEYS] = {0};
  for (int64_t i = 0; i < c->n_models; i++) {
    yaml_node_t *seen_own[VW_MOST_KEYS] = {0};
    vw_learn_config *l = &c->models[i].learn;
    r->model = c->models[i].name;
    const char *path = vw_reader_path(r, vw_reader_path(r, "models", r->model), "learn");
    VW_CHECK(path, VW_ERR_MEMORY, "%s: out of memory", r->path);
    VW_TRY(set_defaults(r, VW_SEC_LEARN, l));
    if (common) VW_TRY(walk(r, VW_SEC_LEARN, l, common, "learn", "", seen));
    if (own[i]) VW_TRY(walk(r, VW_SEC_LEARN, l, own[i], path, "", seen_own));
    if (!l->judge_template) l->judge_template = l->templates.name[0];
    const size_t prefix = strlen(path) - strlen("learn");
    char before[96];
    (void)snprintf(before, sizeof before, "%.*s", (int)prefix, path);
    VW_TRY(check_used(r, seen_own, before, i, i + 1));
  }
  return check_used(r, seen, "", 0, c->n_models);
}

static vw_status read_document(vw_reader *r) {
  vw_study_config *c = r->config;
  yaml_node_t *seen[VW_MOST_KEYS] = {0}, *at[3] = {0};
  static const char *const sections[3] = {"data", "models", "learn"};
  yaml_node_t *root = yaml_document_get_root_node(r->document);
  VW_CHECK(root, VW_ERR_INPUT, "%s: the file is empty; docs/study-file.md shows a study", r->path);
  VW_TRY(set_defaults(r, VW_SEC_STUDY, c));
  VW_TRY(walk(r, VW_SEC_STUDY, c, root, "", "", seen));
  VW_TRY(require(r, VW_SEC_STUDY, root, "", seen));
  for (int i = 0; i < vw_study_n_keys; i++)
    for (int k = 0; k < 3; k++)
      if (strcmp(vw_study_keys[i].key, sections[k]) == 0) at[k] = seen[i];
  VW_CHECK(at[0] && at[1], VW_ERR_INPUT, "%s: data and models must be there", r->path);
  VW_TRY(name_models(r, at[1]));
  yaml_node_t **own = vw_pool_take(&r->scratch, (size_t)c->n_models * sizeof(yaml_node_t *));
  VW_CHECK(own, VW_ERR_MEMORY, "%s: out of memory", r->path);
  VW_TRY(read_data(r, at[0]));
  VW_TRY(read_models(r, at[1], own));
  return read_learn(r, at[2], own);
}

/* --- public ----------------------------------------------------------------------------------------------------- */

vw_status vw_study_config_parse(const char *path, const char *text, size_t bytes, vw_study_config **config) {
  yaml_document_t document;
  *config = NULL;
  vw_study_config *c = calloc(1, sizeof *c);
  VW_CHECK(c, VW_ERR_MEMORY, "%s: out of memory", path);
  vw_reader r = {.path = path, .document = &document, .config = c};
  vw_status st = VW_OK;
  bool loaded = false;
  c->path = vw_pool_text(&c->pool, path, -1);
  c->text = vw_pool_text(&c->pool, text, (ptrdiff_t)bytes);
  if (!c->path || !c->text) {
    st = VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
    goto cleanup;
  }
  VW_GOTO(vw_reader_load(&r, text, bytes));
  loaded = true;
  VW_GOTO(read_document(&r));
cleanup:
  if (loaded) yaml_document_delete(&document);
  vw_pool_fini(&r.scratch);
  if (st == VW_OK)
    *config = c;
  else
    vw_study_config_destroy(c);
  return st;
}

vw_status vw_study_config_read(const char *path, vw_study_config **config) {
  char *text = NULL;
  int64_t bytes = 0;
  *config = NULL;
  VW_TRY(vw_file_read(path, &text, &bytes));
  vw_status st = VW_OK;
  if (bytes > MOST_BYTES)
    st = VW_RAISE(VW_ERR_INPUT, "%s: %" PRId64 " bytes is too long for a study file", path, bytes);
  else
    st = vw_study_config_parse(path, text, (size_t)bytes, config);
  free(text);
  return st;
}

void vw_study_config_destroy(vw_study_config *config) {
  if (!config) return;
  vw_pool_fini(&config->pool);
  free(config);
}

bool vw_study_has_stage(const vw_study_config *config, const char *stage) {
  for (int64_t i = 0; i < config->stages.n; i++)
    if (strcmp(config->stages.name[i], stage) == 0) return true;
  return false;
}

vw_status vw_template_fill(const char *text_template, const char *word, char *out, size_t bytes) {
  const char *hole = strstr(text_template, "{}");
  VW_CHECK(hole, VW_ERR_ARG, "template '%s' has no {}", text_template);
  const int n = snprintf(out, bytes, "%.*s%s%s", (int)(hole - text_template), text_template, word, hole + 2);
  VW_CHECK(n >= 0 && (size_t)n < bytes, VW_ERR_ARG, "template '%s' with '%s' is longer than %zu bytes", text_template,
           word, bytes);
  return VW_OK;
}
