/* Records of ranks: written and read again, torn and damaged ones, all ranks together. */
#include "io/rank_file.h"

#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANKS = 3 };

static char dir[64], path[VW_PATH_BYTES];

static int make_dir(void **state) {
  char log[VW_PATH_BYTES];
  (void)state;
  (void)snprintf(dir, sizeof dir, "/tmp/vw-ranks-XXXXXX");
  if (!mkdtemp(dir) || vw_subfolder_make(dir, "log", log) != VW_OK) return -1;
  return vw_rank_file_path(dir, "", path) == VW_OK ? 0 : -1;
}

static int remove_dir(void **state) {
  char command[128];
  (void)state;
  (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
  return system(command);
}

static vw_run_record some_run(void) {
  return (vw_run_record){.state = "running",
                         .stage = "learn",
                         .unit = "trials",
                         .host = "node\"1\n",
                         .ranks = RANKS,
                         .items = 10,
                         .total = 100,
                         .before = 20,
                         .cost = 1000,
                         .is_operations = true,
                         .started = 1000,
                         .stage_started = 1000,
                         .time = 1010};
}

static vw_rank_record some_rank(int64_t rank) {
  return (vw_rank_record){.state = "working",
                          .host = "node1",
                          .stage = "learn",
                          .item = "0123456789abcdef",
                          .rank = rank,
                          .step = 25,
                          .steps = 100,
                          .units = 8,
                          .done = 8,
                          .items = 1,
                          .unit_steps = 1000,
                          .step_seconds = 2,
                          .cost = 100,
                          .cost_done = 100,
                          .cost_made = 125,
                          .loss = NAN,
                          .started = 1000,
                          .time = 1010};
}

static void test_round_trip(void **state) {
  vw_run_record run = some_run(), read;
  vw_rank_record mine = some_rank(1), *ranks;
  struct stat info;
  (void)state;
  assert_ok(vw_rank_file_create(path, &run));
  mine.loss = 0.25;
  for (int i = 0; i < 5; i++) { /* over the same line again and again */
    mine.step++;
    assert_ok(vw_rank_file_put(path, &mine));
  }
  run.before = 21;
  assert_ok(vw_rank_file_put_run(path, &run));
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_size, (RANKS + 1) * VW_RANK_RECORD);
  assert_ok(vw_rank_file_read(path, &read, &ranks));
  assert_true(read.before == 21 && read.ranks == RANKS && read.is_operations && read.cost == 1000);
  assert_string_equal(read.host, run.host);
  assert_true(!ranks[0].state[0] && !ranks[2].state[0] && ranks[2].rank == 2);
  assert_true(ranks[1].step == mine.step && ranks[1].loss == 0.25 && ranks[1].time == mine.time);
  assert_string_equal(ranks[1].item, mine.item);
  free(ranks);
}

/* Names that do not fit with their escapes are left out, the numbers stay. */
static void test_long_names(void **state) {
  const vw_run_record run = some_run();
  vw_run_record read;
  vw_rank_record mine = some_rank(2), *ranks;
  (void)state;
  memset(mine.host, 1, sizeof mine.host - 1), memset(mine.item, 1, sizeof mine.item - 1);
  assert_ok(vw_rank_file_create(path, &run));
  assert_ok(vw_rank_file_put(path, &mine));
  assert_ok(vw_rank_file_read(path, &read, &ranks));
  assert_string_equal(ranks[2].host, "?");
  assert_int_equal(ranks[2].step, 25);
  free(ranks);
}

/* Whatever byte of a line changes, the line is nobody's; of the first line, the file is no such file. */
static void test_damage(void **state) {
  const vw_run_record run = some_run();
  const vw_rank_record mine = some_rank(0);
  vw_run_record read;
  vw_rank_record *ranks;
  char *text;
  int64_t bytes;
  (void)state;
  assert_ok(vw_rank_file_create(path, &run));
  assert_ok(vw_rank_file_put(path, &mine));
  assert_ok(vw_file_read(path, &text, &bytes));
  for (int64_t i = 0; i < 2 * VW_RANK_RECORD; i++) {
    text[i] ^= 1;
    const vw_status st = vw_rank_file_parse(path, text, bytes, &read, &ranks);
    assert_int_equal(st, i < VW_RANK_RECORD ? VW_ERR_INPUT : VW_OK);
    if (st == VW_OK) assert_true(!ranks[0].state[0]);
    free(ranks);
    text[i] ^= 1;
  }
  static const int64_t sizes[] = {0, 1, VW_RANK_RECORD - 1, VW_RANK_RECORD, RANKS * VW_RANK_RECORD};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    assert_int_equal(vw_rank_file_parse(path, text, sizes[i], &read, &ranks), VW_ERR_INPUT);
  free(text);
}

