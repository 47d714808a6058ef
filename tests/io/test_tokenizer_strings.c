/* The tokenizer against the fast reference on more than 10,000 odd strings (tests/reference/tokenizer_strings.py). */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/durable.h"
#include "io/json.h"
#include "io/tokenizer.h"

enum { COUNT = 10500, MOST = 8192 };

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

static void as_the_reference(void **state) {
  (void)state;
  char folder[] = "/tmp/vw-strings-XXXXXX", path[VW_PATH_BYTES];
  static const char *const files[] = {"vocab.json", "merges.txt", "special_tokens_map.json"};
  assert_non_null(mkdtemp(folder));
  for (int i = 0; i < 2; i++) {
    char from[VW_PATH_BYTES];
    assert_ok(vw_path_format(from, "reference/fixtures/tokenizer/%s", files[i]));
    assert_ok(vw_path_format(path, "%s/%s", folder, files[i]));
    assert_int_equal(symlink(vw_test_path(from), path), 0);
  }
  const int usual = check_strings(folder, "usual");
  assert_ok(vw_path_format(path, "%s/%s", folder, files[2]));
  assert_ok(vw_file_write(path, "{\"pad_token\": \"!\"}", 18));
  const int padded = check_strings(folder, "pad");
  for (int i = 0; i < 3; i++) {
    assert_ok(vw_path_format(path, "%s/%s", folder, files[i]));
    (void)unlink(path);
  }
  (void)rmdir(folder);
  assert_int_equal(usual, 0);
  assert_int_equal(padded, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_reference)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
