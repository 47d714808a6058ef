/* Which patches answer for a picture's boxes. */
#include "tasks/detect/detect.h"

#include <math.h>
#include <stdlib.h>

double vw_box_giou(const double a[4], const double b[4]) {
  double overlap = 1, hull = 1;
  for (int i = 0; i < 2; i++) {
    const double a0 = a[i] - a[i + 2] / 2, a1 = a[i] + a[i + 2] / 2, b0 = b[i] - b[i + 2] / 2, b1 = b[i] + b[i + 2] / 2;
    overlap *= fmax(0, fmin(a1, b1) - fmax(a0, b0)), hull *= fmax(a1, b1) - fmin(a0, b0);
  }
  const double both = a[2] * a[3] + b[2] * b[3] - overlap;
  const double iou = both > 0 ? overlap / both : 0;
  return hull > 0 ? iou - (hull - both) / hull : iou;
}

double vw_detect_place_cost(const double box[4], const double truth[4]) {
  const double of_distance = 5, of_overlap = 2;
  double distance = 0;
  for (int k = 0; k < 4; k++) distance += fabs(box[k] - truth[k]);
  return of_distance * distance + of_overlap * (1 - vw_box_giou(box, truth));
}

double vw_detect_cost(const double box[4], double objectness, const double truth[4]) {
  return vw_detect_place_cost(box, truth) - 1 / (1 + exp(-objectness));
}

vw_status vw_detect_match(const double *boxes, const double *objectness, int64_t N, const double *truth, int64_t n,
                          int64_t *patch) {
  double *cost = malloc((size_t)(n * N) * sizeof *cost + 1);
  VW_CHECK(cost, VW_ERR_MEMORY, "matching: out of memory");
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j < N; j++) cost[i * N + j] = vw_detect_cost(boxes + 4 * j, objectness[j], truth + 4 * i);
  const vw_status st = vw_assign(cost, n, N, patch);
  free(cost);
  return st;
}

/* A box in parts of the picture's square: its longer side, the picture at its top left. */
static void in_square(const vw_scene *p, const double box[4], double out[4]) {
  const double side = (double)(p->width > p->height ? p->width : p->height);
  for (int k = 0; k < 2; k++) out[k] = (box[k] + box[k + 2] / 2) / side, out[k + 2] = box[k + 2] / side;
}

/* The boxes of `owner` that can be learned from, at most N: true [N, 4]. */
static int64_t true_boxes(const vw_scenes *all, int64_t scene, int64_t owner, int64_t N, double *out) {
  const vw_scene *p = &all->scene[scene];
  int64_t n = 0;
  for (int64_t b = p->first_box; b < p->first_box + p->n_boxes && n < N; b++)
    if (all->box[b].owner == owner && vw_box_is_usable(&all->box[b])) in_square(p, all->box[b].box, out + 4 * n++);
  return n;
}

vw_status vw_detect_targets(const vw_detect_slot *s, const vw_picture_set *set, const vw_patches *p, int32_t *matched,
                            int32_t *boxes) {
  const int64_t N = p->N;
  double *truth = malloc((size_t)(4 * N) * sizeof *truth);
  int64_t *patch = malloc((size_t)N * sizeof *patch);
  vw_status st = truth && patch ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "matching: out of memory");
  for (int64_t i = 0; st == VW_OK && i < s->n_positive + s->n_negative; i++) {
    for (int64_t j = 0; j < N; j++) matched[i * N + j] = 0;
    boxes[i] = 0;
    if (i >= s->n_positive) continue;
    const vw_owlv2_picture_data d = vw_patches_at(p, i);
    const int64_t n = true_boxes(&set->train_scenes, s->scene[i], s->kept[i], N, truth);
    if (n) st = vw_detect_match(d.boxes, d.objectness, N, truth, n, patch);
    for (int64_t j = 0; st == VW_OK && j < n; j++) matched[i * N + patch[j]] = 1;
    boxes[i] = (int32_t)n;
  }
  free(truth), free(patch);
  return st;
}

int64_t vw_detect_count_boxes(const vw_picture_set *set, int64_t scene, int64_t owner, int64_t N) {
  const vw_scenes *all = &set->train_scenes;
  const vw_scene *p = &all->scene[scene];
  int64_t n = 0;
  for (int64_t b = p->first_box; b < p->first_box + p->n_boxes; b++)
    n += all->box[b].owner == owner && vw_box_is_usable(&all->box[b]);
  return n < N ? n : N;
}

vw_status vw_detect_places(const vw_detect_slot *s, const vw_picture_set *set, const vw_patches *p, int32_t *first,
                           int32_t *boxes, double **place) {
  const int64_t P = s->n_positive + s->n_negative, N = p->N;
  first[0] = 0;
  for (int64_t i = 0; i < P; i++) {
    boxes[i] = i < s->n_positive ? (int32_t)vw_detect_count_boxes(set, s->scene[i], s->kept[i], N) : 0;
    first[i + 1] = first[i] + boxes[i];
  }
  double *truth = malloc((size_t)(4 * N) * sizeof *truth);
  *place = malloc((size_t)(first[P] * N) * sizeof **place + 1);
  if (!truth || !*place) {
    free(truth);
    return VW_RAISE(VW_ERR_MEMORY, "matching: out of memory");
  }
  for (int64_t i = 0; i < s->n_positive; i++) {
    const vw_owlv2_picture_data d = vw_patches_at(p, i);
    const int64_t n = true_boxes(&set->train_scenes, s->scene[i], s->kept[i], N, truth);
    for (int64_t b = 0; b < n; b++)
      for (int64_t j = 0; j < N; j++)
        (*place)[(first[i] + b) * N + j] = vw_detect_place_cost(d.boxes + 4 * j, truth + 4 * b);
  }
  free(truth);
  return VW_OK;
}
