/* Values of a study file: conversion, ranges, lists; every refusal names file, line, column and key. */
#include "io/study/study_values.h"
#include "core/durable.h"
#include "core/options.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- nodes and messages ----------------------------------------------------------------------------------------- */

/* One line, whatever the file holds: control characters and the tail of a giant stay out. */
static void tidy(char *message) {
  for (unsigned char *p = (unsigned char *)message; *p; p++)
    if (*p < ' ' || *p == 127) *p = '?';
}

vw_status vw_reader_raise(vw_reader *r, vw_status st, const yaml_node_t *node, int line, const char *fmt, ...) {
  char message[512];
  va_list args;
  va_start(args, fmt);
  (void)vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  tidy(message);
  r->line = (int64_t)node->start_mark.line + 1, r->column = (int64_t)node->start_mark.column + 1;
  return vw_raise(st, __FILE__, line, "%s:%zu:%zu: %s", r->path, node->start_mark.line + 1, node->start_mark.column + 1,
                  message);
}

vw_status vw_reader_keep(vw_reader *r, vw_status st) {
  return vw_problems_keep(r->problems, st, r->line, r->column);
}

vw_status vw_reader_place(vw_reader *r, int64_t item, const yaml_node_t *node) {
  vw_study_config *c = r->config;
  if (!r->problems) return VW_OK;
  if (c->n_places == c->places_room) {
    const int64_t room = c->places_room ? 2 * c->places_room : 64;
    vw_study_place *more = realloc(c->places, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "%s: out of memory", r->path);
    c->places = more, c->places_room = room;
  }
  c->places[c->n_places++] =
      (vw_study_place){r->key, item, (int64_t)node->start_mark.line + 1, (int64_t)node->start_mark.column + 1};
  return VW_OK;
}

/* libyaml's own words, and where: of bytes that are no text it knows the offset only. */
static vw_status not_yaml(vw_reader *r, const yaml_parser_t *p, const char *text, size_t bytes) {
  yaml_mark_t at = p->problem_mark;
  if (p->error == YAML_MEMORY_ERROR) return VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", r->path);
  if (p->error == YAML_READER_ERROR) {
    at = (yaml_mark_t){0};
    for (size_t i = 0; i < p->problem_offset && i < bytes; i++) {
      if (((unsigned char)text[i] & 0xC0) != 0x80) at.column++;
      if (text[i] == '\n') at.line++, at.column = 0;
    }
  }
  r->line = (int64_t)at.line + 1, r->column = (int64_t)at.column + 1;
  const bool tab = p->error == YAML_SCANNER_ERROR && at.index < bytes && text[at.index] == '\t';
  return VW_RAISE(VW_ERR_INPUT, "%s:%zu:%zu: not YAML: %s%s%s%s", r->path, at.line + 1, at.column + 1,
                  p->problem ? p->problem : "unreadable", p->context ? ", " : "", p->context ? p->context : "",
                  tab                             ? "; a tab stands there: indent with blanks"
                  : p->error == YAML_READER_ERROR ? "; save the file as UTF-8 text"
                                                  : "");
}

vw_status vw_reader_load(vw_reader *r, const char *text, size_t bytes) {
  yaml_parser_t parser;
  yaml_document_t second;
  vw_status st = VW_OK;
  VW_CHECK(yaml_parser_initialize(&parser), VW_ERR_MEMORY, "%s: out of memory", r->path);
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
  r->text = text, r->bytes = bytes;
  if (!yaml_parser_load(&parser, r->document)) {
    st = not_yaml(r, &parser, text, bytes);
    yaml_parser_delete(&parser);
    return st;
  }
  /* The end of the stream is an empty document. */
  if (yaml_document_get_root_node(r->document)) {
    if (!yaml_parser_load(&parser, &second)) {
      st = not_yaml(r, &parser, text, bytes);
    } else {
      const yaml_node_t *root = yaml_document_get_root_node(&second);
      if (root) st = VW_AT(r, root, "a second document begins here; a study file holds one");
      yaml_document_delete(&second);
    }
  }
  yaml_parser_delete(&parser);
  if (st != VW_OK) yaml_document_delete(r->document);
  return st;
}

yaml_node_t *vw_reader_node(const vw_reader *r, int index) {
  return yaml_document_get_node(r->document, index);
}

