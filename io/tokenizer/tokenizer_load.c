#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/durable.h"
#include "core/hash.h"
#include "io/json.h"
#include "io/tokenizer/tokenizer_internal.h"

/* Ids may have gaps, but memory goes with the largest: it stays in proportion to the file. */
enum { GAP = 1 << 16 };
static const int64_t MAX_IDS = 1 << 24;

/* ---- tables ---- */

static int64_t token_slot_of(const vw_tokenizer *t, const char *text) {
  int64_t s = (int64_t)(vw_hash_bytes(text, strlen(text)).lo & (uint64_t)(t->token_slots - 1));
  while (t->token_slot[s] && strcmp(t->text[t->token_slot[s] - 1], text) != 0) s = (s + 1) & (t->token_slots - 1);
  return s;
}

int32_t vw_tokenizer_id(const vw_tokenizer *t, const char *text) {
  return t->token_slot[token_slot_of(t, text)] - 1;
}

static int64_t merge_slot_of(const vw_tokenizer *t, int32_t left, int32_t right) {
  const int32_t pair[2] = {left, right};
  int64_t s = (int64_t)(vw_hash_bytes(pair, sizeof pair).lo & (uint64_t)(t->merge_slots - 1));
  while (t->merge[s].left >= 0 && (t->merge[s].left != left || t->merge[s].right != right))
    s = (s + 1) & (t->merge_slots - 1);
  return s;
}

const vw_merge *vw_tokenizer_merge(const vw_tokenizer *t, int32_t left, int32_t right) {
  const vw_merge *m = &t->merge[merge_slot_of(t, left, right)];
  return m->left >= 0 ? m : NULL;
}

static vw_status make_merge_table(vw_tokenizer *t, const char *path, int64_t most) {
  for (t->merge_slots = 16; t->merge_slots < 2 * most; t->merge_slots *= 2) {}
  t->merge = malloc((size_t)t->merge_slots * sizeof *t->merge);
  VW_CHECK(t->merge, VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " merges", path, most);
  for (int64_t i = 0; i < t->merge_slots; i++) t->merge[i].left = -1;
  return VW_OK;
}

/* A line of merges.txt: "left right". */
static vw_status add_merge(vw_tokenizer *t, const char *path, int64_t line, const char *left, const char *right) {
  char both[VW_TOKEN_BYTES];
  const int n = snprintf(both, sizeof both, "%s%s", left, right);
  VW_CHECK(n > 0 && n < (int)sizeof both, VW_ERR_INPUT, "%s: merge %" PRId64 " is longer than %d bytes", path, line,
           VW_TOKEN_BYTES - 1);
  const vw_merge m = {.left = vw_tokenizer_id(t, left),
                      .right = vw_tokenizer_id(t, right),
                      .rank = (int32_t)t->merges,
                      .result = vw_tokenizer_id(t, both)};
  VW_CHECK(m.left >= 0 && m.right >= 0 && m.result >= 0, VW_ERR_INPUT,
           "%s: merge %" PRId64 " ('%s' '%s') is not in the vocabulary: do the files belong together?", path, line,
           left, right);
  vw_merge *slot = &t->merge[merge_slot_of(t, m.left, m.right)];
  if (slot->left < 0) *slot = m;
  t->merges++;
  return VW_OK;
}

/* ---- the vocabulary and the merges ---- */

static vw_status read_vocabulary(vw_tokenizer *t, const char *path, json_t *vocabulary) {
  const char *text;
  json_t *value;
  const int64_t n = (int64_t)json_object_size(vocabulary);
  VW_CHECK(json_is_object(vocabulary) && n, VW_ERR_INPUT, "%s: expected an object of tokens and ids", path);
  json_object_foreach(vocabulary, text, value) {
    const int64_t id = json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
    VW_CHECK(id >= 0, VW_ERR_INPUT, "%s: token '%s': the id is not a number from 0 on", path, text);
    VW_CHECK(id < MAX_IDS && id < 4 * n + GAP, VW_ERR_INPUT,
             "%s: token '%s': id %" PRId64 " is far beyond the %" PRId64 " entries", path, text, id, n);
    if (id >= t->size) t->size = id + 1;
  }
  t->base = n;
  for (t->token_slots = 16; t->token_slots < 2 * n; t->token_slots *= 2) {}
  t->text = calloc((size_t)t->size + 1, sizeof *t->text);
  t->token_slot = calloc((size_t)t->token_slots, sizeof *t->token_slot);
  VW_CHECK(t->text && t->token_slot, VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " tokens", path, t->size);
  json_object_foreach(vocabulary, text, value) {
    const int64_t id = (int64_t)json_integer_value(value);
    VW_CHECK(!t->text[id], VW_ERR_INPUT, "%s: tokens '%s' and '%s' have the same id %" PRId64, path, t->text[id], text,
             id);
    t->text[id] = strdup(text);
    VW_CHECK(t->text[id], VW_ERR_MEMORY, "%s: out of memory", path);
    t->token_slot[token_slot_of(t, text)] = (int32_t)(id + 1);
  }
  return VW_OK;
}

static vw_status read_merges_text(vw_tokenizer *t, const char *path, char *text) {
  int64_t lines = 1, line = 1;
  for (const char *c = text; (c = strchr(c, '\n')); c++) lines++;
  VW_TRY(make_merge_table(t, path, lines));
  for (char *next = text; next && *next; line++) {
    char *left = next, *space;
    next = strchr(left, '\n');
    if (next) *next++ = 0;
    left[strcspn(left, "\r")] = 0;
    if (*left == 0 || (line == 1 && strncmp(left, "#version", 8) == 0)) continue;
    space = strchr(left, ' ');
    VW_CHECK(space && space != left && space[1] && !strchr(space + 1, ' '), VW_ERR_INPUT,
             "%s:%" PRId64 ": expected two tokens with a space between", path, line);
    *space = 0;
    VW_TRY(add_merge(t, path, line, left, space + 1));
  }
  return VW_OK;
}

