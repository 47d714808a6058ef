#include "tasks/generation/generation_draw.h"

#include "cluster/progress.h"
#include "io/pictures/image.h"
#include "io/pictures/picture_settings.h"
#include "tasks/generation/drawn.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 512 };

struct vw_word_drawer {
  const vw_generation *task;
  vw_drawing what;                   /* of one picture */
  uint64_t key;                      /* of the noise */
  int64_t most, count;               /* pictures at once, pictures drawn */
  vw_drawer *drawer[VW_DRAWN_SIZES]; /* of 1, 2, 4 .. pictures; made when they are needed */
  vw_sd_text_encoder *texts;
  double *without;              /* [J, C] states of the negative text */
  double *x, *states, *latents; /* [most, J, C] twice, [most, h, w, channels] */
};

vw_drawing vw_word_drawing(const vw_task_inputs *in, int64_t side) {
  const vw_judge_config *judge = &in->model->judge;
  return (vw_drawing){.batch = 1,
                      .height = side,
                      .width = side,
                      .guidance = judge->guidance,
                      .sampler = (vw_sampler_kind)judge->sampler,
                      .steps = judge->steps,
                      .spacing = (vw_spacing)judge->spacing};
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

static bool is_on_device(const vw_word_drawer *d) {
  return !vw_memory_of(d->task->network->net.ctx->backend)->host;
}

/* Bytes that the programs of all sizes up to `most` work in. */
static vw_status measure(const vw_word_drawer *d, int64_t most, int64_t *bytes) {
  vw_drawing_memory one;
  *bytes = 0;
  for (int64_t n = is_on_device(d) ? most : 1; n <= most; n *= 2) {
    vw_drawing what = d->what;
    what.batch = n;
    VW_TRY(vw_drawing_measure(d->task->network, &what, &one));
    *bytes += one.programs;
  }
  *bytes += one.weights;
  return VW_OK;
}

/* As many pictures at once as half of what is free holds. */
static vw_status choose_most(vw_word_drawer *d) {
  const int64_t asked = d->task->task.in.model->plan.memory;
  const int64_t room = asked ? asked : vw_drawing_memory_free(d->task->network->net.ctx) / 2;
  int64_t bytes = 0;
  d->most = VW_DRAWN_MOST;
  VW_TRY(measure(d, d->most, &bytes));
  while (room && bytes > room && d->most > 1) VW_TRY(measure(d, d->most /= 2, &bytes));
  return VW_OK;
}

static vw_status drawer_of(vw_word_drawer *d, int size, vw_drawer **out) {
  vw_drawing what = d->what;
  what.batch = (int64_t)1 << size;
  if (!d->drawer[size]) VW_TRY(vw_drawer_create(&d->drawer[size], d->task->network, &what));
  *out = d->drawer[size];
  return VW_OK;
}

static vw_status open_parts(vw_word_drawer *d) {
  const vw_task_inputs *in = &d->task->task.in;
  vw_sd_network *n = d->task->network;
  const char *negative = in->model->judge.negative ? in->model->judge.negative : "";
  const vw_stream stream = {.data = in->pictures->data->name, .concept = "", .seed = in->seed};
  const int64_t factor = vw_vae_factor(&n->vae);
  VW_TRY(vw_drawing_check(n, &d->what));
  VW_TRY(vw_stream_key(&stream, &d->key));
  VW_TRY(choose_most(d));
  VW_TRY(vw_sd_text_encoder_create(&d->texts, n));
  const size_t text = (size_t)(vw_sd_positions(n) * n->net.width), most = (size_t)d->most;
  d->without = malloc(text * sizeof *d->without);
  d->x = malloc(most * text * sizeof *d->x), d->states = malloc(most * text * sizeof *d->states);
  const int64_t latents = (d->what.height / factor) * (d->what.width / factor) * n->unet.in_channels;
  d->latents = malloc(most * (size_t)latents * sizeof *d->latents);
  VW_CHECK(d->without && d->x && d->states && d->latents, VW_ERR_MEMORY, "judging: out of memory");
  const vw_status st = vw_sd_embed_text(n, negative, NULL, 1, d->x);
  VW_CHECK(st == VW_OK, st, "judge.negative: %s", vw_error_message());
  return vw_sd_text_encoder_run(d->texts, d->x, 1, d->without);
}

vw_status vw_word_drawer_create(vw_word_drawer **out, const vw_generation *t) {
  vw_word_drawer *d = calloc(1, sizeof *d);
  *out = NULL;
  VW_CHECK(d, VW_ERR_MEMORY, "judging: out of memory");
  d->task = t, d->what = vw_word_drawing(&t->task.in, t->side);
  const vw_status st = open_parts(d);
  if (st != VW_OK) {
    vw_word_drawer_destroy(d);
    return vw_fail(st, __FILE__, __LINE__, "drawing with %s", t->network->net.dir);
  }
  *out = d;
  return VW_OK;
}

void vw_word_drawer_destroy(vw_word_drawer *d) {
  if (!d) return;
  for (int i = 0; i < VW_DRAWN_SIZES; i++) vw_drawer_destroy(d->drawer[i]);
  vw_sd_text_encoder_destroy(d->texts);
  free(d->without), free(d->x), free(d->states), free(d->latents);
  free(d);
}

int64_t vw_word_drawer_count(const vw_word_drawer *d) {
  return d->count;
}

int64_t vw_word_drawer_most(const vw_word_drawer *d) {
  return d->most;
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

static const double *vector_of(const vw_word_drawer *d, const vw_judged *w, int64_t row) {
  return w->words + row * d->task->task.in.vectors * d->task->network->net.width;
}

/* The text of a word: the judging template, filled where the word is judged as a text. */
static vw_status text_of(const vw_word_drawer *d, const vw_judged *w, int64_t row, char text[TEXT_BYTES]) {
  const char *sentence = d->task->learn->judge_template;
  if (w->texts && w->texts[row]) return vw_class_text(sentence, w->texts[row], text, TEXT_BYTES);
  VW_CHECK(strlen(sentence) < TEXT_BYTES, VW_ERR_INPUT, "learn.judge_template is too long");
  memcpy(text, sentence, strlen(sentence) + 1);
  return VW_OK;
}

static vw_status embed(const vw_word_drawer *d, const vw_judged *w, int64_t row, double *x) {
  char text[TEXT_BYTES];
  VW_TRY(text_of(d, w, row, text));
  const bool is_text = w->texts && w->texts[row];
  return vw_sd_embed_text(d->task->network, text, is_text ? NULL : vector_of(d, w, row), d->task->task.in.vectors, x);
}

static bool goes_on(void *user, int64_t done, int64_t steps) {
  const vw_judged *w = user;
  (void)done, (void)steps;
  return !vw_judging_stops(w);
}

/* The states of some rows' texts and the noise that their pictures begin with, for a program of B rows: those that it
 * has more are the last one again. */
static vw_status start(vw_word_drawer *d, const vw_drawer *drawer, const vw_judged *w, const int64_t *row, int64_t n,
                       int64_t B, int64_t picture) {
  const int64_t text = vw_sd_positions(d->task->network) * d->task->network->net.width;
  const int64_t one = vw_drawer_latents(drawer);
  for (int64_t b = 0; b < n; b++) VW_TRY(embed(d, w, row[b], d->x + b * text));
  VW_TRY(vw_sd_text_encoder_run(d->texts, d->x, n, d->states));
  for (int64_t b = n; b < B; b++)
    memcpy(d->states + b * text, d->states + (n - 1) * text, (size_t)text * sizeof *d->states);
  for (int64_t b = 0; b < B; b++) vw_drawer_start(drawer, d->key, (uint64_t)picture, d->latents + b * one);
  return VW_OK;
}

/* Rows that one program draws. */
static vw_status draw(vw_word_drawer *d, const vw_judged *w, const int64_t *row, int64_t n, int size, int64_t picture,
                      uint8_t *const *rgb) {
  const vw_drawing_watch watch = {.step = goes_on, .user = (void *)(uintptr_t)w};
  vw_drawer *drawer = NULL;
  bool stopped = false;
  VW_TRY(drawer_of(d, size, &drawer));
  const int64_t one = vw_drawer_latents(drawer);
  VW_TRY(start(d, drawer, w, row, n, (int64_t)1 << size, picture));
  VW_TRY(vw_drawer_run(drawer, d->states, d->without, d->latents, &watch, &stopped));
  for (int64_t b = 0; b < n && !vw_judging_stops(w); b++)
    VW_TRY(vw_drawer_decode(drawer, d->latents + b * one, rgb[b]));
  if (!stopped) d->count += n;
  return VW_OK;
}

vw_status vw_word_drawer_run(vw_word_drawer *d, const vw_judged *w, const int64_t *row, int64_t n, int64_t picture,
                             uint8_t *const *rgb) {
  VW_CHECK(n <= d->most, VW_ERR_ARG, "judging: %" PRId64 " words at once, at most %" PRId64, n, d->most);
  for (int64_t at = 0, taken; at < n && !vw_judging_stops(w); at += taken) {
    int size = 0;
    while ((int64_t)1 << size < vw_drawn_together(d->most, n - at, is_on_device(d))) size++;
    taken = n - at < ((int64_t)1 << size) ? n - at : (int64_t)1 << size;
    VW_TRY(draw(d, w, row + at, taken, size, picture, rgb + at));
  }
  return VW_OK;
}

/* ---- how long it takes ------------------------------------------------------------------------------------------- */

typedef struct timed_steps {
  double start, last, seconds;
  int64_t n; /* behind the first */
  bool begun;
} timed_steps;

static bool times(void *user, int64_t done, int64_t steps) {
  timed_steps *t = user;
  (void)done, (void)steps;
  t->last = vw_seconds();
  if (t->begun) t->n++;
  if (!t->begun) t->start = t->last;
  t->begun = true;
  return t->n < 3 || t->last - t->start < t->seconds;
}

vw_status vw_word_drawer_steps(vw_word_drawer *d, const vw_judged *w, int size, double seconds, double *one) {
  timed_steps t = {.seconds = seconds};
  const vw_drawing_watch watch = {.step = times, .user = &t};
  vw_drawer *drawer = NULL;
  const int64_t first = 0;
  VW_CHECK((int64_t)1 << size <= d->most, VW_ERR_ARG, "judging: %" PRId64 " words at once, at most %" PRId64,
           (int64_t)1 << size, d->most);
  VW_TRY(drawer_of(d, size, &drawer));
  for (bool stopped = false; !stopped;) {
    VW_TRY(start(d, drawer, w, &first, 1, (int64_t)1 << size, 0));
    VW_TRY(vw_drawer_run(drawer, d->states, d->without, d->latents, &watch, &stopped));
  }
  *one = (t.last - t.start) / (double)t.n;
  return VW_OK;
}

vw_status vw_word_drawer_ends(vw_word_drawer *d, const vw_judged *w, uint8_t *rgb) {
  vw_drawer *drawer = NULL;
  const int64_t first = 0;
  VW_TRY(drawer_of(d, 0, &drawer));
  VW_TRY(start(d, drawer, w, &first, 1, 1, 0));
  return vw_drawer_decode(drawer, d->latents, rgb);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* What decides a picture, malloc'ed. */
static vw_status settings_of(const vw_word_drawer *d, const vw_judged *w, int64_t row, int64_t picture, char **out) {
  const vw_task_inputs *in = &d->task->task.in;
  const vw_spacing spacing =
      d->what.spacing != VW_SPACING_DEFAULT ? d->what.spacing : d->task->network->schedule.spacing;
  const bool is_text = w->texts && w->texts[row];
  const size_t bytes = (size_t)(in->vectors * d->task->network->net.width) * sizeof(double);
  char text[TEXT_BYTES], vector[VW_HASH_TEXT], weights[VW_HASH_TEXT];
  VW_TRY(text_of(d, w, row, text));
  vw_hash_text(vw_hash_bytes(vector_of(d, w, row), bytes), vector);
  vw_hash_text(in->weights, weights);
  const vw_picture_settings s = {.text = text,
                                 .negative = in->model->judge.negative ? in->model->judge.negative : "",
                                 .vector = is_text ? NULL : vector,
                                 .weights = weights,
                                 .sampler = vw_sampler_name(d->what.sampler),
                                 .spacing = vw_spacing_name(spacing),
                                 .guidance = d->what.guidance,
                                 .steps = d->what.steps,
                                 .width = d->what.width,
                                 .height = d->what.height,
                                 .is_cut = in->network->is_cut,
                                 .layers = in->network->text.tower.t.layers,
                                 .seed = in->seed,
                                 .data = in->pictures->data->name,
                                 .picture = picture};
  *out = vw_picture_settings_text(&s);
  VW_CHECK(*out, VW_ERR_MEMORY, "judging: out of memory");
  return VW_OK;
}

static void made_by(const vw_word_drawer *d, char out[256]) {
  const vw_context *ctx = d->task->network->net.ctx;
  char kernels[128];
  vw_kernel_set(ctx, kernels);
  (void)snprintf(out, 256, "viswords %s, %s, %s", VISWORDS_VERSION, vw_precision_name(ctx), kernels);
}

/* The file says that it was drawn just so. What cannot be read was not. */
static bool says(const char *path, const char *key, const char *expected) {
  char *found = NULL;
  if (vw_png_read_text(path, key, &found) != VW_OK) vw_error_clear();
  const bool same = found && !strcmp(found, expected);
  free(found);
  return same;
}

vw_status vw_word_picture_find(const vw_word_drawer *d, const vw_judged *w, int64_t row, int64_t picture,
                               const char *folder, uint8_t *rgb, bool *found) {
  char path[VW_PATH_BYTES], by[256], *settings = NULL;
  vw_image image = {0};
  *found = false;
  VW_TRY(vw_drawn_picture(folder, w->labels[row], picture, path));
  if (!vw_file_exists(path)) return VW_OK;
  VW_TRY(settings_of(d, w, row, picture, &settings));
  made_by(d, by);
  const bool is_ours = says(path, VW_PICTURE_SETTINGS, settings) && says(path, VW_PICTURE_MADE_BY, by);
  free(settings);
  if (!is_ours) return VW_OK;
  if (vw_image_read(path, 0, &image) != VW_OK) {
    vw_error_clear();
    return VW_OK;
  }
  *found = image.height == d->what.height && image.width == d->what.width;
  if (*found) memcpy(rgb, image.rgb, (size_t)(image.height * image.width * 3));
  vw_image_free(&image);
  return VW_OK;
}

vw_status vw_word_picture_write(const vw_word_drawer *d, const vw_judged *w, int64_t row, int64_t picture,
                                const char *folder, const uint8_t *rgb) {
  const vw_task_inputs *in = &d->task->task.in;
  const vw_picture_trial trial = {.model = in->model->name,
                                  .data = in->pictures->data->name,
                                  .concept = w->concept,
                                  .anchor = w->anchors ? w->anchors[row] : NULL,
                                  .label = w->labels[row],
                                  .picture = picture};
  char path[VW_PATH_BYTES], by[256], *settings = NULL, *whose = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_drawn_picture(folder, w->labels[row], picture, path));
  VW_GOTO(settings_of(d, w, row, picture, &settings));
  whose = vw_picture_trial_text(&trial);
  if (!whose) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "judging: out of memory"));
  made_by(d, by);
  const vw_png_text texts[] = {{VW_PICTURE_SETTINGS, settings}, {VW_PICTURE_MADE_BY, by}, {VW_PICTURE_TRIAL, whose}};
  VW_GOTO(vw_png_write_with(path, d->what.height, d->what.width, rgb, texts, sizeof texts / sizeof *texts));
cleanup:
  free(settings), free(whose);
  return st;
}
