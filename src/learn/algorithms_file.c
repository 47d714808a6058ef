#include "learn/algorithms_file.h"

#include "core/durable.h"
#include "core/hash.h"
#include "kernels/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* CACHE/algorithms/HASH.txt, or its folder. */
static vw_status path_of(const vw_context *ctx, const char *cache, bool folder, char **path) {
  char kernels[128], named[256], text[VW_HASH_TEXT];
  vw_kernel_set(ctx, kernels);
  (void)snprintf(named, sizeof named, "%s, %s", kernels, vw_precision_name(ctx));
  vw_hash_text(vw_hash_bytes(named, strlen(named)), text);
  const int n = folder ? asprintf(path, "%s/algorithms", cache) : asprintf(path, "%s/algorithms/%s.txt", cache, text);
  if (n < 0) *path = NULL;
  VW_CHECK(*path, VW_ERR_MEMORY, "no memory for the algorithms of a device");
  return VW_OK;
}

vw_status vw_algorithms_file_read(const vw_context *ctx, const char *cache, char **text) {
  char *path = NULL;
  *text = NULL;
  VW_TRY(path_of(ctx, cache, false, &path));
  if (vw_file_exists(path) && vw_file_read(path, text, NULL) != VW_OK) vw_error_clear(), *text = NULL;
  free(path);
  if (!*text) *text = calloc(1, 1);
  VW_CHECK(*text, VW_ERR_MEMORY, "no memory for the algorithms of a device");
  return VW_OK;
}

/* Whether a line of `text` begins as the n characters at `key`. */
static bool has_key(const char *text, const char *key, size_t n) {
  for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at != 0)
    if (strncmp(at, key, n) == 0) return true;
  return false;
}

static void put_rest(FILE *out, const char *old, const char *text) {
  for (const char *at = old; *at;) {
    const size_t line = strcspn(at, "\n"), key = strcspn(at, ":\n");
    if (at[key] == ':' && !has_key(text, at, key + 1)) (void)fprintf(out, "%.*s\n", (int)line, at);
    at += line + (at[line] != 0);
  }
}

vw_status vw_algorithms_join(const char *old, const char *text, char **all) {
  size_t bytes = 0;
  FILE *out = open_memstream(all, &bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "no memory for the algorithms of a device");
  (void)fputs(text, out), put_rest(out, old, text);
  const bool failed = ferror(out) != 0;
  if (fclose(out) == 0 && !failed) return VW_OK;
  free(*all), *all = NULL;
  return VW_RAISE(VW_ERR_MEMORY, "no memory for the algorithms of a device");
}

vw_status vw_algorithms_file_write(const vw_context *ctx, const char *cache, const char *old, const char *text) {
  char *path = NULL, *folder = NULL, *all = NULL;
  vw_status st = vw_algorithms_join(old, text, &all);
  if (st == VW_OK) st = path_of(ctx, cache, true, &folder);
  if (st == VW_OK) st = path_of(ctx, cache, false, &path);
  if (st == VW_OK) st = vw_folder_make(folder);
  if (st == VW_OK) st = vw_file_write(path, all, (int64_t)strlen(all));
  free(path), free(folder), free(all);
  return st;
}
