/* tsne_<model>: maps of the words' states, a panel a layer. Colour: concept; mark: anchor; size: delta. Words that were
 * carried from other networks lie in the same map and are drawn in panels of their own. */
#include "results/collect/collect_format.h"
#include "results/figures/figure_curves.h"

#include "core/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { SIDE = 250, GAP = 24, ABOVE = 30, MOST_COLUMNS = 3, MOST_CONCEPTS = VW_MOST_SERIES, MOST_MAPS = 32 };
enum { LEAST_MARK = 5, MOST_MARK = 9 };
static const vw_colour grey = 0xaaaaaa;

typedef struct word {
  const char *concept, *anchor;
  double delta;
  int64_t colour; /* -1: of no concept, or beyond the colours */
  int form;
  double size;
  bool is_anchor, is_carried, is_hollow;
  const char *origin;
} word;

typedef struct figure {
  const char *study, *title, *note;
  word *words;
  int64_t n_words, n_maps, columns;
  int groups;           /* of panels: words learned here; with 2 carried ones too */
  const double *points; /* [maps, words, 2] */
  const char *heads[MOST_MAPS], *carried_heads[MOST_MAPS];
  const double *layers;
  const char *const *positions;
  const char *concepts[MOST_CONCEPTS], *anchors[VW_MARKS];
  int64_t n_concepts, n_anchors; /* those that are drawn */
  const vw_figure_deltas *deltas;
  vw_legend_entry *legend;
  int64_t n_legend;
  double width, height, legend_y;
} figure;

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct columns {
  const char *const *origin, *const *concept, *const *anchor;
  const double *delta, *trial, *is_null;
  int64_t n, n_trials;
} columns;

static vw_status read_columns(vw_figure_source *s, const char *model, columns *c) {
  char path[320];
  const struct {
    const char *name;
    const char *const **texts;
    const double **numbers;
  } all[] = {{"origin", &c->origin, NULL},
             {"concept", &c->concept, NULL},
             {"anchor", &c->anchor, NULL},
             {"delta", NULL, &c->delta},
             {"trial", NULL, &c->trial}};
  c->n = -1;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    (void)snprintf(path, sizeof path, "/activations/%s/%s", model, all[i].name);
    VW_TRY(vw_figure_column(s, path, all[i].texts, all[i].numbers, &c->n));
  }
  return vw_figure_numbers(s, "/trials/null", &c->is_null, &c->n_trials);
}

/* Words of concepts and untouched anchors; null concepts' words are grey, names are not drawn. */
static bool is_drawn(const columns *c, int64_t i) {
  return strcmp(c->origin[i], "name") != 0;
}

static bool is_null(const columns *c, int64_t i) {
  const int64_t trial = vw_figure_index(c->trial[i], c->n_trials);
  return trial >= 0 && c->is_null[trial] != 0;
}

/* The distinct concepts and anchors; how many there are in all. */
static void find_names(const columns *c, figure *f, int64_t *concepts, int64_t *anchors) {
  for (int64_t i = 0; i < c->n; i++) {
    if (!is_drawn(c, i)) continue;
    const bool has_concept = c->concept[i][0] && !is_null(c, i);
    if (has_concept && f->n_concepts < MOST_CONCEPTS &&
        vw_figure_place(f->concepts, f->n_concepts, c->concept[i]) < 0) {
      f->concepts[f->n_concepts++] = c->concept[i];
    }
    if (c->anchor[i][0] && vw_figure_place(f->anchors, f->n_anchors, c->anchor[i]) < 0 && f->n_anchors < VW_MARKS)
      f->anchors[f->n_anchors++] = c->anchor[i];
  }
  *concepts = *anchors = 0;
  for (int64_t i = 0; i < c->n; i++) {
    bool new_concept = is_drawn(c, i) && c->concept[i][0] && !is_null(c, i),
         new_anchor = is_drawn(c, i) && c->anchor[i][0];
    for (int64_t k = 0; k < i && (new_concept || new_anchor); k++) {
      new_concept &= !is_drawn(c, k) || strcmp(c->concept[k], c -> concept[i]) != 0;
      new_anchor &= !is_drawn(c, k) || strcmp(c->anchor[k], c->anchor[i]) != 0;
    }
    *concepts += new_concept, *anchors += new_anchor;
  }
}