/* Only the file that the run made is written to. */
static void test_strange_files(void **state) {
  const vw_run_record run = some_run();
  const vw_rank_record mine = some_rank(2);
  char other[VW_PATH_BYTES];
  (void)state;
  assert_ok(vw_path_format(other, "%s/other", dir));
  assert_ok(vw_rank_file_create(other, &run));
  assert_ok(vw_file_remove(path));
  assert_int_equal(vw_rank_file_put(path, &mine), VW_ERR_IO); /* never made anew */
  assert_int_equal(symlink(other, path), 0);
  assert_int_equal(vw_rank_file_put(path, &mine), VW_ERR_INPUT);
  assert_int_equal(unlink(path) | link(other, path), 0);
  assert_int_equal(vw_rank_file_put(path, &mine), VW_ERR_INPUT);
  assert_int_equal(unlink(path), 0);
  assert_ok(vw_file_write(path, "short", 5));
  assert_int_equal(vw_rank_file_put(path, &mine), VW_ERR_INPUT);
  vw_error_clear();
}

static void test_totals(void **state) {
  const vw_run_record run = some_run();
  vw_rank_record ranks[RANKS] = {some_rank(0), some_rank(1), some_rank(2)};
  vw_rank_totals t;
  (void)state;
  /* Rank 1 is twice as fast and waits since 5 s; rank 2 is still in the stage before. */
  ranks[0].loss = 1;
  ranks[1] = (vw_rank_record){.state = "waiting",
                              .stage = "learn",
                              .rank = 1,
                              .done = 16,
                              .items = 2,
                              .unit_steps = 1000,
                              .cost_done = 200,
                              .cost_made = 200,
                              .loss = 3,
                              .started = 1000,
                              .ended = 1005,
                              .time = 1010};
  (void)snprintf(ranks[2].stage, sizeof ranks[2].stage, "evaluate");
  vw_rank_totals_of(&run, ranks, &t);
  assert_true(t.heard == 2 && t.items == 3 && t.units == 20 + 8 + 16);
  assert_true(t.unit_steps == 2000 && t.rate == 300 && t.slow == 100 && t.middle == 150 && t.fast == 200);
  assert_int_equal(t.slowest, 0);
  assert_true(t.losses == 2 && t.loss_least == 1 && t.loss_mean == 2 && t.loss_most == 3);
  /* of 1000: 100 done and a quarter of 100 on rank 0, 200 on rank 1 */
  assert_true(t.cost_left == 1000 - 125 - 200);
  /* 12.5 and 40 a second together; rank 0's block alone needs 75 steps of 2 s */
  assert_true(t.left == 150);
  ranks[0].step_seconds = 0.01;
  vw_rank_totals_of(&run, ranks, &t);
  assert_true(fabs(t.left - 675 / 52.5) < 1e-9);
  ranks[0].state[0] = ranks[1].state[0] = 0;
  vw_rank_totals_of(&run, ranks, &t);
  assert_true(t.heard == 0 && t.left == -1 && t.rate == 0 && t.slowest == -1 && t.cost_left == 1000);
}

/* A line of ranks.jsonl with this behind its checksum. */
static void put_line(char line[VW_RANK_RECORD], const char *body) {
  enum { SUM_AT = 8, BODY_AT = 26 };
  char sum[17];
  memset(line, ' ', VW_RANK_RECORD);
  memcpy(line, "{\"sum\":\"", SUM_AT), memcpy(line + BODY_AT - 2, "\",", 2);
  memcpy(line + BODY_AT, body, strlen(body));
  line[VW_RANK_RECORD - 1] = '\n';
  (void)snprintf(sum, sizeof sum, "%016llx",
                 (unsigned long long)vw_hash_bytes(line + BODY_AT, VW_RANK_RECORD - BODY_AT).lo);
  memcpy(line + SUM_AT, sum, sizeof sum - 1);
}

/* A text that is longer than its place is cut between characters: half a one is none that JSON could say again. */
static void test_cut_texts(void **state) {
  char text[2 * VW_RANK_RECORD];
  vw_run_record run;
  vw_rank_record *ranks = NULL;
  (void)state;
  put_line(text, "\"state\":\"runningsaw\xc3\xa9\",\"ranks\":1}");
  put_line(text + VW_RANK_RECORD, "\"state\":\"aaaaaaaaaa\xf0\x9f\xa6\x8a\",\"stage\":\"learn\"}");
  assert_ok(vw_rank_file_parse("a", text, sizeof text, &run, &ranks));
  assert_string_equal(run.state, "runningsaw");
  assert_string_equal(ranks[0].state, "aaaaaaaaaa");
  assert_string_equal(ranks[0].stage, "learn");
  free(ranks);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_cut_texts),     cmocka_unit_test(test_round_trip),
                                     cmocka_unit_test(test_long_names),    cmocka_unit_test(test_damage),
                                     cmocka_unit_test(test_strange_files), cmocka_unit_test(test_totals)};
  return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
