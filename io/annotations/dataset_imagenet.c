/* ImageNet's classification data as users have them: train/WNID/ *.JPEG; val/ with folders too, or flat with a list of
 * labels; names of the classes in one of several lists (imagenet_lists.h); boxes in XML files or in the list. */
#include "io/annotations/dataset_internal.h"
#include "io/annotations/imagenet_lists.h"

#include "core/durable.h"
#include "io/folders.h"
#include "io/pictures/image.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
  const vw_dataset_ask *ask;
  vw_dataset *out;
  char data[VW_PATH_BYTES];        /* has train and val */
  char annotations[VW_PATH_BYTES]; /* of XML files; "": none */
  char test[VW_PATH_BYTES];        /* the folder to judge by; "": none */
  bool flat;                       /* `test` has no class folders: `labels` says what is what */
  vw_name_list wnid;               /* the folders of train, sorted */
  vw_wnid_names names;
  vw_label_list labels;
  const char **class_name; /* [wnid.n] */
  int64_t room[VW_PARTS], box_room[VW_PARTS];
} reader;

/* ---- where things are -------------------------------------------------------------------------------------------- */

/* The first of these below the root that is a folder; "": none. */
static vw_status find_folder(const char *root, const char *const *names, size_t n, char path[VW_PATH_BYTES]) {
  for (size_t i = 0; i < n; i++) {
    VW_TRY(vw_path_format(path, "%s/%s", root, names[i]));
    if (vw_is_folder(path)) return VW_OK;
  }
  path[0] = 0;
  return VW_OK;
}

static vw_status find_places(reader *r) {
  static const char *const trains[] = {"train", "ILSVRC/Data/CLS-LOC/train", "Data/CLS-LOC/train"};
  static const char *const boxes[] = {"ILSVRC/Annotations/CLS-LOC", "Annotations/CLS-LOC", "Annotations"};
  static const char *const tests[] = {"val", "test"};
  const char *root = r->ask->data->root;
  VW_TRY(find_folder(root, trains, sizeof trains / sizeof *trains, r->data));
  VW_CHECK(r->data[0], VW_ERR_INPUT,
           "%s: no folder train in it (nor ILSVRC/Data/CLS-LOC/train); expected ImageNet's "
           "train/WNID and val",
           root);
  r->data[strlen(r->data) - strlen("/train")] = 0;
  VW_TRY(find_folder(root, boxes, sizeof boxes / sizeof *boxes, r->annotations));
  VW_TRY(find_folder(r->data, tests, sizeof tests / sizeof *tests, r->test));
  VW_CHECK(r->test[0] || !r->ask->needs_test, VW_ERR_INPUT, "%s: no folder val (or test) beside train to judge by",
           r->data);
  return VW_OK;
}

static vw_status read_lists(reader *r) {
  char train[VW_PATH_BYTES];
  vw_name_list folders = {0}, pictures = {0};
  const char *root = r->ask->data->root;
  VW_TRY(vw_path_format(train, "%s/train", r->data));
  VW_TRY(vw_folders_list(train, true, &r->wnid));
  VW_CHECK(r->wnid.n, VW_ERR_INPUT, "%s: no class folder in it", train);
  VW_TRY(vw_wnid_names_read(root, r->ask->data->names, &r->names));
  if (!r->test[0]) return VW_OK;
  vw_status st = vw_folders_list(r->test, true, &folders);
  if (st == VW_OK && !folders.n) st = vw_folders_list(r->test, false, &pictures);
  r->flat = st == VW_OK && !folders.n;
  if (r->flat) st = vw_label_list_read(root, r->test, &pictures, &r->wnid, &r->labels);
  vw_name_list_free(&folders), vw_name_list_free(&pictures);
  return st;
}

static bool is_wnid(const char *s) {
  return s[0] == 'n' && strlen(s) == 9 && strspn(s + 1, "0123456789") == 8;
}

