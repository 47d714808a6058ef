/* Average precision against pycocotools and VOC's rule (tests/reference/average_precision.py), and where it is known.
 */
#include "tests/support/test.h"

#include "io/safetensors.h"
#include "study/average_precision.h"

#include <math.h>
#include <stdlib.h>

/* `make check-long` names a file with more cases. */
static const char *cases_path(void) {
  const char *path = getenv("VISWORDS_AP_CASES");
  return path ? path : VW_TEST_DATA "/reference/fixtures/average_precision.safetensors";
}

static vw_tensor get(const vw_safetensors *file, const char *name) {
  vw_tensor t;
  assert_ok(vw_safetensors_find(file, name, &t));
  return t;
}

static vw_true_boxes *truths_of(const double *row, int64_t n) {
  vw_true_box *boxes = calloc((size_t)n + 1, sizeof *boxes);
  vw_true_boxes *t = NULL;
  for (int64_t i = 0; i < n; i++, row += 7)
    boxes[i] = (vw_true_box){
        .picture = (int64_t)row[0], .box = {row[1], row[2], row[3], row[4]}, .area = row[5], .crowd = row[6] != 0};
  assert_ok(vw_true_boxes_create(&t, boxes, n));
  free(boxes);
  return t;
}

static void check_case(const double *truth, int64_t n_truths, const double *row, int64_t n, const double *expected) {
  double got[VW_COCO_METRICS + 2];
  vw_true_boxes *t = truths_of(truth, n_truths);
  vw_found_box *found = calloc((size_t)n + 1, sizeof *found);
  for (int64_t i = 0; i < n; i++, row += 6)
    found[i] = (vw_found_box){.picture = (int64_t)row[0], .score = row[1], .box = {row[2], row[3], row[4], row[5]}};
  assert_ok(vw_coco_precision(t, found, n, got));
  assert_ok(vw_voc_precision(t, found, n, VW_VOC_AREA, &got[VW_COCO_METRICS]));
  assert_ok(vw_voc_precision(t, found, n, VW_VOC_ELEVEN_POINTS, &got[VW_COCO_METRICS + 1]));
  /* the reference sums in another order: 1,010 terms of at most 1 differ by less than 1,010 epsilon = 2.3e-13 */
  vw_assert_near("average precision", got, expected, VW_COCO_METRICS + 2, 1e-12);
  free(found);
  vw_true_boxes_destroy(t);
}

static void test_reference(void **state) {
  (void)state;
  vw_safetensors *file = NULL;
  assert_ok(vw_safetensors_open(&file, cases_path()));
  const vw_tensor truths = get(file, "truths"), found = get(file, "found"), expected = get(file, "expected"),
                  ends = get(file, "ends");
  const int64_t *end = ends.data;
  assert_true(ends.dim[0] >= 60);
  for (int64_t i = 0, t = 0, f = 0; i < ends.dim[0]; t = end[2 * i], f = end[2 * i + 1], i++)
    check_case((const double *)truths.data + 7 * t, end[2 * i] - t, (const double *)found.data + 6 * f,
               end[2 * i + 1] - f, (const double *)expected.data + (VW_COCO_METRICS + 2) * i);
  vw_safetensors_close(file);
}

/* Nothing to be found: -1, whatever was found. Nothing found: 0. */
static void test_empty(void **state) {
  (void)state;
  const vw_true_box one = {.picture = 7, .box = {10, 10, 50, 50}, .area = 2500};
  const vw_found_box box = {.picture = 7, .score = 0.5, .box = {10, 10, 50, 50}};
  vw_true_boxes *none = NULL, *some = NULL;
  double m[VW_COCO_METRICS], ap;
  assert_ok(vw_true_boxes_create(&none, NULL, 0));
  assert_ok(vw_true_boxes_create(&some, &one, 1));
  assert_ok(vw_coco_precision(none, &box, 1, m));
  for (int k = 0; k < VW_COCO_METRICS; k++) assert_true(m[k] == -1);
  assert_ok(vw_voc_precision(none, &box, 1, VW_VOC_AREA, &ap));
  assert_true(ap == -1);
  assert_ok(vw_coco_precision(some, NULL, 0, m));
  assert_true(m[VW_COCO_AP] == 0 && m[VW_COCO_AR_100] == 0 && m[VW_COCO_AP_SMALL] == -1 && m[VW_COCO_AP_MEDIUM] == 0);
  assert_ok(vw_coco_precision(some, &box, 1, m));
  assert_true(fabs(m[VW_COCO_AP] - 1) < 1e-12 && m[VW_COCO_AP_LARGE] == -1);
  vw_true_boxes_destroy(none);
  vw_true_boxes_destroy(some);
}

/* A difficult object is neither found nor missed, and costs a box that hits it nothing. */
static void test_difficult(void **state) {
  (void)state;
  const vw_true_box boxes[] = {{.picture = 1, .box = {0, 0, 40, 40}, .area = 1600, .ignored = true},
                               {.picture = 2, .box = {0, 0, 40, 40}, .area = 1600}};
  const vw_found_box found[] = {{.picture = 1, .score = 0.9, .box = {0, 0, 40, 40}},
                                {.picture = 2, .score = 0.8, .box = {0, 0, 40, 40}}};
  vw_true_boxes *t = NULL;
  double m[VW_COCO_METRICS], ap;
  assert_ok(vw_true_boxes_create(&t, boxes, 2));
  assert_ok(vw_coco_precision(t, found, 2, m));
  assert_ok(vw_voc_precision(t, found, 2, VW_VOC_AREA, &ap));
  assert_true(fabs(m[VW_COCO_AP] - 1) < 1e-12 && fabs(ap - 1) < 1e-12);
  vw_true_boxes_destroy(t);
}

static void test_refused(void **state) {
  (void)state;
  const vw_true_box negative = {.box = {0, 0, -1, 5}};
  const vw_found_box nan = {.score = NAN, .box = {0, 0, 1, 1}}, endless = {.score = 1, .box = {0, 0, INFINITY, 1}};
  vw_true_boxes *t = NULL;
  double m[VW_COCO_METRICS], ap;
  assert_int_equal(vw_true_boxes_create(&t, &negative, 1), VW_ERR_ARG);
  assert_ok(vw_true_boxes_create(&t, NULL, 0));
  assert_int_equal(vw_coco_precision(t, &nan, 1, m), VW_ERR_ARG);
  assert_int_equal(vw_voc_precision(t, &endless, 1, VW_VOC_AREA, &ap), VW_ERR_ARG);
  vw_true_boxes_destroy(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_empty),
                                     cmocka_unit_test(test_difficult), cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
