/* transfer_<model>: what words show in a network, learned there and carried to it. A row a concept and anchor, columns
 * the untouched anchor and each delta: pictures where words draw them, boxes over a photo where they find them, else
 * scores. */
#include "results/collect/collect_format.h"
#include "results/figures/figure_grid.h"

#include "core/text.h"
#include "tasks/generation/drawn.h"
#include "tasks/shown.h"
#include "transfer/carried.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SOURCES = 4, MOST_DELTAS = 16, MOST_COLUMNS = 1 + (1 + MOST_SOURCES) * MOST_DELTAS };
enum {
  MOST_PICTURE_ROWS = 12,
  MOST_NUMBER_ROWS = 48,
  PICTURE_CELL = 60,
  PHOTO_CELL = 76,
  NUMBER_CELL = 38,
  NUMBER_HEIGHT = 17
};

/* Words of a table, with their headline. */
typedef struct words {
  const char *const *data, *const *concept, *const *anchor, *const *kind;
  const char *const *model; /* of baselines alone */
  const double *delta, *replica, *trial, *is_null, *metrics;
  const double *boxes;     /* of the first picture of a concept; NULL: none are kept */
  const int64_t *boxes_at; /* [n] place of a word among those with boxes, -1: it has none; NULL: its own */
  int64_t n, n_metrics, with_boxes;
} words;

/* One column: words learned here, or carried from a source; or the untouched anchors. */
typedef struct place {
  const char *from; /* NULL: learned here */
  const words *of;
  double delta;
} place;

typedef struct figure {
  const char *study, *title, *below, *note, *model, *metric;
  vw_grid grid;
  double width, height;
  bool has_boxes;       /* some cell has */
  const char *photo_of; /* concept of the photo that was read last, of `photo_data` */
  const char *photo_data;
  vw_grid_cell photo;
  place place[MOST_COLUMNS];
  const char **data, **concept, **anchor; /* [rows] */
  int64_t all_rows;
} figure;

typedef struct tables {
  vw_figure_source *s;
  const char *model;
  const vw_task_kind *task;
  const char *const *trial_model, *const *trial_data;
  words trials, anchors, carried[MOST_SOURCES];
  int64_t box_dim[VW_KEPT_DIMS]; /* of boxes: pictures, boxes, numbers */
  const char *const *shown_data, *const *shown_concept;
  const double *shown_place, *shown_width, *shown_height;
  int64_t n_shown;
  const char *sources[MOST_SOURCES];
  int64_t n_sources, left_out; /* left_out: beyond MOST_SOURCES */
} tables;

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static vw_status read_column(vw_figure_source *s, const char *group, const char *name, const char *const **texts,
                             const double **numbers, int64_t *rows) {
  char path[512];
  (void)snprintf(path, sizeof path, "%s/%s", group, name);
  return vw_figure_column(s, path, texts, numbers, rows);
}

static vw_status read_words(vw_figure_source *s, const char *group, words *w) {
  w->n = -1;
  VW_TRY(read_column(s, group, "data", &w->data, NULL, &w->n));
  VW_TRY(read_column(s, group, "concept", &w->concept, NULL, &w->n));
  VW_TRY(read_column(s, group, "anchor", &w->anchor, NULL, &w->n));
  return read_column(s, group, "delta", NULL, &w->delta, &w->n);
}

static vw_status read_metrics(const tables *t, const char *group, const char *name, words *w) {
  int64_t n = w->n * t->task->n_metrics;
  w->n_metrics = t->task->n_metrics;
  return read_column(t->s, group, name, NULL, &w->metrics, &n);
}

/* ---- boxes ------------------------------------------------------------------------------------------------------- */

static bool keeps_boxes(const tables *t) {
  return t->task->kept && t->task->kept->are_boxes;
}

/* What an array GROUP/NAME holds of each row: its sizes must be those that were seen first. */
static vw_status read_boxes(tables *t, const char *group, const char *name, words *w) {
  char path[512];
  int64_t n = -1;
  (void)snprintf(path, sizeof path, "%s/%s", group, name);
  const vw_study_data *d = vw_study_reader_find(t->s->file, path);
  if (!d) return VW_OK;
  VW_CHECK(d->ndim == 4 && d->dim[3] == VW_BOX_NUMBERS && d->dim[1] > 0, VW_ERR_INPUT,
           "%s/study.h5: %s are no boxes of %d numbers", t->s->dir, path, (int)VW_BOX_NUMBERS);
  if (!t->box_dim[0])
    for (int k = 0; k < VW_KEPT_DIMS; k++) t->box_dim[k] = d->dim[1 + k];
  for (int k = 0; k < VW_KEPT_DIMS; k++)
    VW_CHECK(t->box_dim[k] == d->dim[1 + k], VW_ERR_INPUT, "%s/study.h5: %s has other sizes than the boxes of others",
             t->s->dir, path);
  w->with_boxes = d->dim[0];
  return read_column(t->s, group, name, NULL, &w->boxes, &n);
}

