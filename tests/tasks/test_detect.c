/* Detection: overlaps and matching by hand and against every assignment, the pictures of concepts on data/scenes, and
 * the patches that answer for their boxes. */
#include "tests/support/test.h"

#include "tasks/detect/detect.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void overlaps(void **state) {
  (void)state;
  const struct {
    double a[4], b[4], giou;
  } cases[] = {
      {{.5, .5, .2, .4}, {.5, .5, .2, .4}, 1},                              /* the same */
      {{.25, .5, .5, 1}, {.75, .5, .5, 1}, 0},                              /* side by side: the hull is both */
      {{.1, .5, .2, 1}, {.9, .5, .2, 1}, -.6},                              /* apart: .6 of the hull is neither */
      {{.5, .5, 1, 1}, {.25, .25, .5, .5}, .25},                            /* one in the other */
      {{.25, .25, .5, .5}, {.5, .5, .5, .5}, .0625 / .4375 - .125 / .5625}, /* corners */
      {{.5, .5, 0, 0}, {.5, .5, 0, 0}, 0},                                  /* two points */
      {{.5, .5, .5, 0}, {.5, .5, .5, .5}, 0},                               /* a line in a square */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const double ab = vw_box_giou(cases[i].a, cases[i].b), ba = vw_box_giou(cases[i].b, cases[i].a);
    if (fabs(ab - cases[i].giou) > 1e-12 || fabs(ab - ba) > 1e-15)
      fail_msg("case %zu: %.17g and %.17g, expected %.17g", i, ab, ba, cases[i].giou);
  }
}

static double cost_of(const double *box, double objectness, const double *truth) {
  double distance = 0;
  for (int k = 0; k < 4; k++) distance += fabs(box[k] - truth[k]);
  return 5 * distance + 2 * (1 - vw_box_giou(box, truth)) - 1 / (1 + exp(-objectness));
}

/* Random boxes; three true ones among six patches: the cheapest of all 120 assignments. */
static void matching_is_the_cheapest(void **state) {
  (void)state;
  enum { N = 6, TRUE_BOXES = 3 };
  srand(5);
  for (int round = 0; round < 200; round++) {
    double boxes[N * 4], objectness[N], truth[TRUE_BOXES * 4], best = DBL_MAX, got = 0;
    int64_t patch[TRUE_BOXES];
    for (int i = 0; i < N * 4; i++) boxes[i] = .05 + .9 * rand() / RAND_MAX;
    for (int i = 0; i < N; i++) objectness[i] = 8.0 * rand() / RAND_MAX - 4;
    for (int i = 0; i < TRUE_BOXES * 4; i++) truth[i] = .05 + .9 * rand() / RAND_MAX;
    assert_ok(vw_detect_match(boxes, objectness, N, truth, TRUE_BOXES, patch));
    for (int a = 0; a < N; a++)
      for (int b = 0; b < N; b++)
        for (int c = 0; c < N; c++) {
          if (a == b || a == c || b == c) continue;
          const int at[TRUE_BOXES] = {a, b, c};
          double sum = 0;
          for (int i = 0; i < TRUE_BOXES; i++) sum += cost_of(boxes + 4 * at[i], objectness[at[i]], truth + 4 * i);
          best = fmin(best, sum);
        }
    for (int i = 0; i < TRUE_BOXES; i++) {
      got += cost_of(boxes + 4 * patch[i], objectness[patch[i]], truth + 4 * i);
      for (int j = 0; j < i; j++) assert_true(patch[i] != patch[j]);
    }
    assert_true(fabs(got - best) < 1e-12);
  }
}

/* ---- pictures of concepts ---------------------------------------------------------------------------------------- */

typedef struct fixture {
  vw_data_config data;
  const char *names[2];
  vw_model_config model;
  vw_task_inputs in;
  vw_picture_set *set;
} fixture;

static void open_scenes(fixture *f, int64_t negatives) {
  static char root[1024];
  (void)snprintf(root, sizeof root, "%s", vw_test_path("../data/scenes"));
  *f = (fixture){.names = {"fox", "crab"}};
  f->data = (vw_data_config){.name = "scenes",
                             .kind = VW_DATA_COCO,
                             .root = root,
                             .train = 6,
                             .test = 6,
                             .negatives = negatives,
                             .crop_margin = 1.2,
                             .crop_least = 96};
  f->data.concepts = (vw_names){2, f->names};
  f->model.learn.negatives = 4;
  assert_ok(vw_picture_set_open(&f->set, &f->data, 7, VW_SEES_SCENES | VW_SEES_TEST, NULL));
  f->in = (vw_task_inputs){.model = &f->model, .pictures = f->set, .concepts = 3, .seed = 7};
}

