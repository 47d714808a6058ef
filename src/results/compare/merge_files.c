/* Files of the directories that are joined, under the new one. */
#include "results/compare/merge.h"

#include "io/block_file.h"
#include "io/safetensors.h"
#include "learn/block_io.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct taker {
  const vw_merge_source *s; /* whose files are taken */
  const vw_plan *plan;      /* of the new directory */
  const char *dir;
  double tolerance;
} taker;

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static bool has_block(const vw_plan *plan, const char *stem) {
  char id[VW_BLOCK_ID];
  for (int64_t b = 0; b < plan->n_blocks; b++) {
    vw_block_file_id(&plan->blocks[b], "", id);
    if (strncmp(stem, id, strlen(id)) == 0) return true;
  }
  return false;
}

static bool same_tensor(const vw_tensor *x, const vw_tensor *y) {
  if (x->dtype != y->dtype || x->ndim != y->ndim) return false;
  for (int i = 0; i < x->ndim; i++)
    if (x->dim[i] != y->dim[i]) return false;
  return vw_bytes(x) == 0 || memcmp(x->data, y->data, vw_bytes(x)) == 0;
}

/* Seconds and the like stand in the metadata, and may differ. */
static vw_status compare_files(const taker *k, const char *id) {
  vw_safetensors *f[2] = {NULL, NULL};
  bool same = true;
  vw_status st = vw_block_file_open(k->dir, id, &f[0]);
  if (st == VW_OK) st = vw_block_file_open(k->s->dir, id, &f[1]);
  if (st == VW_OK) same = vw_safetensors_count(f[0]) == vw_safetensors_count(f[1]);
  for (int64_t i = 0; st == VW_OK && same && i < vw_safetensors_count(f[0]); i++) {
    const vw_tensor x = vw_safetensors_tensor(f[0], i);
    vw_tensor y;
    same = vw_safetensors_has(f[1], vw_safetensors_name(f[0], i));
    if (same) st = vw_safetensors_find(f[1], vw_safetensors_name(f[0], i), &y);
    if (same && st == VW_OK) same = same_tensor(&x, &y);
  }
  if (st == VW_OK && !same)
    st = VW_RAISE(VW_ERR_INPUT,
                  "%s: not what another of the directories has under this name, made from the same inputs: was it made "
                  "on another machine? --tolerance X takes the first one's",
                  vw_safetensors_path(f[1]));
  vw_safetensors_close(f[0]), vw_safetensors_close(f[1]);
  return st;
}

/* Files of blocks that are not taken stay behind, with those of earlier versions of the study, and checkpoints. */
static vw_status take_block_file(void *user, const char *name, const char *path) {
  static const char end[] = ".safetensors";
  const taker *k = user;
  const size_t n = strlen(name), stem = n - (sizeof end - 1);
  char id[256], there[VW_PATH_BYTES];
  vw_safetensors *f = NULL;
  if (n < sizeof end || n >= sizeof id || strcmp(name + stem, end) != 0) return VW_OK;
  (void)snprintf(id, sizeof id, "%.*s", (int)stem, name);
  if (has_block(k->s->plan, id) && !has_block(k->plan, id)) return VW_OK;
  VW_TRY(vw_block_file_path(there, k->dir, id));
  if (vw_file_exists(there)) return k->tolerance > 0 ? VW_OK : compare_files(k, id);
  VW_TRY(vw_block_file_open(k->s->dir, id, &f)); /* whole, and of this name */
  vw_safetensors_close(f);
  return vw_block_file_take(k->dir, id, path);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

static const char *next_name(DIR *folder) {
  const struct dirent *e = folder ? readdir(folder) : NULL;
  while (e && e->d_name[0] == '.') e = readdir(folder);
  return e ? e->d_name : NULL;
}

/* PICTURES/<model>-<data>/<concept>: links its files; what is there was drawn by the same word. */
static vw_status take_pictures(const char *from, const char *to, const char *concept) {
  char folder[VW_PATH_BYTES], path[VW_PATH_BYTES], target[VW_PATH_BYTES];
  struct stat info;
  vw_status st = vw_path_format(folder, "%s/%s", from, concept);
  if (st != VW_OK || lstat(folder, &info) != 0 || !S_ISDIR(info.st_mode)) return st; /* a contact sheet is drawn anew */
  VW_TRY(vw_subfolder_make(to, concept, target));
  DIR *files = opendir(folder);
  for (const char *name; st == VW_OK && (name = next_name(files));) {
    char there[VW_PATH_BYTES];
    st = vw_path_format(path, "%s/%s", folder, name);
    if (st == VW_OK) st = vw_path_format(there, "%s/%s", target, name);
    if (st == VW_OK && lstat(path, &info) == 0 && S_ISREG(info.st_mode) && !vw_file_exists(there))
      st = vw_file_link(path, there);
  }
  if (files) (void)closedir(files);
  return st;
}

static vw_status take_all_pictures(const taker *k) {
  char from[VW_PATH_BYTES], to[VW_PATH_BYTES];
  vw_status st = vw_path_format(from, "%s/pictures", k->s->dir);
  DIR *all = st == VW_OK ? opendir(from) : NULL;
  if (!all) return st;
  st = vw_subfolder_make(k->dir, "pictures", to);
  for (const char *name; st == VW_OK && (name = next_name(all));) {
    char folder[VW_PATH_BYTES], target[VW_PATH_BYTES];
    st = vw_path_format(folder, "%s/%s", from, name);
    DIR *concepts = st == VW_OK ? opendir(folder) : NULL;
    if (concepts) st = vw_subfolder_make(to, name, target);
    for (const char *concept; st == VW_OK && (concept = next_name(concepts));)
      st = take_pictures(folder, target, concept);
    if (concepts) (void)closedir(concepts);
  }
  (void)closedir(all);
  return st;
}

vw_status vw_merge_files(const vw_merge_source *s, int64_t n, const vw_plan *plan, double tolerance, const char *dir) {
  VW_TRY(vw_block_folder_open(dir));
  for (int64_t i = 0; i < n; i++) {
    taker k = {&s[i], plan, dir, tolerance};
    VW_TRY(vw_block_files_visit(s[i].dir, take_block_file, &k));
    VW_TRY(take_all_pictures(&k));
  }
  return VW_OK;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
  (void)info, (void)kind, (void)at;
  (void)remove(path);
  return 0;
}

void vw_merge_remove(const char *dir) {
  enum { OPEN = 8 };
  (void)nftw(dir, remove_one, OPEN, FTW_DEPTH | FTW_PHYS);
}
