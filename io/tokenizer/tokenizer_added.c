/* Added tokens, with the precedence of transformers 5.24 and, where a file gives a special token as plain text, the
 * flags of 4.57.6 (tests/reference/tokenizer_added.py runs both). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tokenizer_internal.h"

/* A token that a file asks for. */
typedef struct wanted {
  const char *text; /* borrowed */
  int64_t index;    /* what the file numbers it by: says the order, not the id */
  vw_special flags; /* no text, pattern or id */
} wanted;

typedef struct wanted_list {
  wanted *item;
  int64_t n, capacity;
} wanted_list;

static vw_status append(wanted_list *l, wanted w) {
  if (l->n == l->capacity) {
    const int64_t capacity = l->capacity ? 2 * l->capacity : 32;
    wanted *more = realloc(l->item, (size_t)capacity * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "out of memory for added tokens");
    l->item = more, l->capacity = capacity;
  }
  l->item[l->n++] = w;
  return VW_OK;
}

/* As a dictionary by number: the later one replaces. */
static vw_status put(wanted_list *l, wanted w) {
  for (int64_t i = 0; i < l->n; i++)
    if (l->item[i].index == w.index) {
      l->item[i] = w;
      return VW_OK;
    }
  return append(l, w);
}

static const wanted *find_wanted(const wanted_list *l, const char *text) {
  for (int64_t i = 0; i < l->n; i++)
    if (strcmp(l->item[i].text, text) == 0) return &l->item[i];
  return NULL;
}

/* ---- a token of a file ---- */

static vw_status read_flag(const char *path, const char *text, const json_t *token, const char *key, bool *flag) {
  const json_t *v = json_object_get(token, key);
  if (v) *flag = json_is_true(v);
  VW_CHECK(!v || json_is_boolean(v), VW_ERR_INPUT,
           "%s: token '%s': %s is neither true nor false; transformers does not read it either", path, text, key);
  return VW_OK;
}

/* {"content": text, flags}; `special` where the token does not say. Without "normalized" it is what is not special. */
static vw_status read_token(const char *path, const json_t *token, bool special, wanted *w) {
  w->text = json_string_value(json_object_get(token, "content"));
  VW_CHECK(w->text, VW_ERR_INPUT, "%s: an added token has no text \"content\"", path);
  w->flags = (vw_special){.special = special};
  VW_TRY(read_flag(path, w->text, token, "special", &w->flags.special));
  w->flags.normalised = !w->flags.special;
  VW_TRY(read_flag(path, w->text, token, "normalized", &w->flags.normalised));
  VW_TRY(read_flag(path, w->text, token, "single_word", &w->flags.whole_word));
  VW_TRY(read_flag(path, w->text, token, "lstrip", &w->flags.strip_left));
  VW_TRY(read_flag(path, w->text, token, "rstrip", &w->flags.strip_right));
  return VW_OK;
}

/* ---- the lists of tokens ---- */

static vw_status read_decoder(const vw_added_files *f, const json_t *decoder, wanted_list *l) {
  char path[VW_PATH_BYTES];
  const char *key;
  const json_t *value;
  VW_TRY(vw_path_format(path, "%s/tokenizer_config.json", f->folder));
  VW_CHECK(json_is_object(decoder), VW_ERR_INPUT, "%s: added_tokens_decoder: expected an object", path);
  json_object_foreach((json_t *)(uintptr_t)decoder, key, value) {
    wanted w = {0};
    char *rest;
    w.index = strtoll(key, &rest, 10);
    VW_CHECK(*key && !*rest && w.index >= 0, VW_ERR_INPUT, "%s: added_tokens_decoder: '%s' is not an id", path, key);
    VW_TRY(read_token(path, value, false, &w));
    VW_TRY(put(l, w));
  }
  return VW_OK;
}

/* added_tokens.json: {text: id}. */
static vw_status read_legacy(const vw_added_files *f, const wanted_list *specials, wanted_list *l) {
  char path[VW_PATH_BYTES];
  const char *text;
  json_t *value;
  VW_TRY(vw_path_format(path, "%s/added_tokens.json", f->folder));
  json_object_foreach(f->added, text, value) {
    const bool special = find_wanted(specials, text) != NULL;
    VW_CHECK(json_is_integer(value) && json_integer_value(value) >= 0, VW_ERR_INPUT,
             "%s: token '%s': the id is not a number from 0 on", path, text);
    VW_TRY(put(l, (wanted){.text = text,
                           .index = (int64_t)json_integer_value(value),
                           .flags = {.special = special, .normalised = !special}}));
  }
  return VW_OK;
}

