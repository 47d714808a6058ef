#include "io/hub_clip.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/durable.h"
#include "io/hub_pictures.h"
#include "io/json.h"

static const int64_t MOST = 1 << 24; /* of any size in a configuration */

const vw_hub_family vw_hub_family_clip = {.type = "clip",
                                          .saves = "CLIPModel",
                                          .prefix = "",
                                          .positions = 77,
                                          .image_size = 224,
                                          .patch = 32,
                                          .compares = true};

/* ---- config.json ---- */

/* The object that counts: an old file's <name>_dict, completed by the defaults, overrides all of <name>. */
static const json_t *tower_of(const json_t *config, const char *name, const char **used, const char *name_dict) {
  const json_t *over = json_object_get(config, name_dict);
  *used = json_is_object(over) ? name_dict : name;
  return json_is_object(over) ? over : json_object_get(config, name);
}

static vw_status read_activation(const char *path, const char *where, const json_t *tower, char out[16]) {
  const char *name;
  VW_TRY(vw_json_text(path, where, tower, "hidden_act", "quick_gelu", &name));
  VW_CHECK(strcmp(name, "quick_gelu") == 0 || strcmp(name, "gelu") == 0, VW_ERR_UNSUPPORTED,
           "%s: %shidden_act is '%s', expected quick_gelu or gelu", path, where, name);
  (void)snprintf(out, 16, "%s", name);
  return VW_OK;
}

static vw_status check_heads(const char *path, const char *where, int64_t width, int64_t heads, double eps) {
  VW_CHECK(width % heads == 0, VW_ERR_INPUT, "%s: %shidden_size %" PRId64 " is not a multiple of the %" PRId64 " heads",
           path, where, width, heads);
  VW_CHECK(eps > 0 && eps < 1, VW_ERR_INPUT, "%s: %slayer_norm_eps is %g, expected a small positive number", path,
           where, eps);
  return VW_OK;
}

static vw_status read_text(const char *path, const json_t *config, const vw_hub_family *family, vw_hub_text *t) {
  const char *name;
  char where[40];
  const json_t *c = tower_of(config, "text_config", &name, "text_config_dict");
  (void)snprintf(where, sizeof where, "%s.", name);
  VW_TRY(vw_json_int(path, where, c, "vocab_size", 1, MOST, 49408, &t->vocab));
  VW_TRY(vw_json_int(path, where, c, "hidden_size", 1, MOST, 512, &t->width));
  VW_TRY(vw_json_int(path, where, c, "intermediate_size", 1, MOST, 2048, &t->mlp));
  VW_TRY(vw_json_int(path, where, c, "num_hidden_layers", 1, 1000, 12, &t->layers));
  VW_TRY(vw_json_int(path, where, c, "num_attention_heads", 1, MOST, 8, &t->heads));
  VW_TRY(vw_json_int(path, where, c, "max_position_embeddings", 1, MOST, family->positions, &t->positions));
  VW_TRY(vw_json_int(path, where, c, "eos_token_id", 0, MOST, 49407, &t->eos_token_id));
  VW_TRY(vw_json_double(path, where, c, "layer_norm_eps", 1e-5, &t->eps));
  VW_TRY(read_activation(path, where, c, t->activation));
  VW_TRY(check_heads(path, where, t->width, t->heads, t->eps));
  return VW_OK;
}

