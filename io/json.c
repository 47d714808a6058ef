#include "io/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/durable.h"
#include "io/inputs.h"

static _Thread_local bool is_starved;

static void *note_malloc(size_t bytes) {
  void *p = malloc(bytes);
  is_starved |= !p;
  return p;
}

void vw_json_watch(void) {
  json_set_alloc_funcs(note_malloc, free);
  is_starved = false;
}

bool vw_json_starved(void) {
  return is_starved;
}

/* A copy with null in place of Python's NaN, Infinity and -Infinity outside strings; NULL: there is none, or no memory
 * (which is noted). The caller frees. */
static char *without_python_numbers(const char *text, int64_t bytes, int64_t *n) {
  static const char *const words[] = {"-Infinity", "Infinity", "NaN"};
  bool quoted = false, found = false;
  char *copy = note_malloc((size_t)(bytes + bytes / 3) + 1), *to = copy;
  for (int64_t i = 0; copy && i < bytes; i++) {
    size_t w = 0, length = 0;
    if (text[i] == '"') quoted = !quoted;
    for (; !quoted && w < sizeof words / sizeof *words; w++) {
      length = strlen(words[w]);
      if ((int64_t)length <= bytes - i && memcmp(text + i, words[w], length) == 0) break;
    }
    if (!quoted && w < sizeof words / sizeof *words) {
      to = (char *)memcpy(to, "null", 4) + 4;
      i += (int64_t)length - 1;
      found = true;
      continue;
    }
    *to++ = text[i];
    if (quoted && text[i] == '\\' && i + 1 < bytes) *to++ = text[++i];
  }
  *n = to - copy;
  if (found) return copy;
  free(copy);
  return NULL;
}

vw_status vw_json_read(const char *path, json_t **object) {
  char *text;
  int64_t bytes;
  json_error_t error;
  *object = NULL;
  VW_TRY(vw_file_read(path, &text, &bytes));
  vw_json_watch();
  json_t *top = json_loadb(text, (size_t)bytes, 0, &error);
  char *plain = top ? NULL : without_python_numbers(text, bytes, &bytes);
  if (plain) top = json_loadb(plain, (size_t)bytes, 0, &error);
  free(plain);
  free(text);
  if (vw_json_starved()) {
    json_decref(top);
    return VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
  }
  VW_CHECK(top, VW_ERR_INPUT, "%s:%d: not valid JSON: %s", path, error.line, error.text);
  if (!json_is_object(top)) {
    json_decref(top);
    return VW_RAISE(VW_ERR_INPUT, "%s: expected a JSON object ({...})", path);
  }
  *object = top;
  return VW_OK;
}

vw_status vw_json_read_optional(const char *path, json_t **object) {
  *object = NULL;
  if (access(path, F_OK) != 0 && errno == ENOENT) { /* other trouble: opening it says which */
    vw_inputs_looked(path, false);
    return VW_OK;
  }
  VW_TRY(vw_json_read(path, object));
  return VW_OK;
}

static const json_t *member(const json_t *object, const char *key) {
  const json_t *v = json_object_get(object, key);
  return json_is_null(v) ? NULL : v;
}

vw_status vw_json_int(const char *path, const char *where, const json_t *object, const char *key, int64_t least,
                      int64_t most, int64_t fallback, int64_t *out) {
  const json_t *v = member(object, key);
  *out = v ? (int64_t)json_integer_value(v) : fallback;
  VW_CHECK(!v || json_is_integer(v), VW_ERR_INPUT, "%s: %s%s: expected a whole number", path, where, key);
  VW_CHECK(*out >= least && *out <= most, VW_ERR_INPUT, "%s: %s%s is %" PRId64 ", expected %" PRId64 " to %" PRId64,
           path, where, key, *out, least, most);
  return VW_OK;
}

vw_status vw_json_double(const char *path, const char *where, const json_t *object, const char *key, double fallback,
                         double *out) {
  const json_t *v = member(object, key);
  VW_CHECK(!v || json_is_number(v), VW_ERR_INPUT, "%s: %s%s: expected a number", path, where, key);
  *out = v ? json_number_value(v) : fallback;
  return VW_OK;
}

vw_status vw_json_text(const char *path, const char *where, const json_t *object, const char *key, const char *fallback,
                       const char **out) {
  const json_t *v = member(object, key);
  VW_CHECK(!v || json_is_string(v), VW_ERR_INPUT, "%s: %s%s: expected text", path, where, key);
  *out = v ? json_string_value(v) : fallback;
  return VW_OK;
}
