/* Text that comes from outside, on its way to a person: file names, names in YAML, what a hostile file holds. Control
 * characters in it would reach the terminal, or begin a line that looks like one of ours. */
#ifndef VW_CORE_TEXT_H
#define VW_CORE_TEXT_H

#include <stddef.h>
#include <stdio.h>

/* Bytes of the longest escape of one character, and at most so many for each byte of a text. */
enum { VW_ESCAPED_BYTES = 6 };

/* Copies `bytes` of `text`, escaped, and a zero byte into `out`; cut before a character that does not fit. Returns the
 * length. Escaped as \x1b: control characters below U+0020 (line ends and tabs included), U+007F, and every byte that
 * is not valid UTF-8; as \u202e: U+0080-009F, U+2028, U+2029, U+202A-202E, U+2066-2069. Everything else stays,
 * backslashes too, so that a text escaped twice is the same. size must not be 0. */
size_t vw_text_escape(char *out, size_t size, const char *text, size_t bytes);

/* A name for files: "A photo of a <dog>!" -> "a-photo-of-a-dog", cut to `most` letters; out holds most + 1 bytes. */
void vw_text_slug(char *out, int most, const char *text);

/* printf for people: every %s is escaped; what stands in `format` is not, nor are numbers. `%n`, positions (`%1$s`) and
 * wide characters are not known. All that the program prints goes through here (or vw_json_print). Returns false when
 * the stream failed. */
int vw_print(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same into HTML or XML, a piece at a time: `format` is markup, and of every %s and %c also < > & and both quotes
 * become character references, so that a text is never markup, in an element or in a quoted attribute. Widths of texts
 * do not count. */
int vw_print_html(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
