/* `viswords report DIR`, which takes no lock and works beside a running study. */
#ifndef VW_JOBS_REPORT_H
#define VW_JOBS_REPORT_H

#include "core/durable.h"

/* Where a study's file is kept in mind: DIR/study-file holds its absolute path. Rank 0, which holds the lock. */
vw_status vw_study_place_keep(const char *out, const char *study);

/* The study file of an output directory, into `study`. Errors: VW_ERR_INPUT: not an output directory, or its study file
 * is not known or not there any more. */
vw_status vw_study_place_find(const char *out, char study[VW_PATH_BYTES]);

int vw_job_report(int argc, char **argv);

#endif