static vw_status read_vision(const char *path, const json_t *config, const vw_hub_family *family, vw_hub_vision *v) {
  const char *name;
  char where[40];
  int64_t channels;
  const json_t *c = tower_of(config, "vision_config", &name, "vision_config_dict");
  (void)snprintf(where, sizeof where, "%s.", name);
  VW_TRY(vw_json_int(path, where, c, "hidden_size", 1, MOST, 768, &v->width));
  VW_TRY(vw_json_int(path, where, c, "intermediate_size", 1, MOST, 3072, &v->mlp));
  VW_TRY(vw_json_int(path, where, c, "num_hidden_layers", 1, 1000, 12, &v->layers));
  VW_TRY(vw_json_int(path, where, c, "num_attention_heads", 1, MOST, 12, &v->heads));
  VW_TRY(vw_json_int(path, where, c, "image_size", 1, 1 << 14, family->image_size, &v->image_size));
  VW_TRY(vw_json_int(path, where, c, "patch_size", 1, v->image_size, family->patch, &v->patch));
  VW_TRY(vw_json_int(path, where, c, "num_channels", 3, 3, 3, &channels));
  VW_TRY(vw_json_double(path, where, c, "layer_norm_eps", 1e-5, &v->eps));
  VW_TRY(read_activation(path, where, c, v->activation));
  VW_TRY(check_heads(path, where, v->width, v->heads, v->eps));
  VW_CHECK(v->image_size % v->patch == 0, VW_ERR_UNSUPPORTED,
           "%s: %simage_size %" PRId64 " is not a multiple of patch_size %" PRId64
           "; viswords takes whole patches only",
           path, where, v->image_size, v->patch);
  return VW_OK;
}

static vw_status read_config(vw_hub_clip *h) {
  vw_status st = VW_OK;
  char path[VW_PATH_BYTES];
  json_t *config = NULL;
  const char *type;
  VW_GOTO(vw_path_format(path, "%s/config.json", h->folder));
  if (!vw_file_exists(path))
    VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: has no config.json; expected a model directory as the hub has it", h->folder));
  VW_GOTO(vw_json_read(path, &config));
  VW_GOTO(vw_json_text(path, "", config, "model_type", h->family->type, &type));
  if (strcmp(type, h->family->type) != 0)
    VW_GOTO(VW_RAISE(VW_ERR_UNSUPPORTED, "%s: model_type is '%s', expected '%s' (both towers, as %s saves)", path, type,
                     h->family->type, h->family->saves));
  VW_GOTO(vw_json_int(path, "", config, "projection_dim", 1, MOST, 512, &h->projection_dim));
  VW_GOTO(read_text(path, config, h->family, &h->text));
  VW_GOTO(read_vision(path, config, h->family, &h->vision));
cleanup:
  json_decref(config);
  return st;
}

/* ---- weights ---- */

static vw_status add_file(vw_hub_clip *h, const char *path) {
  VW_CHECK(h->n_files < VW_HUB_CLIP_SHARDS, VW_ERR_UNSUPPORTED, "%s: the weights are in more than %d files", h->folder,
           VW_HUB_CLIP_SHARDS);
  VW_TRY(vw_safetensors_open(&h->files[h->n_files], path));
  h->n_files++;
  return VW_OK;
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* Index and shards say the same: each tensor is in the file that the index names, and in no other. */
static vw_status check_index(const vw_hub_clip *h, const char *path, json_t *map) {
  const char *tensor;
  json_t *value;
  json_object_foreach(map, tensor, value) {
    int64_t i = 0;
    while (strcmp(base_name(vw_safetensors_path(h->files[i])), json_string_value(value)) != 0) i++;
    VW_CHECK(vw_safetensors_has(h->files[i], tensor), VW_ERR_INPUT,
             "%s: weight_map.%s: %s has no such tensor; download index and shards together", path, tensor,
             json_string_value(value));
  }
  for (int64_t i = 0; i < h->n_files; i++)
    for (int64_t k = 0; k < vw_safetensors_count(h->files[i]); k++) {
      const char *name = vw_safetensors_name(h->files[i], k), *shard = base_name(vw_safetensors_path(h->files[i]));
      const char *named = json_string_value(json_object_get(map, name));
      VW_CHECK(!named || !strcmp(named, shard), VW_ERR_INPUT,
               "%s: tensor %s is in %s too, but by the index it is in %s; download index and shards together", path,
               name, shard, named);
    }
  return VW_OK;
}

/* The index names the file of every tensor; each file is opened once, in the order in which they are first named. */
static vw_status open_shards(vw_hub_clip *h, const char *path) {
  vw_status st = VW_OK;
  json_t *index, *value;
  const char *tensor;
  VW_TRY(vw_json_read(path, &index));
  json_t *map = json_object_get(index, "weight_map");
  if (!json_is_object(map)) VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: weight_map: expected an object", path));
  json_object_foreach(map, tensor, value) {
    char shard[VW_PATH_BYTES];
    const char *name = json_string_value(value);
    bool there = false;
    if (!name || strchr(name, '/'))
      VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: weight_map.%s: expected the name of a file beside it", path, tensor));
    VW_GOTO(vw_path_format(shard, "%s/%s", h->folder, name));
    for (int64_t i = 0; i < h->n_files; i++) there |= strcmp(vw_safetensors_path(h->files[i]), shard) == 0;
    if (!there) VW_GOTO(add_file(h, shard));
  }
  VW_GOTO(check_index(h, path, map));
cleanup:
  json_decref(index);
  return st;
}

/* The names that the hub's libraries give to weights, the full precision first. */
static vw_status open_weights(vw_hub_clip *h) {
  static const struct {
    const char *name;
    vw_status (*open)(vw_hub_clip *h, const char *path);
  } names[] = {{"model.safetensors", add_file},
               {"model.safetensors.index.json", open_shards},
               {"model.fp16.safetensors", add_file},
               {"model.safetensors.index.fp16.json", open_shards}};
  static const char *const pickles[] = {"pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model.fp16.bin"};
  char path[VW_PATH_BYTES];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    VW_TRY(vw_path_format(path, "%s/%s", h->folder, names[i].name));
    if (!vw_file_exists(path)) continue;
    VW_TRY(names[i].open(h, path));
    return VW_OK;
  }
  for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++) {
    VW_TRY(vw_path_format(path, "%s/%s", h->folder, pickles[i]));
    VW_CHECK(
        !vw_file_exists(path), VW_ERR_UNSUPPORTED,
        "%s: a Python pickle can run code, so it is not read; convert it once: python -c \"from transformers import "
        "%s; %s.from_pretrained('%s').save_pretrained('%s')\"",
        path, h->family->saves, h->family->saves, h->folder, h->folder);
  }
  return VW_RAISE(VW_ERR_INPUT, "%s: has no model.safetensors; download it from the hub beside config.json", h->folder);
}

