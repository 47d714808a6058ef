/* <headline>_against_delta: the headline of words against delta with 95 % bands, learned in the network and carried to
 * it, beside what they are compared with. A panel a model and data set. */
#include "results/figures/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DELTAS = 64, MOST_SOURCES = 4, MOST_PANELS = 24, MOST_KINDS = 6 + 2 * MOST_SOURCES, MOST_COLUMNS = 3 };
enum { WIDTH = 330, HEIGHT = 240, LEFT = 62, ABOVE = 36, BELOW = 58, RIGHT = 16 };

typedef struct look {
  const char *what, *label;
  vw_colour colour;
  int form; /* -1: no mark */
  double dash[2];
  double shift; /* of a place, so that bars at one delta do not cover each other */
  bool has_band;
} look;

static const look words[] = {
    {"word", "word learned here", 0x0072b2, 0, {0, 0}, 0, true},
    {"null concept", "null concept's word", 0xe69f00, 3, {6, 3}, .12, false},
    {"random direction", "random direction, same length", 0x777777, 2, {2, 3}, -.12, false},
};
static const look levels[] = {
    {"untouched anchor", "untouched anchor", 0x000000, 1, {8, 4}, 0, false},
    {"real name", "real name", 0x009e73, -1, {0, 0}, 0, false},
    {"random word", "random word", 0x777777, -1, {4, 4}, 0, false},
};
/* Carried words, by the order of their sources; the forms differ from those above. */
static const look carried[MOST_SOURCES] = {
    {"carried word", "carried from %s", 0xcc79a7, 4, {5, 2}, .06, true},
    {"carried word", "carried from %s", 0x56b4e9, 5, {5, 2}, -.06, true},
    {"carried word", "carried from %s", 0xd55e00, 6, {5, 2}, .18, true},
    {"carried word", "carried from %s", 0x000000, 7, {5, 2}, -.18, true},
};
static const look alike = {"in domain", "the same words, learned here", 0x0072b2, -1, {1, 3}, 0, false};
enum { WORDS = sizeof words / sizeof *words, LEVELS = sizeof levels / sizeof *levels };

/* A curve: a row of the summary at each delta, NULL where there is none; of a level, at[0] alone. */
typedef struct curve {
  const look *look;
  const vw_figure_row *at[MOST_DELTAS];
  bool is_level, is_there;
} curve;

typedef struct panel {
  const char *model, *data, *title;
  double deltas[MOST_DELTAS];
  const char *names[MOST_DELTAS + 1];
  int64_t n_deltas;
  curve curves[MOST_KINDS];
  int n_curves;
} panel;

typedef struct figure {
  const char *study, *title, *metric;
  panel *panels;
  int64_t n_panels, columns;
  vw_legend_entry legend[MOST_KINDS];
  int64_t n_legend;
  double width, height, legend_y;
  const char *note;
} figure;

/* ---- what is shown ----------------------------------------------------------------------------------------------- */

typedef struct tables {
  vw_figure_rows own, carried;
  const char *metric; /* the headline */
  const char *sources[MOST_SOURCES];
  int64_t n_sources;
} tables;

static const vw_figure_row *find(const vw_figure_rows *rows, const char *what, const char *quantity, double delta,
                                 const char *metric, const char *model, const char *data, const char *from) {
  for (int64_t i = 0; i < rows->n; i++) {
    const vw_figure_row *r = &rows->row[i];
    if (!strcmp(r->what, what) && !strcmp(r->quantity, quantity) && !strcmp(r->metric, metric) &&
        !strcmp(from ? r->to : r->model, model) && !strcmp(r->data, data) && (!from || !strcmp(r->from, from)) &&
        (r->delta == delta || (isnan(r->delta) && isnan(delta))))
      return r;
  }
  return NULL;
}

static void add_curve(panel *p, const look *l, const tables *t, const char *quantity, const char *from, bool is_level) {
  curve *c = &p->curves[p->n_curves];
  const vw_figure_rows *rows = from ? &t->carried : &t->own;
  const char *what = from ? "carried word" : l->what;
  *c = (curve){.look = l, .is_level = is_level};
  const double level = strcmp(l->what, "untouched anchor") == 0 ? 0 : NAN;
  for (int64_t i = 0; i < (is_level ? 1 : p->n_deltas); i++) {
    c->at[i] = find(rows, what, quantity, is_level ? level : p->deltas[i], t->metric, p->model, p->data, from);
    c->is_there |= c->at[i] && isfinite(c->at[i]->i.mean);
  }
  p->n_curves++;
}

