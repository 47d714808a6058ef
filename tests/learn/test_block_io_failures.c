/* A block's files when memory or the disk fails at any place: what is there is whole, what is loaded is what was
 * saved. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "io/block_file.h"
#include "learn/block_io.h"
#include "networks/clip.h"
#include "tasks/classify/classify.h"
#include "tests/support/fail.h"

enum { K = 2 };
static char dir[64], id[VW_BLOCK_ID];
static vw_context ctx;
static vw_clip_network *network;
static vw_word_table table;
static vw_study_config *config;
static vw_block block = {.model = "clip", .data = "objects", .n = K, .id = {3, 4}};
static vw_trial trials[K];
static vw_block_state state_of, loaded;
static const vw_task_kind *const task = &vw_classification_kind;
static bool found;
static double *words;

static const char study[] = "data: {objects: {root: r, concepts: [cat]}}\n"
                            "models: {clip: {weights: w, learn: {optimiser: adamw, steps: 4}}}\n"
                            "trials: {anchors: [dog, hammer]}\n";

static int set_up(void **state) {
  (void)state;
  (void)snprintf(dir, sizeof dir, "%s/vw-block-io-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  vw_log_set_level(VW_LOG_ERROR);
  assert_non_null(mkdtemp(dir));
  assert_ok(vw_block_folder_open(dir));
  assert_ok(vw_context_open(&ctx, VW_REF, 1, 0));
  assert_ok(vw_clip_network_open(&network, vw_test_path("../data/clip-tiny"), &ctx));
  assert_ok(vw_word_table_open(&table, &network->net, "default"));
  assert_ok(vw_study_config_parse("s.yaml", study, strlen(study), &vw_test_kinds, NULL, &config));
  for (int k = 0; k < K; k++)
    trials[k] = (vw_trial){.concept = "cat", .anchor = k ? "hammer" : "dog", .delta = 0.5, .id = {5, (uint64_t)k}};
  assert_ok(vw_block_state_create(&state_of, &config->models[0].learn, K, 1, table.e.d));
  assert_ok(vw_block_state_create(&loaded, &config->models[0].learn, K, 1, table.e.d));
  assert_ok(vw_block_start(&state_of, &table, trials));
  vw_test_fill(state_of.moments[0], K * table.e.d, 1), vw_test_fill(state_of.moments[1], K * table.e.d, 2);
  state_of.step = 3;
  vw_block_file_id(&block, "", id);
  return 0;
}

static int tear_down(void **state) {
  char command[128];
  (void)state;
  vw_block_state_free(&state_of), vw_block_state_free(&loaded);
  vw_study_config_destroy(config);
  vw_word_table_close(&table);
  vw_clip_network_close(network);
  vw_context_close(&ctx);
  (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
  return system(command);
}

static bool same(const double *a, const double *b, int64_t n) {
  return memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

/* ---- checkpoints ---- */

static vw_status save(void) {
  return vw_block_checkpoint_save(dir, id, &state_of);
}
static void saved(vw_status st) {
  bool there = false;
  assert_ok(vw_block_checkpoint_load(dir, id, &loaded, &there));
  if (st == VW_OK) assert_true(there);
  if (there) assert_true(loaded.step == state_of.step && same(loaded.words, state_of.words, K * state_of.C));
  assert_ok(vw_block_folder_open(dir));
}
static vw_status load(void) {
  memset(loaded.words, 0, (size_t)(K * state_of.C) * sizeof(double));
  return vw_block_checkpoint_load(dir, id, &loaded, &found);
}
static void loaded_right(vw_status st) {
  if (st != VW_OK) return;
  assert_true(found);
  assert_true(same(loaded.words, state_of.words, K * state_of.C));
  assert_true(same(loaded.moments[1], state_of.moments[1], K * state_of.C));
}

static void test_checkpoint(void **state) {
  static const fail_case write = {"checkpoint", NULL, save, saved},
                         read = {"checkpoint, load", NULL, load, loaded_right};
  (void)state;
  fail_each(&write, FAIL_MEMORY, ENOMEM);
  fail_each(&write, FAIL_IO, ENOSPC);
  fail_each(&read, FAIL_MEMORY, ENOMEM);
}

/* A checkpoint of another study under this block's name is refused, not half loaded. */
static void test_other_shape(void **state) {
  vw_block_state other;
  bool there = true;
  (void)state;
  assert_ok(vw_block_state_create(&other, &config->models[0].learn, K + 1, 1, state_of.C));
  assert_int_equal(vw_block_checkpoint_load(dir, id, &other, &there), VW_ERR_INPUT);
  assert_false(there);
  assert_non_null(strstr(vw_error_message(), "delete the file and run again"));
  vw_block_state_free(&other);
}

