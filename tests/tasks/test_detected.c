/* Which of the found boxes are kept. */
#include "tests/support/test.h"

#include "tasks/detect/detected.h"

#include <string.h>

static const vw_detected_box found[] = {
    {.name = 0, .patch = 0, .score = .3, .box = {0, 0, 10, 10}},
    {.name = 0, .patch = 1, .score = .9, .box = {0, 0, 10, 8}},
    {.name = 1, .patch = 0, .score = .5, .box = {0, 0, 10, 10}},
    {.name = 0, .patch = 2, .score = .5, .box = {50, 50, 4, 4}},
    {.name = 1, .patch = 3, .score = .05, .box = {70, 0, 10, 10}},
    {.name = 1, .patch = 2, .score = .5, .box = {5, 0, 10, 10}},
};
enum { N = sizeof found / sizeof *found };

static void expect(vw_detect_limits limits, int64_t n, const char *order) {
  vw_detected_box b[N];
  memcpy(b, found, sizeof b);
  assert_int_equal(vw_detected_keep(b, N, &limits), n);
  for (int64_t i = 0; i < n; i++) {
    assert_int_equal(b[i].name, order[2 * i] - '0');
    assert_int_equal(b[i].patch, order[2 * i + 1] - '0');
  }
}

static void kept(void **state) {
  (void)state;
  expect((vw_detect_limits){.threshold = 0, .overlap = 1, .top = 10}, 6, "010210120013"); /* equal: name, then patch */
  expect((vw_detect_limits){.threshold = .1, .overlap = 1, .top = 10}, 5, "0102101200");
  expect((vw_detect_limits){.threshold = .5, .overlap = 1, .top = 3}, 3, "010210");
  expect((vw_detect_limits){.threshold = 0, .overlap = .79, .top = 10}, 5, "0102101213"); /* .8 of the same name goes */
  expect((vw_detect_limits){.threshold = 0, .overlap = .8, .top = 10}, 6, "010210120013");
  expect((vw_detect_limits){.threshold = 0, .overlap = .3, .top = 10}, 4, "01021013"); /* a third of 1's too */
  expect((vw_detect_limits){.threshold = .95, .overlap = 1, .top = 10}, 0, "");
  assert_int_equal(vw_detected_keep(NULL, 0, &(vw_detect_limits){.overlap = .5, .top = 1}), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(kept)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
