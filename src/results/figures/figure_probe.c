/* probe: which words lie beside which, layer by layer. A panel a model, data set, network that the words were carried
 * from, and position. */
#include "results/figures/figure_curves.h"

#include <string.h>

static const struct {
  const char *quantity, *label;
  double dash[2];
} kinds[] = {{"concept neighbour", "same concept, delta %s", {0, 0}},
             {"anchor neighbour", "same anchor, delta %s", {5, 3}}};

/* Rows of one panel. */
static bool are_together(const vw_figure_row *a, const vw_figure_row *b) {
  return !strcmp(a->model, b->model) && !strcmp(a->data, b->data) && !strcmp(a->source, b->source) &&
         !strcmp(a->position, b->position);
}

static const char *title_of(vw_figure_source *s, const vw_figure_row *r) {
  const char *position = strcmp(r->position, "word") == 0 ? "at the word" : "pooled token";
  if (!r->source[0]) return vw_figure_text(s, "%s, %s: %s", r->model, r->data, position);
  return vw_figure_text(s, "%s, carried from %s: %s", r->model, r->source, position);
}

static vw_status add_curves(vw_curves *f, vw_curves_panel *p, const vw_figure_rows *rows, const vw_figure_row *of,
                            const vw_figure_deltas *deltas) {
  for (size_t q = 0; q < sizeof kinds / sizeof *kinds; q++)
    for (int64_t e = 0; e < deltas->n; e++) {
      vw_curve *c = NULL;
      vw_mark mark = vw_series_mark(e, 7);
      mark.is_hollow = q == 1;
      const vw_curve_look look = {
          .label = vw_figure_text(
              f->s, q ? "nearest has the same anchor, delta %s" : "nearest has the same concept, delta %s",
              deltas->name[e]),
          .pen = {.colour = mark.colour, .width = 1.6, .dash = {kinds[q].dash[0], kinds[q].dash[1]}},
          .mark = mark,
          .has_band = q == 0};
      VW_TRY(vw_curve_add(f, p, &look, &c));
      for (int64_t i = 0; i < rows->n; i++) {
        const vw_figure_row *r = &rows->row[i];
        if (are_together(r, of) && !strcmp(r->quantity, kinds[q].quantity) && r->delta == deltas->v[e])
          VW_TRY(vw_curve_point(f, c, r->layer, r));
      }
    }
  return VW_OK;
}

static bool is_first(const vw_figure_rows *rows, int64_t i) {
  for (int64_t k = 0; k < i; k++)
    if (are_together(&rows->row[k], &rows->row[i])) return false;
  return true;
}

vw_status vw_figure_probe(vw_figure_source *s, const char *subject, vw_figure_drawing *d) {
  vw_figure_rows rows;
  const vw_figure_deltas *deltas = NULL;
  vw_curves *f = NULL;
  (void)subject;
  VW_TRY(vw_figure_rows_read(s, "/summary/probe", &rows));
  if (!rows.n) return VW_OK;
  VW_TRY(vw_figure_deltas_of(s, &rows, NULL, &deltas));
  VW_TRY(
      vw_curves_begin(s, &f, "which words lie beside which, layer by layer",
                      "share of words whose nearest word of the same delta has the same concept, or the same anchor; "
                      "bands: 95 % over words",
                      3));
  for (int64_t i = 0; i < rows.n; i++) {
    const vw_figure_row *r = &rows.row[i];
    vw_curves_panel *p = NULL;
    if (!is_first(&rows, i)) continue;
    const vw_curves_panel like = {.title = title_of(s, r),
                                  .x_title = "layer (0: the embedding)",
                                  .y_title = "share of words",
                                  .y_low = 0,
                                  .y_high = 1};
    VW_CHECK(like.title, VW_ERR_MEMORY, "figures: out of memory");
    VW_TRY(vw_curves_panel_add(f, &like, &p));
    VW_TRY(add_curves(f, p, &rows, r, deltas));
  }
  return vw_curves_end(f, d);
}