static vw_status fill_words(vw_figure_source *s, const columns *c, figure *f) {
  vw_figure_rows rows = {vw_pool_take(&s->pool, (size_t)c->n * sizeof *rows.row + 1), c->n};
  f->words = vw_pool_take(&s->pool, (size_t)c->n * sizeof *f->words + 1);
  VW_CHECK(rows.row && f->words, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t i = 0; i < c->n; i++) rows.row[i] = (vw_figure_row){.model = "", .delta = c->delta[i]};
  VW_TRY(vw_figure_deltas_of(s, &rows, NULL, &f->deltas));
  f->n_words = c->n, f->groups = 1;
  for (int64_t i = 0; i < c->n; i++) {
    const int64_t form = vw_figure_place(f->anchors, f->n_anchors, c->anchor[i]);
    const int64_t place = vw_figure_delta_place(f->deltas, c->delta[i]);
    const double steps = f->deltas->n > 1 ? (double)(f->deltas->n - 1) : 1;
    f->words[i] = (word){.concept = c->concept[i],
                         .anchor = c->anchor[i],
                         .delta = c->delta[i],
                         .colour = is_null(c, i) ? -1 : vw_figure_place(f->concepts, f->n_concepts, c->concept[i]),
                         .form = form < 0 ? 0 : (int)form,
                         .size = LEAST_MARK + (MOST_MARK - LEAST_MARK) * (place < 0 ? 1 : (double)place / steps),
                         .is_anchor = !strcmp(c->origin[i], "anchor"),
                         .is_carried = !strcmp(c->origin[i], "carried"),
                         .origin = c->origin[i]};
    if (!is_drawn(c, i)) f->words[i].size = 0;
    if (f->words[i].is_carried) f->groups = 2;
  }
  return VW_OK;
}

static vw_status read_maps(vw_figure_source *s, const char *model, figure *f) {
  char path[320];
  const double *n_mapped = NULL;
  int64_t n = 0;
  f->n_maps = -1;
  (void)snprintf(path, sizeof path, "/tsne/%s/layer", model);
  VW_TRY(vw_figure_column(s, path, NULL, &f->layers, &f->n_maps));
  (void)snprintf(path, sizeof path, "/tsne/%s/position", model);
  VW_TRY(vw_figure_column(s, path, &f->positions, NULL, &f->n_maps));
  (void)snprintf(path, sizeof path, "/tsne/%s/n", model);
  VW_TRY(vw_figure_column(s, path, NULL, &n_mapped, &f->n_maps));
  (void)snprintf(path, sizeof path, "/tsne/%s/points", model);
  VW_TRY(vw_figure_numbers(s, path, &f->points, &n));
  VW_CHECK(f->n_maps <= MOST_MAPS && n == f->n_maps * f->n_words * 2, VW_ERR_INPUT,
           "%s/study.h5: %s has %" PRId64 " numbers, expected %" PRId64, s->dir, path, n, f->n_maps * f->n_words * 2);
  for (int64_t i = 0; i < f->n_maps; i++) {
    f->heads[i] = vw_figure_text(s, "layer %g, %s%s", f->layers[i],
                                 strcmp(f->positions[i], "word") == 0 ? "at the word" : "pooled token",
                                 n_mapped[i] > 0 ? "" : ": not mapped");
    f->carried_heads[i] = vw_figure_text(s, "carried: %s", f->heads[i] ? f->heads[i] : "");
    VW_CHECK(f->heads[i] && f->carried_heads[i], VW_ERR_MEMORY, "figures: out of memory");
  }
  return VW_OK;
}

/* ---- legend ------------------------------------------------------------------------------------------------------ */

static void add_entry(figure *f, const char *text, vw_mark mark) {
  f->legend[f->n_legend++] = (vw_legend_entry){.text = text, .mark = mark};
}

