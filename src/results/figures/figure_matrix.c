/* transfer_matrix: a row the network that learned the words, a column the one that judges them. Off the diagonal the
 * paired difference of both, in domain minus carried, and carried scores; on it the words' own. */
#include "results/figures/figure_curves.h"

#include <math.h>
#include <string.h>

enum { MOST_MODELS = 8 };

static const vw_curve_look own = {.label = "learned and judged here",
                                  .pen = {.colour = 0x0072b2, .width = 2},
                                  .mark = {.form = 0, .size = 8, .colour = 0x0072b2},
                                  .has_band = true};
static const vw_curve_look carried = {.label = "carried",
                                      .pen = {.colour = 0xd55e00, .width = 1.6, .dash = {5, 2}},
                                      .mark = {.form = 2, .size = 8, .colour = 0xd55e00},
                                      .has_bars = true,
                                      .shift = -.08};
static const vw_curve_look difference = {.label = "the same words learned here minus carried, paired",
                                         .pen = {.colour = 0x000000, .width = 1.6},
                                         .mark = {.form = 1, .size = 7, .colour = 0x000000},
                                         .has_bars = true,
                                         .shift = .08};

typedef struct matrix {
  vw_figure_source *s;
  vw_curves *f;
  vw_figure_rows rows;
  const char *models[MOST_MODELS];
  int64_t n;
} matrix;

static vw_status add_points(const matrix *m, vw_curves_panel *p, const vw_curve_look *look, const vw_figure_rows *rows,
                            const char *from, const char *to, const char *what, const char *quantity,
                            const char *metric, const vw_figure_deltas *deltas) {
  vw_curve *c = NULL;
  VW_TRY(vw_curve_add(m->f, p, look, &c));
  for (int64_t i = 0; i < rows->n; i++) {
    const vw_figure_row *r = &rows->row[i];
    const int64_t place = vw_figure_delta_place(deltas, r->delta);
    const bool is_pair = from ? !strcmp(r->from, from) && !strcmp(r->to, to) : !strcmp(r->model, to);
    if (is_pair && place >= 0 && !strcmp(r->what, what) && !strcmp(r->quantity, quantity) && !strcmp(r->metric, metric))
      VW_TRY(vw_curve_point(m->f, c, (double)place, r));
  }
  return VW_OK;
}

static bool has_pair(const matrix *m, const char *from, const char *to) {
  for (int64_t i = 0; i < m->rows.n; i++)
    if (!strcmp(m->rows.row[i].from, from) && !strcmp(m->rows.row[i].to, to)) return true;
  return false;
}

static vw_status add_panel(matrix *m, int64_t from, int64_t to) {
  const vw_task_kind *task = NULL;
  const vw_figure_deltas *deltas = NULL;
  vw_figure_rows words;
  char group[320];
  vw_curves_panel *p = NULL;
  VW_TRY(vw_figure_task(m->s, m->models[to], &task));
  vw_curves_panel like = {.title = "", .x_title = "delta", .y_title = "", .is_blank = true};
  if (!task || (from != to && !has_pair(m, m->models[from], m->models[to])))
    return vw_curves_panel_add(m->f, &like, &p);
  const char *metric = task->metrics[task->headline].name;
  (void)snprintf(group, sizeof group, "/summary/%s", task->name);
  VW_TRY(vw_figure_rows_read(m->s, group, &words));
  VW_TRY(vw_figure_deltas_of(m->s, &words, NULL, &deltas));
  like = (vw_curves_panel){.title = from == to
                                        ? vw_figure_text(m->s, "%s", m->models[to])
                                        : vw_figure_text(m->s, "%s \xe2\x86\x92 %s", m->models[from], m->models[to]),
                           .x_title = "delta",
                           .y_title = metric,
                           .x_names = deltas->name,
                           .n_x_names = deltas->n,
                           .y_low = from == to ? 0 : NAN,
                           .y_high = 1};
  VW_CHECK(like.title, VW_ERR_MEMORY, "figures: out of memory");
  VW_TRY(vw_curves_panel_add(m->f, &like, &p));
  if (from == to) return add_points(m, p, &own, &words, NULL, m->models[to], "word", "value", metric, deltas);
  VW_TRY(add_points(m, p, &difference, &m->rows, m->models[from], m->models[to], "carried word",
                    "in domain minus carried", metric, deltas));
  return add_points(m, p, &carried, &m->rows, m->models[from], m->models[to], "carried word", "value", metric, deltas);
}

static void find_models(matrix *m) {
  for (int64_t i = 0; i < m->rows.n; i++) {
    const char *const both[] = {m->rows.row[i].from, m->rows.row[i].to};
    for (int k = 0; k < 2; k++)
      if (m->n < MOST_MODELS && vw_figure_place(m->models, m->n, both[k]) < 0) m->models[m->n++] = both[k];
  }
}

vw_status vw_figure_matrix(vw_figure_source *s, const char *subject, vw_figure_drawing *d) {
  matrix m = {.s = s};
  (void)subject;
  VW_TRY(vw_figure_rows_read(s, "/summary/transfer", &m.rows));
  if (!m.rows.n) return VW_OK;
  find_models(&m);
  VW_TRY(
      vw_curves_begin(s, &m.f, "words in their own network, and carried to another",
                      "a row: who learned the words; a column: who judges them; bars: 95 % bootstrap over concepts and "
                      "anchors",
                      m.n));
  for (int64_t from = 0; from < m.n; from++)
    for (int64_t to = 0; to < m.n; to++) VW_TRY(add_panel(&m, from, to));
  return vw_curves_end(m.f, d);
}
