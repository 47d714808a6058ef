/* Figures: lines, marks, letters and pictures on a page, written as SVG, PDF and PNG. With io/pictures/draw.h the only place that
 * knows cairo.
 *
 * A figure is drawn by a function that is called once a format, so it must draw the same each time. Places are in points
 * (of CSS: 1/96 inch) from the upper left corner. Letters are those of DejaVu Sans where it is installed, else of the
 * font that fontconfig takes instead; a character that it lacks comes from the first font that has it. No shaping: the
 * letters of scripts that join or reorder theirs stand as they come.
 *
 * The same drawing gives the same bytes on one machine: no dates, no names of programs. */
#ifndef VW_IO_CANVAS_H
#define VW_IO_CANVAS_H

#include "io/pictures/image.h"

typedef struct vw_canvas vw_canvas;

/* 0xRRGGBB. */
typedef uint32_t vw_colour;

typedef struct vw_pen {
  vw_colour colour;
  double width;
  double alpha;   /* 0: 1, as where nothing is said */
  double dash[2]; /* drawn, left out; 0: drawn throughout */
} vw_pen;

/* Ten forms of equal weight. A hollow mark is white inside. */
enum { VW_MARKS = 10 };
typedef struct vw_mark {
  int form;    /* 0 .. VW_MARKS - 1: circle, square, triangle, diamond, cross, downward triangle, plus, star ... */
  double size; /* width, about */
  vw_colour colour;
  bool is_hollow;
} vw_mark;

typedef enum vw_align { VW_LEFT, VW_MIDDLE, VW_RIGHT } vw_align;
typedef struct vw_letters {
  double size;
  vw_colour colour;
  vw_align align;
  double most; /* a longer text is cut, with an ellipsis behind it; 0: no text is */
  bool is_bold;
  bool is_upright; /* runs from below to above */
} vw_letters;

/* What lies at no place (NaN, infinite) or a million points away is not drawn: numbers of a damaged study cannot spoil a
 * page. */

/* Draws a polyline through n places (x, y); NaN lifts the pen. */
void vw_canvas_line(vw_canvas *c, const double *xy, int64_t n, const vw_pen *pen);
/* Fills the polygon of n places. */
void vw_canvas_area(vw_canvas *c, const double *xy, int64_t n, vw_colour colour, double alpha);
void vw_canvas_rectangle(vw_canvas *c, const double box[4] /* x, y, width, height */, vw_colour colour, double alpha);
void vw_canvas_mark(vw_canvas *c, double x, double y, const vw_mark *mark);
/* A text in UTF-8 whose line begins at, ends at or is centred on x; y is its base line. Control characters and bytes that
 * are not UTF-8 are escaped (core/text.h). */
void vw_canvas_text(vw_canvas *c, double x, double y, const char *text, const vw_letters *letters);
double vw_canvas_text_width(vw_canvas *c, const char *text, const vw_letters *letters);
/* A picture, stretched to the box. */
void vw_canvas_picture(vw_canvas *c, const double box[4], const vw_image *picture);
/* A panel begins: counted, that tests know what is drawn. */
void vw_canvas_panel(vw_canvas *c);

/* What a figure holds. */
typedef struct vw_canvas_counts {
  int64_t panels, marks, lines, areas, texts, pictures;
} vw_canvas_counts;

typedef struct vw_page {
  double width, height;
  const char *title, *description; /* for those who cannot see it, and for the PDF's title */
  void (*draw)(vw_canvas *c, void *user);
  void *user;
} vw_page;

/* Writes PATH.svg, PATH.pdf and PATH.png (at twice the size), durably. Names inside the SVG begin with `name`, so that
 * several can stand in one HTML page. *counts (may be NULL) is what was drawn, which the SVG tells as metadata. Errors:
 * VW_ERR_IO, VW_ERR_MEMORY; VW_ERR_INPUT where the page is too large. */
vw_status vw_page_write(const vw_page *page, const char *path, const char *name, vw_canvas_counts *counts);

/* Whether this machine has a font: without one figures have no letters. */
bool vw_canvas_has_font(void);

#endif
