/* What the figures share: tables of study.h5, a page with panels, axes and a legend, CSV. Inside src/results.
 *
 * A kind of figure is a function that reads what it shows, lays it out, and hands a page and its CSV back
 * (vw_figure_make in figures.c writes both). */
#ifndef VW_RESULTS_FIGURE_H
#define VW_RESULTS_FIGURE_H

#include "core/pool.h"
#include "io/canvas/canvas.h"
#include "io/study/study_file.h"
#include "results/figures/figures.h"
#include "study/metrics.h"
#include "tasks/kinds.h"

#include <stdio.h>

/* ---- study.h5 (figure_read.c) ------------------------------------------------------------------------------------ */

typedef struct vw_figure_source {
  const char *dir;
  const char *study; /* its name */
  vw_study_reader *file;
  vw_pool pool; /* owns what is read */
} vw_figure_source;

/* Opens DIR/study.h5. The caller closes it, after a failure too. Errors: VW_ERR_INPUT (none, damaged), VW_ERR_IO,
 * VW_ERR_MEMORY. */
vw_status vw_figure_source_open(vw_figure_source *s, const char *dir);
void vw_figure_source_close(vw_figure_source *s);

bool vw_figure_has(const vw_figure_source *s, const char *path);

/* A data set as numbers, whatever its type, or as texts; *n counts all of its elements. Both belong to the source.
 * Errors: VW_ERR_INPUT (not there, of another kind), VW_ERR_MEMORY, those of the reader. */
vw_status vw_figure_numbers(vw_figure_source *s, const char *path, const double **numbers, int64_t *n);
vw_status vw_figure_texts(vw_figure_source *s, const char *path, const char *const **texts, int64_t *n);

/* A column of a table, texts or numbers (the other is NULL). *rows is -1 before a table's first column; every other one
 * must be as long. Errors: those above; VW_ERR_INPUT where it has other rows: a file of a stranger may say anything. */
vw_status vw_figure_column(vw_figure_source *s, const char *path, const char *const **texts, const double **numbers,
                           int64_t *rows);

/* A number of a file as a place among n things; -1: it is none of them. */
int64_t vw_figure_index(double number, int64_t n);

/* A row of any table of /summary. Columns that a table lacks are "" and NaN. */
typedef struct vw_figure_row {
  const char *model, *from, *to, *data, *what, *quantity, *position, *kind, *source, *metric;
  double delta, layer, depth, layers, step;
  vw_interval i;
  bool has_quartiles; /* i.low, mean, high are the quartiles of a table that has these; no bootstrap */
} vw_figure_row;
typedef struct vw_figure_rows {
  vw_figure_row *row; /* of the source */
  int64_t n;          /* 0: no such table */
} vw_figure_rows;
vw_status vw_figure_rows_read(vw_figure_source *s, const char *group, vw_figure_rows *rows);

/* The task of a model, by the table of /summary that has rows of it; NULL: none. */
vw_status vw_figure_task(vw_figure_source *s, const char *model, const vw_task_kind **task);

/* The distinct texts of a list in the order of their first appearance; at most `room`. Returns their number, which may
 * be more. */
int64_t vw_figure_distinct(const char *const *texts, int64_t n, const char **out, int64_t room);
int64_t vw_figure_place(const char *const *names, int64_t n, const char *name); /* -1: not among them */

/* ---- scales (plot.c) ---------------------------------------------------------------------------------------------- */

enum { VW_MOST_TICKS = 12 };

/* Round numbers (1, 2 or 5 times a power of ten apart) from at or below `low` to at or above `high`, about `wanted` of
 * them and at most VW_MOST_TICKS; returns how many. Where low is high, or one is not finite, two around it. */
int vw_ticks(double low, double high, int wanted, double ticks[VW_MOST_TICKS]);

/* As short as it tells neighbours of a step apart: "0.25", "10", "1e-05". */
enum { VW_TICK_TEXT = 32 };
void vw_tick_text(double tick, double step, char text[VW_TICK_TEXT]);

/* Into [0, 1], where what is shown is a share. */
static inline double vw_inside(double v, double low, double high) {
  return v < low ? low : v > high ? high : v;
}

/* ---- looks (plot.c) ----------------------------------------------------------------------------------------------- */

/* Colours that colour-blind people tell apart (Okabe and Ito 2008), yellow left out: it is not seen on white. */
enum { VW_PALETTE = 7 };
extern const vw_colour vw_palette[VW_PALETTE];