static bool has_box(const vw_scenes *s, int64_t scene, int64_t owner) {
  for (int64_t b = s->scene[scene].first_box; b < s->scene[scene].first_box + s->scene[scene].n_boxes; b++)
    if (s->box[b].owner == owner) return true;
  return false;
}

static void slots_of_concepts(void **state) {
  (void)state;
  fixture f;
  open_scenes(&f, 10);
  for (int k = 0; k < 2; k++) {
    vw_detect_slot s, again;
    assert_ok(vw_detect_slot_create(&s, &f.in, f.names[k], false));
    assert_ok(vw_detect_slot_create(&again, &f.in, f.names[k], false));
    assert_int_equal(s.n_positive, 6);
    assert_int_equal(s.n_negative, 10);
    assert_int_equal(s.n_judged, f.set->test_scenes.n); /* all of them, pictures without the concept too */
    assert_memory_equal(s.scene, again.scene, sizeof *s.scene * 16);
    for (int64_t i = 0; i < 16; i++) {
      assert_int_equal(has_box(&f.set->train_scenes, s.scene[i], s.owner), i < s.n_positive);
      if (i > s.n_positive) assert_true(s.scene[i] > s.scene[i - 1]);
    }
    vw_detect_slot_free(&s), vw_detect_slot_free(&again);
  }
  vw_picture_set_close(f.set);
}

/* The drawn class' boxes count in its pictures; no picture is on both sides. Without a bound all others are negatives.
 */
static void slots_of_null_concepts(void **state) {
  (void)state;
  fixture f;
  open_scenes(&f, 1000);
  vw_detect_slot s, other;
  assert_ok(vw_detect_slot_create(&s, &f.in, "null-0", true));
  assert_ok(vw_detect_slot_create(&other, &f.in, "null-1", true));
  assert_int_equal(s.owner, -1);
  assert_int_equal(s.n_positive, 6);
  assert_true(memcmp(s.scene, other.scene, 6 * sizeof *s.scene) != 0);
  for (int64_t i = 0; i < s.n_positive; i++) {
    assert_true(s.kept[i] >= 0 && has_box(&f.set->train_scenes, s.scene[i], s.kept[i]));
    for (int64_t j = 0; j < s.n_positive + s.n_negative; j++) assert_true(i == j || s.scene[i] != s.scene[j]);
  }
  int64_t kept = 0;
  for (int64_t i = 0; i < s.n_judged; i++) {
    if (s.judged_kept[i] < 0) continue;
    assert_true(has_box(&f.set->test_scenes, s.judged[i], s.judged_kept[i]));
    kept++;
  }
  assert_int_equal(kept, 6);
  vw_detect_slot_free(&s), vw_detect_slot_free(&other);
  int64_t *wanted = NULL, n = 0, *room = malloc((size_t)f.set->train_scenes.n * sizeof *room);
  assert_int_equal(s.n_positive, 0); /* freed */
  assert_ok(vw_detect_wanted(&f.in, &wanted, &n));
  assert_true(n > 12 && n <= f.set->train_scenes.n);
  for (int64_t i = 1; i < n; i++) assert_true(wanted[i] > wanted[i - 1]);
  free(wanted), free(room);
  vw_picture_set_close(f.set);
}

/* Every usable box of a picture has a patch of its own; pictures without the concept have none. */
static void targets(void **state) {
  (void)state;
  enum { N = 16 };
  fixture f;
  vw_detect_slot s;
  open_scenes(&f, 10);
  assert_ok(vw_detect_slot_create(&s, &f.in, "fox", false));
  const int64_t all = s.n_positive + s.n_negative;
  vw_patches p = {.pictures = all, .N = N, .C = 1, .type = VW_F64};
  p.all.boxes = malloc((size_t)(all * N * 4) * sizeof(double)),
  p.all.objectness = calloc((size_t)(all * N), sizeof(double));
  for (int64_t i = 0; i < all * N; i++) { /* a grid of 4 x 4 */
    double *b = p.all.boxes + 4 * i;
    const int64_t column = i % 4, row = i % N / 4;
    b[0] = (.5 + (double)column) / 4, b[1] = (.5 + (double)row) / 4, b[2] = b[3] = .25;
  }
  int32_t *matched = malloc((size_t)(all * N) * sizeof *matched), *boxes = malloc((size_t)all * sizeof *boxes);
  assert_ok(vw_detect_targets(&s, f.set, &p, matched, boxes));
  for (int64_t i = 0; i < all; i++) {
    const vw_scene *scene = &f.set->train_scenes.scene[s.scene[i]];
    int32_t sum = 0, there = 0;
    for (int64_t j = 0; j < N; j++) sum += matched[i * N + j];
    for (int64_t b = scene->first_box; b < scene->first_box + scene->n_boxes; b++) {
      const vw_box *box = &f.set->train_scenes.box[b];
      if (box->owner != s.owner) continue;
      there++;
      if (i < s.n_positive && boxes[i] == 1) { /* alone: the patch that is nearest to its middle has it */
        const double side = (double)(scene->width > scene->height ? scene->width : scene->height);
        const double x = (box->box[0] + box->box[2] / 2) / side, y = (box->box[1] + box->box[3] / 2) / side;
        int64_t at = 0;
        while (!matched[i * N + at]) at++;
        assert_true(fabs(p.all.boxes[4 * at] - x) < .25 && fabs(p.all.boxes[4 * at + 1] - y) < .25);
      }
    }
    assert_int_equal(sum, boxes[i]);
    assert_int_equal(boxes[i], i < s.n_positive ? there : 0);
  }
  free(matched), free(boxes), free(p.all.boxes), free(p.all.objectness);
  vw_detect_slot_free(&s);
  vw_picture_set_close(f.set);
}

