/* Inputs that are one thing under two names, where a study takes them for two: classes with one text, a picture in two
 * classes or in both parts, anchors that are one token, data sets that are one. All are told with both names. */
#ifndef VW_TASKS_ALIKE_H
#define VW_TASKS_ALIKE_H

#include "networks/network.h"
#include "study/config.h"
#include "tasks/pictures.h"

/* An opened data set: `data` is its place in the study. Data sets that models want in other numbers of pictures occur
 * several times. */
typedef struct vw_alike_set {
  const vw_picture_set *pictures; /* NULL: it could not be opened */
  int64_t data;
} vw_alike_set;

/* What a study opened; all borrowed. */
typedef struct vw_alike_inputs {
  const vw_study_config *config;
  vw_network *const *networks;     /* [n_models]; NULL: could not be opened */
  vw_picture_set *const *pictures; /* [n_models * n_data]; NULL: the model does not learn on the data set */
  const vw_alike_set *sets;        /* [n_sets] */
  int64_t n_sets;
  bool is_check; /* a picture twice is a problem; to a run, which may be decided to go on, a warning */
} vw_alike_inputs;

/* Keeps what it finds as problems and warnings. Errors: VW_ERR_MEMORY; as vw_study_keep. */
vw_status vw_find_alike(const vw_alike_inputs *in, vw_problems *problems);

#endif
