/* truncation_<model>: scores when the first layers of the text encoder alone are used, in domain and carried; below them
 * what the words draw then, where they draw. */
#include "results/figures/figure_curves.h"

#include "tasks/generation/drawn.h"
#include "transfer/carried.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 6, MOST_DEPTHS = 64, MOST_GROUPS = 5, CELL = 60 };

/* ---- curves: a panel a data set ---------------------------------------------------------------------------------- */

typedef struct series {
  const char *kind, *source; /* of the rows of one curve */
  double delta;
} series;

static bool same_series(const vw_figure_row *r, const series *s) {
  return !strcmp(r->kind, s->kind) && !strcmp(r->source, s->source) &&
         (r->delta == s->delta || (isnan(r->delta) && isnan(s->delta)));
}

/* The series of anchors has rows of one delta, 0; so one curve. */
static vw_status label_of(vw_figure_source *s, const series *of, const char **label) {
  char delta[VW_DELTA_TEXT] = "";
  if (!isnan(of->delta)) vw_delta_text(of->delta, delta);
  *label = !strcmp(of->kind, "learned")   ? vw_figure_text(s, "learned here, delta %s", delta)
           : !strcmp(of->kind, "carried") ? vw_figure_text(s, "carried from %s, delta %s", of->source, delta)
           : !strcmp(of->kind, "anchor")  ? "untouched anchor"
                                          : "real name";
  VW_CHECK(*label, VW_ERR_MEMORY, "figures: out of memory");
  return VW_OK;
}

static vw_status add_curve(vw_curves *f, vw_curves_panel *p, const vw_figure_rows *rows, const vw_figure_row *like,
                           const char *metric, int64_t at) {
  const series of = {like->kind, like->source, like->delta};
  const bool is_word = !strcmp(of.kind, "learned") || !strcmp(of.kind, "carried");
  vw_mark mark = vw_series_mark(at, 8);
  if (!strcmp(of.kind, "anchor")) mark = (vw_mark){.form = 1, .size = 6, .colour = 0x777777};
  if (!strcmp(of.kind, "name")) mark = (vw_mark){.form = 3, .size = 6, .colour = 0x777777, .is_hollow = true};
  vw_curve_look look = {.pen = {.colour = mark.colour, .width = is_word ? 1.8 : 1.2, .dash = {0, 3}},
                        .mark = mark,
                        .has_band = is_word,
                        .has_bars = is_word,
                        .shift = is_word ? .06 * (double)(at % 3) : 0};
  if (strcmp(of.kind, "learned") != 0) look.pen.dash[0] = 5;
  vw_curve *c = NULL;
  VW_TRY(label_of(f->s, &of, &look.label));
  VW_TRY(vw_curve_add(f, p, &look, &c));
  for (int64_t i = 0; i < rows->n; i++) {
    const vw_figure_row *r = &rows->row[i];
    if (!strcmp(r->model, like->model) && !strcmp(r->data, like->data) && !strcmp(r->metric, metric) &&
        !strcmp(r->quantity, "value") && same_series(r, &of))
      VW_TRY(vw_curve_point(f, c, r->depth, r));
  }
  return VW_OK;
}

static bool is_shown(const vw_figure_row *r, const char *model, const char *metric) {
  return !strcmp(r->model, model) && !strcmp(r->metric, metric) && !strcmp(r->quantity, "value");
}

static vw_status add_panel(vw_curves *f, const vw_figure_rows *rows, const vw_figure_row *like, const char *metric) {
  vw_curves_panel *p = NULL;
  int64_t curves = 0;
  const vw_curves_panel panel = {.title = like->data,
                                 .x_title = "layers that are kept (0: no layer sees the word)",
                                 .y_title = metric,
                                 .y_low = 0,
                                 .y_high = 1};
  VW_TRY(vw_curves_panel_add(f, &panel, &p));
  for (int64_t i = 0; i < rows->n; i++) {
    const vw_figure_row *r = &rows->row[i];
    bool is_first = is_shown(r, like->model, metric) && !strcmp(r->data, like->data);
    const series of = {r->kind, r->source, r->delta};
    for (int64_t k = 0; is_first && k < i; k++)
      is_first = !(is_shown(&rows->row[k], like->model, metric) && !strcmp(rows->row[k].data, like->data) &&
                   same_series(&rows->row[k], &of));
    if (is_first) VW_TRY(add_curve(f, p, rows, r, metric, curves++));
  }
  return VW_OK;
}

/* ---- pictures: a row a concept and anchor, a column a depth ------------------------------------------------------ */

typedef struct words {
  const char *const *kind, *const *model, *const *source, *const *data, *const *concept, *const *anchor;
  const double *delta, *replica, *trial, *depths;
  const char *const *trial_data;
  int64_t n, n_depths, n_trials;
  double delta_shown, layers;
} words;

