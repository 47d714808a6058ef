#include "results/figures/figure_curves.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LEFT = 58, ABOVE = 34, BELOW = 50, RIGHT = 14, MOST_LEGEND = 24, LEAST_WIDTH = 640 };

/* ---- collecting -------------------------------------------------------------------------------------------------- */

const char *vw_figure_text(vw_figure_source *s, const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return vw_pool_text(&s->pool, text, -1);
}

/* Room for one more of `n` things of a pool, which are copied into twice the room. */
static void *grown(vw_curves *f, void *old, int64_t n, int64_t *room, size_t bytes) {
  if (n < *room) return old;
  const int64_t more = 2 * *room + 8;
  void *larger = vw_pool_take(&f->s->pool, (size_t)more * bytes);
  if (larger && n) memcpy(larger, old, (size_t)n * bytes);
  if (larger) *room = more;
  return larger;
}

vw_status vw_curves_begin(vw_figure_source *s, vw_curves **f, const char *title, const char *below, int64_t columns) {
  *f = vw_pool_take(&s->pool, sizeof **f);
  VW_CHECK(*f, VW_ERR_MEMORY, "figures: out of memory");
  **f = (vw_curves){
      .s = s, .title = title, .below = below, .note = "", .columns = columns, .panel_width = 260, .panel_height = 190};
  return VW_OK;
}

vw_status vw_curves_panel_add(vw_curves *f, const vw_curves_panel *like, vw_curves_panel **panel) {
  f->panels = grown(f, f->panels, f->n_panels, &f->room, sizeof *f->panels);
  VW_CHECK(f->panels, VW_ERR_MEMORY, "figures: out of memory");
  *panel = &f->panels[f->n_panels++];
  **panel = *like;
  return VW_OK;
}

vw_status vw_curve_add(vw_curves *f, vw_curves_panel *p, const vw_curve_look *look, vw_curve **curve) {
  p->curves = grown(f, p->curves, p->n_curves, &p->room, sizeof *p->curves);
  VW_CHECK(p->curves && look->label, VW_ERR_MEMORY, "figures: out of memory");
  *curve = &p->curves[p->n_curves++];
  **curve = (vw_curve){.look = *look};
  return VW_OK;
}

vw_status vw_curve_point(vw_curves *f, vw_curve *c, double x, const vw_figure_row *row) {
  int64_t room = c->room;
  c->row = grown(f, (void *)c->row, c->n, &room, sizeof(*c->row));
  c->x = grown(f, c->x, c->n, &c->room, sizeof *c->x);
  VW_CHECK(c->row && c->x, VW_ERR_MEMORY, "figures: out of memory");
  c->row[c->n] = row, c->x[c->n++] = x;
  return VW_OK;
}

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

vw_status vw_figure_deltas_of(vw_figure_source *s, const vw_figure_rows *rows, const char *model,
                              const vw_figure_deltas **deltas) {
  vw_figure_deltas *d = vw_pool_take(&s->pool, sizeof *d);
  *deltas = d;
  VW_CHECK(d, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t i = 0; i < rows->n && d->n < VW_FIGURE_DELTAS; i++) {
    const double v = rows->row[i].delta;
    if (isnan(v) || v == 0 || (model && strcmp(rows->row[i].model, model) != 0)) continue;
    if (vw_figure_delta_place(d, v) < 0) d->v[d->n++] = v;
  }
  qsort(d->v, (size_t)d->n, sizeof *d->v, by_value);
  for (int64_t i = 0; i < d->n; i++) {
    char text[VW_DELTA_TEXT];
    vw_delta_text(d->v[i], text);
    d->name[i] = vw_pool_text(&s->pool, text, -1);
    VW_CHECK(d->name[i], VW_ERR_MEMORY, "figures: out of memory");
  }
  return VW_OK;
}

