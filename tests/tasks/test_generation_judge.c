/* Judging words by what they draw, on the embedded networks: names and scores against a plain computation, pictures
 * against the drawer itself, what is drawn once, and the files that are kept. */
#include "core/pulse.h"
#include "tests/support/test.h"

#include "core/random.h"
#include "io/pictures/image.h"
#include "io/pictures/picture_settings.h"
#include "io/pictures/preprocess.h"
#include "tasks/generation/drawn.h"
#include "tasks/generation/generation_draw.h"
#include "tasks/generation/generation_names.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  SIDE = 32,
  PIXELS = SIDE * SIDE * 3,
  WIDTH = 192,
  STEPS = 2,
  CONCEPTS = 2,
  KNOWN = 12,
  SEED = 7,
  FEATURE = 128,
  NUMBERS = VW_GENERATION_METRICS + FEATURE
};

static const char SENTENCE[] = "a photo of a {}";
static const char *const concepts[CONCEPTS] = {"fox", "pineapple"};
static const char *const known[KNOWN] = {"dog",   "hammer", "bread", "bus",    "bicycle", "apple",
                                         "piano", "car",    "train", "rocket", "tree",    "pineapple"};

typedef struct fixture {
  vw_context ctx;
  vw_sd_network *sd;
  vw_clip_network *clip;
  vw_data_config data;
  vw_model_config model;
  vw_picture_set *set;
  vw_generation task;
  char folder[64];
} fixture;

static void open_pictures(fixture *f) {
  static char root[1024];
  (void)snprintf(root, sizeof root, "%s", vw_test_path("../data/portraits"));
  f->data = (vw_data_config){.name = "portraits", .kind = VW_DATA_FOLDERS, .root = root, .train = 3, .test = 1};
  f->data.concepts = (vw_names){CONCEPTS, (const char **)(uintptr_t)concepts};
  assert_ok(vw_picture_set_open(&f->set, &f->data, SEED, VW_SEES_CROPS, NULL));
}

static int open_all(void **state) {
  fixture *f = calloc(1, sizeof *f);
  assert_non_null(f);
  *state = f;
  assert_ok(vw_context_open(&f->ctx, VW_CPU, 2, 0));
  assert_ok(vw_sd_network_open(&f->sd, vw_test_path("../data/sd-tiny"), &f->ctx));
  assert_ok(vw_clip_network_open(&f->clip, vw_test_path("../data/judge-tiny"), &f->ctx));
  open_pictures(f);
  (void)snprintf(f->folder, sizeof f->folder, "/tmp/viswords-drawn-XXXXXX");
  assert_non_null(mkdtemp(f->folder));
  return 0;
}

static int close_all(void **state) {
  fixture *f = *state;
  char command[128];
  (void)snprintf(command, sizeof command, "rm -r '%s'", f->folder);
  assert_int_equal(system(command), 0);
  vw_picture_set_close(f->set);
  vw_clip_network_close(f->clip);
  vw_sd_network_close(f->sd);
  vw_context_close(&f->ctx);
  free(f);
  return 0;
}

/* A task that judges; its pictures go below `name`, NULL: nowhere. */
static void begin(fixture *f, const char *name) {
  static char folder[VW_PATH_BYTES];
  static const char *anchors[] = {"dog", "hammer"};
  static double deltas[] = {.5};
  f->model = (vw_model_config){.name = "sd"};
  f->model.learn.judge_template = SENTENCE;
  f->model.trials = (vw_trials_config){.anchors = {2, anchors}, .deltas = {1, deltas}};
  f->model.judge = (vw_judge_config){.names = {KNOWN, (const char **)(uintptr_t)known},
                                     .pictures = 2,
                                     .sampler = VW_SAMPLER_DPM_2M,
                                     .steps = STEPS,
                                     .guidance = 3};
  f->task = (vw_generation){.network = f->sd, .learn = &f->model.learn, .pictures = f->set, .side = SIDE};
  f->task.task.in = (vw_task_inputs){.network = &f->sd->net,
                                     .judge = &f->clip->net,
                                     .model = &f->model,
                                     .pictures = f->set,
                                     .concepts = CONCEPTS,
                                     .vectors = 1,
                                     .seed = SEED};
  if (!name) return;
  assert_ok(vw_subfolder_make(f->folder, name, folder));
  f->task.task.in.drawn = folder;
}

static void end(fixture *f) {
  vw_generation_judge_destroy(f->task.judging);
  f->task.judging = NULL;
}