/* The name of every class: from the list, else its folder's, which must not be a number then. */
static vw_status name_classes(reader *r) {
  r->class_name = malloc((size_t)(r->wnid.n + 1) * sizeof *r->class_name);
  VW_CHECK(r->class_name, VW_ERR_MEMORY, "data set: out of memory");
  for (int64_t i = 0; i < r->wnid.n; i++) {
    const char *wnid = r->wnid.name[i], *name = vw_wnid_name(&r->names, wnid);
    VW_CHECK(
        name || !is_wnid(wnid), VW_ERR_INPUT,
        "%s/train/%s: %s%s has no name for it; add LOC_synset_mapping.txt, synset_words.txt or words.txt to %s, or "
        "say where with `names`",
        r->data, wnid, r->names.path[0] ? r->names.path : "no list", r->names.path[0] ? "" : " of names",
        r->ask->data->root);
    r->class_name[i] = name ? name : wnid;
  }
  return VW_OK;
}

/* ---- a class ----------------------------------------------------------------------------------------------------- */

/* Twice the room where n items fill it; what was there stays in the pool. */
static vw_status grow(vw_pool *pool, void **list, int64_t n, int64_t *room, size_t bytes) {
  if (n < *room) return VW_OK;
  const int64_t more = *room ? 2 * *room : 256;
  void *grown = vw_pool_take(pool, (size_t)more * bytes);
  VW_CHECK(grown, VW_ERR_MEMORY, "data set: out of memory for %" PRId64 " pictures", more);
  if (n) memcpy(grown, *list, (size_t)n * bytes);
  *list = grown, *room = more;
  return VW_OK;
}

static vw_status add_picture(reader *r, vw_part part, const char *path) {
  vw_dataset_part *p = &r->out->part[part];
  VW_TRY(grow(&r->out->pool, (void **)&p->picture, p->n, &r->room[part], sizeof *p->picture));
  p->picture[p->n] = (vw_dataset_picture){.file = vw_pool_text(&r->out->pool, path, -1), .id = p->n};
  VW_CHECK(p->picture[p->n].file, VW_ERR_MEMORY, "data set: out of memory");
  p->n++;
  return VW_OK;
}

static vw_status add_folder(reader *r, vw_part part, const char *folder, int64_t most) {
  vw_name_list files = {0};
  char path[VW_PATH_BYTES];
  vw_status st = VW_OK;
  if (!vw_is_folder(folder)) return VW_OK;
  VW_GOTO(vw_folders_list(folder, false, &files));
  for (int64_t i = 0; i < files.n && i < most; i++) {
    VW_GOTO(vw_path_format(path, "%s/%s", folder, files.name[i]));
    VW_GOTO(add_picture(r, part, path));
  }
cleanup:
  vw_name_list_free(&files);
  return st;
}

static vw_status add_flat(reader *r, int64_t wnid, int64_t most) {
  char path[VW_PATH_BYTES];
  for (int64_t i = 0, n = 0; i < r->labels.n && n < most; i++) {
    if (r->labels.label[i].wnid != wnid) continue;
    VW_TRY(vw_path_format(path, "%s/%s", r->test, r->labels.label[i].file));
    VW_TRY(add_picture(r, VW_TEST, path));
    n++;
  }
  return VW_OK;
}

/* Both parts of one class; what is missing is the class's own mistake. */
static vw_status read_class(reader *r, int64_t wnid, const char *name) {
  const vw_data_config *d = r->ask->data;
  const int64_t before[VW_PARTS] = {r->out->part[VW_TRAIN].n, r->out->part[VW_TEST].n};
  char folder[VW_PATH_BYTES];
  VW_TRY(vw_path_format(folder, "%s/train/%s", r->data, r->wnid.name[wnid]));
  VW_TRY(add_folder(r, VW_TRAIN, folder, d->train));
  VW_CHECK(r->out->part[VW_TRAIN].n > before[VW_TRAIN], VW_ERR_INPUT, "'%s' has no picture in %s", name, folder);
  if (!r->test[0]) return VW_OK;
  VW_TRY(vw_path_format(folder, "%s/%s", r->test, r->wnid.name[wnid]));
  VW_TRY(r->flat ? add_flat(r, wnid, d->test) : add_folder(r, VW_TEST, folder, d->test));
  VW_CHECK(r->out->part[VW_TEST].n > before[VW_TEST] || !r->ask->needs_test, VW_ERR_INPUT,
           "'%s' (%s) has no picture in %s%s%s", name, r->wnid.name[wnid], r->test, r->flat ? " by " : "",
           r->flat ? r->labels.path : "");
  return VW_OK;
}

/* ---- boxes ------------------------------------------------------------------------------------------------------- */

