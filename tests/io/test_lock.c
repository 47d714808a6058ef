/* The lock of an output directory, and files that are there completely or not at all. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/durable.h"
#include "io/lock.h"
#include "tests/support/test.h"

static char dir[64];

static int make_dir(void **state) {
  (void)state;
  (void)snprintf(dir, sizeof dir, "/tmp/vw-lock-XXXXXX");
  return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
  char command[128];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
  return system(command);
}

/* A child takes the lock, says so, and dies without releasing it when the pipe closes. */
static pid_t child_with_lock(int *go, int *ready) {
  int to[2], from[2];
  assert_int_equal(pipe(to), 0);
  assert_int_equal(pipe(from), 0);
  const pid_t child = fork();
  if (child == 0) {
    vw_lock lock = {0};
    char byte = 0;
    (void)close(to[1]), (void)close(from[0]);
    const vw_status st = vw_lock_take(&lock, dir, NULL);
    if (write(from[1], st == VW_OK ? "y" : "n", 1) != 1 || read(to[0], &byte, 1) != 0) _exit(2);
    _exit(st == VW_OK ? 0 : 1);
  }
  (void)close(to[0]), (void)close(from[1]);
  *go = to[1], *ready = from[0];
  return child;
}

static char path[VW_PATH_BYTES];
static const vw_lock_how quick = {.beat = 0.02, .lease = 0.3}, lasting = {.beat = 0.02, .lease = 1e9};

static void plant(const char *name, const char *text) {
  assert_ok(vw_path_format(path, "%s/%s", dir, name));
  assert_ok(vw_file_write(path, text, (int64_t)strlen(text)));
}

static void test_lock(void **state) {
  vw_lock lock = {0}, again = {0};
  int go, ready, status;
  char byte = 0;
  (void)state;
  const pid_t child = child_with_lock(&go, &ready);
  assert_int_equal(read(ready, &byte, 1), 1);
  assert_int_equal(byte, 'y');
  assert_int_equal(vw_lock_take(&lock, dir, &lasting), VW_ERR_INPUT); /* at once */
  assert_non_null(strstr(vw_error_message(), "is working here"));
  (void)close(go);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  (void)close(ready);
  assert_ok(vw_lock_take(&lock, dir, &lasting)); /* the owner is dead: at once */
  assert_true(lock.held);
  assert_int_equal(vw_lock_take(&again, dir, &lasting), VW_ERR_INPUT);
  vw_lock_release(&lock);
  assert_ok(vw_lock_take(&again, dir, NULL));
  vw_lock_release(&again);
  plant(".lock", "");                           /* torn by a power failure */
  plant(".lock.partial-0123456789abcdef", "x"); /* of a process killed while it took the lock */
  plant(".lock.partial-mine", "x");
  plant("notes.partial-0123456789abcdef", "x");
  assert_ok(vw_lock_take(&lock, dir, &lasting));
  assert_ok(vw_path_format(path, "%s/.lock.partial-0123456789abcdef", dir));
  assert_false(vw_file_exists(path));
  assert_ok(vw_path_format(path, "%s/.lock.partial-mine", dir));
  assert_true(vw_file_exists(path));
  assert_ok(vw_path_format(path, "%s/notes.partial-0123456789abcdef", dir));
  assert_true(vw_file_exists(path));
  vw_lock_release(&lock);
  plant(".lock", "host elsewhere-7 pid 1 born 5\n"); /* of a version without a lease: it gives no sign of life */
  assert_int_equal(vw_lock_take(&lock, dir, &quick), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "elsewhere-7"));
  assert_ok(vw_file_remove(path));
}

