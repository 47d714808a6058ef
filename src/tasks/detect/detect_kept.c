/* What judging keeps of a word's boxes: the best on a few pictures that hold its concept, for people to look at. */
#include "tasks/detect/detect.h"
#include "tasks/detect/detected.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = VW_DETECT_SHOWN, KEPT = VW_DETECT_KEPT, BOX = VW_BOX_NUMBERS };

_Static_assert((int)SHOWN <= (int)VW_MOST_SHOWN, "who asks for the pictures has room for so many");

static const char *const numbers_are[BOX] = {
    [VW_BOX_SCORE] = "score", [VW_BOX_X] = "x",           [VW_BOX_Y] = "y",
    [VW_BOX_WIDTH] = "width", [VW_BOX_HEIGHT] = "height", [VW_BOX_OVERLAP] = "overlap"};
_Static_assert((int)VW_BOX_SCORE == 0 && (int)VW_BOX_X == 1 && (int)VW_BOX_OVERLAP == (int)VW_DETECT_NUMBERS,
               "a box that was found, and how much it overlaps");

const vw_kept_kind vw_detect_kept = {
    .name = "boxes",
    .units = "1",
    .help =
        "a word's best boxes on the first test pictures that hold its concept: score; x, y, width, height in pixels, "
        "not clipped; overlap (IoU) with the true box that it overlaps most; NaN: no more, or not kept then",
    .ndim = 3,
    .scale = {"picture", "box", "number"},
    .scale_help = {"place among the concept's pictures in `shown`", "by score, the best first",
                   "what a number of a box is"},
    .labels = numbers_are,
    .are_boxes = true};

vw_status vw_detect_kept_dims(const vw_task_inputs *in, int64_t dim[VW_KEPT_DIMS]) {
  (void)in;
  dim[0] = SHOWN, dim[1] = KEPT, dim[2] = BOX;
  return VW_OK;
}

static bool is_true(const vw_box *b, int64_t owner) {
  return b->owner == owner && vw_box_is_usable(b);
}

static bool holds(const vw_scenes *all, int64_t scene, int64_t owner) {
  const vw_scene *p = &all->scene[scene];
  for (int64_t b = p->first_box; b < p->first_box + p->n_boxes; b++)
    if (is_true(&all->box[b], owner)) return true;
  return false;
}

vw_status vw_detect_shown(const vw_task_inputs *in, const char *concept, const vw_scene **scenes, int64_t *n) {
  const vw_picture_set *set = in->pictures;
  const int64_t owner = vw_picture_set_find(set, concept);
  *n = 0;
  VW_CHECK(owner >= 0, VW_ERR_ARG, "concept '%s' is not in data set '%s'", concept, set->data->name);
  int64_t *judged = malloc((size_t)(set->test_scenes.n + 1) * sizeof *judged);
  VW_CHECK(judged, VW_ERR_MEMORY, "judging: out of memory");
  const int64_t all = vw_picture_set_judged(set, owner, judged);
  for (int64_t i = 0; i < all && *n < SHOWN; i++)
    if (holds(&set->test_scenes, judged[i], owner)) scenes[(*n)++] = &set->test_scenes.scene[judged[i]];
  free(judged);
  return VW_OK;
}

static double overlap_with_truth(const vw_picture_set *set, const vw_scene *scene, int64_t owner, const double box[4]) {
  double most = 0;
  for (int64_t b = scene->first_box; b < scene->first_box + scene->n_boxes; b++) {
    const vw_box *truth = &set->test_scenes.box[b];
    if (is_true(truth, owner)) most = fmax(most, vw_box_overlap(box, truth->box));
  }
  return most;
}

/* found [VW_DETECT_TOP, VW_DETECT_NUMBERS] on a picture, the best first. */
static void keep_boxes(const vw_picture_set *set, const vw_scene *scene, int64_t owner, const double *found,
                       float *kept) {
  for (int64_t b = 0; b < KEPT; b++) {
    const double *x = found + b * VW_DETECT_NUMBERS;
    if (!(x[0] >= 0)) return; /* there are no more */
    for (int k = 0; k < VW_DETECT_NUMBERS; k++) kept[b * BOX + k] = (float)x[k];
    kept[b * BOX + VW_BOX_OVERLAP] = (float)overlap_with_truth(set, scene, owner, x + 1);
  }
}

vw_status vw_detect_judge_kept(vw_task *task, const vw_judged *w, const double *numbers, float *kept) {
  const vw_picture_set *set = task->in.pictures;
  const vw_scene *scene[SHOWN];
  const int64_t part = VW_DETECT_PART, of_picture = VW_DETECT_TOP * VW_DETECT_NUMBERS;
  int64_t n = 0;
  for (int64_t i = 0; i < w->n * SHOWN * KEPT * BOX; i++) kept[i] = NAN;
  if (w->null_concept) return VW_OK; /* its pictures show other things */
  VW_TRY(vw_detect_shown(&task->in, w->concept, scene, &n));
  for (int64_t i = 0; i < n; i++) {
    const int64_t at = scene[i] - set->test_scenes.scene;
    for (int64_t k = 0; k < w->n; k++)
      keep_boxes(set, scene[i], vw_picture_set_find(set, w->concept),
                 numbers + ((at / part * w->n + k) * part + at % part) * of_picture,
                 kept + (k * SHOWN + i) * KEPT * BOX);
  }
  return VW_OK;
}
