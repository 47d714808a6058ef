/* CLIP model directories: sparse configurations, shards, preprocessing, identity, and what is refused. */
#include "tests/support/test.h"

#include "core/durable.h"
#include "io/hub/hub_clip.h"
#include "io/json.h"
#include "io/tokenizer/tokenizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/vw-hub-XXXXXX";

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

static int remove_folder(void **state) {
  (void)state;
  static const char *const files[] = {"config.json",
                                      "preprocessor_config.json",
                                      "model.safetensors",
                                      "a.safetensors",
                                      "b.safetensors",
                                      "model.safetensors.index.json",
                                      "pytorch_model.bin",
                                      "merges.txt",
                                      "model.fp16.safetensors",
                                      "processor_config.json"};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) (void)unlink(in_folder(files[i]));
  return rmdir(folder);
}

static int fresh(void **state) {
  return remove_folder(state) != 0 || mkdir(folder, 0700) != 0;
}

/* A model of width 6, text MLP 10, vision MLP 12, 2 text layers, 1 vision layer, 8 px in patches of 4, projection 5. */
static const char tiny[] =
    "{\"model_type\": \"clip\", \"projection_dim\": 5,"
    " \"text_config\": {\"hidden_size\": 6, \"intermediate_size\": 10, \"num_hidden_layers\": 2, \"projection_dim\": "
    "99,"
    "   \"num_attention_heads\": 3, \"vocab_size\": 20, \"max_position_embeddings\": 7, \"eos_token_id\": 19},"
    " \"vision_config\": {\"hidden_size\": 6, \"intermediate_size\": 12, \"num_hidden_layers\": 1, \"hidden_act\": "
    "\"gelu\","
    "   \"num_attention_heads\": 2, \"image_size\": 8, \"patch_size\": 4, \"layer_norm_eps\": 1e-6}}";
static const char tiny_pre[] = "{\"size\": {\"shortest_edge\": 9}, \"crop_size\": {\"height\": 8, \"width\": 8},"
                               " \"image_mean\": [0.5, 0.5, 0.25], \"resample\": 3}";

static float numbers[400];
static const float scale[1] = {4.605f};

enum { TENSORS = 10 };

static void tiny_weights(vw_safetensors_entry e[TENSORS]) {
  const vw_safetensors_entry all[TENSORS] = {
      {"text_model.embeddings.token_embedding.weight", {.ndim = 2, .dim = {20, 6}}},
      {"text_model.embeddings.position_embedding.weight", {.ndim = 2, .dim = {7, 6}}},
      {"text_model.encoder.layers.0.mlp.fc1.weight", {.ndim = 2, .dim = {10, 6}}},
      {"text_model.encoder.layers.1.mlp.fc1.weight", {.ndim = 2, .dim = {10, 6}}},
      {"text_projection.weight", {.ndim = 2, .dim = {5, 6}}},
      {"vision_model.embeddings.patch_embedding.weight", {.ndim = 4, .dim = {6, 3, 4, 4}}},
      {"vision_model.embeddings.position_embedding.weight", {.ndim = 2, .dim = {5, 6}}},
      {"vision_model.encoder.layers.0.mlp.fc1.weight", {.ndim = 2, .dim = {12, 6}}},
      {"visual_projection.weight", {.ndim = 2, .dim = {5, 6}}},
      {"logit_scale", {.ndim = 0}},
  };
  memcpy(e, all, sizeof all);
  for (int i = 0; i < TENSORS; i++) e[i].tensor.data = numbers;
  e[TENSORS - 1].tensor.data = (void *)(uintptr_t)scale;
}

static void write_weights(const char *name, const vw_safetensors_entry *e, int64_t n) {
  assert_ok(vw_safetensors_write(in_folder(name), e, n, NULL, 0));
}

static void put_tiny(void) {
  vw_safetensors_entry e[TENSORS];
  tiny_weights(e);
  write_weights("model.safetensors", e, TENSORS);
  put("config.json", tiny);
  put("preprocessor_config.json", tiny_pre);
}

static void expect_refused(vw_status code, const char *part) {
  vw_hub_clip h;
  assert_int_equal(vw_hub_clip_open(&h, folder), code);
  assert_null(h.folder);
  if (!strstr(vw_error_message(), part)) fail_msg("expected \"%s\" in: %s", part, vw_error_message());
}

