/* DIR/metrics.jsonl: how fast a run was, a JSON object a line. docs/output.md has the keys. */
#ifndef VW_JOBS_METRICS_H
#define VW_JOBS_METRICS_H

#include "core/durable.h"

/* Opens it for appending (of a part of a study metrics-<part>.jsonl); the caller closes *fd. What a killed writer left
 * unfinished becomes a line. Errors: VW_ERR_IO, VW_ERR_INPUT (vw_file_append). */
vw_status vw_metrics_open(const char *dir, const char *part, int *fd);

/* A line of what the ranks wrote into the file `ranks` (io/rank_file.h). event: begin, running, end. Errors: VW_ERR_IO,
 * VW_ERR_MEMORY, those of vw_rank_file_read. */
vw_status vw_metrics_line(int fd, const char *ranks, const char *event);

#endif
