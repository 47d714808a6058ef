#include "io/parts.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_part(vw_study_part p) {
  return p.n >= 1 && p.n <= VW_MOST_PARTS && p.i >= 1 && p.i <= p.n;
}

vw_status vw_part_read(const char *text, vw_study_part *part) {
  int length = 0;
  *part = (vw_study_part){0};
  if (!text) return VW_OK;
  const bool is_form = strspn(text, "0123456789/") == strlen(text) && strlen(text) < VW_PART_TEXT / 2 &&
                       sscanf(text, "%" SCNd64 "/%" SCNd64 "%n", &part->i, &part->n, &length) == 2 && !text[length];
  if (is_form && is_part(*part)) return VW_OK;
  *part = (vw_study_part){0};
  return VW_RAISE(VW_ERR_ARG, "--part '%.40s': expected i/n, part i of n, such as 1/4 ... 4/4", text);
}

void vw_part_lock_name(vw_study_part part, char name[VW_PART_TEXT]) {
  name[0] = 0;
  if (part.n) (void)snprintf(name, VW_PART_TEXT, "part-%" PRId64 "-of-%" PRId64, part.i, part.n);
}

/* False: another lock's name. */
static bool read_lock_name(const char *name, vw_study_part *part) {
  char again[VW_PART_TEXT];
  *part = (vw_study_part){0};
  if (sscanf(name, "part-%" SCNd64 "-of-%" SCNd64, &part->i, &part->n) != 2 || !is_part(*part)) return false;
  vw_part_lock_name(*part, again);
  return strcmp(name, again) == 0;
}

typedef struct asker {
  vw_study_part own;
  bool (*stop)(void *user);
} asker;

static bool excludes(void *user, const char *name) {
  const asker *a = user;
  vw_study_part other;
  if (!name[0]) return a->own.n > 0;
  return read_lock_name(name, &other) && other.n != a->own.n;
}

static bool wants_stop(void *user) {
  const asker *a = user;
  return a->stop && a->stop(NULL);
}

vw_status vw_part_lock_take(vw_lock *lock, const char *dir, vw_study_part part, bool (*stop)(void *user)) {
  asker a = {.own = part, .stop = stop};
  char name[VW_PART_TEXT];
  vw_part_lock_name(part, name);
  const vw_lock_how how = {.part = name, .stop = wants_stop, .excludes = excludes, .user = &a};
  return vw_lock_take(lock, dir, &how);
}

void vw_part_owners(const char *dir, vw_part_visit visit, void *user) {
  DIR *folder = opendir(dir);
  for (const struct dirent *e; folder && (e = readdir(folder));) {
    char owner[VW_LOCK_OWNER_BYTES];
    const char *name = strncmp(e->d_name, ".lock-", 6) == 0 ? e->d_name + 6 : "";
    vw_study_part part;
    if (read_lock_name(name, &part) && vw_lock_owner(dir, name, owner)) visit(user, part, owner);
  }
  if (folder) (void)closedir(folder);
}

vw_status vw_parts_write(const char *dir, int64_t n) {
  char path[VW_PATH_BYTES], text[32];
  int64_t before = 0;
  VW_TRY(vw_parts_read(dir, &before));
  if (before == n) return VW_OK;
  VW_TRY(vw_path_format(path, "%s/parts", dir));
  (void)snprintf(text, sizeof text, "%" PRId64 "\n", n);
  return vw_file_write(path, text, (int64_t)strlen(text));
}

vw_status vw_parts_read(const char *dir, int64_t *n) {
  char path[VW_PATH_BYTES], *text = NULL;
  bool found = false;
  *n = 0;
  VW_TRY(vw_path_format(path, "%s/parts", dir));
  VW_TRY(vw_file_find(path, &found));
  if (!found) return VW_OK;
  VW_TRY(vw_file_read(path, &text, NULL));
  char *end = NULL;
  const long long read = strtoll(text, &end, 10);
  if (end != text && read >= 1 && read <= VW_MOST_PARTS) *n = read; /* damaged: nobody knows of parts */
  free(text);
  return VW_OK;
}
