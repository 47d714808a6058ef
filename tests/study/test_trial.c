/* Trials: keys and ids against Python's xxhash (tests/reference/stream_keys.py), the order of the list, and what
 * changes an id. */
#include "tests/support/test.h"

#include "study/trial.h"

#include <math.h>
#include <string.h>

static void test_stream_key(void **state) {
  (void)state;
  static const struct {
    vw_stream stream;
    uint64_t key;
  } cases[] = {
      {{"objects", "teapot", 0, 2406, NULL, 0.25}, 0xde12be43a1eda911},
      {{"objects", "orange cat", 3, 7, "strawberry", 0.25}, 0x3c293885680f4581},
      {{"objects", "null-0", 0, 0, "the", INFINITY}, 0xea18974019a68e45},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint64_t key = 0;
    assert_ok(vw_stream_key(&cases[i].stream, &key));
    assert_true(key == cases[i].key);
  }
}

static void test_trial_hash(void **state) {
  (void)state;
  const vw_trial t = {
      .model = "clip", .data = "objects", .concept = "teapot", .anchor = "the", .delta = 0.1, .data_hash = {3, 4}};
  char text[VW_HASH_TEXT];
  vw_hash id;
  assert_ok(vw_trial_hash(&t, (vw_hash){1, 2}, (vw_hash){5, 6}, &id));
  vw_hash_text(id, text);
  assert_string_equal(text, "932aa4b34fdd663256c7029a952f9b48");
}

static void test_delta_text(void **state) {
  (void)state;
  static const struct {
    double delta;
    const char *text;
  } cases[] = {{0.1, "0.1"}, {1, "1"}, {0.25, "0.25"}, {1.0 / 3, "0.3333333333333333"}, {INFINITY, "free"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char text[VW_DELTA_TEXT];
    vw_delta_text(cases[i].delta, text);
    assert_string_equal(text, cases[i].text);
  }
}

static vw_study_config *study(const char *more) {
  char text[1024];
  vw_study_config *c = NULL;
  (void)snprintf(text, sizeof text,
                 "data: {o: {root: r, concepts: [cat, dog]}, p: {root: r, concepts: [cat]}}\n"
                 "models: {a: {weights: w}, b: {weights: w}}\n%s",
                 more);
  assert_ok(vw_study_config_parse("s.yaml", text, strlen(text), &vw_test_kinds, NULL, &c));
  return c;
}

static const vw_hash weights[2] = {{1, 1}, {2, 2}}, on_o[4] = {{3, 3}, {4, 4}, {5, 5}}, on_p[3] = {{6, 6}, {7, 7}};
static const vw_hash *const pictures[4] = {on_o, on_p, on_o, on_p};
static const vw_study_inputs inputs = {weights, pictures};

/* Model, data set, concept, replica, anchor, delta; null concepts last. */
static void test_order(void **state) {
  (void)state;
  static const char *const expected[] = {
      "a o cat 0 the 0.5", "a o cat 0 the free", "a o cat 0 red 0.5", "a o cat 0 red free", "a o cat 1 the 0.5",
  };
  vw_study_config *c = study("trials: {anchors: [the, red], deltas: [0.5, free], replicas: 2}\n");
  vw_pool pool = {0};
  vw_trial *t = NULL;
  int64_t n = 0;
  assert_ok(vw_study_trials(c, &inputs, &pool, &t, &n));
  assert_int_equal(n, 2 * (3 + 2) * 2 * 2 * 2);
  for (int i = 0; i < 5; i++) {
    char text[128], delta[VW_DELTA_TEXT];
    vw_delta_text(t[i].delta, delta);
    (void)snprintf(text, sizeof text, "%s %s %s %d %s %s", t[i].model, t[i].data, t[i].concept, (int)t[i].replica,
                   t[i].anchor, delta);
    assert_string_equal(text, expected[i]);
    assert_int_equal(t[i].row, i);
  }
  assert_true(!t[15].null_concept && t[16].null_concept && t[16].concept_index == 2);
  assert_string_equal(t[16].concept, "null-0");
  assert_string_equal(t[24].data, "p");
  assert_string_equal(t[40].model, "b");
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < i; j++) assert_false(t[i].id.lo == t[j].id.lo && t[i].id.hi == t[j].id.hi);
  uint64_t first = 0, other = 0;
  assert_ok(vw_trial_stream_key(c, &t[0], &first));
  assert_ok(vw_trial_stream_key(c, &t[3], &other)); /* another anchor and delta: the same draws */
  assert_true(first == other);
  assert_ok(vw_trial_stream_key(c, &t[4], &other)); /* another replica */
  assert_true(first != other);
  vw_pool_fini(&pool);
  vw_study_config_destroy(c);
}

static vw_hash first_id(const char *more, const vw_study_inputs *in) {
  vw_study_config *c = study(more);
  vw_pool pool = {0};
  vw_trial *t = NULL;
  int64_t n = 0;
  assert_ok(vw_study_trials(c, in, &pool, &t, &n));
  const vw_hash id = t[0].id;
  vw_pool_fini(&pool);
  vw_study_config_destroy(c);
  return id;
}

static void test_identity(void **state) {
  (void)state;
  static const char *const same[] = {"trials: {anchors: [the, red]}\nplan: {ranks: 3}\n",
                                     "trials: {anchors: [the], deltas: [0.1], null_concepts: 0}\nstages: [learn]\n",
                                     "trials: {anchors: [the]}\njudge: {templates: ['a {}', 'the {}']}\n"};
  static const char *const other[] = {"trials: {anchors: [the]}\nseed: 1\n", "trials: {anchors: [red]}\n",
                                      "trials: {anchors: [the], deltas: [0.2]}\n",
                                      "trials: {anchors: [the]}\nlearn: {steps: 3}\n"};
  const vw_hash id = first_id("trials: {anchors: [the]}\n", &inputs);
  for (int i = 0; i < 3; i++) assert_true(first_id(same[i], &inputs).lo == id.lo);
  for (int i = 0; i < 4; i++) assert_true(first_id(other[i], &inputs).lo != id.lo);
  const vw_hash new_weights[2] = {{9, 9}, {2, 2}}, new_o[4] = {{9, 9}};
  const vw_hash *const new_pictures[4] = {new_o, on_p, on_o, on_p};
  assert_true(first_id("trials: {anchors: [the]}\n", &(vw_study_inputs){new_weights, pictures}).lo != id.lo);
  assert_true(first_id("trials: {anchors: [the]}\n", &(vw_study_inputs){weights, new_pictures}).lo != id.lo);
}

static void test_too_many(void **state) {
  (void)state;
  vw_study_config *c = study("trials: {anchors: [the], replicas: 1000000}\n");
  vw_pool pool = {0};
  vw_trial *t = NULL;
  int64_t n = 0;
  assert_int_equal(vw_study_trials(c, &inputs, &pool, &t, &n), VW_ERR_INPUT);
  assert_string_equal(vw_error_message(), "s.yaml: 4e+07 trials are more than the 10000000 that a study may have");
  vw_study_config_destroy(c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_stream_key), cmocka_unit_test(test_trial_hash), cmocka_unit_test(test_delta_text),
      cmocka_unit_test(test_order),      cmocka_unit_test(test_identity),   cmocka_unit_test(test_too_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