static void vector_of(const fixture *f, const char *word, double *out) {
  int32_t id;
  assert_ok(vw_tokenizer_word(f->sd->net.text.tokenizer, word, &id));
  assert_ok(vw_text_word_vector(&f->sd->net.text, id, out));
}

/* ---- names and scores -------------------------------------------------------------------------------------------- */

static void a_name_is_what_it_is_alone(void **state) {
  const fixture *f = *state;
  static const char *const odd[] = {"hot_dog", "Hot dog", "dog", "an extremely long name of a thing"};
  const int64_t p = f->clip->net.text.tower.projection;
  vw_judge_names all = {.judge = f->clip, .sentence = SENTENCE}, one = all;
  int64_t place[4], alone;
  assert_ok(vw_judge_names_find(&all, odd, 4, place));
  assert_int_equal(all.n, 3); /* the first two are one text */
  assert_true(place[0] == 0 && place[1] == 0 && place[2] == 1 && place[3] == 2);
  assert_ok(vw_judge_names_find(&one, &odd[2], 1, &alone));
  assert_memory_equal(one.feature, all.feature + place[2] * p, (size_t)p * sizeof(double));
  assert_ok(vw_judge_names_find(&all, &odd[1], 1, &alone)); /* is there already */
  assert_true(alone == 0 && all.n == 3);
  static char endless[600];
  memset(endless, 'x', sizeof endless - 1);
  for (size_t i = 1; i < sizeof endless - 1; i += 2) endless[i] = ' ';
  const char *too_long[] = {"cat", endless + 200};
  assert_int_equal(vw_judge_names_find(&all, too_long, 2, place), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "the name 'x x"));
  vw_error_clear();
  assert_int_equal(all.n, 3); /* "cat" was not encoded either */
  vw_judge_names_free(&all), vw_judge_names_free(&one);
}

/* The first of the stream that are neither concept, anchor nor drawn; all that there are where there are few. */
static void others_follow_the_stream(void **state) {
  (void)state;
  static const int64_t list[10] = {4, 5, 6, 7, 8, 9, 10, 11, 5, 12}; /* 5 stands there twice */
  for (uint64_t key = 1; key < 40; key++)
    for (int64_t n = 1; n <= 10; n++) {
      vw_judge_rivals r = {.concept = 6, .anchor = key % 2 ? 9 : -1, .known = list, .n_known = n};
      bool taken[16] = {false};
      int64_t expected = 0;
      vw_judge_draw_others(&r, key);
      for (uint32_t i = 0; i < 2000 && expected < VW_JUDGE_OTHERS; i++) {
        const int64_t k = list[vw_below(vw_draw_u32(key, 0, 5, i), (uint32_t)n)];
        if (k == r.concept || k == r.anchor || taken[k]) continue;
        taken[k] = true;
        assert_true(expected < r.n_others);
        assert_int_equal(r.others[expected++], k);
      }
      assert_int_equal(r.n_others, expected);
    }
}

static double plain_score(const double *z, int64_t mine, const bool *rival, int64_t n) {
  for (int64_t k = 0; k < n; k++)
    if (rival[k] && k != mine && z[k] >= z[mine] - 1e-3) return 0;
  return 1;
}

static void scores_are_those_of_a_plain_count(void **state) {
  (void)state;
  enum { N = 16 };
  static const int64_t targets[] = {2, 3}, names[] = {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 2};
  int64_t hits[VW_GENERATION_METRICS] = {0};
  for (uint64_t round = 0; round < 2000; round++) {
    vw_judge_rivals r = {.concept = 2,
                         .anchor = round % 3 ? (round % 3 == 1 ? 14 : 2) : -1, /* an anchor that is the concept, too */
                         .concepts = targets,
                         .n_concepts = 2,
                         .known = names,
                         .n_known = 11};
    bool rival[VW_GENERATION_METRICS][N] = {{false}};
    double z[N], got[VW_GENERATION_METRICS];
    vw_test_fill(z, N, round);
    if (round % 5 == 0) z[2] = 1.1, z[round % N] = 1.1 - 1e-4;      /* a tie is lost */
    if (round % 5 == 1) z[2] = 1.1, z[3 + round % 13] = 1.1 - 2e-3; /* this is none */
    vw_judge_draw_others(&r, round);
    for (int i = 0; i < 2; i++) rival[VW_GENERATION_NAMED][targets[i]] = true;
    for (int64_t i = 0; i < r.n_others; i++) rival[VW_GENERATION_NAMED_10][r.others[i]] = true;
    for (int i = 0; i < 11; i++) rival[VW_GENERATION_NAMED_ALL][names[i]] = true;
    rival[VW_GENERATION_NAMED_ALL][3] = true;
    for (int m = 0; m < VW_GENERATION_METRICS; m++)
      if (r.anchor >= 0) rival[m][r.anchor] = true;
    vw_judge_score(&r, z, got);
    for (int m = 0; m < VW_GENERATION_METRICS; m++) {
      if (got[m] != plain_score(z, 2, rival[m], N)) fail_msg("round %d, score %d: %g", (int)round, m, got[m]);
      hits[m] += got[m] > 0;
    }
  }
  assert_true(hits[0] > hits[2] && hits[1] >= hits[2] && hits[2] > 100 && hits[0] < 1900); /* the cases differ */
  const vw_judge_rivals r = {.concept = 0, .anchor = -1};
  double got[VW_GENERATION_METRICS];
  vw_judge_score(&r, &(double){NAN}, got);
  for (int m = 0; m < VW_GENERATION_METRICS; m++) assert_true(isnan(got[m]));
}

