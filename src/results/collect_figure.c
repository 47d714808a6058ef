/* figures/<headline>_against_delta.svg: the headline of words against delta with 95 % intervals, beside what they are
 * compared with, a figure a task. Plain SVG text; colours of Okabe and Ito, which colour-blind people tell apart, and
 * another mark for each kind. One panel a model and data set. Rank 0 alone. */
#include "results/collect.h"

#include "core/durable.h"
#include "core/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Sizes in pixels. */
enum { PANEL = 520, PLOT = 400, LEFT = 70, TOP = 84, HEIGHT = 300, BELOW = 64, LEGEND = 24, MOST_DELTAS = 64 };

typedef struct kind_style {
  vw_measured what;
  const char *name, *colour, *dash;
  char mark;    /* o s d ^ x: circle, square, diamond, triangle, none */
  double shift; /* pixels, so that bars at one delta do not cover each other */
} kind_style;
static const kind_style styles[] = {
    {VW_OF_WORD, "learned word", "#0072B2", "", 'o', 0},
    {VW_OF_NULL, "null concept's word", "#E69F00", "6 3", 'd', 7},
    {VW_OF_RANDOM_DIRECTION, "random direction, same length", "#D55E00", "2 3", '^', -7},
    {VW_OF_ANCHOR, "untouched anchor", "#000000", "8 4", 's', 0},
    {VW_OF_NAME, "real name", "#009E73", "", 'x', 0},
    {VW_OF_RANDOM_WORD, "random word", "#CC79A7", "4 4", 'x', 0},
};
enum { STYLES = sizeof styles / sizeof *styles };

typedef struct panel {
  const vw_collected *c;
  const vw_task_kind *task;
  FILE *out;
  int64_t model, data;
  double x0;                  /* left edge of the plot */
  double deltas[MOST_DELTAS]; /* those of the words, ascending; free is the last */
  int64_t n_deltas;
} panel;

static void put_text(FILE *out, const char *text) {
  char shown[1024]; /* XML cannot hold control characters */
  (void)vw_text_escape(shown, sizeof shown, text, strlen(text));
  for (const char *p = shown; *p; p++)
    if (*p == '<' || *p == '>' || *p == '&' || *p == '"')
      (void)fprintf(out, "&#%d;", *p);
    else
      (void)fputc(*p, out);
}

/* Deltas have equal distances: they are powers of two as often as not, and free has no number. Place 0 is the anchor.
 */
static double x_of(const panel *p, int64_t place) {
  return p->x0 + (double)PLOT * ((double)place + 0.5) / (double)(p->n_deltas + 1);
}
static double y_of(double value) {
  return TOP + HEIGHT * (1 - value);
}

static const vw_interval *find(const panel *p, vw_measured what, double delta) {
  const vw_summary_row *r =
      vw_summary_find(p->c->summary, p->c->n_summary, p->model, p->data, what, VW_VALUE, delta, p->task->headline);
  return r && isfinite(r->interval.mean) ? &r->interval : NULL;
}

static void find_deltas(panel *p) {
  for (int64_t i = 0; i < p->c->n_summary && p->n_deltas < MOST_DELTAS; i++) {
    const vw_summary_row *r = &p->c->summary[i];
    if (r->model == p->model && r->data == p->data && r->what == VW_OF_WORD && r->quantity == VW_VALUE &&
        r->metric == p->task->headline)
      p->deltas[p->n_deltas++] = r->delta;
  }
}

