#include "io/canvas/canvas_internal.h"

#include "core/durable.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PNG_SCALE = 2, MOST_SIDE = 16000, CORNERS = 12 };

void vw_canvas_set_colour(const vw_canvas *c, vw_colour colour, double alpha) {
  cairo_set_source_rgba(c->cairo, (double)(colour >> 16 & 255) / 255, (double)(colour >> 8 & 255) / 255,
                        (double)(colour & 255) / 255, alpha > 0 ? alpha : 1);
}

bool vw_canvas_holds(double x, double y) {
  static const double most = 1e6;
  return fabs(x) <= most && fabs(y) <= most;
}

/* ---- lines and areas --------------------------------------------------------------------------------------------- */

static void trace(const vw_canvas *c, const double *xy, int64_t n) {
  bool is_down = false;
  cairo_new_path(c->cairo);
  for (int64_t i = 0; i < n; i++) {
    const double x = xy[2 * i], y = xy[2 * i + 1];
    if (!vw_canvas_holds(x, y)) {
      is_down = false;
      continue;
    }
    if (is_down)
      cairo_line_to(c->cairo, x, y);
    else
      cairo_move_to(c->cairo, x, y);
    is_down = true;
  }
}

void vw_canvas_line(vw_canvas *c, const double *xy, int64_t n, const vw_pen *pen) {
  trace(c, xy, n);
  vw_canvas_set_colour(c, pen->colour, pen->alpha);
  cairo_set_line_width(c->cairo, pen->width);
  cairo_set_dash(c->cairo, pen->dash, pen->dash[0] > 0 ? 2 : 0, 0);
  cairo_stroke(c->cairo);
  c->counts.lines++;
}

void vw_canvas_area(vw_canvas *c, const double *xy, int64_t n, vw_colour colour, double alpha) {
  trace(c, xy, n);
  cairo_close_path(c->cairo);
  vw_canvas_set_colour(c, colour, alpha);
  cairo_fill(c->cairo);
  c->counts.areas++;
}

static bool is_held(const double box[4]) {
  return vw_canvas_holds(box[0], box[1]) && vw_canvas_holds(box[2], box[3]);
}

void vw_canvas_rectangle(vw_canvas *c, const double box[4], vw_colour colour, double alpha) {
  if (!is_held(box)) return;
  cairo_new_path(c->cairo);
  cairo_rectangle(c->cairo, box[0], box[1], box[2], box[3]);
  vw_canvas_set_colour(c, colour, alpha);
  cairo_fill(c->cairo);
  c->counts.areas++;
}

/* ---- marks ------------------------------------------------------------------------------------------------------- */

typedef struct form {
  int corners;  /* 0: a circle */
  double inner; /* every second corner is so far out, of the others; 1: a regular polygon */
  double turn;  /* of the first corner from the top, in full turns */
  double scale; /* so that forms weigh the same */
} form;

static const form forms[VW_MARKS] = {
    {0, 1, 0, 1},        /* circle */
    {4, 1, .125, 1.25},  /* square */
    {3, 1, 0, 1.35},     /* triangle */
    {4, 1, 0, 1.3},      /* diamond */
    {8, .35, .125, 1.5}, /* cross */
    {3, 1, .5, 1.35},    /* downward triangle */
    {8, .35, 0, 1.5},    /* plus */
    {10, .45, 0, 1.45},  /* star */
    {5, 1, 0, 1.15},     /* pentagon */
    {6, 1, 0, 1.1},      /* hexagon */
};

static void trace_mark(const vw_canvas *c, double x, double y, const vw_mark *mark) {
  static const double turn = 6.283185307179586;
  const form *f = &forms[mark->form % VW_MARKS];
  const double radius = mark->size / 2 * f->scale;
  cairo_new_path(c->cairo);
  if (!f->corners) cairo_arc(c->cairo, x, y, radius, 0, turn);
  for (int i = 0; i < f->corners; i++) {
    const double angle = turn * (f->turn + (double)i / f->corners - .25), r = i % 2 ? radius * f->inner : radius;
    cairo_line_to(c->cairo, x + r * cos(angle), y + r * sin(angle));
  }
  cairo_close_path(c->cairo);
}

