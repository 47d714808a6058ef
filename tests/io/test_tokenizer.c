/* The tokenizer against transformers' CLIPTokenizerFast (tests/reference/tokenizer.py), and what it refuses. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/json.h"
#include "io/tokenizer/tokenizer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/vw-tokenizer-XXXXXX";

static const char *in_folder(const char *name) {
  static char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(path, "%s/%s", folder, name));
  return path;
}

static void put(const char *name, const char *text) {
  (void)unlink(in_folder(name)); /* never write through a link into the fixtures */
  assert_ok(vw_file_write(in_folder(name), text, (int64_t)strlen(text)));
}

static void link_fixture(const char *name) {
  char from[VW_PATH_BYTES];
  assert_ok(vw_path_format(from, "reference/fixtures/tokenizer/%s", name));
  (void)unlink(in_folder(name));
  assert_int_equal(symlink(vw_test_path(from), in_folder(name)), 0);
}

static int make_folder(void **state) {
  (void)state;
  return !mkdtemp(folder);
}

static int remove_folder(void **state) {
  (void)state;
  static const char *const files[] = {"vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json",
                                      "special_tokens_map.json"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) (void)unlink(in_folder(files[i]));
  return rmdir(folder);
}

/* Every test starts with an empty folder. */
static int fresh(void **state) {
  return remove_folder(state) != 0 || mkdir(folder, 0700) != 0;
}

/* One ids list against the tokenizer; a difference prints text and ids. */
static void check_case(const vw_tokenizer *t, const json_t *row) {
  enum { MOST = 2048 };
  int32_t ids[MOST];
  int64_t n;
  const char *text = json_string_value(json_object_get(row, "text"));
  const json_t *expected = json_object_get(row, "ids");
  bool same;
  assert_ok(vw_tokenizer_encode(t, text, ids, MOST, &n));
  same = n == (int64_t)json_array_size(expected);
  for (int64_t i = 0; same && i < n; i++) same = ids[i] == json_integer_value(json_array_get(expected, (size_t)i));
  if (same) return;
  char *list = json_dumps(expected, JSON_COMPACT);
  print_error("text '%s': expected %s, got", text, list);
  for (int64_t i = 0; i < n; i++) print_error(" %d", ids[i]);
  free(list);
  fail_msg("%s", "other tokens");
}

static void check_cases(const char *name, int64_t least) {
  vw_tokenizer *t;
  char *text;
  int64_t bytes;
  assert_ok(vw_tokenizer_open(&t, folder));
  assert_ok(vw_file_read(vw_test_path(name), &text, &bytes));
  json_t *rows = json_loadb(text, (size_t)bytes, 0, NULL);
  free(text);
  assert_true((int64_t)json_array_size(rows) >= least);
  for (size_t i = 0; i < json_array_size(rows); i++) check_case(t, json_array_get(rows, i));
  json_decref(rows);
  vw_tokenizer_close(t);
}

static void same_as_transformers(void **state) {
  (void)state;
  link_fixture("vocab.json");
  link_fixture("merges.txt");
  check_cases("reference/fixtures/tokenizer/cases.json", 300);
}

/* Stable Diffusion 2.1: the pad "!" is a token of its own wherever it stands. The two ways to say so. */
static void other_pad(void **state) {
  (void)state;
  link_fixture("vocab.json");
  link_fixture("merges.txt");
  put("special_tokens_map.json", "{\"pad_token\": \"!\"}");
  put("tokenizer_config.json", "{\"pad_token\": \"<|endoftext|>\"}");
  check_cases("reference/fixtures/tokenizer/cases_pad.json", 150);
  put("special_tokens_map.json", "{\"pad_token\": \"a</w>\"}"); /* not looked at where added_tokens_decoder is */
  put("tokenizer_config.json",
      "{\"added_tokens_decoder\": {\"0\": {\"content\": \"!\", \"normalized\": false},"
      " \"1596\": {\"content\": \"<|startoftext|>\", \"normalized\": true},"
      " \"1597\": {\"content\": \"<|endoftext|>\", \"normalized\": true}}, \"pad_token\": \"!\"}");
  check_cases("reference/fixtures/tokenizer/cases_pad.json", 150);
}

