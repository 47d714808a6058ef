#include "io/block_file.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/log.h"

enum { ID_BYTES = 128, OWN_KEYS = 3, SLOTS = 2, FOLDER_LETTERS = 2 };
static const char *const slot_name[SLOTS] = {"checkpoint.a", "checkpoint.b"};

static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

/* Where the file of a block stands or will stand: in the sub-folder of the first two letters of its id, unless it is in
 * blocks/ itself, where older versions put it. `makes`: also makes the sub-folder. */
static vw_status path_of(char path[VW_PATH_BYTES], const char *dir, const char *id, const char *ending, bool makes) {
  const size_t n = strlen(id);
  char blocks[VW_PATH_BYTES], folder[VW_PATH_BYTES], name[FOLDER_LETTERS + 1];
  struct stat info;
  VW_CHECK(n > 0 && n <= ID_BYTES && strspn(id, allowed) == n && id[0] != '.', VW_ERR_ARG,
           "block id \"%.140s\": expected 1 to %d letters, digits, '-', '_' or '.'", id, ID_BYTES);
  VW_TRY(vw_path_format(path, "%s/blocks/%s.%s", dir, id, ending));
  const int err = stat(path, &info) == 0 ? 0 : errno;
  if (!err && S_ISREG(info.st_mode)) return VW_OK;
  VW_CHECK(!err || err == ENOENT || err == ENOTDIR || err == ELOOP, VW_ERR_IO, "%s: cannot look at it: %s", path,
           strerror(err));
  VW_TRY(vw_path_format(blocks, "%s/blocks", dir));
  (void)snprintf(name, sizeof name, "%.*s", FOLDER_LETTERS, id);
  if (makes) VW_TRY(vw_subfolder_make(blocks, name, folder));
  return vw_path_format(path, "%s/%s/%s.%s", blocks, name, id, ending);
}

vw_status vw_block_file_path(char path[VW_PATH_BYTES], const char *dir, const char *id) {
  return path_of(path, dir, id, "safetensors", false);
}

/* A name that this file gives. */
static bool is_ours(const char *name) {
  static const char *const endings[] = {".safetensors", ".checkpoint.a", ".checkpoint.b"};
  const size_t n = strlen(name);
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    const size_t end = strlen(endings[i]);
    if (n > end && strcmp(name + n - end, endings[i]) == 0 && n - end <= ID_BYTES && name[0] != '.')
      return strspn(name, allowed) == n;
  }
  return false;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

/* Files and sub-folders; *name NULL behind the last. */
static const char *next_name(DIR *folder) {
  const struct dirent *e = readdir(folder);
  while (e && e->d_name[0] == '.') e = readdir(folder);
  return e ? e->d_name : NULL;
}

/* Could `name` in blocks/ be a sub-folder? */
static bool is_folder_name(const char *name) {
  const size_t n = strlen(name);
  return n <= FOLDER_LETTERS && strspn(name, allowed) == n;
}

vw_status vw_block_folder_open(const char *dir) {
  char path[VW_PATH_BYTES], below[VW_PATH_BYTES];
  VW_TRY(vw_subfolder_make(dir, "blocks", path));
  vw_folder_sweep(path, is_ours, 0);
  DIR *blocks = opendir(path);
  for (const char *name; blocks && (name = next_name(blocks));)
    if (is_folder_name(name) && vw_path_format(below, "%s/%s", path, name) == VW_OK) vw_folder_sweep(below, is_ours, 0);
  if (blocks) (void)closedir(blocks);
  return VW_OK;
}

static vw_status visit_folder(const char *path, vw_block_visit visit, void *user) {
  char file[VW_PATH_BYTES];
  vw_status st = VW_OK;
  DIR *folder = opendir(path);
  if (!folder) return VW_OK; /* a file of that name, or one that has gone */
  for (const char *name; st == VW_OK && (name = next_name(folder));) {
    st = vw_path_format(file, "%s/%s", path, name);
    if (st == VW_OK) st = visit(user, name, file);
  }
  (void)closedir(folder);
  return st;
}