vw_status vw_hub_clip_tensor(const vw_hub_clip *h, const char *name, vw_tensor *out) {
  for (int64_t i = 0; i < h->n_files; i++)
    if (vw_safetensors_has(h->files[i], name)) {
      VW_TRY(vw_safetensors_find(h->files[i], name, out));
      return VW_OK;
    }
  return VW_RAISE(VW_ERR_INPUT,
                  "%s: has no tensor %s (weights in %" PRId64 " file%s): is this a %s with both towers, and does "
                  "config.json belong to it?",
                  h->n_files == 1 ? vw_safetensors_path(h->files[0]) : h->folder, name, h->n_files,
                  h->n_files == 1 ? "" : "s", h->family->saves);
}

/* `name` below the family's prefix. */
static vw_status expect(const vw_hub_clip *h, const char *name, vw_tensor shape) {
  char path[120];
  vw_tensor t;
  (void)snprintf(path, sizeof path, "%s%s", h->family->prefix, name);
  VW_TRY(vw_hub_clip_tensor(h, path, &t));
  VW_CHECK(vw_same_shape(&t, &shape), VW_ERR_INPUT, "%s: tensor %s is %s, by config.json it would be %s", h->folder,
           path, vw_shape_text(&t), vw_shape_text(&shape));
  VW_CHECK(t.dtype == VW_F32 || t.dtype == VW_F16 || t.dtype == VW_BF16 || t.dtype == VW_F64, VW_ERR_UNSUPPORTED,
           "%s: tensor %s is of type %s, expected f16, bf16, f32 or f64", h->folder, path, vw_dtype_name(t.dtype));
  return VW_OK;
}

/* The layer's widest tensor; and the layer after the last must not be there. */
static vw_status expect_layers(const vw_hub_clip *h, const char *tower, int64_t layers, int64_t width, int64_t mlp) {
  char name[100];
  for (int64_t i = 0; i<layers; i += layers> 1 ? layers - 1 : 1) {
    (void)snprintf(name, sizeof name, "%s.encoder.layers.%" PRId64 ".mlp.fc1.weight", tower, i);
    VW_TRY(expect(h, name, vw_shape(VW_F32, mlp, width)));
  }
  (void)snprintf(name, sizeof name, "%s%s.encoder.layers.%" PRId64 ".mlp.fc1.weight", h->family->prefix, tower, layers);
  for (int64_t i = 0; i < h->n_files; i++)
    VW_CHECK(!vw_safetensors_has(h->files[i], name), VW_ERR_INPUT,
             "%s: the weights have %s, but config.json says %" PRId64 " layers", h->folder, name, layers);
  return VW_OK;
}

