/* Boxes that were found in a picture: which of them are kept. */
#ifndef VW_TASKS_DETECTED_H
#define VW_TASKS_DETECTED_H

#include <stdint.h>

typedef struct vw_detected_box {
  int64_t name;  /* place among the candidates */
  int64_t patch; /* of equal scores the first comes first */
  double score;  /* 0 to 1 */
  double box[4]; /* x, y, width, height in pixels of the picture; not clipped */
} vw_detected_box;

/* How many are kept, and which. */
typedef struct vw_detect_limits {
  double threshold; /* least score */
  double overlap;   /* of a name's boxes those that overlap a better one by more (IoU) go; 1: all stay */
  int64_t top;      /* of a picture */
} vw_detect_limits;

/* Orders boxes [n] by score, drops what the limits do not allow, and returns how many stay in front. */
int64_t vw_detected_keep(vw_detected_box *boxes, int64_t n, const vw_detect_limits *limits);

#endif
