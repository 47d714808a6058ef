/* Average precision of boxes found for one class over a set of pictures, as the two official protocols compute it:
 *
 *   COCO  pycocotools' COCOeval for boxes (Lin et al. 2014, arXiv 1405.0312): 10 overlaps .50:.05:.95, 101 recall
 *         levels, at most 100 boxes a picture, crowds match any number of boxes and count nowhere, size classes
 *   VOC   the development kit (Everingham et al. 2010): overlap .5, all boxes, difficult objects count nowhere; the
 * area under the curve (2010 on) or eleven recall levels (2007)
 *
 * Boxes are x, y, width, height in pixels from the top left corner of the picture, edges between pixels. VOC's
 * inclusive corners (xmin .. xmax, from 1) are x = xmin - 1, width = xmax - xmin + 1: with them the kit's "+ 1" overlap
 * is the plain one. Everything is double; the order of equal scores is picture, then place in the list. */
#ifndef VW_STUDY_AVERAGE_PRECISION_H
#define VW_STUDY_AVERAGE_PRECISION_H

#include "core/status.h"

#include <stdint.h>

/* A box that is there. */
typedef struct vw_true_box {
  int64_t picture;
  double box[4];
  double area;  /* what the size classes go by: COCO's `area` (of the segment, not of the box) */
  bool crowd;   /* COCO: a box around many; overlap is the share of the found box inside it */
  bool ignored; /* neither found nor missed: VOC's difficult */
} vw_true_box;

/* A box that was found. */
typedef struct vw_found_box {
  int64_t picture;
  double score;
  double box[4];
} vw_found_box;

/* The boxes of one class, ordered once for all words that are judged on it. */
typedef struct vw_true_boxes vw_true_boxes;

/* Copies `boxes`; the caller destroys *t. Errors: VW_ERR_ARG (a number that is not finite, a negative size),
 * VW_ERR_MEMORY. */
vw_status vw_true_boxes_create(vw_true_boxes **t, const vw_true_box *boxes, int64_t n);
void vw_true_boxes_destroy(vw_true_boxes *t); /* NULL allowed */

/* COCO's twelve numbers in the order in which pycocotools prints them. Sizes: area up to 32^2, up to 96^2, above; both
 * limits belong to both sides. Averages over overlaps unless named. */
typedef enum vw_coco_metric {
  VW_COCO_AP,
  VW_COCO_AP50,
  VW_COCO_AP75,
  VW_COCO_AP_SMALL,
  VW_COCO_AP_MEDIUM,
  VW_COCO_AP_LARGE,
  VW_COCO_AR_1, /* recall with at most 1, 10, 100 boxes a picture */
  VW_COCO_AR_10,
  VW_COCO_AR_100,
  VW_COCO_AR_SMALL,
  VW_COCO_AR_MEDIUM,
  VW_COCO_AR_LARGE,
  VW_COCO_METRICS
} vw_coco_metric;

/* out: -1 where no box of the size is there to be found. One deviation from pycocotools, whose annotation id 0 reads as
 * "not matched": ids play no part here. May be called by several threads with the same `t`. Errors: VW_ERR_ARG (a score
 * or box that is not finite), VW_ERR_MEMORY. */
vw_status vw_coco_precision(const vw_true_boxes *t, const vw_found_box *found, int64_t n, double out[VW_COCO_METRICS]);

typedef enum vw_voc_rule { VW_VOC_AREA, VW_VOC_ELEVEN_POINTS } vw_voc_rule;

/* *ap: -1 where no box is there to be found. Overlaps of exactly .5 count. Threads and errors as above. */
vw_status vw_voc_precision(const vw_true_boxes *t, const vw_found_box *found, int64_t n, vw_voc_rule rule, double *ap);

#endif
