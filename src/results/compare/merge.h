/* Output directories of one protocol joined into a new one: `viswords merge`. */
#ifndef VW_RESULTS_MERGE_H
#define VW_RESULTS_MERGE_H

#include "core/durable.h"
#include "study/plan.h"

enum { VW_MOST_MERGED = 64 };

typedef struct vw_merge {
  const char *const *dir; /* [n] at least 2; nothing in them is changed */
  int64_t n;
  const char *out, *name;   /* the new directory, no '/' at its end; the new study's name, NULL: theirs */
  double tolerance;         /* of results that are in several; 0: the same bits */
  bool allow_other_kernels; /* results of several kernels in one directory */
  /* What came of it. */
  int64_t trials[VW_MOST_MERGED]; /* that each has results of */
  int64_t learned, asked;         /* trials of the new directory with results; that its study asks for */
} vw_merge;

/* Makes m->out, whole or not at all: plan.yaml with the blocks that are learned, their files (hard links where the file
 * system can), pictures, and study.yaml, which asks for all that the studies asked for. study.h5 is made by `collect`.
 * Trials that are in several directories are compared, and the first one's are taken. Each directory needs a study.h5
 * that belongs to its plan: it says what the study was.
 * Errors: VW_ERR_INPUT naming the key, the model or the trial: other protocol, weights, pictures, results, a run that
 * works there, something at m->out; VW_ERR_IO; VW_ERR_MEMORY. */
vw_status vw_merge_directories(vw_merge *m);

/* ---- its parts (merge_source.c, merge_files.c) ---- */

typedef struct vw_merge_source {
  const char *dir;
  char place[VW_PATH_BYTES]; /* folder of the study file */
  char *text;                /* of the study */
  vw_study_config *config;
  vw_plan *plan;     /* row 0: the study asks for the trial; else -1 */
  bool *has_results; /* [n_blocks] blocks with such trials whose file is there */
} vw_merge_source;

/* Reads what a directory is; the caller closes it, after a failure too. */
vw_status vw_merge_source_open(vw_merge_source *s, const char *dir);
void vw_merge_source_close(vw_merge_source *s);

/* Two studies decide the same wherever both decide something. Errors: VW_ERR_INPUT naming the key. */
vw_status vw_merge_compare_studies(const vw_study_config *a, const char *a_name, const vw_study_config *b,
                                   const char *b_name);

/* Words of the same names were learned from the same weights and pictures, by the same rules. */
vw_status vw_merge_compare_plans(const vw_merge_source *a, const vw_merge_source *b);

/* Names in `dir`, which is being made, the files of all blocks of `plan`, and what else the sources keep beside them
 * (baselines, states, maps); pictures too. Of a name that several have the first counts; without a tolerance the others
 * must hold the same. */
vw_status vw_merge_files(const vw_merge_source *s, int64_t n, const vw_plan *plan, double tolerance, const char *dir);

/* Deletes a directory that vw_merge_files filled. */
void vw_merge_remove(const char *dir);

#endif
