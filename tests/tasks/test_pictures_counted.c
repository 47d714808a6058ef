/* The sizes of a data set that is not there, from a study's counts. */
#include "tests/support/test.h"

#include "tasks/pictures.h"

#include <string.h>

static const char *two[] = {"fox", "owl"}, *four[] = {"dog", "cat", "owl", "bus"};

static void test_listed_classes(void **state) {
  (void)state;
  const vw_data_config d = {.name = "o",
                            .concepts = {2, two},
                            .classes = {4, four},
                            .train = 16,
                            .test = 16,
                            .counts = {.train = 41, .test = 2000}};
  vw_picture_set *s = NULL;
  assert_ok(vw_picture_set_count(&s, &d));
  assert_true(s->is_counted && s->data == &d);
  assert_int_equal(s->n_classes, 4);
  assert_int_equal(s->n_owners, 5); /* fox is no class */
  assert_string_equal(s->owners[4].name, "fox");
  for (int64_t i = 0; i < 5; i++) { /* 41 over 4 classes, rounded up; 500 are more than are used */
    assert_int_equal(s->owners[i].n_train, 11);
    assert_int_equal(s->owners[i].train_first, 11 * i);
    assert_int_equal(s->owners[i].n_test, 16);
  }
  assert_true(s->n_train == 55 && s->n_test == 80 && s->class_train == 44 && s->class_test == 64);
  vw_picture_set_close(s);
}

static void test_counted_classes(void **state) {
  (void)state;
  const vw_data_config d = {
      .name = "o", .concepts = {2, two}, .train = 16, .test = 8, .counts = {1000, 1281167, 50000}};
  vw_picture_set *s = NULL;
  assert_ok(vw_picture_set_count(&s, &d));
  assert_true(s->n_owners == 1000 && s->n_classes == 1000 && s->n_train == 16000 && s->n_test == 8000);
  assert_string_equal(s->owners[1].name, "owl");
  for (int64_t i = 2; i < 1000; i++) /* no made-up name is another's */
    assert_true(strcmp(s->owners[i].name, s->owners[i - 1].name) != 0);
  vw_picture_set_close(s);
}

static void test_refused(void **state) {
  static const struct {
    vw_data_config data;
    const char *message;
  } cases[] = {
      {{.concepts = {2, two}, .counts = {0, 9, 9}}, "counts.classes is missing"},
      {{.concepts = {2, two}, .counts = {1, 9, 9}}, "counts.classes is 1, but there are 2 concepts"},
      {{.concepts = {2, two}, .classes = {4, four}, .counts = {3, 9, 9}},
       "counts.classes is 3, but 4 classes are listed"},
      {{.concepts = {2, two}, .counts = {5, 0, 9}}, "counts.train is missing"},
      {{.concepts = {2, two}, .counts = {5, 9, 0}}, "counts.test is missing"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    vw_picture_set *s = NULL;
    assert_int_equal(vw_picture_set_count(&s, &cases[i].data), VW_ERR_INPUT);
    assert_string_equal(vw_error_message(), cases[i].message);
    assert_null(s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_listed_classes), cmocka_unit_test(test_counted_classes),
                                     cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
