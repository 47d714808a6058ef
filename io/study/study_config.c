/* The reader of study files: libyaml's document, walked along the table of src/study/keys.c. Values are converted in
 * io/study/study_values.c. */
#include "core/durable.h"
#include "io/study/study_walk.h"
#include "study/config.h"
#include "study/keys.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

enum {
  MOST_BYTES = 1 << 20, /* a study file is written by hand */
  MOST_PAIRS = 4096,    /* of a mapping: twins are looked for pair by pair */
  MOST_FOLDS = 65536,   /* data sets, folds counted each */
  MOST_NESTED = 500,
  SHOWN = 64 /* bytes of a key in a message */
};

/* --- walking --------------------------------------------------------------------------------------------------- */

/* Whether the key can stand in this mapping. */
static bool is_here(const vw_key *o, const vw_target *t) {
  return o->section == t->section && !(o->alone && t->common);
}

/* Appends the keys known below `rel` of a section to a list of words. */
static void known_keys(const vw_target *t, const char *rel, char *out, size_t bytes) {
  const size_t n_rel = strlen(rel);
  const char *last = "";
  size_t at = strlen(out);
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    if (!is_here(o, t) || strncmp(vw_key_name(o), rel, n_rel) != 0) continue;
    const char *k = vw_key_name(o) + n_rel;
    const int n = (int)strcspn(k, ".");
    const bool again = strncmp(last, k, (size_t)n) == 0 && (last[n] == '.' || !last[n]); /* batch.negatives */
    if (!again && at < bytes) at += (size_t)snprintf(out + at, bytes - at, "%s%.*s", at ? " " : "", n, k);
    last = k;
  }
}

/* The option of a key below `rel`, or with *deeper set when keys begin with it. */
static const vw_key *find_key(const vw_target *t, const char *rel, const char *key, bool *deeper) {
  const size_t n_rel = strlen(rel), n_key = strlen(key);
  *deeper = false;
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    const char *k = vw_key_name(o);
    if (!is_here(o, t) || strncmp(k, rel, n_rel) != 0 || strncmp(k + n_rel, key, n_key) != 0) continue;
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
  if (strcmp(*key, "<<") == 0)
    return VW_AT(r, k, "%s: merge keys (<<) are not read; write the keys out", path[0] ? path : "study file");
  for (int64_t j = 0; j < i; j++) {
    yaml_node_t *other = vw_reader_node(r, pair[j].key);
    if (other->type == YAML_SCALAR_NODE && strcmp((const char *)other->data.scalar.value, *key) == 0)
      return VW_AT(r, k, "%s%s%.*s: given twice, first on line %zu; keep one", path, path[0] ? "." : "", SHOWN, *key,
                   other->start_mark.line + 1);
  }
  return VW_OK;
}

static int64_t mapping_count(const yaml_node_t *map) {
  return map->data.mapping.pairs.top - map->data.mapping.pairs.start;
}

static vw_status unknown_key(vw_reader *r, const vw_target *t, const yaml_node_t *node, const char *key) {
  char known[512] = "", beside[64];
  const char *dot = t->path[0] ? "." : "";
  (void)snprintf(beside, sizeof beside, "%s.", t->path);
  known_keys(t, t->rel, known, sizeof known);
  if (t->common) known_keys(&(vw_target){.section = VW_SEC_STUDY}, beside, known, sizeof known);
  const char *hint = vw_word_hint(known, key);
  if (hint[0]) return VW_AT(r, node, "%s%s%.*s: unknown key%s", t->path, dot, SHOWN, key, hint);
  return VW_AT(r, node, "%s%s%.*s: unknown key; known here: %s", t->path, dot, SHOWN, key, known);
}

