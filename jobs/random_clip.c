/* `random-clip`: a CLIP directory in the hub's format with random weights of any size of the family: to measure speed
 * and memory where the real weights are not at hand. Its features mean nothing. */
#include "jobs/jobs.h"

#include "core/pool.h"
#include "core/random.h"
#include "core/text.h"
#include "io/durable.h"
#include "io/safetensors.h"
#include "io/tokenizer.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct tower {
  int64_t width, mlp, layers, heads;
} tower;

static const struct clip_size {
  const char *name;
  tower text, vision;
  int64_t image, patch, projection;
} sizes[] = {
    {"B/32", {512, 2048, 12, 8}, {768, 3072, 12, 12}, 224, 32, 512},
    {"B/16", {512, 2048, 12, 8}, {768, 3072, 12, 12}, 224, 16, 512},
    {"L/14", {768, 3072, 12, 12}, {1024, 4096, 24, 16}, 224, 14, 768},
    {"H/14", {1024, 4096, 24, 16}, {1280, 5120, 32, 16}, 224, 14, 1024},
};
enum { SIZES = sizeof sizes / sizeof *sizes, VOCABULARY = 49408, POSITIONS = 77, MOST_TENSORS = 2048 };

typedef struct maker {
  vw_safetensors_entry *entries;
  int64_t n;
  vw_pool names;
  bool half;
  vw_status st;
} maker;

/* Normals of standard deviation `sd` around `mean`; the stream is keyed by the tensor's place. */
static void add(maker *m, const char *prefix, const char *name, double mean, double sd, vw_tensor shape) {
  char path[256];
  const int64_t n = vw_count(&shape);
  if (m->st != VW_OK) return; /* the first failure counts */
  float *x = malloc((size_t)(n + 4) * sizeof *x);
  (void)snprintf(path, sizeof path, "%s%s", prefix, name);
  const char *kept = vw_pool_text(&m->names, path, -1);
  if (!x || !kept) {
    free(x);
    m->st = VW_RAISE(VW_ERR_MEMORY, "random weights: out of memory");
    return;
  }
  for (int64_t i = 0; i < n; i += 4) {
    vw_normal4(vw_philox4x32((uint64_t)m->n, (uint32_t)(i / 4), 0, VW_DRAW_WEIGHTS, 0), x + i);
    for (int64_t j = i; j < i + 4 && j < n; j++) x[j] = (float)(mean + sd * x[j]);
  }
  shape.dtype = VW_F32, shape.data = x;
  if (m->half) {
    shape.dtype = VW_F16, shape.data = malloc((size_t)n * 2);
    m->st = shape.data ? vw_convert(shape.data, VW_F16, x, VW_F32, n)
                       : VW_RAISE(VW_ERR_MEMORY, "random weights: out of memory");
    free(x);
  }
  m->entries[m->n++] = (vw_safetensors_entry){.name = kept, .tensor = shape};
}

static void add_linear(maker *m, const char *prefix, const char *name, int64_t out, int64_t in) {
  char weight[128], bias[128];
  (void)snprintf(weight, sizeof weight, "%s.weight", name), (void)snprintf(bias, sizeof bias, "%s.bias", name);
  add(m, prefix, weight, 0, sqrt(1.0 / (double)in), vw_shape(VW_F32, out, in));
  add(m, prefix, bias, 0, 0.02, vw_shape(VW_F32, out));
}

static void add_norm(maker *m, const char *prefix, const char *name, int64_t width) {
  char weight[128], bias[128];
  (void)snprintf(weight, sizeof weight, "%s.weight", name), (void)snprintf(bias, sizeof bias, "%s.bias", name);
  add(m, prefix, weight, 1, 0.1, vw_shape(VW_F32, width));
  add(m, prefix, bias, 0, 0.02, vw_shape(VW_F32, width));
}

static void add_layers(maker *m, const char *path, const tower *t) {
  static const char *const projections[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                            "self_attn.out_proj"};
  for (int64_t i = 0; i < t->layers && m->st == VW_OK; i++) {
    char prefix[128];
    (void)snprintf(prefix, sizeof prefix, "%s.encoder.layers.%lld.", path, (long long)i);
    for (int j = 0; j < 4; j++) add_linear(m, prefix, projections[j], t->width, t->width);
    add_norm(m, prefix, "layer_norm1", t->width), add_norm(m, prefix, "layer_norm2", t->width);
    add_linear(m, prefix, "mlp.fc1", t->mlp, t->width), add_linear(m, prefix, "mlp.fc2", t->width, t->mlp);
  }
}

static void add_towers(maker *m, const struct clip_size *s) {
  const int64_t side = s->image / s->patch;
  add(m, "text_model.", "embeddings.token_embedding.weight", 0, 0.02, vw_shape(VW_F32, VOCABULARY, s->text.width));
  add(m, "text_model.", "embeddings.position_embedding.weight", 0, 0.01, vw_shape(VW_F32, POSITIONS, s->text.width));
  add_layers(m, "text_model", &s->text);
  add_norm(m, "text_model.", "final_layer_norm", s->text.width);
  add(m, "", "text_projection.weight", 0, sqrt(1.0 / (double)s->text.width),
      vw_shape(VW_F32, s->projection, s->text.width));
  add(m, "", "logit_scale", log(100.0), 0, vw_shape(VW_F32, 1));
  add(m, "vision_model.", "embeddings.class_embedding", 0, 0.02, vw_shape(VW_F32, s->vision.width));
  add(m, "vision_model.", "embeddings.patch_embedding.weight", 0, 0.02,
      vw_shape(VW_F32, s->vision.width, 3, s->patch, s->patch));
  add(m, "vision_model.", "embeddings.position_embedding.weight", 0, 0.02,
      vw_shape(VW_F32, side * side + 1, s->vision.width));
  add_norm(m, "vision_model.", "pre_layrnorm", s->vision.width);
  add_layers(m, "vision_model", &s->vision);
  add_norm(m, "vision_model.", "post_layernorm", s->vision.width);
  add(m, "", "visual_projection.weight", 0, sqrt(1.0 / (double)s->vision.width),
      vw_shape(VW_F32, s->projection, s->vision.width));
}

