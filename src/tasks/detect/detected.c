#include "tasks/detect/detected.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static int by_score(const void *a, const void *b) {
  const vw_detected_box *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  if (x->name != y->name) return x->name < y->name ? -1 : 1;
  return (x->patch > y->patch) - (x->patch < y->patch);
}

/* Intersection over union; 0 where neither has an area. */
static double overlap_of(const double a[4], const double b[4]) {
  const double w = fmin(a[0] + a[2], b[0] + b[2]) - fmax(a[0], b[0]);
  const double h = fmin(a[1] + a[3], b[1] + b[3]) - fmax(a[1], b[1]);
  const double inside = w > 0 && h > 0 ? w * h : 0, all = a[2] * a[3] + b[2] * b[3] - inside;
  return all > 0 ? inside / all : 0;
}

static bool is_covered(const vw_detected_box *kept, int64_t n, const vw_detected_box *b, double most) {
  for (int64_t i = 0; i < n; i++)
    if (kept[i].name == b->name && overlap_of(kept[i].box, b->box) > most) return true;
  return false;
}

int64_t vw_detected_keep(vw_detected_box *boxes, int64_t n, const vw_detect_limits *limits) {
  int64_t kept = 0;
  if (n) qsort(boxes, (size_t)n, sizeof *boxes, by_score);
  for (int64_t i = 0; i < n && kept < limits->top && boxes[i].score >= limits->threshold; i++)
    if (limits->overlap >= 1 || !is_covered(boxes, kept, &boxes[i], limits->overlap)) boxes[kept++] = boxes[i];
  return kept;
}
