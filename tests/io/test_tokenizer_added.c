/* Added tokens as transformers finds them: random directories (tests/reference/tokenizer_added.py), directories that it
 * saved itself (tests/reference/saved.py), which directories read otherwise than before, labels. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/hub/hub_pictures.h"
#include "io/json.h"
#include "io/tokenizer/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/vw-added-XXXXXX";
static const char *const files[] = {"vocab.json",
                                    "merges.txt",
                                    "tokenizer.json",
                                    "tokenizer_config.json",
                                    "special_tokens_map.json",
                                    "added_tokens.json",
                                    "processor_config.json",
                                    "preprocessor_config.json"};
enum { FILES = sizeof files / sizeof *files };

static const char *in_folder(const char *name) {
  static char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(path, "%s/%s", folder, name));
  return path;
}

static const char *in_data(const char *base, const char *name) {
  char rest[VW_PATH_BYTES];
  assert_ok(vw_path_format(rest, "../data/%s/%s", base, name));
  return vw_test_path(rest);
}

static int make_folder(void **state) {
  (void)state;
  return !mkdtemp(folder);
}

static int remove_folder(void **state) {
  (void)state;
  for (int i = 0; i < FILES; i++) (void)unlink(in_folder(files[i]));
  return rmdir(folder);
}

static int fresh(void **state) {
  return remove_folder(state) != 0 || mkdir(folder, 0700) != 0;
}

static void put(const char *name, const char *text) {
  assert_ok(vw_file_write(in_folder(name), text, (int64_t)strlen(text)));
}

static void put_json(const char *name, const json_t *value) {
  char *text = json_dumps(value, 0);
  put(name, text);
  free(text);
}

static void link_data(const char *base, const char *name) {
  char target[VW_PATH_BYTES];
  assert_ok(vw_path_format(target, "%s", in_data(base, name)));
  (void)unlink(in_folder(name));
  assert_int_equal(symlink(target, in_folder(name)), 0);
}

/* tokenizer.json: the vocabulary of data/, the rest of it replaced by what the case says. */
static void put_whole(const char *base, const json_t *change) {
  char path[VW_PATH_BYTES];
  json_t *whole;
  assert_ok(vw_path_format(path, "%s", in_data(base, "tokenizer.json")));
  if (!vw_file_exists(path)) assert_ok(vw_path_format(path, "%s", in_data("clip-tiny", "tokenizer.json")));
  assert_ok(vw_json_read(path, &whole));
  assert_int_equal(json_object_update(whole, (json_t *)(uintptr_t)change), 0);
  put_json("tokenizer.json", whole);
  json_decref(whole);
}

static void put_case(const json_t *row) {
  const char *base = json_string_value(json_object_get(row, "base")), *name;
  const json_t *content;
  assert_int_equal(fresh(NULL), 0);
  link_data(base, "vocab.json");
  link_data(base, "merges.txt");
  json_object_foreach(json_object_get(row, "files"), name, content) {
    if (json_is_null(content)) continue;
    if (strcmp(name, "tokenizer.json") == 0)
      put_whole(base, content);
    else
      put_json(name, content);
  }
}

static bool is_same(const json_t *expected, const int32_t *ids, int64_t n) {
  bool same = json_is_array(expected) && (int64_t)json_array_size(expected) == n;
  for (int64_t i = 0; same && i < n; i++) same = json_integer_value(json_array_get(expected, (size_t)i)) == ids[i];
  return same;
}

/* 4.57.6's ids count where it makes special tokens of plain text itself: where there is no tokenizer.json. */
static void check_texts(const json_t *row, size_t number, const vw_tokenizer *t) {
  const json_t *ids = json_object_get(row, "ids"), *ids_4 = json_object_get(row, "ids_4"), *text;
  const bool whole = json_is_object(json_object_get(json_object_get(row, "files"), "tokenizer.json"));
  size_t k;
  json_array_foreach(json_object_get(row, "texts"), k, text) {
    int32_t found[512];
    int64_t n;
    assert_ok(vw_tokenizer_encode_part(t, json_string_value(text), found, 512, &n));
    if (is_same(json_array_get(ids, k), found, n)) continue;
    if (!whole && is_same(json_array_get(ids_4, k), found, n)) continue;
    fail_msg("case %zu, text %zu '%s': other ids", number, k, json_string_value(text));
  }
}

/* Returns how many directories opened. What transformers refuses, or reads by chance, is refused. */
static int check_file(const char *name) {
  json_t *top, *row;
  size_t i;
  int opened = 0;
  assert_ok(vw_json_read(vw_test_path(name), &top));
  json_array_foreach(json_object_get(top, "cases"), i, row) {
    vw_tokenizer *t;
    put_case(row);
    const vw_status st = vw_tokenizer_open(&t, folder);
    if (st == VW_ERR_UNSUPPORTED) continue;
    if (st != VW_OK) fail_msg("case %zu: %s", i, vw_error_message());
    assert_true(json_is_array(json_object_get(row, "ids")));
    check_texts(row, i, t);
    vw_tokenizer_close(t);
    opened++;
  }
  json_decref(top);
  return opened;
}

static void at_random(void **state) {
  (void)state;
  assert_true(check_file("reference/fixtures/tokenizer_added.json") >= 58);
}

static void as_saved(void **state) {
  (void)state;
  assert_int_equal(check_file("reference/fixtures/saved_4.json"), 4);
  assert_int_equal(check_file("reference/fixtures/saved_5.json"), 4);
}

