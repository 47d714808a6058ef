/* The pictures of a data set as a study uses them: owners (the classes in their order, then the concepts outside the
 * classes), and two views of what the data set has.
 *
 *   crops    one owner a picture: the pictures of class folders, squares around the boxes of annotated ones. What
 *            classification and generation see.
 *   scenes   whole pictures with the boxes of all owners, each picture once, whoever owns its boxes. What detection
 *            sees.
 *
 * Which pictures of an annotated data set are used, and which box a crop is made around, is drawn (docs/data-sets.md);
 * a draw depends on the seed, the owner's name and the picture's file name alone, so that more pictures, classes or
 * concepts change no other owner's pictures. */
#ifndef VW_TASKS_PICTURES_H
#define VW_TASKS_PICTURES_H

#include "core/hash.h"
#include "io/annotations/dataset.h"
#include "io/pictures/image.h"
#include "study/config.h"

/* What a task sees of a data set, or-ed (vw_task_kind.sees). */
enum {
  VW_SEES_CROPS = 1,
  VW_SEES_SCENES = 2,
  VW_SEES_TEST = 4 /* judges on test pictures: without it, a data set may have none */
};

/* A square of a picture; what of it lies outside is grey. */
typedef struct vw_crop {
  int64_t x, y, side; /* side 0: the whole picture, as it is */
} vw_crop;

typedef struct vw_picture {
  const char *path;
  vw_hash hash; /* of the file's bytes; where the picture is looked at otherwise than as stored (exif, alpha, a crop),
                 * of that hash and the way */
  vw_crop crop;
  int64_t width, height; /* of the stored picture, as the data set says; 0: it does not */
  bool turned;           /* by its EXIF data, which are not looked at (pictures.exif: ignore) */
} vw_picture;

typedef struct vw_picture_owner {
  const char *name;
  int64_t train_first, n_train, test_first, n_test; /* crops, in train[] and test[] */
  const int64_t *chosen; /* [n_chosen] places in train_scenes, ascending: scenes drawn for this owner */
  int64_t n_chosen;
} vw_picture_owner;

/* A whole picture. */
typedef struct vw_scene {
  vw_picture picture;
  int64_t id;            /* ascends; equal scores are ordered by it */
  int64_t width, height; /* of the picture, whose pixels boxes count; never 0 */
  int64_t first_box, n_boxes;
} vw_scene;

typedef struct vw_scenes {
  vw_scene *scene;
  int64_t n;
  vw_box *box; /* of all owners of the set */
  int64_t n_boxes;
} vw_scenes;

typedef struct vw_picture_set {
  const vw_data_config *data; /* borrowed */
  unsigned sees;
  vw_picture_owner *owners;
  int64_t n_owners, n_classes; /* owners 0 .. n_classes - 1 are the classes */

  /* crops; empty without VW_SEES_CROPS */
  vw_picture *train, *test;
  int64_t n_train, n_test;
  int64_t class_train, class_test; /* pictures of the classes: they come first */

  /* scenes; empty without VW_SEES_SCENES */
  vw_scenes train_scenes; /* those drawn for any owner */
  vw_scenes test_scenes;  /* the whole part of an annotated data set, else all test pictures of the owners */

  bool is_counted; /* no data set was opened: only sizes are known (vw_picture_set_count) */
  vw_left_out left_out[VW_MOST_LEFT_OUT];
  int n_left_out;
  vw_pool pool;
} vw_picture_set;

/* Told about every name of the study that cannot be used: `what` is "classes", "concepts" or "root", `item` the place
 * in that list (-1: none). As vw_dataset_ask.refuse. */
typedef struct vw_picture_refusals {
  vw_status (*refuse)(void *user, const char *what, int64_t item, vw_status st);
  void *user;
} vw_picture_refusals;

/* Lists the files, chooses, and hashes contents; decodes nothing. `sees`: all that the study's tasks need. The caller
 * closes it. Errors: VW_ERR_INPUT naming the class, concept or path. With `refusals` (may be NULL) names are told there
 * instead, and *s is NULL when any was. */
vw_status vw_picture_set_open(vw_picture_set **s, const vw_data_config *data, int64_t seed, unsigned sees,
                              const vw_picture_refusals *refusals);

/* A set of which only the sizes are known, from the study's counts: owners with as many pictures as the data set's
 * classes have on average, and no more than the study uses; hashes are zero, pictures cannot be read. The caller closes
 * it. Errors: VW_ERR_INPUT (a count is missing, or says too little). */
vw_status vw_picture_set_count(vw_picture_set **s, const vw_data_config *data);
void vw_picture_set_close(vw_picture_set *s); /* NULL allowed */

/* Decodes a picture of the set, and cuts its crop. Errors: as vw_image_read; VW_ERR_IO where the file's bytes are no
 * longer those that were hashed. */
vw_status vw_picture_read(const vw_picture_set *s, const vw_picture *picture, vw_image *out);

/* The place of an owner; -1: none. */
int64_t vw_picture_set_find(const vw_picture_set *s, const char *name);

/* What a concept's trials depend on, for a task that sees this: the bytes of its pictures and those of all classes,
 * and, of scenes, the boxes. Null concepts: is_null. */
vw_status vw_picture_set_hash(const vw_picture_set *s, unsigned sees, const char *concept, bool is_null, vw_hash *hash);

/* Whether a box is one to learn from: neither crowd nor ignored, and not empty. */
bool vw_box_is_usable(const vw_box *b);

/* Whether any box of the scene is the owner's, usable or not. */
bool vw_scene_holds(const vw_scenes *s, int64_t scene, int64_t owner);

/* Training scenes to learn `owner` against: those chosen for the classes that do not hold it, ascending. owner -1: all
 * that were chosen for classes. Writes their places to out [train_scenes.n] and returns how many there are. */
int64_t vw_picture_set_negatives(const vw_picture_set *s, int64_t owner, int64_t *out);

/* Test scenes that `owner` is judged on: all of an annotated data set; else those of the classes and its own. Writes
 * their places to out [test_scenes.n], ascending, and returns how many there are. */
int64_t vw_picture_set_judged(const vw_picture_set *s, int64_t owner, int64_t *out);

/* `want` distinct numbers below n (all, where it has no more), in the order in which a stream draws them; *i counts its
 * words that were used. out [min(want, n)]. Errors: VW_ERR_MEMORY. */
vw_status vw_draw_distinct(uint64_t key, uint32_t purpose, uint32_t *i, int64_t n, int64_t want, int32_t *out,
                           int64_t *n_out);

/* How the pictures of a data set are looked at: flags of io/pictures/image.h. */
unsigned vw_data_look(const vw_data_config *d);

#endif
