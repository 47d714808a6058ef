#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "io/tokenizer/tokenizer_internal.h"

enum { LETTER = VW_LETTER, NUMBER = VW_NUMBER };

typedef struct vw_range {
  int32_t first, last, value;
} vw_range;

#include "io/tokenizer/tokenizer_unicode.inc"

/* The range's value; 0 where no range holds c. */
static int32_t look_up(const vw_range *range, size_t n, int32_t c) {
  size_t low = 0;
  while (n > low) {
    const size_t middle = (low + n) / 2;
    if (c < range[middle].first)
      n = middle;
    else if (c > range[middle].last)
      low = middle + 1;
    else
      return range[middle].value;
  }
  return 0;
}
#define LOOK_UP(table, c) look_up((table), sizeof(table) / sizeof *(table), (c))

static vw_text_kind kind_by_category(int32_t c) {
  switch (utf8proc_category(c)) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
    return VW_LETTER;
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_NO:
    return VW_NUMBER;
  case UTF8PROC_CATEGORY_ZS:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
    return VW_SPACE;
  case UTF8PROC_CATEGORY_CN: {
    const int32_t later = LOOK_UP(kinds, c);
    return later ? (vw_text_kind)later : VW_OTHER;
  }
  default: /* of the controls only these are white space: not U+001C..1F */
    return (c >= 9 && c <= 13) || c == 0x85 ? VW_SPACE : VW_OTHER;
  }
}

vw_text_kind vw_text_kind_of(int32_t c) {
  if (c >= 128) return kind_by_category(c);
  if ((c | 32) >= 'a' && (c | 32) <= 'z') return VW_LETTER;
  if (c >= '0' && c <= '9') return VW_NUMBER;
  return c == ' ' || (c >= 9 && c <= 13) ? VW_SPACE : VW_OTHER;
}

bool vw_text_in_word(int32_t c) {
  return LOOK_UP(words, c) != 0;
}

static int32_t lower_of(int32_t c) {
  const int32_t later = LOOK_UP(lower, c);
  return later ? c + later : utf8proc_tolower(c);
}

/* Appends the NFC of part[0..bytes) lower-cased to *to. */
static vw_status add_part(const char *part, int64_t bytes, char **to) {
  utf8proc_uint8_t *nfc = NULL;
  const utf8proc_ssize_t n =
      utf8proc_map((const utf8proc_uint8_t *)part, bytes, &nfc, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
  VW_CHECK(n >= 0, n == UTF8PROC_ERROR_NOMEM ? VW_ERR_MEMORY : VW_ERR_INPUT, "text '%.40s' is not UTF-8: %s", part,
           utf8proc_errmsg(n));
  for (utf8proc_ssize_t at = 0; at < n;) {
    utf8proc_int32_t c;
    at += utf8proc_iterate(nfc + at, n - at, &c);
    *to += utf8proc_encode_char(lower_of(c), (utf8proc_uint8_t *)*to);
    if (c == 0x130) *to += utf8proc_encode_char(0x307, (utf8proc_uint8_t *)*to); /* the one of two code points */
  }
  free(nfc);
  return VW_OK;
}

/* Code points that the reference neither reorders nor composes are parts of their own. */
static vw_status add_text(const char *text, int64_t bytes, char **to) {
  int64_t begin = 0;
  for (int64_t at = 0, step; at < bytes; at += step) {
    utf8proc_int32_t c;
    step = utf8proc_iterate((const utf8proc_uint8_t *)text + at, bytes - at, &c);
    VW_CHECK(step > 0, VW_ERR_INPUT, "text '%.40s' is not UTF-8: byte %lld", text, (long long)at);
    if (c < 0x300 || !LOOK_UP(alone, c)) continue;
    VW_TRY(add_part(text + begin, at - begin, to));
    VW_TRY(add_part(text + at, step, to));
    begin = at + step;
  }
  return add_part(text + begin, bytes - begin, to);
}

/* Each run of white space becomes one space, in place. */
static void collapse(char *text) {
  char *to = text;
  bool was_space = false;
  for (const char *at = text; *at;) {
    utf8proc_int32_t c = (unsigned char)*at;
    const utf8proc_ssize_t bytes = c < 128 ? 1 : utf8proc_iterate((const utf8proc_uint8_t *)at, -1, &c);
    const bool is_space = vw_text_kind_of(c) == VW_SPACE;
    if (is_space && !was_space) *to++ = ' ';
    for (utf8proc_ssize_t i = 0; !is_space && i < bytes; i++) *to++ = at[i];
    was_space = is_space;
    at += bytes;
  }
  *to = 0;
}

vw_status vw_text_normalise(const char *text, char **out) {
  const size_t bytes = strlen(text);
  size_t plain = 0;
  char *to = *out = calloc(4 * bytes + 1, 1);
  VW_CHECK(to, VW_ERR_MEMORY, "out of memory for a text of %zu bytes", bytes);
  for (; plain < bytes && (unsigned char)text[plain] < 128; plain++)
    to[plain] = (char)(text[plain] >= 'A' && text[plain] <= 'Z' ? text[plain] | 32 : text[plain]);
  to += plain;
  if (plain < bytes) {
    to = *out;
    const vw_status st = add_text(text, (int64_t)bytes, &to);
    if (st != VW_OK) {
      free(*out);
      *out = NULL;
      return st;
    }
  }
  *to = 0;
  collapse(*out);
  return VW_OK;
}