void vw_canvas_mark(vw_canvas *c, double x, double y, const vw_mark *mark) {
  if (!vw_canvas_holds(x, y)) return;
  trace_mark(c, x, y, mark);
  vw_canvas_set_colour(c, mark->is_hollow ? 0xffffff : mark->colour, 1);
  cairo_fill_preserve(c->cairo);
  vw_canvas_set_colour(c, mark->is_hollow ? mark->colour : 0xffffff, 1);
  cairo_set_dash(c->cairo, NULL, 0, 0);
  cairo_set_line_width(c->cairo, mark->is_hollow ? fmax(1, mark->size / 6) : .5);
  cairo_stroke(c->cairo);
  c->counts.marks++;
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

/* The same picture again is stored once: SVG and PDF know it by a name of its pixels. */
static void name_pixels(cairo_surface_t *s, const vw_image *picture) {
  char *text = malloc(VW_HASH_TEXT);
  if (!text) return; /* it is stored once more */
  const vw_hash pixels = vw_hash_bytes(picture->rgb, (size_t)(picture->height * picture->width * 3));
  vw_hash_text(pixels, text);
  if (cairo_surface_set_mime_data(s, CAIRO_MIME_TYPE_UNIQUE_ID, (const unsigned char *)text, strlen(text), free,
                                  text) != CAIRO_STATUS_SUCCESS)
    free(text);
}

void vw_canvas_picture(vw_canvas *c, const double box[4], const vw_image *picture) {
  if (!is_held(box) || !(box[2] > 0 && box[3] > 0)) return;
  cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)picture->width, (int)picture->height);
  if (cairo_surface_status(s) == CAIRO_STATUS_SUCCESS) {
    const int64_t stride = cairo_image_surface_get_stride(s);
    uint8_t *data = cairo_image_surface_get_data(s);
    for (int64_t y = 0; y < picture->height; y++)
      for (int64_t x = 0; x < picture->width; x++) {
        const uint8_t *p = picture->rgb + (y * picture->width + x) * 3;
        const uint32_t pixel = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        memcpy(data + y * stride + x * 4, &pixel, sizeof pixel);
      }
    cairo_surface_mark_dirty(s);
    name_pixels(s, picture);
    cairo_save(c->cairo);
    cairo_translate(c->cairo, box[0], box[1]);
    cairo_scale(c->cairo, box[2] / (double)picture->width, box[3] / (double)picture->height);
    cairo_set_source_surface(c->cairo, s, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(c->cairo), CAIRO_FILTER_GOOD);
    cairo_paint(c->cairo);
    cairo_restore(c->cairo);
  }
  cairo_surface_destroy(s);
  c->counts.pictures++;
}

void vw_canvas_panel(vw_canvas *c) {
  c->counts.panels++;
}

/* ---- the three formats ------------------------------------------------------------------------------------------- */

static cairo_status_t take(void *user, const unsigned char *data, unsigned n) {
  vw_canvas_bytes *b = user;
  if (b->n + n > b->room) {
    const size_t room = 2 * b->room + n + 4096;
    char *more = realloc(b->data, room);
    if (!more) return b->failed = true, CAIRO_STATUS_NO_MEMORY;
    b->data = more, b->room = room;
  }
  memcpy(b->data + b->n, data, n);
  b->n += n;
  return CAIRO_STATUS_SUCCESS;
}

/* Draws on the surface and finishes it. */
static vw_status draw_on(cairo_surface_t *surface, const vw_page *page, vw_fonts *fonts, double scale,
                         vw_canvas_counts *counts) {
  vw_canvas c = {.cairo = cairo_create(surface), .fonts = fonts};
  cairo_font_options_t *options = cairo_font_options_create();
  /* The same places in all formats: no letter is moved to fit pixels. */
  cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
  cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
  cairo_set_font_options(c.cairo, options);
  cairo_font_options_destroy(options);
  cairo_scale(c.cairo, scale, scale);
  cairo_set_line_join(c.cairo, CAIRO_LINE_JOIN_ROUND);
  vw_canvas_set_colour(&c, 0xffffff, 1);
  cairo_paint(c.cairo);
  page->draw(&c, page->user);
  *counts = c.counts;
  cairo_surface_flush(surface);
  const cairo_status_t drawn = cairo_status(c.cairo);
  cairo_destroy(c.cairo);
  VW_CHECK(drawn == CAIRO_STATUS_SUCCESS, VW_ERR_MEMORY, "drawing failed: %s", cairo_status_to_string(drawn));
  return VW_OK;
}

static vw_status write_bytes(const char *path, const char *ending, const void *data, size_t n) {
  char full[VW_PATH_BYTES];
  VW_TRY(vw_path_format(full, "%s.%s", path, ending));
  return vw_file_write(full, data, (int64_t)n);
}

