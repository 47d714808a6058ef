/* How long gathering takes, for `viswords plan`: as a time of this kind of machine (learn/rates.h). */
#ifndef VW_RESULTS_COLLECT_TIME_H
#define VW_RESULTS_COLLECT_TIME_H

#include "learn/timing.h"
#include "results/collect/collect.h"

/* How the time is called: of the sizes of all that is gathered. Its "operations" are a number that grows as the time
 * does. */
vw_status vw_collect_time_name(const vw_results_source *s, vw_timed_name *name);

/* Seconds where no time was ever measured: it is no product's work, so a product's rate does not tell. */
double vw_collect_time_guess(const vw_results_source *s);

/* Can it be timed? Not where the made-up blocks were larger than 1 GiB, nor where pictures are only counted: trials
 * have no ids then. */
bool vw_can_time_collect(const vw_results_source *s);

/* Seconds of one rank: writes made-up results of all blocks and concepts into a folder of its own below `cache`,
 * gathers them with all files and removes it. Errors: VW_ERR_IO, VW_ERR_MEMORY. */
vw_status vw_collect_time(const vw_results_source *s, double *seconds);

#endif