/* An owner on another host that does not count is replaced after the lease; one that counts is not. */
static void test_lease(void **state) {
  static const char text[] = "viswords lock 2\nepoch 0123456789abcdef0123456789abcdef\nhost elsewhere-7\nboot b\n"
                             "namespace 1\npid 1\nborn 5\ncounter %016d\n";
  char counted[sizeof text + 16];
  vw_lock lock = {0};
  (void)state;
  (void)snprintf(counted, sizeof counted, text, 0);
  plant(".lock", counted);
  assert_ok(vw_lock_take(&lock, dir, &quick));
  assert_true(lock.held);
  assert_string_not_equal(lock.epoch, "0123456789abcdef0123456789abcdef");
  vw_lock_release(&lock);
  plant(".lock", counted);
  const pid_t owner = fork();
  if (owner == 0)
    for (int i = 1;; i++) {
      (void)usleep(20000);
      (void)snprintf(counted, sizeof counted, text, i);
      (void)vw_file_write(path, counted, (int64_t)strlen(counted));
    }
  assert_int_equal(vw_lock_take(&lock, dir, &lasting), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "process 1 on elsewhere-7 is working here"));
  assert_false(lock.held);
  assert_int_equal(kill(owner, SIGKILL), 0);
  assert_int_equal(waitpid(owner, NULL, 0), owner);
  (void)unlink(path);
}

/* The owner's counter moves, in the file that it put in place. */
static void test_counter(void **state) {
  vw_lock lock = {0};
  char *first = NULL, *now = NULL;
  (void)state;
  assert_ok(vw_lock_take(&lock, dir, &quick));
  assert_ok(vw_file_read(lock.path, &first, NULL));
  for (;;) {
    assert_ok(vw_file_read(lock.path, &now, NULL));
    if (strcmp(first, now) != 0) break;
    free(now);
    (void)usleep(1000);
  }
  assert_int_equal(strlen(first), strlen(now));
  assert_memory_equal(first, now, strlen(first) - 17);
  free(first), free(now);
  vw_lock_release(&lock);
}

/* Whoever lost the lock commits nothing more below the directory, nor do the ranks that follow; elsewhere they may. */
static void test_lost(void **state) {
  vw_lock lock = {0}, rank = {0}, taker = {0};
  char inside[VW_PATH_BYTES], elsewhere[VW_PATH_BYTES];
  (void)state;
  assert_ok(vw_path_format(inside, "%s/study.yaml", dir));
  assert_ok(vw_path_format(elsewhere, "%s-file", dir));
  assert_ok(vw_lock_take(&lock, dir, &quick));
  assert_ok(vw_file_write(inside, "old", 3));
  assert_ok(vw_lock_follow(&rank, dir, NULL, lock.epoch));
  assert_ok(vw_file_write(inside, "old", 3));
  plant(".lock",
        "viswords lock 2\nepoch 0123456789abcdef0123456789abcdef\nhost h\nboot b\nnamespace 1\npid 77\nborn 5\n"
        "counter 0000000000000000\n");
  for (int i = 0; i < 2; i++) {
    assert_int_equal(vw_file_write(inside, "new", 3), VW_ERR_IO);
    assert_non_null(strstr(vw_error_message(), "process 77 on h took over"));
    assert_int_equal(vw_file_remove(inside), VW_ERR_IO);
    assert_int_equal(vw_lock_check(i ? &rank : &lock), VW_ERR_IO);
    vw_lock_release(i ? &taker : &lock); /* the guard that stays is the follower's */
  }
  assert_ok(vw_file_write(elsewhere, "new", 3));
  assert_ok(vw_file_remove(elsewhere));
  assert_true(vw_file_exists(path)); /* the other's lock is not given back */
  (void)unlink(path);
  assert_int_equal(vw_lock_check(&rank), VW_ERR_IO);
  assert_non_null(strstr(vw_error_message(), "lock is gone"));
  vw_lock_release(&rank);
  assert_ok(vw_lock_check(&rank));
  assert_ok(vw_file_write(inside, "new", 3));
}

static bool stop_at_third(void *user) {
  return ++*(int *)user == 3;
}

