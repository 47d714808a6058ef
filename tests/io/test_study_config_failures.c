/* A study file when memory or the disk fails at any place: no half-read study, no problem lost. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/durable.h"
#include "study/config.h"
#include "tests/support/fail.h"

static const char good[] = "study: demo\n"
                           "data:\n"
                           "  objects:\n"
                           "    root: ../data/objects\n"
                           "    concepts: [orange cat, no, 'teapot']\n"
                           "    classes: [fox, owl]\n"
                           "models:\n"
                           "  clip: {weights: ~/clip, learn: {optimiser: adamw, lr: 2e-3, steps: 50}}\n"
                           "  other: {kind: clip, weights: clip-b32, data: [objects], plan: {block: 3},\n"
                           "    trials: {concepts: [no, teapot], pictures: {train: 3}, anchors: [the, big]}}\n"
                           "trials: {anchors: [the, red, 7], deltas: [0.5, free], replicas: 2}\n"
                           "learn:\n"
                           "  steps: {clip: 400, other: 300}\n"
                           "  templates: ['a {}', 'the {} there']\n"
                           "stages: [learn, evaluate]\n";
static const char bad[] = "study: demo\n"
                          "data: {objects: {root: r, concepts: [fox, fox], claszes: [owl]}}\n"
                          "models: {clip: {weights: w, learn: {lr: fast, steps: {clop: 3}}}}\n"
                          "trials: {anchors: [], deltas: [much]}\n";

static char path[64];
static vw_study_config *config;
static vw_problems problems;

static vw_status parse_first(void) {
  return vw_study_config_parse("s.yaml", good, strlen(good), &vw_test_kinds, NULL, &config);
}
static vw_status parse_all(void) {
  return vw_study_config_parse("s.yaml", good, strlen(good), &vw_test_kinds, &problems, &config);
}
static vw_status parse_bad(void) {
  return vw_study_config_parse("s.yaml", bad, strlen(bad), &vw_test_kinds, &problems, &config);
}
/* A file that cannot be read is a mistake of who named it. */
static vw_status read_file(void) {
  const vw_status st = vw_study_config_read(path, &vw_test_kinds, NULL, &config);
  return st == VW_ERR_INPUT && strstr(vw_error_message(), path) ? VW_ERR_IO : st;
}

static void whole_or_none(vw_status st) {
  if (st != VW_OK) assert_null(config);
  if (st == VW_OK) {
    assert_non_null(config);
    assert_int_equal(problems.n, 0);
    assert_int_equal(config->n_models, 2);
    assert_int_equal(config->models[0].trials.anchors.n, 3);
    assert_int_equal(config->models[1].learn.steps, 300);
    assert_int_equal(config->data[0].concepts.n, 3);
    assert_int_equal(vw_study_data_of(config, 0, 0)->concepts.n, 3);
    assert_int_equal(vw_study_data_of(config, 1, 0)->concepts.n, 2);
    assert_int_equal(config->models[1].trials.anchors.n, 2);
    assert_true(vw_study_learns_on(config, 0, 0) && vw_study_learns_on(config, 1, 0));
  }
  vw_study_config_destroy(config), config = NULL;
  vw_problems_fini(&problems), problems = (vw_problems){0};
}

static void all_problems(vw_status st) {
  if (st == VW_OK) assert_int_equal(problems.n_errors, 7);
  vw_study_config_destroy(config), config = NULL;
  vw_problems_fini(&problems), problems = (vw_problems){0};
}

static void test_parse(void **state) {
  static const fail_case cases[] = {{"study", NULL, parse_first, whole_or_none},
                                    {"study, all problems", NULL, parse_all, whole_or_none},
                                    {"study with mistakes", NULL, parse_bad, all_problems}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) fail_each(&cases[i], FAIL_MEMORY, ENOMEM);
}

static void test_read(void **state) {
  static const fail_case read = {"study file", NULL, read_file, whole_or_none};
  (void)state;
  (void)snprintf(path, sizeof path, "/tmp/vw-study-failures-%ld.yaml", (long)getpid());
  assert_ok(vw_file_write(path, good, (int64_t)strlen(good)));
  fail_each(&read, FAIL_IO, EIO);
  fail_each(&read, FAIL_MEMORY, ENOMEM);
  assert_int_equal(unlink(path), 0);
}

static char *text;
static vw_status protocol(void) {
  return vw_study_protocol_text(config, 0, 0, &text);
}
static void text_or_none(vw_status st) {
  assert_int_equal(text != NULL, st == VW_OK);
  free(text), text = NULL;
}

static void test_protocol(void **state) {
  static const fail_case c = {"protocol", NULL, protocol, text_or_none};
  (void)state;
  assert_ok(parse_first());
  fail_each(&c, FAIL_MEMORY, ENOMEM);
  vw_study_config_destroy(config);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_read),
                                     cmocka_unit_test(test_protocol)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
