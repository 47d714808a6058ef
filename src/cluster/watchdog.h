/* Ends a run in which a rank has stopped answering, so that nobody waits for it for ever.
 *
 * A thread of each rank sends a sign of life to the next rank (the last to the first) and to rank 0, a few times within
 * the limit. Three things are an alarm, when they last for as long as the limit:
 *
 *   seen by the next rank   no sign of life comes: the process is stopped, its node is lost or cut off
 *   seen by the rank        its own pulse (core/pulse.h) stands still, and it is not waiting for others: a device, a
 *                           file system or a library does not come back
 *   seen by rank 0          no rank's pulse moves: all wait for each other, or in a library's collective call
 *
 * A slow block is none of them: pulses come from every call of a program. Time in which the whole process was stopped (a
 * job that Slurm suspends, a debugger) does not count for what it watches itself.
 *
 * Where MPI does not give MPI_THREAD_MULTIPLE, or with one rank, each rank watches only itself. */
#ifndef VW_CLUSTER_WATCHDOG_H
#define VW_CLUSTER_WATCHDOG_H

#include "cluster/ranks.h"

enum { VW_WATCHDOG_TEXT = 512 };

typedef struct vw_watchdog vw_watchdog;

/* Called once, by the watching thread, with "rank 3 on node7 has given no sign of life for 30 min 00 s: stage learn,
 * block 3f, step 120" (without a full stop), and what a run that ends in that stage leaves ("finished blocks and
 * checkpoints", or ""). Ends the process and the job; when it returns, nothing is watched any more. */
typedef void vw_watchdog_alarm(void *user, const char *what, const char *kept);

/* Collective. seconds 0: nothing is watched, *out is NULL. The caller stops *out. Errors (on all ranks): VW_ERR_ARG
 * (seconds), VW_ERR_MEMORY, VW_ERR_COMM. */
vw_status vw_watchdog_start(const vw_ranks *ranks, double seconds, vw_watchdog_alarm *alarm, void *user,
                            vw_watchdog **out);

/* Collective: no rank goes on before all have come, and who does not come is an alarm. NULL is allowed. */
void vw_watchdog_stop(vw_watchdog *w);

#endif
