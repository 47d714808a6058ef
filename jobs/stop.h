/* Why a run ends early: a signal, or the end of its time. */
#ifndef VW_JOBS_STOP_H
#define VW_JOBS_STOP_H

#include "core/status.h"

#include <stdbool.h>

/* SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU ask the running stage to stop at the next step, save and leave
 * with VW_EXIT_REQUEUE; one that was ignored when the process started stays ignored. */
void vw_stop_signals_install(void);

/* "90" or "90s", "30m", "1.5h", "1d", "2:30:00" (hours, minutes, seconds) to seconds. Errors: VW_ERR_ARG, naming
 * the option that it was given with. */
vw_status vw_stop_time(const char *option, const char *text, double *seconds);

/* The run is to be over `seconds` from now, saving included: it stops earlier by what saving takes. Until anything was
 * saved that is a twentieth of the time, 30 s at most. */
void vw_stop_after(double seconds);

/* Told how long something took that is not asked between: saving, judging a block. Three times the longest are kept. */
void vw_stop_reserve(double seconds);

/* Something new begins: what passed since vw_stop_requested was called last says nothing of how long it takes. */
void vw_stop_begin(void);

/* Has a signal come, or the time? Cheap: asked every step. What lies between two calls (a step, a pass of a network)
 * cannot be stopped: the longest of the last ones is kept free, too, before the end of the time. */
bool vw_stop_requested(void);

/* Says on standard error that the run stopped and that all is saved in `out`; returns VW_EXIT_REQUEUE. */
int vw_stop_tell(const char *out);

#endif
