/* Pictures with boxes, as the formats of detection data sets have them: COCO's JSON and PASCAL VOC's XML come out the
 * same. Boxes are x, y, width, height in pixels from the top left corner, edges between pixels; they are kept as
 * annotated, also where they leave the picture or are empty, because the official protocols count them. Another format
 * is another function that fills this struct. */
#ifndef VW_IO_ANNOTATIONS_H
#define VW_IO_ANNOTATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pool.h"
#include "core/status.h"

typedef struct vw_annotated_picture {
  int64_t id;       /* COCO's; VOC: place in the list */
  const char *file; /* relative to the folder of the pictures */
  int64_t width, height;
} vw_annotated_picture;

typedef struct vw_annotated_box {
  int64_t picture;     /* place in `pictures` */
  int32_t class_index; /* place in `classes` */
  bool crowd;          /* COCO: a box around many */
  bool difficult;      /* VOC: neither found nor missed */
  bool truncated;      /* VOC: goes on outside the picture */
  double box[4];
  double area; /* COCO's `area` (of the segment), else that of the box */
} vw_annotated_box;

typedef struct vw_annotations {
  const char **classes; /* names in the file's order (VOC: bytewise) */
  int64_t n_classes;
  vw_annotated_picture *pictures; /* by id */
  int64_t n_pictures;
  vw_annotated_box *boxes; /* by picture, then in the file's order */
  int64_t n_boxes;
  vw_pool pool; /* owns the texts */
} vw_annotations;

void vw_annotations_destroy(vw_annotations *a); /* NULL allowed */

/* COCO's instances_X.json, streamed: segments, captions, licences and what else is in the file cost no memory. `area`
 * is the box's where it is missing, `iscrowd` then 0. The caller destroys *a.
 * Errors: VW_ERR_IO; VW_ERR_MEMORY; VW_ERR_INPUT with the file and the place in it: not JSON, a member of another type,
 * an id twice, a box of a picture or category that is not there, a number that is not finite, a file name that leaves
 * the folder. */
vw_status vw_coco_read(const char *path, vw_annotations **a);

/* PASCAL VOC: the pictures listed in ROOT/ImageSets/Main/SPLIT.txt, a name a line, each with Annotations/NAME.xml.
 * Their corners (xmin .. xmax inclusive, from 1) become x = xmin - 1, width = xmax - xmin + 1. Nothing outside ROOT is
 * opened and no entity is expanded. Errors: as above, with the XML file and line. */
vw_status vw_voc_read(const char *root, const char *split, vw_annotations **a);

/* One XML file of that kind, as ImageNet has them too: the same corners, one picture. Errors: as above. */
vw_status vw_voc_read_file(const char *path, vw_annotations **a);

#endif
