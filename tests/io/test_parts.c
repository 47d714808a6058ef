/* Parts of a study: how they are written, which locks exclude each other, what they leave. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"
#include "io/parts.h"
#include "tests/support/test.h"

static char dir[64];

static int make_dir(void **state) {
  (void)state;
  (void)snprintf(dir, sizeof dir, "/tmp/vw-parts-XXXXXX");
  vw_log_set_level(VW_LOG_ERROR);
  return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
  char command[128];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
  return system(command);
}

static const char *path_of(const char *name) {
  static char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(path, "%s/%s", dir, name));
  return path;
}

static void test_text(void **state) {
  static const char *const wrong[] = {"",      "1",
                                      "0/4",   "5/4",
                                      "1/0",   "a/4",
                                      "1/4x",  "1/4/4",
                                      "-1/4",  " 1/4",
                                      "1 /4",  "1/100001",
                                      "/4",    "1/",
                                      "+1/+4", "1//4",
                                      "1/4\n", "00000000000000000000001/4",
                                      "1.5/4", "1/99999999999999999999"};
  vw_study_part part;
  char name[VW_PART_TEXT];
  (void)state;
  assert_ok(vw_part_read("2/4", &part));
  assert_true(part.i == 2 && part.n == 4);
  vw_part_lock_name(part, name);
  assert_string_equal(name, "part-2-of-4");
  assert_ok(vw_part_read("100000/100000", &part));
  assert_ok(vw_part_read(NULL, &part));
  vw_part_lock_name(part, name);
  assert_true(part.n == 0 && !name[0]);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(vw_part_read(wrong[i], &part), VW_ERR_ARG);
    assert_non_null(strstr(vw_error_message(), "expected i/n"));
    assert_int_equal(part.n, 0);
  }
}

static void refused(vw_study_part part, const char *by) {
  vw_lock lock = {0};
  char name[VW_PART_TEXT], file[64];
  vw_part_lock_name(part, name);
  (void)snprintf(file, sizeof file, ".lock%s%s", name[0] ? "-" : "", name);
  const bool was_there = vw_file_exists(path_of(file));
  assert_int_equal(vw_part_lock_take(&lock, dir, part, NULL), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), by));
  assert_false(lock.held);
  assert_int_equal(vw_file_exists(path_of(file)), was_there); /* given back */
}

/* The whole study excludes all parts and the other way round; parts of one n live beside each other. */
static void test_exclusion(void **state) {
  static const vw_study_part whole = {0, 0}, first = {1, 2}, second = {2, 2}, other = {2, 4};
  vw_lock a = {0}, b = {0}, c = {0}, plan = {0};
  const vw_lock_how of_plan = {.part = "plan", .is_short = true};
  (void)state;
  assert_ok(vw_part_lock_take(&a, dir, first, NULL));
  assert_ok(vw_part_lock_take(&b, dir, second, NULL));
  assert_ok(vw_lock_take(&plan, dir, &of_plan)); /* excludes nobody and is excluded by nobody */
  refused(whole, "(.lock-part-");
  refused(other, "of-2)");
  refused(first, "is working here;");
  vw_lock_release(&a), vw_lock_release(&b);
  assert_ok(vw_part_lock_take(&c, dir, other, NULL));
  refused(first, "(.lock-part-2-of-4)");
  vw_lock_release(&c);
  assert_ok(vw_part_lock_take(&a, dir, whole, NULL));
  refused(first, "(.lock)");
  refused(whole, "is working here;");
  vw_lock_release(&plan), vw_lock_release(&a);
  assert_ok(vw_part_lock_take(&b, dir, first, NULL));
  vw_lock_release(&b);
}

