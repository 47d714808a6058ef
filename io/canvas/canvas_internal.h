/* Shared by the files of the canvas. Only io includes this. */
#ifndef VW_IO_CANVAS_INTERNAL_H
#define VW_IO_CANVAS_INTERNAL_H

#include "io/canvas/canvas.h"
#include "io/canvas/fonts.h"

struct vw_canvas {
  cairo_t *cairo;
  vw_fonts *fonts;
  vw_canvas_counts counts;
};

void vw_canvas_set_colour(const vw_canvas *c, vw_colour colour, double alpha);

/* Is that a place on or near a page? cairo fails altogether, or draws elsewhere, where it is none. */
bool vw_canvas_holds(double x, double y);

/* What cairo writes, in memory. */
typedef struct vw_canvas_bytes {
  char *data;
  size_t n, room;
  bool failed;
} vw_canvas_bytes;

/* cairo's SVG with ids that begin with `name` and count from 1 in the order of their appearance (cairo's own depend on
 * what the process drew before), a title, a description and the counts. *svg is malloc'ed and ends in a zero byte.
 * Errors: VW_ERR_MEMORY. */
vw_status vw_canvas_tidy_svg(const vw_canvas_bytes *from, const vw_page *page, const char *name,
                             const vw_canvas_counts *counts, char **svg, size_t *bytes);

#endif
