/* The lock of an output directory, and files that are there completely or not at all. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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
    vw_lock lock;
    char byte = 0;
    (void)close(to[1]), (void)close(from[0]);
    const vw_status st = vw_lock_take(&lock, dir);
    if (write(from[1], st == VW_OK ? "y" : "n", 1) != 1 || read(to[0], &byte, 1) != 0) _exit(2);
    _exit(st == VW_OK ? 0 : 1);
  }
  (void)close(to[0]), (void)close(from[1]);
  *go = to[1], *ready = from[0];
  return child;
}

static void test_lock(void **state) {
  vw_lock lock, again;
  int go, ready, status;
  char byte = 0, path[VW_PATH_BYTES];
  (void)state;
  const pid_t child = child_with_lock(&go, &ready);
  assert_int_equal(read(ready, &byte, 1), 1);
  assert_int_equal(byte, 'y');
  assert_int_equal(vw_lock_take(&lock, dir), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "is working here"));
  (void)close(go);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  (void)close(ready);
  assert_ok(vw_lock_take(&lock, dir)); /* the owner is dead */
  assert_int_equal(vw_lock_take(&again, dir), VW_ERR_INPUT);
  vw_lock_release(&lock);
  assert_ok(vw_lock_take(&again, dir));
  vw_lock_release(&again);
  assert_ok(vw_path_format(path, "%s/.lock", dir));
  assert_ok(vw_file_write(path, "", 0)); /* torn by a power failure */
  char host[64] = "", beside[VW_PATH_BYTES], other[VW_PATH_BYTES];
  assert_int_equal(gethostname(host, sizeof host - 1), 0);
  assert_ok(
      vw_path_format(beside, "%s/.lock.%s.1.partial", dir, host)); /* of a process killed while it took the lock */
  assert_ok(vw_path_format(other, "%s/.lock.elsewhere-7.1.partial", dir)); /* may be at work */
  assert_ok(vw_file_write(beside, "x", 1));
  assert_ok(vw_file_write(other, "x", 1));
  assert_ok(vw_lock_take(&lock, dir));
  assert_false(vw_file_exists(beside));
  assert_true(vw_file_exists(other));
  vw_lock_release(&lock);
  assert_ok(vw_file_write(path, "host elsewhere-7 pid 1 born 5\n", 30));
  assert_int_equal(vw_lock_take(&lock, dir), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "elsewhere-7"));
  assert_ok(vw_file_remove(path));
}

static void test_write(void **state) {
  char path[VW_PATH_BYTES], partial[VW_PATH_BYTES + 16], *text = NULL;
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
  (void)snprintf(partial, sizeof partial, "%s.partial", path);
  assert_false(vw_file_exists(partial));

  assert_ok(vw_file_hash(path, &hash, &size));
  const vw_hash expected = vw_hash_bytes("old", 3);
  assert_true(size == 3 && hash.lo == expected.lo && hash.hi == expected.hi);
  assert_ok(vw_file_remove(path));
  assert_ok(vw_file_remove(path));
  assert_false(vw_file_exists(path));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_lock), cmocka_unit_test(test_write)};
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
