/* Image features: computed once a picture, kept in files keyed by weights, kernels, preprocessing and picture contents.
 */
#ifndef VW_TASKS_FEATURES_H
#define VW_TASKS_FEATURES_H

#include "cluster/queue.h"
#include "networks/clip.h"
#include "tasks/task.h"

/* Collective: the ranks share out the owners whose files are missing below `cache`. Returns when all are there or, with
 * *stopped (the same on all ranks), when a rank was asked to stop. *computed counts the pictures that this rank
 * encoded. Where there are several ranks, rank 0 then reads the files and sends the rows to all, unless all have them: a
 * rank opens no file of another's, however many there are. */
vw_status vw_features_ensure(const vw_picture_set *s, vw_clip_network *n, vw_hash weights, const vw_ranks *ranks,
                             const char *cache, const vw_task_hooks *hooks, int64_t *computed, bool *stopped);

/* How many owners have no file below `cache`; whole files are not told from damaged ones. Not collective. */
vw_status vw_features_missing(const vw_picture_set *s, const vw_clip_network *n, vw_hash weights, const char *cache,
                              int64_t *owners);

/* The pictures of those owners. */
vw_status vw_features_missing_pictures(const vw_picture_set *s, const vw_clip_network *n, vw_hash weights,
                                       const char *cache, int64_t *pictures);

/* Mean seconds of decoding and encoding a picture, over the first ones of the set and at least `seconds`. Writes
 * nothing. Errors: as vw_features_ensure. */
vw_status vw_features_time(const vw_picture_set *s, vw_clip_network *n, double seconds, double *one);

/* All features of a set: train [n_train, p] and test [n_test, p] of the feature type. The tasks of a process that have
 * the same set share them. */
typedef struct vw_features {
  vw_hash digest; /* of the files' keys */
  void *train, *test;
} vw_features;

/* What vw_features_ensure brought, else what the files hold. The caller calls vw_features_release. Errors: VW_ERR_IO,
 * VW_ERR_INPUT (damaged), VW_ERR_MEMORY. */
vw_status vw_features_load(const vw_picture_set *s, const vw_clip_network *n, vw_hash weights, const char *cache,
                           const vw_features **features);
void vw_features_release(const vw_features *features); /* NULL allowed */

/* Files that this process has read rows of. */
int64_t vw_features_read(void);

#endif