static void opens(void **state) {
  (void)state;
  vw_hub_clip h;
  vw_tensor t;
  put_tiny();
  assert_ok(vw_hub_clip_open(&h, folder));
  assert_int_equal(h.text.width, 6);
  assert_int_equal(h.text.mlp, 10);
  assert_int_equal(h.text.heads, 3);
  assert_int_equal(h.text.eos_token_id, 19);
  assert_string_equal(h.text.activation, "quick_gelu");
  assert_true(h.text.eps == 1e-5 && h.vision.eps == 1e-6);
  assert_int_equal(h.vision.mlp, 12);
  assert_int_equal(h.vision.patch, 4);
  assert_string_equal(h.vision.activation, "gelu");
  assert_int_equal(h.projection_dim, 5);
  assert_true(fabs(h.logit_scale - 4.605) < 1e-6);
  assert_int_equal(h.preprocess.size, 9);
  assert_int_equal(h.preprocess.crop, 8);
  assert_true(h.preprocess.mean[2] == 0.25 && h.preprocess.std[0] == 0.26862954);
  assert_ok(vw_hub_clip_tensor(&h, "visual_projection.weight", &t));
  assert_int_equal(t.dim[1], 6);
  assert_int_equal(vw_hub_clip_tensor(&h, "visual_projection.bias", &t), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "visual_projection.bias"));
  assert_non_null(strstr(vw_error_message(), "model.safetensors"));
  vw_hub_clip_close(&h);
}

/* Old files: <tower>_dict with the defaults replaces the tower; keys that are not there have the class's defaults. */
static void sparse(void **state) {
  (void)state;
  put("config.json", "{}");
  expect_refused(VW_ERR_INPUT, "has no model.safetensors"); /* all defaults: 224 px, projection 512 ... */
  put_tiny();
  put("config.json", "{}");
  put("preprocessor_config.json", "{}");
  expect_refused(VW_ERR_INPUT, "token_embedding.weight is [20, 6], by config.json it would be [49408, 512]");
  put("config.json", "{\"text_config\": {\"hidden_size\": 6}, \"text_config_dict\": {\"vocab_size\": 21}}");
  expect_refused(VW_ERR_INPUT, "by config.json it would be [21, 512]");
  put("config.json", "{\"text_config\": {\"hidden_size\": 16}, \"text_config_dict\": null}");
  expect_refused(VW_ERR_INPUT, "by config.json it would be [49408, 16]");
}

/* Every configuration as transformers' CLIPConfig resolves it (tests/reference/hub_configs.py). */
static void check_config(const json_t *row) {
  const json_t *want = json_object_get(row, "resolved"), *text = json_object_get(want, "text");
  const json_t *vision = json_object_get(want, "vision");
  vw_hub_clip h;
  char *config = json_dumps(json_object_get(row, "config"), JSON_COMPACT);
  put("config.json", config);
  assert_ok(vw_hub_clip_read_config(&h, folder));
  const int64_t found[] = {h.text.vocab,     h.text.width,        h.text.mlp,     h.text.layers, h.text.heads,
                           h.text.positions, h.text.eos_token_id, h.vision.width, h.vision.mlp,  h.vision.layers,
                           h.vision.heads,   h.vision.image_size, h.vision.patch};
  for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
    const int64_t expected = json_integer_value(i < 7 ? json_array_get(text, i) : json_array_get(vision, i - 7));
    if (found[i] != expected) fail_msg("%s: number %zu is %lld", config, i, (long long)found[i]);
  }
  assert_int_equal(h.projection_dim, json_integer_value(json_object_get(want, "projection_dim")));
  assert_true(h.text.eps == json_real_value(json_array_get(text, 7)));
  assert_true(h.vision.eps == json_real_value(json_array_get(vision, 6)));
  assert_string_equal(h.text.activation, json_string_value(json_array_get(text, 8)));
  assert_string_equal(h.vision.activation, json_string_value(json_array_get(vision, 7)));
  assert_int_equal(h.preprocess.crop, h.vision.image_size); /* no preprocessor_config.json: what the network takes */
  vw_hub_clip_close(&h);
  free(config);
}

static void configs(void **state) {
  (void)state;
  json_t *top, *row;
  size_t i;
  assert_ok(vw_json_read(vw_test_path("reference/fixtures/hub_configs.json"), &top));
  assert_true(json_array_size(json_object_get(top, "cases")) >= 16);
  json_array_foreach(json_object_get(top, "cases"), i, row) check_config(row);
  json_decref(top);
}