/* Five patches: best first, ties by patch; without suppression all, with it those that no better one covers. */
static void best_boxes(void **state) {
  (void)state;
  enum { N = 5 };
  static const double z[N] = {1, 3, -2, 3, NAN};
  static const double boxes[N * 4] = {.25, .25, .5, .5, .5, .5, 1, 1, .75, .75, .5, .5, .5, .5, .9, .9, .1, .1, .2, .2};
  double out[VW_DETECT_TOP * VW_DETECT_NUMBERS];
  vw_patch_logit room[N];
  vw_detect_best(z, boxes, N, 100, 0, room, out);
  static const int order[N] = {1, 3, 0, 2, 4};
  for (int i = 0; i < N; i++) {
    const double *b = boxes + 4 * order[i], *got = out + i * VW_DETECT_NUMBERS;
    const double expected[5] = {i == 4 ? 0 : 1 / (1 + exp(-z[order[i]])), 100 * (b[0] - b[2] / 2),
                                100 * (b[1] - b[3] / 2), 100 * b[2], 100 * b[3]};
    for (int k = 0; k < 5; k++) assert_true(fabs(got[k] - expected[k]) < 1e-12);
  }
  for (int i = N; i < VW_DETECT_TOP; i++) assert_true(out[i * VW_DETECT_NUMBERS] == -1);
  /* patch 3 covers .81 of patch 1; patches 0 and 2 a quarter of it each, and .19 of patch 3 or less */
  vw_detect_best(z, boxes, N, 100, .5, room, out);
  assert_true(out[3] == 100 && out[VW_DETECT_NUMBERS + 3] == 50 && out[2 * VW_DETECT_NUMBERS + 1] == 50);
  assert_true(out[3 * VW_DETECT_NUMBERS] == 0 && out[4 * VW_DETECT_NUMBERS] == -1);
  vw_detect_best(z, boxes, N, 100, .2, room, out); /* the first covers all but the smallest */
  assert_true(out[3] == 100 && out[VW_DETECT_NUMBERS] == 0 && out[2 * VW_DETECT_NUMBERS] == -1);
}

/* More patches than are kept, many of them equal: the best of them are found as by sorting all, which suppression does;
 * no two boxes overlap by more than 1. */
static void best_of_many(void **state) {
  (void)state;
  enum { N = 700 };
  double z[N], boxes[N * 4], found[2][VW_DETECT_TOP * VW_DETECT_NUMBERS];
  vw_patch_logit room[N];
  for (int order = 0; order < 3; order++) {
    for (int i = 0; i < N; i++) {
      z[i] = order == 0 ? i * 7919 % 61 - 30 : order == 1 ? i : -i; /* in any order, ascending, descending */
      for (int k = 0; k < 4; k++) boxes[4 * i + k] = (i + k) / 1000.0;
    }
    z[5] = NAN;
    for (int k = 0; k < 2; k++) vw_detect_best(z, boxes, N, 960, k, room, found[k]);
    assert_memory_equal(found[0], found[1], sizeof found[0]);
    assert_true(found[0][(VW_DETECT_TOP - 1) * VW_DETECT_NUMBERS] > 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(overlaps),
                                     cmocka_unit_test(best_boxes),
                                     cmocka_unit_test(best_of_many),
                                     cmocka_unit_test(matching_is_the_cheapest),
                                     cmocka_unit_test(slots_of_concepts),
                                     cmocka_unit_test(slots_of_null_concepts),
                                     cmocka_unit_test(targets)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