static vw_status read_words(vw_figure_source *s, const char *task, words *w) {
  char path[320];
  const struct {
    const char *name;
    const char *const **texts;
    const double **numbers;
  } all[] = {{"kind", &w->kind, NULL},   {"model", &w->model, NULL},     {"source", &w->source, NULL},
             {"data", &w->data, NULL},   {"concept", &w->concept, NULL}, {"anchor", &w->anchor, NULL},
             {"delta", NULL, &w->delta}, {"replica", NULL, &w->replica}, {"trial", NULL, &w->trial}};
  w->n = -1;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    (void)snprintf(path, sizeof path, "/truncation/%s/%s", task, all[i].name);
    VW_TRY(vw_figure_column(s, path, all[i].texts, all[i].numbers, &w->n));
  }
  return vw_figure_texts(s, "/trials/data", &w->trial_data, &w->n_trials);
}

/* The depths and the largest delta that the model's rows of the summary have. */
static vw_status find_depths(vw_figure_source *s, const vw_figure_rows *rows, const char *model, words *w) {
  double *depths = vw_pool_take(&s->pool, MOST_DEPTHS * sizeof *depths);
  VW_CHECK(depths, VW_ERR_MEMORY, "figures: out of memory");
  w->delta_shown = NAN;
  for (int64_t i = 0; i < rows->n; i++) {
    const vw_figure_row *r = &rows->row[i];
    bool is_new = !strcmp(r->model, model) && w->n_depths < MOST_DEPTHS;
    for (int64_t k = 0; k < w->n_depths; k++) is_new &= depths[k] != r->depth;
    if (is_new) depths[w->n_depths++] = r->depth;
    if (!strcmp(r->model, model)) w->layers = r->layers;
    if (!strcmp(r->model, model) && !strcmp(r->kind, "learned") && !(r->delta <= w->delta_shown))
      w->delta_shown = r->delta;
  }
  w->depths = depths;
  return VW_OK;
}

/* A column group: words learned here, or carried from a source; NULL: untouched anchors. */
typedef struct group {
  const char *kind, *source, *head;
} group;

static bool is_of(const words *w, int64_t i, const char *model, const group *g) {
  return !strcmp(w->model[i], model) && !strcmp(w->kind[i], g->kind) && !strcmp(w->source[i], g->source) &&
         (w->delta[i] == w->delta_shown || !strcmp(g->kind, "anchor")) && !(w->replica[i] > 0);
}

static void label_word(const words *w, int64_t i, double depth, char label[VW_DRAWN_LABEL]) {
  enum { SHOWN = VW_DRAWN_LABEL - 32 };
  char own[VW_DRAWN_LABEL];
  const int64_t row = vw_figure_index(w->trial[i], w->n_trials);
  vw_trial trial = {.data = "", .anchor = w->anchor[i], .delta = w->delta[i]};
  if (row >= 0) trial.data = w->trial_data[row];
  const vw_carried_row carried = {.trial = &trial};
  if (!strcmp(w->kind[i], "carried"))
    vw_carried_label(&carried, w->source[i], own);
  else if (!strcmp(w->kind[i], "anchor"))
    vw_drawn_baseline("anchor", w->anchor[i], "0", own);
  else
    vw_drawn_trial(&trial, own);
  if (depth < w->layers)
    (void)snprintf(label, VW_DRAWN_LABEL, "layers-%" PRId64 "-%.*s", (int64_t)depth, SHOWN, own);
  else
    memcpy(label, own, sizeof own);
}

static vw_status fill_cell(vw_figure_source *s, const words *w, const char *model, const group *g, int64_t like,
                           double depth, vw_grid_cell *cell) {
  char folder[VW_PATH_BYTES], path[VW_PATH_BYTES], label[VW_DRAWN_LABEL];
  *cell = (vw_grid_cell){.number = NAN};
  for (int64_t i = 0; i < w->n; i++) {
    if (!is_of(w, i, model, g) || strcmp(w->concept[i], w -> concept[like]) != 0 ||
        strcmp(w->anchor[i], w->anchor[like]) != 0 || strcmp(w->data[i], w->data[like]) != 0)
      continue;
    label_word(w, i, depth, label);
    VW_TRY(vw_drawn_folder_of("pictures", model, w->data[i], w->concept[i], folder));
    VW_TRY(vw_drawn_picture(folder, label, 0, path));
    return vw_grid_picture(s, path, cell);
  }
  return VW_OK;
}

/* Learned here, and each source there is. */
static int64_t find_groups(vw_figure_source *s, const words *w, const char *model, group groups[MOST_GROUPS]) {
  int64_t n = 1;
  groups[0] = (group){"learned", "", "learned here"};
  for (int64_t i = 0; i < w->n && n < MOST_GROUPS; i++) {
    bool is_new = !strcmp(w->model[i], model) && !strcmp(w->kind[i], "carried");
    for (int64_t k = 1; k < n; k++) is_new &= strcmp(groups[k].source, w->source[i]) != 0;
    if (!is_new) continue;
    groups[n] = (group){"carried", w->source[i], vw_figure_text(s, "carried from %s", w->source[i])};
    if (!groups[n].head) return -1;
    n++;
  }
  return n;
}

