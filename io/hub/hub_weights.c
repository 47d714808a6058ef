#include "io/hub/hub_weights.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/durable.h"
#include "io/json.h"

/* ---- files ---- */

static vw_status add_file(vw_hub_weights *w, const char *folder, const char *path) {
  VW_CHECK(w->n_files < VW_HUB_SHARDS, VW_ERR_UNSUPPORTED, "%s: the weights are in more than %d files", folder,
           VW_HUB_SHARDS);
  VW_TRY(vw_safetensors_open(&w->files[w->n_files], path));
  w->n_files++;
  return VW_OK;
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* Index and shards say the same: each tensor is in the file that the index names, and in no other. */
static vw_status check_index(const vw_hub_weights *w, const char *path, json_t *map) {
  const char *tensor;
  json_t *value;
  json_object_foreach(map, tensor, value) {
    int64_t i = 0;
    while (strcmp(base_name(vw_safetensors_path(w->files[i])), json_string_value(value)) != 0) i++;
    VW_CHECK(vw_safetensors_has(w->files[i], tensor), VW_ERR_INPUT,
             "%s: weight_map.%s: %s has no such tensor; download index and shards together", path, tensor,
             json_string_value(value));
  }
  for (int64_t i = 0; i < w->n_files; i++)
    for (int64_t k = 0; k < vw_safetensors_count(w->files[i]); k++) {
      const char *name = vw_safetensors_name(w->files[i], k), *shard = base_name(vw_safetensors_path(w->files[i]));
      const char *named = json_string_value(json_object_get(map, name));
      VW_CHECK(!named || !strcmp(named, shard), VW_ERR_INPUT,
               "%s: tensor %s is in %s too, but by the index it is in %s; download index and shards together", path,
               name, shard, named);
    }
  return VW_OK;
}

/* The index names the file of every tensor; each file is opened once, in the order in which they are first named. */
static vw_status open_shards(vw_hub_weights *w, const char *folder, const char *path) {
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
    VW_GOTO(vw_path_format(shard, "%s/%s", folder, name));
    for (int64_t i = 0; i < w->n_files; i++) there |= strcmp(vw_safetensors_path(w->files[i]), shard) == 0;
    if (!there) VW_GOTO(add_file(w, folder, shard));
  }
  VW_GOTO(check_index(w, path, map));
cleanup:
  json_decref(index);
  return st;
}

/* The names that the hub's libraries give to weights, the full precision first. */
static vw_status open_weights(vw_hub_weights *w, const char *folder, const vw_hub_weights_names *names) {
  static const struct {
    const char *suffix;
    vw_status (*open)(vw_hub_weights *w, const char *folder, const char *path);
  } kinds[] = {{".safetensors", add_file},
               {".safetensors.index.json", open_shards},
               {".fp16.safetensors", add_file},
               {".safetensors.index.fp16.json", open_shards}};
  static const char *const pickles[] = {".bin", ".bin.index.json", ".fp16.bin"};
  char path[VW_PATH_BYTES];
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    VW_TRY(vw_path_format(path, "%s/%s%s", folder, names->base, kinds[i].suffix));
    if (!vw_file_exists(path)) continue;
    VW_TRY(kinds[i].open(w, folder, path));
    return VW_OK;
  }
  for (size_t i = 0; i < sizeof pickles / sizeof *pickles; i++) {
    VW_TRY(vw_path_format(path, "%s/%s%s", folder, names->pickle, pickles[i]));
    VW_CHECK(!vw_file_exists(path), VW_ERR_UNSUPPORTED,
             "%s: a Python pickle can run code, so it is not read; convert it once: python -c \"from %s import %s; "
             "%s.from_pretrained('%s').save_pretrained('%s')\"",
             path, names->library, names->name, names->name, folder, folder);
  }
  return VW_RAISE(VW_ERR_INPUT, "%s: has no %s.safetensors; download it from the hub beside config.json", folder,
                  names->base);
}

vw_status vw_hub_weights_open(vw_hub_weights *w, const char *folder, const vw_hub_weights_names *names) {
  *w = (vw_hub_weights){0};
  const vw_status st = open_weights(w, folder, names);
  if (st != VW_OK) {
    vw_hub_weights_close(w);
    return vw_fail(st, __FILE__, __LINE__, "opening the weights of %s", folder);
  }
  return VW_OK;
}

void vw_hub_weights_close(vw_hub_weights *w) {
  for (int64_t i = 0; i < w->n_files; i++) vw_safetensors_close(w->files[i]);
  *w = (vw_hub_weights){0};
}

bool vw_hub_weights_have(const vw_hub_weights *w, const char *name) {
  for (int64_t i = 0; i < w->n_files; i++)
    if (vw_safetensors_has(w->files[i], name)) return true;
  return false;
}

vw_status vw_hub_weights_find(const vw_hub_weights *w, const char *name, vw_tensor *out) {
  int64_t i = 0;
  while (i + 1 < w->n_files && !vw_safetensors_has(w->files[i], name)) i++;
  VW_CHECK(w->n_files > 0, VW_ERR_INPUT, "tensor %s: no weights are open", name);
  return vw_safetensors_find(w->files[i], name, out);
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

vw_status vw_hub_weights_check_finite(const vw_hub_weights *w) {
  for (int64_t i = 0; i < w->n_files; i++)
    for (int64_t k = 0; k < vw_safetensors_count(w->files[i]); k++) {
      const vw_tensor t = vw_safetensors_tensor(w->files[i], k);
      const int64_t at = find_not_finite(&t);
      vw_safetensors_let_go(w->files[i], t.data, vw_bytes(&t));
      VW_CHECK(at < 0, VW_ERR_INPUT,
               "%s: tensor %s %s holds a value that is not finite (number %" PRId64
               "); every result would be NaN: download the file again",
               vw_safetensors_path(w->files[i]), vw_safetensors_name(w->files[i], k), vw_shape_text(&t), at);
    }
  return VW_OK;
}

/* ---- identity ---- */

vw_status vw_hub_weights_hash(const vw_hub_weights *w, vw_hasher *hasher) {
  for (int64_t i = 0; i < w->n_files; i++) {
    size_t bytes;
    (void)vw_safetensors_bytes(w->files[i], &bytes);
    vw_hasher_field(hasher, "weights");
    vw_hasher_int(hasher, (int64_t)bytes);
    VW_TRY(vw_safetensors_hash(w->files[i], hasher));
  }
  return VW_OK;
}

vw_status vw_hub_hash_small_file(vw_hasher *hasher, const char *folder, const char *name) {
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