/* Words learned here that were carried, too: drawn where they are not all of them. */
static void add_alike(panel *p, const tables *t, const char *from) {
  const curve *own = &p->curves[0];
  add_curve(p, &alike, t, "in domain", from, false);
  curve *c = &p->curves[p->n_curves - 1];
  bool differs = false;
  for (int64_t i = 0; i < p->n_deltas; i++) differs |= c->at[i] && own->at[i] && c->at[i]->i.n != own->at[i]->i.n;
  if (!differs || !c->is_there) p->n_curves--;
}

static bool add_delta(panel *p, double delta) {
  for (int64_t i = 0; i < p->n_deltas; i++)
    if (p->deltas[i] == delta) return true;
  if (p->n_deltas == MOST_DELTAS) return false;
  int64_t at = p->n_deltas++;
  for (; at > 0 && p->deltas[at - 1] > delta; at--) p->deltas[at] = p->deltas[at - 1];
  p->deltas[at] = delta;
  return true;
}

static vw_status fill_panel(vw_figure_source *s, const tables *t, panel *p) {
  char text[VW_DELTA_TEXT];
  p->names[0] = "anchor";
  for (int64_t i = 0; i < p->n_deltas; i++) {
    vw_delta_text(p->deltas[i], text);
    p->names[i + 1] = vw_pool_text(&s->pool, text, -1);
    VW_CHECK(p->names[i + 1], VW_ERR_MEMORY, "figures: out of memory");
  }
  for (int i = 0; i < WORDS; i++) add_curve(p, &words[i], t, "value", NULL, false);
  for (int i = 0; i < LEVELS; i++) add_curve(p, &levels[i], t, "value", NULL, true);
  for (int64_t i = 0; i < t->n_sources; i++) {
    add_curve(p, &carried[i], t, "value", t->sources[i], false);
    if (p->curves[p->n_curves - 1].is_there)
      add_alike(p, t, t->sources[i]);
    else
      p->n_curves--;
  }
  return VW_OK;
}

static panel *panel_of(figure *f, const vw_figure_row *r) {
  for (int64_t i = 0; i < f->n_panels; i++)
    if (!strcmp(f->panels[i].model, r->model) && !strcmp(f->panels[i].data, r->data)) return &f->panels[i];
  if (f->n_panels == MOST_PANELS) return NULL;
  panel *p = &f->panels[f->n_panels++];
  p->model = r->model, p->data = r->data;
  return p;
}

/* Panels with the deltas of their words; *left counts rows for which there was no room. */
static vw_status find_panels(vw_figure_source *s, const tables *t, figure *f, int64_t *left) {
  f->panels = vw_pool_take(&s->pool, MOST_PANELS * sizeof *f->panels);
  VW_CHECK(f->panels, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t i = 0; i < t->own.n; i++) {
    const vw_figure_row *r = &t->own.row[i];
    if (strcmp(r->metric, t->metric) != 0 || strcmp(r->quantity, "value") != 0) continue;
    panel *p = panel_of(f, r);
    if (!p || (!strcmp(r->what, "word") && !add_delta(p, r->delta))) ++*left;
  }
  for (int64_t i = 0; i < f->n_panels; i++) {
    panel *p = &f->panels[i];
    const size_t room = strlen(p->model) + strlen(p->data) + 3;
    char *title = vw_pool_take(&s->pool, room);
    VW_CHECK(title, VW_ERR_MEMORY, "figures: out of memory");
    (void)snprintf(title, room, "%s, %s", p->model, p->data);
    p->title = title;
    VW_TRY(fill_panel(s, t, p));
  }
  return VW_OK;
}

/* ---- the legend: what any panel has ------------------------------------------------------------------------------ */

static bool any_has(const figure *f, const look *l) {
  for (int64_t i = 0; i < f->n_panels; i++)
    for (int k = 0; k < f->panels[i].n_curves; k++)
      if (f->panels[i].curves[k].look == l && f->panels[i].curves[k].is_there) return true;
  return false;
}

