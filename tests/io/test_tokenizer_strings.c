/* The tokenizer against the fast reference on more than 10,000 odd strings (tests/reference/tokenizer_strings.py). */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/durable.h"
#include "io/json.h"
#include "io/tokenizer/tokenizer_internal.h"

enum { COUNT = 6000, MOST = 8192 };

/* splitmix64: 0 .. n - 1 */
static uint64_t draw(uint64_t *state, uint64_t n) {
  uint64_t z = *state += 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return ((z ^ (z >> 31)) >> 33) % n;
}

static void make_string(const json_t *atoms, uint64_t i, char *text, size_t room) {
  uint64_t state = i;
  size_t used = 0;
  text[0] = 0;
  for (uint64_t n = 1 + draw(&state, i % 97 == 0 ? 60 : 12); n > 0; n--) {
    const char *atom = json_string_value(json_array_get(atoms, draw(&state, json_array_size(atoms))));
    const size_t bytes = strlen(atom);
    assert_true(used + bytes < room);
    memcpy(text + used, atom, bytes + 1);
    used += bytes;
  }
}

/* FNV-1a of the ids' bytes, 24 bits. */
static unsigned fold(const int32_t *ids, int64_t n) {
  uint32_t h = 2166136261U;
  for (int64_t i = 0; i < n; i++)
    for (int b = 0; b < 4; b++) h = (h ^ ((uint32_t)ids[i] >> (8 * b) & 255)) * 16777619U;
  return h & 0xFFFFFF;
}

static int check_strings(const char *folder, const char *key) {
  static char text[1 << 15];
  static int32_t ids[MOST];
  int64_t n;
  int bad = 0;
  vw_tokenizer *t;
  json_t *top;
  assert_ok(vw_json_read(vw_test_path("reference/fixtures/tokenizer/strings.json"), &top));
  const json_t *atoms = json_object_get(top, "atoms");
  const char *expected = json_string_value(json_object_get(top, key));
  assert_int_equal(strlen(expected), 6 * COUNT);
  assert_ok(vw_tokenizer_open(&t, folder));
  for (uint64_t i = 0; i < COUNT; i++) {
    const char digits[7] = {expected[6 * i],
                            expected[6 * i + 1],
                            expected[6 * i + 2],
                            expected[6 * i + 3],
                            expected[6 * i + 4],
                            expected[6 * i + 5],
                            0};
    make_string(atoms, i, text, sizeof text);
    assert_ok(vw_tokenizer_encode(t, text, ids, MOST, &n));
    if (fold(ids, n) == strtoul(digits, NULL, 16)) continue;
    if (bad++ < 10) print_error("string %d '%s': other tokens\n", (int)i, text);
  }
  vw_tokenizer_close(t);
  json_decref(top);
  return bad;
}

/* vocab.json and merges.txt of the fixtures as one tokenizer.json. */
static void write_one_file(const char *path) {
  json_t *vocabulary, *merges = json_array();
  char *text, *line, *rest;
  assert_ok(vw_json_read(vw_test_path("reference/fixtures/tokenizer/vocab.json"), &vocabulary));
  assert_ok(vw_file_read(vw_test_path("reference/fixtures/tokenizer/merges.txt"), &text, NULL));
  (void)strtok_r(text, "\n", &rest); /* #version */
  while ((line = strtok_r(NULL, "\n", &rest))) (void)json_array_append_new(merges, json_string(line));
  free(text);
  json_t *top = json_pack("{s:{s:s, s:o, s:o}, s:[{s:i, s:s, s:b}, {s:i, s:s, s:b}]}", "model", "end_of_word_suffix",
                          "</w>", "vocab", vocabulary, "merges", merges, "added_tokens", "id", 1596, "content",
                          "<|startoftext|>", "normalized", 1, "id", 1597, "content", "<|endoftext|>", "normalized", 1);
  text = json_dumps(top, 0);
  json_decref(top);
  assert_ok(vw_file_write(path, text, (int64_t)strlen(text)));
  free(text);
}

static const char *in(const char *folder, const char *name) {
  static char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(path, "%s/%s", folder, name));
  return path;
}