const char *vw_reader_path(vw_reader *r, const char *a, const char *b) {
  if (!a || !b) return NULL;
  const size_t n = strlen(a) + strlen(b) + 2;
  char *path = vw_pool_take(&r->scratch, n);
  if (path) (void)snprintf(path, n, "%s%s%s", a, a[0] ? "." : "", b);
  return path;
}

const char *vw_reader_got(const yaml_node_t *node) {
  static _Thread_local char text[64];
  if (node->type == YAML_SEQUENCE_NODE)
    return node->data.sequence.items.start == node->data.sequence.items.top ? "an empty list" : "a list";
  if (node->type == YAML_MAPPING_NODE)
    return node->data.mapping.pairs.start == node->data.mapping.pairs.top ? "an empty mapping" : "a mapping";
  const char *value = (const char *)node->data.scalar.value;
  if (!value[0]) return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? "nothing" : "an empty text";
  (void)snprintf(text, sizeof text, strlen(value) > 40 ? "'%.40s...'" : "'%s'", value);
  return text;
}

/* The text of a scalar; what YAML calls numbers or booleans are texts here where a text is expected. */
static const char *scalar(const yaml_node_t *node) {
  if (node->type != YAML_SCALAR_NODE || !node->data.scalar.length) return NULL;
  const char *value = (const char *)node->data.scalar.value;
  return strlen(value) == node->data.scalar.length ? value : NULL; /* "\0" inside: no text of ours */
}

static vw_status refuse(vw_reader *r, const vw_key *o, const yaml_node_t *node, const char *path) {
  char expected[192];
  vw_key_expected(o, r->kinds, expected, sizeof expected);
  return VW_AT(r, node, "%s: expected %s, got %s", path, expected, vw_reader_got(node));
}

static vw_status out_of_memory(const vw_reader *r) {
  return VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", r->path);
}

/* --- numbers ---------------------------------------------------------------------------------------------------- */

static bool in_range(const vw_key *o, double v) {
  return (o->above ? v > o->min : v >= o->min) && v <= o->max;
}

/* Whether a tag stands before a scalar. libyaml calls what has no tag a text, as what is tagged !!str. */
static bool has_tag(const vw_reader *r, const yaml_node_t *node) {
  const size_t first = node->start_mark.index, last = node->end_mark.index;
  size_t at = 0, character = 0;
  if (last - first == node->data.scalar.length) return false; /* the value and nothing else */
  for (; at < r->bytes && character < first; at++)
    character += at + 1 >= r->bytes || ((unsigned char)r->text[at + 1] & 0xC0) != 0x80;
  for (; at < r->bytes && character < last; at++, character++) /* tags and anchors of numbers are ASCII, or no number */
    if (r->text[at] == '!') return true;
  return false;
}

/* The text of what YAML reads as a number: not quoted, and tagged as a number or not at all; else NULL. Zeros before
 * other digits are refused: 010 is eight to some readers and ten to others. */
