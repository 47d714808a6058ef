#include "io/json.h"

#include "core/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/inputs.h"

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

json_t *vw_json_name(const char *text) {
  json_t *valid = json_string(text);
  if (valid) return valid;
  const size_t n = strlen(text), size = VW_ESCAPED_BYTES * n + 1;
  char *escaped = malloc(size);
  if (!escaped) return NULL;
  (void)vw_text_escape(escaped, size, text, n);
  valid = json_string(escaped);
  free(escaped);
  return valid;
}

/* U+007F-009F, U+2028-202E and U+2066-2069 in UTF-8; Jansson has escaped what is below U+0020. 0: another character. */
static unsigned control_at(const char *text, size_t *n) {
  const unsigned char *p = (const unsigned char *)text;
  *n = p[0] == 0x7f ? 1 : p[0] == 0xc2 ? 2 : 3;
  if (p[0] == 0x7f) return 0x7f;
  if (p[0] == 0xc2 && p[1] < 0xa0) return p[1];
  if (p[0] != 0xe2 || (p[1] != 0x80 && p[1] != 0x81)) return 0;
  const unsigned code = 0x2000U + ((p[1] & 0x3fU) << 6) + (p[2] & 0x3fU);
  return (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ? code : 0;
}

bool vw_json_print(const json_t *value, size_t flags, FILE *out) {
  char *text = value ? json_dumps(value, flags) : strdup("null");
  if (!text) return false;
  for (const char *p = text, *from = text;; p++) {
    size_t n = 0;
    const unsigned code = *p ? control_at(p, &n) : 0;
    if (*p && !code) continue;
    (void)fwrite(from, 1, (size_t)(p - from), out);
    if (!*p) break;
    (void)fprintf(out, "\\u%04x", code);
    p += n - 1, from = p + 1;
  }
  free(text);
  return !ferror(out);
}