/* The same vocabulary as one tokenizer.json. */
static void one_file(void **state) {
  (void)state;
  json_t *vocabulary, *merges = json_array();
  char *text, *line, *rest;
  assert_ok(vw_json_read(vw_test_path("reference/fixtures/tokenizer/vocab.json"), &vocabulary));
  assert_ok(vw_file_read(vw_test_path("reference/fixtures/tokenizer/merges.txt"), &text, NULL));
  (void)strtok_r(text, "\n", &rest);
  while ((line = strtok_r(NULL, "\n", &rest))) (void)json_array_append_new(merges, json_string(line));
  free(text);
  json_t *top = json_pack("{s:{s:s, s:o, s:o}, s:[{s:i, s:s, s:b}, {s:i, s:s, s:b}]}", "model", "end_of_word_suffix",
                          "</w>", "vocab", vocabulary, "merges", merges, "added_tokens", "id", 1596, "content",
                          "<|startoftext|>", "normalized", 1, "id", 1597, "content", "<|endoftext|>", "normalized", 1);
  text = json_dumps(top, 0);
  json_decref(top);
  put("tokenizer.json", text);
  free(text);
  check_cases("reference/fixtures/tokenizer/cases.json", 300);
}

static void words(void **state) {
  (void)state;
  vw_tokenizer *t;
  int32_t id, again, ids[8];
  int64_t n;
  link_fixture("vocab.json");
  link_fixture("merges.txt");
  assert_ok(vw_tokenizer_open(&t, folder));
  assert_int_equal(vw_tokenizer_size(t), 1598);
  assert_int_equal(vw_tokenizer_start(t), 1596);
  assert_int_equal(vw_tokenizer_end(t), 1597);
  assert_int_equal(vw_tokenizer_pad(t), 1597);
  assert_ok(vw_tokenizer_word(t, "fox", &id));
  assert_string_equal(vw_tokenizer_text(t, id), "fox</w>");
  assert_ok(vw_tokenizer_word(t, " FOX ", &again));
  assert_int_equal(id, again);
  assert_true(vw_tokenizer_is_whole_word(t, id));
  assert_false(vw_tokenizer_is_whole_word(t, 64)); /* "a" inside a word */
  assert_false(vw_tokenizer_is_whole_word(t, 0));
  assert_false(vw_tokenizer_is_whole_word(t, 1597));
  assert_false(vw_tokenizer_is_whole_word(t, 1598));
  assert_null(vw_tokenizer_text(t, -1));
  assert_int_equal(vw_tokenizer_word(t, "red fox", &id), VW_ERR_INPUT);
  assert_string_equal(vw_error_message(),
                      "'red fox' is 2 tokens (red</w> fox</w>): an anchor must be one token; choose a "
                      "word of the model's vocabulary");
  assert_int_equal(vw_tokenizer_word(t, " ", &id), VW_ERR_INPUT);
  assert_int_equal(vw_tokenizer_word(t, "<|endoftext|>", &id), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "special token"));
  assert_int_equal(vw_tokenizer_encode(t, "a red fox", ids, 4, &n), VW_ERR_INPUT);
  assert_int_equal(n, 5);
  assert_ok(vw_tokenizer_encode_part(t, "a red fox", ids, 3, &n));
  assert_int_equal(n, 3);
  assert_int_equal(ids[2], again);
  assert_int_equal(vw_tokenizer_encode(t, "\xff", ids, 8, &n), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "UTF-8"));
  vw_tokenizer_close(t);
}

static void expect_ids(const vw_tokenizer *t, const char *text, int64_t n, const int32_t *expected) {
  int32_t ids[16];
  int64_t found;
  assert_ok(vw_tokenizer_encode_part(t, text, ids, 16, &found));
  assert_int_equal(found, n);
  for (int64_t i = 0; i < n; i++) assert_int_equal(ids[i], expected[i]);
}

