/* A mapped file that is cut short: the process that looks at it says which file it was and ends with exit code 1; from
 * any thread, among many mappings; a bus error of something else stays what it was. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/mapping.h"
#include "io/safetensors.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGES = 8, PAGE = 4096, MANY = 40 };
static char folder[] = "/tmp/vw_mapping_XXXXXX";

static void path_of(int i, char path[VW_PATH_BYTES]) {
  assert_ok(vw_path_format(path, "%s/file\x1b-%d", folder, i)); /* a control character that must not be shown */
}

static volatile unsigned char *map(int i) {
  char path[VW_PATH_BYTES];
  void *at = NULL;
  path_of(i, path);
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ftruncate(fd, PAGES * PAGE) != 0) _exit(90);
  if (vw_map_file(fd, path, PAGES * PAGE, &at) != VW_OK) _exit(91);
  (void)close(fd);
  return at;
}

static void *touch_last(void *at) {
  const volatile unsigned char *bytes = at;
  return bytes[(PAGES - 1) * PAGE] ? at : NULL;
}

static void cut(int i) {
  char path[VW_PATH_BYTES];
  path_of(i, path);
  if (truncate(path, PAGE) != 0) _exit(92);
}

/* What a child says on standard error before it ends, and how it ends. */
static int child(void (*does)(void), char said[4096]) {
  int ends[2], status = 0;
  assert_int_equal(pipe(ends), 0);
  const pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    (void)dup2(ends[1], STDERR_FILENO);
    (void)close(ends[0]), (void)close(ends[1]);
    (void)signal(SIGBUS, SIG_DFL); /* the test program's own handler */
    does();
    _exit(0);
  }
  (void)close(ends[1]);
  size_t n = 0;
  for (ssize_t k; n < 4095 && (k = read(ends[0], said + n, 4095 - n)) > 0;) n += (size_t)k;
  said[n] = 0;
  (void)close(ends[0]);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return status;
}

static void expect_named(void (*does)(void), const char *name) {
  char said[4096];
  const int status = child(does, said);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 1) fail_msg("status %d: %s", status, said);
  if (!strstr(said, name) || !strstr(said, "was cut short") || said[strlen(said) - 1] != '\n' || strchr(said, '\x1b'))
    fail_msg("expected %s in: %s", name, said);
}

static void one_of_many(void) {
  volatile unsigned char *at[MANY];
  for (int i = 0; i < MANY; i++) at[i] = map(i);
  for (int i = 0; i < MANY; i += 3) vw_unmap_file((void *)(uintptr_t)at[i], PAGES * PAGE); /* rows are used again */
  for (int i = 0; i < MANY; i += 3) at[i] = map(i);
  cut(33);
  (void)touch_last((void *)(uintptr_t)at[32]);
  (void)touch_last((void *)(uintptr_t)at[33]);
}

static void on_a_thread(void) {
  pthread_t thread;
  volatile unsigned char *at = map(1);
  cut(1);
  if (pthread_create(&thread, NULL, touch_last, (void *)(uintptr_t)at) != 0) _exit(93);
  (void)pthread_join(thread, NULL);
}

static void with_a_handler_before(void) {
  (void)signal(SIGBUS, SIG_IGN); /* what MPI installs, say */
  on_a_thread();
}

static void weights(void) {
  char path[VW_PATH_BYTES];
  enum { N = 100000 };
  vw_safetensors *file;
  vw_tensor t;
  float *x = calloc(N, sizeof *x);
  vw_safetensors_entry entry = {.name = "x", .tensor = vw_shape(VW_F32, N)};
  entry.tensor.data = x;
  path_of(7, path);
  if (!x || vw_safetensors_write(path, &entry, 1, NULL, 0) != VW_OK || vw_safetensors_open(&file, path) != VW_OK ||
      vw_safetensors_find(file, "x", &t) != VW_OK)
    _exit(94);
  if (truncate(path, PAGE) != 0) _exit(92);
  (void)vw_safetensors_hash(file, NULL);
}

static void named(void **state) {
  (void)state;
  expect_named(one_of_many, "file?-33: ");
  expect_named(on_a_thread, "file?-1: ");
  expect_named(with_a_handler_before, "file?-1: ");
  expect_named(weights, "file?-7: ");
}

/* A mapping that is none of ours, ours unmapped, and a signal that somebody sends. */
static void foreign(void) {
  char path[VW_PATH_BYTES];
  volatile unsigned char *ours = map(2);
  path_of(3, path);
  const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || ftruncate(fd, PAGES * PAGE) != 0) _exit(90);
  void *at = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
  if (at == MAP_FAILED) _exit(91);
  cut(3);
  vw_unmap_file((void *)(uintptr_t)ours, PAGES * PAGE);
  (void)touch_last(at);
}

static void sent(void) {
  (void)map(2);
  (void)kill(getpid(), SIGBUS);
}

static void not_ours(void **state) {
  (void)state;
  char said[4096];
  void (*const cases[])(void) = {foreign, sent};
  for (int i = 0; i < 2; i++) {
    const int status = child(cases[i], said);
    if (strstr(said, "was cut short")) fail_msg("takes it for a file of its own: %s", said);
#ifndef __SANITIZE_ADDRESS__ /* which has a handler of its own */
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
#else
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(named), cmocka_unit_test(not_ours)};
  char path[VW_PATH_BYTES];
  if (!mkdtemp(folder)) return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  for (int i = 0; i < MANY; i++) {
    path_of(i, path);
    (void)unlink(path);
  }
  (void)rmdir(folder);
  return failed;
}
