#include "tasks/cache_file.h"

#include <string.h>

enum { STALE_SECONDS = 3600 };

vw_status vw_cache_file_path(const char *cache, const char *folder, const char *key, char path[VW_PATH_BYTES]) {
  return vw_path_format(path, "%s/%s/%s.safetensors", cache, folder, key);
}

/* A name that vw_cache_file_path gives. */
static bool is_cache_file(const char *name) {
  const size_t n = strspn(name, "0123456789abcdef");
  return n == VW_HASH_TEXT - 1 && strcmp(name + n, ".safetensors") == 0;
}

vw_status vw_cache_folder_open(const char *cache, const char *folder, bool sweep) {
  char path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(path, "%s/%s", cache, folder));
  VW_TRY(vw_folder_make(path));
  VW_TRY(vw_subfolder_make(cache, folder, path));
  if (sweep) vw_folder_sweep(path, is_cache_file, STALE_SECONDS);
  return VW_OK;
}

vw_status vw_cache_file_open(const char *path, const char *key, const char *what, vw_safetensors **file) {
  VW_TRY(vw_safetensors_open(file, path));
  vw_status st = vw_safetensors_verify(*file);
  const char *says = vw_safetensors_metadata(*file, "key");
  if (st == VW_OK && (!says || strcmp(says, key) != 0))
    st = VW_RAISE(VW_ERR_INPUT, "%s: holds %s of another key, %s; delete the file and run again", path, what,
                  says ? says : "none");
  if (st == VW_OK) return VW_OK;
  vw_safetensors_close(*file);
  *file = NULL;
  return st;
}

vw_status vw_cache_file_find(const vw_safetensors *file, const char *name, const vw_tensor *expected, vw_tensor *out) {
  VW_TRY(vw_safetensors_find(file, name, out));
  VW_CHECK(vw_same_shape(out, expected) && out->dtype == expected->dtype, VW_ERR_INPUT,
           "%s: tensor '%s' is %s; delete the file and run again", vw_safetensors_path(file), name, vw_shape_text(out));
  return VW_OK;
}
