/* The drawing of `viswords generate`: pictures one file each, each complete or not there, and the sheet of all. */
#include "jobs/generate.h"

#include "cluster/progress.h"
#include "core/durable.h"
#include "core/text.h"
#include "io/json.h"
#include "io/pictures/image.h"
#include "jobs/stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- settings ---------------------------------------------------------------------------------------------------- */

static bool is_word(const vw_generate *g, int64_t row) {
  return row >= g->in.texts.n;
}

static const double *vector_of(const vw_generate *g, int64_t row) {
  return g->in.words.word[row - g->in.texts.n].x;
}

static int64_t vectors_of(const vw_generate *g, int64_t row) {
  return is_word(g, row) ? g->in.words.word[row - g->in.texts.n].from.vectors : 1;
}

static const char *text_of(const vw_generate *g, int64_t row) {
  return is_word(g, row) ? g->in.word_template : g->in.texts.text[row];
}

/* What a person calls the row. */
static const char *name_of(const vw_generate *g, int64_t row) {
  return is_word(g, row) ? g->in.words.word[row - g->in.texts.n].from.name : g->in.texts.text[row];
}

char *vw_generate_settings(const vw_generate *g, int64_t row, int64_t i) {
  const vw_drawing *d = &g->what;
  const vw_spacing spacing = d->spacing != VW_SPACING_DEFAULT ? d->spacing : g->n->schedule.spacing;
  char weights[VW_HASH_TEXT], vector[VW_HASH_TEXT];
  vw_picture_settings s = {.text = text_of(g, row),
                           .negative = g->negative,
                           .weights = weights,
                           .sampler = vw_sampler_name(d->sampler),
                           .spacing = vw_spacing_name(spacing),
                           .guidance = d->guidance,
                           .steps = d->steps,
                           .width = d->width,
                           .height = d->height,
                           .seed = g->seed + i};
  vw_hash_text(g->weights, weights);
  if (is_word(g, row)) {
    vw_hash_text(vw_hash_bytes(vector_of(g, row), (size_t)(vectors_of(g, row) * g->n->net.width) * sizeof(double)),
                 vector);
    s.word = name_of(g, row), s.vector = vector;
  }
  return vw_picture_settings_text(&s);
}

vw_status vw_generate_path(const vw_generate *g, int64_t row, int64_t i, char path[VW_PATH_BYTES]) {
  enum { SLUG = 48, DIGITS = 12 };
  char slug[SLUG + 1], hash[VW_HASH_TEXT], *settings = vw_generate_settings(g, row, i);
  VW_CHECK(settings, VW_ERR_MEMORY, "generate: out of memory");
  vw_hash_text(vw_hash_bytes(settings, strlen(settings)), hash);
  free(settings);
  vw_text_slug(slug, SLUG, name_of(g, row));
  return vw_path_format(path, "%s/%s%s%.*s.png", g->out, slug, *slug ? "-" : "", DIGITS, hash);
}

