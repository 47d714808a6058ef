/* How a picture set is made of a data set: what pictures.c, crops.c and scenes.c share. */
#ifndef VW_TASKS_PICTURES_INTERNAL_H
#define VW_TASKS_PICTURES_INTERNAL_H

#include "tasks/pictures.h"

/* A picture in which an owner can be learned. */
typedef struct vw_candidate {
  int64_t owner, picture; /* picture: place in its part */
  uint64_t rank;          /* drawn: the smallest are used */
  int64_t box;            /* of the part: the one that was drawn among its usable ones */
} vw_candidate;

/* What of a part's boxes nobody can learn from. */
typedef struct vw_unusable {
  int64_t boxes, crowd, ignored, empty, small;
} vw_unusable;

typedef struct vw_choosing {
  const vw_data_config *data;
  const vw_dataset *from;
  int64_t seed;
  vw_part part;
  const char *purpose; /* of the draws */
  double least;        /* the longer side of a box, at least */
  int64_t most;        /* pictures an owner */
} vw_choosing;

/* The pictures of a part for every owner: at most `most` of each, by owner, then ascending by picture. The caller frees
 * *list. Errors: VW_ERR_MEMORY. */
vw_status vw_choose_pictures(const vw_choosing *how, vw_candidate **list, int64_t *n, vw_unusable *unusable);

/* Takes candidates away whose picture is damaged, where the study says to skip such pictures. */
vw_status vw_drop_damaged(vw_picture_set *s, const vw_dataset *d, vw_part part, vw_candidate *c, int64_t *n);

/* A box inside the picture: false where nothing of it is. */
bool vw_box_inside(const vw_box *b, double width, double height, double inside[4]);

/* The square around a box, and its pixels. */
vw_crop vw_crop_around(const double inside[4], double margin);
vw_status vw_crop_cut(const vw_crop *crop, int pad, vw_image *image);

/* Hash of a picture that is looked at in some way. */
vw_hash vw_picture_looked_at(vw_hash file, unsigned look, const vw_crop *crop, int pad);

/* Fills s->train, s->test and the owners' places in them. */
vw_status vw_open_crops(vw_picture_set *s, const vw_dataset *d, int64_t seed, const vw_picture_refusals *refusals,
                        bool *refused);

/* Fills s->train_scenes, s->test_scenes and what is chosen for the owners. */
vw_status vw_open_scenes(vw_picture_set *s, const vw_dataset *d, int64_t seed, const vw_picture_refusals *refusals,
                         bool *refused);

bool vw_owner_is_concept(const vw_data_config *data, const char *name);

/* Tells about an owner under every name that the study has for it; raises where nobody is to be told. */
vw_status vw_refuse_owner(const vw_data_config *data, const vw_picture_refusals *refusals, const char *name,
                          bool *refused, vw_status st);

/* A picture of the data set with its hash. */
vw_status vw_picture_take(vw_picture_set *s, const vw_dataset *d, vw_part part, int64_t i, const vw_crop *crop,
                          vw_picture *out);

/* Whether a picture of the data set is to be used: false where it cannot be decoded and the study says to skip such ones.
 * One that is not there is; who takes it says so. Errors: of reading (the disk fails), VW_ERR_MEMORY. */
vw_status vw_picture_is_whole(vw_picture_set *s, const vw_dataset *d, vw_part part, int64_t i, bool *is_whole);

/* Adds to s->left_out: a count, of what, and a sentence. */
vw_status vw_leave_out(vw_picture_set *s, int64_t count, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