static vw_status walk_pair(vw_reader *r, const vw_target *t, yaml_node_t *map, int64_t i) {
  const char *key = NULL;
  VW_TRY(mapping_key(r, map, i, t->path, &key));
  yaml_node_t *k = vw_reader_node(r, map->data.mapping.pairs.start[i].key);
  yaml_node_t *v = vw_reader_node(r, map->data.mapping.pairs.start[i].value);
  char dotted[64];
  bool deeper = false, ignored = false;
  const vw_key *o = find_key(t, t->rel, key, &deeper);
  void *base = t->base;
  (void)snprintf(dotted, sizeof dotted, "%s.", t->path);
  if (!o && !deeper && t->common) {
    o = find_key(&(vw_target){.section = VW_SEC_STUDY}, dotted, key, &ignored);
    base = r->config;
  }
  if (!o && !deeper) return unknown_key(r, t, k, key);
  const char *full = vw_reader_path(r, t->path, key);
  VW_CHECK(full, VW_ERR_MEMORY, "%s: out of memory", r->path);
  if (o) {
    t->seen[o - vw_study_keys] = v;
    return o->type == VW_KEY_SECTION ? VW_OK : vw_reader_assign(r, o, base, v, full);
  }
  (void)snprintf(dotted, sizeof dotted, "%s%s.", t->rel, key);
  const vw_target below = {t->section, t->base, full, dotted, t->seen, false};
  return vw_reader_walk(r, &below, v);
}

/* Reads the keys of one mapping; each that is wrong is kept as a problem. */
vw_status vw_reader_walk(vw_reader *r, const vw_target *t, yaml_node_t *map) {
  const char *name = t->path[0] ? t->path : "study file";
  if (map->type != YAML_MAPPING_NODE)
    return VW_AT(r, map, "%s: expected a mapping of keys, got %s", name, vw_reader_got(map));
  if (mapping_count(map) > MOST_PAIRS)
    return VW_AT(r, map, "%s: %" PRId64 " keys in one mapping; at most %d", name, mapping_count(map), MOST_PAIRS);
  for (int64_t i = 0; i < mapping_count(map); i++) VW_TRY(vw_reader_keep(r, walk_pair(r, t, map, i)));
  return VW_OK;
}

static vw_status require(vw_reader *r, const vw_target *t, yaml_node_t *map) {
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    if (o->section != t->section || o->text || t->seen[i]) continue;
    const char *key = vw_key_name(o), *dot = t->path[0] ? "." : "";
    VW_TRY(vw_reader_keep(r, VW_AT(r, map, "%s%s%s: missing; give %s", t->path, dot, key, o->help)));
  }
  return VW_OK;
}

/* A section of its own: all its keys, then those that are not there. */
vw_status vw_reader_section(vw_reader *r, const vw_target *t, yaml_node_t *map) {
  VW_TRY(vw_reader_walk(r, t, map));
  return require(r, t, map);
}

/* --- defaults --------------------------------------------------------------------------------------------------- */

/* Sets every option of a section to its default: the text in the table, read as YAML by the same code as a study. */
vw_status vw_reader_default(const vw_reader *r, const vw_key *o, const char *text, size_t bytes, void *base) {
  vw_reader d = *r;
  yaml_document_t document;
  d.document = &document;
  d.path = "default", d.problems = NULL;
  VW_TRY(vw_reader_load(&d, text, bytes));
  const vw_status st = vw_reader_assign(&d, o, base, yaml_document_get_root_node(&document), o->key);
  yaml_document_delete(&document);
  return st == VW_OK ? st : vw_fail(st, __FILE__, __LINE__, "default of %s", o->key);
}

vw_status vw_reader_defaults(vw_reader *r, vw_section section, void *base) {
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    if (o->section != section || !o->text || !o->text[0]) continue;
    VW_TRY(vw_reader_default(r, o, o->text, strlen(o->text), base));
  }
  return VW_OK;
}

/* --- sections --------------------------------------------------------------------------------------------------- */

/* Names of data sets and models stand in paths, in study.h5 and on command lines. */
vw_status vw_reader_check_name(vw_reader *r, yaml_node_t *node, const char *section, const char *name) {
  const size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
  if (name[n] || n > 64)
    return VW_AT(r, node, "%s: '%.*s' cannot name a part of a study; use at most 64 letters, digits, - and _", section,
                 SHOWN, name);
  return VW_OK;
}

/* The name of the i-th part of a section; "" where it has none, which is kept as a problem. */
static vw_status part_name(vw_reader *r, yaml_node_t *map, int64_t i, const char *section, const char **name) {
  const char *key = "";
  VW_TRY(vw_reader_keep(r, mapping_key(r, map, i, section, &key)));
  *name = vw_pool_text(&r->config->pool, key, -1);
  VW_CHECK(*name, VW_ERR_MEMORY, "%s: out of memory", r->path);
  return VW_OK;
}

