/* Judging words by what they draw: each word draws pictures, another network sees them as the 8-bit files they are kept
 * as, and chooses a name for them. A part is one picture of every word. */
#include "io/pictures/preprocess.h"
#include "networks/clip.h"
#include "tasks/generation/drawn.h"
#include "tasks/generation/generation_draw.h"
#include "tasks/generation/generation_names.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const vw_metric vw_generation_metrics[VW_GENERATION_METRICS] = {
    {"named", "1",
     "share of the word's pictures that the judge names as its concept, among the data set's concepts and "
     "the trial's anchor",
     true},
    {"named_10", "1", "the same among the concept, the anchor and 8 drawn names that the judge knows", true},
    {"named_all", "1", "the same among all names that the judge is given", true},
};

const vw_kept_kind vw_generation_kept = {
    .name = "features",
    .units = "1",
    .help = "mean of the unit features that the judge has of a word's pictures; NaN: none drawn, or not kept then",
    .ndim = 1,
    .scale = {"component"},
    .scale_help = {"component of the judge's features of pictures"},
    .are_features = true};

/* What a baseline drew: the same word comes again for the next concept. */
typedef struct kept_picture {
  vw_hash word;
  uint8_t *rgb;    /* [side, side, 3] */
  double *feature; /* [projection] */
  struct kept_picture *next;
} kept_picture;

enum { KEPT_BYTES = 1 << 28 }; /* of pictures that are kept in memory, at most */

struct vw_generation_judge {
  vw_generation *task;
  vw_clip_network *network;
  vw_word_drawer *drawer;
  vw_image_encoder *encoder;
  uint8_t *square, *feature; /* what the encoder takes, as 8 bits; its feature in its own type */
  double *pixels;            /* [S, S, 3] */
  vw_judge_names names;
  int64_t *known, *concepts, n_known, n_concepts; /* places of judge.names and of the data set's concepts */
  kept_picture *kept;
  int64_t kept_of, kept_bytes; /* the picture's number; -1: none */
};

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void forget(vw_generation_judge *j) {
  while (j->kept) {
    kept_picture *next = j->kept->next;
    free(j->kept->rgb), free(j->kept->feature), free(j->kept);
    j->kept = next;
  }
  j->kept_of = -1, j->kept_bytes = 0;
}

void vw_generation_judge_destroy(vw_generation_judge *j) {
  if (!j) return;
  forget(j);
  vw_word_drawer_destroy(j->drawer);
  vw_image_encoder_destroy(j->encoder);
  vw_judge_names_free(&j->names);
  free(j->square), free(j->feature), free(j->pixels), free(j->known), free(j->concepts);
  free(j);
}

/* The names, all in one go. */
static vw_status open_names(vw_generation_judge *j) {
  const vw_task_inputs *in = &j->task->task.in;
  const vw_names *asked = &in->model->judge.names, *concepts = &in->pictures->data->concepts;
  const int64_t n = asked->n ? asked->n : in->pictures->n_owners;
  const char **name = malloc((size_t)n * sizeof *name + 1);
  j->known = malloc((size_t)n * sizeof *j->known + 1);
  j->concepts = malloc((size_t)concepts->n * sizeof *j->concepts + 1);
  j->names = (vw_judge_names){.judge = j->network, .sentence = j->task->learn->judge_template};
  j->n_known = n, j->n_concepts = concepts->n;
  vw_status st = name && j->known && j->concepts ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "judging: out of memory");
  for (int64_t i = 0; st == VW_OK && i < n; i++) name[i] = asked->n ? asked->name[i] : in->pictures->owners[i].name;
  if (st == VW_OK) st = vw_judge_names_find(&j->names, name, n, j->known);
  if (st == VW_OK) st = vw_judge_names_find(&j->names, concepts->name, concepts->n, j->concepts);
  free((void *)name);
  return st;
}

