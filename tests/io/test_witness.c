/* A file that is used while it may change: touched, copied, written in place with its time put back, replaced, gone. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/witness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/vw_witness_XXXXXX";

static void put_in_place(const char *text) {
  const int fd = open(path, O_WRONLY | O_TRUNC);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  (void)close(fd);
}

static void set_time(int64_t seconds) {
  const struct timespec both[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
  assert_int_equal(utimensat(AT_FDCWD, path, both, 0), 0);
}

static vw_witness take(bool hashed) {
  struct stat info;
  vw_witness w;
  int64_t bytes;
  assert_int_equal(stat(path, &info), 0);
  vw_witness_take(&w, &info);
  if (hashed) assert_ok(vw_file_hash(path, &w.hash, &bytes));
  w.hashed = hashed;
  return w;
}

static void expect_changed(vw_witness *w) {
  assert_int_equal(vw_witness_check(w, path), VW_ERR_IO);
  if (!strstr(vw_error_message(), path) || !strstr(vw_error_message(), "changed while this run used it"))
    fail_msg("not the file's name and what happened: %s", vw_error_message());
}

static void same(void **state) {
  (void)state;
  put_in_place("weights");
  set_time(1000000000);
  vw_witness w = take(true);
  assert_ok(vw_witness_check(&w, path));
  set_time(1100000000); /* looks otherwise, hashed again */
  assert_ok(vw_witness_check(&w, path));
  assert_int_equal(w.modified, 1100000000);
  assert_ok(vw_file_write(path, "weights", 7)); /* another inode */
  assert_ok(vw_witness_check(&w, path));
}

static void others(void **state) {
  (void)state;
  put_in_place("weights");
  set_time(1000000000);
  vw_witness w = take(true);
  put_in_place("Weights");
  set_time(1000000000); /* size and time of before: the time of the change tells */
  expect_changed(&w);
  expect_changed(&w);
  put_in_place("weights");
  assert_ok(vw_witness_check(&w, path));
  put_in_place("weigh");
  expect_changed(&w);
  assert_ok(vw_file_write(path, "Weights", 7));
  expect_changed(&w);
  (void)unlink(path);
  assert_int_equal(vw_witness_check(&w, path), VW_ERR_IO);
  assert_non_null(strstr(vw_error_message(), path));
  assert_ok(vw_file_write(path, "weights", 7));
  w = take(false); /* never hashed: looks are all there is */
  assert_ok(vw_witness_check(&w, path));
  set_time(1000000000);
  expect_changed(&w);
}

/* Written within the tick of a clock in which it was looked at: nothing shows, so a young file is hashed once more. */
static void young(void **state) {
  (void)state;
  put_in_place("weights");
  vw_witness w = take(true);
  assert_true(w.too_fresh);
  put_in_place("Weights");
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  const vw_hash hash = w.hash;
  vw_witness_take(&w, &info); /* as if both had fallen into one tick */
  w.hash = hash, w.hashed = true;
  expect_changed(&w);
}

/* Other bytes, and the old ones again: what was read in between is not known. A touch is not a write. */
static void back_again(void **state) {
  (void)state;
  put_in_place("weights");
  set_time(1000000000);
  vw_witness w = take(true);
  vw_witness_watch(&w, path);
  if (!w.watch) skip(); /* a system without inotify, or out of it */
  set_time(1100000000);
  assert_ok(vw_witness_check(&w, path));
  put_in_place("Weights");
  put_in_place("weights");
  expect_changed(&w);
  assert_ok(vw_file_write(path, "weights", 7));
  w = take(true);
  vw_witness_watch(&w, path);
  assert_ok(vw_file_write(path, "Weights", 7)); /* beside, and renamed: the mapped file stays what it was */
  assert_ok(vw_file_write(path, "weights", 7));
  assert_ok(vw_witness_check(&w, path));
}

static void compare(void **state) {
  (void)state;
  put_in_place("weights");
  set_time(1000000000);
  vw_witness theirs = take(true), mine = take(false);
  assert_ok(vw_witness_compare(&mine, &theirs, path));
  assert_true(mine.hashed);
  assert_memory_equal(&mine.hash, &theirs.hash, sizeof mine.hash);
  mine = take(false), mine.inode++; /* a copy on another node */
  assert_ok(vw_witness_compare(&mine, &theirs, path));
  put_in_place("Weights");
  mine = take(false);
  assert_int_equal(vw_witness_compare(&mine, &theirs, path), VW_ERR_IO);
  assert_non_null(strstr(vw_error_message(), path));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(same), cmocka_unit_test(others), cmocka_unit_test(young),
                                     cmocka_unit_test(back_again), cmocka_unit_test(compare)};
  const int fd = mkstemp(path);
  if (fd < 0) return 1;
  (void)close(fd);
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  (void)unlink(path);
  return failed;
}
