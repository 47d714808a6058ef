/* Judging words by what they draw, on the embedded networks: names and scores against a plain computation, pictures
 * against the drawer itself, and what cannot be judged. What is drawn and kept: test_generation_drawn.c. */
#include "tests/tasks/judge_fixture.h"

#include "io/pictures/picture_settings.h"
#include "io/pictures/preprocess.h"

#include <math.h>

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_is_what_it_is_alone),
      cmocka_unit_test(others_follow_the_stream),
      cmocka_unit_test(scores_are_those_of_a_plain_count),
      cmocka_unit_test(noise_goes_channel_by_channel),
      cmocka_unit_test(pictures_are_the_drawers),
      cmocka_unit_test(features_are_kept),
      cmocka_unit_test(a_known_name_is_named),
      cmocka_unit_test(names_come_from_the_data_set),
      cmocka_unit_test(what_cannot_draw_is_refused),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