static vw_status open_parts(vw_generation_judge *j) {
  vw_network *judge = j->task->task.in.judge;
  VW_CHECK(judge && judge->kind == &vw_clip_kind, VW_ERR_ARG, "judge.weights: a CLIP network is needed");
  j->network = vw_clip_of(judge);
  const size_t values = (size_t)(j->network->vision.image_size * j->network->vision.image_size * 3);
  j->square = malloc(values), j->pixels = malloc(values * sizeof *j->pixels);
  j->feature = malloc(vw_clip_feature_bytes(j->network));
  VW_CHECK(j->square && j->pixels && j->feature, VW_ERR_MEMORY, "judging: out of memory");
  VW_TRY(vw_image_encoder_create(&j->encoder, j->network));
  VW_TRY(open_names(j));
  return vw_word_drawer_create(&j->drawer, j->task);
}

static vw_status judge_of(vw_generation *t, vw_generation_judge **out) {
  *out = t->judging;
  if (t->judging) return VW_OK;
  vw_generation_judge *j = calloc(1, sizeof *j);
  VW_CHECK(j, VW_ERR_MEMORY, "judging: out of memory");
  j->task = t, j->kept_of = -1;
  const vw_status st = open_parts(j);
  if (st != VW_OK) {
    vw_generation_judge_destroy(j);
    return st;
  }
  *out = t->judging = j;
  return VW_OK;
}

int64_t vw_generation_judge_drawn(const vw_generation_judge *j) {
  return vw_word_drawer_count(j->drawer);
}

/* ---- one picture of some words ----------------------------------------------------------------------------------- */

typedef struct looking {
  vw_generation_judge *j;
  const vw_judged *w;
  int64_t picture;
  uint64_t key;               /* of the concept's draws */
  int64_t concept;            /* its place among the names */
  char folder[VW_PATH_BYTES]; /* "": pictures are not kept */
  double *numbers;            /* [n, VW_GENERATION_METRICS + projection] */
  double *seen;               /* [projection] of the picture at hand */
  uint8_t *rgb;               /* room for one picture */
} looking;

static size_t picture_bytes(const vw_generation_judge *j) {
  return (size_t)(j->task->side * j->task->side * 3);
}

static int64_t projection_of(const vw_generation_judge *j) {
  return j->network->vision.projection;
}

/* Components of the judge's features; 0: there is no network that has them. */
static int64_t components(const vw_task_inputs *in) {
  return in->judge && in->judge->kind == &vw_clip_kind ? vw_clip_of(in->judge)->vision.projection : 0;
}

static bool is_finite(const double *v, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(v[i])) return false;
  return true;
}

static int64_t word_numbers(const vw_generation_judge *j) {
  return j->task->task.in.vectors * j->task->network->net.width;
}

/* A trial that failed has no word to draw with. */
static bool is_drawn(const looking *l, int64_t row) {
  const bool is_text = l->w->texts && l->w->texts[row];
  const int64_t C = word_numbers(l->j);
  return (!l->w->labels || l->w->labels[row]) && (is_text || is_finite(l->w->words + row * C, C));
}

static vw_hash word_of(const looking *l, int64_t row) {
  const char *text = l->w->texts ? l->w->texts[row] : NULL;
  const int64_t C = word_numbers(l->j);
  return text ? vw_hash_bytes(text, strlen(text)) : vw_hash_bytes(l->w->words + row * C, (size_t)C * sizeof(double));
}

/* The judge's feature [projection] of a picture. */
static vw_status look(vw_generation_judge *j, const uint8_t *rgb, double *seen) {
  const vw_preprocess *how = &j->network->hub.preprocess;
  const vw_image image = {.height = j->task->side, .width = j->task->side, .rgb = (uint8_t *)(uintptr_t)rgb};
  VW_TRY(vw_preprocess_pixels(how, &image, j->square));
  vw_preprocess_normalise_f64(how, j->square, how->crop * how->crop, j->pixels);
  VW_TRY(vw_image_encoder_run(j->encoder, j->pixels, j->feature));
  return vw_convert(seen, VW_F64, j->feature, vw_clip_feature_type(j->network), projection_of(j));
}

vw_status vw_generation_judge_look(vw_generation *t, const uint8_t *rgb) {
  vw_generation_judge *j = NULL;
  VW_TRY(judge_of(t, &j));
  double *seen = malloc((size_t)projection_of(j) * sizeof *seen);
  VW_CHECK(seen, VW_ERR_MEMORY, "judging: out of memory");
  const vw_status st = look(j, rgb, seen);
  free(seen);
  return st;
}

