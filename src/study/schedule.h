/* Work that workers take from a queue, longest first: its order, and how long it takes. Costs are of any one unit. */
#ifndef VW_STUDY_SCHEDULE_H
#define VW_STUDY_SCHEDULE_H

#include "core/status.h"

#include <stdint.h>

/* order[n] = 0 .. n-1, the most expensive first; equal costs keep their order. cost is indexed by the values in order.
 */
void vw_schedule_sort(int64_t *order, int64_t n, const double *cost);

/* Cost until `workers` are done with n items that each takes from the queue when it is free, longest first. Errors:
 * VW_ERR_MEMORY. */
vw_status vw_schedule_length(const double *cost, int64_t n, int64_t workers, double *length);

/* worker[n]: which of the workers 0 .. workers - 1 takes each item, the dearest first and each by whoever has least to
 * do so far. Depends on the costs alone, so that all who know them agree. Errors: VW_ERR_MEMORY. */
vw_status vw_schedule_share(const double *cost, int64_t n, int64_t workers, int64_t *worker);

/* The share of the workers' time that the items fill until the last is done; 1 without items. Errors: VW_ERR_MEMORY. */
vw_status vw_schedule_utilisation(const double *cost, int64_t n, int64_t workers, double *share);

#endif