/* `added_tokens` of tokenizer.json; it replaces what another file has under the same number. */
static vw_status read_whole(const vw_added_files *f, wanted_list *l) {
  char path[VW_PATH_BYTES];
  const json_t *token, *list = json_object_get(f->whole, "added_tokens");
  size_t i;
  VW_TRY(vw_path_format(path, "%s/tokenizer.json", f->folder));
  VW_CHECK(!list || json_is_array(list) || json_is_null(list), VW_ERR_INPUT, "%s: added_tokens: expected a list", path);
  json_array_foreach(list, i, token) {
    const json_t *id = json_object_get(token, "id");
    wanted w = {0};
    VW_CHECK(json_is_integer(id) && json_integer_value(id) >= 0, VW_ERR_INPUT,
             "%s: added_tokens[%zu]: the id is not a number from 0 on", path, i);
    VW_TRY(read_token(path, token, false, &w));
    w.index = (int64_t)json_integer_value(id);
    VW_TRY(put(l, w));
  }
  return VW_OK;
}

static int by_index(const void *a, const void *b) {
  const wanted *x = a, *y = b;
  return x->index < y->index ? -1 : x->index > y->index;
}

/* ---- special tokens: the roles, then others that a model has ---- */

static const char *const role_keys[] = {"bos_token", "eos_token", "unk_token",  "sep_token",
                                        "pad_token", "cls_token", "mask_token", NULL};

static bool is_role(const char *key) {
  for (int i = 0; role_keys[i]; i++)
    if (strcmp(role_keys[i], key) == 0) return true;
  return false;
}

static bool ends_in_token(const char *key) {
  const size_t n = strlen(key);
  return n >= 6 && strcmp(key + n - 6, "_token") == 0;
}

/* Text or an object of text and flags; `special`: of an object that does not say. *w has no text if there is none. */
static vw_status read_special(const char *path, const char *key, const json_t *value, bool special, wanted *w) {
  *w = (wanted){.text = json_string_value(value), .flags = {.special = true}};
  if (json_is_object(value)) VW_TRY(read_token(path, value, special, w));
  VW_CHECK(w->text || !value || json_is_null(value), VW_ERR_INPUT, "%s: %s: expected a token", path, key);
  if (w->text && !*w->text) w->text = NULL;
  return VW_OK;
}

/* Start, end, pad and unknown have a text where no file speaks of them. As plain text, start, end and unknown are found
 * in any case, the pad is not: so 4.57.6 makes them from vocab.json; not where tokenizer.json lists its tokens. */
static vw_status read_role(const vw_added_files *f, const json_t *map, int role, wanted *w) {
  static const char *const fallback[] = {
      "<|startoftext|>", "<|endoftext|>", "<|endoftext|>", NULL, "<|endoftext|>", NULL, NULL};
  const char *key = role_keys[role];
  const json_t *over = json_object_get(map, key), *value = over ? over : json_object_get(f->config, key);
  char path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(path, "%s/%s", f->folder, over ? "special_tokens_map.json" : "tokenizer_config.json"));
  VW_TRY(read_special(path, key, value, over != NULL, w));
  if (!value) w->text = fallback[role];
  VW_CHECK(w->text || role > 1, VW_ERR_INPUT, "%s: %s is empty: texts would have no start or end", path, key);
  if (!json_is_object(value)) w->flags.normalised = role < 3 && !f->whole;
  return VW_OK;
}

/* Tokens under keys of a model's own ("image_token"): plain text, or objects where `objects`. */
static vw_status read_named(const char *path, const json_t *from, bool all_keys, bool objects, wanted_list *l) {
  const char *key;
  const json_t *value;
  json_object_foreach((json_t *)(uintptr_t)from, key, value) {
    wanted w;
    if (!all_keys && (is_role(key) || !ends_in_token(key))) continue;
    if (!json_is_string(value) && !(objects && json_is_object(value))) continue;
    VW_TRY(read_special(path, key, value, true, &w));
    if (w.text) VW_TRY(append(l, w));
  }
  return VW_OK;
}