static vw_status expect_parts(vw_reader *r, yaml_node_t *map, const char *section, const char *what, int64_t *n) {
  *n = 0;
  if (map->type != YAML_MAPPING_NODE || !mapping_count(map))
    return VW_AT(r, map, "%s: expected %s by name, got %s", section, what, vw_reader_got(map));
  if (mapping_count(map) > MOST_PAIRS)
    return VW_AT(r, map, "%s: %" PRId64 " %s; at most %d", section, mapping_count(map), what, MOST_PAIRS);
  *n = mapping_count(map);
  return VW_OK;
}

/* A key of another kind of data set would change nothing. */
static vw_status check_kind(vw_reader *r, const vw_data_config *d, yaml_node_t **seen) {
  for (int i = 0; i < vw_study_n_keys; i++) {
    const vw_key *o = &vw_study_keys[i];
    if (!seen[i] || o->section != VW_SEC_DATA || vw_key_is_of_kind(o, d)) continue;
    VW_TRY(vw_reader_keep(r, VW_AT(r, seen[i],
                                   "data.%s.%s: nothing uses it; data sets of kind %s do not, only %s: remove it",
                                   d->name, vw_key_name(o), vw_data_kind_name(d), o->kinds)));
  }
  return VW_OK;
}

static vw_status read_data_set(vw_reader *r, yaml_node_t *map, int64_t i) {
  vw_data_config *d = &r->config->data[i];
  yaml_node_t *seen[VW_MOST_KEYS] = {0};
  yaml_node_t *key = vw_reader_node(r, map->data.mapping.pairs.start[i].key);
  yaml_node_t *value = vw_reader_node(r, map->data.mapping.pairs.start[i].value);
  VW_TRY(part_name(r, map, i, "data", &d->name));
  VW_TRY(vw_reader_keep(r, vw_reader_check_name(r, key, "data", d->name)));
  const char *path = vw_reader_path(r, "data", d->name);
  VW_CHECK(path, VW_ERR_MEMORY, "%s: out of memory", r->path);
  VW_TRY(vw_reader_defaults(r, VW_SEC_DATA, d));
  const vw_target t = {VW_SEC_DATA, d, path, "", seen, false};
  VW_TRY(vw_reader_section(r, &t, value));
  return check_kind(r, d, seen);
}

/* Where the file names a data set's values, they are named for a fold of it too: "data.subjects-2.root". */
static vw_status place_fold(vw_reader *r, const char *name, const char *fold) {
  vw_study_config *c = r->config;
  const int64_t n = c->n_places;
  char start[256];
  (void)snprintf(start, sizeof start, "data.%s.", name);
  for (int64_t i = 0; r->problems && i < n; i++) {
    const vw_study_place p = c->places[i];
    char key[512];
    if (strncmp(p.key, start, strlen(start)) != 0) continue;
    (void)snprintf(key, sizeof key, "data.%s.%s", fold, p.key + strlen(start));
    r->key = vw_pool_text(&c->pool, key, -1);
    VW_CHECK(r->key, VW_ERR_MEMORY, "%s: out of memory", r->path);
    const yaml_node_t node = {.start_mark = {.line = (size_t)p.line - 1, .column = (size_t)p.column - 1}};
    VW_TRY(vw_reader_place(r, p.item, &node));
  }
  return VW_OK;
}

