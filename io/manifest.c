#include "io/manifest.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/durable.h"
#include "core/hash.h"
#include "io/json.h"

static vw_status manifest_path(const char *path, char out[VW_PATH_BYTES]) {
  const char *slash = strrchr(path, '/');
  return vw_path_format(out, "%.*sMANIFEST.json", (int)(slash ? slash + 1 - path : 0), path);
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* A damaged or missing manifest is an empty one: the writer replaces it, the reader refuses. */
static vw_status load(const char *path, json_t **root) {
  const vw_status st = vw_json_read_optional(path, root);
  if (st != VW_ERR_INPUT) VW_TRY(st);
  if (!*root) *root = json_object();
  VW_CHECK(*root, VW_ERR_MEMORY, "%s: out of memory", path);
  return VW_OK;
}

static bool is_recorded(json_t *entry, const char *key, const char *hash, int64_t bytes) {
  const json_t *one = json_object_get(entry, key);
  const char *text = json_string_value(json_object_get(one, "xxh3_128"));
  const json_t *size = json_object_get(one, "bytes");
  return text && strcmp(text, hash) == 0 && json_is_integer(size) && json_integer_value(size) == bytes;
}

static vw_status record(json_t *entry, const char *key, const char *path) {
  char text[VW_HASH_TEXT];
  vw_hash hash;
  int64_t bytes = 0;
  VW_TRY(vw_file_hash(path, &hash, &bytes));
  vw_hash_text(hash, text);
  VW_CHECK(json_object_set_new(entry, key, json_pack("{s:s, s:I}", "xxh3_128", text, "bytes", (json_int_t)bytes)) == 0,
           VW_ERR_MEMORY, "%s: out of memory", path);
  return VW_OK;
}

vw_status vw_manifest_commit(const char *partial, const char *path) {
  char place[VW_PATH_BYTES], *text = NULL;
  vw_status st = VW_OK;
  bool is_there = false;
  json_t *root = NULL, *entry = NULL;
  VW_TRY(manifest_path(path, place));
  VW_TRY(vw_file_find(path, &is_there));
  VW_TRY(load(place, &root));
  vw_json_watch();
  entry = json_object();
  if (is_there) VW_GOTO(record(entry, "previous", path));
  VW_GOTO(record(entry, "current", partial));
  if (json_object_set(root, base_name(path), entry) != 0 ||
      !(text = json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS)) || vw_json_starved())
    VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", place));
  VW_GOTO(vw_file_write(place, text, (int64_t)strlen(text)));
  VW_GOTO(vw_file_commit(partial, path));
cleanup:
  free(text);
  json_decref(entry), json_decref(root);
  return st;
}

vw_status vw_manifest_verify(const char *path) {
  char place[VW_PATH_BYTES], text[VW_HASH_TEXT];
  vw_hash hash;
  int64_t bytes = 0;
  json_t *root = NULL;
  VW_TRY(manifest_path(path, place));
  VW_TRY(vw_file_hash(path, &hash, &bytes));
  vw_hash_text(hash, text);
  VW_TRY(load(place, &root));
  json_t *entry = json_object_get(root, base_name(path));
  const bool known = entry != NULL;
  const bool same = is_recorded(entry, "current", text, bytes) || is_recorded(entry, "previous", text, bytes);
  json_decref(root);
  VW_CHECK(known, VW_ERR_INPUT, "%s: no checksum of it in %s; make both again with `viswords collect`", path, place);
  VW_CHECK(same, VW_ERR_INPUT,
           "%s: its bytes (XXH3-128 %s) are not those recorded in %s: damaged or edited; make it again with `viswords "
           "collect`",
           path, text, place);
  return VW_OK;
}