static void put_axes(const panel *p) {
  FILE *out = p->out;
  for (int i = 0; i <= 5; i++) {
    const double y = y_of(i / 5.0);
    (void)fprintf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", p->x0, y,
                  p->x0 + PLOT, y);
    (void)fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.1f</text>\n", p->x0 - 8, y + 5, i / 5.0);
  }
  (void)fprintf(out, "<path d=\"M%.1f %d V%d H%.1f\" fill=\"none\" stroke=\"#000\"/>\n", p->x0, TOP, TOP + HEIGHT,
                p->x0 + PLOT);
  for (int64_t i = 0; i <= p->n_deltas; i++) {
    char text[VW_DELTA_TEXT] = "anchor";
    if (i) vw_delta_text(p->deltas[i - 1], text);
    (void)fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x_of(p, i), TOP + HEIGHT + 20,
                  text);
  }
  (void)fprintf(out,
                "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">delta: radius over the distance to the anchor's "
                "neighbour</text>\n",
                p->x0 + PLOT / 2.0, TOP + HEIGHT + 44);
  (void)fprintf(out, "<text transform=\"translate(%.1f %d) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
                p->x0 - 46, TOP + HEIGHT / 2, p->task->metrics[p->task->headline].name);
  (void)fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" font-size=\"14\">", p->x0 + PLOT / 2.0,
                TOP - 16);
  put_text(out, p->c->s->config->models[p->model].name);
  (void)fprintf(out, ", ");
  put_text(out, p->c->s->config->data[p->data].name);
  (void)fprintf(out, "</text>\n");
}

static void put_mark(FILE *out, const kind_style *s, double x, double y) {
  if (s->mark == 'o')
    (void)fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"%s\"/>\n", x, y, s->colour);
  else if (s->mark == 's')
    (void)fprintf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"9\" height=\"9\" fill=\"%s\"/>\n", x - 4.5, y - 4.5,
                  s->colour);
  else if (s->mark == 'd')
    (void)fprintf(out, "<path d=\"M%.1f %.1f l6 6 l-6 6 l-6 -6 z\" fill=\"%s\"/>\n", x, y - 6, s->colour);
  else if (s->mark == '^')
    (void)fprintf(out, "<path d=\"M%.1f %.1f l6 10 h-12 z\" fill=\"%s\"/>\n", x, y - 6, s->colour);
}

static double inside(double v) {
  return v < 0 ? 0 : v > 1 ? 1 : v;
}

/* The bar is the wider bootstrap interval, where there is one. */
static void put_point(const panel *p, const kind_style *s, double x, const vw_interval *i) {
  if (isfinite(i->boot_low) && isfinite(i->boot_high)) {
    const double low = y_of(inside(i->boot_low)), high = y_of(inside(i->boot_high));
    (void)fprintf(p->out,
                  "<path d=\"M%.1f %.1f V%.1f M%.1f %.1f h8 M%.1f %.1f h8\" fill=\"none\" stroke=\"%s\" "
                  "stroke-width=\"1.5\"/>\n",
                  x, low, high, x - 4, low, x - 4, high, s->colour);
  }
  put_mark(p->out, s, x, y_of(inside(i->mean)));
}

/* Points joined by a line where they have deltas; a line across the plot where they have none. */
static void put_kind(const panel *p, const kind_style *s) {
  const bool by_delta = s->what == VW_OF_WORD || s->what == VW_OF_NULL || s->what == VW_OF_RANDOM_DIRECTION;
  const vw_interval *i = by_delta ? NULL : find(p, s->what, s->what == VW_OF_ANCHOR ? 0 : NAN);
  if (i) {
    const double y = y_of(inside(i->mean));
    (void)fprintf(p->out,
                  "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-dasharray=\"%s\"/>\n",
                  p->x0, y, p->x0 + PLOT, y, s->colour, s->dash);
    if (s->what == VW_OF_ANCHOR) put_point(p, s, x_of(p, 0), i);
  }
  if (!by_delta) return;
  (void)fprintf(p->out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-dasharray=\"%s\" points=\"",
                s->colour, s->dash);
  for (int64_t e = 0; e < p->n_deltas; e++)
    if ((i = find(p, s->what, p->deltas[e])))
      (void)fprintf(p->out, "%.1f,%.1f ", x_of(p, e + 1) + s->shift, y_of(inside(i->mean)));
  (void)fprintf(p->out, "\"/>\n");
  for (int64_t e = 0; e < p->n_deltas; e++)
    if ((i = find(p, s->what, p->deltas[e]))) put_point(p, s, x_of(p, e + 1) + s->shift, i);
}

