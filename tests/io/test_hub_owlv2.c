/* OWL-v2 model directories: how pictures are prepared, of which file; what is refused. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/hub/hub_owlv2.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/vw-owl-XXXXXX";

static const char *in_folder(const char *name) {
  static char path[VW_PATH_BYTES];
  assert_ok(vw_path_format(path, "%s/%s", folder, name));
  return path;
}

static void put(const char *name, const char *text) {
  assert_ok(vw_file_write(in_folder(name), text, (int64_t)strlen(text)));
}

static void copy(const char *from, const char *name) {
  char path[VW_PATH_BYTES], *data = NULL;
  int64_t bytes = 0;
  assert_ok(vw_path_format(path, "%s/%s", vw_test_path(from), name));
  assert_ok(vw_file_read(path, &data, &bytes));
  assert_ok(vw_file_write(in_folder(name), data, bytes));
  free(data);
}

static int remove_folder(void **state) {
  (void)state;
  static const char *const files[] = {"config.json", "preprocessor_config.json", "processor_config.json",
                                      "model.safetensors"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) (void)unlink(in_folder(files[i]));
  return rmdir(folder);
}

/* A network for pictures of 30 px in patches of 10, without picture settings. */
static int make_folder(void **state) {
  (void)state;
  (void)snprintf(folder, sizeof folder, "/tmp/vw-owl-XXXXXX");
  if (!mkdtemp(folder)) return 1;
  copy("reference/fixtures/owlv2_a", "config.json");
  copy("reference/fixtures/owlv2_a", "model.safetensors");
  return 0;
}

static vw_square opened(void) {
  vw_hub_clip h;
  vw_square s;
  assert_ok(vw_hub_owlv2_open(&h, &s, folder));
  assert_true(h.reread && h.text.eos_token_id == 2);
  vw_hub_clip_close(&h);
  return s;
}

static void expect_refused(vw_status code, const char *part) {
  vw_hub_clip h;
  vw_square s;
  assert_int_equal(vw_hub_owlv2_open(&h, &s, folder), code);
  assert_null(h.folder);
  if (!strstr(vw_error_message(), part)) fail_msg("expected \"%s\" in: %s", part, vw_error_message());
}

static void defaults(void **state) {
  (void)state;
  vw_square s = opened(); /* no file at all: the network's own size */
  assert_int_equal(s.size, 30);
  assert_true(s.pad == .5 && s.rescale == 1.0 / 255 && s.mean[0] == 0.48145466 && s.std[2] == 0.27577711);
  put("preprocessor_config.json", "{}"); /* a file that says nothing: the processor's */
  assert_int_equal(opened().size, 960);
}

static void which_file_counts(void **state) {
  (void)state;
  put("preprocessor_config.json", "{\"size\": {\"height\": 50, \"width\": 50}}");
  assert_int_equal(opened().size, 50);
  put("processor_config.json", "{\"image_processor\": {\"size\": 40, \"image_processor_type\": "
                               "\"Owlv2ImageProcessorFast\", \"image_mean\": 0.5, \"do_normalize\": true}}");
  const vw_square s = opened();
  assert_int_equal(s.size, 40);
  assert_true(s.mean[0] == .5 && s.mean[2] == .5 && s.std[0] == 0.26862954 && s.pad == .5);
  put("processor_config.json", "{\"image_processor\": null}");
  assert_int_equal(opened().size, 50);
  put("preprocessor_config.json", "{\"size\": 30, \"do_normalize\": false}");
  assert_true(opened().mean[1] == 0 && opened().std[1] == 1);
}

static void refused_settings(void **state) {
  (void)state;
  static const struct {
    const char *text;
    vw_status code;
    const char *part;
  } cases[] = {
      {"{\"size\": 30, \"do_pad\": false}", VW_ERR_UNSUPPORTED, "preprocessor_config.json: do_pad is off"},
      {"{\"size\": 30, \"do_resize\": null}", VW_ERR_UNSUPPORTED, "do_resize is off"},
      {"{\"size\": 30, \"do_rescale\": false}", VW_ERR_UNSUPPORTED, "do_rescale is off"},
      {"{\"size\": 30, \"do_pad\": 1}", VW_ERR_INPUT, "do_pad is neither true nor false"},
      {"{\"size\": {\"height\": 30, \"width\": 40}}", VW_ERR_UNSUPPORTED, "size is not a square"},
      {"{\"size\": {\"shortest_edge\": 30}}", VW_ERR_UNSUPPORTED, "size: expected"},
      {"{\"size\": \"big\"}", VW_ERR_UNSUPPORTED, "size: expected"},
      {"{\"size\": 0}", VW_ERR_INPUT, "size.height is 0"},
      {"{\"size\": 1000000}", VW_ERR_INPUT, "size.height is 1000000"},
      {"{\"size\": 35}", VW_ERR_UNSUPPORTED, "35 pixels are no whole patches of 10"},
      {"{\"size\": 30, \"image_mean\": [0, 0]}", VW_ERR_INPUT, "image_mean: expected three numbers"},
      {"{\"size\": 30, \"image_std\": [1, 1, 0]}", VW_ERR_INPUT, "image_std[2]: expected a positive number"},
      {"{\"size\": 30, \"image_processor_type\": \"CLIPImageProcessor\"}", VW_ERR_UNSUPPORTED,
       "the image processor is 'CLIPImageProcessor'"},
      {"[]", VW_ERR_INPUT, "preprocessor_config.json"},
      {"{", VW_ERR_INPUT, "preprocessor_config.json"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    put("preprocessor_config.json", cases[i].text);
    expect_refused(cases[i].code, cases[i].part);
  }
  put("preprocessor_config.json", "{}");
  put("processor_config.json", "{\"image_processor\": 3}");
  expect_refused(VW_ERR_INPUT, "image_processor: expected an object");
}

static void refused_networks(void **state) {
  (void)state;
  put("config.json", "{\"model_type\": \"clip\"}");
  expect_refused(VW_ERR_UNSUPPORTED, "model_type is 'clip', expected 'owlv2'");
  put("config.json", "{\"model_type\": \"owlv2\"}"); /* sparse: 16 positions and the rest of the base network */
  expect_refused(VW_ERR_INPUT, "owlv2.text_model.embeddings.token_embedding.weight");
  copy("reference/fixtures/owlv2_a", "config.json");
  char *data = NULL;
  int64_t bytes = 0;
  assert_ok(vw_file_read(in_folder("config.json"), &data, &bytes));
  char *at = strstr(data, "\"projection_dim\": 36");
  assert_non_null(at);
  at[strlen("\"projection_dim\": 3")] = '5';
  assert_ok(vw_file_write(in_folder("config.json"), data, bytes));
  free(data);
  expect_refused(VW_ERR_INPUT, "text_projection.weight"); /* not the weights' */
  copy("../data/clip-tiny", "model.safetensors");
  copy("reference/fixtures/owlv2_a", "config.json");
  expect_refused(VW_ERR_INPUT, "Owlv2ForObjectDetection");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(defaults, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(which_file_counts, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(refused_settings, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(refused_networks, make_folder, remove_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
