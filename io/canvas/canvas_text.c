/* Letters: runs of characters that one font has, and cutting. */
#include "io/canvas/canvas_internal.h"

#include "core/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_BYTES = 1024 };
static const char ellipsis[] = "\xe2\x80\xa6";

/* One character of valid UTF-8, and its bytes. */
static uint32_t character_at(const char *p, size_t *bytes) {
  const unsigned char *u = (const unsigned char *)p;
  const size_t n = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
  uint32_t c = n == 1 ? u[0] : u[0] & (0x3fU >> (n - 1));
  for (size_t i = 1; i < n; i++) c = c << 6 | (u[i] & 0x3f);
  *bytes = n;
  return c;
}

/* The next run that one font has, in run[]; *p moves behind it. The face is set. */
static void next_run(const vw_canvas *c, const char **p, bool is_bold, char run[SHOWN_BYTES]) {
  cairo_font_face_t *face = NULL;
  size_t n = 0, bytes;
  while (**p) {
    const uint32_t character = character_at(*p, &bytes);
    cairo_font_face_t *own = vw_fonts_face(c->fonts, character, is_bold);
    if (face && own != face) break;
    face = own;
    memcpy(run + n, *p, bytes);
    n += bytes, *p += bytes;
  }
  run[n] = 0;
  cairo_set_font_face(c->cairo, face);
}

static double width_of(const vw_canvas *c, const char *text, const vw_letters *letters) {
  char run[SHOWN_BYTES];
  double width = 0;
  cairo_text_extents_t e;
  cairo_set_font_size(c->cairo, letters->size);
  while (*text) {
    next_run(c, &text, letters->is_bold, run);
    cairo_text_extents(c->cairo, run, &e);
    width += e.x_advance;
  }
  return width;
}

/* As it is shown: escaped, and cut where it is too long. */
static double shorten(const vw_canvas *c, const char *text, const vw_letters *letters, char shown[SHOWN_BYTES]) {
  size_t n = vw_text_escape(shown, SHOWN_BYTES - sizeof ellipsis, text, strlen(text));
  double width = width_of(c, shown, letters);
  if (text[0] && n + VW_ESCAPED_BYTES >= SHOWN_BYTES - sizeof ellipsis) memcpy(shown + n, ellipsis, sizeof ellipsis);
  while (letters->most > 0 && width > letters->most && n > 0) {
    do n--;
    while (n && ((unsigned char)shown[n] & 0xc0) == 0x80);
    while (n && shown[n - 1] == ' ') n--;
    memcpy(shown + n, ellipsis, sizeof ellipsis);
    width = width_of(c, shown, letters);
  }
  return width;
}

double vw_canvas_text_width(vw_canvas *c, const char *text, const vw_letters *letters) {
  char shown[SHOWN_BYTES];
  return c->fonts ? shorten(c, text, letters, shown) : 0;
}

void vw_canvas_text(vw_canvas *c, double x, double y, const char *text, const vw_letters *letters) {
  char shown[SHOWN_BYTES], run[SHOWN_BYTES];
  if (!vw_canvas_holds(x, y)) return;
  c->counts.texts++;
  if (!c->fonts) return;
  const double width = shorten(c, text, letters, shown);
  const double shift = letters->align == VW_MIDDLE ? width / 2 : letters->align == VW_RIGHT ? width : 0;
  cairo_save(c->cairo);
  vw_canvas_set_colour(c, letters->colour, 1);
  cairo_set_font_size(c->cairo, letters->size);
  cairo_translate(c->cairo, x, y);
  if (letters->is_upright) cairo_rotate(c->cairo, -1.5707963267948966);
  cairo_move_to(c->cairo, -shift, 0);
  for (const char *p = shown; *p;) {
    next_run(c, &p, letters->is_bold, run);
    cairo_show_text(c->cairo, run); /* moves to its end */
  }
  cairo_restore(c->cairo);
}
