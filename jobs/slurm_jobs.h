/* The Slurm jobs of an output directory: DIR/slurm-jobs.txt has a line "ID WHAT" for each that was submitted. Slurm is
 * asked by its own programs; nothing of it is linked. */
#ifndef VW_JOBS_SLURM_JOBS_H
#define VW_JOBS_SLURM_JOBS_H

#include "core/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { VW_SLURM_TEXT = 32 };

typedef struct vw_slurm_job {
  char id[VW_SLURM_TEXT], what[VW_SLURM_TEXT]; /* "17", "array-learn" */
  char state[VW_SLURM_TEXT];                   /* of one of its tasks, as squeue says: "PENDING"; "": it has ended */
  int64_t active;                              /* its tasks that are queued or running */
} vw_slurm_job;

typedef struct vw_slurm_jobs {
  vw_slurm_job *job; /* [n], in the order of submission; the caller frees it with vw_slurm_jobs_free */
  int64_t n, active; /* jobs; those with a task that is queued or running */
  bool is_known;     /* squeue answered; else every state is "" */
} vw_slurm_jobs;

/* Reads DIR/slurm-jobs.txt (none: n 0) and asks squeue for their states. Errors: VW_ERR_IO, VW_ERR_MEMORY,
 * VW_ERR_INPUT (a line is no job). */
vw_status vw_slurm_jobs_look(const char *dir, vw_slurm_jobs *jobs);

/* Its parts: the list alone; what squeue printed as lines "ID STATE", which is cut up. */
vw_status vw_slurm_jobs_read(const char *dir, vw_slurm_jobs *jobs);
void vw_slurm_jobs_count(vw_slurm_jobs *jobs, char *text);

void vw_slurm_jobs_free(vw_slurm_jobs *jobs);

/* Appends lines "ID WHAT\n" durably. Errors: VW_ERR_IO, VW_ERR_MEMORY. */
vw_status vw_slurm_jobs_add(const char *dir, const char *lines);

/* Runs a program of PATH and gives what it prints, malloc'ed, with a zero byte behind; the caller frees it. Its
 * standard error is the caller's, or with `quiet` nobody's. *code: its exit code, 127: it cannot be started. Errors:
 * VW_ERR_IO, VW_ERR_MEMORY. */
vw_status vw_run_program(const char *const *argv, bool quiet, char **text, int *code);

#endif