static vw_pen pen_of(const look *l) {
  return (vw_pen){.colour = l->colour, .width = l->form == 0 ? 2.2 : 1.6, .dash = {l->dash[0], l->dash[1]}};
}

static vw_mark mark_of(const look *l) {
  return (vw_mark){.form = l->form < 0 ? 0 : l->form, .size = l->form < 0 ? 0 : 8, .colour = l->colour};
}

static void add_legend(figure *f, const look *l, const char *label) {
  if (any_has(f, l))
    f->legend[f->n_legend++] =
        (vw_legend_entry){.text = label, .pen = pen_of(l), .mark = mark_of(l), .has_band = l->has_band};
}

static vw_status make_legend(vw_figure_source *s, const tables *t, figure *f) {
  for (int i = 0; i < WORDS; i++) add_legend(f, &words[i], words[i].label);
  for (int64_t i = 0; i < t->n_sources; i++) {
    const size_t room = strlen(t->sources[i]) + 32;
    char *label = vw_pool_take(&s->pool, room);
    VW_CHECK(label, VW_ERR_MEMORY, "figures: out of memory");
    (void)snprintf(label, room, "carried from %s", t->sources[i]);
    add_legend(f, &carried[i], label);
  }
  add_legend(f, &alike, alike.label);
  for (int i = 0; i < LEVELS; i++) add_legend(f, &levels[i], levels[i].label);
  return VW_OK;
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

/* Deltas have equal distances: they are powers of two as often as not, and free has no number. Place 0 is the anchor. */
static void draw_curve(vw_canvas *c, const vw_panel *p, const panel *of, const curve *k) {
  double x[MOST_DELTAS], y[MOST_DELTAS], low[MOST_DELTAS], high[MOST_DELTAS];
  const vw_pen pen = pen_of(k->look);
  const vw_mark mark = mark_of(k->look);
  for (int64_t i = 0; i < of->n_deltas; i++) {
    const vw_interval none = {0, NAN, NAN, NAN, NAN, NAN}, *v = k->at[i] ? &k->at[i]->i : &none;
    x[i] = (double)i + 1 + k->look->shift, y[i] = v->mean, low[i] = v->low, high[i] = v->high;
  }
  if (k->look->has_band) vw_panel_band(c, p, x, low, high, of->n_deltas, k->look->colour);
  for (int64_t i = 0; k->look->form >= 0 && i < of->n_deltas; i++)
    if (k->at[i]) vw_panel_bar(c, p, x[i], k->at[i]->i.boot_low, k->at[i]->i.boot_high, k->look->colour);
  vw_panel_series(c, p, x, y, of->n_deltas, &pen, &mark);
}

static void draw_level(vw_canvas *c, const vw_panel *p, const curve *k) {
  const vw_interval *v = &k->at[0]->i;
  const double x[] = {p->x_low, p->x_high}, y[] = {v->mean, v->mean}, at = 0;
  const vw_pen pen = pen_of(k->look), none = {0};
  const vw_mark mark = mark_of(k->look), no_mark = {0};
  vw_panel_series(c, p, x, y, 2, &pen, &no_mark);
  if (k->look->form < 0) return;
  vw_panel_bar(c, p, at, v->boot_low, v->boot_high, k->look->colour);
  vw_panel_series(c, p, &at, &v->mean, 1, &none, &mark);
}

static void draw_panel(vw_canvas *c, const figure *f, int64_t i) {
  const panel *of = &f->panels[i];
  const int64_t line = i / f->columns;
  const vw_panel p = {.x = VW_PAGE_MARGIN + LEFT + (double)(i % f->columns) * (LEFT + WIDTH + RIGHT),
                      .y = VW_PAGE_HEAD + ABOVE + (double)line * (ABOVE + HEIGHT + BELOW),
                      .width = WIDTH,
                      .height = HEIGHT,
                      .x_low = -.5,
                      .x_high = (double)of->n_deltas + .5,
                      .y_high = 1};
  const vw_axes axes = {.title = of->title,
                        .x_title = "delta: radius over the distance to the anchor's neighbour",
                        .y_title = f->metric,
                        .x_names = of->names,
                        .n_x_names = of->n_deltas + 1};
  vw_panel_axes(c, &p, &axes);
  for (int k = of->n_curves - 1; k >= 0; k--) { /* the words on top */
    const curve *v = &of->curves[k];
    if (!v->is_there) continue;
    if (v->is_level)
      draw_level(c, &p, v);
    else
      draw_curve(c, &p, of, v);
  }
}

static void draw(vw_canvas *c, void *user) {
  const figure *f = user;
  vw_page_head(c, f->study, f->title,
               "means; bands: 95 % intervals over trials; bars: 95 % bootstrap over concepts and anchors", f->width);
  for (int64_t i = 0; i < f->n_panels; i++) draw_panel(c, f, i);
  (void)vw_legend(c, VW_PAGE_MARGIN + 8, f->legend_y, f->width - 2 * VW_PAGE_MARGIN, f->legend, f->n_legend);
}

static void lay_out(figure *f) {
  f->columns = f->n_panels < MOST_COLUMNS ? f->n_panels : MOST_COLUMNS;
  const int64_t rows = (f->n_panels + f->columns - 1) / f->columns;
  f->width = fmax(2 * VW_PAGE_MARGIN + (double)f->columns * (LEFT + WIDTH + RIGHT), 640);
  f->legend_y = VW_PAGE_HEAD + (double)rows * (ABOVE + HEIGHT + BELOW);
  f->height =
      f->legend_y + VW_PAGE_MARGIN + vw_legend(NULL, 0, 0, f->width - 2 * VW_PAGE_MARGIN, f->legend, f->n_legend);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static vw_status write_csv(vw_figure_source *s, const figure *f, vw_figure_drawing *d) {
  const size_t room = (size_t)f->n_panels * MOST_KINDS * MOST_DELTAS;
  const vw_figure_row **rows = vw_pool_take(&s->pool, room * sizeof(*rows) + 1);
  int64_t n = 0;
  VW_CHECK(rows, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t i = 0; i < f->n_panels; i++)
    for (int k = 0; k < f->panels[i].n_curves; k++)
      for (int64_t e = 0; e < MOST_DELTAS; e++)
        if (f->panels[i].curves[k].at[e]) rows[n++] = f->panels[i].curves[k].at[e];
  return vw_figure_csv(d, rows, n);
}

static vw_status find_sources(vw_figure_source *s, tables *t, int64_t *left) {
  VW_TRY(vw_figure_rows_read(s, "/summary/transfer", &t->carried));
  for (int64_t i = 0; i < t->carried.n; i++) {
    const char *from = t->carried.row[i].from;
    if (vw_figure_place(t->sources, t->n_sources, from) >= 0) continue;
    if (t->n_sources < MOST_SOURCES)
      t->sources[t->n_sources++] = from;
    else
      ++*left;
  }
  return VW_OK;
}

vw_status vw_figure_against_delta(vw_figure_source *s, const char *subject, vw_figure_drawing *d) {
  char group[320], title[256];
  const vw_task_kind *task = NULL;
  tables t = {0};
  int64_t left = 0;
  for (int k = 0; k < vw_n_kinds; k++)
    if (!strcmp(vw_kinds[k].task->name, subject)) task = vw_kinds[k].task;
  VW_CHECK(task, VW_ERR_ARG, "figures: no task is called %s", subject);
  figure *f = vw_pool_take(&s->pool, sizeof *f);
  VW_CHECK(f, VW_ERR_MEMORY, "figures: out of memory");
  t.metric = task->metrics[task->headline].name;
  (void)snprintf(group, sizeof group, "/summary/%s", task->name);
  (void)snprintf(title, sizeof title, "%s of words against delta", t.metric);
  VW_TRY(vw_figure_rows_read(s, group, &t.own));
  VW_TRY(find_sources(s, &t, &left));
  f->study = s->study, f->metric = t.metric, f->title = vw_pool_text(&s->pool, title, -1);
  VW_CHECK(f->title, VW_ERR_MEMORY, "figures: out of memory");
  VW_TRY(find_panels(s, &t, f, &left));
  VW_TRY(make_legend(s, &t, f));
  if (!f->n_panels) return VW_OK;
  if (left) (void)snprintf(d->note, sizeof d->note, "not all is drawn: see figures/*.csv and /summary of study.h5");
  lay_out(f);
  d->page = (vw_page){.width = f->width, .height = f->height, .draw = draw, .user = f, .title = f->title};
  return write_csv(s, f, d);
}