static vw_status fill_grid(vw_figure_source *s, const words *w, const char *model, const group *groups,
                           int64_t n_groups, const int64_t *like, vw_grid *g) {
  vw_grid_column *columns = vw_pool_take(&s->pool, (size_t)(n_groups * w->n_depths) * sizeof *columns);
  const char **rows = vw_pool_take(&s->pool, (size_t)g->n_rows * sizeof(*rows) + 1);
  g->n_columns = n_groups * w->n_depths;
  g->cells = vw_pool_take(&s->pool, (size_t)(g->n_rows * g->n_columns) * sizeof *g->cells + 1);
  VW_CHECK(columns && rows && g->cells, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t k = 0; k < g->n_columns; k++) {
    columns[k] = (vw_grid_column){groups[k / w->n_depths].head, vw_figure_text(s, "%g", w->depths[k % w->n_depths])};
    VW_CHECK(columns[k].name, VW_ERR_MEMORY, "figures: out of memory");
  }
  for (int64_t r = 0; r < g->n_rows; r++) {
    rows[r] = vw_figure_text(s, "%s from %s", w->concept[like[r]], w -> anchor[like[r]]);
    VW_CHECK(rows[r], VW_ERR_MEMORY, "figures: out of memory");
    for (int64_t k = 0; k < g->n_columns; k++)
      VW_TRY(fill_cell(s, w, model, &groups[k / w->n_depths], like[r], w->depths[k % w->n_depths],
                       &g->cells[r * g->n_columns + k]));
  }
  g->columns = columns, g->rows = rows, g->cell_width = g->cell_height = CELL;
  return VW_OK;
}

/* *grid NULL: no pictures are there. */
static vw_status make_grid(vw_figure_source *s, const vw_figure_rows *rows, const char *model, const vw_task_kind *task,
                           const vw_grid **grid, int64_t *all) {
  words w = {0};
  group groups[MOST_GROUPS];
  int64_t like[MOST_ROWS];
  *grid = NULL, *all = 0;
  vw_grid *g = vw_pool_take(&s->pool, sizeof *g);
  VW_CHECK(g, VW_ERR_MEMORY, "figures: out of memory");
  VW_TRY(read_words(s, task->name, &w));
  VW_TRY(find_depths(s, rows, model, &w));
  const int64_t n_groups = find_groups(s, &w, model, groups);
  VW_CHECK(n_groups > 0, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t i = 0; i < w.n; i++) {
    if (!is_of(&w, i, model, &groups[0])) continue;
    if (*all < MOST_ROWS) like[g->n_rows++] = i;
    ++*all;
  }
  VW_TRY(fill_grid(s, &w, model, groups, n_groups, like, g));
  for (int64_t i = 0; i < g->n_rows * g->n_columns; i++)
    if (g->cells[i].picture.rgb) *grid = g;
  return VW_OK;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

vw_status vw_figure_truncation(vw_figure_source *s, const char *subject, vw_figure_drawing *d) {
  vw_figure_rows rows;
  const vw_task_kind *task = NULL;
  vw_curves *f = NULL;
  int64_t all = 0;
  VW_TRY(vw_figure_rows_read(s, "/summary/truncation", &rows));
  VW_TRY(vw_figure_task(s, subject, &task));
  if (!rows.n || !task) return VW_OK;
  const char *metric = task->metrics[task->headline].name;
  const char *title = vw_figure_text(s, "words of %s by the first layers alone", subject);
  VW_CHECK(title, VW_ERR_MEMORY, "figures: out of memory");
  VW_TRY(vw_curves_begin(s, &f, title, "means; bands: 95 % over words; bars: 95 % bootstrap over concepts and anchors",
                         2));
  f->panel_width = 420, f->panel_height = 230;
  for (int64_t i = 0; i < rows.n; i++) {
    bool is_first = is_shown(&rows.row[i], subject, metric);
    for (int64_t k = 0; is_first && k < i; k++)
      is_first = !(is_shown(&rows.row[k], subject, metric) && !strcmp(rows.row[k].data, rows.row[i].data));
    if (is_first) VW_TRY(add_panel(f, &rows, &rows.row[i], metric));
  }
  if (f->n_panels && task->sheet) VW_TRY(make_grid(s, &rows, subject, task, &f->grid, &all));
  if (f->grid && f->grid->n_rows < all)
    (void)snprintf(d->note, sizeof d->note,
                   "pictures of %" PRId64 " of %" PRId64 " words; columns: layers that are kept", f->grid->n_rows, all);
  f->note = vw_pool_text(&s->pool, d->note, -1);
  VW_CHECK(f->note, VW_ERR_MEMORY, "figures: out of memory");
  return vw_curves_end(f, d);
}
