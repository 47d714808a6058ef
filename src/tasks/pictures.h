/* The pictures of a data set as a study uses them: owners (the classes in their order, then the concepts outside the
 * classes), each with training and test pictures. */
#ifndef VW_TASKS_PICTURES_H
#define VW_TASKS_PICTURES_H

#include "core/hash.h"
#include "io/image.h"
#include "study/config.h"

typedef struct vw_picture {
  const char *path;
  vw_hash hash; /* of the file's bytes; with VW_EXIF_TURN, of that hash and the turn */
} vw_picture;

typedef struct vw_picture_owner {
  const char *name;
  int64_t train_first, n_train, test_first, n_test;
} vw_picture_owner;

typedef struct vw_picture_set {
  const vw_data_config *data; /* borrowed */
  vw_picture_owner *owners;
  int64_t n_owners, n_classes; /* owners 0 .. n_classes - 1 are the classes */
  vw_picture *train, *test;
  int64_t n_train, n_test;
  int64_t class_train, class_test; /* pictures of the classes: they come first */
  bool is_counted;                 /* no data set was opened: only sizes are known (vw_picture_set_count) */
  vw_pool pool;
} vw_picture_set;

/* Lists the files and hashes their contents; decodes nothing. The caller closes it. Errors: VW_ERR_INPUT naming the
 * class, concept or path. */
vw_status vw_picture_set_open(vw_picture_set **s, const vw_data_config *data, int64_t seed);

/* A set of which only the sizes are known, from the study's counts: owners with as many pictures as the data set's
 * classes have on average, and no more than the study uses; hashes are zero, pictures cannot be read. The caller closes
 * it. Errors: VW_ERR_INPUT (a count is missing, or says too little). */
vw_status vw_picture_set_count(vw_picture_set **s, const vw_data_config *data);
void vw_picture_set_close(vw_picture_set *s); /* NULL allowed */

/* Decodes a picture of the set. Errors: as vw_image_read, and VW_ERR_IO where the file's bytes are no longer those that
 * were hashed. */
vw_status vw_picture_read(const vw_picture_set *s, const vw_picture *picture, vw_image *out);

/* What a concept's trials depend on: its pictures and those of all classes. Null concepts: is_null. */
vw_status vw_picture_set_hash(const vw_picture_set *s, const char *concept, bool is_null, vw_hash *hash);

/* How the pictures of a data set are looked at: flags of io/image.h. */
unsigned vw_data_look(const vw_data_config *d);

#endif