static void noise_goes_channel_by_channel(void **state) {
  (void)state;
  enum { H = 3, W = 5, C = 4 };
  double x[H * W * C];
  const uint64_t key = 99, step = ((uint64_t)3 << 32) + 6;
  vw_drawing_noise(key, step, H, W, C, x);
  for (int i = 0; i < C * H * W; i++) {
    float four[4];
    vw_normal4(vw_philox4x32(key, (uint32_t)i / 4, 6, VW_DRAW_LATENT, 3), four);
    const int c = i / (H * W), at = i % (H * W);
    assert_true(x[at * C + c] == four[i % 4]);
  }
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

/* One picture of a word or text, step by step. */
static void draw_plainly(const fixture *f, const char *text, const double *word, int64_t picture, uint8_t *rgb) {
  const vw_stream stream = {.data = "portraits", .concept = "", .seed = SEED};
  const int64_t n = vw_sd_positions(f->sd) * WIDTH;
  const vw_drawing what = {1, SIDE, SIDE, 3, VW_SAMPLER_DPM_2M, STEPS};
  double *x = malloc((size_t)(3 * n) * sizeof *x), latents[8 * 8 * 4];
  uint64_t key;
  bool stopped;
  vw_drawer *d = NULL;
  assert_non_null(x);
  assert_ok(vw_sd_embed_text(f->sd, text, word, 1, x));
  assert_ok(vw_sd_embed_text(f->sd, "", NULL, 1, x + n));
  assert_ok(vw_sd_text_states(f->sd, x, 1, x + 2 * n));
  assert_ok(vw_sd_text_states(f->sd, x + n, 1, x));
  assert_ok(vw_drawer_create(&d, f->sd, &what));
  assert_ok(vw_stream_key(&stream, &key));
  vw_drawing_noise(key, (uint64_t)picture, 8, 8, 4, latents);
  assert_ok(vw_drawer_run(d, x + 2 * n, x, latents, NULL, &stopped));
  assert_ok(vw_drawer_decode(d, latents, rgb));
  vw_drawer_destroy(d);
  free(x);
}

/* Whether the judge names a picture right among its names, the concepts and the anchor, as `viswords classify` would
 * find it: from the file. */
static double named_plainly(const fixture *f, const char *path, const char *concept, const char *anchor) {
  const vw_preprocess *how = &f->clip->hub.preprocess;
  const int64_t p = f->clip->net.text.tower.projection, S = how->crop;
  char text[KNOWN + CONCEPTS + 2][64];
  const char *texts[KNOWN + CONCEPTS + 2];
  float feature[1024], *features = malloc(sizeof(float) * (size_t)p * (KNOWN + CONCEPTS + 2));
  double *pixels = malloc((size_t)(S * S * 3) * sizeof *pixels), z[KNOWN + CONCEPTS + 2];
  uint8_t *square = malloc((size_t)(S * S * 3));
  vw_image image = {0};
  vw_image_encoder *e = NULL;
  int64_t n = 0;
  const char *name[KNOWN + CONCEPTS + 2];
  name[n++] = concept;
  for (int i = 0; i < KNOWN; i++)
    if (strcmp(known[i], concept) != 0) name[n++] = known[i];
  for (int i = 0; i < CONCEPTS; i++)
    if (strcmp(concepts[i], concept) != 0) name[n++] = concepts[i];
  if (anchor) name[n++] = anchor;
  for (int64_t i = 0; i < n; i++) (void)snprintf(text[i], 64, "a photo of a %s", name[i]), texts[i] = text[i];
  assert_ok(vw_image_read(path, 0, &image));
  assert_ok(vw_preprocess_pixels(how, &image, square));
  vw_preprocess_normalise_f64(how, square, S * S, pixels);
  assert_ok(vw_image_encoder_create(&e, f->clip));
  assert_ok(vw_image_encoder_run(e, pixels, feature));
  assert_ok(vw_clip_encode_text(f->clip, texts, n, features));
  assert_ok(vw_clip_logits(f->clip, feature, 1, features, n, z));
  double best = -INFINITY;
  for (int64_t i = 1; i < n; i++) best = fmax(best, z[i]);
  vw_image_encoder_destroy(e);
  vw_image_free(&image);
  free(features), free(pixels), free(square);
  return z[0] > best + 1e-3;
}

/* The judge's feature of a picture in a file. */
static void feature_plainly(const fixture *f, const char *path, double out[FEATURE]) {
  const vw_preprocess *how = &f->clip->hub.preprocess;
  const int64_t S = how->crop;
  double *pixels = malloc((size_t)(S * S * 3) * sizeof *pixels);
  uint8_t *square = malloc((size_t)(S * S * 3));
  float feature[FEATURE];
  vw_image image = {0};
  vw_image_encoder *e = NULL;
  assert_true(pixels && square && f->clip->vision.projection == FEATURE);
  assert_ok(vw_image_read(path, 0, &image));
  assert_ok(vw_preprocess_pixels(how, &image, square));
  vw_preprocess_normalise_f64(how, square, S * S, pixels);
  assert_ok(vw_image_encoder_create(&e, f->clip));
  assert_ok(vw_image_encoder_run(e, pixels, feature));
  for (int k = 0; k < FEATURE; k++) out[k] = (double)feature[k];
  vw_image_encoder_destroy(e);
  vw_image_free(&image);
  free(pixels), free(square);
}

/* The words of the tests: vectors of "fox"'s rivals and a text. */
enum { WORDS = 5 };
typedef struct words {
  double vector[WORDS * WIDTH];
  const char *texts[WORDS], *anchors[WORDS], *labels[WORDS];
} words;

static vw_judged words_of(const fixture *f, words *w, const char *concept) {
  static const char *const is[WORDS] = {"dog", "hammer", "tree", NULL, "rocket"};
  static const char *const labels[WORDS] = {"anchor-dog", "anchor-hammer", "random-word", "name",
                                            "random/../direction"};
  memset(w, 0, sizeof *w);
  for (int i = 0; i < WORDS; i++) {
    if (is[i]) vector_of(f, is[i], w->vector + (ptrdiff_t)i * WIDTH);
    w->labels[i] = labels[i];
  }
  w->anchors[0] = "dog", w->anchors[1] = w->anchors[4] = "hammer", w->texts[3] = concept;
  return (vw_judged){.concept = concept,
                     .n = WORDS,
                     .words = w->vector,
                     .texts = w->texts,
                     .anchors = w->anchors,
                     .labels = w->labels,
                     .are_baselines = true};
}

static int64_t drawn(const fixture *f) {
  return vw_generation_judge_drawn(f->task.judging);
}

/* Where the file of a word lies. */
static const char *file_of(const fixture *f, const char *concept, const char *label, int64_t picture) {
  static char path[VW_PATH_BYTES];
  char folder[VW_PATH_BYTES];
  assert_ok(vw_drawn_folder(&f->task.task.in, concept, false, folder));
  assert_ok(vw_drawn_picture(folder, label, picture, path));
  return path;
}

static void pictures_are_the_drawers(void **state) {
  fixture *f = *state;
  words w;
  double numbers[WORDS * NUMBERS];
  uint8_t rgb[PIXELS];
  begin(f, "plain");
  const vw_judged judged = words_of(f, &w, "pineapple");
  for (int64_t picture = 0; picture < 2; picture++) {
    assert_ok(vw_generation_judge_picture(&f->task.task, &judged, picture, numbers));
    for (int i = 0; i < WORDS; i++) {
      const char *path = file_of(f, "pineapple", w.labels[i], picture);
      const double *vector = w.texts[i] ? NULL : w.vector + (ptrdiff_t)i * WIDTH;
      vw_image image = {0};
      draw_plainly(f, vector ? SENTENCE : "a photo of a pineapple", vector, picture, rgb);
      assert_ok(vw_image_read(path, 0, &image));
      assert_int_equal(image.height, SIDE);
      assert_memory_equal(image.rgb, rgb, PIXELS);
      vw_image_free(&image);
      assert_true(numbers[i * NUMBERS + VW_GENERATION_NAMED_ALL] == named_plainly(f, path, "pineapple", w.anchors[i]));
    }
  }
  char *text = NULL;
  assert_ok(vw_png_read_text(file_of(f, "pineapple", "anchor-dog", 1), VW_PICTURE_SETTINGS, &text));
  assert_non_null(strstr(text, "\"data\":\"portraits\""));
  assert_non_null(strstr(text, "\"picture\":1,"));
  assert_non_null(strstr(text, "\"vector\":\""));
  free(text);
  assert_ok(vw_png_read_text(file_of(f, "pineapple", "anchor-dog", 1), VW_PICTURE_TRIAL, &text));
  assert_string_equal(text,
                      "{\"anchor\":\"dog\",\"concept\":\"pineapple\",\"data\":\"portraits\",\"label\":\"anchor-dog\","
                      "\"model\":\"sd\",\"picture\":1}");
  free(text);
  end(f);
}

/* What is kept of a word is the mean of its pictures' features, which have unit length; a word that has fewer pictures
 * than were judged, or none, keeps nothing. */
static void features_are_kept(void **state) {
  fixture *f = *state;
  words w;
  double numbers[2 * WORDS * NUMBERS], seen[2][FEATURE];
  float kept[WORDS * FEATURE];
  int64_t dim[VW_KEPT_DIMS] = {0}, parts = 0, each = 0;
  begin(f, "kept");
  vw_judged judged = words_of(f, &w, "fox");
  w.labels[1] = NULL; /* is not judged */
  assert_ok(vw_generation_kept_dims(&f->task.task.in, dim));
  assert_ok(vw_generation_judge_parts(&f->task.task.in, &parts, &each));
  assert_true(dim[0] == FEATURE && parts == 2 && each == NUMBERS);
  for (int p = 0; p < 2; p++) {
    double length = 0;
    assert_ok(vw_generation_judge_picture(&f->task.task, &judged, p, numbers + (ptrdiff_t)p * WORDS * NUMBERS));
    feature_plainly(f, file_of(f, "fox", "random-word", p), seen[p]);
    for (int k = 0; k < FEATURE; k++) length += seen[p][k] * seen[p][k];
    assert_true(fabs(length - 1) < 1e-5);
  }
  numbers[4 * NUMBERS + VW_GENERATION_METRICS + 3] = NAN; /* as of a part of an earlier version */
  assert_ok(vw_generation_judge_kept(&f->task.task, &judged, numbers, kept));
  for (int k = 0; k < FEATURE; k++) {
    assert_true(kept[2 * FEATURE + k] == (float)((seen[0][k] + seen[1][k]) / 2));
    assert_true(isnan(kept[FEATURE + k]) && !isnan(kept[k]));
  }
  assert_true(isnan(kept[4 * FEATURE + 3]));
  judged.parts = 1; /* the first alone */
  assert_ok(vw_generation_judge_kept(&f->task.task, &judged, numbers, kept));
  assert_true(kept[2 * FEATURE] == (float)seen[0][0]);
  end(f);
}

/* A known name is found in what it draws, and no other word's pictures are taken for it: the scores say something. */
static void a_known_name_is_named(void **state) {
  fixture *f = *state;
  words w;
  double numbers[2 * WORDS * NUMBERS], metrics[WORDS * VW_GENERATION_METRICS];
  begin(f, NULL);
  f->model.judge.steps = 6;
  const vw_judged judged = words_of(f, &w, "pineapple");
  for (int i = 0; i < 2; i++)
    assert_ok(vw_generation_judge_picture(&f->task.task, &judged, i, numbers + (ptrdiff_t)i * WORDS * NUMBERS));
  assert_ok(vw_generation_judge_end(&f->task.task, &judged, numbers, metrics));
  for (int m = 0; m < VW_GENERATION_METRICS; m++) {
    assert_true(metrics[3 * VW_GENERATION_METRICS + m] == 1);
    assert_true(metrics[0 * VW_GENERATION_METRICS + m] == 0);
  }
  end(f);
}

/* The same bits alone, among others, at another place. */
static void a_picture_does_not_depend_on_its_batch(void **state) {
  fixture *f = *state;
  words w;
  uint8_t all[WORDS][PIXELS], alone[PIXELS], *at[WORDS], *one[] = {alone};
  const int64_t rows[WORDS] = {4, 0, 1, 3, 2};
  vw_word_drawer *d = NULL;
  begin(f, NULL);
  const vw_judged judged = words_of(f, &w, "fox");
  for (int i = 0; i < WORDS; i++) at[i] = all[i];
  assert_ok(vw_word_drawer_create(&d, &f->task));
  assert_true(vw_word_drawer_most(d) >= WORDS);
  assert_ok(vw_word_drawer_run(d, &judged, rows, WORDS, 0, at));
  for (int i = 0; i < WORDS; i++) {
    assert_ok(vw_word_drawer_run(d, &judged, &rows[i], 1, 0, one));
    assert_memory_equal(alone, all[i], PIXELS);
  }
  assert_memory_not_equal(all[0], all[1], PIXELS);
  assert_int_equal(vw_word_drawer_count(d), 2 * WORDS);
  vw_word_drawer_destroy(d);
}

typedef struct asking {
  int64_t asked, most; /* times; it is to stop at the last */
  uint64_t then;       /* what had been computed when it was to stop */
} asking;

static bool stop_at(void *user) {
  asking *a = user;
  vw_pulse_state now;
  vw_pulse_read(&now);
  a->then = now.count;
  return ++a->asked == a->most;
}

/* Asked between all passes of all networks; once it is to stop nothing runs any more, and only whole pictures are kept. */
static void a_stop_costs_one_pass(void **state) {
  fixture *f = *state;
  words w;
  double numbers[WORDS * NUMBERS], whole[WORDS * NUMBERS];
  vw_pulse_state now;
  begin(f, "whole");
  vw_judged judged = words_of(f, &w, "fox");
  judged.are_baselines = false;
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, whole));
  end(f);
  begin(f, "stopped");
  judged = words_of(f, &w, "fox");
  judged.are_baselines = false;
  const int64_t passes = 2 * f->model.judge.steps + 2 * WORDS; /* of two batches; decoding and looking at each */
  for (int64_t n = 1;; n++) {
    asking a = {.most = n};
    vw_judge_watch watch = {.user = &a, .stop = stop_at};
    judged.watch = &watch;
    assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers));
    if (!watch.stopped) break;
    vw_pulse_read(&now);
    assert_int_equal(now.count, a.then);
    assert_int_equal(a.asked, n);
    if (n > 1 && n <= f->model.judge.steps) assert_int_not_equal(access(file_of(f, "fox", "anchor-dog", 0), F_OK), 0);
    assert_true(n < 3 * passes);
    if (n == 1) n = passes / 2; /* the beginning is the same each time */
  }
  for (int64_t i = 0; i < (int64_t)WORDS * NUMBERS; i++) assert_true(numbers[i] == whole[i]);
  end(f);
}

