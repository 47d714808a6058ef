/* Panels, axes, legends: what all figures are made of. */
#include "results/figures/figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const vw_colour vw_palette[VW_PALETTE] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x000000};

enum { TICK_LENGTH = 4, LETTERS = 11, TITLE_LETTERS = 13 };
static const vw_colour grid = 0xe0e0e0, ink = 0x222222, faint = 0x555555;

vw_mark vw_series_mark(int64_t i, double size) {
  return (vw_mark){.form = (int)(i % VW_MARKS),
                   .size = size,
                   .colour = vw_palette[i % VW_PALETTE],
                   .is_hollow = i / VW_PALETTE % 2 == 1};
}

/* ---- scales ------------------------------------------------------------------------------------------------------ */

/* The smallest of 1, 2, 5 times a power of ten that is not below x > 0. */
static double round_step(double x) {
  static const double steps[] = {1, 2, 5, 10};
  const double power = pow(10, floor(log10(x)));
  for (int i = 0; i < 4; i++)
    if (steps[i] * power >= x * (1 - 1e-9)) return steps[i] * power;
  return 10 * power;
}

int vw_ticks(double low, double high, int wanted, double ticks[VW_MOST_TICKS]) {
  if (!isfinite(low) || !isfinite(high)) low = 0, high = 1;
  if (low > high) {
    const double t = low;
    low = high, high = t;
  }
  if (high - low <= 1e-12 * fmax(fabs(low), fabs(high)) || high == low) {
    const double d = high == 0 ? 1 : fabs(high) / 2;
    low -= d, high += d;
  }
  if (wanted < 2) wanted = 2;
  if (wanted > VW_MOST_TICKS - 2) wanted = VW_MOST_TICKS - 2;
  const double step = round_step((high - low) / (wanted - 1));
  const double first = floor(low / step + 1e-9), last = ceil(high / step - 1e-9);
  int n = 0;
  for (double k = first; k <= last && n < VW_MOST_TICKS; k++) ticks[n++] = k * step;
  return n;
}

void vw_tick_text(double tick, double step, char text[VW_TICK_TEXT]) {
  const double size = fmax(fabs(tick), step);
  if (size >= 1e6 || step < 1e-4) {
    (void)snprintf(text, VW_TICK_TEXT, "%.3g", fabs(tick) < step / 2 ? 0 : tick);
    return;
  }
  const int places = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
  (void)snprintf(text, VW_TICK_TEXT, "%.*f", places, fabs(tick) < step / 2 ? 0 : tick);
}

/* ---- panels ------------------------------------------------------------------------------------------------------ */

double vw_panel_x(const vw_panel *p, double v) {
  return p->x + p->width * (v - p->x_low) / (p->x_high - p->x_low);
}

double vw_panel_y(const vw_panel *p, double v) {
  return p->y + p->height * (1 - (v - p->y_low) / (p->y_high - p->y_low));
}

static void line(vw_canvas *c, double x0, double y0, double x1, double y1, vw_colour colour) {
  const vw_pen pen = {.colour = colour, .width = 1};
  vw_canvas_line(c, (double[]){x0, y0, x1, y1}, 2, &pen);
}

static void y_axis(vw_canvas *c, const vw_panel *p) {
  const vw_letters letters = {.size = LETTERS, .colour = ink, .align = VW_RIGHT};
  double ticks[VW_MOST_TICKS];
  char text[VW_TICK_TEXT];
  const int n = vw_ticks(p->y_low, p->y_high, 6, ticks);
  for (int i = 0; i < n; i++) {
    if (ticks[i] < p->y_low - 1e-9 || ticks[i] > p->y_high + 1e-9) continue;
    const double y = vw_panel_y(p, ticks[i]);
    line(c, p->x, y, p->x + p->width, y, grid);
    vw_tick_text(ticks[i], ticks[1] - ticks[0], text);
    vw_canvas_text(c, p->x - TICK_LENGTH - 2, y + LETTERS * .36, text, &letters);
  }
}

