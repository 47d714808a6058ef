#include "io/annotations/json_stream.h"

#include "core/foreign.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  FIRST_BYTES = 1 << 18,
  MOST_BYTES = 1 << 26, /* of one text */
  AHEAD = 1 << 10       /* in the buffer when a token begins: the longest number, and then some */
};

typedef struct stream {
  const char *path;
  const vw_json_events *events;
  void *user;
  int fd;
  bool at_end;      /* of the file */
  uint8_t *buffer;  /* [room + 1]: a zero byte behind what was read */
  size_t room, n;   /* bytes in it */
  size_t at;        /* the next one */
  int64_t before;   /* bytes of the file before the buffer */
  uint64_t objects; /* bit d: the d-th open bracket is an object's */
  int depth;
  int silent; /* the bracket that is passed over; 0: none */
} stream;

/* Reads on; what is before `from` goes, and s->at moves along. */
static vw_status refill(stream *s, size_t from) {
  if (s->at_end) return VW_OK;
  memmove(s->buffer, s->buffer + from, s->n - from);
  s->n -= from, s->at -= from, s->before += (int64_t)from;
  if (s->room - s->n < AHEAD) {
    VW_CHECK(s->room < MOST_BYTES, VW_ERR_INPUT, "%s: a text of more than %d bytes at byte %" PRId64, s->path,
             MOST_BYTES, s->before + 1);
    uint8_t *more = realloc(s->buffer, 2 * s->room + 1);
    VW_CHECK(more, VW_ERR_MEMORY, "%s: out of memory for a text of %zu bytes", s->path, s->room);
    s->buffer = more, s->room *= 2;
  }
  while (s->n < s->room && !s->at_end) {
    const ssize_t n = read(s->fd, s->buffer + s->n, s->room - s->n);
    if (n < 0 && errno == EINTR) continue;
    VW_CHECK(n >= 0, VW_ERR_IO, "%s: cannot read: %s", s->path, strerror(errno));
    s->at_end = n == 0;
    s->n += (size_t)n;
  }
  s->buffer[s->n] = 0;
  return VW_OK;
}

static vw_status not_json(const stream *s, size_t at, const char *why) {
  return VW_RAISE(VW_ERR_INPUT, "%s: not JSON at byte %" PRId64 ": %s", s->path, s->before + (int64_t)at + 1, why);
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

/* Bytes of the UTF-8 sequence at p, which ends before a zero byte at the latest; 0: it is none. */
static size_t sequence(const uint8_t *p) {
  const size_t n = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
  for (size_t i = 1; i < n; i++)
    if ((p[i] & 0xc0) != 0x80) return 0;
  if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0; /* too long; a surrogate */
  if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0; /* too long; too large */
  return n;
}

/* Four hexadecimal digits; -1: they are none. */
static int32_t hex4(const uint8_t *p) {
  int32_t v = 0;
  for (int i = 0; i < 4; i++) {
    const int c = p[i], digit = c >= '0' && c <= '9'                 ? c - '0'
                                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                                     : -1;
    if (digit < 0) return -1;
    v = v << 4 | digit;
  }
  return v;
}

static size_t put_utf8(uint8_t *to, int32_t c) {
  if (c < 0x80) return to[0] = (uint8_t)c, 1;
  if (c < 0x800) return to[0] = (uint8_t)(0xc0 | c >> 6), to[1] = (uint8_t)(0x80 | (c & 63)), 2;
  if (c < 0x10000) {
    to[0] = (uint8_t)(0xe0 | c >> 12), to[1] = (uint8_t)(0x80 | (c >> 6 & 63)), to[2] = (uint8_t)(0x80 | (c & 63));
    return 3;
  }
  to[0] = (uint8_t)(0xf0 | c >> 18), to[1] = (uint8_t)(0x80 | (c >> 12 & 63));
  to[2] = (uint8_t)(0x80 | (c >> 6 & 63)), to[3] = (uint8_t)(0x80 | (c & 63));
  return 4;
}

/* The escape at p ("\n", "\u00e9", a pair of surrogates) to `to`, which may lie before it; *used bytes. false: none. */
static bool escape(const uint8_t *p, uint8_t *to, size_t *used, size_t *made) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  const char *name = p[1] ? strchr(names, p[1]) : NULL;
  if (name) {
    *to = (uint8_t)values[name - names], *used = 2, *made = 1;
    return true;
  }
  int32_t c = p[1] == 'u' ? hex4(p + 2) : -1;
  *used = 6;
  if (c >= 0xd800 && c < 0xdc00) {
    const int32_t low = p[6] == '\\' && p[7] == 'u' ? hex4(p + 8) : -1;
    c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : -1;
    *used = 12;
  }
  if (c < 0 || (c >= 0xdc00 && c < 0xe000)) return false;
  *made = put_utf8(to, c);
  return true;
}