/* Untouched anchors are drawn for the first concept alone, and each concept has its files. */
static void anchors_are_drawn_once(void **state) {
  fixture *f = *state;
  words w;
  double first[WORDS * NUMBERS], again[WORDS * NUMBERS];
  begin(f, "once");
  vw_judged judged = words_of(f, &w, "pineapple");
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, first));
  assert_int_equal(drawn(f), WORDS);
  judged = words_of(f, &w, "fox"); /* another name; all other words are those of before */
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, again));
  assert_int_equal(drawn(f), WORDS + 1);
  for (int i = 0; i < WORDS; i++) assert_int_equal(access(file_of(f, "fox", w.labels[i], 0), F_OK), 0);
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 1, again)); /* another picture */
  assert_int_equal(drawn(f), 2 * WORDS + 1);
  vw_drawn_sweep(&f->task.task.in);
  assert_int_equal(access(file_of(f, "fox", "name", 1), F_OK), 0);
  end(f);
}

/* What is there, drawn just so, is not drawn again: not by a run that goes on, nor for another judge. */
static void files_are_found_again(void **state) {
  fixture *f = *state;
  words w;
  double first[WORDS * NUMBERS], again[WORDS * NUMBERS];
  begin(f, "again");
  vw_judged judged = words_of(f, &w, "pineapple");
  judged.are_baselines = false; /* nothing is kept in memory */
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, first));
  end(f);
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, again));
  assert_int_equal(drawn(f), 0);
  assert_memory_equal(first, again, sizeof first);
  assert_int_equal(truncate(file_of(f, "pineapple", "name", 0), 900), 0); /* damaged */
  assert_int_equal(unlink(file_of(f, "pineapple", "anchor-dog", 0)), 0);
  w.vector[2 * WIDTH] += 1e-9; /* another word of the same label */
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, again));
  assert_int_equal(drawn(f), 3);
  assert_memory_equal(first + 3 * NUMBERS, again + 3 * NUMBERS, NUMBERS * sizeof(double));
  end(f);
  f->model.judge.guidance = 2.5;
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, again));
  assert_int_equal(drawn(f), WORDS);
  end(f);
}

