/* Word files of diffusers, AUTOMATIC1111, kohya (tests/reference/word_files.py) and our own: their numbers; files that
 * hold no word, or more than one program can mean, are refused. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/hub/word_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 192, PATH_BYTES = 1024 };

static char folder[] = "/tmp/vw-word-file-XXXXXX";
static char path[VW_PATH_BYTES];

static int make_folder(void **state) {
  (void)state;
  return !mkdtemp(folder) || vw_path_format(path, "%s/some.word.safetensors", folder) != VW_OK;
}
static int remove_folder(void **state) {
  (void)state;
  (void)unlink(path);
  return rmdir(folder) != 0;
}

static const char *fixture(const char *name) {
  char relative[PATH_BYTES];
  (void)snprintf(relative, sizeof relative, "reference/fixtures/words/%s", name);
  return vw_test_path(relative);
}

static void expect_refused(const char *file, vw_status code, const char *part) {
  vw_word_file f;
  assert_int_equal(vw_word_file_open(&f, file), code);
  assert_null(f.file);
  if (!strstr(vw_error_message(), part) || !strstr(vw_error_message(), file))
    fail_msg("expected \"%s\" and the path in: %s", part, vw_error_message());
}

/* One word of the script's numbers, rounded as the file's type rounds. */
static void other_programs(void **state) {
  (void)state;
  static const struct {
    const char *file, *name, *key;
    uint64_t seed;
    int64_t vectors;
    vw_dtype type;
    double error; /* half a unit in the last place of the largest number, 1/16 */
  } cases[] = {{"learned_embeds.safetensors", "<portrait>", "<portrait>", 1, 1, VW_F32, 0x1p-28},
               {"two_vectors.safetensors", "<two>", "<two>", 2, 2, VW_F16, 0x1p-15},
               {"a1111.safetensors", "a1111", "emb_params", 3, 1, VW_F32, 0x1p-28},
               {"kohya.safetensors", "kohya", "emb_params", 4, 2, VW_BF16, 0x1p-12}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    double expected[2 * WIDTH], x[2 * WIDTH];
    vw_word_file f;
    assert_ok(vw_word_file_open(&f, fixture(cases[i].file)));
    assert_int_equal(f.n, 1);
    const vw_file_word *w = &f.words[0];
    assert_string_equal(w->name, cases[i].name);
    assert_string_equal(w->key, cases[i].key);
    assert_int_equal(w->vectors, cases[i].vectors);
    assert_int_equal(w->width, WIDTH);
    assert_int_equal(w->type, cases[i].type);
    assert_null(w->anchor);
    assert_true(isnan(w->delta) && w->replica == -1);
    vw_test_fill(expected, w->vectors * WIDTH, cases[i].seed);
    assert_ok(vw_word_file_read(&f, 0, x));
    for (int64_t k = 0; k < w->vectors * WIDTH; k++)
      if (!(fabs(x[k] - expected[k] / 16) <= cases[i].error))
        fail_msg("%s, number %lld: %.17g, expected %.17g", cases[i].file, (long long)k, x[k], expected[k] / 16);
    vw_word_file_close(&f);
  }
}

/* Two encoders' parts are two words of two widths. */
static void two_encoders(void **state) {
  (void)state;
  vw_word_file f;
  assert_ok(vw_word_file_open(&f, fixture("sdxl.safetensors")));
  assert_int_equal(f.n, 2);
  assert_int_equal(f.words[0].width + f.words[1].width, 48 + 80);
  vw_word_file_close(&f);
}

static void pickle(void **state) {
  (void)state;
  expect_refused(fixture("a1111.pt"), VW_ERR_UNSUPPORTED, "convert it: python -c");
}

static void put_file(const vw_safetensors_entry *e, int64_t n, const vw_keyvalue *metadata, int64_t m) {
  assert_ok(vw_safetensors_write(path, e, n, metadata, m));
}

static vw_safetensors_entry entry(const char *name, vw_tensor shape, void *data) {
  shape.data = data;
  return (vw_safetensors_entry){name, shape};
}