/* Python writes numbers that JSON does not have; in text they stay. */
static void python_numbers(void **state) {
  (void)state;
  vw_hub_clip h;
  put("config.json", "{\"a\": Infinity, \"b\": [-Infinity, NaN, \"NaN \\\" Infinity\"], \"projection_dim\": 77,"
                     " \"text_config\": {\"layer_norm_eps\": NaN}}");
  assert_ok(vw_hub_clip_read_config(&h, folder));
  assert_int_equal(h.projection_dim, 77);
  assert_true(h.text.eps == 1e-5);
  vw_hub_clip_close(&h);
  put("config.json", "{\"a\": Infinit}");
  expect_refused(VW_ERR_INPUT, "config.json:1: not valid JSON");
}

/* The same weights in half precision under the hub's name for it; the full precision is preferred. */
static void half(void **state) {
  (void)state;
  static uint16_t bits[400];
  vw_safetensors_entry e[TENSORS];
  vw_hub_clip h;
  const uint16_t half_scale = 0x449B; /* 4.605 in half precision: 4.60547 */
  put("config.json", tiny);
  tiny_weights(e);
  for (int i = 0; i < TENSORS; i++) e[i].tensor.dtype = VW_F16, e[i].tensor.data = bits;
  e[TENSORS - 1].tensor.data = (void *)(uintptr_t)&half_scale;
  write_weights("model.fp16.safetensors", e, TENSORS);
  assert_ok(vw_hub_clip_open(&h, folder));
  assert_true(fabs(h.logit_scale - 4.605) < 1e-3);
  vw_hub_clip_close(&h);
  put_tiny();
  assert_ok(vw_hub_clip_open(&h, folder));
  assert_true(fabs(h.logit_scale - 4.605) < 1e-6);
  vw_hub_clip_close(&h);
}

static void shards(void **state) {
  (void)state;
  vw_safetensors_entry e[TENSORS];
  vw_hub_clip h;
  put("config.json", tiny);
  put("preprocessor_config.json", tiny_pre);
  tiny_weights(e);
  write_weights("a.safetensors", e, 4);
  write_weights("b.safetensors", e + 4, TENSORS - 4);
  put("model.safetensors.index.json",
      "{\"weight_map\": {\"logit_scale\": \"b.safetensors\", \"text_projection.weight\": \"b.safetensors\","
      " \"text_model.embeddings.token_embedding.weight\": \"a.safetensors\"}}");
  assert_ok(vw_hub_clip_open(&h, folder));
  assert_int_equal(h.weights.n_files, 2);
  vw_hub_clip_close(&h);
  put("model.safetensors.index.json",
      "{\"weight_map\": {\"logit_scale\": \"a.safetensors\", \"text_projection.weight\": \"b.safetensors\"}}");
  expect_refused(VW_ERR_INPUT, "weight_map.logit_scale: a.safetensors has no such tensor");
  write_weights("b.safetensors", e + 3, TENSORS - 3);
  char twice[400];
  (void)snprintf(twice, sizeof twice,
                 "{\"weight_map\": {\"%s\": \"a.safetensors\", \"logit_scale\": \"b.safetensors\"}}", e[3].name);
  put("model.safetensors.index.json", twice);
  expect_refused(VW_ERR_INPUT, "is in b.safetensors too, but by the index it is in a.safetensors");
  put("model.safetensors.index.json", "{\"weight_map\": {\"x\": \"c.safetensors\"}}");
  expect_refused(VW_ERR_IO, "c.safetensors: cannot open");
  put("model.safetensors.index.json", "{\"weight_map\": {\"x\": \"../c.safetensors\"}}");
  expect_refused(VW_ERR_INPUT, "weight_map.x");
}

static void identity(void **state) {
  (void)state;
  vw_hub_clip h;
  vw_hash a, b;
  put_tiny();
  assert_ok(vw_hub_clip_open(&h, folder));
  assert_ok(vw_hub_clip_hash(&h, &a));
  assert_ok(vw_hub_clip_hash(&h, &b));
  assert_true(a.lo == b.lo && a.hi == b.hi);
  put("merges.txt", "#version: 0.2\n");
  assert_ok(vw_hub_clip_hash(&h, &b));
  assert_true(a.lo != b.lo);
  vw_hub_clip_close(&h);
  assert_int_equal(unlink(in_folder("merges.txt")), 0);
  numbers[3] = 1;
  put_tiny();
  numbers[3] = 0;
  assert_ok(vw_hub_clip_open(&h, folder));
  assert_ok(vw_hub_clip_hash(&h, &b));
  assert_true(a.lo != b.lo);
  vw_hub_clip_close(&h);
}

