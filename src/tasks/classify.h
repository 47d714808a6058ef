/* The classification task of one network on one data set (docs/protocol.md): classes and concepts, their pictures'
 * features, the classes' text features in every template, and the tables of logits that do not depend on any word. */
#ifndef VW_TASKS_CLASSIFY_H
#define VW_TASKS_CLASSIFY_H

#include "networks/clip.h"
#include "study/config.h"
#include "tasks/pictures.h"

typedef struct vw_clip_task {
  vw_clip_network *network;       /* borrowed */
  const vw_learn_config *learn;   /* borrowed */
  const vw_picture_set *pictures; /* borrowed: owners (classes first, then concepts outside them), pictures */
  vw_templates templates;
  int64_t judge;           /* index of the judging template; M - 1 when it is not among the learning ones */
  int64_t learn_templates; /* templates 0 .. learn_templates - 1 are drawn in training */
  vw_clip_prefix prefix;
  void *train, *test;   /* features [pictures, p] of the feature type */
  void *class_text;     /* [M, classes, p] */
  double *rest, *truth; /* [M, train pictures]: log-sum-exp over all classes; the own class' logit */
  double *train_logits; /* scratch of one template */
  double *test_logits;  /* [test pictures, classes] in the judging template */
  int64_t seed;
} vw_clip_task;

/* Loads or computes everything; needs the feature files of the picture set (learn/features.h) to be there. The caller
 * closes it. */
vw_status vw_clip_task_open(vw_clip_task **t, vw_clip_network *network, const vw_learn_config *learn,
                            const vw_picture_set *pictures, int64_t seed, vw_hash weights, const char *cache);
void vw_clip_task_close(vw_clip_task *t); /* NULL allowed */

/* Text features [count, p] of plain texts. */
vw_status vw_clip_encode_text(vw_clip_network *n, const char *const *texts, int64_t count, void *out);

/* A class' or concept's name in a template; '_' in names reads as a space. */
vw_status vw_class_text(const char *text_template, const char *name, char *out, size_t bytes);

/* What a concept's words are trained and judged on. */
typedef struct vw_slot {
  int64_t owner;                       /* -1: a null concept */
  int64_t class_index;                 /* the class whose place its word takes; -1: an additional class */
  int32_t *positive, *negative, *test; /* picture indices; positive and negative into train, test into test */
  int64_t n_positive, n_negative, n_test;
} vw_slot;
vw_status vw_slot_create(vw_slot *s, const vw_clip_task *t, const char *concept, bool is_null);
void vw_slot_free(vw_slot *s);

/* The concept's tables: rest[M, train] without the slot's class, truth[M, train]; both written by the call. */
vw_status vw_slot_tables(const vw_slot *s, const vw_clip_task *t, double *rest, double *truth);

/* The classes that recall_10 judges against: at most 9 others than the slot's own. */
enum { VW_OTHERS = 9 };
typedef struct vw_others {
  int32_t class_index[VW_OTHERS];
  int64_t n;
} vw_others;
vw_status vw_slot_others(const vw_slot *s, const vw_clip_task *t, const char *concept, vw_others *out);

/* Writes the template leaves of a block's or a word feature's graph (learn/block_graph.h). */
vw_status vw_task_write_templates(const vw_clip_task *t, vw_program *p, const vw_graph *g);

/* Fills rest, truth and test_logits from the features; part of vw_clip_task_open. */
vw_status vw_task_tables(vw_clip_task *t);

#endif