/* merges of tokenizer.json: ["a b", ..] or [["a", "b"], ..] */
static vw_status read_merges_json(vw_tokenizer *t, const char *path, const json_t *merges) {
  size_t i;
  json_t *pair;
  VW_CHECK(json_is_array(merges), VW_ERR_INPUT, "%s: model.merges: expected a list", path);
  VW_TRY(make_merge_table(t, path, (int64_t)json_array_size(merges)));
  json_array_foreach(merges, i, pair) {
    char text[VW_TOKEN_BYTES] = "";
    const char *left = json_string_value(json_array_get(pair, 0)), *right = json_string_value(json_array_get(pair, 1));
    if (json_is_string(pair) && json_string_length(pair) < sizeof text) {
      (void)snprintf(text, sizeof text, "%s", json_string_value(pair));
      char *space = strchr(text, ' ');
      if (space) *space = 0, left = text, right = space + 1;
    }
    VW_CHECK(left && right, VW_ERR_INPUT, "%s: model.merges[%zu]: expected two tokens", path, i);
    VW_TRY(add_merge(t, path, (int64_t)i, left, right));
  }
  return VW_OK;
}

static vw_status read_two_files(vw_tokenizer *t, const char *folder) {
  vw_status st = VW_OK;
  char path[VW_PATH_BYTES], *text = NULL;
  json_t *vocabulary = NULL;
  VW_GOTO(vw_path_format(path, "%s/vocab.json", folder));
  VW_GOTO(vw_json_read(path, &vocabulary));
  VW_GOTO(read_vocabulary(t, path, vocabulary));
  VW_GOTO(vw_path_format(path, "%s/merges.txt", folder));
  VW_GOTO(vw_file_read(path, &text, NULL));
  VW_GOTO(read_merges_text(t, path, text));
cleanup:
  json_decref(vocabulary);
  free(text);
  return st;
}

static vw_status read_one_file(vw_tokenizer *t, const char *path, const json_t *top) {
  json_t *model = json_object_get(top, "model");
  const char *suffix = json_string_value(json_object_get(model, "end_of_word_suffix"));
  VW_CHECK(suffix && strcmp(suffix, "</w>") == 0, VW_ERR_UNSUPPORTED,
           "%s: not CLIP's tokenizer (model.end_of_word_suffix is not \"</w>\")", path);
  VW_TRY(read_vocabulary(t, path, json_object_get(model, "vocab")));
  return read_merges_json(t, path, json_object_get(model, "merges"));
}

/* ---- bytes ---- */

/* The character that stands for a byte (GPT-2's table): printable Latin-1 stands for itself, the rest follows from
 * U+0100 on. As UTF-8, with `suffix`. */
static void byte_text(int byte, int *others, const char *suffix, char text[16]) {
  const bool itself = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  const int c = itself ? byte : 256 + (*others)++;
  if (c < 128)
    (void)snprintf(text, 16, "%c%s", c, suffix);
  else
    (void)snprintf(text, 16, "%c%c%s", 0xC0 | c >> 6, 0x80 | (c & 63), suffix);
}

static void find_bytes(vw_tokenizer *t) {
  char text[16];
  int inner = 0, last = 0;
  for (int b = 0; b < 256; b++) {
    byte_text(b, &inner, "", text);
    t->byte_token[b] = vw_tokenizer_id(t, text);
    byte_text(b, &last, "</w>", text);
    t->byte_last[b] = vw_tokenizer_id(t, text);
  }
}

/* ---- opening ---- */

static vw_status read_files(vw_added_files *f, const char *folder) {
  const struct {
    const char *name;
    json_t **file;
  } files[] = {{"tokenizer_config.json", &f->config},
               {"special_tokens_map.json", &f->map},
               {"added_tokens.json", &f->added},
               {"tokenizer.json", &f->whole}};
  VW_TRY(vw_path_format(f->folder, "%s", folder));
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char path[VW_PATH_BYTES];
    VW_TRY(vw_path_format(path, "%s/%s", folder, files[i].name));
    VW_TRY(vw_json_read_optional(path, files[i].file));
  }
  return VW_OK;
}

vw_status vw_tokenizer_open(vw_tokenizer **tokenizer, const char *folder) {
  vw_status st = VW_OK;
  char path[VW_PATH_BYTES];
  vw_added_files f = {0};
  vw_tokenizer *t = calloc(1, sizeof *t);
  *tokenizer = NULL;
  VW_CHECK(t, VW_ERR_MEMORY, "%s: out of memory", folder);
  VW_GOTO(read_files(&f, folder));
  VW_GOTO(vw_path_format(path, "%s/tokenizer.json", folder));
  if (f.whole)
    VW_GOTO(read_one_file(t, path, f.whole));
  else
    VW_GOTO(read_two_files(t, folder));
  VW_GOTO(vw_tokenizer_read_added(t, &f));
  t->reread = vw_tokenizer_read_otherwise(t, &f);
  find_bytes(t);
  *tokenizer = t;
  t = NULL;
cleanup:
  json_decref(f.config), json_decref(f.map), json_decref(f.added), json_decref(f.whole);
  vw_tokenizer_close(t);
  return st;
}

void vw_tokenizer_close(vw_tokenizer *t) {
  if (!t) return;
  for (int64_t i = 0; t->text && i < t->size; i++) free(t->text[i]);
  for (int i = 0; i < t->n_special; i++) free(t->special[i].text), free(t->special[i].pattern);
  free(t->text);
  free(t->token_slot);
  free(t->merge);
  free(t);
}