vw_status vw_generate_is_there(const vw_generate *g, int64_t row, int64_t i, bool *there) {
  char path[VW_PATH_BYTES], *found = NULL;
  *there = false;
  VW_TRY(vw_generate_path(g, row, i, path));
  if (!vw_file_exists(path)) return VW_OK;
  VW_TRY(vw_png_read_text(path, VW_PICTURE_SETTINGS, &found));
  char *settings = vw_generate_settings(g, row, i);
  *there = settings && found && !strcmp(found, settings);
  free(found), free(settings);
  VW_CHECK(*there, VW_ERR_INPUT, "%s: is there, but was not drawn with these settings; move it away", path);
  return VW_OK;
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

typedef struct drawing {
  vw_generate *g;
  vw_drawer *drawer;
  vw_progress progress;
  int64_t done;                 /* steps of pictures */
  double *x, *states, *without; /* [batch, J, C] twice, [J, C] */
  double *latents;              /* [batch, h, w, channels] */
  uint8_t *rgb;                 /* [height, width, 3] */
} drawing;

static vw_status embed(const vw_generate *g, int64_t row, double *x) {
  return vw_sd_embed_text(g->n, text_of(g, row), is_word(g, row) ? vector_of(g, row) : NULL, vectors_of(g, row), x);
}

vw_status vw_generate_check_texts(const vw_generate *g) {
  double *x = malloc((size_t)(vw_sd_positions(g->n) * g->n->net.width) * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "generate: out of memory");
  vw_status st = vw_sd_embed_text(g->n, g->negative, NULL, 1, x);
  for (int64_t row = 0; st == VW_OK && row < vw_generate_rows(g); row++) st = embed(g, row, x);
  free(x);
  return st;
}

static vw_status texts_of(drawing *d, const int64_t *todo, int64_t n) {
  const vw_generate *g = d->g;
  const int64_t one = vw_sd_positions(g->n) * g->n->net.width;
  for (int64_t b = 0; b < n; b++) VW_TRY(embed(g, todo[b] / g->number, d->x + b * one));
  return vw_sd_text_states(d->g->n, d->x, n, d->states);
}

static bool on_step(void *user, int64_t done, int64_t steps) {
  drawing *d = user;
  (void)steps;
  vw_progress_update(&d->progress, d->done + done * d->g->what.batch);
  return !vw_stop_requested();
}

static vw_status keep(const drawing *d, int64_t picture, const double *latents) {
  const vw_generate *g = d->g;
  const int64_t row = picture / g->number, i = picture % g->number;
  char path[VW_PATH_BYTES], kernels[128], made_by[256], *settings = vw_generate_settings(g, row, i);
  VW_CHECK(settings, VW_ERR_MEMORY, "generate: out of memory");
  vw_kernel_set(&g->ctx, kernels);
  (void)snprintf(made_by, sizeof made_by, "viswords %s, %s, %s", VISWORDS_VERSION, vw_precision_name(&g->ctx), kernels);
  const vw_png_text texts[] = {{VW_PICTURE_SETTINGS, settings}, {VW_PICTURE_MADE_BY, made_by}};
  vw_status st = vw_drawer_decode(d->drawer, latents, d->rgb);
  if (st == VW_OK) st = vw_generate_path(g, row, i, path);
  if (st == VW_OK) st = vw_png_write_with(path, g->what.height, g->what.width, d->rgb, texts, 2);
  free(settings);
  return st;
}

/* Pictures todo[0..n), n <= batch; an incomplete batch is filled up with its last picture. */
static vw_status draw_batch(drawing *d, const int64_t *todo, int64_t n, bool *stopped) {
  vw_generate *g = d->g;
  const int64_t B = g->what.batch, one = vw_drawer_latents(d->drawer);
  const int64_t text = vw_sd_positions(g->n) * g->n->net.width;
  VW_TRY(texts_of(d, todo, n));
  for (int64_t b = n; b < B; b++)
    memcpy(d->states + b * text, d->states + (n - 1) * text, (size_t)text * sizeof(double));
  for (int64_t b = 0; b < B; b++)
    vw_drawer_start(d->drawer, (uint64_t)(g->seed + todo[b < n ? b : n - 1] % g->number), 0, d->latents + b * one);
  const vw_drawing_watch watch = {on_step, d};
  VW_TRY(vw_drawer_run(d->drawer, d->states, d->without, d->latents, &watch, stopped));
  for (int64_t b = 0; b < n && !*stopped; b++) VW_TRY(keep(d, todo[b], d->latents + b * one));
  d->done += B * g->what.steps;
  return VW_OK;
}

static vw_status prepare(drawing *d) {
  vw_generate *g = d->g;
  const int64_t B = g->what.batch, text = vw_sd_positions(g->n) * g->n->net.width;
  VW_TRY(vw_drawer_create(&d->drawer, g->n, &g->what));
  d->x = malloc((size_t)(B * text) * sizeof *d->x), d->states = malloc((size_t)(B * text) * sizeof *d->states);
  d->without = malloc((size_t)text * sizeof *d->without);
  d->latents = malloc((size_t)(B * vw_drawer_latents(d->drawer)) * sizeof *d->latents);
  d->rgb = malloc((size_t)(g->what.height * g->what.width * 3));
  VW_CHECK(d->x && d->states && d->without && d->latents && d->rgb, VW_ERR_MEMORY, "generate: out of memory");
  VW_TRY(vw_sd_embed_text(g->n, g->negative, NULL, 1, d->x));
  return vw_sd_text_states(g->n, d->x, 1, d->without);
}

vw_status vw_generate_draw(vw_generate *g, const int64_t *todo, int64_t n, bool *stopped) {
  const int64_t B = g->what.batch, batches = (n + B - 1) / B;
  drawing d = {.g = g};
  vw_status st = VW_OK;
  *stopped = false;
  vw_progress_start(&d.progress, g->quiet ? NULL : stderr, "generate", "steps", 0, batches * B * g->what.steps);
  VW_GOTO(prepare(&d));
  for (int64_t at = 0; at < n && !*stopped; at += B) {
    if (vw_stop_requested()) *stopped = true;
    if (!*stopped) VW_GOTO(draw_batch(&d, todo + at, n - at < B ? n - at : B, stopped));
  }
  vw_progress_finish(&d.progress, d.done);
cleanup:
  vw_drawer_destroy(d.drawer);
  free(d.x), free(d.states), free(d.without), free(d.latents), free(d.rgb);
  return st;
}

/* ---- the sheet --------------------------------------------------------------------------------------------------- */

enum { GAP = 2, GROUND = 255, ABSENT = 200, MOST_PIXELS = 1 << 25 };

typedef struct sheet {
  int64_t height, width, cell_height, cell_width, shrink;
  uint8_t *rgb;
} sheet;

/* The least fraction of the pictures' sides with which all fit. */
static vw_status lay_out(const vw_generate *g, sheet *s) {
  const int64_t rows = vw_generate_rows(g);
  for (s->shrink = 1;; s->shrink++) {
    s->cell_height = g->what.height / s->shrink, s->cell_width = g->what.width / s->shrink;
    s->height = rows * (s->cell_height + GAP) + GAP, s->width = g->number * (s->cell_width + GAP) + GAP;
    if (s->cell_height == 0 || s->cell_width == 0) return VW_RAISE(VW_ERR_UNSUPPORTED, "too many pictures for a sheet");
    if (s->height <= MOST_PIXELS / s->width) break;
  }
  s->rgb = malloc((size_t)(s->height * s->width * 3));
  VW_CHECK(s->rgb, VW_ERR_MEMORY, "generate: out of memory for the sheet");
  memset(s->rgb, GROUND, (size_t)(s->height * s->width * 3));
  return VW_OK;
}

/* The mean of shrink x shrink pixels; grey where there is no picture. */
static uint8_t shrunk(const sheet *s, const vw_image *picture, int64_t y, int64_t x, int c) {
  int64_t sum = 0;
  if (!picture->rgb) return ABSENT;
  for (int64_t i = 0; i < s->shrink; i++)
    for (int64_t j = 0; j < s->shrink; j++)
      sum += picture->rgb[((y * s->shrink + i) * picture->width + x * s->shrink + j) * 3 + c];
  return (uint8_t)((sum + s->shrink * s->shrink / 2) / (s->shrink * s->shrink));
}

static void paste(const sheet *s, const vw_image *picture, int64_t row, int64_t column) {
  const int64_t top = GAP + row * (s->cell_height + GAP), left = GAP + column * (s->cell_width + GAP);
  for (int64_t y = 0; y < s->cell_height; y++)
    for (int64_t x = 0; x < s->cell_width; x++)
      for (int c = 0; c < 3; c++) s->rgb[((top + y) * s->width + left + x) * 3 + c] = shrunk(s, picture, y, x, c);
}

static vw_status paste_one(const vw_generate *g, const sheet *s, int64_t row, int64_t i) {
  char path[VW_PATH_BYTES];
  vw_image picture = {0};
  VW_TRY(vw_generate_path(g, row, i, path));
  if (vw_file_exists(path)) {
    VW_TRY(vw_image_read(path, 0, &picture));
    if (picture.height != g->what.height || picture.width != g->what.width) {
      vw_image_free(&picture);
      return VW_RAISE(VW_ERR_INPUT, "%s: has another size than its settings say; move it away", path);
    }
  }
  paste(s, &picture, row, i);
  vw_image_free(&picture);
  return VW_OK;
}

/* The rows' names, from above. */
static char *rows_of(const vw_generate *g) {
  json_t *rows = json_array();
  for (int64_t row = 0; row < vw_generate_rows(g); row++)
    (void)json_array_append_new(rows, vw_json_name(name_of(g, row)));
  char *text = json_dumps(rows, JSON_COMPACT | JSON_ENSURE_ASCII);
  json_decref(rows);
  return text;
}

vw_status vw_generate_sheet(const vw_generate *g) {
  char path[VW_PATH_BYTES], *rows = NULL;
  sheet s = {0};
  vw_status st = VW_OK;
  VW_GOTO(vw_path_format(path, "%s/sheet.png", g->out));
  VW_GOTO(lay_out(g, &s));
  for (int64_t row = 0; row < vw_generate_rows(g); row++)
    for (int64_t i = 0; i < g->number; i++) VW_GOTO(paste_one(g, &s, row, i));
  rows = rows_of(g);
  if (!rows) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "generate: out of memory"));
  VW_GOTO(vw_png_write_with(path, s.height, s.width, s.rgb, &(vw_png_text){"viswords.rows", rows}, 1));
cleanup:
  free(s.rgb), free(rows);
  return st;
}