/* Every floating type, the first value and the last; the exponent alone decides. */
static void not_finite(void **state) {
  (void)state;
  static uint16_t half_bits[400];
  vw_safetensors_entry e[TENSORS];
  vw_hub_clip h;
  for (int way = 0; way < 4; way++) {
    put_tiny();
    tiny_weights(e);
    numbers[0] = way == 0 ? NAN : 0, numbers[119] = way == 1 ? -INFINITY : 0;
    half_bits[119] = way == 2 ? 0x7C00 : 0xFFC0; /* infinite in fp16; not a number in bf16 */
    if (way > 1) e[0].tensor.dtype = way == 2 ? VW_F16 : VW_BF16, e[0].tensor.data = half_bits;
    write_weights("model.safetensors", e, TENSORS);
    assert_ok(vw_hub_clip_open(&h, folder));
    assert_int_equal(vw_hub_clip_check_finite(&h), VW_ERR_INPUT);
    assert_non_null(strstr(vw_error_message(), "token_embedding.weight [20, 6] holds a value that is not finite"));
    assert_non_null(strstr(vw_error_message(), way == 0 ? "(number 0)" : "(number 119)"));
    vw_hub_clip_close(&h);
  }
  numbers[0] = 3e38F, numbers[119] = 0;
  put_tiny();
  assert_ok(vw_hub_clip_open(&h, folder));
  assert_ok(vw_hub_clip_check_finite(&h));
  vw_hub_clip_close(&h);
  numbers[0] = 0;
}

/* What was not read before enters the hash where it changes what is read. */
static void later_files(void **state) {
  (void)state;
  vw_hub_clip h;
  vw_hash before, same, other;
  put_tiny();
  assert_ok(vw_hub_clip_open(&h, folder));
  assert_ok(vw_hub_clip_hash(&h, &before));
  vw_hub_clip_close(&h);
  char text[500];
  (void)snprintf(text, sizeof text, "{\"image_processor\": %s}", tiny_pre);
  put("processor_config.json", text);
  assert_ok(vw_hub_clip_open(&h, folder));
  assert_false(h.reread);
  assert_ok(vw_hub_clip_hash(&h, &same));
  assert_true(before.lo == same.lo && before.hi == same.hi);
  vw_hub_clip_close(&h);
  put("processor_config.json", "{\"image_processor\": {\"size\": 10, \"crop_size\": 8}}");
  assert_ok(vw_hub_clip_open(&h, folder));
  assert_true(h.reread);
  assert_int_equal(h.preprocess.size, 10);
  assert_ok(vw_hub_clip_hash(&h, &other));
  assert_true(before.lo != other.lo);
  vw_hub_clip_close(&h);
  assert_int_equal(unlink(in_folder("processor_config.json")), 0);
}

static void wrong_weights(void **state) {
  (void)state;
  vw_safetensors_entry e[TENSORS];
  char *data;
  int64_t bytes;
  put_tiny();
  tiny_weights(e);
  e[4].tensor.dim[0] = 4;
  write_weights("model.safetensors", e, TENSORS);
  expect_refused(VW_ERR_INPUT, "text_projection.weight is [4, 6], by config.json it would be [5, 6]");
  tiny_weights(e);
  e[4].tensor.dtype = VW_I32;
  write_weights("model.safetensors", e, TENSORS);
  expect_refused(VW_ERR_UNSUPPORTED, "text_projection.weight is of type i32");
  tiny_weights(e);
  e[1].name = "text_model.encoder.layers.2.mlp.fc1.weight";
  e[1].tensor.dim[0] = 10;
  write_weights("model.safetensors", e, TENSORS);
  expect_refused(VW_ERR_INPUT, "has no tensor text_model.embeddings.position_embedding.weight");
  tiny_weights(e);
  e[4].name = "vision_model.encoder.layers.1.mlp.fc1.weight";
  write_weights("model.safetensors", e, TENSORS);
  expect_refused(VW_ERR_INPUT, "has no tensor text_projection.weight");
  put_tiny();
  assert_ok(vw_file_read(in_folder("model.safetensors"), &data, &bytes));
  assert_ok(vw_file_write(in_folder("model.safetensors"), data, bytes - 100));
  free(data);
  expect_refused(VW_ERR_INPUT, "truncated");
  assert_int_equal(unlink(in_folder("model.safetensors")), 0);
  put("pytorch_model.bin", "PK");
  expect_refused(VW_ERR_UNSUPPORTED, "convert it once: python -c");
}