/* "…/n01440764_18.JPEG" to "n01440764_18". */
static vw_status stem_of(const char *path, char stem[VW_PATH_BYTES]) {
  const char *slash = strrchr(path, '/');
  VW_TRY(vw_path_format(stem, "%s", slash ? slash + 1 : path));
  char *dot = strrchr(stem, '.');
  if (dot) *dot = 0;
  return VW_OK;
}

/* The XML file of a picture, or "". */
static vw_status xml_of(const reader *r, vw_part part, const char *wnid, const char *stem, char path[VW_PATH_BYTES]) {
  path[0] = 0;
  if (!r->annotations[0]) return VW_OK;
  if (part == VW_TRAIN) {
    VW_TRY(vw_path_format(path, "%s/train/%s/%s.xml", r->annotations, wnid, stem));
    if (vw_file_exists(path)) return VW_OK;
    VW_TRY(vw_path_format(path, "%s/%s/%s.xml", r->annotations, wnid, stem));
  } else {
    VW_TRY(vw_path_format(path, "%s/val/%s.xml", r->annotations, stem));
  }
  if (!vw_file_exists(path)) path[0] = 0;
  return VW_OK;
}

static vw_status add_box(reader *r, vw_part part, vw_dataset_picture *picture, const vw_box *b) {
  vw_dataset_part *p = &r->out->part[part];
  VW_TRY(grow(&r->out->pool, (void **)&p->box, p->n_boxes, &r->box_room[part], sizeof *p->box));
  p->box[p->n_boxes++] = *b;
  picture->n_boxes++;
  return VW_OK;
}

/* Some of ImageNet's annotations are of a picture of another size: boxes are scaled to the one that is there. Corners
 * count from 0 here and are edges, not the last pixels as in VOC. */
static vw_status add_xml(reader *r, vw_part part, const char *xml, const char *wnid, int64_t owner,
                         vw_dataset_picture *picture) {
  vw_annotations *a = NULL;
  VW_TRY(vw_voc_read_file(xml, &a));
  vw_status st = vw_image_size(picture->file, 0, &picture->height, &picture->width);
  for (int64_t i = 0; st == VW_OK && i < a->n_boxes; i++) {
    const double *b = a->boxes[i].box;
    if (strcmp(a->classes[a->boxes[i].class_index], wnid) != 0) continue;
    const double sx = (double)picture->width / (double)a->pictures[0].width;
    const double sy = (double)picture->height / (double)a->pictures[0].height;
    const vw_box box = {.owner = owner,
                        .box = {(b[0] + 1) * sx, (b[1] + 1) * sy, (b[2] - 1) * sx, (b[3] - 1) * sy},
                        .area = (b[2] - 1) * sx * (b[3] - 1) * sy,
                        .truncated = a->boxes[i].truncated};
    st = add_box(r, part, picture, &box);
  }
  vw_annotations_destroy(a);
  return st;
}

static vw_status add_listed(reader *r, const char *file, int64_t owner, vw_dataset_picture *picture) {
  for (int64_t i = 0; i < r->labels.n; i++) {
    const vw_label *l = &r->labels.label[i];
    if (strcmp(l->file, file) != 0) continue;
    for (int64_t k = 0; k < l->n_boxes; k++) {
      const double *b = r->labels.box[l->first_box + k].corner;
      const vw_box box = {
          .owner = owner, .box = {b[0], b[1], b[2] - b[0], b[3] - b[1]}, .area = (b[2] - b[0]) * (b[3] - b[1])};
      VW_TRY(add_box(r, VW_TEST, picture, &box));
    }
  }
  return VW_OK;
}