/* Null concepts, words of failed trials, names that the network does not know: no picture and no number. */
static void nothing_is_drawn_for_nothing(void **state) {
  fixture *f = *state;
  words w;
  double numbers[WORDS * NUMBERS], metrics[WORDS * VW_GENERATION_METRICS];
  begin(f, "nothing");
  vw_judged judged = words_of(f, &w, "fox");
  judged.null_concept = true, judged.concept = "null-0";
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers));
  assert_null(f->task.judging);
  for (int i = 0; i < WORDS * NUMBERS; i++) assert_true(isnan(numbers[i]));
  judged = words_of(f, &w, "fox");
  judged.n = 4;
  w.vector[WIDTH + 3] = NAN, w.labels[3] = NULL;
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers));
  assert_int_equal(drawn(f), 2);
  f->model.judge.pictures = 1;
  assert_ok(vw_generation_judge_end(&f->task.task, &judged, numbers, metrics));
  for (int i = 0; i < 4 * VW_GENERATION_METRICS; i++)
    assert_int_equal(isnan(metrics[i]), i / VW_GENERATION_METRICS % 2 == 1);
  end(f);
}

/* By default the judge is given the data set's classes and concepts. */
static void names_come_from_the_data_set(void **state) {
  fixture *f = *state;
  words w;
  double numbers[WORDS * NUMBERS];
  begin(f, NULL);
  f->model.judge.names = (vw_names){0};
  vw_judged judged = words_of(f, &w, "pineapple");
  judged.n = 1;
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers));
  for (int m = 0; m < VW_GENERATION_METRICS; m++) assert_true(numbers[m] == 0 || numbers[m] == 1);
  end(f);
  static char text[128];
  memset(text, 'y', sizeof text - 1);
  for (size_t i = 1; i < sizeof text - 1; i += 2) text[i] = ' ';
  f->model.judge.negative = text;
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers));
  end(f);
}