/* The look of series i: a colour and a form, beyond the colours hollow. */
vw_mark vw_series_mark(int64_t i, double size);
enum { VW_MOST_SERIES = 2 * VW_PALETTE };

/* A rectangle with axes. Its corners are in points, its ranges in what is shown. */
typedef struct vw_panel {
  double x, y, width, height;
  double x_low, x_high, y_low, y_high;
} vw_panel;
double vw_panel_x(const vw_panel *p, double v);
double vw_panel_y(const vw_panel *p, double v);

typedef struct vw_axes {
  const char *title, *x_title, *y_title; /* "": none */
  const char *const *x_names;            /* of whole numbers from 0, in the place of ticks; NULL: ticks */
  int64_t n_x_names;
} vw_axes;
/* Grid, ticks and titles; counts as a panel. */
void vw_panel_axes(vw_canvas *c, const vw_panel *p, const vw_axes *a);

/* A band between low[n] and high[n] at x[n], where all are finite: one area for each stretch of neighbours. */
void vw_panel_band(vw_canvas *c, const vw_panel *p, const double *x, const double *low, const double *high, int64_t n,
                   vw_colour colour);
/* A line through y[n] at x[n] and a mark on each (size 0: none); values are kept inside the panel. */
void vw_panel_series(vw_canvas *c, const vw_panel *p, const double *x, const double *y, int64_t n, const vw_pen *pen,
                     const vw_mark *mark);
/* An upright bar with ends. */
void vw_panel_bar(vw_canvas *c, const vw_panel *p, double x, double low, double high, vw_colour colour);

/* Of a text before there is a page to measure it on: letters of DejaVu Sans are about 0.6 of their size wide. */
double vw_about_width(const char *text, double size);

typedef struct vw_legend_entry {
  const char *text;
  vw_pen pen;   /* width 0: no line */
  vw_mark mark; /* size 0: no mark */
  bool has_band;
} vw_legend_entry;
/* Entries in rows as wide as `width`, from (x, y) downwards; returns their height. With `c` NULL nothing is drawn. */
double vw_legend(vw_canvas *c, double x, double y, double width, const vw_legend_entry *entries, int64_t n);

/* Letters in which a text is no wider than `most`: smaller ones, but not below `least`; a text that is still longer will
 * be cut. */
vw_letters vw_letters_fit(vw_canvas *c, const char *text, vw_letters letters, double least, double most);

/* The page's title ("STUDY: TITLE"), a line below it and notes at the end. */
enum { VW_PAGE_HEAD = 64, VW_PAGE_MARGIN = 16, VW_PAGE_NOTE = 18 };
void vw_page_head(vw_canvas *c, const char *study, const char *title, const char *below, double width);

/* ---- kinds -------------------------------------------------------------------------------------------------------- */

/* What a kind made of a study for one subject; the page's user data belong to the source. */
typedef struct vw_figure_drawing {
  vw_page page;
  char *csv; /* malloc'ed */
  size_t csv_bytes;
  char note[512]; /* as in vw_figure */
} vw_figure_drawing;

/* d->csv from rows of a summary, with those columns that any of them uses. Bounds of shares end at 0 and 1 (differences:
 * -1 and 1), as in summary.csv. Errors: VW_ERR_MEMORY. */
vw_status vw_figure_csv(vw_figure_drawing *d, const vw_figure_row *const *rows, int64_t n);

/* Fills *d, or leaves d->page.draw NULL and says in d->note what is missing. */
typedef vw_status (*vw_figure_make)(vw_figure_source *s, const char *subject, vw_figure_drawing *d);
vw_status vw_figure_against_delta(vw_figure_source *s, const char *subject, vw_figure_drawing *d);
vw_status vw_figure_transfer(vw_figure_source *s, const char *subject, vw_figure_drawing *d);
vw_status vw_figure_matrix(vw_figure_source *s, const char *subject, vw_figure_drawing *d);
vw_status vw_figure_tsne(vw_figure_source *s, const char *subject, vw_figure_drawing *d);
vw_status vw_figure_truncation(vw_figure_source *s, const char *subject, vw_figure_drawing *d);
vw_status vw_figure_probe(vw_figure_source *s, const char *subject, vw_figure_drawing *d);
vw_status vw_figure_performant(vw_figure_source *s, const char *subject, vw_figure_drawing *d);
vw_status vw_figure_loss(vw_figure_source *s, const char *subject, vw_figure_drawing *d);
vw_status vw_figure_constraint(vw_figure_source *s, const char *subject, vw_figure_drawing *d);

#endif
