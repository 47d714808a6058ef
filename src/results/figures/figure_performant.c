/* performant: are performant solutions everywhere? A row of panels a model and data set. */
#include "results/figures/figure_curves.h"

#include <math.h>
#include <string.h>

typedef struct series {
  const char *quantity, *label;
  int form; /* and colour */
  double shift;
} series;

typedef struct kind {
  const char *title, *y_title;
  double y_low, y_high; /* NaN: as needed */
  series series[3];
} kind;

static const kind kinds[] = {
    {"cosine of words of one concept",
     "cosine",
     NAN,
     1,
     {{"cosine, other anchors", "words of one concept, from different anchors", 0, 0},
      {"cosine, other replicas", "replicas of one anchor", 2, .08},
      {"cosine, untouched anchors", "the anchors themselves", 6, 0}}},
    {"distance of words of one concept",
     "over the mean of both radii",
     0,
     NAN,
     {{"distance over radius, other anchors", "words of one concept, from different anchors", 0, 0},
      {"distance over radius, other replicas", "replicas of one anchor", 2, .08}}},
    {"performance, and where words lie",
     "share, score",
     0,
     1,
     {{"performance", "performance (the headline)", 1, 0},
      {"nearest word is the anchor", "words whose nearest word still is their anchor", 3, .08}}},
    {"performance, paired differences",
     "difference",
     NAN,
     NAN,
     {{"performance minus next smaller delta", "performance minus that at the next smaller delta", 4, 0},
      {"performance at delta 1 minus at 0.5", "performance at delta 1 minus at 0.5", 5, .12}}},
};

static vw_status add_series(vw_curves *f, vw_curves_panel *p, const vw_figure_rows *rows, const vw_figure_row *of,
                            const series *s, const vw_figure_deltas *deltas) {
  const vw_mark mark = vw_series_mark(s->form, 8);
  const bool is_level = strcmp(s->quantity, "cosine, untouched anchors") == 0;
  const vw_curve_look look = {.label = s->label,
                              .pen = {.colour = mark.colour, .width = 1.6, .dash = {is_level ? 6 : 0, 3}},
                              .mark = is_level ? (vw_mark){0} : mark,
                              .has_band = !is_level,
                              .has_bars = !is_level,
                              .shift = s->shift};
  vw_curve *c = NULL;
  VW_TRY(vw_curve_add(f, p, &look, &c));
  for (int64_t i = 0; i < rows->n; i++) {
    const vw_figure_row *r = &rows->row[i];
    if (strcmp(r->model, of->model) != 0 || strcmp(r->data, of->data) != 0 || strcmp(r->quantity, s->quantity) != 0)
      continue;
    if (is_level) {
      VW_TRY(vw_curve_point(f, c, -.5, r));
      VW_TRY(vw_curve_point(f, c, (double)deltas->n - .5, r));
    } else if (vw_figure_delta_place(deltas, r->delta) >= 0 && isfinite(r->i.mean)) {
      VW_TRY(vw_curve_point(f, c, (double)vw_figure_delta_place(deltas, r->delta), r));
    }
  }
  return VW_OK;
}

static vw_status add_row(vw_curves *f, const vw_figure_rows *rows, const vw_figure_row *of) {
  const vw_figure_deltas *deltas = NULL;
  VW_TRY(vw_figure_deltas_of(f->s, rows, of->model, &deltas));
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    vw_curves_panel *p = NULL;
    const vw_curves_panel like = {.title =
                                      k ? kinds[k].title : vw_figure_text(f->s, "%s, %s: cosine", of->model, of->data),
                                  .x_title = "delta",
                                  .y_title = kinds[k].y_title,
                                  .x_names = deltas->name,
                                  .n_x_names = deltas->n,
                                  .y_low = kinds[k].y_low,
                                  .y_high = kinds[k].y_high};
    VW_CHECK(like.title, VW_ERR_MEMORY, "figures: out of memory");
    VW_TRY(vw_curves_panel_add(f, &like, &p));
    for (int i = 0; i < 3 && kinds[k].series[i].quantity; i++)
      VW_TRY(add_series(f, p, rows, of, &kinds[k].series[i], deltas));
  }
  return VW_OK;
}

vw_status vw_figure_performant(vw_figure_source *s, const char *subject, vw_figure_drawing *d) {
  vw_figure_rows rows;
  vw_curves *f = NULL;
  (void)subject;
  VW_TRY(vw_figure_rows_read(s, "/summary/performant", &rows));
  if (!rows.n) return VW_OK;
  VW_TRY(
      vw_curves_begin(s, &f, "how far apart are words that different anchors gave for one concept?",
                      "means; bands: 95 % over concepts (performance: over words); bars: 95 % bootstrap over concepts "
                      "(and anchors)",
                      (int64_t)(sizeof kinds / sizeof *kinds)));
  for (int64_t i = 0; i < rows.n; i++) {
    bool is_first = true;
    for (int64_t k = 0; k < i; k++)
      is_first &= strcmp(rows.row[k].model, rows.row[i].model) != 0 || strcmp(rows.row[k].data, rows.row[i].data) != 0;
    if (is_first) VW_TRY(add_row(f, &rows, &rows.row[i]));
  }
  return vw_curves_end(f, d);
}
