/* Files that are looked at twice: the same, other bytes, come, gone; and nothing of this outside begin and end. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "core/inputs.h"
#include "io/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/vw_inputs_XXXXXX";

static void put(const char *text) {
  assert_ok(vw_file_write(path, text, (int64_t)strlen(text)));
}

static vw_status look(void) {
  char *data;
  const vw_status st = vw_file_read(path, &data, NULL);
  free(data);
  return st;
}

static void expect_changed(vw_status st) {
  assert_int_equal(st, VW_ERR_IO);
  if (!strstr(vw_error_message(), path) || !strstr(vw_error_message(), "changed while this run read it"))
    fail_msg("not the file's name and what happened: %s", vw_error_message());
}

static void read_twice(void **state) {
  (void)state;
  vw_inputs_begin();
  put("one");
  assert_ok(look());
  assert_ok(look());
  put("two"); /* of the same size */
  expect_changed(look());
  put("one"); /* back again: what was read holds */
  assert_ok(look());
  assert_ok(vw_inputs_end());
  put("two");
  assert_ok(look()); /* nobody remembers */
  vw_inputs_begin();
  assert_ok(look());
  put("one");
  expect_changed(look());
  (void)vw_inputs_end();
}

static void paused(void **state) {
  (void)state;
  vw_hash before, after;
  vw_inputs_begin();
  assert_ok(vw_inputs_digest(&before));
  put("one");
  vw_inputs_pause(true);
  assert_ok(look());
  vw_inputs_pause(false);
  assert_ok(vw_inputs_digest(&after));
  assert_memory_equal(&before, &after, sizeof before);
  put("two"); /* nothing was remembered of it */
  assert_ok(look());
  assert_ok(vw_inputs_digest(&after));
  assert_memory_not_equal(&before, &after, sizeof before);
  assert_ok(vw_inputs_end());
}

static void came_and_went(void **state) {
  (void)state;
  json_t *object;
  vw_inputs_begin();
  (void)unlink(path);
  assert_ok(vw_json_read_optional(path, &object)); /* not there: the defaults count */
  assert_null(object);
  put("{}");
  expect_changed(vw_json_read_optional(path, &object));
  (void)vw_inputs_end();
  vw_inputs_begin();
  assert_ok(vw_json_read_optional(path, &object));
  json_decref(object);
  (void)unlink(path);
  assert_false(vw_file_exists(path)); /* cannot say it itself */
  expect_changed(vw_inputs_end());
  vw_inputs_begin();
  assert_false(vw_file_exists(path));
  put("{}");
  assert_true(vw_file_exists(path));
  expect_changed(vw_inputs_end());
}

static void digests(void **state) {
  (void)state;
  vw_hash a, b, c;
  put("one");
  vw_inputs_begin();
  assert_ok(look());
  assert_ok(vw_inputs_digest(&a));
  assert_ok(look());
  assert_ok(vw_inputs_digest(&b));
  assert_ok(vw_inputs_end());
  put("two");
  vw_inputs_begin();
  assert_ok(look());
  assert_ok(vw_inputs_digest(&c));
  assert_ok(vw_inputs_end());
  assert_memory_equal(&a, &b, sizeof a);
  assert_memory_not_equal(&a, &c, sizeof a);
}

static void many(void **state) {
  (void)state;
  char name[64];
  vw_inputs_begin();
  for (int turn = 0; turn < 2; turn++)
    for (int i = 0; i < 300; i++) {
      (void)snprintf(name, sizeof name, "/nowhere/%d", i);
      assert_ok(vw_inputs_read(name, name, 10));
    }
  assert_int_equal(vw_inputs_read("/nowhere/299", "other bytes", 10), VW_ERR_IO);
  assert_ok(vw_inputs_end());
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(read_twice), cmocka_unit_test(paused),
                                     cmocka_unit_test(came_and_went), cmocka_unit_test(digests),
                                     cmocka_unit_test(many)};
  const int fd = mkstemp(path);
  if (fd < 0) return 1;
  (void)close(fd);
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  (void)unlink(path);
  return failed;
}