/* The picture settings of the same directories: size, crop, mean, standard deviation. */
static void saved_pictures(void **state) {
  (void)state;
  static const char *const names[] = {"reference/fixtures/saved_4.json", "reference/fixtures/saved_5.json"};
  int checked = 0;
  for (int f = 0; f < 2; f++) {
    json_t *top, *row;
    size_t i;
    assert_ok(vw_json_read(vw_test_path(names[f]), &top));
    json_array_foreach(json_object_get(top, "cases"), i, row) {
      const json_t *want = json_object_get(row, "pictures");
      vw_preprocess p;
      bool reread;
      if (!want) continue;
      put_case(row);
      assert_ok(vw_hub_pictures_read(folder, json_integer_value(json_array_get(want, 1)), &p, &reread));
      assert_int_equal(p.size, json_integer_value(json_array_get(want, 0)));
      for (size_t c = 0; c < 3; c++) {
        assert_true(p.mean[c] == json_real_value(json_array_get(want, 2 + c)));
        assert_true(p.std[c] == json_real_value(json_array_get(want, 5 + c)));
      }
      checked++;
    }
    json_decref(top);
  }
  assert_int_equal(checked, 4);
}

static bool is_reread(const char *path) {
  vw_tokenizer *t;
  assert_ok(vw_tokenizer_open(&t, path));
  const bool reread = vw_tokenizer_is_reread(t);
  vw_tokenizer_close(t);
  return reread;
}

/* Directories that read as they always did keep their ids; those that gain a token or a rule do not. */
static void reads_otherwise(void **state) {
  (void)state;
  static const char *const ours[] = {"clip-tiny", "judge-tiny", "owlv2-tiny"};
  for (int i = 0; i < 3; i++) {
    char path[VW_PATH_BYTES];
    assert_ok(vw_path_format(path, "%s", in_data(ours[i], "")));
    assert_false(is_reread(path));
  }
  link_data("clip-tiny", "vocab.json");
  link_data("clip-tiny", "merges.txt");
  assert_false(is_reread(folder));
  put("special_tokens_map.json", "{\"pad_token\": \"!\"}");
  assert_false(is_reread(folder));
  put("added_tokens.json", "{\"<new>\": 2841}");
  assert_true(is_reread(folder));
  put("tokenizer_config.json",
      "{\"added_tokens_decoder\": {\"2841\": {\"content\": \"<new>\", \"normalized\": true}}}");
  assert_false(is_reread(folder));
  put("tokenizer_config.json",
      "{\"added_tokens_decoder\": {\"2841\": {\"content\": \"<New>\", \"normalized\": true}}}");
  assert_true(is_reread(folder));
  put("tokenizer_config.json",
      "{\"added_tokens_decoder\": {\"9000\": {\"content\": \"<new>\", \"normalized\": true}}}");
  assert_true(is_reread(folder));
}

static void expect_refused(const char *config, vw_status code, const char *part) {
  vw_tokenizer *t;
  put("tokenizer_config.json", config);
  assert_int_equal(vw_tokenizer_open(&t, folder), code);
  if (!strstr(vw_error_message(), part)) fail_msg("expected \"%s\" in: %s", part, vw_error_message());
}

static void refused(void **state) {
  (void)state;
  link_data("clip-tiny", "vocab.json");
  link_data("clip-tiny", "merges.txt");
  expect_refused("{\"added_tokens_decoder\": {\"2841\": {\"content\": \"<a>\", \"lstrip\": null}}}", VW_ERR_INPUT,
                 "token '<a>': lstrip is neither true nor false");
  expect_refused("{\"added_tokens_decoder\": {\"2841\": {\"content\": \"<A>\"}, \"2842\": {\"content\": \"<a>\"}}}",
                 VW_ERR_UNSUPPORTED, "are both found as '<a>'");
  expect_refused("{\"tokenizer_class\": \"GPT2Tokenizer\"}", VW_ERR_UNSUPPORTED, "tokenizer_class is 'GPT2Tokenizer'");
  expect_refused("{\"split_special_tokens\": true}", VW_ERR_UNSUPPORTED, "split_special_tokens is on");
  expect_refused("{\"eos_token\": null}", VW_ERR_INPUT, "eos_token is empty");
}

/* Fragments of words have no </w> to cut off. */
static void labels(void **state) {
  (void)state;
  vw_tokenizer *t;
  char text[8];
  put("vocab.json",
      "{\"<|startoftext|>\": 0, \"<|endoftext|>\": 1, \"ation\": 2, \"fox</w>\": 3, \"a\": 4, \"</w>\": 5,"
      " \"abcdef\u00e9\": 6}");
  put("merges.txt", "#version: 0.2\n");
  assert_ok(vw_tokenizer_open(&t, folder));
  static const char *const expected[] = {"<|start", "<|endof", "ation", "fox", "a", "</w>", "abcdef"};
  for (int32_t i = 0; i < 7; i++) {
    vw_tokenizer_label(t, i, text, sizeof text);
    assert_string_equal(text, expected[i]);
  }
  vw_tokenizer_label(t, 99, text, sizeof text);
  assert_string_equal(text, "");
  vw_tokenizer_close(t);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(at_random, fresh),      cmocka_unit_test_setup(as_saved, fresh),
      cmocka_unit_test_setup(saved_pictures, fresh), cmocka_unit_test_setup(reads_otherwise, fresh),
      cmocka_unit_test_setup(refused, fresh),        cmocka_unit_test_setup(labels, fresh),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
