/* Data sets of every kind as tasks see them: crops with one owner, whole scenes with boxes. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "tasks/pictures.h"

#include <stdlib.h>
#include <string.h>

static const char *fox_banana[] = {"fox", "banana"};

static vw_data_config config(vw_data_kind kind, const char *root) {
  return (vw_data_config){.name = "d",
                          .kind = (int)kind,
                          .root = root,
                          .concepts = {2, fox_banana},
                          .train = 3,
                          .test = 2,
                          .crop_margin = 1.2,
                          .crop_least = 16};
}

enum { BOTH = VW_SEES_CROPS | VW_SEES_SCENES | VW_SEES_TEST };

static vw_picture_set *opened(const vw_data_config *c, unsigned sees) {
  vw_picture_set *s = NULL;
  assert_ok(vw_picture_set_open(&s, c, 2406, sees, NULL));
  return s;
}

/* data/scenes: 84 training pictures of 14 targets, 56 to judge by. */
static void scenes_of_coco(void **state) {
  (void)state;
  const vw_data_config c = config(VW_DATA_COCO, VW_SOURCE_DIR "/data/scenes");
  vw_picture_set *s = opened(&c, BOTH);
  const int64_t fox = vw_picture_set_find(s, "fox");
  assert_true(fox >= 0);
  assert_int_equal(s->test_scenes.n, 56);
  assert_int_equal(s->owners[fox].n_chosen, 3);
  assert_int_equal(s->owners[fox].n_train, 3);
  assert_int_equal(s->owners[fox].n_test, 2);
  for (int64_t i = 1; i < s->test_scenes.n; i++)
    assert_true(s->test_scenes.scene[i].id > s->test_scenes.scene[i - 1].id);
  for (int64_t k = 0; k < 3; k++) assert_true(vw_scene_holds(&s->train_scenes, s->owners[fox].chosen[k], fox));
  int64_t *list = malloc((size_t)(s->train_scenes.n + s->test_scenes.n + 1) * sizeof *list);
  const int64_t n = vw_picture_set_negatives(s, fox, list);
  assert_true(n > 0 && n < s->train_scenes.n);
  for (int64_t i = 0; i < n; i++) assert_false(vw_scene_holds(&s->train_scenes, list[i], fox));
  assert_int_equal(vw_picture_set_negatives(s, -1, list), s->train_scenes.n);
  assert_int_equal(vw_picture_set_judged(s, fox, list), 56);
  free(list);
  vw_picture_set_close(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scenes_of_coco),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