static vw_status check_weights(vw_hub_clip *h) {
  const vw_hub_text *t = &h->text;
  const vw_hub_vision *v = &h->vision;
  const int64_t side = v->image_size / v->patch, one = 1, three = 3;
  vw_tensor scale;
  VW_TRY(expect(h, "text_model.embeddings.token_embedding.weight", vw_shape(VW_F32, t->vocab, t->width)));
  VW_TRY(expect(h, "text_model.embeddings.position_embedding.weight", vw_shape(VW_F32, t->positions, t->width)));
  VW_TRY(expect(h, "text_projection.weight", vw_shape(VW_F32, h->projection_dim, t->width)));
  VW_TRY(expect_layers(h, "text_model", t->layers, t->width, t->mlp));
  VW_TRY(expect(h, "vision_model.embeddings.patch_embedding.weight",
                vw_shape(VW_F32, v->width, three, v->patch, v->patch)));
  VW_TRY(expect(h, "vision_model.embeddings.position_embedding.weight", vw_shape(VW_F32, side * side + one, v->width)));
  VW_TRY(expect(h, "visual_projection.weight", vw_shape(VW_F32, h->projection_dim, v->width)));
  VW_TRY(expect_layers(h, "vision_model", v->layers, v->width, v->mlp));
  if (!h->family->compares) return VW_OK;
  VW_TRY(vw_hub_clip_tensor(h, "logit_scale", &scale));
  VW_CHECK(vw_count(&scale) == 1, VW_ERR_INPUT, "%s: logit_scale is %s, expected one number", h->folder,
           vw_shape_text(&scale));
  VW_TRY(vw_convert(&h->logit_scale, VW_F64, scale.data, scale.dtype, 1));
  return VW_OK;
}

static vw_status read_settings(vw_hub_clip *h, const char *folder, const vw_hub_family *family) {
  vw_status st = VW_OK;
  *h = (vw_hub_clip){.family = family, .folder = strdup(folder)};
  VW_CHECK(h->folder, VW_ERR_MEMORY, "%s: out of memory", folder);
  if (access(folder, F_OK) != 0)
    VW_GOTO(
        VW_RAISE(VW_ERR_INPUT, "%s: no such model directory; the README says where to put files from the hub", folder));
  VW_GOTO(read_config(h));
  if (family->compares) VW_GOTO(vw_hub_pictures_read(folder, h->vision.image_size, &h->preprocess, &h->reread));
cleanup:
  if (st != VW_OK) vw_hub_clip_close(h);
  return st;
}

vw_status vw_hub_clip_read_config(vw_hub_clip *h, const char *folder) {
  return read_settings(h, folder, &vw_hub_family_clip);
}

vw_status vw_hub_clip_open(vw_hub_clip *h, const char *folder) {
  return vw_hub_clip_open_family(h, folder, &vw_hub_family_clip);
}

vw_status vw_hub_clip_open_family(vw_hub_clip *h, const char *folder, const vw_hub_family *family) {
  vw_status st = VW_OK;
  VW_TRY(read_settings(h, folder, family));
  VW_GOTO(open_weights(h));
  VW_GOTO(check_weights(h));
cleanup:
  if (st != VW_OK) vw_hub_clip_close(h);
  return st;
}

void vw_hub_clip_close(vw_hub_clip *h) {
  for (int64_t i = 0; i < h->n_files; i++) vw_safetensors_close(h->files[i]);
  free(h->folder);
  *h = (vw_hub_clip){0};
}

/* ---- not finite ---- */

/* All ones in the exponent: infinite or not a number. One loop a type, without a way out, so that it is vectorised. */
#define NOT_FINITE(type, ones)                                                                                         \
  do {                                                                                                                 \
    const type *x = (const type *)data + at;                                                                           \
    type any = 0;                                                                                                      \
    for (int64_t i = 0; i < n; i++) any |= (x[i] & (ones)) == (ones);                                                  \
    return any != 0;                                                                                                   \
  } while (0)

