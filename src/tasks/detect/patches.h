/* What is kept of whole pictures for detection: computed once a picture and kept in a file a picture, keyed by weights,
 * kernels, preprocessing and the picture's contents. */
#ifndef VW_TASKS_PATCHES_H
#define VW_TASKS_PATCHES_H

#include "networks/owlv2.h"
#include "tasks/task.h"

/* Of some pictures, one behind the other. */
typedef struct vw_patches {
  int64_t pictures, N, C; /* N patches a picture, C numbers an embedding */
  vw_dtype type;          /* of embeddings */
  vw_owlv2_picture_data all;
} vw_patches;
/* Room for so many. The caller frees it, after a failure too. */
vw_status vw_patches_create(vw_patches *p, const vw_owlv2_network *n, int64_t pictures);
void vw_patches_free(vw_patches *p);
vw_owlv2_picture_data vw_patches_at(const vw_patches *p, int64_t i);

/* Bytes of one picture's file, about. */
double vw_patches_bytes(const vw_owlv2_network *n);

/* Pictures of a set through the network, without files. The caller destroys it. */
typedef struct vw_patch_maker vw_patch_maker;
vw_status vw_patch_maker_create(vw_patch_maker **m, const vw_picture_set *s, vw_owlv2_network *n);
void vw_patch_maker_destroy(vw_patch_maker *m); /* NULL allowed */
/* Places 0 .. of `out`; pictures are decoded by all threads. hooks->stop (both may be NULL) is asked before each picture;
 * *made, at most count: how many are there. */
vw_status vw_patch_maker_run(vw_patch_maker *m, const vw_picture *const *pictures, int64_t count, const vw_patches *out,
                             const vw_task_hooks *hooks, int64_t *made);

/* The training scenes of a set that are wanted, and where their files lie. */
typedef struct vw_patch_list {
  const vw_picture_set *set;
  vw_owlv2_network *network;
  vw_hash weights;
  const char *cache;
  const int64_t *scene; /* [n] places in train_scenes, ascending */
  int64_t n;
} vw_patch_list;

/* Collective: the ranks share out what is missing. As vw_task_kind.cache. */
vw_status vw_patches_ensure(const vw_patch_list *l, const vw_ranks *ranks, const vw_task_hooks *hooks,
                            int64_t *computed, bool *stopped);
/* How many have no file; whole files are not told from damaged ones. */
vw_status vw_patches_missing(const vw_patch_list *l, int64_t *n);

enum { VW_PATCHES_AT_ONCE = 8 }; /* pictures that a rank takes from the queue, and decodes at once */
/* Mean seconds of decoding and encoding one, over at least `seconds`. Writes nothing. */
vw_status vw_patches_time(const vw_patch_list *l, double seconds, double *one);
/* Reads all of the list. The caller frees *out. */
vw_status vw_patches_load(const vw_patch_list *l, vw_patches *out);

#endif