/* A data set with k folds becomes k: NAME-1 to NAME-k, each of which holds out another part. */
static vw_status spread_folds(vw_reader *r) {
  vw_study_config *c = r->config;
  int64_t n = 0, at = 0;
  for (int64_t i = 0; i < c->n_data; i++) n += c->data[i].folds > 1 ? c->data[i].folds : 1;
  if (n == c->n_data) return VW_OK;
  VW_CHECK(n <= MOST_FOLDS, VW_ERR_INPUT, "%s: %" PRId64 " data sets with their folds; at most %d", r->path, n,
           MOST_FOLDS);
  vw_data_config *all = vw_pool_take(&c->pool, (size_t)n * sizeof *all);
  VW_CHECK(all, VW_ERR_MEMORY, "%s: out of memory", r->path);
  for (int64_t i = 0; i < c->n_data; i++) {
    const vw_data_config *d = &c->data[i];
    all[at++] = *d;
    for (int64_t k = 0; k < d->folds && d->folds > 1; k++) {
      char name[128];
      vw_data_config *fold = &all[at - 1 + k];
      (void)snprintf(name, sizeof name, "%s-%" PRId64, d->name, k + 1);
      *fold = *d;
      fold->fold = k, fold->name = vw_pool_text(&c->pool, name, -1);
      VW_CHECK(fold->name, VW_ERR_MEMORY, "%s: out of memory", r->path);
      VW_TRY(place_fold(r, d->name, fold->name));
    }
    at += d->folds > 1 ? d->folds - 1 : 0;
  }
  c->data = all, c->n_data = n;
  return VW_OK;
}

/* Two data sets of one name: only a fold can have another's. */
static vw_status check_fold_names(vw_reader *r, const yaml_node_t *map) {
  const vw_study_config *c = r->config;
  for (int64_t i = 0; i < c->n_data; i++)
    for (int64_t k = 0; c->data[i].folds > 1 && k < c->n_data; k++)
      if (k != i && strcmp(c->data[i].name, c->data[k].name) == 0)
        return VW_AT(r, map, "data: '%s' is a fold and a data set: rename one", c->data[i].name);
  return VW_OK;
}

static vw_status read_data(vw_reader *r, yaml_node_t *map) {
  vw_study_config *c = r->config;
  int64_t n = 0;
  VW_TRY(expect_parts(r, map, "data", "data sets", &n));
  c->data = vw_pool_take(&c->pool, (size_t)n * sizeof *c->data);
  VW_CHECK(c->data, VW_ERR_MEMORY, "%s: out of memory", r->path);
  c->n_data = n;
  for (int64_t i = 0; i < n; i++) VW_TRY(vw_reader_keep(r, read_data_set(r, map, i)));
  VW_TRY(spread_folds(r));
  return check_fold_names(r, map);
}

/* All names first: a map of steps by model name may stand before the models are read. */
static vw_status name_models(vw_reader *r, yaml_node_t *map) {
  vw_study_config *c = r->config;
  int64_t n = 0;
  VW_TRY(expect_parts(r, map, "models", "models", &n));
  c->models = vw_pool_take(&c->pool, (size_t)n * sizeof *c->models);
  VW_CHECK(c->models, VW_ERR_MEMORY, "%s: out of memory", r->path);
  c->n_models = n;
  for (int64_t i = 0; i < n; i++) VW_TRY(part_name(r, map, i, "models", &c->models[i].name));
  return VW_OK;
}

/* --- the document ----------------------------------------------------------------------------------------------- */

static vw_status read_document(vw_reader *r) {
  vw_study_config *c = r->config;
  yaml_node_t *seen[VW_MOST_KEYS] = {0};
  yaml_node_t *root = yaml_document_get_root_node(r->document);
  VW_CHECK(root, VW_ERR_INPUT, "%s: the file is empty; docs/study-file.md shows a study", r->path);
  VW_TRY(vw_reader_defaults(r, VW_SEC_STUDY, c));
  const vw_target all = {VW_SEC_STUDY, c, "", "", seen, false};
  VW_TRY(vw_reader_section(r, &all, root));
  yaml_node_t *data = seen[vw_key_place("data")], *models = seen[vw_key_place("models")];
  if (models) VW_TRY(vw_reader_keep(r, name_models(r, models)));
  if (data) VW_TRY(vw_reader_keep(r, read_data(r, data)));
  return vw_reader_models(r, root, models, data, seen);
}

/* --- public ----------------------------------------------------------------------------------------------------- */

/* libyaml takes time in the square of how deep brackets are nested, so a file of a few KB could keep it busy for an
 * hour. Brackets in texts count too: no study has hundreds more that open than close. */