static void what_cannot_draw_is_refused(void **state) {
  fixture *f = *state;
  words w;
  double numbers[WORDS * NUMBERS];
  char text[400];
  begin(f, NULL);
  const vw_judged judged = words_of(f, &w, "fox");
  memset(text, 'y', sizeof text - 1), text[sizeof text - 1] = 0;
  for (size_t i = 1; i < sizeof text - 1; i += 2) text[i] = ' ';
  f->model.judge.negative = text;
  assert_int_equal(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "judge.negative: "));
  f->model.judge.negative = NULL, f->model.judge.steps = 1001;
  assert_int_equal(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers), VW_ERR_ARG);
  f->model.judge.steps = STEPS, f->task.side = 30;
  assert_int_equal(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers), VW_ERR_ARG);
  f->task.side = SIDE, f->task.task.in.judge = &f->sd->net; /* no network that names pictures */
  assert_int_equal(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers), VW_ERR_ARG);
  assert_null(f->task.judging);
  vw_error_clear();
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void names_of_files_are_tame(void **state) {
  fixture *f = *state;
  char path[VW_PATH_BYTES], other[VW_PATH_BYTES], label[VW_DRAWN_LABEL];
  begin(f, "tame");
  const vw_task_inputs *in = &f->task.task.in;
  const size_t n = strlen(in->drawn);
  assert_ok(vw_drawn_folder(in, "fox", false, path));
  assert_string_equal(path + n, "/sd-portraits/fox");
  assert_ok(vw_drawn_picture("x", "dog-0.25-r0", 3, path));
  assert_string_equal(path, "x/dog-0.25-r0-3.png");
  static const char *const wild[] = {
      "../up", ".hidden",      "a/b",
      "a b",   "a-b",          "a\nb",
      "",      "\xe7\x8c\xab", "a name that is far too long for a folder whose name people are to read on a screen"};
  for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
    assert_ok(vw_drawn_folder(in, wild[i], true, path));
    const char *name = strrchr(path, '/') + 1;
    if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != strlen(name) || name[0] == '.' || strlen(name) > 90 ||
        !name[0])
      fail_msg("'%s' became '%s'", wild[i], name);
    for (size_t k = 0; k < i; k++) {
      assert_ok(vw_drawn_folder(in, wild[k], false, other));
      assert_string_not_equal(path, other);
    }
  }
  /* "a-b" on "c" and "a" on "b-c" */
  f->model.name = "a-b", f->data.name = "c";
  assert_ok(vw_drawn_folder(in, "fox", false, path));
  f->model.name = "a", f->data.name = "b-c";
  assert_ok(vw_drawn_folder(in, "fox", false, other));
  f->data.name = "portraits";
  assert_string_not_equal(path, other);
  vw_drawn_baseline("random_direction", "dog", "0.5", label);
  assert_string_equal(label, "random-direction-dog-0.5");
  vw_drawn_baseline("anchor", "dog", "0", label);
  assert_string_equal(label, "anchor-dog");
  vw_drawn_baseline("name", "", "", label);
  assert_string_equal(label, "name");
  const vw_trial t = {.anchor = "dog", .delta = INFINITY, .replica = 2};
  vw_drawn_trial(&t, label);
  assert_string_equal(label, "dog-free-r2");
}

