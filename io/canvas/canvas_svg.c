/* cairo's SVG made fit to stand beside others in one page, and to be read aloud. */
#include "io/canvas/canvas_internal.h"

#include "core/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* An id as cairo called it, and its number. */
typedef struct id {
  const char *text;
  size_t n;
} id;

typedef struct tidy {
  FILE *out;
  const char *name;
  id *ids;
  int64_t n, room;
} tidy;

static bool begins(const char *p, const char *end, const char *with) {
  const size_t n = strlen(with);
  return (size_t)(end - p) >= n && memcmp(p, with, n) == 0;
}

/* The number of an id, from 1; a new one where it has none yet. 0: out of memory. */
static int64_t number_of(tidy *t, const char *text, size_t n) {
  for (int64_t i = 0; i < t->n; i++)
    if (t->ids[i].n == n && !memcmp(t->ids[i].text, text, n)) return i + 1;
  if (t->n == t->room) {
    const int64_t room = 2 * t->room + 64;
    id *more = realloc(t->ids, (size_t)room * sizeof *more);
    if (!more) return 0;
    t->ids = more, t->room = room;
  }
  t->ids[t->n++] = (id){text, n};
  return t->n;
}

/* An id stands behind `id="`, `="#` and `url(#`: the length of that, 0 elsewhere. */
static size_t before_id(const char *p, const char *end) {
  static const char *const marks[] = {" id=\"", "=\"#", "url(#"};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (begins(p, end, marks[i])) return strlen(marks[i]);
  return 0;
}

static void put_xml(FILE *out, const char *text) {
  char shown[4096]; /* XML cannot hold control characters */
  (void)vw_text_escape(shown, sizeof shown, text, strlen(text));
  for (const char *p = shown; *p; p++)
    if (*p == '<' || *p == '>' || *p == '&' || *p == '"')
      (void)fprintf(out, "&#%d;", *p);
    else
      (void)fputc(*p, out);
}

/* What stands behind the opening tag. */
static void put_head(const tidy *t, const vw_page *page, const vw_canvas_counts *c) {
  (void)fprintf(t->out, "\n<title>");
  put_xml(t->out, page->title);
  (void)fprintf(t->out, "</title>\n<desc>");
  put_xml(t->out, page->description);
  (void)fprintf(t->out,
                "</desc>\n<metadata>panels %" PRId64 ", marks %" PRId64 ", lines %" PRId64 ", areas %" PRId64
                ", texts %" PRId64 ", pictures %" PRId64 "</metadata>",
                c->panels, c->marks, c->lines, c->areas, c->texts, c->pictures);
}

/* One piece of cairo's text: an id, the opening tag's end, or a character. Returns what was taken; 0: out of memory. */
static size_t put_piece(tidy *t, const char *p, const char *end) {
  const size_t n = before_id(p, end);
  if (!n) {
    (void)fputc(*p, t->out);
    return 1;
  }
  size_t m = 0;
  while (p + n + m < end && p[n + m] != '"' && p[n + m] != ')') m++;
  const int64_t number = number_of(t, p + n, m);
  (void)fprintf(t->out, "%.*s%s-%" PRId64, (int)n, p, t->name, number);
  return number ? n + m : 0;
}

static vw_status rewrite(tidy *t, const vw_canvas_bytes *from, const vw_page *page, const vw_canvas_counts *counts) {
  const char *p = from->data, *end = p + from->n;
  bool is_open = false; /* the opening tag is behind us */
  while (p < end) {
    const size_t n = put_piece(t, p, end);
    VW_CHECK(n, VW_ERR_MEMORY, "%s: out of memory", t->name);
    if (!is_open && begins(p, end, "<svg")) {
      (void)fprintf(t->out, "svg role=\"img\"");
      p += 3;
    } else if (!is_open && *p == '>' && p[-1] != '?') {
      put_head(t, page, counts);
      is_open = true;
    }
    p += n;
  }
  return VW_OK;
}

vw_status vw_canvas_tidy_svg(const vw_canvas_bytes *from, const vw_page *page, const char *name,
                             const vw_canvas_counts *counts, char **svg, size_t *bytes) {
  tidy t = {.name = name};
  *svg = NULL;
  t.out = open_memstream(svg, bytes);
  VW_CHECK(t.out, VW_ERR_MEMORY, "%s: out of memory", name);
  vw_status st = rewrite(&t, from, page, counts);
  const bool failed = ferror(t.out) != 0;
  if ((fclose(t.out) != 0 || failed) && st == VW_OK) st = VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", name);
  free(t.ids);
  return st;
}