/* The boxes of rows that a scale names. */
static vw_status read_boxes_at(tables *t, const char *group, const char *name, const char *scale, words *w) {
  const double *rows = NULL;
  VW_TRY(read_boxes(t, group, name, w));
  if (!w->boxes) return VW_OK;
  int64_t n = w->with_boxes;
  VW_TRY(read_column(t->s, group, scale, NULL, &rows, &n));
  int64_t *at = vw_pool_take(&t->s->pool, (size_t)(w->n + 1) * sizeof *at);
  VW_CHECK(at, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t i = 0; i < w->n; i++) at[i] = -1;
  for (int64_t i = 0; i < n; i++)
    if (vw_figure_index(rows[i], w->n) >= 0) at[vw_figure_index(rows[i], w->n)] = i;
  w->boxes_at = at;
  return VW_OK;
}

/* Words and anchors of the model, and the pictures that their boxes are in. */
static vw_status read_kept(tables *t) {
  char group[320], baselines[64], path[400];
  (void)snprintf(group, sizeof group, "/pictures/%s", t->model);
  (void)snprintf(path, sizeof path, "%s/shown/place", group);
  if (!keeps_boxes(t) || !vw_figure_has(t->s, path)) return VW_OK;
  (void)snprintf(baselines, sizeof baselines, "baseline_%s", t->task->kept->name);
  VW_TRY(read_boxes_at(t, group, t->task->kept->name, "trial", &t->trials));
  VW_TRY(read_boxes_at(t, group, baselines, "baseline", &t->anchors));
  (void)snprintf(group, sizeof group, "/pictures/%s/shown", t->model);
  t->n_shown = -1;
  VW_TRY(read_column(t->s, group, "data", &t->shown_data, NULL, &t->n_shown));
  VW_TRY(read_column(t->s, group, "concept", &t->shown_concept, NULL, &t->n_shown));
  VW_TRY(read_column(t->s, group, "place", NULL, &t->shown_place, &t->n_shown));
  VW_TRY(read_column(t->s, group, "width", NULL, &t->shown_width, &t->n_shown));
  return read_column(t->s, group, "height", NULL, &t->shown_height, &t->n_shown);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* The trials of the model, with their headline at the place of the trial in /trials. */
static vw_status read_own(tables *t) {
  char trial[320];
  words judged = {0};
  const double *rows = NULL;
  VW_TRY(read_words(t->s, "/trials", &t->trials));
  VW_TRY(read_column(t->s, "/trials", "replica", NULL, &t->trials.replica, &t->trials.n));
  VW_TRY(read_column(t->s, "/trials", "null", NULL, &t->trials.is_null, &t->trials.n));
  VW_TRY(read_column(t->s, "/trials", "model", &t->trial_model, NULL, &t->trials.n));
  (void)snprintf(trial, sizeof trial, "%s_trial", t->task->name);
  judged.n = -1;
  VW_TRY(read_column(t->s, "/evaluation", trial, NULL, &rows, &judged.n));
  VW_TRY(read_metrics(t, "/evaluation", t->task->name, &judged));
  double *own = vw_pool_take(&t->s->pool, (size_t)t->trials.n * sizeof *own + 1);
  VW_CHECK(own, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t i = 0; i < t->trials.n; i++) own[i] = NAN;
  for (int64_t i = 0; i < judged.n; i++)
    if (vw_figure_index(rows[i], t->trials.n) >= 0)
      own[vw_figure_index(rows[i], t->trials.n)] = judged.metrics[i * judged.n_metrics + t->task->headline];
  t->trials.metrics = own, t->trials.n_metrics = 1;
  return VW_OK;
}

static vw_status read_source(tables *t, const char *from) {
  char group[320];
  (void)snprintf(group, sizeof group, "/transfer/%s/%s", from, t->model);
  char path[512];
  (void)snprintf(path, sizeof path, "%s/kind", group);
  if (!vw_figure_has(t->s, path)) return VW_OK;
  if (t->n_sources == MOST_SOURCES) {
    t->left_out++;
    return VW_OK;
  }
  words *w = &t->carried[t->n_sources];
  VW_TRY(read_words(t->s, group, w));
  VW_TRY(read_column(t->s, group, "kind", &w->kind, NULL, &w->n));
  VW_TRY(read_column(t->s, group, "replica", NULL, &w->replica, &w->n));
  VW_TRY(read_column(t->s, group, "trial", NULL, &w->trial, &w->n));
  VW_TRY(read_metrics(t, group, "evaluation", w));
  if (keeps_boxes(t)) VW_TRY(read_boxes(t, group, t->task->kept->name, w));
  t->sources[t->n_sources++] = from;
  return VW_OK;
}

static vw_status read_anchors(tables *t) {
  char group[320];
  (void)snprintf(group, sizeof group, "/evaluation/%s_baselines", t->task->name);
  VW_TRY(read_words(t->s, group, &t->anchors));
  VW_TRY(read_column(t->s, group, "kind", &t->anchors.kind, NULL, &t->anchors.n));
  VW_TRY(read_column(t->s, group, "model", &t->anchors.model, NULL, &t->anchors.n));
  return read_metrics(t, group, "metrics", &t->anchors);
}

static vw_status read_all(tables *t) {
  enum { MOST_MODELS = 64 };
  const char *models[MOST_MODELS];
  VW_TRY(read_own(t));
  VW_TRY(read_anchors(t));
  VW_TRY(read_kept(t));
  int64_t n = vw_figure_distinct(t->trial_model, t->trials.n, models, MOST_MODELS);
  for (int64_t i = 0; i < n && i < MOST_MODELS; i++) VW_TRY(read_source(t, models[i]));
  return VW_OK;
}

/* ---- rows and columns -------------------------------------------------------------------------------------------- */

static bool is_own(const tables *t, int64_t i) {
  return !strcmp(t->trial_model[i], t->model) && t->trials.is_null[i] == 0;
}

static int64_t row_of(const figure *f, int64_t n, const char *data, const char *concept, const char *anchor) {
  for (int64_t r = 0; r < n; r++)
    if (!strcmp(f->data[r], data) && !strcmp(f->concept[r], concept) && !strcmp(f->anchor[r], anchor)) return r;
  return -1;
}

/* All words of the model by data set, concept and anchor; the first `most` are drawn. */
static vw_status find_rows(const tables *t, figure *f) {
  const size_t room = (size_t)t->trials.n + 1;
  const words *w = &t->trials;
  f->data = vw_pool_take(&t->s->pool, 3 * room * sizeof(*f->data));
  VW_CHECK(f->data, VW_ERR_MEMORY, "figures: out of memory");
  f->concept = f->data + room, f->anchor = f->concept + room;
  for (int64_t i = 0; i < w->n; i++) {
    if (!is_own(t, i) || row_of(f, f->all_rows, w->data[i], w->concept[i], w -> anchor[i]) >= 0) continue;
    f->data[f->all_rows] = w->data[i], f->concept[f->all_rows] = w->concept[i],
    f -> anchor[f->all_rows++] = w->anchor[i];
  }
  return VW_OK;
}

static vw_status name_rows(const tables *t, figure *f) {
  const char **names = vw_pool_take(&t->s->pool, (size_t)f->grid.n_rows * sizeof(*names) + 1);
  VW_CHECK(names, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t r = 0; r < f->grid.n_rows; r++) {
    char text[512];
    (void)snprintf(text, sizeof text, "%s from %s", f->concept[r], f -> anchor[r]);
    names[r] = vw_pool_text(&t->s->pool, text, -1);
    VW_CHECK(names[r], VW_ERR_MEMORY, "figures: out of memory");
  }
  f->grid.rows = names;
  return VW_OK;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The deltas of words of one origin; at most MOST_DELTAS. */
static int64_t deltas_of(const tables *t, const words *w, bool are_own, double deltas[MOST_DELTAS]) {
  int64_t n = 0;
  for (int64_t i = 0; i < w->n && n < MOST_DELTAS; i++) {
    bool is_new = are_own ? is_own(t, i) : !strcmp(w->kind[i], "carried word");
    for (int64_t k = 0; k < n; k++) is_new &= deltas[k] != w->delta[i];
    if (is_new && !isnan(w->delta[i])) deltas[n++] = w->delta[i];
  }
  qsort(deltas, (size_t)n, sizeof *deltas, ascending);
  return n;
}

static vw_status add_columns(const tables *t, figure *f, vw_grid_column *columns, const words *w, const char *from) {
  double deltas[MOST_DELTAS];
  char group[300] = "learned here", name[VW_DELTA_TEXT];
  const int64_t n = deltas_of(t, w, !from, deltas);
  if (from) (void)snprintf(group, sizeof group, "carried from %s", from);
  for (int64_t i = 0; i < n; i++) {
    vw_delta_text(deltas[i], name);
    columns[f->grid.n_columns] =
        (vw_grid_column){vw_pool_text(&t->s->pool, group, -1), vw_pool_text(&t->s->pool, name, -1)};
    VW_CHECK(columns[f->grid.n_columns].group && columns[f->grid.n_columns].name, VW_ERR_MEMORY,
             "figures: out of memory");
    f->place[f->grid.n_columns++] = (place){from, w, deltas[i]};
  }
  return VW_OK;
}

static vw_status find_columns(const tables *t, figure *f) {
  vw_grid_column *columns = vw_pool_take(&t->s->pool, MOST_COLUMNS * sizeof *columns);
  VW_CHECK(columns, VW_ERR_MEMORY, "figures: out of memory");
  f->grid.columns = columns;
  columns[f->grid.n_columns] = (vw_grid_column){"", "anchor"};
  f->place[f->grid.n_columns++] = (place){NULL, &t->anchors, 0};
  VW_TRY(add_columns(t, f, columns, &t->trials, NULL));
  for (int64_t i = 0; i < t->n_sources; i++) VW_TRY(add_columns(t, f, columns, &t->carried[i], t->sources[i]));
  return VW_OK;
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

static bool is_of(const tables *t, const place *p, int64_t i) {
  if (p->of == &t->trials) return is_own(t, i) && t->trials.replica[i] == 0;
  if (p->of == &t->anchors) return !strcmp(p->of->kind[i], "untouched anchor") && !strcmp(p->of->model[i], t->model);
  return !strcmp(p->of->kind[i], "carried word") && p->of->replica[i] == 0;
}

/* The word of a cell; -1: there is none. */
static int64_t word_of(const tables *t, const figure *f, int64_t row, const place *p) {
  const words *w = p->of;
  for (int64_t i = 0; i < w->n; i++)
    if (w->delta[i] == p->delta && is_of(t, p, i) && !strcmp(w->concept[i], f -> concept[row]) &&
        !strcmp(w->anchor[i], f->anchor[row]) && !strcmp(w->data[i], f->data[row]))
      return i;
  return -1;
}

static void label_of(const tables *t, const place *p, int64_t i, char label[VW_DRAWN_LABEL]) {
  const words *w = p->of;
  vw_trial trial = {.data = "", .anchor = w->anchor[i], .delta = p->delta};
  const vw_carried_row carried = {.trial = &trial};
  if (w == &t->anchors) {
    vw_drawn_baseline("anchor", w->anchor[i], "0", label);
  } else if (p->from) {
    const int64_t row = vw_figure_index(w->trial[i], t->trials.n);
    if (row >= 0) trial.data = t->trials.data[row];
    vw_carried_label(&carried, p->from, label);
  } else {
    vw_drawn_trial(&trial, label);
  }
}

/* The first picture of a concept among those shown; -1: none. */
static int64_t shown_of(const tables *t, const char *data, const char *concept) {
  for (int64_t i = 0; i < t->n_shown; i++)
    if (t->shown_place[i] == 0 && !strcmp(t->shown_data[i], data) && !strcmp(t->shown_concept[i], concept)) return i;
  return -1;
}

/* What `evaluate` left of it below DIR; rows of a concept follow one another. */
static vw_status photo_of(const tables *t, figure *f, int64_t row) {
  char folder[VW_PATH_BYTES], path[VW_PATH_BYTES];
  if (f->photo_of && !strcmp(f->photo_of, f->concept[row]) && !strcmp(f->photo_data, f->data[row])) return VW_OK;
  f->photo_of = f->concept[row], f -> photo_data = f->data[row];
  f->photo = (vw_grid_cell){0};
  VW_TRY(vw_drawn_folder_of("pictures", t->model, f->data[row], f->concept[row], folder));
  VW_TRY(vw_shown_path(folder, 0, path));
  return vw_grid_photo(t->s, path, &f->photo);
}

/* The boxes of word i, over the photo. Without either the cell stays a number. */
static vw_status fill_boxes(const tables *t, figure *f, int64_t row, const words *w, int64_t i, vw_grid_cell *cell) {
  const int64_t shown = shown_of(t, f->data[row], f->concept[row]), at = w->boxes_at ? w->boxes_at[i] : i;
  if (!w->boxes || at < 0 || at >= w->with_boxes || shown < 0) return VW_OK;
  VW_TRY(photo_of(t, f, row));
  if (!f->photo.picture.rgb) return VW_OK;
  const double *b = w->boxes + at * t->box_dim[0] * t->box_dim[1] * VW_BOX_NUMBERS;
  const double size[2] = {t->shown_width[shown], t->shown_height[shown]};
  for (int64_t k = 0; k < t->box_dim[1] && k < VW_GRID_BOXES && isfinite(b[VW_BOX_SCORE]); k++, b += VW_BOX_NUMBERS) {
    vw_grid_box *to = &cell->box[cell->boxes++];
    for (int e = 0; e < 4; e++) to->box[e] = b[VW_BOX_X + e] / size[e % 2];
    to->is_right = b[VW_BOX_OVERLAP] >= .5;
  }
  if (!cell->boxes) return VW_OK;
  cell->picture = f->photo.picture, cell->path = f->photo.path;
  f->has_boxes = true;
  return VW_OK;
}

static vw_status fill_cell(const tables *t, figure *f, int64_t row, const place *p, vw_grid_cell *cell) {
  char folder[VW_PATH_BYTES], path[VW_PATH_BYTES], label[VW_DRAWN_LABEL];
  const int64_t i = word_of(t, f, row, p);
  *cell = (vw_grid_cell){.number = NAN};
  if (i < 0) return VW_OK;
  cell->number = p->of->metrics[i * p->of->n_metrics + (p->of->n_metrics > 1 ? t->task->headline : 0)];
  if (keeps_boxes(t)) return fill_boxes(t, f, row, p->of, i, cell);
  if (!t->task->sheet) return VW_OK;
  label_of(t, p, i, label);
  VW_TRY(vw_drawn_folder_of("pictures", t->model, f->data[row], f->concept[row], folder));
  VW_TRY(vw_drawn_picture(folder, label, 0, path));
  return vw_grid_picture(t->s, path, cell);
}

static bool has_pictures(const figure *f) {
  for (int64_t i = 0; i < f->grid.n_rows * f->grid.n_columns; i++)
    if (f->grid.cells[i].picture.rgb) return true;
  return false;
}

static vw_status fill_cells(const tables *t, figure *f, int64_t most) {
  vw_grid *g = &f->grid;
  g->n_rows = f->all_rows < most ? f->all_rows : most;
  g->cells = vw_pool_take(&t->s->pool, (size_t)(g->n_rows * g->n_columns) * sizeof *g->cells + 1);
  VW_CHECK(g->cells, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t r = 0; r < g->n_rows; r++)
    for (int64_t k = 0; k < g->n_columns; k++)
      VW_TRY(fill_cell(t, f, r, &f->place[k], &g->cells[r * g->n_columns + k]));
  return VW_OK;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static void draw(vw_canvas *c, void *user) {
  const figure *f = user;
  const vw_letters letters = {.size = 12, .colour = 0x555555, .most = f->width - 2 * VW_PAGE_MARGIN};
  vw_page_head(c, f->study, f->title, f->below, f->width);
  vw_grid_draw(c, &f->grid, VW_PAGE_MARGIN, VW_PAGE_HEAD);
  if (f->note[0]) vw_canvas_text(c, VW_PAGE_MARGIN, f->height - VW_PAGE_MARGIN, f->note, &letters);
}

static void put_cell(FILE *out, const figure *f, int64_t row, int64_t k) {
  const vw_grid_cell *cell = &f->grid.cells[row * f->grid.n_columns + k];
  char delta[VW_DELTA_TEXT];
  vw_delta_text(f->place[k].delta, delta);
  vw_csv_text(out, f->model), vw_csv_text(out, f->data[row]), vw_csv_text(out, f->concept[row]);
  vw_csv_text(out, f->anchor[row]), vw_csv_text(out, f->place[k].from ? f->place[k].from : "");
  vw_csv_text(out, delta);
  if (isfinite(cell->number)) (void)vw_print(out, "%.17g", cell->number);
  (void)vw_print(out, ",%s\n", cell->path ? cell->path : "");
}

static vw_status write_csv(const figure *f, vw_figure_drawing *d) {
  FILE *out = open_memstream(&d->csv, &d->csv_bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "figures: out of memory");
  (void)vw_print(out, "model,data,concept,anchor,from,delta,%s,picture\n", f->metric);
  for (int64_t r = 0; r < f->grid.n_rows; r++)
    for (int64_t k = 0; k < f->grid.n_columns; k++) put_cell(out, f, r, k);
  const bool failed = ferror(out) != 0;
  VW_CHECK(fclose(out) == 0 && !failed, VW_ERR_MEMORY, "figures: out of memory");
  return VW_OK;
}

/* What the cells are, and why they are no more. */
static const char *below_of(const tables *t, const figure *f, bool draws) {
  if (f->has_boxes)
    return "best box (thick) and next two; blue: IoU of .5 or more, orange: less; number: score on all pictures; "
           "columns: "
           "delta";
  if (draws) return "what words draw (the first picture of each); columns: delta; grey: not there";
  if (!keeps_boxes(t)) return "scores of single words, which draw nothing; columns: delta; grey: not there";
  return t->n_shown
             ? "scores of single words (the photos for their boxes are not in DIR/pictures: 'viswords evaluate'); "
               "columns: delta; grey: not there"
             : "scores of single words (their boxes were not kept by the version that judged them: 'viswords "
               "evaluate --complete'); columns: delta; grey: not there";
}

static vw_status lay_out(const tables *t, figure *f, vw_figure_drawing *d) {
  const bool draws = has_pictures(f);
  if (!draws) VW_TRY(fill_cells(t, f, MOST_NUMBER_ROWS));
  VW_TRY(name_rows(t, f));
  if (f->grid.n_rows < f->all_rows)
    (void)snprintf(d->note, sizeof d->note, "%" PRId64 " of %" PRId64 " concepts and anchors are drawn", f->grid.n_rows,
                   f->all_rows);
  if (t->left_out) {
    const size_t used = strlen(d->note);
    (void)snprintf(d->note + used, sizeof d->note - used,
                   "%swords of %" PRId64 " more networks are in the tables alone", used ? "; " : "", t->left_out);
  }
  f->grid.cell_width = f->has_boxes ? PHOTO_CELL : draws ? PICTURE_CELL : NUMBER_CELL;
  f->grid.cell_height = f->has_boxes ? PHOTO_CELL + VW_GRID_STRIP : draws ? PICTURE_CELL : NUMBER_HEIGHT;
  f->note = vw_pool_text(&t->s->pool, d->note, -1);
  VW_CHECK(f->note, VW_ERR_MEMORY, "figures: out of memory");
  f->below = below_of(t, f, draws);
  f->width = fmax(2 * VW_PAGE_MARGIN + vw_grid_width(&f->grid), f->has_boxes ? 700 : 640);
  f->height = VW_PAGE_HEAD + vw_grid_height(&f->grid) + VW_PAGE_MARGIN + (f->note[0] ? VW_PAGE_NOTE + 8 : 0);
  d->page = (vw_page){.width = f->width, .height = f->height, .title = f->title, .draw = draw, .user = f};
  return write_csv(f, d);
}

vw_status vw_figure_transfer(vw_figure_source *s, const char *subject, vw_figure_drawing *d) {
  tables t = {.s = s, .model = subject};
  char title[512];
  VW_TRY(vw_figure_task(s, subject, &t.task));
  if (!t.task || !vw_figure_has(s, "/summary/transfer/n")) return VW_OK;
  figure *f = vw_pool_take(&s->pool, sizeof *f);
  VW_CHECK(f, VW_ERR_MEMORY, "figures: out of memory");
  VW_TRY(read_all(&t));
  if (!t.n_sources) {
    (void)snprintf(d->note, sizeof d->note,
                   "no words are carried to '%s': no other model has words of its data sets, "
                   "deltas and numbers of vectors",
                   subject);
    return VW_OK;
  }
  f->study = s->study, f->model = subject, f->metric = t.task->metrics[t.task->headline].name;
  (void)snprintf(title, sizeof title, "words in %s, learned there and carried to it (%s)", subject, f->metric);
  f->title = vw_pool_text(&s->pool, title, -1);
  VW_CHECK(f->title, VW_ERR_MEMORY, "figures: out of memory");
  VW_TRY(find_rows(&t, f));
  VW_TRY(find_columns(&t, f));
  VW_TRY(fill_cells(&t, f, MOST_PICTURE_ROWS));
  if (!f->grid.n_rows) return VW_OK;
  return lay_out(&t, f, d);
}