static vw_status read_listed(const char *path, const char *key, const json_t *list, wanted_list *l) {
  size_t i;
  const json_t *value;
  json_array_foreach(list, i, value) {
    wanted w;
    VW_TRY(read_special(path, key, value, true, &w));
    if (w.text) VW_TRY(append(l, w));
  }
  return VW_OK;
}

/* additional_special_tokens, called extra_special_tokens since 5: a list; as an object, tokens by name. */
static vw_status read_extra(const vw_added_files *f, const json_t *map, const char *config_path, const char *map_path,
                            wanted_list *l) {
  const json_t *extra = json_object_get(f->config, "extra_special_tokens"),
               *more = json_object_get(f->config, "additional_special_tokens"),
               *over = json_object_get(map, "extra_special_tokens");
  const bool listed = json_array_size(extra) > 0;
  if (json_is_object(extra)) VW_TRY(read_named(config_path, extra, true, true, l));
  if (json_is_object(over)) VW_TRY(read_named(map_path, over, true, true, l));
  VW_TRY(read_listed(config_path, "extra_special_tokens", extra, l));
  if (!listed) VW_TRY(read_listed(config_path, "additional_special_tokens", more, l));
  VW_TRY(read_listed(map_path, "extra_special_tokens", over, l));
  if (!json_is_array(extra) && !json_is_array(over) && !json_array_size(more))
    VW_TRY(read_listed(map_path, "additional_special_tokens", json_object_get(map, "additional_special_tokens"), l));
  return VW_OK;
}

/* ---- into the tables ---- */

/* The next id that the reference would give, taken by `text`. */
static vw_status append_token(vw_tokenizer *t, const char *path, const char *text, int64_t *out) {
  int64_t id = t->base;
  for (int i = 0; i < t->n_special; i++)
    if (t->special[i].id >= id) id = t->special[i].id + 1;
  VW_CHECK(id >= t->size || !t->text[id], VW_ERR_UNSUPPORTED,
           "%s: added token '%s' would get id %" PRId64 ", which is '%s' in the vocabulary: number it without gaps",
           path, text, id, t->text[id]);
  if (id >= t->size) {
    char **more = realloc(t->text, ((size_t)id + 2) * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "%s: out of memory", path);
    memset(more + t->size, 0, ((size_t)(id - t->size) + 2) * sizeof *more);
    t->text = more;
    t->size = id + 1;
  }
  t->text[id] = strdup(text);
  VW_CHECK(t->text[id], VW_ERR_MEMORY, "%s: out of memory", path);
  *out = id;
  return VW_OK;
}

static bool same_flags(const vw_special *a, const vw_special *b) {
  return a->normalised == b->normalised && a->whole_word == b->whole_word && a->strip_left == b->strip_left &&
         a->strip_right == b->strip_right;
}

/* Two tokens that the reference looks for as the same text: which one it finds is chance. */
static vw_status check_pattern(const vw_tokenizer *t, const char *path, const vw_special *s) {
  for (int i = 0; i < t->n_special; i++) {
    const vw_special *o = &t->special[i];
    VW_CHECK(o->normalised != s->normalised || strcmp(o->pattern, s->pattern) != 0, VW_ERR_UNSUPPORTED,
             "%s: added tokens '%s' and '%s' are both found as '%s'; transformers takes one of them by chance: remove "
             "one or set its normalized to false",
             path, o->text, s->text, s->pattern);
  }
  return VW_OK;
}

static const vw_special *is_added(const vw_tokenizer *t, const char *text) {
  for (int i = 0; i < t->n_special; i++)
    if (strcmp(t->special[i].text, text) == 0) return &t->special[i];
  return NULL;
}

/* A token's text in the form in which it is looked for; the caller frees. */
static vw_status make_pattern(const vw_special *s, char **out) {
  if (s->normalised) return vw_text_normalise(s->text, out);
  *out = strdup(s->text);
  VW_CHECK(*out, VW_ERR_MEMORY, "out of memory");
  return VW_OK;
}