/* Parts have locks of their own; a short lock is waited for; waiting ends when asked to. */
static void test_parts(void **state) {
  const vw_lock_how one = {.part = "1-of-2"}, two = {.part = "2-of-2"}, bad = {.part = "../x"};
  int asked = 0;
  const vw_lock_how brief = {.part = "1-of-2", .is_short = true},
                    until = {.part = "1-of-2", .is_short = true, .stop = stop_at_third, .user = &asked};
  vw_lock a = {0}, b = {0}, c = {0};
  char owner[VW_LOCK_OWNER_BYTES];
  (void)state;
  assert_int_equal(vw_lock_take(&a, dir, &bad), VW_ERR_ARG);
  assert_ok(vw_lock_take(&a, dir, &one));
  assert_ok(vw_lock_take(&b, dir, &two));
  assert_int_equal(vw_lock_take(&c, dir, &one), VW_ERR_INPUT);
  assert_true(vw_lock_owner(dir, "1-of-2", owner));
  assert_false(vw_lock_owner(dir, NULL, owner));
  assert_ok(vw_lock_take(&c, dir, &until));
  assert_false(c.held);
  assert_int_equal(asked, 3);
  vw_lock_release(&a);
  vw_lock_release(&b);
  const pid_t child = fork();
  if (child == 0) {
    const vw_status st = vw_lock_take(&a, dir, &one);
    (void)usleep(200000);
    vw_lock_release(&a);
    _exit(st == VW_OK ? 0 : 1);
  }
  while (!vw_lock_owner(dir, "1-of-2", owner)) (void)usleep(1000);
  assert_ok(vw_lock_take(&c, dir, &brief));
  assert_true(c.held);
  assert_int_equal(waitpid(child, NULL, 0), child);
  vw_lock_release(&c);
}

/* No file: refused, at once, and not opened. */
static void test_special(void **state) {
  vw_lock lock = {0};
  char owner[VW_LOCK_OWNER_BYTES], other[VW_PATH_BYTES];
  (void)state;
  assert_ok(vw_path_format(path, "%s/.lock", dir));
  assert_ok(vw_path_format(other, "%s/other", dir));
  for (int i = 0; i < 4; i++) {
    const int made = i == 0   ? mkfifo(path, 0600)
                     : i == 1 ? mkdir(path, 0700)
                     : i == 2 ? symlink(other, path) /* to nothing */
                              : symlink(".lock", path);
    assert_int_equal(made, 0);
    assert_int_equal(vw_lock_take(&lock, dir, &quick), VW_ERR_INPUT);
    assert_non_null(strstr(vw_error_message(), i == 0 ? "a FIFO" : i == 1 ? "a directory" : "a symbolic link"));
    assert_true(vw_lock_owner(dir, NULL, owner));
    assert_int_equal(i == 1 ? rmdir(path) : unlink(path), 0);
    assert_false(vw_file_exists(other));
  }
}

static void test_write(void **state) {
  char *text = NULL;
  char command[160];
  int64_t bytes = 0, size = 0;
  vw_hash hash;
  (void)state;
  assert_ok(vw_path_format(path, "%s/a/b", dir));
  assert_ok(vw_folder_make(path));
  assert_ok(vw_folder_make(path));
  assert_ok(vw_path_format(path, "%s/a/b/file", dir));
  assert_ok(vw_file_write(path, "old", 3));

  /* A full disk, pretended: no file may grow beyond 100 bytes. */
  static char big[4096];
  struct rlimit old, small;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
  small = old, small.rlim_cur = 100;
  (void)signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  const vw_status st = vw_file_write(path, big, sizeof big);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
  assert_int_equal(st, VW_ERR_IO);
  assert_ok(vw_file_read(path, &text, &bytes));
  assert_int_equal(bytes, 3);
  assert_string_equal(text, "old");
  free(text);
  (void)snprintf(command, sizeof command, "[ \"$(ls -A '%s/a/b')\" = file ]", dir);
  assert_int_equal(system(command), 0); /* nothing is left beside */

  assert_ok(vw_file_hash(path, &hash, &size));
  const vw_hash expected = vw_hash_bytes("old", 3);
  assert_true(size == 3 && hash.lo == expected.lo && hash.hi == expected.hi);
  assert_ok(vw_file_remove(path));
  assert_ok(vw_file_remove(path));
  assert_false(vw_file_exists(path));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_lock),    cmocka_unit_test(test_lease),
                                     cmocka_unit_test(test_counter), cmocka_unit_test(test_lost),
                                     cmocka_unit_test(test_parts),   cmocka_unit_test(test_special),
                                     cmocka_unit_test(test_write)};
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