/* ---- results ---- */

static vw_status write_results(void) {
  return vw_block_results_write(dir, &block, trials, &state_of, &table);
}
static void no_results(void) {
  assert_ok(vw_block_file_remove(dir, id));
}
/* Whole (the metadata too: every trial is in the list) or not there. */
static void results_whole(vw_status st) {
  vw_safetensors *f = NULL;
  const bool there = vw_block_file_exists(dir, id);
  if (st == VW_OK) assert_true(there);
  if (there) {
    assert_ok(vw_block_file_open(dir, id, &f));
    const char *list = vw_safetensors_metadata(f, "trials");
    assert_non_null(list);
    assert_non_null(strstr(list, "\"anchor\":\"dog\""));
    assert_non_null(strstr(list, "\"anchor\":\"hammer\""));
    vw_safetensors_close(f);
  }
  assert_ok(vw_block_folder_open(dir));
}
static vw_status read_words(void) {
  return vw_block_words_read(dir, &block, state_of.C, &words);
}
static void words_right(vw_status st) {
  assert_int_equal(words != NULL, st == VW_OK);
  if (words) assert_true(same(words, state_of.words, K * state_of.C)); /* ref writes doubles */
  free(words), words = NULL;
}

static vw_status write_evaluation(void) {
  static const double metrics[K * VW_MOST_METRICS];
  return vw_block_evaluation_write(dir, &block, trials, task, metrics);
}
static vw_status write_baselines(void) {
  static const double metrics[2 * VW_MOST_METRICS];
  vw_baseline_row rows[2] = {{"anchor", "dog", "", "0.5", "dog", true}, {"name", "", "", "", "cat", true}};
  const vw_baselines b = {.concept = "cat", .rows = rows, .n = 2};
  return vw_baselines_write(dir, "b-baselines", &(vw_baselines_of){.model = "clip", .data = "objects"}, task, &b,
                            metrics);
}
static void file_whole(const char *name, const char *key, vw_status st) {
  vw_safetensors *f = NULL;
  if (st == VW_OK) assert_true(vw_block_file_exists(dir, name));
  if (!vw_block_file_exists(dir, name)) return;
  assert_ok(vw_block_file_open(dir, name, &f));
  const char *list = vw_safetensors_metadata(f, key), *columns = vw_safetensors_metadata(f, "columns");
  assert_true(list && columns && strstr(columns, task->metrics[task->n_metrics - 1].name));
  assert_non_null(strstr(list, "dog"));
  assert_non_null(strstr(list, strcmp(key, "rows") ? "hammer" : "name"));
  vw_safetensors_close(f);
  assert_ok(vw_block_file_remove(dir, name));
  assert_ok(vw_block_folder_open(dir));
}
static void evaluation_whole(vw_status st) {
  char name[VW_BLOCK_ID];
  vw_block_file_id(&block, "-evaluation", name);
  file_whole(name, "trials", st);
}
static void baselines_whole(vw_status st) {
  file_whole("b-baselines", "rows", st);
}
static vw_status baseline_id(void) {
  char name[VW_BLOCK_ID];
  return vw_baseline_file_id(&(vw_baseline_inputs){.trials = &config->models[0].trials}, "objects", "cat", name);
}
static void nothing(vw_status st) {
  (void)st;
}

static void test_results(void **state) {
  static const fail_case write = {"results", no_results, write_results, results_whole},
                         read = {"results, words", NULL, read_words, words_right},
                         evaluation = {"evaluation", NULL, write_evaluation, evaluation_whole},
                         baselines = {"baselines", NULL, write_baselines, baselines_whole},
                         name = {"baselines, id", NULL, baseline_id, nothing};
  (void)state;
  fail_each(&write, FAIL_MEMORY, ENOMEM);
  fail_each(&write, FAIL_IO, ENOSPC);
  fail_each(&read, FAIL_MEMORY, ENOMEM);
  fail_each(&evaluation, FAIL_MEMORY, ENOMEM);
  fail_each(&evaluation, FAIL_IO, EIO);
  fail_each(&baselines, FAIL_MEMORY, ENOMEM);
  fail_each(&name, FAIL_MEMORY, ENOMEM);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_checkpoint), cmocka_unit_test(test_other_shape),
                                     cmocka_unit_test(test_results)};
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