static vw_status finish(cairo_surface_t *surface, const vw_canvas_bytes *b) {
  cairo_surface_finish(surface);
  const cairo_status_t status = cairo_surface_status(surface);
  VW_CHECK(status == CAIRO_STATUS_SUCCESS && !b->failed, VW_ERR_MEMORY, "drawing failed: %s",
           cairo_status_to_string(status));
  return VW_OK;
}

static vw_status write_svg(const vw_page *page, vw_fonts *fonts, const char *path, const char *name,
                           vw_canvas_counts *counts) {
  vw_canvas_bytes b = {0};
  char *svg = NULL;
  size_t n = 0;
  vw_status st = VW_OK;
  cairo_surface_t *s = cairo_svg_surface_create_for_stream(take, &b, page->width, page->height);
  cairo_svg_surface_set_document_unit(s, CAIRO_SVG_UNIT_PX);
  VW_GOTO(draw_on(s, page, fonts, 1, counts));
  VW_GOTO(finish(s, &b));
  VW_GOTO(vw_canvas_tidy_svg(&b, page, name, counts, &svg, &n));
  VW_GOTO(write_bytes(path, "svg", svg, n));
cleanup:
  cairo_surface_destroy(s);
  free(b.data), free(svg);
  return st;
}

static vw_status write_pdf(const vw_page *page, vw_fonts *fonts, const char *path) {
  static const double points = 72. / 96;
  vw_canvas_bytes b = {0};
  vw_canvas_counts counts;
  vw_status st = VW_OK;
  cairo_surface_t *s = cairo_pdf_surface_create_for_stream(take, &b, page->width * points, page->height * points);
  cairo_pdf_surface_set_metadata(s, CAIRO_PDF_METADATA_TITLE, page->title);
  cairo_pdf_surface_set_metadata(s, CAIRO_PDF_METADATA_CREATE_DATE, "1970-01-01T00:00:00Z");
  VW_GOTO(draw_on(s, page, fonts, points, &counts));
  VW_GOTO(finish(s, &b));
  VW_GOTO(write_bytes(path, "pdf", b.data, b.n));
cleanup:
  cairo_surface_destroy(s);
  free(b.data);
  return st;
}

static vw_status write_png(const vw_page *page, vw_fonts *fonts, const char *path) {
  const int64_t width = (int64_t)ceil(page->width * PNG_SCALE), height = (int64_t)ceil(page->height * PNG_SCALE);
  char full[VW_PATH_BYTES];
  vw_canvas_counts counts;
  vw_status st = VW_OK;
  cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
  uint8_t *rgb = malloc((size_t)(width * height * 3));
  VW_GOTO(rgb ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "%s.png: out of memory", path));
  VW_GOTO(draw_on(s, page, fonts, PNG_SCALE, &counts));
  const uint8_t *data = cairo_image_surface_get_data(s);
  const int64_t stride = cairo_image_surface_get_stride(s);
  for (int64_t i = 0; i < width * height; i++) {
    uint32_t pixel;
    memcpy(&pixel, data + i / width * stride + i % width * 4, sizeof pixel);
    rgb[3 * i] = (uint8_t)(pixel >> 16), rgb[3 * i + 1] = (uint8_t)(pixel >> 8), rgb[3 * i + 2] = (uint8_t)pixel;
  }
  VW_GOTO(vw_path_format(full, "%s.png", path));
  VW_GOTO(vw_png_write_drawing(full, height, width, rgb));
cleanup:
  cairo_surface_destroy(s);
  free(rgb);
  return st;
}

vw_status vw_page_write(const vw_page *page, const char *path, const char *name, vw_canvas_counts *counts) {
  vw_canvas_counts drawn = {0};
  VW_CHECK(page->width <= MOST_SIDE && page->height <= MOST_SIDE, VW_ERR_INPUT,
           "%s: a figure of %.0f x %.0f points is too large, at most %d a side", path, page->width, page->height,
           MOST_SIDE);
  vw_fonts *fonts = vw_fonts_open();
  vw_status st = write_svg(page, fonts, path, name, &drawn);
  if (st == VW_OK) st = write_pdf(page, fonts, path);
  if (st == VW_OK) st = write_png(page, fonts, path);
  vw_fonts_close(fonts);
  if (counts) *counts = drawn;
  return st;
}

bool vw_canvas_has_font(void) {
  vw_fonts *f = vw_fonts_open();
  const bool has = f != NULL;
  vw_fonts_close(f);
  return has;
}