int64_t vw_figure_delta_place(const vw_figure_deltas *deltas, double delta) {
  for (int64_t i = 0; i < deltas->n; i++)
    if (deltas->v[i] == delta) return i;
  return -1;
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

static void widen(double v, double *low, double *high) {
  if (!isfinite(v)) return;
  if (!(v >= *low)) *low = v;
  if (!(v <= *high)) *high = v;
}

static void x_range(const vw_curves_panel *p, double *low, double *high) {
  *low = *high = NAN;
  if (p->x_names) {
    *low = -.5, *high = (double)p->n_x_names - .5;
    return;
  }
  for (int64_t k = 0; k < p->n_curves; k++)
    for (int64_t i = 0; i < p->curves[k].n; i++) widen(p->curves[k].x[i], low, high);
  if (!isfinite(*low)) *low = 0, *high = 1;
  if (*low == *high) *low -= 1, *high += 1;
}

static void y_range(const vw_curves_panel *p, double *low, double *high) {
  double ticks[VW_MOST_TICKS];
  *low = *high = NAN;
  for (int64_t k = 0; k < p->n_curves; k++)
    for (int64_t i = 0; i < p->curves[k].n; i++) {
      const vw_curve *c = &p->curves[k];
      widen(c->row[i]->i.mean, low, high);
      if (c->look.has_band) widen(c->row[i]->i.low, low, high), widen(c->row[i]->i.high, low, high);
      if (c->look.has_bars) widen(c->row[i]->i.boot_low, low, high), widen(c->row[i]->i.boot_high, low, high);
    }
  if (isfinite(p->y_low)) *low = p->y_low;
  if (isfinite(p->y_high)) *high = p->y_high;
  if (isfinite(p->y_low) && isfinite(p->y_high)) return;
  const int n = vw_ticks(*low, *high, 6, ticks);
  if (!isfinite(p->y_low)) *low = ticks[0];
  if (!isfinite(p->y_high)) *high = ticks[n - 1];
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

typedef struct numbers {
  double *x, *y, *low, *high;
} numbers;

static void draw_curve(vw_canvas *c, const vw_panel *p, const vw_curve *k) {
  double *all = malloc((size_t)k->n * 4 * sizeof *all + 1);
  if (!all) return; /* the canvas fails, too */
  const numbers v = {all, all + k->n, all + 2 * k->n, all + 3 * k->n};
  for (int64_t i = 0; i < k->n; i++) {
    const vw_interval *of = &k->row[i]->i;
    v.x[i] = k->x[i] + k->look.shift, v.y[i] = of->mean, v.low[i] = of->low, v.high[i] = of->high;
  }
  if (k->look.has_band) vw_panel_band(c, p, v.x, v.low, v.high, k->n, k->look.pen.colour);
  for (int64_t i = 0; k->look.has_bars && i < k->n; i++)
    vw_panel_bar(c, p, v.x[i], k->row[i]->i.boot_low, k->row[i]->i.boot_high, k->look.pen.colour);
  vw_panel_series(c, p, v.x, v.y, k->n, &k->look.pen, &k->look.mark);
  free(all);
}

static void draw_panel(vw_canvas *c, const vw_curves *f, int64_t i) {
  const vw_curves_panel *of = &f->panels[i];
  const double across = LEFT + f->panel_width + RIGHT, down = ABOVE + f->panel_height + BELOW;
  if (of->is_blank) return;
  const int64_t line = i / f->columns;
  vw_panel p = {.x = VW_PAGE_MARGIN + LEFT + (double)(i % f->columns) * across,
                .y = VW_PAGE_HEAD + ABOVE + (double)line * down,
                .width = f->panel_width,
                .height = f->panel_height};
  x_range(of, &p.x_low, &p.x_high), y_range(of, &p.y_low, &p.y_high);
  const vw_axes axes = {.title = of->title,
                        .x_title = of->x_title,
                        .y_title = of->y_title,
                        .x_names = of->x_names,
                        .n_x_names = of->n_x_names};
  vw_panel_axes(c, &p, &axes);
  if (p.y_low < 0 && p.y_high > 0) {
    const vw_pen pen = {.colour = 0x222222, .width = 1};
    const double y = vw_panel_y(&p, 0);
    vw_canvas_line(c, (double[]){p.x, y, p.x + p.width, y}, 2, &pen);
  }
  for (int64_t k = of->n_curves - 1; k >= 0; k--) draw_curve(c, &p, &of->curves[k]);
}

static void draw(vw_canvas *c, void *user) {
  const vw_curves *f = user;
  const vw_letters letters = {.size = 12, .colour = 0x555555, .most = f->width - 2 * VW_PAGE_MARGIN};
  vw_page_head(c, f->s->study, f->title, f->below, f->width);
  for (int64_t i = 0; i < f->n_panels; i++) draw_panel(c, f, i);
  (void)vw_legend(c, VW_PAGE_MARGIN + 8, f->legend_y, f->width - 2 * VW_PAGE_MARGIN, f->legend, f->n_legend);
  if (f->grid) vw_grid_draw(c, f->grid, VW_PAGE_MARGIN, f->grid_y);
  if (f->note[0]) vw_canvas_text(c, VW_PAGE_MARGIN, f->height - VW_PAGE_MARGIN, f->note, &letters);
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

static bool is_in_legend(const vw_curves *f, const char *label) {
  for (int64_t i = 0; i < f->n_legend; i++)
    if (!strcmp(f->legend[i].text, label)) return true;
  return false;
}

/* Rows of what could not be judged have no number: names that a network does not know. */
static bool has_points(const vw_curve *c) {
  for (int64_t i = 0; i < c->n; i++)
    if (isfinite(c->row[i]->i.mean)) return true;
  return false;
}

/* The distinct labels of all curves that have points. */
static vw_status make_legend(vw_curves *f) {
  int64_t more = 0;
  f->legend = vw_pool_take(&f->s->pool, (MOST_LEGEND + 1) * sizeof *f->legend);
  VW_CHECK(f->legend, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t i = 0; i < f->n_panels; i++)
    for (int64_t k = 0; k < f->panels[i].n_curves; k++) {
      const vw_curve_look *l = &f->panels[i].curves[k].look;
      if (!l->label[0] || !has_points(&f->panels[i].curves[k]) || is_in_legend(f, l->label)) continue;
      if (f->n_legend < MOST_LEGEND)
        f->legend[f->n_legend++] = (vw_legend_entry){l->label, l->pen, l->mark, l->has_band};
      else
        more++;
    }
  if (!more) return VW_OK;
  const char *text = vw_figure_text(f->s, "and %lld more", (long long)more);
  VW_CHECK(text, VW_ERR_MEMORY, "figures: out of memory");
  f->legend[f->n_legend++] = (vw_legend_entry){.text = text};
  return VW_OK;
}

static vw_status write_csv(const vw_curves *f, vw_figure_drawing *d) {
  int64_t n = 0;
  for (int64_t i = 0; i < f->n_panels; i++)
    for (int64_t k = 0; k < f->panels[i].n_curves; k++) n += f->panels[i].curves[k].n;
  const vw_figure_row **rows = malloc((size_t)n * sizeof(*rows) + 1);
  VW_CHECK(rows, VW_ERR_MEMORY, "figures: out of memory");
  n = 0;
  for (int64_t i = 0; i < f->n_panels; i++)
    for (int64_t k = 0; k < f->panels[i].n_curves; k++)
      for (int64_t e = 0; e < f->panels[i].curves[k].n; e++) rows[n++] = f->panels[i].curves[k].row[e];
  const vw_status st = vw_figure_csv(d, rows, n);
  free((void *)rows);
  return st;
}

vw_status vw_curves_end(vw_curves *f, vw_figure_drawing *d) {
  if (!f->n_panels) return VW_OK;
  VW_TRY(make_legend(f));
  if (f->n_panels < f->columns) f->columns = f->n_panels;
  const int64_t rows = (f->n_panels + f->columns - 1) / f->columns;
  f->width = fmax(2 * VW_PAGE_MARGIN + (double)f->columns * (LEFT + f->panel_width + RIGHT), LEAST_WIDTH);
  f->legend_y = VW_PAGE_HEAD + (double)rows * (ABOVE + f->panel_height + BELOW);
  if (f->grid) f->width = fmax(f->width, 2 * VW_PAGE_MARGIN + vw_grid_width(f->grid));
  f->grid_y =
      f->legend_y + VW_PAGE_MARGIN + vw_legend(NULL, 0, 0, f->width - 2 * VW_PAGE_MARGIN, f->legend, f->n_legend);
  f->height = f->grid_y + (f->grid ? vw_grid_height(f->grid) + VW_PAGE_MARGIN : 0) + (f->note[0] ? VW_PAGE_NOTE : 0);
  d->page = (vw_page){.width = f->width, .height = f->height, .title = f->title, .draw = draw, .user = f};
  return write_csv(f, d);
}
