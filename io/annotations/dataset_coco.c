/* COCO's folders: annotations/instances_X.json and the pictures of X in root/X or root/images/X. */
#include "io/annotations/dataset_internal.h"

#include "core/durable.h"
#include "io/names.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char FIRST[] = "instances_", LAST[] = ".json";

/* ---- which files ---- */

/* The X of "instances_X.json"; false: another file. */
static bool split_name(const char *file, char *x, size_t bytes) {
  const size_t n = strlen(file), a = strlen(FIRST), b = strlen(LAST);
  if (n <= a + b || strncmp(file, FIRST, a) != 0 || strcmp(file + n - b, LAST) != 0 || n - a - b >= bytes) return false;
  memcpy(x, file + a, n - a - b);
  x[n - a - b] = 0;
  return true;
}

enum { MOST_NAME = 128, MOST_FOUND = 512 };

/* The only X that begins with `start`; "": none. All there are go to `found`, for messages. */
static vw_status find_split(const char *folder, const char *start, const char *key, char x[MOST_NAME],
                            char found[MOST_FOUND]) {
  char one[MOST_NAME];
  const struct dirent *entry = NULL;
  DIR *dir = opendir(folder);
  size_t at = 0;
  vw_status st = VW_OK;
  x[0] = found[0] = 0;
  VW_CHECK(dir, VW_ERR_INPUT, "%s: cannot open the folder: %s; COCO has ROOT/annotations/instances_X.json", folder,
           strerror(errno));
  while (st == VW_OK && (entry = readdir(dir))) {
    if (!split_name(entry->d_name, one, sizeof one)) continue;
    if (at < MOST_FOUND) at += (size_t)snprintf(found + at, MOST_FOUND - at, "%s%s", at ? ", " : "", entry->d_name);
    if (strncmp(one, start, strlen(start)) != 0) continue;
    if (x[0])
      st =
          VW_RAISE(VW_ERR_INPUT, "%s: instances_%s.json and instances_%s.json: say which with %s", folder, x, one, key);
    (void)snprintf(x, MOST_NAME, "%s", one);
  }
  (void)closedir(dir);
  return st;
}

/* The name of a part: what the study says, else what is there: train*; val*, else test*. */
static vw_status name_part(const vw_dataset_ask *ask, const char *folder, vw_part part, char x[MOST_NAME]) {
  static const char *const starts[VW_PARTS][2] = {{"train", NULL}, {"val", "test"}};
  const char *asked = part == VW_TRAIN ? ask->data->split_train : ask->data->split_test;
  const char *key = part == VW_TRAIN ? "split.train" : "split.test";
  char found[MOST_FOUND] = "";
  x[0] = 0;
  if (asked) {
    VW_CHECK(strlen(asked) < MOST_NAME, VW_ERR_INPUT, "%s: '%s' is too long", key, asked);
    (void)snprintf(x, MOST_NAME, "%s", asked);
    return VW_OK;
  }
  for (int i = 0; i < 2 && !x[0] && starts[part][i]; i++) VW_TRY(find_split(folder, starts[part][i], key, x, found));
  VW_CHECK(x[0] || (part == VW_TEST && !ask->needs_test), VW_ERR_INPUT,
           "%s: no instances_%s*.json to %s (there: %s); name the part with %s", folder,
           part == VW_TRAIN ? "train" : "val", part == VW_TRAIN ? "learn from" : "judge by",
           found[0] ? found : "nothing of that name", key);
  return VW_OK;
}

/* Where the pictures lie: the first of COCO's own places in which the first picture is. */
static vw_status find_folder(const char *root, const vw_annotations *a, vw_dataset_part *p, vw_pool *pool) {
  char folder[VW_PATH_BYTES], file[VW_PATH_BYTES];
  for (int i = 0; i < 4 && !p->folder; i++) {
    if (i == 0) VW_TRY(vw_path_format(folder, "%s/%s", root, p->name));
    if (i == 1) VW_TRY(vw_path_format(folder, "%s/images/%s", root, p->name));
    if (i == 2) VW_TRY(vw_path_format(folder, "%s/images", root));
    if (i == 3) VW_TRY(vw_path_format(folder, "%s", root));
    if (!vw_is_folder(folder)) continue;
    bool here = a->n_pictures == 0;
    for (int64_t k = 0; k < a->n_pictures && k < 100 && !here; k++) {
      VW_TRY(vw_path_format(file, "%s/%s", folder, a->pictures[k].file));
      here = vw_file_exists(file);
    }
    if (here) p->folder = vw_pool_text(pool, folder, -1);
  }
  VW_CHECK(p->folder, VW_ERR_INPUT,
           "%s: the pictures of instances_%s.json are neither in its folder %s nor in images/%s (looked for %s)", root,
           p->name, p->name, p->name, a->n_pictures ? a->pictures[0].file : "any");
  return VW_OK;
}

/* ---- reading ---- */

/* The owners' places by this file's own list of classes. */
static vw_status map_classes(const vw_annotations *a, const vw_dataset *d, int32_t *of_class) {
  for (int64_t i = 0; i < a->n_classes; i++) of_class[i] = (int32_t)vw_name_place(d->owner, d->n_owners, a->classes[i]);
  return VW_OK;
}

static vw_status read_part(const vw_dataset_ask *ask, vw_part part, vw_dataset *out) {
  char folder[VW_PATH_BYTES], path[VW_PATH_BYTES], x[MOST_NAME];
  vw_annotations *a = NULL;
  int32_t *of_class = NULL;
  vw_status st = VW_OK;
  vw_dataset_part *p = &out->part[part];
  VW_TRY(vw_path_format(folder, "%s/annotations", ask->data->root));
  VW_TRY(name_part(ask, folder, part, x));
  p->name = vw_pool_text(&out->pool, x, -1);
  VW_CHECK(p->name, VW_ERR_MEMORY, "data set: out of memory");
  if (!x[0]) {
    p->folder = "";
    return VW_OK;
  }
  VW_TRY(vw_path_format(path, "%s/instances_%s.json", folder, x));
  VW_GOTO(vw_coco_read(path, &a));
  VW_GOTO(find_folder(ask->data->root, a, p, &out->pool));
  of_class = malloc((size_t)(a->n_classes + 1) * sizeof *of_class);
  if (!of_class) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "data set: out of memory"));
  if (part == VW_TRAIN)
    VW_GOTO(vw_dataset_own(ask, path, a->classes, a->n_classes, out, of_class));
  else
    VW_GOTO(map_classes(a, out, of_class));
  VW_GOTO(vw_dataset_take(out, part, a, of_class));
cleanup:
  free(of_class);
  vw_annotations_destroy(a);
  return st;
}

static vw_status read_coco(const vw_dataset_ask *ask, vw_dataset *out) {
  VW_TRY(read_part(ask, VW_TRAIN, out));
  return read_part(ask, VW_TEST, out);
}

const vw_dataset_kind vw_coco_dataset = {.name = "coco", .read = read_coco};