/* Boxes of the pictures from `first` on, which are of one owner. */
static vw_status read_boxes(reader *r, vw_part part, int64_t first, int64_t wnid, int64_t owner) {
  vw_dataset_part *p = &r->out->part[part];
  char xml[VW_PATH_BYTES], stem[VW_PATH_BYTES];
  for (int64_t i = first; i < p->n; i++) {
    vw_dataset_picture *picture = &p->picture[i];
    const char *slash = strrchr(picture->file, '/');
    picture->first_box = p->n_boxes, picture->n_boxes = 0;
    if (r->ask->boxes && slash) {
      VW_TRY(stem_of(picture->file, stem));
      VW_TRY(xml_of(r, part, r->wnid.name[wnid], stem, xml));
      if (xml[0]) VW_TRY(add_xml(r, part, xml, r->wnid.name[wnid], owner, picture));
      if (!picture->n_boxes && part == VW_TEST && r->flat) VW_TRY(add_listed(r, slash + 1, owner, picture));
    }
    if (!picture->n_boxes) VW_TRY(add_box(r, part, picture, &(vw_box){.owner = owner, .whole = true}));
  }
  return VW_OK;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* A name that two of ImageNet's classes have ("crane", "maillot") means neither. */
static vw_status expect_one(const reader *r, int64_t at) {
  for (int64_t i = 0; i < r->wnid.n; i++)
    VW_CHECK(i == at || strcmp(r->class_name[i], r->class_name[at]) != 0, VW_ERR_INPUT,
             "'%s' is both %s and %s: give names of your own (a file of lines \"WNID NAME\", key `names`)",
             r->class_name[at], r->wnid.name[at], r->wnid.name[i]);
  return VW_OK;
}

static vw_status read_owner(reader *r, int64_t wnid, int64_t owner) {
  const int64_t before[VW_PARTS] = {r->out->part[VW_TRAIN].n, r->out->part[VW_TEST].n};
  vw_status st = expect_one(r, wnid);
  if (st == VW_OK) st = read_class(r, wnid, r->class_name[wnid]);
  if (st != VW_OK) return vw_dataset_refuse(r->ask, r->out->owner[owner], st);
  for (int i = 0; i < VW_PARTS; i++) VW_TRY(read_boxes(r, (vw_part)i, before[i], wnid, owner));
  return VW_OK;
}

/* A concept that is given by its number gets its name told. */
static vw_status expect_names(const reader *r) {
  const vw_names *lists[2] = {&r->ask->data->concepts, &r->ask->data->classes};
  for (int l = 0; l < 2; l++)
    for (int64_t k = 0; k < lists[l]->n; k++)
      for (int64_t i = 0; is_wnid(lists[l]->name[k]) && i < r->wnid.n; i++)
        VW_CHECK(strcmp(lists[l]->name[k], r->wnid.name[i]) != 0, VW_ERR_INPUT, "%s is '%s' (%s): write the name",
                 r->wnid.name[i], r->class_name[i], r->names.path);
  return VW_OK;
}

static vw_status open_lists(reader *r) {
  VW_TRY(find_places(r));
  VW_TRY(read_lists(r));
  VW_TRY(name_classes(r));
  VW_TRY(expect_names(r));
  for (int i = 0; i < VW_PARTS; i++) {
    r->out->part[i].name = i == VW_TRAIN ? "train" : "val", r->out->part[i].folder = "";
    VW_TRY(grow(&r->out->pool, (void **)&r->out->part[i].picture, 0, &r->room[i], sizeof(vw_dataset_picture)));
    VW_TRY(grow(&r->out->pool, (void **)&r->out->part[i].box, 0, &r->box_room[i], sizeof(vw_box)));
  }
  return VW_OK;
}

/* Owner by owner: the order in which pictures of one owner come. */
static vw_status read_owners(reader *r, int32_t *of_class) {
  const char *where = r->names.path[0] ? r->names.path : r->ask->data->root;
  VW_TRY(vw_dataset_own(r->ask, where, r->class_name, r->wnid.n, r->out, of_class));
  for (int64_t o = 0; o < r->out->n_owners; o++)
    for (int64_t i = 0; i < r->wnid.n; i++)
      if (of_class[i] == o) VW_TRY(read_owner(r, i, o));
  return VW_OK;
}

static vw_status read_imagenet(const vw_dataset_ask *ask, vw_dataset *out) {
  reader *r = calloc(1, sizeof *r);
  int32_t *of_class = NULL;
  vw_status st = VW_OK;
  VW_CHECK(r, VW_ERR_MEMORY, "data set: out of memory");
  r->ask = ask, r->out = out;
  VW_GOTO(open_lists(r));
  of_class = malloc((size_t)(r->wnid.n + 1) * sizeof *of_class);
  if (!of_class) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "data set: out of memory"));
  VW_GOTO(read_owners(r, of_class));
cleanup:
  free(of_class);
  vw_name_list_free(&r->wnid);
  vw_wnid_names_free(&r->names);
  vw_label_list_free(&r->labels);
  free((void *)r->class_name);
  free(r);
  return st;
}

const vw_dataset_kind vw_imagenet_dataset = {.name = "imagenet", .one_owner = true, .read = read_imagenet};
