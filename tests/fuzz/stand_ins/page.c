/* Pages that are drawn on nothing, and files that are not written: in the place of io/canvas and of what writes. All
 * that a figure hands over is looked at. */
#include "core/durable.h"
#include "io/canvas/canvas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct vw_canvas {
  vw_canvas_counts counts;
};

static volatile double sum;

static void look(double x) {
  sum = sum + (isfinite(x) ? x : 0);
}

void vw_canvas_line(vw_canvas *c, const double *xy, int64_t n, const vw_pen *pen) {
  for (int64_t i = 0; i < 2 * n; i++) look(xy[i]);
  look(pen->width), c->counts.lines++;
}

void vw_canvas_area(vw_canvas *c, const double *xy, int64_t n, vw_colour colour, double alpha) {
  for (int64_t i = 0; i < 2 * n; i++) look(xy[i]);
  look(alpha), look(colour), c->counts.areas++;
}

void vw_canvas_rectangle(vw_canvas *c, const double box[4], vw_colour colour, double alpha) {
  for (int i = 0; i < 4; i++) look(box[i]);
  look(alpha), look(colour), c->counts.areas++;
}

void vw_canvas_mark(vw_canvas *c, double x, double y, const vw_mark *mark) {
  if (mark->form < 0 || mark->form >= VW_MARKS) abort();
  look(x), look(y), c->counts.marks++;
}

void vw_canvas_text(vw_canvas *c, double x, double y, const char *text, const vw_letters *letters) {
  look(x), look(y), look((double)strlen(text)), look(letters->size), c->counts.texts++;
}

double vw_canvas_text_width(vw_canvas *c, const char *text, const vw_letters *letters) {
  look((double)c->counts.texts);
  return letters->size / 2 * (double)strlen(text);
}

void vw_canvas_picture(vw_canvas *c, const double box[4], const vw_image *picture) {
  for (int i = 0; i < 4; i++) look(box[i]);
  look((double)picture->width), c->counts.pictures++;
}

void vw_canvas_panel(vw_canvas *c) {
  c->counts.panels++;
}

bool vw_canvas_has_font(void) {
  return true;
}

/* As the true one refuses pages. */
vw_status vw_page_write(const vw_page *page, const char *path, const char *name, vw_canvas_counts *counts) {
  enum { MOST_SIDE = 16000 };
  vw_canvas c = {0};
  VW_CHECK(page->width <= MOST_SIDE && page->height <= MOST_SIDE, VW_ERR_INPUT, "%s: the page is too large", path);
  if (!(page->width > 0) || !(page->height > 0)) abort(); /* the true one would ask cairo for it */
  look((double)(strlen(page->title) + strlen(page->description) + strlen(name)));
  page->draw(&c, page->user);
  if (counts) *counts = c.counts;
  return VW_OK;
}

/* Linked with --wrap. */
vw_status __wrap_vw_file_write(const char *path, const void *data, int64_t bytes);
vw_status __wrap_vw_file_write(const char *path, const void *data, int64_t bytes) {
  look(bytes ? ((const char *)data)[bytes - 1] : path[0]);
  return VW_OK;
}

vw_status __wrap_vw_subfolder_make(const char *dir, const char *name, char path[VW_PATH_BYTES]);
vw_status __wrap_vw_subfolder_make(const char *dir, const char *name, char path[VW_PATH_BYTES]) {
  return vw_path_format(path, "%s/%s", dir, name);
}
