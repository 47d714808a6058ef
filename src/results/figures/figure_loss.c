/* loss_<model> and constraint: how training went, and where words ended in their balls. Medians and quartiles. */
#include "results/figures/figure_curves.h"

#include <math.h>
#include <string.h>

/* ---- loss_<model>: a panel a data set, a curve a delta ----------------------------------------------------------- */

static const struct {
  const char *quantity, *label;
  double dash[2];
} losses[] = {{"training loss", "delta %s", {0, 0}}, {"watched loss", "on the fixed set", {4, 3}}};

static vw_status add_losses(vw_curves *f, vw_curves_panel *p, const vw_figure_rows *rows, const vw_figure_row *of,
                            const vw_figure_deltas *deltas) {
  for (size_t q = 0; q < sizeof losses / sizeof *losses; q++)
    for (int64_t e = 0; e < deltas->n; e++) {
      vw_curve *c = NULL;
      const vw_mark like = vw_series_mark(e, 0);
      const vw_curve_look look = {
          .label = vw_figure_text(f->s, q ? "delta %s, on the fixed set" : "delta %s", deltas->name[e]),
          .pen = {.colour = like.colour, .width = q ? 1.2 : 1.8, .dash = {losses[q].dash[0], losses[q].dash[1]}},
          .has_band = q == 0};
      VW_TRY(vw_curve_add(f, p, &look, &c));
      for (int64_t i = 0; i < rows->n; i++) {
        const vw_figure_row *r = &rows->row[i];
        if (!strcmp(r->model, of->model) && !strcmp(r->data, of->data) && !strcmp(r->quantity, losses[q].quantity) &&
            r->delta == deltas->v[e])
          VW_TRY(vw_curve_point(f, c, r->step, r));
      }
    }
  return VW_OK;
}

static bool is_first(const vw_figure_rows *rows, int64_t i) {
  for (int64_t k = 0; k < i; k++)
    if (!strcmp(rows->row[k].model, rows->row[i].model) && !strcmp(rows->row[k].data, rows->row[i].data)) return false;
  return true;
}

vw_status vw_figure_loss(vw_figure_source *s, const char *subject, vw_figure_drawing *d) {
  vw_figure_rows rows;
  const vw_figure_deltas *deltas = NULL;
  vw_curves *f = NULL;
  VW_TRY(vw_figure_rows_read(s, "/summary/loss", &rows));
  VW_TRY(vw_figure_deltas_of(s, &rows, subject, &deltas));
  const char *title = vw_figure_text(s, "training loss of %s", subject);
  VW_CHECK(title, VW_ERR_MEMORY, "figures: out of memory");
  VW_TRY(vw_curves_begin(s, &f, title, "medians over words, bands: quartiles", 2));
  f->panel_width = 400, f->panel_height = 240;
  for (int64_t i = 0; i < rows.n; i++) {
    vw_curves_panel *p = NULL;
    if (strcmp(rows.row[i].model, subject) != 0 || !is_first(&rows, i)) continue;
    const vw_curves_panel like = {
        .title = rows.row[i].data, .x_title = "training step", .y_title = "loss", .y_low = NAN, .y_high = NAN};
    VW_TRY(vw_curves_panel_add(f, &like, &p));
    VW_TRY(add_losses(f, p, &rows, &rows.row[i], deltas));
  }
  return vw_curves_end(f, d);
}

/* ---- constraint: a panel a quantity, a curve a model and data set ------------------------------------------------ */

static vw_status add_ends(vw_curves *f, vw_curves_panel *p, const vw_figure_rows *rows, const char *quantity,
                          const vw_figure_deltas *deltas) {
  int64_t series = 0;
  for (int64_t k = 0; k < rows->n; k++) {
    const vw_figure_row *of = &rows->row[k];
    vw_curve *c = NULL;
    if (!is_first(rows, k)) continue;
    const vw_mark mark = vw_series_mark(series, 8);
    const vw_curve_look look = {.label = vw_figure_text(f->s, "%s, %s", of->model, of->data),
                                .pen = {.colour = mark.colour, .width = 1.8},
                                .mark = mark,
                                .has_band = true,
                                .shift = .05 * (double)(series % 5)};
    series++;
    VW_TRY(vw_curve_add(f, p, &look, &c));
    for (int64_t i = 0; i < rows->n; i++) {
      const vw_figure_row *r = &rows->row[i];
      const int64_t place = vw_figure_delta_place(deltas, r->delta);
      if (place >= 0 && !strcmp(r->model, of->model) && !strcmp(r->data, of->data) && !strcmp(r->quantity, quantity))
        VW_TRY(vw_curve_point(f, c, (double)place, r));
    }
  }
  return VW_OK;
}

vw_status vw_figure_constraint(vw_figure_source *s, const char *subject, vw_figure_drawing *d) {
  static const struct {
    const char *quantity, *title, *y_title;
  } panels[] = {{"distance over radius", "distance to the anchor", "over the ball's radius"},
                {"kkt", "KKT residual", "0: no move lowers the loss"}};
  vw_figure_rows rows;
  const vw_figure_deltas *deltas = NULL;
  vw_curves *f = NULL;
  (void)subject;
  VW_TRY(vw_figure_rows_read(s, "/summary/constraint", &rows));
  if (!rows.n) return VW_OK;
  VW_TRY(vw_figure_deltas_of(s, &rows, NULL, &deltas));
  VW_TRY(vw_curves_begin(s, &f, "where words end in their balls", "medians over words, bands: quartiles", 2));
  f->panel_width = 330, f->panel_height = 220;
  for (size_t q = 0; q < sizeof panels / sizeof *panels; q++) {
    vw_curves_panel *p = NULL;
    const vw_curves_panel like = {.title = panels[q].title,
                                  .x_title = "delta",
                                  .y_title = panels[q].y_title,
                                  .x_names = deltas->name,
                                  .n_x_names = deltas->n,
                                  .y_low = 0,
                                  .y_high = 1.05};
    VW_TRY(vw_curves_panel_add(f, &like, &p));
    VW_TRY(add_ends(f, p, &rows, panels[q].quantity, deltas));
  }
  return vw_curves_end(f, d);
}
