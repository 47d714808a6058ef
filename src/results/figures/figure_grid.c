#include "results/figures/figure_grid.h"

#include "core/durable.h"
#include "io/pictures/preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_NAMES = 60, MOST_NAMES = 240, HEAD = 40, HEAD_LETTERS = 12, GAP = 3, GROUP_GAP = 10, MOST_PIXELS = 128 };
static const vw_colour ink = 0x222222, absent = 0xd8d8d8, right = 0x0072b2, wrong = 0xd55e00;

/* Room for the rows' names. */
static double names_width(const vw_grid *g) {
  double most = LEAST_NAMES;
  for (int64_t i = 0; i < g->n_rows; i++) most = fmax(most, vw_about_width(g->rows[i], 12) + 16);
  return fmin(most, MOST_NAMES);
}

/* How far the head of the group that starts at a column reaches beyond it, at both ends together; *end: the column
 * behind the group. */
static double overhang(const vw_grid *g, int64_t from, int64_t *end) {
  for (*end = from + 1; *end < g->n_columns && !strcmp(g->columns[*end].group, g->columns[from].group);) ++*end;
  const int64_t n = *end - from;
  const double own = (double)n * g->cell_width + (double)(n - 1) * GAP;
  return fmax(0, fmin(vw_about_width(g->columns[from].group, HEAD_LETTERS), MOST_NAMES) - own);
}

/* Columns of another group stand further apart, far enough for both their heads. */
static double left_of(const vw_grid *g, int64_t column) {
  double x = names_width(g), over = 0, next = 0;
  for (int64_t from = 0, end; from < g->n_columns; from = end, over = next) {
    next = overhang(g, from, &end);
    if (from > 0) x += fmax(GROUP_GAP - GAP, (over + next) / 2);
    if (column < end) return x + (double)(column - from) * (g->cell_width + GAP);
    x += (double)(end - from) * (g->cell_width + GAP);
  }
  return x + over / 2;
}

double vw_grid_width(const vw_grid *g) {
  return left_of(g, g->n_columns);
}

double vw_grid_height(const vw_grid *g) {
  return HEAD + (double)g->n_rows * (g->cell_height + GAP);
}

static void draw_heads(vw_canvas *c, const vw_grid *g, double x, double y) {
  for (int64_t i = 0, end; i < g->n_columns; i = end) {
    const double over = overhang(g, i, &end), from = left_of(g, i), to = left_of(g, end - 1) + g->cell_width;
    const vw_letters group = {
        .size = HEAD_LETTERS, .colour = ink, .align = VW_MIDDLE, .most = to - from + over + 6, .is_bold = true};
    vw_canvas_text(c, x + (from + to) / 2, y + 14, g->columns[i].group, &group);
    for (int64_t k = i; k < end; k++) {
      const vw_letters name = {.size = 11, .colour = ink, .align = VW_MIDDLE, .most = g->cell_width};
      vw_canvas_text(c, x + left_of(g, k) + g->cell_width / 2, y + 31, g->columns[k].name, &name);
    }
  }
}

/* White to blue; letters on it are black or white. */
static void draw_number(vw_canvas *c, const double box[4], double v) {
  static const double full[3] = {0, 0x72, 0xb2};
  const double t = vw_inside(v, 0, 1);
  vw_colour ground = 0;
  for (int i = 0; i < 3; i++) ground = ground << 8 | (vw_colour)lround(255 + (full[i] - 255) * t);
  const vw_letters letters = {.size = 10.5, .colour = t > .55 ? 0xffffff : ink, .align = VW_MIDDLE};
  char text[VW_TICK_TEXT];
  (void)snprintf(text, sizeof text, "%.2f", v);
  vw_canvas_rectangle(c, box, ground, 1);
  vw_canvas_text(c, box[0] + box[2] / 2, box[1] + box[3] / 2 + 4, text, &letters);
}

/* The largest box of the picture's shape within a cell, in its middle. */
static void fit(const vw_image *picture, const double cell[4], double out[4]) {
  const double scale = fmin(cell[2] / (double)picture->width, cell[3] / (double)picture->height);
  out[2] = (double)picture->width * scale, out[3] = (double)picture->height * scale;
  out[0] = cell[0] + (cell[2] - out[2]) / 2, out[1] = cell[1] + (cell[3] - out[3]) / 2;
}

/* The edges of a box that lie in the picture, light below and coloured above: seen on any ground. */
static void draw_box(vw_canvas *c, const double picture[4], const vw_grid_box *b, double width) {
  double at[2][2]; /* from, to */
  for (int k = 0; k < 2; k++) {
    at[0][k] = picture[k] + vw_inside(b->box[k], 0, 1) * picture[2 + k];
    at[1][k] = picture[k] + vw_inside(b->box[k] + b->box[2 + k], 0, 1) * picture[2 + k];
  }
  const double corners[] = {at[0][0], at[0][1], at[1][0], at[0][1], at[1][0],
                            at[1][1], at[0][0], at[1][1], at[0][0], at[0][1]};
  const vw_pen light = {.colour = 0xffffff, .width = width + 1.4, .alpha = .8},
               pen = {.colour = b->is_right ? right : wrong, .width = width};
  vw_canvas_line(c, corners, 5, &light);
  vw_canvas_line(c, corners, 5, &pen);
}

