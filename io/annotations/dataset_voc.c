/* PASCAL VOC's folders: ImageSets/Main/X.txt names pictures, Annotations/NAME.xml has their boxes. */
#include "io/annotations/dataset_internal.h"

#include "core/durable.h"
#include "io/names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What the study says, else the first list that is there. */
static vw_status name_part(const vw_dataset_ask *ask, vw_part part, const char **name) {
  static const char *const lists[VW_PARTS][2] = {{"train", "trainval"}, {"val", "test"}};
  const char *asked = part == VW_TRAIN ? ask->data->split_train : ask->data->split_test, *root = ask->data->root;
  char path[VW_PATH_BYTES];
  *name = asked;
  for (int i = 0; i < 2 && !*name; i++) {
    VW_TRY(vw_path_format(path, "%s/ImageSets/Main/%s.txt", root, lists[part][i]));
    if (vw_file_exists(path)) *name = lists[part][i];
  }
  VW_TRY(vw_path_format(path, "%s/ImageSets/Main", root));
  VW_CHECK(*name || vw_is_folder(path), VW_ERR_INPUT,
           "%s: no such folder; expected the one of VOC that has ImageSets, Annotations and JPEGImages in it, such as "
           "VOCdevkit/VOC2012",
           path);
  VW_CHECK(*name || (part == VW_TEST && !ask->needs_test), VW_ERR_INPUT,
           "%s: neither %s.txt nor %s.txt to %s; name a list with split.%s", path, lists[part][0], lists[part][1],
           part == VW_TRAIN ? "learn from" : "judge by", part == VW_TRAIN ? "train" : "test");
  return VW_OK;
}

static vw_status read_part(const vw_dataset_ask *ask, vw_part part, vw_dataset *out, vw_annotations **a) {
  vw_dataset_part *p = &out->part[part];
  char folder[VW_PATH_BYTES];
  *a = NULL;
  VW_TRY(name_part(ask, part, &p->name));
  VW_TRY(vw_path_format(folder, "%s/JPEGImages", ask->data->root));
  p->folder = vw_pool_text(&out->pool, folder, -1);
  VW_CHECK(p->folder, VW_ERR_MEMORY, "data set: out of memory");
  return p->name ? vw_voc_read(ask->data->root, p->name, a) : VW_OK;
}

static int by_text(const void *x, const void *y) {
  return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* VOC has no list of its classes: those that stand in either part, in bytewise order. */
static vw_status own_classes(const vw_dataset_ask *ask, vw_annotations *const a[VW_PARTS], vw_dataset *out) {
  int64_t n = 0, distinct = 0;
  for (int i = 0; i < VW_PARTS; i++) n += a[i] ? a[i]->n_classes : 0;
  const char **classes = malloc((size_t)(n + 1) * sizeof *classes);
  int32_t *of_class = malloc((size_t)(n + 1) * sizeof *of_class);
  vw_status st = classes && of_class ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "data set: out of memory");
  if (st == VW_OK) {
    n = 0;
    for (int i = 0; i < VW_PARTS; i++)
      for (int64_t k = 0; a[i] && k < a[i]->n_classes; k++) classes[n++] = a[i]->classes[k];
    qsort((void *)classes, (size_t)n, sizeof *classes, by_text);
    for (int64_t i = 0; i < n; i++)
      if (!distinct || strcmp(classes[distinct - 1], classes[i]) != 0) classes[distinct++] = classes[i];
    st = vw_dataset_own(ask, ask->data->root, classes, distinct, out, of_class);
  }
  free((void *)classes), free(of_class);
  return st;
}

static vw_status take_part(vw_dataset *out, vw_part part, const vw_annotations *a) {
  int32_t *of_class = malloc((size_t)(a->n_classes + 1) * sizeof *of_class);
  VW_CHECK(of_class, VW_ERR_MEMORY, "data set: out of memory");
  for (int64_t i = 0; i < a->n_classes; i++)
    of_class[i] = (int32_t)vw_name_place(out->owner, out->n_owners, a->classes[i]);
  const vw_status st = vw_dataset_take(out, part, a, of_class);
  free(of_class);
  return st;
}

static vw_status read_voc(const vw_dataset_ask *ask, vw_dataset *out) {
  vw_annotations *a[VW_PARTS] = {0};
  vw_status st = VW_OK;
  for (int i = 0; i < VW_PARTS; i++) VW_GOTO(read_part(ask, (vw_part)i, out, &a[i]));
  VW_GOTO(own_classes(ask, a, out));
  for (int i = 0; i < VW_PARTS; i++)
    if (a[i]) VW_GOTO(take_part(out, (vw_part)i, a[i]));
cleanup:
  for (int i = 0; i < VW_PARTS; i++) vw_annotations_destroy(a[i]);
  return st;
}

const vw_dataset_kind vw_voc_dataset = {.name = "voc", .read = read_voc};