static json_t *tower_json(const tower *t, int64_t projection) {
  return json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "hidden_size", (json_int_t)t->width, "intermediate_size",
                   (json_int_t)t->mlp, "num_hidden_layers", (json_int_t)t->layers, "num_attention_heads",
                   (json_int_t)t->heads, "projection_dim", (json_int_t)projection, "hidden_act", "quick_gelu");
}

static vw_status write_config(const struct clip_size *s, const char *dir, int32_t end) {
  char path[VW_PATH_BYTES];
  json_t *text = tower_json(&s->text, s->projection), *vision = tower_json(&s->vision, s->projection);
  json_object_set_new(text, "vocab_size", json_integer(VOCABULARY));
  json_object_set_new(text, "eos_token_id", json_integer(end));
  json_object_set_new(vision, "image_size", json_integer(s->image));
  json_object_set_new(vision, "patch_size", json_integer(s->patch));
  json_t *all = json_pack("{s:s, s:I, s:o, s:o}", "model_type", "clip", "projection_dim", (json_int_t)s->projection,
                          "text_config", text, "vision_config", vision);
  char *dump = json_dumps(all, JSON_INDENT(1));
  json_decref(all);
  vw_status st = dump ? vw_path_format(path, "%s/config.json", dir) : VW_RAISE(VW_ERR_MEMORY, "out of memory");
  if (st == VW_OK) st = vw_file_write(path, dump, (int64_t)strlen(dump));
  free(dump);
  return st;
}

static vw_status copy_tokenizer(const char *from, const char *dir) {
  static const char *const names[] = {"vocab.json", "merges.txt"};
  for (int i = 0; i < 2; i++) {
    char a[VW_PATH_BYTES], b[VW_PATH_BYTES], *text = NULL;
    int64_t bytes = 0;
    VW_TRY(vw_path_format(a, "%s/%s", from, names[i]));
    VW_TRY(vw_path_format(b, "%s/%s", dir, names[i]));
    VW_TRY(vw_file_read(a, &text, &bytes));
    const vw_status st = vw_file_write(b, text, bytes);
    free(text);
    VW_TRY(st);
  }
  return VW_OK;
}

static vw_status make(const struct clip_size *s, const char *dir, const char *tokenizer, bool half) {
  char path[VW_PATH_BYTES];
  vw_tokenizer *t;
  VW_TRY(vw_folder_make(dir));
  VW_TRY(copy_tokenizer(tokenizer, dir));
  VW_TRY(vw_tokenizer_open(&t, dir));
  const int32_t end = vw_tokenizer_end(t);
  vw_tokenizer_close(t);
  VW_TRY(write_config(s, dir, end));
  VW_TRY(vw_path_format(path, "%s/model.safetensors", dir));
  maker m = {.half = half, .entries = calloc(MOST_TENSORS, sizeof *m.entries)};
  VW_CHECK(m.entries, VW_ERR_MEMORY, "random weights: out of memory");
  add_towers(&m, s);
  const vw_keyvalue metadata[] = {{"format", "pt"}}; /* transformers refuses a file without */
  vw_status st = m.st;
  if (st == VW_OK) st = vw_safetensors_write(path, m.entries, m.n, metadata, 1);
  for (int64_t i = 0; i < m.n; i++) free(m.entries[i].tensor.data);
  free(m.entries);
  vw_pool_fini(&m.names);
  return st;
}

int vw_job_random_clip(int argc, char **argv) {
  const char *positional[1], *size = "L/14", *tokenizer = "data/clip-tiny";
  bool half = false;
  const vw_option options[] = {{"size", 's', VW_OPT_STRING, &size, "NAME", "B/32, B/16, L/14 (default) or H/14"},
                               {"tokenizer", 0, VW_OPT_STRING, &tokenizer, "DIR",
                                "model directory whose vocab.json and merges.txt are copied (default data/clip-tiny)"},
                               {"fp16", 0, VW_OPT_FLAG, &half, NULL, "half precision, as many hub files"},
                               {0}};
  static const char *const names[] = {"DIR"};
  const vw_command_line c = {"random-clip",
                             "DIR [--size L/14]",
                             "Writes a CLIP directory with random weights of full size, for benchmarks.",
                             options,
                             names,
                             1,
                             1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  for (int i = 0; i < SIZES; i++)
    if (!strcmp(size, sizes[i].name)) return vw_report(make(&sizes[i], positional[0], tokenizer, half));
  (void)vw_print(stderr, "viswords random-clip: --size '%s': choose B/32, B/16, L/14 or H/14\n", size);
  return VW_EXIT_REFUSED;
}
