/* Figures that are panels of curves: rows of a summary against delta, layers, steps. Inside src/results. */
#ifndef VW_RESULTS_FIGURE_CURVES_H
#define VW_RESULTS_FIGURE_CURVES_H

#include "results/figures/figure_grid.h"

typedef struct vw_curve_look {
  const char *label; /* in the legend, once for all panels; "": not there */
  vw_pen pen;
  vw_mark mark;
  bool has_band; /* between i.low and i.high */
  bool has_bars; /* from i.boot_low to i.boot_high */
  double shift;  /* to the right, so that bars at one place do not cover each other */
} vw_curve_look;

typedef struct vw_curve {
  vw_curve_look look;
  const vw_figure_row **row;
  double *x;
  int64_t n, room;
} vw_curve;

typedef struct vw_curves_panel {
  const char *title, *x_title, *y_title;
  const char *const *x_names; /* NULL: numbers */
  int64_t n_x_names;
  double y_low, y_high; /* NaN: what the curves need */
  bool is_blank;        /* nothing is drawn in its place */
  vw_curve *curves;     /* of one room for all panels */
  int64_t n_curves, room;
} vw_curves_panel;

/* Everything belongs to the source. */
typedef struct vw_curves {
  vw_figure_source *s;
  const char *title, *below; /* heads of the page */
  const char *note;          /* at its end; "": none */
  vw_curves_panel *panels;
  int64_t n_panels, room, columns;
  double panel_width, panel_height;
  vw_legend_entry *legend;
  int64_t n_legend;
  const vw_grid *grid; /* below the legend; NULL: none */
  double width, height, legend_y, grid_y;
} vw_curves;

/* Takes memory from the source. Errors: VW_ERR_MEMORY. */
vw_status vw_curves_begin(vw_figure_source *s, vw_curves **f, const char *title, const char *below, int64_t columns);
vw_status vw_curves_panel_add(vw_curves *f, const vw_curves_panel *like, vw_curves_panel **panel);
vw_status vw_curve_add(vw_curves *f, vw_curves_panel *p, const vw_curve_look *look, vw_curve **curve);
vw_status vw_curve_point(vw_curves *f, vw_curve *c, double x, const vw_figure_row *row);

/* Lays the page out, fills d->page and the CSV with all rows that were added, in that order. No panels: leaves d as it
 * is. */
vw_status vw_curves_end(vw_curves *f, vw_figure_drawing *d);

/* A text of the source: printf. NULL: out of memory. */
const char *vw_figure_text(vw_figure_source *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The distinct deltas of rows, ascending, and their names ("free" for infinity). */
enum { VW_FIGURE_DELTAS = 64 };
typedef struct vw_figure_deltas {
  double v[VW_FIGURE_DELTAS];
  const char *name[VW_FIGURE_DELTAS];
  int64_t n;
} vw_figure_deltas;
vw_status vw_figure_deltas_of(vw_figure_source *s, const vw_figure_rows *rows, const char *model,
                              const vw_figure_deltas **deltas); /* model NULL: of all; belong to the source */
int64_t vw_figure_delta_place(const vw_figure_deltas *deltas, double delta); /* -1: not among them */

#endif
