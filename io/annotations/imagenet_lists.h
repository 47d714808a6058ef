/* The lists that come with ImageNet, each in the forms that users have. */
#ifndef VW_IO_IMAGENET_LISTS_H
#define VW_IO_IMAGENET_LISTS_H

#include <stdint.h>

#include "core/durable.h"
#include "core/status.h"
#include "io/folders.h"

/* ---- names of the classes ---- */

typedef struct vw_wnid_entry {
  const char *wnid, *name; /* the first of the synonyms */
} vw_wnid_entry;

typedef struct vw_wnid_names {
  char path[VW_PATH_BYTES]; /* of the list; "": there is none */
  char *text;
  vw_wnid_entry *entry; /* by wnid */
  int64_t n;
} vw_wnid_names;

/* Reads lines "WNID NAME, SYNONYM, ..." (LOC_synset_mapping.txt, synset_words.txt), "WNID<tab>NAME" (words.txt) or
 * "WNID NUMBER NAME" (map_clsloc.txt). `path` NULL: the first of these in `root`; none is no error. The caller frees
 * it. Errors: VW_ERR_IO; VW_ERR_INPUT with the line. */
vw_status vw_wnid_names_read(const char *root, const char *path, vw_wnid_names *names);
void vw_wnid_names_free(vw_wnid_names *names);

/* NULL: not in the list. */
const char *vw_wnid_name(const vw_wnid_names *names, const char *wnid);

/* ---- labels of pictures that lie in one folder ---- */

typedef struct vw_corners {
  double corner[4]; /* x, y, x, y: edges */
} vw_corners;

typedef struct vw_label {
  const char *file;
  int64_t wnid; /* place among the class folders; -1: of none of them */
  int64_t first_box, n_boxes;
} vw_label;

typedef struct vw_label_list {
  char path[VW_PATH_BYTES];
  char *text;
  vw_label *label; /* by file name */
  int64_t n, kept; /* kept: whose file names it owns */
  vw_corners *box;
  int64_t n_boxes, box_room;
} vw_label_list;

/* Reads which of the `pictures` (file names, sorted) is of which class. The first of these that is there, in `root`,
 * beside `folder` or in it:
 *
 *   LOC_val_solution.csv   ImageId,PredictionString; then NAME,WNID X Y X Y WNID X Y X Y ...: the boxes too
 *   val.txt                FILE WNID, or FILE NUMBER: of the class folders in bytewise order, from 0
 *   ILSVRC2012_validation_ground_truth.txt, also in ILSVRC2012_devkit_t12/data and devkit/data: a number a line, from
 *                          1, of the picture in that place; numbers are those of map_clsloc.txt (WNID NUMBER NAME),
 *                          which must lie in `root` or beside the list
 *
 * The caller frees it. Errors: VW_ERR_IO; VW_ERR_INPUT: none is there; a line that is none; a picture without a label,
 * and labels without a picture, both counted. */
vw_status vw_label_list_read(const char *root, const char *folder, const vw_name_list *pictures,
                             const vw_name_list *wnids, vw_label_list *list);
void vw_label_list_free(vw_label_list *list);

#endif
