/* What is opened, appended to and made, and what is not: links, FIFOs, devices, directories. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/foreign.h"
#include "tests/support/test.h"

static char dir[64], path[VW_PATH_BYTES];

static int make_dir(void **state) {
  (void)state;
  (void)snprintf(dir, sizeof dir, "/tmp/vw-foreign-XXXXXX");
  return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
  char command[128];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
  return system(command);
}

static const char *at(const char *name) {
  assert_ok(vw_path_format(path, "%s/%s", dir, name));
  return path;
}

static void test_open(void **state) {
  int fd = -1;
  struct stat info;
  char *text = NULL;
  (void)state;
  assert_ok(vw_file_write(at("file"), "text", 4));
  assert_int_equal(symlink("file", at("link")), 0);
  assert_ok(vw_foreign_open(at("link"), &fd, &info));
  assert_int_equal(info.st_size, 4);
  assert_int_equal(close(fd), 0);
  assert_int_equal(vw_foreign_open_own(at("link"), &fd, NULL), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "/link: a symbolic link"));
  assert_int_equal(fd, -1);
  assert_int_equal(symlink("loop", at("loop")), 0);
  assert_int_equal(vw_foreign_open(at("loop"), &fd, NULL), VW_ERR_IO);
  assert_int_equal(vw_foreign_open(at("none"), &fd, NULL), VW_ERR_IO);
  assert_int_equal(mkfifo(at("fifo"), 0600), 0);
  assert_int_equal(vw_file_read(path, &text, NULL), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "/fifo: a FIFO; expected a file"));
  assert_int_equal(vw_file_read("/dev/zero", &text, NULL), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "a device"));
  assert_int_equal(vw_file_read(dir, &text, NULL), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "a directory"));
}

static void test_append(void **state) {
  static const struct {
    const char *name, *what;
  } bad[] = {{"link", "a symbolic link"}, {"loop", "a symbolic link"}, {"fifo", "a FIFO"}, {"hard", "a second name"}};
  char other[VW_PATH_BYTES], *text = NULL;
  int fd = -1;
  (void)state;
  memcpy(other, at("file"), sizeof other);
  assert_int_equal(link(other, at("hard")), 0);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(vw_file_append(at(bad[i].name), &fd), VW_ERR_INPUT);
    assert_non_null(strstr(vw_error_message(), bad[i].what));
    assert_int_equal(fd, -1);
  }
  assert_int_equal(unlink(at("hard")), 0);
  for (int i = 0; i < 2; i++) {
    assert_ok(vw_file_append(at("log"), &fd));
    assert_int_equal(write(fd, "line\n", 5), 5);
    assert_int_equal(close(fd), 0);
  }
  assert_ok(vw_file_read(path, &text, NULL));
  assert_string_equal(text, "line\nline\n");
  free(text);
}

static void test_folder(void **state) {
  char made[VW_PATH_BYTES];
  (void)state;
  for (int i = 0; i < 2; i++) assert_ok(vw_subfolder_make(dir, "folder", made));
  assert_int_equal(symlink("folder", at("pointer")), 0);
  assert_int_equal(vw_subfolder_make(dir, "pointer", made), VW_ERR_INPUT);
  assert_int_equal(vw_subfolder_make(dir, "file", made), VW_ERR_INPUT);
  assert_int_equal(vw_subfolder_make(dir, "none/folder", made), VW_ERR_IO);
}

static bool is_ours(const char *name) {
  return strcmp(name, "x") == 0;
}

/* A partial file whose writer lives stays; so does what only looks like one. */
static void test_sweep(void **state) {
  static const char *const stay[] = {
      "x.partial-", "x.partial-0123456789abcde", "x.partial-0123456789abcdeX", "y.partial-0123456789abcdef", "x",
      "y.deleted"};
  vw_partial open;
  (void)state;
  for (size_t i = 0; i < sizeof stay / sizeof *stay; i++) assert_ok(vw_file_write(at(stay[i]), "", 0));
  assert_ok(vw_file_write(at("x.partial-0123456789abcdef"), "", 0));
  assert_ok(vw_file_write(at("x.deleted"), "", 0));
  assert_ok(vw_partial_open(&open, at("x")));
  vw_folder_sweep(dir, is_ours, 3600);
  assert_true(vw_file_exists(at("x.deleted"))); /* young */
  vw_folder_sweep(dir, is_ours, 0);
  assert_false(vw_file_exists(at("x.deleted")));
  assert_false(vw_file_exists(at("x.partial-0123456789abcdef")));
  for (size_t i = 0; i < sizeof stay / sizeof *stay; i++) assert_true(vw_file_exists(at(stay[i])));
  assert_true(vw_file_exists(open.path));
  assert_int_equal(vw_partial_close(&open, VW_ERR_IO), VW_ERR_IO);
  assert_false(vw_file_exists(open.path));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_open), cmocka_unit_test(test_append),
                                     cmocka_unit_test(test_folder), cmocka_unit_test(test_sweep)};
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