static vw_status score(const looking *l, int64_t row, const double *feature) {
  vw_generation_judge *j = l->j;
  vw_judge_rivals r = {.concept = l->concept,
                       .anchor = -1,
                       .concepts = j->concepts,
                       .n_concepts = j->n_concepts,
                       .known = j->known,
                       .n_known = j->n_known};
  if (l->w->anchors && l->w->anchors[row]) VW_TRY(vw_judge_names_find(&j->names, &l->w->anchors[row], 1, &r.anchor));
  double *z = malloc((size_t)j->names.n * sizeof *z);
  VW_CHECK(z, VW_ERR_MEMORY, "judging: out of memory");
  vw_judge_draw_others(&r, l->key);
  vw_judge_names_logits(&j->names, feature, z);
  double *to = l->numbers + row * (VW_GENERATION_METRICS + projection_of(j));
  vw_judge_score(&r, z, to);
  memcpy(to + VW_GENERATION_METRICS, feature, (size_t)projection_of(j) * sizeof *feature);
  free(z);
  return VW_OK;
}

/* Keeps what a baseline drew for the concepts to come, as long as there is room. */
static vw_status keep(const looking *l, int64_t row, const uint8_t *rgb) {
  vw_generation_judge *j = l->j;
  const size_t bytes = picture_bytes(j), feature = (size_t)projection_of(j) * sizeof(double);
  if (!l->w->are_baselines || j->kept_bytes + (int64_t)(bytes + feature) > KEPT_BYTES) return VW_OK;
  kept_picture *k = calloc(1, sizeof *k);
  if (k) *k = (kept_picture){word_of(l, row), malloc(bytes), malloc(feature), j->kept};
  if (!k || !k->rgb || !k->feature) {
    if (k) free(k->rgb), free(k->feature), free(k);
    return VW_RAISE(VW_ERR_MEMORY, "judging: out of memory");
  }
  memcpy(k->rgb, rgb, bytes), memcpy(k->feature, l->seen, feature);
  j->kept = k, j->kept_bytes += (int64_t)(bytes + feature);
  return VW_OK;
}

static const kept_picture *find_kept(const looking *l, int64_t row) {
  const vw_hash word = word_of(l, row);
  for (const kept_picture *k = l->w->are_baselines ? l->j->kept : NULL; k; k = k->next)
    if (k->word.lo == word.lo && k->word.hi == word.hi) return k;
  return NULL;
}

/* A picture that is new, or was read from its file. */
static vw_status take(const looking *l, int64_t row, const uint8_t *rgb) {
  VW_TRY(look(l->j, rgb, l->seen));
  VW_TRY(keep(l, row, rgb));
  return score(l, row, l->seen);
}

/* A picture that need not be drawn: from memory, or from its file. */
static vw_status find(const looking *l, int64_t row, bool *found) {
  const kept_picture *k = find_kept(l, row);
  bool is_file = false;
  if (l->folder[0]) VW_TRY(vw_word_picture_find(l->j->drawer, l->w, row, l->picture, l->folder, l->rgb, &is_file));
  *found = k || is_file;
  if (k && !is_file && l->folder[0])
    VW_TRY(vw_word_picture_write(l->j->drawer, l->w, row, l->picture, l->folder, k->rgb));
  if (k) return score(l, row, k->feature);
  return is_file ? take(l, row, l->rgb) : VW_OK;
}

/* Words row[0 .. n), at most as many as are drawn at once; rgb: room for their pictures. */
static vw_status draw(const looking *l, const int64_t *row, int64_t n, uint8_t *rgb) {
  const size_t bytes = picture_bytes(l->j);
  uint8_t **at = malloc((size_t)n * sizeof *at);
  VW_CHECK(at, VW_ERR_MEMORY, "judging: out of memory");
  for (int64_t i = 0; i < n; i++) at[i] = rgb + (size_t)i * bytes;
  vw_status st = vw_word_drawer_run(l->j->drawer, l->w, row, n, l->picture, at);
  if (st == VW_OK) st = vw_network_unchanged(&l->j->task->network->net); /* before a file says what drew it */
  const bool is_whole = !l->w->watch || !l->w->watch->stopped;
  for (int64_t i = 0; st == VW_OK && is_whole && l->folder[0] && i < n; i++)
    st = vw_word_picture_write(l->j->drawer, l->w, row[i], l->picture, l->folder, at[i]);
  for (int64_t i = 0; st == VW_OK && i < n && !vw_judging_stops(l->w); i++) st = take(l, row[i], at[i]);
  free(at);
  return st;
}

