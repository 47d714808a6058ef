/* The list of kinds: which networks this program knows, and what words are learned for with each. One list, given by
 * the program (jobs/kinds.c; tests have lists of their own). */
#ifndef VW_TASKS_KINDS_H
#define VW_TASKS_KINDS_H

#include "tasks/task.h"

typedef struct vw_kind {
  const vw_network_kind *network; /* its name is what models.<name>.kind says */
  const vw_task_kind *task;
} vw_kind;

extern const vw_kind vw_kinds[];
extern const int vw_n_kinds;
extern const char vw_kinds_later[]; /* networks of the design that are not in the list yet, separated by blanks */

/* The kind that a study's model names; NULL: there is none. */
const vw_kind *vw_kind_named(const char *name);

/* The names of all, as readers of study files take them. */
const vw_study_kinds *vw_kinds_of_study(void);

#endif