static void x_tick(vw_canvas *c, const vw_panel *p, double at, const char *text, double most) {
  const vw_letters letters = {.size = LETTERS, .colour = ink, .align = VW_MIDDLE, .most = most};
  const double x = vw_panel_x(p, at), y = p->y + p->height;
  line(c, x, y, x, y + TICK_LENGTH, ink);
  vw_canvas_text(c, x, y + TICK_LENGTH + LETTERS + 1, text, &letters);
}

static void x_axis(vw_canvas *c, const vw_panel *p, const vw_axes *a) {
  double ticks[VW_MOST_TICKS];
  char text[VW_TICK_TEXT];
  for (int64_t i = 0; i < a->n_x_names; i++)
    x_tick(c, p, (double)i, a->x_names[i], p->width / (double)a->n_x_names - 2);
  if (a->x_names) return;
  const int n = vw_ticks(p->x_low, p->x_high, 5, ticks);
  for (int i = 0; i < n; i++) {
    if (ticks[i] < p->x_low - 1e-9 || ticks[i] > p->x_high + 1e-9) continue;
    vw_tick_text(ticks[i], ticks[1] - ticks[0], text);
    x_tick(c, p, ticks[i], text, 0);
  }
}

void vw_panel_axes(vw_canvas *c, const vw_panel *p, const vw_axes *a) {
  const vw_letters title = {
      .size = TITLE_LETTERS, .colour = ink, .align = VW_MIDDLE, .most = p->width + 30, .is_bold = true};
  const vw_letters below = {.size = LETTERS, .colour = faint, .align = VW_MIDDLE, .most = p->width + 40};
  const vw_letters beside = {
      .size = LETTERS, .colour = faint, .align = VW_MIDDLE, .most = p->height + 30, .is_upright = true};
  vw_canvas_panel(c);
  y_axis(c, p);
  x_axis(c, p, a);
  line(c, p->x, p->y, p->x, p->y + p->height, ink);
  line(c, p->x, p->y + p->height, p->x + p->width, p->y + p->height, ink);
  if (a->title[0]) vw_canvas_text(c, p->x + p->width / 2, p->y - 10, a->title, &title);
  if (a->x_title[0]) vw_canvas_text(c, p->x + p->width / 2, p->y + p->height + 34, a->x_title, &below);
  if (a->y_title[0]) vw_canvas_text(c, p->x - 42, p->y + p->height / 2, a->y_title, &beside);
}

/* ---- what stands in them ----------------------------------------------------------------------------------------- */

static double inside_y(const vw_panel *p, double v) {
  return vw_panel_y(p, vw_inside(v, p->y_low, p->y_high));
}

void vw_panel_band(vw_canvas *c, const vw_panel *p, const double *x, const double *low, const double *high, int64_t n,
                   vw_colour colour) {
  double *xy = malloc((size_t)(4 * n) * sizeof *xy + 1);
  for (int64_t first = 0; xy && first < n;) {
    int64_t m = 0;
    while (first + m < n && isfinite(low[first + m]) && isfinite(high[first + m])) m++;
    for (int64_t i = 0; i < m; i++) {
      const int64_t back = 2 * m - 1 - i;
      xy[2 * i] = xy[2 * back] = vw_panel_x(p, x[first + i]);
      xy[2 * i + 1] = inside_y(p, high[first + i]), xy[2 * back + 1] = inside_y(p, low[first + i]);
    }
    if (m > 1) vw_canvas_area(c, xy, 2 * m, colour, .16);
    first += m + 1;
  }
  free(xy);
}

void vw_panel_series(vw_canvas *c, const vw_panel *p, const double *x, const double *y, int64_t n, const vw_pen *pen,
                     const vw_mark *mark) {
  double *xy = malloc((size_t)(2 * n) * sizeof *xy + 1);
  for (int64_t i = 0; xy && i < n; i++)
    xy[2 * i] = vw_panel_x(p, x[i]), xy[2 * i + 1] = isfinite(y[i]) ? inside_y(p, y[i]) : NAN;
  if (xy && pen->width > 0) vw_canvas_line(c, xy, n, pen);
  for (int64_t i = 0; xy && mark->size > 0 && i < n; i++) vw_canvas_mark(c, xy[2 * i], xy[2 * i + 1], mark);
  free(xy);
}