static bool has_not_finite(const void *data, vw_dtype type, int64_t at, int64_t n) {
  switch (type) {
  case VW_F64:
    NOT_FINITE(uint64_t, UINT64_C(0x7FF) << 52);
  case VW_F32:
    NOT_FINITE(uint32_t, UINT32_C(0xFF) << 23);
  case VW_F16:
    NOT_FINITE(uint16_t, 0x7C00);
  case VW_BF16:
    NOT_FINITE(uint16_t, 0x7F80);
  default:
    return false;
  }
}

/* The first value of a tensor that is not finite; -1: all are. */
static int64_t find_not_finite(const vw_tensor *t) {
  enum { CHUNK = 1 << 16 };
  const int64_t n = vw_count(t);
  for (int64_t at = 0; at < n; at += CHUNK) {
    if (!has_not_finite(t->data, t->dtype, at, n - at < CHUNK ? n - at : CHUNK)) continue;
    while (!has_not_finite(t->data, t->dtype, at, 1)) at++;
    return at;
  }
  return -1;
}

vw_status vw_hub_clip_check_finite(const vw_hub_clip *h) {
  for (int64_t i = 0; i < h->n_files; i++)
    for (int64_t k = 0; k < vw_safetensors_count(h->files[i]); k++) {
      const vw_tensor t = vw_safetensors_tensor(h->files[i], k);
      const int64_t at = find_not_finite(&t);
      VW_CHECK(at < 0, VW_ERR_INPUT,
               "%s: tensor %s %s holds a value that is not finite (number %" PRId64
               "); every result would be NaN: download the file again",
               vw_safetensors_path(h->files[i]), vw_safetensors_name(h->files[i], k), vw_shape_text(&t), at);
    }
  return VW_OK;
}

/* ---- identity ---- */

static vw_status add_small_file(vw_hasher *hasher, const char *folder, const char *name) {
  char path[VW_PATH_BYTES], *data;
  int64_t bytes;
  VW_TRY(vw_path_format(path, "%s/%s", folder, name));
  if (!vw_file_exists(path)) return VW_OK;
  VW_TRY(vw_file_read(path, &data, &bytes));
  vw_hasher_field(hasher, name);
  vw_hasher_int(hasher, bytes);
  vw_hasher_add(hasher, data, (size_t)bytes);
  free(data);
  return VW_OK;
}

vw_status vw_hub_clip_hash(const vw_hub_clip *h, vw_hash *out) {
  static const char *const names[] = {
      "config.json",           "preprocessor_config.json", "vocab.json",       "merges.txt", "tokenizer.json",
      "tokenizer_config.json", "special_tokens_map.json",  "trained_words.txt"};
  static const char *const later[] = {"processor_config.json", "added_tokens.json"};
  vw_status st = VW_OK;
  vw_hasher *hasher = vw_hasher_create();
  VW_CHECK(hasher, VW_ERR_MEMORY, "%s: out of memory", h->folder);
  vw_hasher_field(hasher, "viswords-hub-clip-1");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) VW_GOTO(add_small_file(hasher, h->folder, names[i]));
  if (h->reread) {
    vw_hasher_field(hasher, "viswords-reading-2");
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) VW_GOTO(add_small_file(hasher, h->folder, later[i]));
  }
  for (int64_t i = 0; i < h->n_files; i++) {
    size_t bytes;
    (void)vw_safetensors_bytes(h->files[i], &bytes);
    vw_hasher_field(hasher, "weights");
    vw_hasher_int(hasher, (int64_t)bytes);
    VW_GOTO(vw_safetensors_hash(h->files[i], hasher));
  }
  *out = vw_hasher_done(hasher);
cleanup:
  vw_hasher_destroy(hasher);
  return st;
}

vw_status vw_hub_clip_unchanged(const vw_hub_clip *h) {
  for (int64_t i = 0; i < h->n_files; i++) VW_TRY(vw_safetensors_unchanged(h->files[i]));
  return VW_OK;
}