/* Tokens added to a vocabulary, as textual inversion does; expected ids as transformers 4.57.6 gives them. */
static void added(void **state) {
  (void)state;
  vw_tokenizer *t;
  int32_t fox;
  link_fixture("vocab.json");
  link_fixture("merges.txt");
  put("tokenizer_config.json", "{\"added_tokens_decoder\": {\"1598\": {\"content\": \"<toy>\", \"normalized\": false},"
                               " \"1599\": {\"content\": \"cat\", \"normalized\": true, \"single_word\": true}}}");
  assert_ok(vw_tokenizer_open(&t, folder));
  assert_int_equal(vw_tokenizer_size(t), 1600);
  assert_string_equal(vw_tokenizer_text(t, 1598), "<toy>");
  assert_ok(vw_tokenizer_word(t, "fox", &fox));
  expect_ids(t, "fox<toy>fox", 3, (int32_t[]){fox, 1598, fox});
  expect_ids(t, "fox CAT", 2, (int32_t[]){fox, 1599});
  expect_ids(t, "cat-cat", 3, (int32_t[]){1599, 268, 1599});
  expect_ids(t, "fox <toy>", 2, (int32_t[]){fox, 1598});
  vw_tokenizer_close(t);
  /* the number says the order: transformers gives the next free id */
  put("tokenizer_config.json", "{\"added_tokens_decoder\": {\"7\": {\"content\": \"<toy>\"}}}");
  assert_ok(vw_tokenizer_open(&t, folder));
  expect_ids(t, "<TOY>", 1, (int32_t[]){1598});
  vw_tokenizer_close(t);
}

static void refused(void **state) {
  (void)state;
  vw_tokenizer *t;
#define REFUSED(code, part)                                                                                            \
  do {                                                                                                                 \
    assert_int_equal(vw_tokenizer_open(&t, folder), code);                                                             \
    assert_null(t);                                                                                                    \
    if (!strstr(vw_error_message(), part)) fail_msg("expected \"%s\" in: %s", part, vw_error_message());               \
  } while (0)
  REFUSED(VW_ERR_IO, "vocab.json: cannot open");
  put("vocab.json", "{\"a\": 0,");
  REFUSED(VW_ERR_INPUT, "vocab.json:1: not valid JSON");
  put("vocab.json", "{\"a\": 0, \"b\": 0}");
  REFUSED(VW_ERR_INPUT, "same id 0");
  put("vocab.json", "{\"a\": 1, \"b\": 14444447}"); /* memory would go with the id */
  REFUSED(VW_ERR_INPUT, "token 'b': id 14444447 is far beyond the 2 entries");
  put("vocab.json", "{\"a\": -1}");
  REFUSED(VW_ERR_INPUT, "token 'a'");
  put("vocab.json", "{\"a\": 0, \"b</w>\": 1, \"ab</w>\": 2, \"<|startoftext|>\": 4}");
  REFUSED(VW_ERR_IO, "merges.txt: cannot open");
  put("merges.txt", "#version: 0.2\na b</w>\na c\n");
  REFUSED(VW_ERR_INPUT, "merge 3 ('a' 'c')");
  put("merges.txt", "#version: 0.2\na b</w>\na\n");
  REFUSED(VW_ERR_INPUT, "merges.txt:3: expected two tokens");
  put("merges.txt", "#version: 0.2\na b</w>\n");
  assert_ok(vw_tokenizer_open(&t, folder)); /* transformers adds what is missing */
  assert_int_equal(vw_tokenizer_end(t), 5);
  vw_tokenizer_close(t);
  put("tokenizer_config.json", "{\"eos_token\": \"<|startoftext|>\", \"unk_token\": \"<|startoftext|>\"}");
  put("special_tokens_map.json", "{\"pad_token\": {\"content\": \"b</w>\"}}");
  assert_ok(vw_tokenizer_open(&t, folder));
  assert_int_equal(vw_tokenizer_pad(t), 1);
  assert_null(vw_tokenizer_text(t, 3));
  vw_tokenizer_close(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(same_as_transformers, fresh),
      cmocka_unit_test_setup(other_pad, fresh),
      cmocka_unit_test_setup(one_file, fresh),
      cmocka_unit_test_setup(words, fresh),
      cmocka_unit_test_setup(added, fresh),
      cmocka_unit_test_setup(refused, fresh),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