static void leave_dead(vw_study_part part) {
  const pid_t child = fork();
  if (child == 0) {
    vw_lock lock = {0};
    _exit(vw_part_lock_take(&lock, dir, part, NULL) == VW_OK ? 0 : 1);
  }
  int status = 0;
  assert_true(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A dead owner's lock is removed by whom it excludes, and only by those. */
static void test_dead(void **state) {
  static const vw_study_part whole = {0, 0}, first = {1, 2}, second = {2, 2}, other = {3, 4};
  vw_lock lock = {0};
  (void)state;
  leave_dead(first);
  assert_true(vw_file_exists(path_of(".lock-part-1-of-2")));
  assert_ok(vw_part_lock_take(&lock, dir, second, NULL));
  assert_true(vw_file_exists(path_of(".lock-part-1-of-2")));
  vw_lock_release(&lock);
  assert_ok(vw_part_lock_take(&lock, dir, other, NULL));
  assert_false(vw_file_exists(path_of(".lock-part-1-of-2")));
  vw_lock_release(&lock);
  leave_dead(first);
  assert_ok(vw_part_lock_take(&lock, dir, whole, NULL));
  assert_false(vw_file_exists(path_of(".lock-part-1-of-2")));
  vw_lock_release(&lock);
  leave_dead(whole);
  assert_ok(vw_part_lock_take(&lock, dir, first, NULL));
  assert_false(vw_file_exists(path_of(".lock")));
  vw_lock_release(&lock);
}

static bool all(void *user, const char *part) {
  (void)user, (void)part;
  return true;
}
static bool at_once(void *user) {
  (void)user;
  return true;
}

/* One that cannot be seen is watched for the lease; its commits fail when it wakes up. */
static void test_unseen(void **state) {
  const vw_lock_how quick = {.beat = 0.02, .lease = 0.2, .excludes = all},
                    stops = {.beat = 0.02, .lease = 1e9, .excludes = all, .stop = at_once};
  static const char record[] = "viswords lock 2\nepoch 00000000000000000000000000000001\nhost elsewhere\nboot b\n"
                               "namespace 1\npid 17\nborn 1\ncounter 0000000000000000\n";
  vw_lock lock = {0}, asleep = {0};
  (void)state;
  assert_ok(vw_file_write(path_of(".lock-part-1-of-2"), record, (int64_t)strlen(record)));
  assert_ok(vw_lock_follow(&asleep, dir, "part-1-of-2", "00000000000000000000000000000001"));
  assert_ok(vw_lock_check(&asleep));
  assert_ok(vw_lock_take(&lock, dir, &stops));
  assert_false(lock.held || vw_file_exists(path_of(".lock")));
  assert_ok(vw_lock_take(&lock, dir, &quick));
  assert_true(lock.held);
  assert_false(vw_file_exists(path_of(".lock-part-1-of-2")));
  assert_int_equal(vw_lock_check(&asleep), VW_ERR_IO);
  vw_lock_release(&asleep), vw_lock_release(&lock);
  /* names that only look like a part's are nobody's */
  assert_ok(vw_file_write(path_of(".lock-part-01-of-2"), record, (int64_t)strlen(record)));
  assert_ok(vw_file_write(path_of(".lock-part-3-of-2"), record, (int64_t)strlen(record)));
  assert_ok(vw_part_lock_take(&lock, dir, (vw_study_part){0}, NULL));
  assert_true(vw_file_exists(path_of(".lock-part-01-of-2")) && vw_file_exists(path_of(".lock-part-3-of-2")));
  vw_lock_release(&lock);
}

static void see(void *user, vw_study_part part, const char *owner) {
  int64_t *seen = user;
  assert_non_null(strstr(owner, "process "));
  seen[part.i]++, seen[0] += part.n;
}

static void test_left(void **state) {
  int64_t seen[4] = {0}, n = -1;
  vw_lock a = {0}, b = {0};
  (void)state;
  assert_ok(vw_part_lock_take(&a, dir, (vw_study_part){1, 3}, NULL));
  assert_ok(vw_part_lock_take(&b, dir, (vw_study_part){3, 3}, NULL));
  vw_part_owners(dir, see, seen);
  assert_true(seen[0] == 6 && seen[1] == 1 && seen[2] == 0 && seen[3] == 1);
  assert_ok(vw_parts_read(dir, &n));
  assert_int_equal(n, 0);
  for (int64_t i = 3; i <= 12; i += 9) {
    assert_ok(vw_parts_write(dir, i));
    assert_ok(vw_parts_read(dir, &n));
    assert_int_equal(n, i);
  }
  assert_ok(vw_file_write(path_of("parts"), "many\n", 5));
  assert_ok(vw_parts_read(dir, &n));
  assert_int_equal(n, 0);
  vw_lock_release(&a), vw_lock_release(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_exclusion),
                                     cmocka_unit_test(test_dead), cmocka_unit_test(test_unseen),
                                     cmocka_unit_test(test_left)};
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
