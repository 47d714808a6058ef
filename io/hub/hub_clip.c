#include "io/hub/hub_clip.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/durable.h"
#include "io/hub/hub_pictures.h"
#include "io/hub/hub_text.h"
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

vw_status vw_hub_text_read(const char *path, const char *where, const json_t *c, int64_t positions, vw_hub_text *t) {
  VW_TRY(vw_json_int(path, where, c, "vocab_size", 1, MOST, 49408, &t->vocab));
  VW_TRY(vw_json_int(path, where, c, "hidden_size", 1, MOST, 512, &t->width));
  VW_TRY(vw_json_int(path, where, c, "intermediate_size", 1, MOST, 2048, &t->mlp));
  VW_TRY(vw_json_int(path, where, c, "num_hidden_layers", 1, 1000, 12, &t->layers));
  VW_TRY(vw_json_int(path, where, c, "num_attention_heads", 1, MOST, 8, &t->heads));
  VW_TRY(vw_json_int(path, where, c, "max_position_embeddings", 1, MOST, positions, &t->positions));
  VW_TRY(vw_json_int(path, where, c, "eos_token_id", 0, MOST, 49407, &t->eos_token_id));
  VW_TRY(vw_json_double(path, where, c, "layer_norm_eps", 1e-5, &t->eps));
  VW_TRY(read_activation(path, where, c, t->activation));
  VW_TRY(check_heads(path, where, t->width, t->heads, t->eps));
  return VW_OK;
}

static vw_status read_text(const char *path, const json_t *config, const vw_hub_family *family, vw_hub_text *t) {
  const char *name;
  char where[40];
  const json_t *c = tower_of(config, "text_config", &name, "text_config_dict");
  (void)snprintf(where, sizeof where, "%s.", name);
  return vw_hub_text_read(path, where, c, family->positions, t);
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

/* Names what the directory is instead, where it says so. */
static vw_status refuse_without_config(const vw_hub_clip *h) {
  char path[VW_PATH_BYTES];
  json_t *index = NULL;
  VW_TRY(vw_path_format(path, "%s/model_index.json", h->folder));
  if (!vw_file_exists(path))
    return VW_RAISE(VW_ERR_INPUT, "%s: has no config.json; expected a model directory as the hub has it", h->folder);
  VW_TRY(vw_json_read(path, &index));
  const char *name = json_string_value(json_object_get(index, "_class_name"));
  const vw_status st =
      VW_RAISE(VW_ERR_UNSUPPORTED,
               "%s: is a pipeline of diffusers (model_index.json: %s), expected a model's own directory "
               "(config.json, as %s saves)",
               h->folder, name ? name : "no _class_name", h->family->saves);
  json_decref(index);
  return st;
}

static vw_status read_config(vw_hub_clip *h) {
  vw_status st = VW_OK;
  char path[VW_PATH_BYTES];
  json_t *config = NULL;
  const char *type;
  VW_GOTO(vw_path_format(path, "%s/config.json", h->folder));
  if (!vw_file_exists(path)) VW_GOTO(refuse_without_config(h));
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

vw_status vw_hub_clip_tensor(const vw_hub_clip *h, const char *name, vw_tensor *out) {
  if (vw_hub_weights_have(&h->weights, name)) return vw_hub_weights_find(&h->weights, name, out);
  return VW_RAISE(VW_ERR_INPUT,
                  "%s: has no tensor %s (weights in %" PRId64 " file%s): is this a %s with both towers, and does "
                  "config.json belong to it?",
                  h->weights.n_files == 1 ? vw_safetensors_path(h->weights.files[0]) : h->folder, name,
                  h->weights.n_files, h->weights.n_files == 1 ? "" : "s", h->family->saves);
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
  VW_CHECK(!vw_hub_weights_have(&h->weights, name), VW_ERR_INPUT,
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
  const vw_hub_weights_names names = {"model", "pytorch_model", "transformers", family->saves};
  vw_status st = VW_OK;
  VW_TRY(read_settings(h, folder, family));
  VW_GOTO(vw_hub_weights_open(&h->weights, folder, &names));
  VW_GOTO(check_weights(h));
cleanup:
  if (st != VW_OK) vw_hub_clip_close(h);
  return st;
}

void vw_hub_clip_close(vw_hub_clip *h) {
  vw_hub_weights_close(&h->weights);
  free(h->folder);
  *h = (vw_hub_clip){0};
}

vw_status vw_hub_clip_check_finite(const vw_hub_clip *h) {
  return vw_hub_weights_check_finite(&h->weights);
}

/* ---- identity ---- */

vw_status vw_hub_clip_hash(const vw_hub_clip *h, vw_hash *out) {
  static const char *const names[] = {
      "config.json",           "preprocessor_config.json", "vocab.json",       "merges.txt", "tokenizer.json",
      "tokenizer_config.json", "special_tokens_map.json",  "trained_words.txt"};
  static const char *const later[] = {"processor_config.json", "added_tokens.json"};
  vw_status st = VW_OK;
  vw_hasher *hasher = vw_hasher_create();
  VW_CHECK(hasher, VW_ERR_MEMORY, "%s: out of memory", h->folder);
  vw_hasher_field(hasher, "viswords-hub-clip-1");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    VW_GOTO(vw_hub_hash_small_file(hasher, h->folder, names[i]));
  if (h->reread) {
    vw_hasher_field(hasher, "viswords-reading-2");
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
      VW_GOTO(vw_hub_hash_small_file(hasher, h->folder, later[i]));
  }
  VW_GOTO(vw_hub_weights_hash(&h->weights, hasher));
  *out = vw_hasher_done(hasher);
cleanup:
  vw_hasher_destroy(hasher);
  return st;
}

vw_status vw_hub_clip_unchanged(const vw_hub_clip *h) {
  for (int64_t i = 0; i < h->weights.n_files; i++) VW_TRY(vw_safetensors_unchanged(h->weights.files[i]));
  return VW_OK;
}
