/* The classification task of one network on one data set (docs/protocol.md): classes and concepts, their pictures'
 * features, the classes' text features in every template, and the tables of logits that do not depend on any word. */
#ifndef VW_TASKS_CLASSIFY_H
#define VW_TASKS_CLASSIFY_H

#include "networks/clip.h"
#include "tasks/features.h"
#include "tasks/task.h"

extern const vw_task_kind vw_classification_kind;

typedef struct vw_classify {
  vw_task task;
  vw_clip_network *network;       /* task.in's */
  const vw_learn_config *learn;   /* borrowed */
  const vw_picture_set *pictures; /* borrowed: owners (classes first, then concepts outside them), pictures */
  vw_prompts prompts;
  int64_t judge;           /* index of the judging template; M - 1 when it is not among the learning ones */
  int64_t learn_templates; /* templates 0 .. learn_templates - 1 are drawn in training */
  const vw_features *features;
  const void *train, *test;   /* theirs: [pictures, p] of the feature type */
  void *class_text;           /* [M, classes, p] */
  double *rest, *truth;       /* [M, train pictures]: log-sum-exp over all classes; the own class' logit */
  double *test_logits;        /* [test pictures, classes] in the judging template */
  const double *judge_logits; /* those that words are judged by: test_logits, or the ensemble's */
  struct vw_ensemble
      *ensemble; /* of judge.templates, once words are judged (tasks/classify/classify_ensemble.h); else NULL */
  int64_t seed;
} vw_classify;

/* Loads or computes everything; needs the feature files of the picture set (tasks/features.h) to be there. The caller
 * closes it. */
vw_status vw_classify_open(vw_classify **t, const vw_task_inputs *in);
void vw_classify_close(vw_classify *t); /* NULL allowed */

/* What a concept's words are trained and judged on. */
typedef struct vw_slot {
  int64_t owner;                       /* -1: a null concept */
  int64_t class_index;                 /* the class whose place its word takes; -1: an additional class */
  int32_t *positive, *negative, *test; /* picture indices; positive and negative into train, test into test */
  int64_t n_positive, n_negative, n_test;
} vw_slot;
vw_status vw_slot_create(vw_slot *s, const vw_classify *t, const char *concept, bool is_null);
void vw_slot_free(vw_slot *s);

/* The concept's tables: rest[M, train] without the slot's class, truth[M, train]; both written by the call. */
vw_status vw_slot_tables(const vw_slot *s, const vw_classify *t, double *rest, double *truth);

/* The classes that recall_10 judges against: at most 9 others than the slot's own. */
enum { VW_OTHERS = 9 };
typedef struct vw_others {
  int32_t class_index[VW_OTHERS];
  int64_t n;
} vw_others;
vw_status vw_slot_others(const vw_slot *s, const vw_classify *t, const char *concept, vw_others *out);

/* Fills rest, truth and test_logits from the features; part of vw_classify_open. */
vw_status vw_classify_tables(vw_classify *t);

/* The words of a block while it is learned: kind's begin, leaves, end (tasks/task.h). */
vw_status vw_classify_begin(vw_task *t, const vw_trial *trials, const uint64_t *keys, int64_t K, vw_step_shape *s,
                            void **block);
vw_status vw_classify_leaves(vw_task *t, void *block, const vw_step_shape *s, vw_program *p, const vw_graph *g);
void vw_classify_end(void *block);

/* The draws of one stream on the host: steps first .. first + n of the training set (watch false) or of the fixed set.
 * template [n], positive [n, positives], negative [n, negatives] picture indices. */
typedef struct vw_draw_list {
  int32_t *template, *positive, *negative;
} vw_draw_list;
void vw_classify_draws(const vw_classify *t, const vw_slot *slot, uint64_t key, bool watch, int64_t first, int64_t n,
                       const vw_draw_list *out);

#endif
