/* Memory of a machine: what it has, and what control groups of both versions leave of it. */
#include "tests/support/test.h"

#include "core/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char root[64];

static void put(const char *folder, const char *name, const char *text) {
  char path[256];
  (void)snprintf(path, sizeof path, "%s/%s", root, folder);
  (void)mkdir(path, 0700);
  (void)snprintf(path, sizeof path, "%s/%s%s", root, folder, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  assert_true(fputs(text, f) >= 0);
  assert_int_equal(fclose(f), 0);
}

static int64_t memory_of(const char *groups) {
  char path[256];
  put("", "groups", groups);
  (void)snprintf(path, sizeof path, "%s/groups", root);
  return vw_machine_memory(path, root);
}

static void groups_limit_what_the_machine_has(void **state) {
  (void)state;
  const int64_t all = vw_machine_memory("/nowhere", root);
  assert_true(all > INT64_C(1) << 24 && vw_machine_memory_free() <= all);
  put("", "memory.max", "max\n");
  put("job/", "memory.max", "4194304\n");
  put("huge/", "memory.max", "9223372036854771712\n");
  put("memory/", "memory.limit_in_bytes", "9223372036854771712\n");
  put("memory/old/", "memory.limit_in_bytes", "8388608\n");
  assert_int_equal(memory_of("0::/\n"), all);
  assert_int_equal(memory_of("0::/job\n"), 4194304);
  assert_int_equal(memory_of("0::/job/step\n"), 4194304); /* a group's parent limits it too */
  assert_int_equal(memory_of("0::/huge\n"), all);
  assert_int_equal(memory_of("6:memory:/old\n"), 8388608);
  assert_int_equal(memory_of("6:cpu:/old\n6:memory:/\n"), all);
}

static int set_up(void **state) {
  (void)state;
  (void)snprintf(root, sizeof root, "/tmp/viswords-machine-XXXXXX");
  return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state) {
  char command[96];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf %s", root);
  return system(command);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(groups_limit_what_the_machine_has, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
