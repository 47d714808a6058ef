/* What is read of pictures: once for a file, again where it is another; nothing is remembered outside begin and end. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "tasks/looks.h"

#include <stdio.h>
#include <unistd.h>

static void test_looks(void **state) {
  (void)state;
  vw_ranks one;
  vw_hash first, second, expected;
  int64_t bytes = 0;
  bool turned = true;
  const char *fox = VW_SOURCE_DIR "/data/objects/train/fox/00.jpg";
  vw_ranks_single(&one);
  vw_looks_begin();
  assert_ok(vw_look_at(fox, &first, &turned));
  assert_ok(vw_file_hash(fox, &expected, &bytes));
  assert_memory_equal(&first, &expected, sizeof first);
  assert_false(turned);
  assert_int_equal(vw_looks_read(), 1);
  assert_ok(vw_looks_share(&one));
  assert_ok(vw_look_at(VW_SOURCE_DIR "/data/objects/train/fox/01.jpg", &second, NULL));
  assert_memory_not_equal(&first, &second, sizeof first);
  assert_int_equal(vw_looks_read(), 2);
  assert_int_not_equal(vw_look_at(VW_SOURCE_DIR "/nowhere.jpg", &second, NULL), VW_OK);
  vw_looks_end();
  assert_int_equal(vw_looks_read(), 0);
  assert_ok(vw_look_at(fox, &second, NULL)); /* outside: reads all the same */
  assert_memory_equal(&first, &second, sizeof first);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_looks)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