void vw_panel_bar(vw_canvas *c, const vw_panel *p, double x, double low, double high, vw_colour colour) {
  enum { HALF = 3 };
  if (!isfinite(low) || !isfinite(high)) return;
  const vw_pen pen = {.colour = colour, .width = 1.2};
  const double at = vw_panel_x(p, x), top = inside_y(p, high), end = inside_y(p, low);
  const double xy[] = {at,        top, at,  end, NAN,       0,   at - HALF, top,
                       at + HALF, top, NAN, 0,   at - HALF, end, at + HALF, end};
  vw_canvas_line(c, xy, 8, &pen);
}

/* ---- legend, head ------------------------------------------------------------------------------------------------ */

double vw_about_width(const char *text, double size) {
  double n = 0;
  for (const char *p = text; *p; p++) n += ((unsigned char)*p & 0xc0) != 0x80;
  return n * size * .6;
}

static void draw_key(vw_canvas *c, double x, double y, double width, const vw_legend_entry *e) {
  if (e->has_band) {
    const double box[4] = {x, y - 6, width, 12};
    vw_canvas_rectangle(c, box, e->pen.colour, .16);
  }
  if (e->pen.width > 0) vw_canvas_line(c, (double[]){x, y, x + width, y}, 2, &e->pen);
  if (e->mark.size > 0) vw_canvas_mark(c, x + width / 2, y, &e->mark);
}

double vw_legend(vw_canvas *c, double x, double y, double width, const vw_legend_entry *entries, int64_t n) {
  enum { ROW = 20, KEY = 30, LEAST = 110 };
  double wanted = LEAST;
  for (int64_t i = 0; i < n; i++) wanted = fmax(wanted, KEY + 28 + vw_about_width(entries[i].text, LETTERS + 1));
  const int64_t columns = width < 2 * wanted ? 1 : (int64_t)(width / wanted);
  const double column = width / (double)columns;
  const vw_letters letters = {.size = LETTERS + 1, .colour = ink, .most = column - KEY - 20};
  for (int64_t i = 0; c && i < n; i++) {
    const int64_t line = i / columns;
    const double at = x + column * (double)(i % columns), line_y = y + ROW * (double)line + ROW / 2.0;
    draw_key(c, at, line_y, KEY, &entries[i]);
    vw_canvas_text(c, at + KEY + 8, line_y + 4, entries[i].text, &letters);
  }
  const int64_t lines = (n + columns - 1) / columns;
  return ROW * (double)lines;
}

vw_letters vw_letters_fit(vw_canvas *c, const char *text, vw_letters letters, double least, double most) {
  double width = vw_canvas_text_width(c, text, &letters);
  while (width > most &&
         letters.size > least) { /* letters are as wide as whole pixels: not in proportion to their size */
    letters.size = fmax(least, fmin(letters.size - .25, letters.size * most / width));
    width = vw_canvas_text_width(c, text, &letters);
  }
  letters.most = most;
  return letters;
}

void vw_page_head(vw_canvas *c, const char *study, const char *title, const char *below, double width) {
  const double most = width - 2 * VW_PAGE_MARGIN;
  char text[1024];
  (void)snprintf(text, sizeof text, "%s: %s", study, title);
  const vw_letters head = vw_letters_fit(c, text, (vw_letters){.size = 17, .colour = ink, .is_bold = true}, 12, most);
  const vw_letters under = vw_letters_fit(c, below, (vw_letters){.size = LETTERS + 1, .colour = faint}, 9.5, most);
  vw_canvas_text(c, VW_PAGE_MARGIN, 28, text, &head);
  vw_canvas_text(c, VW_PAGE_MARGIN, 48, below, &under);
}
