/* The detection task of one network on one data set (docs/protocol.md): a concept's scenes, the patches that answer for
 * its boxes, and its words' boxes on all pictures that are judged. */
#ifndef VW_TASKS_DETECT_H
#define VW_TASKS_DETECT_H

#include "core/assignment.h"
#include "study/average_precision.h"
#include "tasks/detect/patches.h"

extern const vw_task_kind vw_detection_kind;

/* Columns of /evaluation/detection: COCO's twelve in their order, then VOC's. */
enum { VW_DETECT_VOC = VW_COCO_METRICS, VW_DETECT_METRICS };

typedef struct vw_detect_judge vw_detect_judge;

typedef struct vw_detect {
  vw_task task;
  vw_owlv2_network *network;      /* task.in's */
  const vw_learn_config *learn;   /* borrowed */
  const vw_picture_set *pictures; /* borrowed */
  vw_prompts prompts;
  vw_prompts judge_prompts; /* of judge.templates; zeros: the study has none */
  int64_t judge;            /* place of the judging template; templates 0 .. learn->templates.n - 1 are drawn */
  vw_detect_judge *judging; /* made when it is first needed */
} vw_detect;

/* ---- a concept's pictures (detect_slot.c) ------------------------------------------------------------------------ */

/* What a concept's words are learned and judged on. */
typedef struct vw_detect_slot {
  int64_t owner;  /* -1: a null concept */
  int64_t *scene; /* [n_positive + n_negative] places in train_scenes: those with the concept, then those without */
  int64_t n_positive, n_negative;
  int64_t *kept;        /* [n_positive] whose boxes count there: the owner's; of a null concept a drawn class' */
  int64_t *judged;      /* [n_judged] places in test_scenes, ascending */
  int64_t *judged_kept; /* [n_judged] whose boxes are to be found there; -1: nobody's */
  int64_t n_judged;
} vw_detect_slot;
vw_status vw_detect_slot_create(vw_detect_slot *s, const vw_task_inputs *in, const char *concept, bool is_null);
void vw_detect_slot_free(vw_detect_slot *s);

/* Places in train_scenes that any concept of the data set, null ones counted, is learned with: ascending, malloc'ed. */
vw_status vw_detect_wanted(const vw_task_inputs *in, int64_t **scene, int64_t *n);

/* What it costs that a patch answers for a true box (both: centre x, y, width, height in parts of the square), by where
 * they are alone: 5 |box - true|_1 + 2 (1 - GIoU). */
double vw_detect_place_cost(const double box[4], const double truth[4]);
/* The same - sigmoid(objectness). */
double vw_detect_cost(const double box[4], double objectness, const double truth[4]);
/* Which patches of a picture answer for true boxes [n, 4]: the cheapest assignment, each box a patch of its own.
 * patch [n]. n is at most N. */
vw_status vw_detect_match(const double *boxes, const double *objectness, int64_t N, const double *truth, int64_t n,
                          int64_t *patch);
/* Generalised intersection over union (Rezatofighi et al. 2019) of two such boxes. */
double vw_box_giou(const double a[4], const double b[4]);

/* matched [P, N], boxes [P] of the slot's pictures, whose patches are p. */
vw_status vw_detect_targets(const vw_detect_slot *s, const vw_picture_set *set, const vw_patches *p, int32_t *matched,
                            int32_t *boxes);
/* For matching at every step (kernels/match_patches.h): first [P + 1], and place [first[P], N], malloc'ed: the cost of
 * each patch for each box of the slot's pictures by where they are. boxes [P] as above. */
vw_status vw_detect_places(const vw_detect_slot *s, const vw_picture_set *set, const vw_patches *p, int32_t *first,
                           int32_t *boxes, double **place);
/* Boxes of an owner that can be learned from in a training scene, at most N. */
int64_t vw_detect_count_boxes(const vw_picture_set *set, int64_t scene, int64_t owner, int64_t N);

/* ---- learning (detect_block.c) ----------------------------------------------------------------------------------- */

vw_status vw_detect_begin(vw_task *t, const vw_trial *trials, const uint64_t *keys, int64_t K, vw_step_shape *s,
                          void **block);
vw_status vw_detect_leaves(vw_task *t, void *block, const vw_step_shape *s, vw_program *p, const vw_graph *g);
void vw_detect_end(void *block);
vw_status vw_detect_draws(vw_task *t, const vw_trial *trial, uint64_t key, const vw_draw_sink *sink);

/* ---- judging (detect_judge.c) ------------------------------------------------------------------------------------ */

vw_status vw_detect_judge_parts(const vw_task_inputs *in, int64_t *parts, int64_t *numbers);
vw_status vw_detect_judge_part(vw_task *t, const vw_judged *w, int64_t part, double *numbers);
vw_status vw_detect_judge_end(vw_task *t, const vw_judged *w, const double *numbers, double *metrics);
void vw_detect_judge_destroy(vw_detect_judge *j); /* NULL allowed */
/* A word's best boxes of a picture, best first: out [VW_DETECT_TOP, VW_DETECT_NUMBERS]: score, then x, y, width, height
 * in pixels; a score of -1 where there are no more. z [N] logits, boxes [N, 4] in parts of the square of `side` pixels.
 * suppression: above 0, a box is left out where it overlaps a better one that was kept by more (intersection over
 * union). room [N]: the caller's. */
enum { VW_DETECT_TOP = 100, VW_DETECT_NUMBERS = 5 };
typedef struct vw_patch_logit {
  double z;
  int64_t patch;
} vw_patch_logit;
void vw_detect_best(const double *z, const double *boxes, int64_t N, double side, double suppression,
                    vw_patch_logit *room, double *out);
/* The graph that meets `words` text features with one picture: leaves q, features, shift, scale, picture; output:
 * logits [words, 1, N]. */
vw_status vw_detect_logits_graph(vw_graph *g, const vw_owlv2_network *n, int64_t words);
enum { VW_DETECT_WORDS = 64 }; /* that judging does so with at a time */

#endif