static void link_fixture(const char *folder, const char *name) {
  char from[VW_PATH_BYTES];
  assert_ok(vw_path_format(from, "reference/fixtures/tokenizer/%s", name));
  assert_int_equal(symlink(vw_test_path(from), in(folder, name)), 0);
}

/* Both ways to save a tokenizer, with the usual pad and with Stable Diffusion's. */
static void as_the_reference(void **state) {
  (void)state;
  char folder[] = "/tmp/vw-strings-XXXXXX";
  int bad[4];
  static const char *const files[] = {"vocab.json", "merges.txt", "special_tokens_map.json", "tokenizer.json"};
  assert_non_null(mkdtemp(folder));
  for (int one_file = 0; one_file < 2; one_file++) {
    if (one_file)
      write_one_file(in(folder, files[3]));
    else
      for (int i = 0; i < 2; i++) link_fixture(folder, files[i]);
    bad[2 * one_file] = check_strings(folder, "usual");
    assert_ok(vw_file_write(in(folder, files[2]), "{\"pad_token\": \"!\"}", 18));
    bad[2 * one_file + 1] = check_strings(folder, "pad");
    for (int i = 0; i < 4; i++) (void)unlink(in(folder, files[i]));
  }
  (void)rmdir(folder);
  for (int i = 0; i < 4; i++) assert_int_equal(bad[i], 0);
}

/* ---- long words -------------------------------------------------------------------------------------------------- */

/* The merges by their definition: again and again the pair of the lowest rank, the leftmost of equals. */
static int64_t merge_plainly(const vw_tokenizer *t, int32_t *symbol, int64_t n) {
  for (;;) {
    const vw_merge *best = NULL;
    int64_t at = 0;
    for (int64_t i = 0; i + 1 < n; i++) {
      const vw_merge *m = vw_tokenizer_merge(t, symbol[i], symbol[i + 1]);
      if (m && (!best || m->rank < best->rank)) best = m, at = i;
    }
    if (!best) return n;
    symbol[at] = best->result;
    memmove(symbol + at + 1, symbol + at + 2, (size_t)(n - at - 2) * sizeof *symbol);
    n--;
  }
}

/* Words around and beyond the length from which a heap finds the pairs. */
static void long_words(void **state) {
  (void)state;
  char folder[] = "/tmp/vw-strings-XXXXXX", word[512];
  static int32_t ids[VW_TOKENIZER_TEXT + 2];
  int32_t symbol[512];
  uint64_t random = 5;
  int64_t n;
  vw_tokenizer *t;
  assert_non_null(mkdtemp(folder));
  for (int i = 0; i < 2; i++) link_fixture(folder, i ? "merges.txt" : "vocab.json");
  assert_ok(vw_tokenizer_open(&t, folder));
  for (int round = 0; round < 600; round++) {
    const int64_t length = 58 + (int64_t)draw(&random, round % 10 ? 20 : 440), letters = round % 3 ? 26 : 3;
    for (int64_t i = 0; i < length; i++) {
      word[i] = (char)('a' + draw(&random, (uint64_t)letters));
      symbol[i] = i + 1 < length ? t->byte_token[(unsigned char)word[i]] : t->byte_last[(unsigned char)word[i]];
    }
    word[length] = 0;
    assert_ok(vw_tokenizer_encode_part(t, word, ids, MOST, &n));
    assert_int_equal(n, merge_plainly(t, symbol, length));
    assert_memory_equal(ids, symbol, (size_t)n * sizeof *ids);
  }
  char *longest = malloc(VW_TOKENIZER_TEXT + 1); /* quadratic steps would take many seconds */
  for (int i = 0; i < VW_TOKENIZER_TEXT; i++) longest[i] = (char)('a' + draw(&random, 26));
  longest[VW_TOKENIZER_TEXT] = 0;
  assert_ok(vw_tokenizer_encode_part(t, longest, ids, VW_TOKENIZER_TEXT, &n));
  assert_in_range(n, 1000, VW_TOKENIZER_TEXT);
  free(longest);
  vw_tokenizer_close(t);
  for (int i = 0; i < 2; i++) (void)unlink(in(folder, i ? "merges.txt" : "vocab.json"));
  (void)rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_reference), cmocka_unit_test(long_words)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
