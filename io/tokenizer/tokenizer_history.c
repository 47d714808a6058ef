/* What viswords made of a directory before it knew tokenizer.json's added tokens and their rules: asked by the hash of
 * weights alone, so that trials of directories that read as before keep their ids. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tokenizer_internal.h"

/* A token of then: its text, whether it had to stand alone, whether it was one of the four roles. */
typedef struct old_token {
  const char *text;
  bool normalised, whole_word, is_role;
} old_token;

static const char *old_text(const json_t *value) {
  return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static const vw_special *find_new(const vw_tokenizer *t, const char *text) {
  for (int i = 0; i < t->n_special; i++)
    if (strcmp(t->special[i].text, text) == 0) return &t->special[i];
  return NULL;
}

static bool has_space(const char *text) {
  return strpbrk(text, " \t\n\v\f\r") != NULL || strstr(text, "\xc2\xa0") || strstr(text, "\xe2\x80") ||
         strstr(text, "\xe3\x80\x80");
}

/* Does a token of now work as it did? Whether start, end and unknown are found in any case is left out: it shows in
 * texts that spell them in capitals alone, and most directories of the hub differ in that. */
static bool works_as_before(const vw_special *s, const old_token *o) {
  if (s->whole_word || o->whole_word || has_space(s->text)) return false;
  if (s->normalised && strcmp(s->text, s->pattern) != 0) return false;
  return o->is_role || s->normalised == o->normalised;
}

/* The tokens of then; at most `most`. Returns how many, -1: there were none because the directory was refused. */
static int list_old(const vw_tokenizer *t, const vw_added_files *f, old_token *list, int most) {
  static const char *const keys[] = {"bos_token", "eos_token", "unk_token", "pad_token"};
  const json_t *decoder = json_object_get(f->config, "added_tokens_decoder"), *value;
  const char *key;
  int n = 0;
  json_object_foreach((json_t *)(uintptr_t)decoder, key, value) {
    const char *text = old_text(value);
    const vw_special *now = text ? find_new(t, text) : NULL;
    if (!now || n == most) return -1;
    if (vw_tokenizer_id(t, text) < 0 && now->id != strtoll(key, NULL, 10)) return -1;
    list[n++] = (old_token){.text = text,
                            .normalised = json_is_true(json_object_get(value, "normalized")),
                            .whole_word = json_is_true(json_object_get(value, "single_word"))};
  }
  for (int i = 0; i < 4; i++) {
    const json_t *over = decoder ? NULL : json_object_get(f->map, keys[i]);
    const char *text = old_text(over ? over : json_object_get(f->config, keys[i]));
    int same = 0;
    if (!text) text = i == 0 ? "<|startoftext|>" : "<|endoftext|>";
    while (same < n && strcmp(list[same].text, text) != 0) same++;
    if (same == most) return -1;
    if (same == n) list[n++] = (old_token){.text = text};
    list[same].is_role = i < 3 || list[same].is_role;
  }
  return n;
}

/* Were vocabulary and merges, then of vocab.json and merges.txt, those of tokenizer.json? */
static bool same_vocabulary(const vw_added_files *f) {
  char path[VW_PATH_BYTES], *text = NULL, *next, *line;
  json_t *vocabulary = NULL;
  size_t i = 0;
  const json_t *model = json_object_get(f->whole, "model"), *merges = json_object_get(model, "merges"), *pair;
  bool same = vw_path_format(path, "%s/vocab.json", f->folder) == VW_OK && vw_json_read(path, &vocabulary) == VW_OK &&
              json_equal(vocabulary, json_object_get(model, "vocab")) &&
              vw_path_format(path, "%s/merges.txt", f->folder) == VW_OK && vw_file_read(path, &text, NULL) == VW_OK;
  json_decref(vocabulary);
  if (!same) vw_error_clear();
  next = text;
  while (same && (line = strsep(&next, "\n")) != NULL) {
    line[strcspn(line, "\r")] = 0;
    if (!*line || (line == text && strncmp(line, "#version", 8) == 0)) continue;
    pair = json_array_get(merges, i++);
    if (json_is_string(pair)) {
      same = strcmp(json_string_value(pair), line) == 0;
      continue;
    }
    const char *left = json_string_value(json_array_get(pair, 0)), *right = json_string_value(json_array_get(pair, 1));
    const size_t n = left ? strlen(left) : 0;
    same = left && right && strncmp(line, left, n) == 0 && line[n] == ' ' && strcmp(line + n + 1, right) == 0;
  }
  free(text);
  return same && i == json_array_size(merges);
}

bool vw_tokenizer_read_otherwise(const vw_tokenizer *t, const vw_added_files *f) {
  char path[VW_PATH_BYTES];
  old_token old[VW_MAX_SPECIAL];
  const int n = list_old(t, f, old, VW_MAX_SPECIAL);
  if (n != t->n_special) return true;
  for (int i = 0; i < n; i++) {
    const vw_special *now = find_new(t, old[i].text);
    if (!now || !works_as_before(now, &old[i])) return true;
  }
  if (!f->whole || vw_path_format(path, "%s/vocab.json", f->folder) != VW_OK || !vw_file_exists(path)) return false;
  return !same_vocabulary(f);
}