static void wrong_config(void **state) {
  (void)state;
  vw_hub_clip h;
  expect_refused(VW_ERR_INPUT, "has no config.json");
  put_tiny();
  put("config.json", "{\"model_type\": \"owlv2\"}");
  expect_refused(VW_ERR_UNSUPPORTED, "config.json: model_type is 'owlv2'");
  put("config.json", "{\"text_config\": {\"hidden_size\": \"six\"}}");
  expect_refused(VW_ERR_INPUT, "config.json: text_config.hidden_size: expected a whole number");
  put("config.json", "{\"text_config\": {\"num_attention_heads\": 7}}");
  expect_refused(VW_ERR_INPUT, "text_config.hidden_size 512 is not a multiple of the 7 heads");
  put("config.json", "{\"vision_config\": {\"hidden_act\": \"silu\"}}");
  expect_refused(VW_ERR_UNSUPPORTED, "vision_config.hidden_act is 'silu'");
  put("config.json", "{\"vision_config\": {\"image_size\": 30, \"patch_size\": 7}}");
  expect_refused(VW_ERR_UNSUPPORTED, "vision_config.image_size 30 is not a multiple of patch_size 7");
  put("config.json", "{\"vision_config\": {\"num_hidden_layers\": 0}}");
  expect_refused(VW_ERR_INPUT, "vision_config.num_hidden_layers is 0, expected 1 to 1000");
  put("config.json", tiny);
  put("preprocessor_config.json", "{\"size\": 8, \"crop_size\": 8, \"resample\": 0}");
  expect_refused(VW_ERR_UNSUPPORTED, "preprocessor_config.json: resample is 0");
  put("preprocessor_config.json", "{\"size\": {\"height\": 8}, \"crop_size\": 8}");
  expect_refused(VW_ERR_UNSUPPORTED, "size: expected shortest_edge (and longest_edge), or height and width, alone");
  put("preprocessor_config.json", "{\"size\": 9, \"crop_size\": 9}");
  expect_refused(VW_ERR_INPUT, "crop_size is 9, but vision_config.image_size");
  put("preprocessor_config.json", "{\"size\": [8, 9], \"do_center_crop\": false}");
  expect_refused(VW_ERR_INPUT, "do_center_crop is off and size is 8 x 9");
  put("preprocessor_config.json", "{\"size\": 8, \"crop_size\": 8, \"image_std\": [1, 0, 1]}");
  expect_refused(VW_ERR_INPUT, "image_std[1]: expected a positive number");
  assert_int_equal(vw_hub_clip_open(&h, VW_SOURCE_DIR "/data/sd-tiny"), VW_ERR_UNSUPPORTED);
  assert_non_null(strstr(vw_error_message(), "is a pipeline of diffusers (model_index.json: StableDiffusionPipeline)"));
  assert_int_equal(vw_hub_clip_open(&h, VW_SOURCE_DIR "/data/owlv2-tiny"), VW_ERR_UNSUPPORTED);
  assert_non_null(strstr(vw_error_message(), "model_type is 'owlv2', expected 'clip'"));
  assert_int_equal(vw_hub_clip_open(&h, in_folder("nowhere")), VW_ERR_INPUT);
  assert_non_null(strstr(vw_error_message(), "/nowhere: no such model directory"));
}

/* The network that ships with viswords, and its tokenizer, belong together. */
static void shipped(void **state) {
  (void)state;
  vw_hub_clip h;
  vw_tokenizer *t;
  int32_t id;
  assert_ok(vw_hub_clip_open(&h, VW_SOURCE_DIR "/data/clip-tiny"));
  assert_ok(vw_tokenizer_open(&t, h.folder));
  assert_int_equal(vw_tokenizer_size(t), h.text.vocab);
  assert_int_equal(vw_tokenizer_end(t), h.text.eos_token_id);
  assert_ok(vw_tokenizer_word(t, "strawberry", &id));
  vw_tokenizer_close(t);
  vw_hub_clip_close(&h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(opens, fresh),        cmocka_unit_test_setup(sparse, fresh),
      cmocka_unit_test_setup(configs, fresh),      cmocka_unit_test_setup(python_numbers, fresh),
      cmocka_unit_test_setup(half, fresh),         cmocka_unit_test_setup(shards, fresh),
      cmocka_unit_test_setup(identity, fresh),     cmocka_unit_test_setup(not_finite, fresh),
      cmocka_unit_test_setup(later_files, fresh),  cmocka_unit_test_setup(wrong_weights, fresh),
      cmocka_unit_test_setup(wrong_config, fresh), cmocka_unit_test(shipped),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
