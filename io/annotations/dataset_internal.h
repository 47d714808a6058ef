/* What the readers of data sets share. */
#ifndef VW_IO_DATASET_INTERNAL_H
#define VW_IO_DATASET_INTERNAL_H

#include "io/annotations/annotations.h"
#include "io/annotations/dataset.h"

extern const vw_dataset_kind vw_folders_dataset, vw_dreambooth_dataset, vw_coco_dataset, vw_voc_dataset,
    vw_imagenet_dataset;

/* Fills out->owner with the names asked for, or with all classes (in the study's spelling where a concept is one) and
 * the concepts that are none. `of_class` [n] becomes each class's owner, -1: none. Owners that are no class are
 * refused; `where` names the classes in the message. */
vw_status vw_dataset_own(const vw_dataset_ask *ask, const char *where, const char *const *classes, int64_t n,
                         vw_dataset *out, int32_t *of_class);

/* Copies annotations into a part, boxes of owners alone. of_class as above, by a->classes. */
vw_status vw_dataset_take(vw_dataset *out, vw_part part, const vw_annotations *a, const int32_t *of_class);

/* Boxes from the boxes.txt beside the pictures (dataset_boxes.c), for pictures that have none. */
vw_status vw_dataset_read_boxes(vw_dataset *out);

/* Refuses an owner, or raises where nobody is to be told. */
vw_status vw_dataset_refuse(const vw_dataset_ask *ask, const char *name, vw_status st);

/* Whether a folder is there. */
bool vw_is_folder(const char *path);

#endif