static void draw_boxes(vw_canvas *c, const vw_grid_cell *cell, const double box[4]) {
  const double above[4] = {box[0], box[1], box[2], box[3] - VW_GRID_STRIP},
               strip[4] = {box[0], box[1] + above[3], box[2], VW_GRID_STRIP};
  double picture[4];
  fit(&cell->picture, above, picture);
  vw_canvas_picture(c, picture, &cell->picture);
  for (int i = cell->boxes - 1; i >= 0; i--) draw_box(c, picture, &cell->box[i], i ? .6 : 1.8);
  if (isfinite(cell->number)) draw_number(c, strip, cell->number);
}

static void draw_cell(vw_canvas *c, const vw_grid_cell *cell, const double box[4]) {
  if (cell->boxes)
    draw_boxes(c, cell, box);
  else if (cell->picture.rgb)
    vw_canvas_picture(c, box, &cell->picture);
  else if (isfinite(cell->number))
    draw_number(c, box, cell->number);
  else
    vw_canvas_rectangle(c, box, absent, 1);
}

void vw_grid_draw(vw_canvas *c, const vw_grid *g, double x, double y) {
  const vw_letters name = {.size = 12, .colour = ink, .align = VW_RIGHT, .most = names_width(g) - 12};
  vw_canvas_panel(c);
  draw_heads(c, g, x, y);
  for (int64_t r = 0; r < g->n_rows; r++) {
    const double top = y + HEAD + (double)r * (g->cell_height + GAP);
    vw_canvas_text(c, x + names_width(g) - 8, top + g->cell_height / 2 + 4, g->rows[r], &name);
    for (int64_t k = 0; k < g->n_columns; k++) {
      const double box[4] = {x + left_of(g, k), top, g->cell_width, g->cell_height};
      draw_cell(c, &g->cells[r * g->n_columns + k], box);
    }
  }
}

/* A square of the picture's middle, in the source's memory. */
static vw_status shrink(vw_figure_source *s, const vw_image *picture, vw_image *out) {
  const int64_t least = picture->height < picture->width ? picture->height : picture->width;
  const int64_t side = least < MOST_PIXELS ? least : MOST_PIXELS;
  const vw_preprocess how = vw_preprocess_clip(side);
  *out = (vw_image){.height = side, .width = side, .rgb = vw_pool_take(&s->pool, (size_t)(side * side * 3))};
  VW_CHECK(out->rgb, VW_ERR_MEMORY, "figures: out of memory");
  return vw_preprocess_pixels(&how, picture, out->rgb);
}

/* The whole of it, no longer than figures show it. */
static vw_status shrink_whole(vw_figure_source *s, const vw_image *picture, vw_image *out) {
  const int64_t longest = picture->height > picture->width ? picture->height : picture->width;
  const double scale = longest > MOST_PIXELS ? (double)MOST_PIXELS / (double)longest : 1;
  const int64_t H = llround(fmax(1, (double)picture->height * scale)),
                W = llround(fmax(1, (double)picture->width * scale));
  *out = (vw_image){.height = H, .width = W, .rgb = vw_pool_take(&s->pool, (size_t)(H * W * 3))};
  VW_CHECK(out->rgb, VW_ERR_MEMORY, "figures: out of memory");
  return vw_resize_bicubic(picture->rgb, picture->height, picture->width, out->rgb, H, W, true);
}

static vw_status read_picture(vw_figure_source *s, const char *path, bool is_whole, vw_grid_cell *cell) {
  char full[VW_PATH_BYTES];
  vw_image picture = {0};
  if (vw_path_format(full, "%s/%s", s->dir, path) != VW_OK || !vw_file_exists(full) ||
      vw_image_read(full, 0, &picture) != VW_OK) {
    vw_error_clear(); /* the figure shows results, and decides none */
    return VW_OK;
  }
  const vw_status st = (is_whole ? shrink_whole : shrink)(s, &picture, &cell->picture);
  vw_image_free(&picture);
  cell->path = vw_pool_text(&s->pool, path, -1);
  VW_CHECK(st != VW_OK || cell->path, VW_ERR_MEMORY, "figures: out of memory");
  return st;
}

vw_status vw_grid_picture(vw_figure_source *s, const char *path, vw_grid_cell *cell) {
  return read_picture(s, path, false, cell);
}

vw_status vw_grid_photo(vw_figure_source *s, const char *path, vw_grid_cell *cell) {
  return read_picture(s, path, true, cell);
}