vw_status vw_block_files_visit(const char *dir, vw_block_visit visit, void *user) {
  char path[VW_PATH_BYTES], below[VW_PATH_BYTES];
  vw_status st = VW_OK;
  VW_TRY(vw_path_format(path, "%s/blocks", dir));
  DIR *blocks = opendir(path);
  VW_CHECK(blocks, VW_ERR_INPUT, "%s: cannot open: %s; expected the output directory of a study", path,
           strerror(errno));
  for (const char *name; st == VW_OK && (name = next_name(blocks));) {
    st = vw_path_format(below, "%s/%s", path, name);
    if (st == VW_OK) st = is_folder_name(name) ? visit_folder(below, visit, user) : visit(user, name, below);
  }
  (void)closedir(blocks);
  return st;
}

/* ---- one of them ------------------------------------------------------------------------------------------------- */

/* Puts our keys before the caller's. */
static vw_status write_file(const char *path, const char *kind, const char *id, int64_t sequence,
                            const vw_safetensors_entry *entries, int64_t n, const vw_keyvalue *metadata, int64_t m) {
  char number[24];
  vw_keyvalue *all = malloc((size_t)(m + OWN_KEYS) * sizeof *all);
  VW_CHECK(all, VW_ERR_MEMORY, "%s: out of memory", path);
  (void)snprintf(number, sizeof number, "%" PRId64, sequence);
  all[0] = (vw_keyvalue){"kind", kind}, all[1] = (vw_keyvalue){"block", id};
  all[2] = (vw_keyvalue){"sequence", number};
  if (m) memcpy(all + OWN_KEYS, metadata, (size_t)m * sizeof *all);
  const vw_status st = vw_safetensors_write(path, entries, n, all, m + OWN_KEYS);
  free(all);
  if (st != VW_OK) return vw_fail(st, __FILE__, __LINE__, "write block %s", id);
  return VW_OK;
}

vw_status vw_block_file_take(const char *dir, const char *id, const char *from) {
  char path[VW_PATH_BYTES];
  VW_TRY(path_of(path, dir, id, "safetensors", true));
  return vw_file_link(from, path);
}

static bool has_value(const vw_safetensors *file, const char *key, const char *value) {
  const char *found = vw_safetensors_metadata(file, key);
  return found && strcmp(found, value) == 0;
}

static vw_status open_file(const char *path, const char *kind, const char *id, vw_safetensors **file) {
  vw_status st = VW_OK;
  *file = NULL;
  VW_GOTO(vw_safetensors_open(file, path));
  VW_GOTO(vw_safetensors_verify(*file));
  if (!has_value(*file, "kind", kind) || !has_value(*file, "block", id))
    VW_GOTO(VW_RAISE(VW_ERR_INPUT, "%s: not the %s of block %s; delete it and run again", path, kind, id));
cleanup:
  if (st != VW_OK) vw_safetensors_close(*file), *file = NULL;
  return st;
}

vw_status vw_block_file_write(const char *dir, const char *id, const vw_safetensors_entry *entries, int64_t n,
                              const vw_keyvalue *metadata, int64_t m) {
  char path[VW_PATH_BYTES];
  VW_TRY(path_of(path, dir, id, "safetensors", true));
  VW_TRY(write_file(path, "block", id, 0, entries, n, metadata, m));
  VW_TRY(vw_checkpoint_remove(dir, id));
  return VW_OK;
}

vw_status vw_block_file_open(const char *dir, const char *id, vw_safetensors **file) {
  char path[VW_PATH_BYTES];
  *file = NULL;
  VW_TRY(path_of(path, dir, id, "safetensors", false));
  const vw_status st = open_file(path, "block", id, file);
  if (st != VW_ERR_INPUT) return st;
  char reason[512]; /* the reader names file and fault; what to do with a block it cannot know */
  (void)snprintf(reason, sizeof reason, "%s", vw_error_message());
  if (strstr(reason, "delete it and run again")) return st;
  return VW_RAISE(st, "%s (a block's results: delete it and run again)", reason);
}