/* Where the text that begins behind s->at ends: its quote, in the buffer. */
static vw_status find_end(stream *s, size_t *end, bool *escapes) {
  size_t i = s->at + 1;
  *escapes = false;
  for (;;) {
    const uint8_t *b = s->buffer;
    while (b[i] >= 0x20 && b[i] != '"' && b[i] != '\\' && b[i] < 0x80) i++;
    if (b[i] == '"') break;
    if (i + 16 > s->n && !s->at_end) { /* a sequence or an escape may be cut */
      const size_t length = i - s->at;
      VW_TRY(refill(s, s->at));
      i = s->at + length;
      continue;
    }
    if (i >= s->n) return not_json(s, i, "the file ends in a text");
    size_t n = b[i] == '\\' ? (b[i + 1] ? 2 : 0) : b[i] >= 0x80 ? sequence(b + i) : 0;
    if (!n) return not_json(s, i, b[i] < 0x20 ? "a control character in a text" : "not UTF-8");
    *escapes |= b[i] == '\\';
    i += n;
  }
  *end = i;
  return VW_OK;
}

static vw_status unescape(stream *s, size_t first, size_t end, size_t *n) {
  uint8_t *to = s->buffer + first;
  for (size_t i = first; i < end;) {
    size_t used = 1, made = 1;
    if (s->buffer[i] != '\\')
      *to = s->buffer[i];
    else if (!escape(s->buffer + i, to, &used, &made) || i + used > end)
      return not_json(s, i, "an escape that is none");
    i += used, to += made;
  }
  *n = (size_t)(to - s->buffer) - first;
  return VW_OK;
}

static vw_status read_text(stream *s, vw_status (*event)(void *, const char *, size_t)) {
  size_t end = 0;
  bool escapes = false;
  VW_TRY(find_end(s, &end, &escapes));
  const size_t first = s->at + 1;
  size_t n = end - first;
  if (escapes) VW_TRY(unescape(s, first, end, &n));
  s->at = end + 1;
  if (s->silent) return VW_OK;
  return event(s->user, (const char *)s->buffer + first, n);
}

/* ---- other values ------------------------------------------------------------------------------------------------ */

static const uint8_t *digits(const uint8_t *p) {
  while (*p >= '0' && *p <= '9') p++;
  return p;
}

/* "12.5, -3, 4" as far as it is in the buffer and plain: polygons, most of a COCO file. s->at stays before what needs a
 * second look. */
static void pass_numbers(stream *s) {
  const uint8_t *p = s->buffer + s->at, *last = s->buffer + s->n - (s->n < AHEAD ? s->n : AHEAD);
  while (p < last) {
    const uint8_t *from = p + (*p == '-'), *q = digits(from);
    if (q == from || (*from == '0' && q > from + 1)) break;
    if (*q == '.') {
      from = q + 1, q = digits(from);
      if (q == from) break;
    }
    if (*q != ',') break;
    q++;
    while (*q == ' ') q++;
    s->at = (size_t)(q - s->buffer);
    p = q;
  }
}

static vw_status read_number(stream *s) {
  const uint8_t *first = s->buffer + s->at, *p = first + (*first == '-'), *from = p;
  p = digits(p);
  bool good = p > from && (*from != '0' || p == from + 1);
  if (*p == '.') from = p + 1, p = digits(from), good &= p > from;
  if ((*p | 32) == 'e') {
    p += p[1] == '+' || p[1] == '-' ? 2 : 1;
    from = p, p = digits(p), good &= p > from;
  }
  if (!good || p - first >= AHEAD) return not_json(s, s->at, "a number that is none, or too long");
  s->at += (size_t)(p - first);
  if (s->silent) return VW_OK;
  return s->events->number(s->user, (const char *)first, (size_t)(p - first));
}

static bool is_word(stream *s, const char *word) {
  const size_t n = strlen(word);
  if (strncmp((const char *)s->buffer + s->at, word, n) != 0) return false;
  s->at += n;
  return true;
}