static void put_legend(FILE *out, int height) {
  for (int i = 0; i < STYLES; i++) {
    const kind_style *s = &styles[i];
    const int line = i / 2;
    const double x = LEFT + 268.0 * (i % 2), y = height + LEGEND * line;
    (void)fprintf(out,
                  "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"2\" "
                  "stroke-dasharray=\"%s\"/>\n",
                  x - 44, y, x - 8, y, s->colour, s->dash);
    put_mark(out, s, x - 26, y);
    (void)fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n", x, y + 5, s->name);
  }
}

/* A task's figure has a panel for each of its models and data set that it learns on. */
static bool has_panel(const vw_collected *c, const vw_task_kind *task, int64_t pair) {
  const vw_study_config *config = c->s->config;
  const int64_t model = pair / config->n_data;
  return vw_collect_task(c, model) == task && vw_study_learns_on(config, model, pair % config->n_data);
}

static void put_figure(const vw_collected *c, const vw_task_kind *task, FILE *out) {
  const vw_study_config *config = c->s->config;
  int64_t panels = 0;
  for (int64_t i = 0; i < config->n_models * config->n_data; i++) panels += has_panel(c, task, i);
  const int width = (int)(PANEL * panels), below = TOP + HEIGHT + BELOW, height = below + LEGEND * (STYLES / 2) + 16;
  (void)fprintf(out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
                "font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\">\n"
                "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<text x=\"24\" y=\"30\" font-size=\"17\">",
                width, height, width, height);
  put_text(out, config->study);
  (void)fprintf(out,
                ": %s of learned words against delta</text>\n<text x=\"24\" y=\"50\" fill=\"#444\">means over "
                "trials; bars: 95 %% bootstrap over concepts and anchors</text>\n",
                task->metrics[task->headline].name);
  for (int64_t i = 0, at = 0; i < config->n_models * config->n_data; i++) {
    panel p = {.c = c, .task = task, .out = out, .model = i / config->n_data, .data = i % config->n_data};
    if (!has_panel(c, task, i)) continue;
    p.x0 = LEFT + (double)(PANEL * at++);
    find_deltas(&p);
    put_axes(&p);
    for (int k = STYLES - 1; k >= 0; k--) put_kind(&p, &styles[k]); /* the words on top */
  }
  put_legend(out, below + LEGEND / 2);
  (void)fprintf(out, "</svg>\n");
}

void vw_collect_figure_name(const vw_task_kind *task, vw_figure_name name) {
  (void)snprintf(name, sizeof(vw_figure_name), "%s_against_delta.svg", task->metrics[task->headline].name);
}

static vw_status write_figure(const vw_collected *c, const vw_task_kind *task) {
  vw_figure_name name;
  char path[VW_PATH_BYTES], *text = NULL;
  size_t bytes = 0;
  vw_collect_figure_name(task, name);
  VW_TRY(vw_path_format(path, "%s/figures/%s", c->s->out, name));
  FILE *out = open_memstream(&text, &bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "%s: out of memory", path);
  put_figure(c, task, out);
  const bool failed = ferror(out) != 0;
  vw_status st = fclose(out) != 0 || failed ? VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path) : VW_OK;
  if (st == VW_OK) st = vw_file_write(path, text, (int64_t)bytes);
  free(text);
  return st;
}

vw_status vw_collect_figures(const vw_collected *c) {
  const vw_task_kind *task = NULL;
  char path[VW_PATH_BYTES];
  VW_TRY(vw_subfolder_make(c->s->out, "figures", path));
  for (int64_t i = 0; (task = vw_collect_task_at(c, i)); i++) VW_TRY(write_figure(c, task));
  return VW_OK;
}