static vw_status add(vw_tokenizer *t, const char *path, const wanted *w) {
  const vw_special *same = is_added(t, w->text);
  vw_special s = w->flags;
  char *text = NULL, *pattern = NULL;
  int64_t id = vw_tokenizer_id(t, w->text);
  vw_status st = VW_OK;
  if (!*w->text) return VW_OK;
  VW_CHECK(!same || same_flags(same, &w->flags), VW_ERR_UNSUPPORTED,
           "%s: added token '%s' is there twice, with other flags", path, w->text);
  if (same) return VW_OK;
  VW_CHECK(t->n_special < VW_MAX_SPECIAL, VW_ERR_UNSUPPORTED, "%s: more than %d added tokens", path, VW_MAX_SPECIAL);
  if (id < 0) VW_TRY(append_token(t, path, w->text, &id));
  text = strdup(w->text);
  VW_CHECK(text, VW_ERR_MEMORY, "%s: out of memory", path);
  s.text = text;
  VW_GOTO(make_pattern(&s, &pattern));
  s.id = (int32_t)id, s.pattern = pattern;
  VW_GOTO(check_pattern(t, path, &s));
  t->special[t->n_special++] = s;
  return VW_OK;
cleanup:
  free(text), free(pattern);
  return st;
}

static int32_t id_of(const vw_tokenizer *t, const char *text) {
  const vw_special *s = text ? is_added(t, text) : NULL;
  return s ? s->id : -1;
}

/* ---- all of it ---- */

/* What transformers would read with another class, or split otherwise. */
static vw_status check_kind(const vw_added_files *f) {
  static const char *const classes[] = {"CLIPTokenizer", "CLIPTokenizerFast"};
  const char *name = json_string_value(json_object_get(f->config, "tokenizer_class"));
  VW_CHECK(!name || strcmp(name, classes[0]) == 0 || strcmp(name, classes[1]) == 0, VW_ERR_UNSUPPORTED,
           "%s/tokenizer_config.json: tokenizer_class is '%s', expected CLIPTokenizer", f->folder, name);
  VW_CHECK(!json_is_true(json_object_get(f->config, "split_special_tokens")), VW_ERR_UNSUPPORTED,
           "%s/tokenizer_config.json: split_special_tokens is on; viswords keeps special tokens whole", f->folder);
  return VW_OK;
}

/* The seven roles into `text` and, where they have one, into the list; then the model's own. */
static vw_status read_specials(const vw_added_files *f, const json_t *map, const char *text[], wanted_list *l) {
  char config_path[VW_PATH_BYTES], map_path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(config_path, "%s/tokenizer_config.json", f->folder));
  VW_TRY(vw_path_format(map_path, "%s/special_tokens_map.json", f->folder));
  for (int i = 0; role_keys[i]; i++) {
    wanted w;
    VW_TRY(read_role(f, map, i, &w));
    text[i] = w.text;
    if (w.text) VW_TRY(append(l, w));
  }
  VW_TRY(read_named(map_path, map, false, true, l));
  VW_TRY(read_named(config_path, f->config, false, false, l));
  return read_extra(f, map, config_path, map_path, l);
}

vw_status vw_tokenizer_read_added(vw_tokenizer *t, const vw_added_files *f) {
  enum { BOS, EOS, UNK, PAD = 4, ROLES = 7 };
  const json_t *decoder = json_object_get(f->config, "added_tokens_decoder"), *map = decoder ? NULL : f->map;
  const char *text[ROLES] = {NULL};
  wanted_list tokens = {0}, specials = {0};
  vw_status st = VW_OK;
  VW_TRY(check_kind(f));
  VW_GOTO(read_specials(f, map, text, &specials));
  if (decoder) {
    VW_GOTO(read_decoder(f, decoder, &tokens));
  } else {
    VW_GOTO(read_legacy(f, &specials, &tokens));
    VW_GOTO(read_whole(f, &tokens));
  }
  if (tokens.n) qsort(tokens.item, (size_t)tokens.n, sizeof *tokens.item, by_index);
  for (int64_t i = 0; i < tokens.n; i++) VW_GOTO(add(t, f->folder, &tokens.item[i]));
  for (int64_t i = 0; i < specials.n; i++)
    if (!is_added(t, specials.item[i].text)) VW_GOTO(add(t, f->folder, &specials.item[i]));
  t->start = id_of(t, text[BOS]), t->end = id_of(t, text[EOS]), t->pad = id_of(t, text[PAD]);
  t->unknown = text[UNK] ? vw_tokenizer_id(t, text[UNK]) : -1; /* of the vocabulary itself */
cleanup:
  free(tokens.item), free(specials.item);
  return st;
}
