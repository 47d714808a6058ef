/* A data set as its format has it: owners, and for each of its two parts the pictures with their boxes. A format is one
 * row of vw_dataset_kinds and one reader (docs/adding-a-data-set.md). Readers list and check; they open no picture and
 * choose none by chance but where a format has no split of its own. What of it a task sees is src/tasks/pictures.h. */
#ifndef VW_IO_DATASET_H
#define VW_IO_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/pool.h"
#include "core/status.h"
#include "study/config.h"

typedef enum vw_part { VW_TRAIN, VW_TEST, VW_PARTS } vw_part;

/* Where an owner is in a picture. Kept as annotated: it may leave the picture or be empty. */
typedef struct vw_box {
  int64_t owner; /* place among the data set's owners */
  double box[4]; /* x, y, width, height in pixels from the top left corner; edges lie between pixels */
  double area;   /* as annotated (COCO: of the segment), else width x height */
  bool crowd;    /* around many: neither learned nor missed, and a detection inside counts as nothing (COCO) */
  bool ignored;  /* hard to tell: neither learned, found nor missed (VOC's `difficult`) */
  bool truncated;
  bool whole; /* not boxed: the picture is of the owner, `box` is zero until the picture's size is known */
} vw_box;

typedef struct vw_dataset_picture {
  const char *file;      /* below the part's folder */
  int64_t id;            /* ascends within the part */
  int64_t width, height; /* 0: the format does not say */
  int64_t first_box, n_boxes;
} vw_dataset_picture;

typedef struct vw_dataset_part {
  const char *name;   /* as the data set calls it: "val2017" */
  const char *folder; /* of the pictures; "": `file` is a path */
  vw_dataset_picture *picture;
  int64_t n;
  vw_box *box; /* by picture, then in the format's order; of the owners alone */
  int64_t n_boxes;
} vw_dataset_part;

/* What is there and not used, or used otherwise than people see it. */
typedef struct vw_left_out {
  int64_t count;
  const char *what, *why; /* "test pictures"; a sentence with one of them, and what helps */
} vw_left_out;
enum { VW_MOST_LEFT_OUT = 16 };

typedef struct vw_dataset {
  const struct vw_dataset_kind *kind;
  const char **owner; /* as the study spells them */
  int64_t n_owners;
  vw_dataset_part part[VW_PARTS];
  vw_left_out left_out[VW_MOST_LEFT_OUT];
  int n_left_out;
  vw_pool pool; /* owns all of the above */
} vw_dataset;

/* What a study wants of a data set. */
typedef struct vw_dataset_ask {
  const vw_data_config *data;
  int64_t seed;
  const char *const *owner; /* NULL: all classes of the data set */
  int64_t n_owners;
  bool needs_test; /* a part to judge on; else an empty one is no mistake */
  bool boxes;      /* boxes are wanted: those that lie beside pictures of one owner are read too */
  /* Told the name of each owner that cannot be had;
   * what it returns other than VW_OK ends the reading. NULL: the first one ends it. */
  vw_status (*refuse)(void *user, const char *name, vw_status st);
  void *user;
} vw_dataset_ask;

typedef struct vw_dataset_kind {
  const char *name; /* data.<name>.kind */
  /* A picture has one owner, and the reader has taken at most pictures.train and pictures.test of each; its pictures
   * come owner by owner. Else a picture may hold several, and the parts are whole. */
  bool one_owner;
  vw_status (*read)(const vw_dataset_ask *ask, vw_dataset *out);
} vw_dataset_kind;

/* By vw_data_kind. */
extern const vw_dataset_kind *const vw_dataset_kinds[];

/* Lists the data set. The caller closes it, after a failure too. Where owners were refused (ask->refuse) it is
 * incomplete: use nothing of it. Errors: VW_ERR_IO; VW_ERR_MEMORY; VW_ERR_INPUT naming file, class or folder. */
vw_status vw_dataset_read(const vw_dataset_ask *ask, vw_dataset *out);
void vw_dataset_close(vw_dataset *d); /* also of a zeroed struct */

/* The path of a picture. Errors: VW_ERR_ARG (too long). */
vw_status vw_dataset_path(const vw_dataset_part *part, const vw_dataset_picture *picture,
                          char *path /* VW_PATH_BYTES */);

#endif
