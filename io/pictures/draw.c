#include "io/pictures/draw.h"

#include <cairo.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vw_drawing {
  cairo_surface_t *surface;
  cairo_t *cairo;
  int64_t height, width, enlarge;
  double line; /* width of edges, and what all else is measured in */
};

enum { MOST_SIDE = 32767, LABEL_BYTES = 256 }; /* cairo's largest picture */

/* Told apart on light and dark ground; the letters on them are white or black. */
static const double colours[10][3] = {{.84, .15, .16}, {.12, .47, .71}, {.17, .63, .17}, {1.0, .50, .05},
                                      {.58, .40, .74}, {.89, .47, .76}, {.74, .74, .13}, {.09, .75, .81},
                                      {.55, .34, .29}, {.30, .30, .30}};

static void set_colour(const vw_drawing *d, int64_t colour) {
  const double *c = colours[colour % 10];
  cairo_set_source_rgb(d->cairo, c[0], c[1], c[2]);
}

static void copy_pixels(vw_drawing *d, const vw_image *picture) {
  const int64_t stride = cairo_image_surface_get_stride(d->surface);
  uint8_t *data = cairo_image_surface_get_data(d->surface);
  cairo_surface_flush(d->surface);
  for (int64_t y = 0; y < d->height; y++)
    for (int64_t x = 0; x < d->width; x++) {
      const uint8_t *p = picture->rgb + (y / d->enlarge * picture->width + x / d->enlarge) * 3;
      const uint32_t pixel = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
      memcpy(data + y * stride + x * 4, &pixel, sizeof pixel);
    }
  cairo_surface_mark_dirty(d->surface);
}

vw_status vw_drawing_create(vw_drawing **out, const vw_image *picture, int64_t enlarge) {
  *out = NULL;
  VW_CHECK(picture->height * enlarge <= MOST_SIDE && picture->width * enlarge <= MOST_SIDE, VW_ERR_INPUT,
           "a picture of %" PRId64 " x %" PRId64 " pixels is too large to draw on, at most %d a side",
           picture->width * enlarge, picture->height * enlarge, MOST_SIDE);
  vw_drawing *d = calloc(1, sizeof *d);
  VW_CHECK(d, VW_ERR_MEMORY, "drawing: out of memory");
  d->height = picture->height * enlarge, d->width = picture->width * enlarge, d->enlarge = enlarge;
  d->line = fmax(2, floor((double)(d->width > d->height ? d->width : d->height) / 300));
  d->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)d->width, (int)d->height);
  d->cairo = cairo_create(d->surface);
  if (cairo_status(d->cairo) != CAIRO_STATUS_SUCCESS) {
    vw_drawing_destroy(d);
    return VW_RAISE(VW_ERR_MEMORY, "drawing: out of memory for %" PRId64 " x %" PRId64 " pixels", picture->width,
                    picture->height);
  }
  copy_pixels(d, picture);
  cairo_select_font_face(d->cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
  cairo_set_font_size(d->cairo, 7 * d->line);
  *out = d;
  return VW_OK;
}

void vw_drawing_destroy(vw_drawing *d) {
  if (!d) return;
  cairo_destroy(d->cairo);
  cairo_surface_destroy(d->surface);
  free(d);
}

void vw_drawing_box(vw_drawing *d, const double box[4], int64_t colour) {
  const double k = (double)d->enlarge;
  set_colour(d, colour);
  cairo_set_line_width(d->cairo, d->line);
  cairo_rectangle(d->cairo, box[0] * k, box[1] * k, box[2] * k, box[3] * k);
  cairo_stroke(d->cairo);
}

bool vw_drawing_has_font(vw_drawing *d) {
  cairo_text_extents_t e;
  cairo_text_extents(d->cairo, "x", &e);
  return e.width > 0;
}

/* The text as far as `width` allows, cut between characters of UTF-8. */
static void cut_label(const vw_drawing *d, const char *text, double width, char label[LABEL_BYTES],
                      cairo_text_extents_t *e) {
  (void)snprintf(label, LABEL_BYTES, "%s", text);
  size_t n = strlen(label);
  while (n && ((unsigned char)text[n] & 0xc0) == 0x80) label[--n] = 0; /* snprintf may have cut inside one */
  cairo_text_extents(d->cairo, label, e);
  while (n > 1 && e->x_advance > width) {
    do n--;
    while (n && ((unsigned char)label[n] & 0xc0) == 0x80);
    label[n] = 0;
    cairo_text_extents(d->cairo, label, e);
  }
}

void vw_drawing_label(vw_drawing *d, const double box[4], const char *text, int64_t colour) {
  const double k = (double)d->enlarge, margin = d->line;
  char label[LABEL_BYTES];
  cairo_text_extents_t e;
  cairo_font_extents_t font;
  cut_label(d, text, (double)d->width - 2 * margin, label, &e);
  cairo_font_extents(d->cairo, &font);
  const double width = e.x_advance + 2 * margin, height = font.ascent + font.descent;
  const double edge = d->line / 2; /* the ground begins where the box's line does */
  double x = box[0] * k - edge, y = box[1] * k - edge - height;
  if (y < 0) y = box[1] * k + edge; /* no room above */
  y = fmax(0, fmin(y, (double)d->height - height));
  x = fmax(0, fmin(x, (double)d->width - width));
  set_colour(d, colour);
  cairo_rectangle(d->cairo, x, y, width, height);
  cairo_fill(d->cairo);
  const double *c = colours[colour % 10];
  const double light = .299 * c[0] + .587 * c[1] + .114 * c[2] > .6 ? 0 : 1;
  cairo_set_source_rgb(d->cairo, light, light, light);
  cairo_move_to(d->cairo, x + margin, y + font.ascent);
  cairo_show_text(d->cairo, label);
}

vw_status vw_drawing_write(vw_drawing *d, const char *path) {
  const int64_t stride = cairo_image_surface_get_stride(d->surface);
  VW_CHECK(cairo_status(d->cairo) == CAIRO_STATUS_SUCCESS, VW_ERR_MEMORY, "%s: drawing failed: %s", path,
           cairo_status_to_string(cairo_status(d->cairo)));
  cairo_surface_flush(d->surface);
  const uint8_t *data = cairo_image_surface_get_data(d->surface);
  uint8_t *rgb = malloc((size_t)(d->height * d->width * 3));
  VW_CHECK(rgb, VW_ERR_MEMORY, "%s: out of memory", path);
  for (int64_t y = 0; y < d->height; y++)
    for (int64_t x = 0; x < d->width; x++) {
      uint32_t pixel;
      memcpy(&pixel, data + y * stride + x * 4, sizeof pixel);
      uint8_t *to = rgb + (y * d->width + x) * 3;
      to[0] = (uint8_t)(pixel >> 16), to[1] = (uint8_t)(pixel >> 8), to[2] = (uint8_t)pixel;
    }
  const vw_status st = vw_png_write(path, d->height, d->width, rgb);
  free(rgb);
  return st;
}