static vw_status read_scalar(stream *s) {
  const uint8_t c = s->buffer[s->at];
  if (c == '"') return read_text(s, s->events->string);
  if (c == '-' || (c >= '0' && c <= '9')) return read_number(s);
  const bool told = !s->silent;
  if (is_word(s, "true")) return told ? s->events->boolean(s->user, true) : VW_OK;
  if (is_word(s, "false")) return told ? s->events->boolean(s->user, false) : VW_OK;
  if (is_word(s, "null")) return told ? s->events->null(s->user) : VW_OK;
  return not_json(s, s->at, s->at < s->n ? "expected a value" : "the file ends where a value should be");
}

/* ---- brackets ---------------------------------------------------------------------------------------------------- */

/* The next byte that is no white space; 0 at the end. A token that begins there is in the buffer, but for texts. */
static vw_status next(stream *s, uint8_t *c) {
  for (;;) {
    if (s->n - s->at < AHEAD) VW_TRY(refill(s, s->at));
    const uint8_t *b = s->buffer;
    while (b[s->at] == ' ' || b[s->at] == '\n' || b[s->at] == '\t' || b[s->at] == '\r') s->at++;
    if (s->n - s->at >= AHEAD || s->at_end) break;
  }
  *c = s->buffer[s->at];
  return VW_OK;
}

static vw_status open_bracket(stream *s, bool object) {
  VW_CHECK(s->depth < VW_JSON_DEPTH, VW_ERR_INPUT, "%s: more than %d lists and objects inside each other", s->path,
           VW_JSON_DEPTH);
  const uint64_t bit = (uint64_t)1 << s->depth;
  s->objects = object ? s->objects | bit : s->objects & ~bit;
  s->depth++, s->at++;
  if (!s->silent && s->events->passes && s->events->passes(s->user, object)) s->silent = s->depth;
  return s->silent ? VW_OK : s->events->begin(s->user, object);
}

static bool in_object(const stream *s) {
  return s->depth && s->objects >> (s->depth - 1) & 1;
}

/* A key and its colon. */
static vw_status read_key(stream *s) {
  uint8_t c = 0;
  VW_TRY(next(s, &c));
  if (c != '"') return not_json(s, s->at, "expected a key");
  VW_TRY(read_text(s, s->events->key));
  VW_TRY(next(s, &c));
  if (c != ':') return not_json(s, s->at, "expected a colon");
  s->at++;
  return VW_OK;
}

/* Behind a value: brackets that close, then a comma, or the end of all (*more = false). */
static vw_status behind_value(stream *s, bool *more) {
  uint8_t c = 0;
  for (;;) {
    VW_TRY(next(s, &c));
    *more = s->depth > 0;
    if (!*more) return VW_OK;
    const bool object = in_object(s);
    if (c == ',') {
      s->at++;
      return object ? read_key(s) : VW_OK;
    }
    if (c != (object ? '}' : ']')) return not_json(s, s->at, "expected a comma or the end");
    s->at++, s->depth--;
    if (!s->silent) VW_TRY(s->events->end(s->user, object));
    if (s->depth < s->silent) s->silent = 0;
  }
}

static vw_status read_all(stream *s) {
  uint8_t c = 0;
  for (bool more = true; more;) {
    VW_TRY(next(s, &c));
    if (s->silent && !in_object(s) && c != '"' && c != '[') {
      pass_numbers(s);
      VW_TRY(next(s, &c));
    }
    if (c == '[' || c == '{') {
      const uint8_t close = c == '{' ? '}' : ']';
      VW_TRY(open_bracket(s, c == '{'));
      VW_TRY(next(s, &c));
      if (c != close) {
        if (in_object(s)) VW_TRY(read_key(s));
        continue;
      }
    } else {
      VW_TRY(read_scalar(s));
    }
    VW_TRY(behind_value(s, &more));
  }
  return s->at == s->n ? VW_OK : not_json(s, s->at, "something behind the end");
}

vw_status vw_json_stream(const char *path, const vw_json_events *events, void *user) {
  stream s = {.path = path, .events = events, .user = user, .fd = -1, .room = FIRST_BYTES};
  vw_status st = VW_OK;
  s.buffer = malloc(s.room + 1);
  if (!s.buffer) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path));
  s.buffer[0] = 0;
  VW_GOTO(vw_foreign_open(path, &s.fd, NULL));
  VW_GOTO(read_all(&s));
cleanup:
  if (s.fd >= 0) (void)close(s.fd);
  free(s.buffer);
  return st;
}
