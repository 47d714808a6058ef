#include "io/annotations/dataset_internal.h"

#include "core/durable.h"
#include "core/options.h"
#include "io/names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const vw_dataset_kind *const vw_dataset_kinds[] = {[VW_DATA_FOLDERS] = &vw_folders_dataset,
                                                   [VW_DATA_DREAMBOOTH] = &vw_dreambooth_dataset,
                                                   [VW_DATA_COCO] = &vw_coco_dataset,
                                                   [VW_DATA_VOC] = &vw_voc_dataset,
                                                   [VW_DATA_IMAGENET] = &vw_imagenet_dataset};

vw_status vw_dataset_read(const vw_dataset_ask *ask, vw_dataset *out) {
  *out = (vw_dataset){.kind = vw_dataset_kinds[ask->data->kind]};
  VW_TRY(out->kind->read(ask, out));
  return out->kind->one_owner && ask->boxes ? vw_dataset_read_boxes(out) : VW_OK;
}

void vw_dataset_close(vw_dataset *d) {
  vw_pool_fini(&d->pool);
  *d = (vw_dataset){0};
}

vw_status vw_dataset_path(const vw_dataset_part *part, const vw_dataset_picture *picture, char *path) {
  return part->folder[0] ? vw_path_format(path, "%s/%s", part->folder, picture->file)
                         : vw_path_format(path, "%s", picture->file);
}

bool vw_is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

vw_status vw_dataset_refuse(const vw_dataset_ask *ask, const char *name, vw_status st) {
  return ask->refuse ? ask->refuse(ask->user, name, st) : st;
}

/* ---- owners ---- */

static vw_status refuse_unknown(const vw_dataset_ask *ask, const char *where, const char *const *classes, int64_t n,
                                const char *name) {
  const char *near = vw_near_miss(name, classes, n);
  const vw_status st = VW_RAISE(VW_ERR_INPUT, "%s: no class '%s' among its %" PRId64 "%s%s%s", where, name, n,
                                near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  return vw_dataset_refuse(ask, name, st);
}

static vw_status add_owner(vw_dataset *out, const char *name) {
  out->owner[out->n_owners] = vw_pool_text(&out->pool, name, -1);
  VW_CHECK(out->owner[out->n_owners], VW_ERR_MEMORY, "data set: out of memory");
  out->n_owners++;
  return VW_OK;
}

/* All classes, each as the study spells it where it names it. */
static vw_status own_all(const vw_names *concepts, const char *const *classes, int64_t n, vw_dataset *out,
                         int32_t *of_class) {
  for (int64_t i = 0; i < n; i++) {
    int64_t named = -1;
    for (int64_t k = 0; k < concepts->n && named < 0; k++)
      if (vw_name_place(classes, n, concepts->name[k]) == i) named = k;
    of_class[i] = (int32_t)out->n_owners;
    VW_TRY(add_owner(out, named < 0 ? classes[i] : concepts->name[named]));
  }
  return VW_OK;
}

vw_status vw_dataset_own(const vw_dataset_ask *ask, const char *where, const char *const *classes, int64_t n,
                         vw_dataset *out, int32_t *of_class) {
  const vw_names *concepts = &ask->data->concepts;
  out->owner = vw_pool_take(&out->pool, (size_t)(n + ask->n_owners + 1) * sizeof *out->owner);
  VW_CHECK(out->owner && n <= INT32_MAX, VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " classes", where, n);
  for (int64_t i = 0; i < n; i++) of_class[i] = -1;
  if (!ask->owner) VW_TRY(own_all(concepts, classes, n, out, of_class));
  for (int64_t k = 0; k < (ask->owner ? ask->n_owners : concepts->n); k++) {
    const char *name = ask->owner ? ask->owner[k] : concepts->name[k];
    const int64_t at = vw_name_place(classes, n, name);
    if (at < 0) VW_TRY(refuse_unknown(ask, where, classes, n, name));
    if (at < 0 || !ask->owner) continue;
    of_class[at] = (int32_t)out->n_owners;
    VW_TRY(add_owner(out, name));
  }
  return VW_OK;
}

/* ---- parts ---- */

vw_status vw_dataset_take(vw_dataset *out, vw_part part, const vw_annotations *a, const int32_t *of_class) {
  vw_dataset_part *p = &out->part[part];
  int64_t n_boxes = 0;
  for (int64_t i = 0; i < a->n_boxes; i++) n_boxes += of_class[a->boxes[i].class_index] >= 0;
  p->picture = vw_pool_take(&out->pool, (size_t)(a->n_pictures + 1) * sizeof *p->picture);
  p->box = vw_pool_take(&out->pool, (size_t)(n_boxes + 1) * sizeof *p->box);
  VW_CHECK(p->picture && p->box, VW_ERR_MEMORY, "%s: out of memory for %" PRId64 " boxes", p->name, n_boxes);
  for (int64_t i = 0, b = 0; i < a->n_pictures; i++) {
    const vw_annotated_picture *from = &a->pictures[i];
    vw_dataset_picture *to = &p->picture[p->n++];
    *to = (vw_dataset_picture){.id = from->id, .width = from->width, .height = from->height, .first_box = p->n_boxes};
    to->file = vw_pool_text(&out->pool, from->file, -1);
    VW_CHECK(to->file, VW_ERR_MEMORY, "%s: out of memory", p->name);
    for (; b < a->n_boxes && a->boxes[b].picture == i; b++) {
      const vw_annotated_box *x = &a->boxes[b];
      if (of_class[x->class_index] < 0) continue;
      p->box[p->n_boxes++] = (vw_box){.owner = of_class[x->class_index],
                                      .box = {x->box[0], x->box[1], x->box[2], x->box[3]},
                                      .area = x->area,
                                      .crowd = x->crowd,
                                      .ignored = x->difficult,
                                      .truncated = x->truncated};
    }
    to->n_boxes = p->n_boxes - to->first_box;
  }
  return VW_OK;
}
