/* Data sets with one folder a class.
 *
 *   root/train/<class>/x.jpg  and  root/test/<class>/y.jpg    where both folders exist: the split is theirs;
 *   root/<class>/x.jpg                                        else: a seeded split of each class.
 *
 * Pictures are the files *.jpg, *.jpeg, *.png, *.webp (any case) of a class folder, hidden ones excepted, sorted
 * bytewise by name; both parts of a split keep that order.
 *
 * Seeded split of a class of N pictures: the sorted names are shuffled (Fisher-Yates from the end: the k-th word of
 * purpose VW_DRAW_SPLIT at step 0, k = 0, 1, .., swaps place i = N - 1 - k with place floor(word * (i + 1) / 2^32));
 * key = low 64 bits of XXH3-128 over the fields ("viswords-split-1", class, seed as text). The first n are for
 * training, the next m for testing: n = train, m = test where N allows both, else n = floor(N train / (train + test)),
 * at least 1, and m the rest. Without limits n = ceil(N / 2) and m the rest; where one is limited, the other takes the
 * rest. The split depends on nothing but the class's names.
 *
 * Subjects (DreamBooth: 4 to 6 pictures each) are shuffled the same way. The last third, at least one, is for testing
 * and all others are for training; with `folds` k, places floor(N i / k) .. floor(N (i + 1) / k) are for testing in
 * fold i.
 *
 * A class and its folder are matched by their text, however it is normalised. A folder that holds a plan.yaml or a lock
 * is an output directory of viswords and no class. */
#ifndef VW_IO_FOLDERS_H
#define VW_IO_FOLDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/hash.h"
#include "core/status.h"

typedef struct vw_name_list {
  int64_t n;
  char **name; /* owned: vw_name_list_free */
} vw_name_list;

void vw_name_list_free(vw_name_list *names);

/* A list, one name a line, in the file's order; white space around a name, empty lines and lines that begin with # are
 * left out. Errors: VW_ERR_IO, VW_ERR_INPUT (empty, a name twice: with both lines). */
vw_status vw_name_list_read(const char *path, vw_name_list *out);

/* The names of the folders, or of the picture files, of one folder, sorted bytewise; may be none. The caller frees the
 * list. Errors: VW_ERR_IO, VW_ERR_INPUT (no such folder). */
vw_status vw_folders_list(const char *folder, bool folders, vw_name_list *out);

/* The paths of all pictures in a folder and the folders below it, folder by folder, sorted bytewise. The caller frees
 * the list. Errors: VW_ERR_IO, VW_ERR_INPUT (no such folder, none in it, folders 32 deep: a loop). */
vw_status vw_folders_pictures(const char *folder, vw_name_list *out);

/* All class folders of a data set, or all subjects, sorted bytewise. Errors: VW_ERR_IO, VW_ERR_INPUT (none). */
vw_status vw_folders_classes(const char *root, bool subjects, vw_name_list *out);

typedef struct vw_pictures {
  int64_t n;
  char **path;   /* root/.../name */
  vw_hash *hash; /* XXH3-128 of the file's bytes; NULL before vw_folders_hash */
} vw_pictures;

typedef struct vw_class_pictures {
  char *name;
  vw_pictures train, test;
  int64_t train_there, test_there; /* pictures in the part's folder; where a class is split, all of it in train_there */
} vw_class_pictures;

/* Pictures of formats or under endings that are not read, in the class folders. */
typedef struct vw_unread {
  int64_t n;
  char *first; /* path of one of them; owned; NULL: none */
} vw_unread;

typedef struct vw_folders {
  int64_t n;
  vw_class_pictures *classes; /* as named by the caller, in that order */
  vw_unread unread;
} vw_folders;

typedef struct vw_folders_options {
  int64_t train, test; /* at most so many pictures a class and part, the first ones; 0: no limit */
  int64_t seed;        /* of the split; not used where the data set has its own */
  bool no_test;        /* a class may have no test pictures, and root/train may stand alone */
  bool subjects;       /* root/<class> alone, of few pictures: see below */
  int64_t folds, fold; /* of subjects; folds 0: a third is held out */
} vw_folders_options;

/* Lists the pictures of n classes. Reads folders only, no picture. The caller calls vw_folders_close.
 * Errors: VW_ERR_IO; VW_ERR_INPUT: a class that is not there (with the nearest name), a class without pictures in a
 * part (with its path). */
vw_status vw_folders_open(vw_folders *f, const char *root, const char *const *names, int64_t n,
                          const vw_folders_options *options);
void vw_folders_close(vw_folders *f); /* also of a zeroed struct */

/* Fills `hash` of every picture; reads all of them. Errors: VW_ERR_IO with the path. */
vw_status vw_folders_hash(vw_folders *f);

#endif