bool vw_block_file_exists(const char *dir, const char *id) {
  char path[VW_PATH_BYTES];
  vw_safetensors *file = NULL;
  if (path_of(path, dir, id, "safetensors", false) != VW_OK || !vw_file_exists(path)) return false;
  const vw_status st = open_file(path, "block", id, &file);
  if (st != VW_OK) vw_log(VW_LOG_WARN, "block=%s will be made again: %s", id, vw_error_message());
  vw_safetensors_close(file);
  return st == VW_OK;
}

/* The checkpoint in one slot, verified; *file NULL: none, or damaged. */
static vw_status open_slot(const char *dir, const char *id, int slot, vw_safetensors **file, int64_t *sequence) {
  char path[VW_PATH_BYTES];
  bool is_there = false;
  *file = NULL, *sequence = -1;
  VW_TRY(path_of(path, dir, id, slot_name[slot], false));
  VW_TRY(vw_file_find(path, &is_there));
  if (!is_there) return VW_OK;
  const vw_status st = open_file(path, "checkpoint", id, file);
  if (st == VW_ERR_MEMORY) return st;
  if (st != VW_OK) {
    vw_log(VW_LOG_WARN, "block=%s a checkpoint is passed over: %s", id, vw_error_message());
    return VW_OK;
  }
  const char *text = vw_safetensors_metadata(*file, "sequence");
  *sequence = text ? strtoll(text, NULL, 10) : -1;
  return VW_OK;
}

vw_status vw_checkpoint_write(const char *dir, const char *id, int64_t sequence, const vw_safetensors_entry *entries,
                              int64_t n, const vw_keyvalue *metadata, int64_t m) {
  char path[VW_PATH_BYTES];
  int64_t found[SLOTS];
  VW_CHECK(sequence >= 0, VW_ERR_ARG, "block %s: checkpoint number %" PRId64 " is negative", id, sequence);
  for (int i = 0; i < SLOTS; i++) {
    vw_safetensors *file = NULL;
    VW_TRY(open_slot(dir, id, i, &file, &found[i]));
    vw_safetensors_close(file);
  }
  VW_TRY(path_of(path, dir, id, slot_name[found[0] <= found[1] ? 0 : 1], true));
  VW_TRY(write_file(path, "checkpoint", id, sequence, entries, n, metadata, m));
  return VW_OK;
}

vw_status vw_checkpoint_open(const char *dir, const char *id, vw_safetensors **file, int64_t *sequence) {
  vw_safetensors *a = NULL, *b = NULL;
  int64_t of_a, of_b;
  *file = NULL, *sequence = -1;
  VW_TRY(open_slot(dir, id, 0, &a, &of_a));
  const vw_status st = open_slot(dir, id, 1, &b, &of_b);
  if (st != VW_OK) {
    vw_safetensors_close(a);
    return st;
  }
  const bool is_a = of_a > of_b;
  *file = is_a ? a : b, *sequence = is_a ? of_a : of_b;
  vw_safetensors_close(is_a ? b : a);
  return VW_OK;
}

vw_status vw_checkpoint_remove(const char *dir, const char *id) {
  char path[VW_PATH_BYTES];
  for (int i = 0; i < SLOTS; i++) {
    VW_TRY(path_of(path, dir, id, slot_name[i], false));
    VW_TRY(vw_file_remove(path));
  }
  return VW_OK;
}

vw_status vw_block_file_remove(const char *dir, const char *id) {
  char path[VW_PATH_BYTES];
  VW_TRY(path_of(path, dir, id, "safetensors", false));
  return vw_file_remove(path);
}