static const char *number_text(const vw_reader *r, const yaml_node_t *node, bool real) {
  const char *s = scalar(node), *tag = (const char *)node->tag;
  if (!s || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return NULL;
  const bool is_number = tag && (strcmp(tag, YAML_INT_TAG) == 0 || (real && strcmp(tag, YAML_FLOAT_TAG) == 0));
  if (!is_number && ((tag && strcmp(tag, YAML_STR_TAG) != 0) || has_tag(r, node))) return NULL;
  const char *digits = s + strspn(s, "+-");
  return digits[0] == '0' && strchr("0123456789", digits[1]) && digits[1] ? NULL : s;
}

/* Plain decimal integers: no quotes, blanks, hexadecimal or octal. */
static bool integer_of(const vw_reader *r, const yaml_node_t *node, int64_t *v) {
  const char *s = number_text(r, node, false);
  if (!s || !strchr("+-0123456789", s[0])) return false;
  char *end = NULL;
  errno = 0;
  *v = strtoll(s, &end, 10);
  return !errno && !*end;
}

static bool real_of(const vw_reader *r, const yaml_node_t *node, double *v) {
  const char *s = number_text(r, node, true);
  if (!s) return false;
  if (s[strspn(s, "+-.0123456789eE")]) return false; /* strtod also reads hexadecimal, inf and nan */
  char *end = NULL;
  *v = strtod(s, &end);
  return end != s && !*end && isfinite(*v);
}

/* "4 GiB", "512MiB", "1000000". */
static bool memory_of(const yaml_node_t *node, int64_t *v) {
  static const char *const unit[] = {"", "KiB", "MiB", "GiB", "TiB"};
  const char *s = scalar(node);
  if (!s || !strspn(s, "0123456789.") || s[strspn(s, "0123456789. KMGTiBe")]) return false;
  char *end = NULL;
  const double n = strtod(s, &end);
  end += strspn(end, " ");
  for (int i = 0; i < 5; i++) {
    const double bytes = ldexp(n, 10 * i);
    if (strcmp(end, unit[i]) == 0 && bytes >= 1 && bytes <= 9e15) {
      *v = (int64_t)bytes;
      return true;
    }
  }
  return false;
}

static vw_status assign_int(vw_reader *r, const vw_key *o, int64_t *member, yaml_node_t *node, const char *path) {
  const char *s = scalar(node);
  int64_t v = 0;
  if (s && strcmp(s, "auto") == 0 && (o->type == VW_KEY_AUTO || o->type == VW_KEY_MEMORY)) {
    *member = 0;
    return VW_OK;
  }
  const bool ok = o->type == VW_KEY_MEMORY ? memory_of(node, &v) : integer_of(r, node, &v) && in_range(o, (double)v);
  if (!ok) return refuse(r, o, node, path);
  *member = v;
  return VW_OK;
}

static vw_status assign_steps_of(vw_reader *r, const vw_key *o, int64_t *member, const yaml_node_t *map, int64_t i,
                                 const char *path) {
  const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
  yaml_node_t *key = vw_reader_node(r, pair[i].key), *value = vw_reader_node(r, pair[i].value);
  const char *name = scalar(key), *names[64];
  int64_t v = 0, n = 0;
  bool known = false;
  for (int64_t m = 0; name && m < r->config->n_models; m++) {
    if (n < 64) names[n++] = r->config->models[m].name;
    known |= strcmp(name, r->config->models[m].name) == 0;
  }
  const char *near = name && !known ? vw_near_miss(name, names, n) : NULL;
  if (!name || (!known && r->config->n_models))
    return VW_AT(r, key, "%s: %s is no model of this study%s%s%s", path, vw_reader_got(key),
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
  for (int64_t q = 0; q < i; q++) {
    const char *other = scalar(vw_reader_node(r, pair[q].key));
    if (other && strcmp(other, name) == 0) return VW_AT(r, key, "%s.%s: given twice; keep one", path, name);
  }
  const char *full = vw_reader_path(r, path, name);
  if (!full) return out_of_memory(r);
  if (!integer_of(r, value, &v) || !in_range(o, (double)v)) return refuse(r, o, value, full);
  if (r->model && strcmp(name, r->model) == 0) *member = v;
  return VW_OK;
}

void vw_steps_of(const vw_reader *r, const yaml_node_t *node, int64_t otherwise, int64_t *steps) {
  if (node->type != YAML_MAPPING_NODE) return;
  *steps = otherwise;
  for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
    const char *name = scalar(vw_reader_node(r, pair->key));
    int64_t v = 0;
    if (name && r->model && strcmp(name, r->model) == 0 && integer_of(r, vw_reader_node(r, pair->value), &v))
      *steps = v;
  }
}

/* A number, or {clip: 400, owl: 300}: each name must be a model of the study; the others keep what they had. */
static vw_status assign_steps(vw_reader *r, const vw_key *o, int64_t *member, yaml_node_t *node, const char *path) {
  if (node->type != YAML_MAPPING_NODE) return assign_int(r, o, member, node, path);
  const int64_t n = node->data.mapping.pairs.top - node->data.mapping.pairs.start;
  if (!n) return refuse(r, o, node, path);
  if (n > VW_MOST_NAMES) return VW_AT(r, node, "%s: a mapping of %" PRId64 " keys is too long", path, n);
  for (int64_t i = 0; i < n; i++) VW_TRY(vw_reader_keep(r, assign_steps_of(r, o, member, node, i, path)));
  return VW_OK;
}

static vw_status assign_real(vw_reader *r, const vw_key *o, double *member, yaml_node_t *node, const char *path) {
  double v = 0;
  if (!real_of(r, node, &v) || !in_range(o, v)) return refuse(r, o, node, path);
  *member = v;
  return VW_OK;
}

/* --- words and texts -------------------------------------------------------------------------------------------- */

static vw_status not_built(vw_reader *r, const yaml_node_t *node, const char *path, const char *what) {
  return vw_reader_raise(r, VW_ERR_UNSUPPORTED, node, __LINE__,
                         "%s: %s is part of the design, but this version of viswords cannot do it yet", path, what);
}

/* A word of `choices`; *place is where it stands. */
static vw_status choose(vw_reader *r, const vw_key *o, yaml_node_t *node, const char *path, int *place) {
  const char *s = scalar(node);
  const size_t n = s ? strlen(s) : 0;
  const char *choices = o->type == VW_KEY_KIND ? r->kinds->models : o->choices;
  char expected[192];
  *place = s ? vw_word_place(choices, s, n) : -1;
  if (*place >= 0) return VW_OK;
  if (s && vw_word_place(o->type == VW_KEY_KIND ? r->kinds->later : o->later, s, n) >= 0)
    return not_built(r, node, path, s);
  if (!s) return refuse(r, o, node, path);
  vw_key_expected(o, r->kinds, expected, sizeof expected);
  return VW_AT(r, node, "%s: expected %s, got %s%s", path, expected, vw_reader_got(node), vw_word_hint(choices, s));
}

/* A kind of models; by default the first of the program. */
static vw_status assign_kind(vw_reader *r, const vw_key *o, const char **member, yaml_node_t *node, const char *path) {
  int place = 0, n = 0;
  if (r->problems) VW_TRY(choose(r, o, node, path, &place));
  const char *word = vw_word_at(r->kinds->models, place, &n);
  *member = vw_pool_text(&r->config->pool, word, n);
  return *member ? VW_OK : out_of_memory(r);
}

/* Relative to the study file; "~/" is the user's home. */
static const char *absolute(vw_reader *r, const char *s) {
  const char *slash = strrchr(r->path, '/'), *home = getenv("HOME");
  const char *base = s[0] == '~' && s[1] == '/' && home ? home : r->path;
  const size_t n_base = base == r->path ? (slash ? (size_t)(slash - r->path) + 1 : 0) : strlen(home);
  const char *rest = base == r->path ? s : s + 1;
  if (s[0] == '/') return vw_pool_text(&r->config->pool, s, -1);
  char *path = vw_pool_take(&r->config->pool, n_base + strlen(rest) + 1);
  if (path) {
    memcpy(path, base, n_base);
    memcpy(path + n_base, rest, strlen(rest) + 1);
  }
  return path;
}

/* One {} and no more: the place of the word. */
static vw_status check_template(vw_reader *r, const yaml_node_t *node, const char *path, const char *s) {
  const char *hole = strstr(s, "{}");
  if (!hole || strstr(hole + 2, "{}"))
    return VW_AT(r, node, "%s: '%s' needs {} exactly once, where the word goes", path, s);
  return VW_OK;
}

static vw_status assign_text(vw_reader *r, const vw_key *o, const char **member, yaml_node_t *node, const char *path) {
  const bool is_empty = o->may_be_empty && node->type == YAML_SCALAR_NODE && !node->data.scalar.length &&
                        node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
  const char *s = is_empty ? "" : scalar(node);
  if (!s) return refuse(r, o, node, path);
  const bool word = o->type == VW_KEY_VOCABULARY && vw_word_place(o->choices, s, strlen(s)) >= 0;
  if (o->type == VW_KEY_TEMPLATE) VW_TRY(check_template(r, node, path, s));
  *member = (o->type == VW_KEY_PATH || o->type == VW_KEY_VOCABULARY) && !word ? absolute(r, s)
                                                                              : vw_pool_text(&r->config->pool, s, -1);
  return *member ? VW_OK : out_of_memory(r);
}

/* --- lists ------------------------------------------------------------------------------------------------------ */

static vw_status list_items(vw_reader *r, const vw_key *o, yaml_node_t *node, const char *path, int64_t *n) {
  *n = 0;
  if (node->type != YAML_SEQUENCE_NODE) return refuse(r, o, node, path);
  *n = node->data.sequence.items.top - node->data.sequence.items.start;
  if (!*n) return VW_AT(r, node, "%s: the list is empty; give at least one", path);
  if (*n > VW_MOST_NAMES) return VW_AT(r, node, "%s: a list of %" PRId64 "; at most %d", path, *n, VW_MOST_NAMES);
  r->entries += *n, r->pairs += *n * *n;
  if (r->entries > VW_MOST_ENTRIES || r->pairs > 2 * (int64_t)VW_MOST_NAMES * VW_MOST_NAMES)
    return VW_AT(r, node, "%s: with this one the file's lists are too long together (an alias counts each time)", path);
  return VW_OK;
}

/* "null-0" is the name of a null concept. */
static bool reserved(const char *s) {
  return strncmp(s, "null-", 5) == 0 && s[5] && !s[5 + strspn(s + 5, "0123456789")];
}

static vw_status check_item(vw_reader *r, const vw_key *o, yaml_node_t *item, const char *path) {
  const char *s = scalar(item);
  int place = 0;
  if (!s) return VW_AT(r, item, "%s: expected a text in the list, got %s", path, vw_reader_got(item));
  if (o->type == VW_KEY_TEMPLATES) return check_template(r, item, path, s);
  if (o->type == VW_KEY_STAGES) return choose(r, o, item, path, &place);
  if (o->type == VW_KEY_NAMES && reserved(s))
    return VW_AT(r, item, "%s: '%s' is the name of a null concept; choose another", path, s);
  return VW_OK;
}

static vw_status assign_item(vw_reader *r, const vw_key *o, vw_names *names, yaml_node_t *item, const char *path) {
  VW_TRY(check_item(r, o, item, path));
  const char *s = scalar(item);
  for (int64_t j = 0; j < names->n; j++)
    if (strcmp(names->name[j], s) == 0) return VW_AT(r, item, "%s: '%s' is listed twice; keep one", path, s);
  names->name[names->n] = vw_pool_text(&r->config->pool, s, -1);
  if (!names->name[names->n]) return out_of_memory(r);
  return vw_reader_place(r, names->n++, item);
}

static vw_status assign_names(vw_reader *r, const vw_key *o, vw_names *member, yaml_node_t *node, const char *path) {
  int64_t n = 0;
  VW_TRY(list_items(r, o, node, path, &n));
  vw_names names = {0, vw_pool_take(&r->config->pool, (size_t)n * sizeof *names.name)};
  if (!names.name) return out_of_memory(r);
  for (int64_t i = 0; i < n; i++) {
    yaml_node_t *item = vw_reader_node(r, node->data.sequence.items.start[i]);
    VW_TRY(vw_reader_keep(r, assign_item(r, o, &names, item, path)));
  }
  if (names.n) *member = names;
  return VW_OK;
}

static vw_status assign_delta(vw_reader *r, const vw_key *o, vw_numbers *v, yaml_node_t *item, const char *path) {
  const char *s = scalar(item);
  double *delta = &v->v[v->n];
  if (s && strcmp(s, "free") == 0)
    *delta = INFINITY;
  else if (!real_of(r, item, delta) || !in_range(o, *delta))
    return refuse(r, o, item, path);
  for (int64_t j = 0; j < v->n; j++)
    if (v->v[j] == *delta) return VW_AT(r, item, "%s: '%s' is listed twice; keep one", path, s);
  v->n++;
  return VW_OK;
}

static vw_status assign_layer(vw_reader *r, const vw_key *o, vw_numbers *v, yaml_node_t *item, const char *path) {
  int64_t layer = 0;
  if (!integer_of(r, item, &layer) || !in_range(o, (double)layer)) return refuse(r, o, item, path);
  for (int64_t j = 0; j < v->n; j++)
    if (v->v[j] == (double)layer) return VW_AT(r, item, "%s: '%s' is listed twice; keep one", path, scalar(item));
  v->v[v->n] = (double)layer;
  return vw_reader_place(r, v->n++, item);
}

static vw_status assign_deltas(vw_reader *r, const vw_key *o, vw_numbers *member, yaml_node_t *node, const char *path) {
  int64_t n = 0;
  VW_TRY(list_items(r, o, node, path, &n));
  vw_numbers v = {0, vw_pool_take(&r->config->pool, (size_t)n * sizeof *v.v)};
  if (!v.v) return out_of_memory(r);
  for (int64_t i = 0; i < n; i++) {
    yaml_node_t *item = vw_reader_node(r, node->data.sequence.items.start[i]);
    VW_TRY(vw_reader_keep(r, o->type == VW_KEY_LAYERS ? assign_layer(r, o, &v, item, path)
                                                      : assign_delta(r, o, &v, item, path)));
  }
  if (v.n) *member = v;
  return VW_OK;
}

/* Names of a file, a line each; blank lines do not count. `text` is cut into them. */
static vw_status names_of_text(vw_reader *r, const char *file, char *text, vw_names *member) {
  int64_t lines = 1, n = 0, at = 0;
  for (const char *p = text; *p; p++) lines += *p == '\n';
  VW_CHECK(lines <= VW_MOST_NAMES, VW_ERR_INPUT, "%s: %" PRId64 " lines; at most %d names", file, lines, VW_MOST_NAMES);
  const char **name = vw_pool_take(&r->config->pool, (size_t)lines * sizeof *name);
  if (!name) return out_of_memory(r);
  for (char *line = text, *next = NULL; line; line = next) {
    next = strchr(line, '\n');
    if (next) *next++ = 0;
    at++;
    line += strspn(line, " \t");
    size_t length = strlen(line);
    while (length && strchr(" \t\r", line[length - 1])) length--;
    if (!length) continue;
    name[n] = vw_pool_text(&r->config->pool, line, (ptrdiff_t)length);
    if (!name[n]) return out_of_memory(r);
    for (int64_t j = 0; j < n; j++)
      VW_CHECK(strcmp(name[j], name[n]) != 0, VW_ERR_INPUT, "%s:%" PRId64 ": '%s' is listed twice; keep one", file, at,
               name[n]);
    n++;
  }
  VW_CHECK(n, VW_ERR_INPUT, "%s: no names in it; give one a line", file);
  *member = (vw_names){n, name};
  return VW_OK;
}

static vw_status assign_classes(vw_reader *r, const vw_key *o, vw_names *member, yaml_node_t *node, const char *path) {
  char *text = NULL;
  const char *s = scalar(node);
  if (node->type == YAML_SEQUENCE_NODE) return assign_names(r, o, member, node, path);
  if (!s) return refuse(r, o, node, path);
  if (r->alone) return VW_OK;
  const char *file = absolute(r, s);
  if (!file) return out_of_memory(r);
  if (!vw_file_exists(file)) return VW_AT(r, node, "%s: no file %s (a name a line), nor a list", path, file);
  if (vw_file_read_lines(file, &text) != VW_OK) return VW_AT(r, node, "%s: cannot read %s", path, file);
  const vw_status st = names_of_text(r, file, text, member);
  free(text);
  return st;
}

/* --- front door ------------------------------------------------------------------------------------------------- */

vw_status vw_reader_assign(vw_reader *r, const vw_key *o, void *base, yaml_node_t *node, const char *path) {
  void *member = (char *)base + o->offset;
  if (r->problems && !(r->key = vw_pool_text(&r->config->pool, path, -1))) return out_of_memory(r);
  r->line = (int64_t)node->start_mark.line + 1, r->column = (int64_t)node->start_mark.column + 1;
  VW_TRY(vw_reader_place(r, -1, node));
  switch (o->type) {
  case VW_KEY_TEXT:
  case VW_KEY_PATH:
  case VW_KEY_TEMPLATE:
  case VW_KEY_VOCABULARY:
    return assign_text(r, o, member, node, path);
  case VW_KEY_INT:
  case VW_KEY_AUTO:
  case VW_KEY_MEMORY:
    return assign_int(r, o, member, node, path);
  case VW_KEY_STEPS:
    return assign_steps(r, o, member, node, path);
  case VW_KEY_REAL:
    return assign_real(r, o, member, node, path);
  case VW_KEY_CHOICE:
    return choose(r, o, node, path, member);
  case VW_KEY_KIND:
    return assign_kind(r, o, member, node, path);
  case VW_KEY_NAMES:
  case VW_KEY_STAGES:
  case VW_KEY_TEMPLATES:
    return assign_names(r, o, member, node, path);
  case VW_KEY_CLASSES:
    return assign_classes(r, o, member, node, path);
  case VW_KEY_DELTAS:
  case VW_KEY_LAYERS:
    return assign_deltas(r, o, member, node, path);
  case VW_KEY_SECTION:
    break;
  }
  return VW_RAISE(VW_ERR_ARG, "%s is no value", path);
}
