/* The contact sheet of a concept: what each anchor drew, and its words with it. */
#include "io/pictures/draw.h"
#include "io/pictures/preprocess.h"
#include "tasks/generation/drawn.h"
#include "tasks/generation/generation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  LEAST_CELL = 32,
  MOST_CELL = 128,
  MOST_SIDE = 1600, /* of a sheet, where the cells still can be seen */
  GAP = 4,
  HEAD = 40, /* room for a label above a row */
  GROUND = 255,
  ABSENT = 200
};

typedef struct sheet {
  const vw_task_inputs *in;
  const char *concept;
  char folder[VW_PATH_BYTES];
  int64_t rows, columns, cell; /* columns: a training picture, the untouched anchor, the deltas */
  vw_image image;
  int64_t there; /* pictures that words drew */
} sheet;

static void cell_at(const sheet *s, int64_t row, int64_t column, int64_t *top, int64_t *left) {
  *top = HEAD + row * (s->cell + HEAD), *left = GAP + column * (s->cell + GAP);
}

/* A picture in its cell, its centre where it is no square; NULL: none, grey. */
static vw_status paste(const sheet *s, int64_t row, int64_t column, const vw_image *picture) {
  const vw_preprocess how = vw_preprocess_clip(s->cell);
  const size_t line = (size_t)s->cell * 3;
  uint8_t *square = malloc(line * (size_t)s->cell);
  int64_t top = 0, left = 0;
  VW_CHECK(square, VW_ERR_MEMORY, "contact sheet: out of memory");
  memset(square, ABSENT, line * (size_t)s->cell);
  const vw_status st = picture ? vw_preprocess_pixels(&how, picture, square) : VW_OK;
  cell_at(s, row, column, &top, &left);
  for (int64_t y = 0; y < s->cell; y++)
    memcpy(s->image.rgb + ((top + y) * s->image.width + left) * 3, square + (size_t)y * line, line);
  free(square);
  return st;
}

/* What cannot be read is grey: the sheet shows results, and decides none. */
static vw_status paste_training(const sheet *s, int64_t row) {
  const vw_picture_set *p = s->in->pictures;
  const int64_t owner = vw_picture_set_find(p, s->concept), n = owner < 0 ? 0 : p->owners[owner].n_train;
  vw_image picture = {0};
  if (!n || vw_picture_read(p, &p->train[p->owners[owner].train_first + row % n], &picture) != VW_OK) vw_error_clear();
  const vw_status st = paste(s, row, 0, picture.rgb ? &picture : NULL);
  vw_image_free(&picture);
  return st;
}

static vw_status paste_drawn(sheet *s, int64_t row, int64_t column, const char *label) {
  char path[VW_PATH_BYTES];
  vw_image picture = {0};
  VW_TRY(vw_drawn_picture(s->folder, label, 0, path));
  if (vw_file_exists(path) && vw_image_read(path, 0, &picture) != VW_OK) vw_error_clear();
  s->there += picture.rgb != NULL;
  const vw_status st = paste(s, row, column, picture.rgb ? &picture : NULL);
  vw_image_free(&picture);
  return st;
}

static vw_status paste_row(sheet *s, int64_t row) {
  const vw_trials_config *trials = &s->in->model->trials;
  char label[VW_DRAWN_LABEL];
  VW_TRY(paste_training(s, row));
  vw_drawn_baseline("anchor", trials->anchors.name[row], "0", label);
  VW_TRY(paste_drawn(s, row, 1, label));
  for (int64_t i = 0; i < trials->deltas.n; i++) {
    const vw_trial t = {.anchor = trials->anchors.name[row], .delta = trials->deltas.v[i]};
    vw_drawn_trial(&t, label);
    VW_TRY(paste_drawn(s, row, 2 + i, label));
  }
  return VW_OK;
}

/* Above each cell its delta; above the first of a row the anchor. */
static void label_row(const sheet *s, vw_drawing *d, int64_t row) {
  const vw_trials_config *trials = &s->in->model->trials;
  for (int64_t column = s->columns - 1; column >= 0; column--) { /* a long anchor lies on its neighbour */
    char delta[VW_DELTA_TEXT] = "0";
    int64_t top = 0, left = 0;
    cell_at(s, row, column, &top, &left);
    const double box[4] = {(double)left, (double)top, (double)s->cell, (double)s->cell};
    if (column > 1) vw_delta_text(trials->deltas.v[column - 2], delta);
    vw_drawing_label(d, box, column ? delta : trials->anchors.name[row], column ? 9 : row);
  }
}

static vw_status write(const sheet *s) {
  char path[VW_PATH_BYTES];
  vw_drawing *d = NULL;
  VW_TRY(vw_drawn_sheet(s->folder, path));
  VW_TRY(vw_drawing_create(&d, &s->image, 1));
  for (int64_t row = 0; row < s->rows; row++) label_row(s, d, row);
  const vw_status st = vw_drawing_write(d, path);
  vw_drawing_destroy(d);
  return st;
}

/* The largest cells with which the sheet is not too large. */
static void lay_out(sheet *s) {
  s->cell = MOST_CELL;
  while (s->cell > LEAST_CELL && (s->rows * (s->cell + HEAD) > MOST_SIDE || s->columns * (s->cell + GAP) > MOST_SIDE))
    s->cell /= 2;
  s->image.height = s->rows * (s->cell + HEAD) + GAP, s->image.width = s->columns * (s->cell + GAP) + GAP;
}

vw_status vw_generation_sheet(const vw_task_inputs *in, const char *concept) {
  const vw_trials_config *trials = &in->model->trials;
  sheet s = {.in = in, .concept = concept, .rows = trials->anchors.n, .columns = 2 + trials->deltas.n};
  if (!in->drawn || !in->pictures || in->pictures->is_counted) return VW_OK;
  VW_TRY(vw_drawn_folder(in, concept, false, s.folder));
  lay_out(&s);
  const size_t bytes = (size_t)(s.image.height * s.image.width * 3);
  s.image.rgb = malloc(bytes);
  VW_CHECK(s.image.rgb, VW_ERR_MEMORY, "contact sheet: out of memory");
  memset(s.image.rgb, GROUND, bytes);
  vw_status st = VW_OK;
  for (int64_t row = 0; st == VW_OK && row < s.rows; row++) st = paste_row(&s, row);
  if (st == VW_OK && s.there) st = write(&s);
  free(s.image.rgb);
  return st;
}
