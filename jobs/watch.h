/* The watchdog of a run: what it says, and how it ends the job. */
#ifndef VW_JOBS_WATCH_H
#define VW_JOBS_WATCH_H

#include "jobs/session.h"

#define VW_WATCH_DEFAULT "30m"

/* What --watchdog says: a time as --max-time takes it, "0" or "off" (0 seconds: nothing is watched). Errors: VW_ERR_ARG. */
vw_status vw_watch_time(const char *text, double *seconds);

/* Collective, when the ranks are open; `o` must outlive the session. The caller stops s->watchdog before it closes the
 * ranks. */
vw_status vw_watch_start(vw_session *s, const vw_session_options *o, double seconds);

#endif
