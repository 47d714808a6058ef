/* study.h5 from a stranger: hundreds of damaged files whose checksums fit crash and hang nobody but the child that
 * reads them; a child that dies or is silent is an error that says so. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/durable.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/random.h"
#include "io/manifest.h"
#include "io/study/study_child.h"
#include "tests/support/test.h"

enum { ROWS = 40, WIDTH = 8, FILES = 400, SECONDS = 20 };

static char dir[64], path[VW_PATH_BYTES], partial[VW_PATH_BYTES];
static char *whole; /* an undamaged file */
static int64_t whole_bytes;

static void write_study(void) {
  vw_ranks alone;
  vw_study_file *f = NULL;
  static float words[ROWS * WIDTH];
  static int64_t rows[ROWS];
  static char ids[ROWS * 4];
  const vw_row_range all = {0, ROWS};
  const vw_study_data scale = {"/trials/id", VW_U8, 4, 1, {ROWS}, "utf-8", "of the trial", {NULL}},
                      steps = {"/trials/steps", VW_I64, 0, 1, {ROWS}, "1", "steps done", {"/trials/id"}},
                      table = {"/trials/words/clip", VW_F32, 0, 2, {ROWS, WIDTH}, "1", "learned words",
                               {"/trials/id", NULL}};
  for (int i = 0; i < ROWS * WIDTH; i++) words[i] = (float)i;
  for (int i = 0; i < ROWS; i++) rows[i] = i, ids[4 * i] = (char)('a' + i % 26), ids[4 * i + 1] = (char)('a' + i / 26);
  vw_ranks_single(&alone);
  assert_ok(vw_study_file_create(&alone, path, &f));
  assert_ok(vw_study_file_write_scale(f, &scale, &all, 1, ids));
  assert_ok(vw_study_file_write_rows(f, &steps, &all, 1, rows));
  assert_ok(vw_study_file_write_rows(f, &table, &all, 1, words));
  assert_ok(vw_study_file_write_text(f, "/config/study", "study: small\n", 13));
  assert_ok(vw_study_file_attribute_text(f, "/", "title", "a study"));
  assert_ok(vw_study_file_attribute_number(f, "/words", "seed", 7));
  assert_ok(vw_study_file_close(f, VW_OK));
}