static vw_status make_legend(vw_figure_source *s, figure *f, int64_t concepts, int64_t anchors, bool has_null) {
  const size_t room = MOST_CONCEPTS + VW_MARKS + VW_FIGURE_DELTAS + 8;
  f->legend = vw_pool_take(&s->pool, room * sizeof *f->legend);
  VW_CHECK(f->legend, VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t i = 0; i < f->n_concepts; i++) {
    vw_mark mark = vw_series_mark(i, 9);
    mark.form = 0;
    add_entry(f, f->concepts[i], mark);
  }
  const char *more = vw_figure_text(s, "%" PRId64 " more concepts", concepts - f->n_concepts);
  const char *more_anchors = vw_figure_text(s, "and %" PRId64 " more anchors", anchors - f->n_anchors);
  VW_CHECK(more && more_anchors, VW_ERR_MEMORY, "figures: out of memory");
  if (concepts > f->n_concepts) add_entry(f, more, (vw_mark){.size = 9, .colour = grey});
  if (has_null) add_entry(f, "null concept", (vw_mark){.size = 9, .colour = grey});
  for (int64_t i = 0; i < f->n_anchors; i++) {
    const char *text = vw_figure_text(s, "from %s", f->anchors[i]);
    VW_CHECK(text, VW_ERR_MEMORY, "figures: out of memory");
    add_entry(f, text, (vw_mark){.form = (int)i, .size = 9, .colour = 0x555555});
  }
  if (anchors > f->n_anchors) add_entry(f, more_anchors, (vw_mark){.size = 9, .colour = 0x555555});
  add_entry(f, "an untouched anchor", (vw_mark){.size = 12, .colour = 0x000000, .is_hollow = true});
  for (int64_t i = 0; i < f->deltas->n && f->deltas->n > 1; i += f->deltas->n - 1) {
    const char *text = vw_figure_text(s, "delta %s", f->deltas->name[i]);
    VW_CHECK(text, VW_ERR_MEMORY, "figures: out of memory");
    add_entry(f, text, (vw_mark){.size = i ? MOST_MARK : LEAST_MARK, .colour = 0x555555});
  }
  return VW_OK;
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

/* The square that holds a map's points. */
static vw_panel square_of(const figure *f, int64_t map, double x, double y) {
  double low[2] = {NAN, NAN}, high[2] = {NAN, NAN};
  const double *points = f->points + 2 * f->n_words * map;
  for (int64_t i = 0; i < f->n_words; i++)
    for (int k = 0; k < 2; k++) {
      const double v = points[2 * i + k];
      if (!isfinite(v) || f->words[i].size == 0) continue;
      if (!(v >= low[k])) low[k] = v;
      if (!(v <= high[k])) high[k] = v;
    }
  double half = fmax(high[0] - low[0], high[1] - low[1]) / 2 * 1.1;
  if (!(half > 0)) half = 1;
  const double cx = isfinite(low[0]) ? (low[0] + high[0]) / 2 : 0, cy = isfinite(low[1]) ? (low[1] + high[1]) / 2 : 0;
  return (vw_panel){x, y, SIDE, SIDE, cx - half, cx + half, cy - half, cy + half};
}

static void draw_word(vw_canvas *c, const vw_panel *p, const word *w, const double *at) {
  vw_mark mark = w->colour < 0 ? (vw_mark){.colour = grey} : vw_series_mark(w->colour, 0);
  if (w->is_anchor) mark = (vw_mark){.colour = 0x000000, .is_hollow = true};
  mark.form = w->form, mark.size = w->is_anchor ? 13 : w->size;
  if (isfinite(at[0]) && isfinite(at[1])) vw_canvas_mark(c, vw_panel_x(p, at[0]), vw_panel_y(p, at[1]), &mark);
}

static int64_t rows_of_panels(const figure *f) {
  return (f->n_maps + f->columns - 1) / f->columns;
}

static void draw_map(vw_canvas *c, const figure *f, int64_t map, int group) {
  const double x = VW_PAGE_MARGIN + (double)(map % f->columns) * (SIDE + GAP);
  const int64_t line = group * rows_of_panels(f) + map / f->columns;
  const double y = VW_PAGE_HEAD + ABOVE + (double)line * (SIDE + GAP + ABOVE);
  const vw_panel p = square_of(f, map, x, y);
  const vw_pen pen = {.colour = 0x888888, .width = 1};
  const vw_letters head = {.size = 13, .colour = 0x222222, .most = SIDE, .is_bold = true};
  vw_canvas_panel(c);
  vw_canvas_line(c, (double[]){x, y, x + SIDE, y, x + SIDE, y + SIDE, x, y + SIDE, x, y}, 5, &pen);
  vw_canvas_text(c, x, y - 8, (group ? f->carried_heads : f->heads)[map], &head);
  for (int pass = 0; pass < 2; pass++) /* anchors on top */
    for (int64_t i = 0; i < f->n_words; i++)
      if (f->words[i].size > 0 && f->words[i].is_anchor == (pass == 1) &&
          (pass == 1 || f->words[i].is_carried == (group == 1)))
        draw_word(c, &p, &f->words[i], f->points + 2 * (f->n_words * map + i));
}

static void draw(vw_canvas *c, void *user) {
  const figure *f = user;
  const vw_letters letters = {.size = 12, .colour = 0x555555, .most = f->width - 2 * VW_PAGE_MARGIN};
  vw_page_head(c, f->study, f->title, "t-SNE of their states; colour: concept; mark: anchor; size: delta", f->width);
  for (int group = 0; group < f->groups; group++)
    for (int64_t i = 0; i < f->n_maps; i++) draw_map(c, f, i, group);
  (void)vw_legend(c, VW_PAGE_MARGIN, f->legend_y, f->width - 2 * VW_PAGE_MARGIN, f->legend, f->n_legend);
  if (f->note[0]) vw_canvas_text(c, VW_PAGE_MARGIN, f->height - VW_PAGE_MARGIN, f->note, &letters);
}

static void put_word(FILE *out, const figure *f, int64_t map, int64_t i) {
  const double *at = f->points + 2 * (f->n_words * map + i);
  char delta[VW_DELTA_TEXT] = "";
  if (!isnan(f->words[i].delta)) vw_delta_text(f->words[i].delta, delta);
  (void)vw_print(out, "%g,%s,%" PRId64 ",%s,", f->layers[map], f->positions[map], i, f->words[i].origin);
  vw_csv_text(out, f->words[i].concept), vw_csv_text(out, f->words[i].anchor), vw_csv_text(out, delta);
  if (isfinite(at[0]) && isfinite(at[1]))
    (void)vw_print(out, "%.17g,%.17g\n", at[0], at[1]);
  else
    (void)vw_print(out, ",\n");
}

static vw_status write_csv(const figure *f, vw_figure_drawing *d) {
  FILE *out = open_memstream(&d->csv, &d->csv_bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "figures: out of memory");
  (void)vw_print(out, "layer,position,row,origin,concept,anchor,delta,x,y\n");
  for (int64_t map = 0; map < f->n_maps; map++)
    for (int64_t i = 0; i < f->n_words; i++)
      if (f->words[i].size > 0) put_word(out, f, map, i);
  const bool failed = ferror(out) != 0;
  VW_CHECK(fclose(out) == 0 && !failed, VW_ERR_MEMORY, "figures: out of memory");
  return VW_OK;
}

static void lay_out(figure *f) {
  f->columns = f->n_maps < MOST_COLUMNS ? f->n_maps : MOST_COLUMNS;
  const int64_t rows = f->groups * rows_of_panels(f);
  f->width = fmax(2 * VW_PAGE_MARGIN + (double)f->columns * (SIDE + GAP) - GAP, 640);
  f->legend_y = VW_PAGE_HEAD + (double)rows * (SIDE + GAP + ABOVE);
  f->height = f->legend_y + vw_legend(NULL, 0, 0, f->width - 2 * VW_PAGE_MARGIN, f->legend, f->n_legend) +
              VW_PAGE_MARGIN + (f->note[0] ? VW_PAGE_NOTE + 8 : 0);
}

vw_status vw_figure_tsne(vw_figure_source *s, const char *subject, vw_figure_drawing *d) {
  char path[320];
  columns c = {0};
  int64_t concepts = 0, anchors = 0;
  bool has_null = false;
  (void)snprintf(path, sizeof path, "/tsne/%s/points", subject);
  if (!vw_figure_has(s, path)) return VW_OK;
  figure *f = vw_pool_take(&s->pool, sizeof *f);
  VW_CHECK(f, VW_ERR_MEMORY, "figures: out of memory");
  VW_TRY(read_columns(s, subject, &c));
  find_names(&c, f, &concepts, &anchors);
  for (int64_t i = 0; i < c.n; i++) has_null |= is_null(&c, i);
  VW_TRY(fill_words(s, &c, f));
  VW_TRY(read_maps(s, subject, f));
  if (!f->n_maps) return VW_OK;
  VW_TRY(make_legend(s, f, concepts, anchors, has_null));
  if (concepts > f->n_concepts || anchors > f->n_anchors)
    (void)snprintf(d->note, sizeof d->note,
                   "%" PRId64 " of %" PRId64 " concepts have a colour, %" PRId64 " of %" PRId64 " anchors a mark",
                   f->n_concepts, concepts, f->n_anchors, anchors);
  f->study = s->study, f->title = vw_figure_text(s, "words of %s, layer by layer", subject);
  f->note = vw_pool_text(&s->pool, d->note, -1);
  VW_CHECK(f->title && f->note, VW_ERR_MEMORY, "figures: out of memory");
  lay_out(f);
  d->page = (vw_page){.width = f->width, .height = f->height, .title = f->title, .draw = draw, .user = f};
  return write_csv(f, d);
}
