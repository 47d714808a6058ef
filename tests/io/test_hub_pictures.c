/* Picture settings of a directory, with the values that transformers 4.57.6 and 5.24.0 gave on 600 random ones. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/hub/hub_pictures.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/vw-pictures-XXXXXX";
static const char *const files[] = {"processor_config.json", "preprocessor_config.json"};

static const char *in_folder(const char *name) {
  static char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(path, "%s/%s", folder, name));
  return path;
}

static void put(const char *name, const char *text) {
  assert_ok(vw_file_write(in_folder(name), text, (int64_t)strlen(text)));
}

static int make_folder(void **state) {
  (void)state;
  return !mkdtemp(folder);
}

static int empty(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) (void)unlink(in_folder(files[i]));
  return 0;
}

static int remove_folder(void **state) {
  return empty(state) + rmdir(folder);
}

static vw_preprocess reads(const char *config, bool reread) {
  vw_preprocess p;
  bool said;
  put("preprocessor_config.json", config);
  assert_ok(vw_hub_pictures_read(folder, 32, &p, &said));
  assert_int_equal(said, reread);
  return p;
}

static void which_file(void **state) {
  (void)state;
  vw_preprocess p;
  bool reread;
  assert_ok(vw_hub_pictures_read(folder, 32, &p, &reread));
  assert_true(p.size == 32 && !reread);
  p = reads("{\"size\": 40, \"crop_size\": 32}", false);
  assert_int_equal(p.size, 40);
  put("processor_config.json", "{\"processor_class\": \"CLIPProcessor\", \"image_processor\": null}");
  p = reads("{\"size\": 41, \"crop_size\": 32}", false);
  assert_int_equal(p.size, 41);
  put("processor_config.json", "{\"image_processor\": {\"size\": {\"shortest_edge\": 50}, \"crop_size\": 32}}");
  p = reads("{\"size\": 41, \"crop_size\": 32}", true);
  assert_int_equal(p.size, 50);
  p = reads("{\"size\": 50, \"crop_size\": 32}", false); /* both say the same */
  assert_int_equal(p.size, 50);
}

static void flags(void **state) {
  (void)state;
  vw_preprocess p = reads("{\"crop_size\": 32, \"do_normalize\": null, \"image_mean\": [0.1, 0.2, 0.3]}", true);
  assert_true(p.mean[0] == 0 && p.std[2] == 1 && p.rescale == 1.0 / 255);
  p = reads("{\"crop_size\": 32, \"do_rescale\": false, \"image_mean\": 0.5}", false); /* was refused */
  assert_true(p.rescale == 1 && p.mean[2] == 0.5);
  p = reads("{\"crop_size\": 32, \"do_resize\": null}", true);
  assert_true(p.size == 0 && p.height == 0 && p.max_height == 0);
  p = reads("{\"size\": [32, 32], \"do_center_crop\": false}", true);
  assert_true(p.whole && p.height == 32);
  p = reads("{\"crop_size\": 32, \"rescale_factor\": 0.01, \"image_std\": null}", false);
  assert_true(p.rescale == 0.01 && p.std[0] == 0.26862954);
}

static void refused(void **state) {
  (void)state;
  static const struct {
    const char *config, *part;
  } cases[] = {
      {"{\"crop_size\": 32, \"do_rescale\": 1}", "do_rescale is neither true nor false"},
      {"{\"crop_size\": 32, \"resample\": null}", "resample is null"},
      {"{\"crop_size\": 32, \"rescale_factor\": null}", "rescale_factor is null"},
      {"{\"crop_size\": 32, \"size\": {\"longest_edge\": 40}}", "size: expected shortest_edge"},
      {"{\"crop_size\": 32, \"size\": {\"shortest_edge\": 40, \"height\": 40}}", "size: expected shortest_edge"},
      {"{\"crop_size\": {\"shortest_edge\": 32}}", "crop_size has not height and width"},
      {"{\"crop_size\": 32, \"do_pad\": true}", "do_pad is on"},
      {"{\"crop_size\": 32, \"image_processor_type\": \"ViTImageProcessor\"}", "'ViTImageProcessor'"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    vw_preprocess p;
    bool reread;
    put("preprocessor_config.json", cases[i].config);
    assert_true(vw_hub_pictures_read(folder, 32, &p, &reread) > 0);
    if (!strstr(vw_error_message(), cases[i].part))
      fail_msg("expected \"%s\" in: %s", cases[i].part, vw_error_message());
  }
}

/* A row of bright pixels: where it comes to lie says how the picture was resized and cut. */
static void sizes(void **state) {
  (void)state;
  enum { S = 32 };
  static uint8_t rgb[200 * 10 * 3], out[S * S * 3];
  const vw_image wide = {.height = 10, .width = 200, .rgb = rgb}, small = {.height = 5, .width = 4, .rgb = rgb};
  memset(rgb, 200, sizeof rgb);
  vw_preprocess p = reads("{\"crop_size\": 32, \"do_resize\": false}", true);
  assert_ok(vw_preprocess_pixels(&p, &small, out)); /* on black, the odd pixel before it */
  assert_int_equal(out[(13 * S + 14) * 3], 0);
  assert_int_equal(out[(14 * S + 14) * 3], 200);
  assert_int_equal(out[(18 * S + 17) * 3], 200);
  assert_int_equal(out[(19 * S + 17) * 3], 0);
  assert_int_equal(out[(14 * S + 13) * 3] + out[(14 * S + 18) * 3], 0);
  p = reads("{\"crop_size\": 32, \"size\": {\"shortest_edge\": 32, \"longest_edge\": 64}}", true);
  assert_ok(vw_preprocess_pixels(&p, &wide, out)); /* 10 x 200 becomes 3 x 64 */
  int64_t rows = 0;
  for (int y = 0; y < S; y++) rows += out[y * S * 3] == 200;
  assert_int_equal(rows, 3);
  p = reads("{\"size\": {\"shortest_edge\": 32}, \"do_center_crop\": false}", true);
  assert_int_equal(vw_preprocess_pixels(&p, &wide, out), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "becomes 640 x 32 and is not cut"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(which_file, empty),
      cmocka_unit_test_setup(flags, empty),
      cmocka_unit_test_setup(refused, empty),
      cmocka_unit_test_setup(sizes, empty),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