static int set_up(void **state) {
  (void)state;
  (void)snprintf(dir, sizeof dir, "%s/vw-reader-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  vw_log_set_level(VW_LOG_ERROR);
  assert_non_null(mkdtemp(dir));
  assert_ok(vw_path_format(path, "%s/study.h5", dir));
  assert_ok(vw_path_format(partial, "%s/study.h5.partial", dir));
  write_study();
  return vw_file_read(path, &whole, &whole_bytes) == VW_OK ? 0 : -1;
}

static int tear_down(void **state) {
  char command[128];
  (void)state;
  free(whole);
  (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
  return system(command);
}

/* Puts these bytes in the place of study.h5, vouched for. */
static void put(const char *bytes, int64_t n) {
  assert_ok(vw_file_write(partial, bytes, n));
  assert_ok(vw_manifest_commit(partial, path));
}

static uint32_t draw(uint32_t seed, uint32_t i, int64_t below) {
  return (uint32_t)(vw_philox4x32(2406, seed, i, 0, 0).v[0] % (uint64_t)below);
}

/* One damaged file a seed: bits, bytes, 8-byte numbers, a piece moved, an end cut off; most of it where HDF5 keeps its
 * own structures, at the beginning and around their signatures. */
static int64_t damage(uint32_t seed, char *bytes) {
  static const char *const marks[] = {"OHDR", "TREE", "SNOD", "HEAP", "FRHP", "BTHD", "GCOL", "\x89HDF"};
  static const uint64_t numbers[] = {0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0xffffffff, UINT64_MAX, INT64_MAX, 1u << 20};
  memcpy(bytes, whole, (size_t)whole_bytes);
  const int changes = 1 + (int)draw(seed, 0, 6);
  for (uint32_t c = 0; c < (uint32_t)changes; c++) {
    int64_t at = draw(seed, 8 * c + 1, draw(seed, 8 * c + 2, 2) ? 2048 : whole_bytes - 16);
    const char *mark = marks[draw(seed, 8 * c + 3, 8)];
    const char *found = memmem(bytes + at, (size_t)(whole_bytes - at), mark, 4);
    if (found && found - bytes < whole_bytes - 96 && draw(seed, 8 * c + 4, 2))
      at = found - bytes + draw(seed, 8 * c + 5, 64);
    const uint32_t how = draw(seed, 8 * c + 6, 4), value = draw(seed, 8 * c + 7, 256);
    if (how == 0) bytes[at] = (char)((unsigned char)bytes[at] ^ (1u << value % 8));
    if (how == 1) bytes[at] = (char)value;
    if (how == 2) memcpy(bytes + at, &numbers[value % 10], 1u << value / 10 % 4);
    if (how == 3) memmove(bytes + at, bytes + draw(seed, 8 * c + 8, whole_bytes - 32), 1 + value % 16);
  }
  return draw(seed, 200, 12) ? whole_bytes : 1 + draw(seed, 201, whole_bytes);
}

/* Every data set that the file says it has. */
static vw_status read_all(vw_study_reader *r) {
  for (int64_t i = 0; i < vw_study_reader_count(r); i++) {
    void *values = NULL;
    const vw_status st = vw_study_reader_read(r, vw_study_reader_data(r, i)->path, &values);
    free(values);
    if (st != VW_OK) return st;
  }
  return VW_OK;
}

static vw_status open_and_read(int seconds) {
  vw_study_reader *r = NULL;
  vw_status st = vw_study_reader_open_within(path, seconds, &r);
  if (st == VW_OK) st = read_all(r);
  vw_study_reader_close(r);
  return st;
}

static void test_whole(void **state) {
  vw_study_reader *r = NULL;
  void *words = NULL;
  (void)state;
  assert_ok(vw_study_reader_open(path, &r));
  assert_int_equal(vw_study_reader_count(r), 4);
  const vw_study_data *d = vw_study_reader_find(r, "/trials/words/clip");
  assert_true(d && d->dtype == VW_F32 && d->ndim == 2 && d->dim[1] == WIDTH);
  assert_string_equal(d->description, "learned words");
  assert_ok(vw_study_reader_read(r, "/trials/words/clip", &words));
  assert_true(((const float *)words)[ROWS * WIDTH - 1] == ROWS * WIDTH - 1);
  free(words);
  assert_int_equal(vw_study_reader_read(r, "/words/owl", &words), VW_ERR_INPUT);
  assert_null(words);
  assert_ok(read_all(r));
  vw_study_reader_close(r);
}

/* Two at once, closed in the order of opening. */
static void test_two(void **state) {
  vw_study_reader *r[2] = {NULL, NULL};
  (void)state;
  for (int i = 0; i < 2; i++) assert_ok(vw_study_reader_open(path, &r[i]));
  for (int i = 0; i < 2; i++) assert_ok(read_all(r[i]));
  for (int i = 0; i < 2; i++) vw_study_reader_close(r[i]);
}

static void test_damaged(void **state) {
  char *bytes = malloc((size_t)whole_bytes);
  int64_t fine = 0, refused = 0, stopped = 0;
  (void)state;
  assert_non_null(bytes);
  for (uint32_t seed = 0; seed < FILES; seed++) {
    put(bytes, damage(seed, bytes));
    const vw_status st = open_and_read(SECONDS);
    const char *message = vw_error_message();
    fine += st == VW_OK, refused += st != VW_OK;
    if (st == VW_OK) continue;
    if (!(st == VW_ERR_INPUT || st == VW_ERR_IO || st == VW_ERR_MEMORY) || !message[0] || strchr(message, '\n'))
      fail_msg("seed %u: %s: '%s'", seed, vw_status_name(st), message);
    stopped += strstr(message, "the HDF5 library") != NULL;
    if (getenv("VISWORDS_SHOW")) print_message("seed %u: %s\n", seed, message);
  }
  print_message("%lld read, %lld refused, of these %lld because the child ended\n", (long long)fine, (long long)refused,
                (long long)stopped);
  assert_true(refused > FILES / 10); /* the damage reaches HDF5's structures */
  put(whole, whole_bytes);
  assert_ok(open_and_read(SECONDS));
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
  free(bytes);
}

/* What a crash and a hang of HDF5 look like. */
static void test_child_stops(void **state) {
  (void)state;
#ifndef VW_FAULTS
  skip();
#endif
  put(whole, whole_bytes);
  assert_int_equal(setenv("VISWORDS_FAULT", "reading:study=kill", 1), 0);
  vw_fault_reset();
  assert_int_equal(open_and_read(SECONDS), VW_ERR_INPUT);
  assert_non_null(
      strstr(vw_error_message(), "damaged or hostile: the HDF5 library stopped with signal 9 while reading"));
  assert_int_equal(setenv("VISWORDS_FAULT", "reading:study=pause", 1), 0);
  vw_fault_reset();
  assert_int_equal(open_and_read(1), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "damaged or hostile: the HDF5 library was silent for 1 s"));
  assert_int_equal(setenv("VISWORDS_FAULT", "reading:study=eio", 1), 0);
  vw_fault_reset();
  assert_int_equal(open_and_read(SECONDS), VW_ERR_IO);
  assert_non_null(strstr(vw_error_message(), "(injected)"));
  assert_int_equal(unsetenv("VISWORDS_FAULT"), 0);
  vw_fault_reset();
  assert_ok(open_and_read(SECONDS));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_two),
                                     cmocka_unit_test(test_damaged), cmocka_unit_test(test_child_stops)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