static void our_own(void **state) {
  (void)state;
  static float x[6] = {1, 2, 3, 4, 5, 6}, a[6] = {7, 8, 9, 10, 11, 12};
  static double radius[2] = {.5, INFINITY};
  static int64_t ids[2] = {3, 4};
  vw_word_file f;
  const vw_safetensors_entry block[] = {entry("words", vw_shape(VW_F32, (int64_t)2, (int64_t)3), x),
                                        entry("anchors", vw_shape(VW_F32, (int64_t)2, (int64_t)3), a),
                                        entry("radius", vw_shape(VW_F64, (int64_t)2), radius),
                                        entry("anchor_id", vw_shape(VW_I64, (int64_t)2), ids)};
  const vw_keyvalue trials[] = {
      {"model", "clip"},
      {"trials",
       "[{\"id\":\"0123456789abcdef\",\"concept\":\"fox\",\"anchor\":\"dog\",\"delta\":\"0.5\",\"replica\":0},"
       "{\"id\":\"f\",\"concept\":\"fox\",\"anchor\":\"dog\",\"delta\":\"free\",\"replica\":1}]"}};
  put_file(block, 4, trials, 2);
  assert_ok(vw_word_file_open(&f, path));
  assert_int_equal(f.n, 2);
  const vw_file_word *w = &f.words[1];
  assert_string_equal(f.words[0].name, "clip: fox from dog, delta 0.5, replica 0 (0123456789ab)");
  assert_string_equal(w->name, "clip: fox from dog, delta free, replica 1 (f)");
  assert_true(w->is_of_block && w->vectors == 1 && w->width == 3 && isinf(w->delta) && isinf(w->radius));
  assert_int_equal(w->anchor_id, 4);
  assert_true(((const float *)w->data)[0] == 4 && ((const float *)w->anchor_data)[2] == 12);
  vw_word_file_close(&f);

  /* The same tensors, two vectors a word. */
  const vw_safetensors_entry several[] = {entry("words", vw_shape(VW_F32, (int64_t)1, (int64_t)2, (int64_t)3), x)};
  const vw_keyvalue one[] = {
      {"trials", "[{\"id\":\"0\",\"concept\":\"fox\",\"anchor\":\"dog\",\"delta\":\"0.5\",\"replica\":0}]"}};
  put_file(several, 1, one, 1);
  assert_ok(vw_word_file_open(&f, path));
  assert_true(f.n == 1 && f.words[0].vectors == 2 && f.words[0].width == 3);
  vw_word_file_close(&f);

  /* Rows with names are words of their own; without, the vectors of one. */
  const vw_keyvalue names[] = {{"words", "[\"red\",\"blue\"]"}};
  put_file(block, 1, names, 1);
  assert_ok(vw_word_file_open(&f, path));
  assert_true(f.n == 2 && f.words[1].vectors == 1 && ((const float *)f.words[1].data)[0] == 4);
  assert_string_equal(f.words[1].name, "blue");
  vw_word_file_close(&f);
  put_file(block, 1, NULL, 0);
  assert_ok(vw_word_file_open(&f, path));
  assert_true(f.n == 1 && f.words[0].vectors == 2);
  vw_word_file_close(&f);

  const vw_keyvalue mark[] = {{"viswords", "word"}, {"anchor", "dog"}, {"delta", "0.25"}, {"radius", "1.5"},
                              {"replica", "2"},     {"trial", "0123"}, {"concept", "fox"}};
  put_file(block + 1, 1, mark, 7);
  assert_ok(vw_word_file_open(&f, path));
  w = &f.words[0];
  assert_string_equal(w->anchor, "dog");
  assert_string_equal(w->id, "0123");
  assert_true(w->delta == .25 && w->radius == 1.5 && w->replica == 2 && !w->is_of_block);
  vw_word_file_close(&f);
}

static void refusals(void **state) {
  (void)state;
  static float x[400] = {0};
  double read[3];
  vw_word_file f;
  put_file(NULL, 0, NULL, 0);
  expect_refused(path, VW_ERR_INPUT, "holds no tensor");
  vw_safetensors_entry table = entry("token_embedding.weight", vw_shape(VW_F32, (int64_t)100, (int64_t)4), x);
  put_file(&table, 1, NULL, 0);
  expect_refused(path, VW_ERR_INPUT, "token_embedding.weight");
  const vw_safetensors_entry empty = entry("x", vw_shape(VW_F32, (int64_t)0, (int64_t)4), NULL);
  put_file(&empty, 1, NULL, 0);
  expect_refused(path, VW_ERR_INPUT, "no word in it");
  const vw_safetensors_entry whole = entry("x", vw_shape(VW_I32, (int64_t)4), x);
  put_file(&whole, 1, NULL, 0);
  expect_refused(path, VW_ERR_INPUT, "i32 [4]");
  const vw_safetensors_entry both[] = {entry("emb_params", vw_shape(VW_F32, (int64_t)1, (int64_t)4), x),
                                       entry("clip_g", vw_shape(VW_F32, (int64_t)1, (int64_t)8), x)};
  put_file(both, 2, NULL, 0);
  expect_refused(path, VW_ERR_INPUT, "holds 'clip_g' beside 'emb_params'");
  const vw_keyvalue trials[] = {{"trials", "[{}]"}};
  const vw_safetensors_entry words = entry("words", vw_shape(VW_F32, (int64_t)1, (int64_t)4), x);
  put_file(&words, 1, trials, 1);
  expect_refused(path, VW_ERR_INPUT, "entry 0");

  static const double bad[] = {NAN, -INFINITY, 1e30};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    x[1] = (float)bad[i];
    const vw_safetensors_entry word = entry("x", vw_shape(VW_F32, (int64_t)1, (int64_t)3), x);
    put_file(&word, 1, NULL, 0);
    assert_ok(vw_word_file_open(&f, path));
    assert_int_equal(vw_word_file_read(&f, 0, read), VW_ERR_INPUT);
    if (!strstr(vw_error_message(), "vector 1, number 2 is")) fail_msg("%s", vw_error_message());
    vw_word_file_close(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(other_programs), cmocka_unit_test(two_encoders),
                                     cmocka_unit_test(pickle), cmocka_unit_test(our_own), cmocka_unit_test(refusals)};
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
