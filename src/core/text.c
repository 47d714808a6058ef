#include "core/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The length of the valid UTF-8 character at `p` and its number; 0: invalid. */
static size_t character(const unsigned char *p, size_t left, uint32_t *code) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
  if (n == 0 || n > left) return 0;
  *code = n == 1 ? p[0] : p[0] & (0xffU >> (n + 1));
  for (size_t i = 1; i < n; i++) {
    if ((p[i] & 0xc0) != 0x80) return 0;
    *code = *code << 6 | (p[i] & 0x3f);
  }
  return *code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0 : n;
}

static bool is_control(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

void vw_text_slug(char *out, int most, const char *text) {
  int n = 0;
  for (; *text && n < most; text++) {
    const char c = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      out[n++] = c;
    else if (n && out[n - 1] != '-')
      out[n++] = '-';
  }
  while (n && out[n - 1] == '-') n--;
  out[n] = 0;
}

size_t vw_text_escape(char *out, size_t size, const char *text, size_t bytes) {
  const unsigned char *p = (const unsigned char *)text;
  size_t at = 0;
  for (size_t i = 0, n; i < bytes; i += n) {
    char piece[VW_ESCAPED_BYTES + 1];
    uint32_t code = 0;
    n = character(p + i, bytes - i, &code);
    const bool is_byte = n == 0 || (is_control(code) && code < 0x80);
    size_t length = n;
    if (is_byte) /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): the analyser takes va_arg's text for empty */
      n = 1, length = (size_t)snprintf(piece, sizeof piece, "\\x%02x", p[i]);
    else if (is_control(code))
      length = (size_t)snprintf(piece, sizeof piece, "\\u%04x", (unsigned)code & 0xffff);
    else
      memcpy(piece, p + i, n);
    if (at + length >= size) break;
    memcpy(out + at, piece, length);
    at += length;
  }
  out[at] = 0;
  return at;
}

/* ---- printing ---- */

/* One conversion of a format: flags, width, precision (-1: none), length and letter. */
typedef struct conversion {
  char text[32]; /* as it stands, '*' replaced by its number */
  int width, precision;
  bool left, markup;   /* markup: texts become character references where HTML would read markup */
  char length, letter; /* length: 0, 'h', 'l', 'q' (ll), 'j', 'z', 't', 'L' */
} conversion;

static const char *read_number(const char *p, int *number) {
  for (*number = 0; *p >= '0' && *p <= '9'; p++) *number = 10 * *number + (*p - '0');
  return p;
}

/* One character for HTML and XML, in texts and in quoted attributes. */
static void put_reference(FILE *out, char one) {
  if (strchr("<>&\"'", one) && one)
    (void)fprintf(out, "&#%d;", one);
  else
    (void)fputc(one, out);
}

static void put_text(FILE *out, const conversion *c, const char *text) {
  if (!text) text = "(null)";
  const size_t bytes = c->precision >= 0 ? strnlen(text, (size_t)c->precision) : strlen(text);
  const size_t size = VW_ESCAPED_BYTES * bytes + 1;
  char here[512], *escaped = size <= sizeof here ? here : malloc(size);
  if (!escaped) escaped = here;
  (void)vw_text_escape(escaped, escaped == here ? sizeof here : size, text, bytes);
  if (c->markup)
    for (const char *p = escaped; *p; p++) put_reference(out, *p);
  else
    (void)fprintf(out, "%*s", c->left ? -c->width : c->width, escaped);
  if (escaped != here) free(escaped);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* one conversion of a format that the compiler has checked */
static void put_integer(FILE *out, const conversion *c, va_list *ap) {
  switch (c->length) {
  case 'l':
    (void)fprintf(out, c->text, va_arg(*ap, long));
    break;
  case 'q':
    (void)fprintf(out, c->text, va_arg(*ap, long long));
    break;
  case 'j':
    (void)fprintf(out, c->text, va_arg(*ap, intmax_t));
    break;
  case 'z':
    (void)fprintf(out, c->text, va_arg(*ap, size_t));
    break;
  case 't':
    (void)fprintf(out, c->text, va_arg(*ap, ptrdiff_t));
    break;
  default:
    (void)fprintf(out, c->text, va_arg(*ap, int));
  }
}

static void put_one(FILE *out, const conversion *c, va_list *ap) {
  if (c->letter == '%')
    (void)fputc('%', out);
  else if (c->letter == 's')
    put_text(out, c, va_arg(*ap, const char *));
  else if (c->letter == 'c') {
    const char one[2] = {(char)va_arg(*ap, int), 0};
    put_text(out, c, one);
  } else if (strchr("fFeEgGaA", c->letter)) {
    if (c->length == 'L')
      (void)fprintf(out, c->text, va_arg(*ap, long double));
    else
      (void)fprintf(out, c->text, va_arg(*ap, double));
  } else if (c->letter == 'p')
    (void)fprintf(out, c->text, va_arg(*ap, void *));
  else
    put_integer(out, c, ap);
}
#pragma GCC diagnostic pop

/* Behind the '%'; returns what follows the letter. */
static const char *read_conversion(const char *p, conversion *c, va_list *ap) {
  char flags[8], precision[16] = "";
  size_t n = strspn(p, "-+ #0");
  *c = (conversion){.precision = -1};
  if (n >= sizeof flags) n = sizeof flags - 1;
  memcpy(flags, p, n), flags[n] = 0;
  p += strspn(p, "-+ #0");
  if (*p == '*')
    c->width = va_arg(*ap, int), p++;
  else
    p = read_number(p, &c->width);
  c->left = strchr(flags, '-') || c->width < 0;
  if (c->width < 0) c->width = -c->width;
  if (*p == '.') {
    if (*++p == '*')
      c->precision = va_arg(*ap, int), p++;
    else
      p = read_number(p, &c->precision);
    if (c->precision >= 0) (void)snprintf(precision, sizeof precision, ".%d", c->precision);
  }
  char length[3] = "";
  for (n = 0; *p && strchr("hljztL", *p); p++)
    if (n < 2) length[n++] = *p;
  c->length = length[0] == 'l' && length[1] == 'l' ? 'q' : length[0];
  c->letter = *p;
  (void)snprintf(c->text, sizeof c->text, "%%%s%s%.*d%s%s%c", flags, c->left && !strchr(flags, '-') ? "-" : "",
                 c->width ? 1 : 0, c->width, precision, length, c->letter);
  return *p ? p + 1 : p;
}

static void put_all(FILE *out, const char *format, bool markup, va_list *ap) {
  for (const char *p = format; *p;) {
    const size_t plain = strcspn(p, "%");
    (void)fwrite(p, 1, plain, out);
    p += plain;
    if (!*p) break;
    conversion c;
    p = read_conversion(p + 1, &c, ap);
    c.markup = markup;
    put_one(out, &c, ap);
  }
}

/* Put together first and written at once: ranks share a terminal, and stderr has no buffer that would keep a line
 * whole. Without memory it goes out in pieces. */
int vw_print(FILE *out, const char *format, ...) {
  char *text = NULL;
  size_t bytes = 0;
  FILE *whole = open_memstream(&text, &bytes);
  va_list ap;
  va_start(ap, format);
  put_all(whole ? whole : out, format, false, &ap);
  va_end(ap);
  if (whole && fclose(whole) == 0) (void)fwrite(text, 1, bytes, out);
  free(text);
  return !ferror(out);
}

int vw_print_html(FILE *out, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  put_all(out, format, true, &ap);
  va_end(ap);
  return !ferror(out);
}