static vw_status check_nesting(vw_reader *r, const char *text, size_t bytes) {
  int64_t depth = 0, line = 1, column = 0;
  for (size_t i = 0; i < bytes && depth <= MOST_NESTED; i++) {
    column++;
    if (text[i] == '\n') line++, column = 0;
    if (text[i] == '[' || text[i] == '{') depth++;
    if ((text[i] == ']' || text[i] == '}') && depth) depth--;
  }
  r->line = line, r->column = column;
  VW_CHECK(depth <= MOST_NESTED, VW_ERR_INPUT, "%s:%" PRId64 ":%" PRId64 ": more than %d brackets are open; close them",
           r->path, line, column, MOST_NESTED);
  r->line = r->column = 0;
  return VW_OK;
}

static vw_status read_text(vw_reader *r, const char *text, size_t bytes) {
  vw_study_config *c = r->config;
  c->path = vw_pool_text(&c->pool, r->path, -1);
  c->text = vw_pool_text(&c->pool, text, (ptrdiff_t)bytes);
  VW_CHECK(c->path && c->text, VW_ERR_MEMORY, "%s: out of memory", r->path);
  if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, bytes -= 3; /* what some editors put first */
  VW_TRY(check_nesting(r, text, bytes));
  VW_TRY(vw_reader_load(r, text, bytes));
  const vw_status st = read_document(r);
  yaml_document_delete(r->document);
  return st;
}

static vw_status parse(const char *path, const char *text, size_t bytes, const vw_study_kinds *kinds, bool alone,
                       vw_problems *problems, vw_study_config **config) {
  yaml_document_t document;
  vw_problems own = {0};
  *config = NULL;
  vw_study_config *c = calloc(1, sizeof *c);
  VW_CHECK(c, VW_ERR_MEMORY, "%s: out of memory", path);
  vw_reader r = {.path = path, .document = &document, .config = c, .kinds = kinds, .alone = alone};
  r.problems = problems ? problems : &own;
  const int64_t before = r.problems->n_errors;
  vw_status st = read_text(&r, text, bytes);
  const bool whole = st == VW_OK;
  st = vw_reader_keep(&r, st);
  vw_problems_sort(r.problems);
  if (st == VW_OK && !problems) st = vw_problems_first(&own);
  vw_problems_fini(&own);
  vw_pool_fini(&r.scratch);
  if (st == VW_OK && whole && (problems || r.problems->n_errors == before))
    *config = c;
  else
    vw_study_config_destroy(c);
  return st;
}

vw_status vw_study_config_parse(const char *path, const char *text, size_t bytes, const vw_study_kinds *kinds,
                                vw_problems *problems, vw_study_config **config) {
  return parse(path, text, bytes, kinds, false, problems, config);
}

vw_status vw_study_config_parse_alone(const char *path, const char *text, size_t bytes, const vw_study_kinds *kinds,
                                      vw_study_config **config) {
  return parse(path, text, bytes, kinds, true, NULL, config);
}

/* The bytes of a study file: whatever keeps them from being read is a mistake of who named the file. */
static vw_status read_file(const char *path, char **text, int64_t *bytes) {
  struct stat info;
  *text = NULL;
  VW_CHECK(stat(path, &info) == 0, VW_ERR_INPUT, "%s: cannot open the study file: %s", path, strerror(errno));
  VW_CHECK(S_ISREG(info.st_mode), VW_ERR_INPUT, "%s: %s; expected a study file", path,
           S_ISDIR(info.st_mode) ? "a directory" : "not a file");
  VW_CHECK(info.st_size <= MOST_BYTES, VW_ERR_INPUT, "%s: %lld bytes are too many for a study file; at most %d", path,
           (long long)info.st_size, MOST_BYTES);
  const vw_status st = vw_file_read(path, text, bytes);
  return st == VW_ERR_IO ? VW_RAISE(VW_ERR_INPUT, "%s", vw_error_message()) : st;
}

vw_status vw_study_config_read(const char *path, const vw_study_kinds *kinds, vw_problems *problems,
                               vw_study_config **config) {
  char *text = NULL;
  int64_t bytes = 0;
  *config = NULL;
  vw_status st = read_file(path, &text, &bytes);
  st = st == VW_OK ? vw_study_config_parse(path, text, (size_t)bytes, kinds, problems, config)
                   : vw_problems_keep(problems, st, 0, 0);
  free(text);
  return st;
}