/* A row an anchor, four columns; grey where there is nothing. */
static void a_sheet_shows_what_is_there(void **state) {
  fixture *f = *state;
  words w;
  double numbers[WORDS * NUMBERS];
  char folder[VW_PATH_BYTES], path[VW_PATH_BYTES];
  vw_image image = {0};
  begin(f, "sheet");
  vw_judged judged = words_of(f, &w, "fox");
  judged.n = 1;                                            /* anchor-dog */
  assert_ok(vw_generation_sheet(&f->task.task.in, "fox")); /* nothing is there: no sheet */
  assert_ok(vw_drawn_folder(&f->task.task.in, "fox", false, folder));
  assert_ok(vw_drawn_sheet(folder, path));
  assert_int_equal(access(path, F_OK), -1);
  assert_ok(vw_generation_judge_picture(&f->task.task, &judged, 0, numbers));
  assert_ok(vw_generation_sheet(&f->task.task.in, "fox"));
  assert_ok(vw_image_read(path, 0, &image));
  assert_int_equal(image.width, 4 + 3 * 132);
  assert_int_equal(image.height, 4 + 2 * 168);
  int64_t grey[2][3] = {{0}};
  for (int row = 0; row < 2; row++)
    for (int column = 0; column < 3; column++)
      for (int y = 0; y < 128; y++) {
        const uint8_t *p = image.rgb + ((40 + row * 168 + y) * image.width + 4 + column * 132 + 64) * 3;
        grey[row][column] += p[0] == 200 && p[1] == 200 && p[2] == 200;
      }
  assert_true(grey[0][0] < 64 && grey[1][0] < 64); /* training pictures */
  assert_true(grey[0][1] < 64);                    /* the untouched "dog" */
  assert_true(grey[0][2] == 128 && grey[1][1] == 128 && grey[1][2] == 128);
  vw_image_free(&image);
  f->task.task.in.drawn = NULL;
  assert_ok(vw_generation_sheet(&f->task.task.in, "fox"));
  end(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_is_what_it_is_alone),
      cmocka_unit_test(others_follow_the_stream),
      cmocka_unit_test(scores_are_those_of_a_plain_count),
      cmocka_unit_test(noise_goes_channel_by_channel),
      cmocka_unit_test(pictures_are_the_drawers),
      cmocka_unit_test(features_are_kept),
      cmocka_unit_test(a_known_name_is_named),
      cmocka_unit_test(a_picture_does_not_depend_on_its_batch),
      cmocka_unit_test(a_stop_costs_one_pass),
      cmocka_unit_test(anchors_are_drawn_once),
      cmocka_unit_test(files_are_found_again),
      cmocka_unit_test(nothing_is_drawn_for_nothing),
      cmocka_unit_test(names_come_from_the_data_set),
      cmocka_unit_test(what_cannot_draw_is_refused),
      cmocka_unit_test(names_of_files_are_tame),
      cmocka_unit_test(a_sheet_shows_what_is_there),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
