/* Between the parts of the reader of study files. Private to io/study_*.c. */
#ifndef VW_IO_STUDY_WALK_H
#define VW_IO_STUDY_WALK_H

#include "io/study/study_values.h"

/* Where the keys of a mapping go: `path` is what a user calls the mapping ("models.clip"), `rel` the same below its
 * section with a final dot ("batch."). seen[option]: the node that set it. */
typedef struct vw_target {
  vw_section section;
  void *base;
  const char *path, *rel;
  yaml_node_t **seen;
  bool common; /* a shared section for all models: has the study's keys of this name beside its own (plan.ranks) */
} vw_target;

/* Reads the keys of one mapping; each that is wrong is kept as a problem. */
vw_status vw_reader_walk(vw_reader *r, const vw_target *t, yaml_node_t *map);

/* The same, then the keys that are required and not there. */
vw_status vw_reader_section(vw_reader *r, const vw_target *t, yaml_node_t *map);

/* Sets every option of a section to its default: the text in the table, read as YAML by the same code as a study. */
vw_status vw_reader_defaults(vw_reader *r, vw_section section, void *base);

/* Sets one option to `text`, read so. Errors: as a study's own, but of a file named "default". */
vw_status vw_reader_default(const vw_reader *r, const vw_key *o, const char *text, size_t bytes, void *base);

/* Names of data sets and models stand in paths, in study.h5 and on command lines. */
vw_status vw_reader_check_name(vw_reader *r, yaml_node_t *node, const char *section, const char *name);

/* The models of r->config, whose names are set, and whose data sets are read: what stands for all of them, their own
 * sections, the data sets they learn on. models, data: the mappings, NULL where there is none; seen[option]: of the
 * study's own keys. */
vw_status vw_reader_models(vw_reader *r, yaml_node_t *root, yaml_node_t *models, const yaml_node_t *data,
                           yaml_node_t **seen);

#endif
