/* Study files joined: their data sets, models, concepts, anchors, deltas and replicas in one. */
#ifndef VW_IO_STUDY_MERGE_H
#define VW_IO_STUDY_MERGE_H

#include "study/config.h"

typedef struct vw_study_source {
  const char *text, *place;      /* the file; the folder that its relative paths start from, an absolute path */
  const vw_study_config *config; /* the text as it was read */
} vw_study_source;

typedef struct vw_study_merging {
  const char *name; /* of the new study; NULL: theirs, joined with " + " where they differ */
  bool spelled_out; /* keys of learn and judge stand under each model, as its study decided; else the first study's, for
                     * all models, stay as they are */
} vw_study_merging;

/* The text of the study that asks for all that n studies ask for, n >= 1, in their order: what is in several counts
 * once, and paths are absolute. How things are computed is the first study's. The caller reads *text, compares what it
 * decides with what each study decided, and frees it. Errors: VW_ERR_INPUT (no study file), VW_ERR_MEMORY. */
vw_status vw_study_merge(const vw_study_source *s, int64_t n, const vw_study_merging *how, char **text);

#endif