static vw_status look_at_all(looking *l) {
  const int64_t most = vw_word_drawer_most(l->j->drawer);
  const size_t bytes = picture_bytes(l->j);
  int64_t n = 0, *todo = malloc((size_t)l->w->n * sizeof *todo + 1);
  uint8_t *rgb = malloc(bytes * (size_t)most);
  vw_status st = VW_OK;
  l->seen = malloc((size_t)projection_of(l->j) * sizeof *l->seen), l->rgb = rgb;
  if (!todo || !rgb || !l->seen) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "judging: out of memory"));
  for (int64_t row = 0; row < l->w->n && !vw_judging_stops(l->w); row++) {
    bool found = false;
    if (!is_drawn(l, row)) continue;
    VW_GOTO(find(l, row, &found));
    if (!found) todo[n++] = row;
  }
  for (int64_t at = 0; at < n && !vw_judging_stops(l->w); at += most)
    VW_GOTO(draw(l, todo + at, n - at < most ? n - at : most, rgb));
cleanup:
  free(todo), free(rgb), free(l->seen);
  return st;
}

/* ---- the door ---------------------------------------------------------------------------------------------------- */

vw_status vw_generation_judge_parts(const vw_task_inputs *in, int64_t *pictures, int64_t *numbers) {
  *pictures = in->model->judge.pictures, *numbers = VW_GENERATION_METRICS + components(in);
  return VW_OK;
}

vw_status vw_generation_judge_picture(vw_task *task, const vw_judged *w, int64_t picture, double *numbers) {
  vw_generation *t = (vw_generation *)task;
  const vw_task_inputs *in = &task->in;
  const vw_stream stream = {.data = in->pictures->data->name, .concept = w->concept, .seed = in->seed};
  looking l = {.w = w, .picture = picture, .numbers = numbers};
  const int64_t all = w->n * (VW_GENERATION_METRICS + components(in));
  for (int64_t i = 0; i < all; i++) numbers[i] = NAN;
  if (w->null_concept) return VW_OK; /* it has no name */
  VW_TRY(judge_of(t, &l.j));
  if (l.j->kept_of != picture) forget(l.j);
  l.j->kept_of = picture;
  VW_TRY(vw_stream_key(&stream, &l.key));
  VW_TRY(vw_judge_names_find(&l.j->names, &w->concept, 1, &l.concept));
  if (in->drawn && w->labels) VW_TRY(vw_drawn_folder(in, w->concept, true, l.folder));
  return look_at_all(&l);
}

static int64_t parts_of(const vw_task *task, const vw_judged *w) {
  return w->parts ? w->parts : task->in.model->judge.pictures;
}

vw_status vw_generation_judge_end(vw_task *task, const vw_judged *w, const double *numbers, double *metrics) {
  const int64_t pictures = parts_of(task, w), m = VW_GENERATION_METRICS, one = m + components(&task->in);
  for (int64_t i = 0; i < w->n; i++)
    for (int64_t k = 0; k < m; k++) {
      double sum = 0;
      for (int64_t p = 0; p < pictures; p++) sum += numbers[(p * w->n + i) * one + k]; /* NaN where one is */
      metrics[i * m + k] = sum / (double)pictures;
    }
  return VW_OK;
}

vw_status vw_generation_kept_dims(const vw_task_inputs *in, int64_t dim[VW_KEPT_DIMS]) {
  dim[0] = components(in);
  return VW_OK;
}

vw_status vw_generation_judge_kept(vw_task *task, const vw_judged *w, const double *numbers, float *kept) {
  const int64_t pictures = parts_of(task, w), d = components(&task->in), one = VW_GENERATION_METRICS + d;
  for (int64_t i = 0; i < w->n; i++)
    for (int64_t k = 0; k < d; k++) {
      double sum = 0;
      for (int64_t p = 0; p < pictures; p++) sum += numbers[(p * w->n + i) * one + VW_GENERATION_METRICS + k];
      kept[i * d + k] = (float)(sum / (double)pictures);
    }
  return VW_OK;
}
