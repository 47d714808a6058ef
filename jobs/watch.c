#include "jobs/watch.h"

#include "core/fault.h"
#include "core/log.h"
#include "core/text.h"
#include "jobs/ending.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

vw_status vw_watch_time(const char *text, double *seconds) {
  *seconds = 0;
  if (strcmp(text, "0") == 0 || strcmp(text, "off") == 0) return VW_OK;
  return vw_stop_time("--watchdog", text, seconds);
}

/* In the watching thread: the one that stands still may hold the lock of stderr, so this writes past it. */
static void alarm_raised(void *user, const char *what, const char *kept) {
  const vw_session *s = user;
  char line[VW_WATCHDOG_TEXT + VW_PATH_BYTES + 256], shown[2 * sizeof line];
  const int n =
      snprintf(line, sizeof line, "viswords: %s: the job ends (--watchdog); %s%s%s; the same command goes on", what,
               kept[0] ? kept : "what is finished is kept", kept[0] ? " are kept in " : " in ", s->options.out);
  (void)vw_text_escape(shown, sizeof shown - 1, line, n > 0 ? strlen(line) : 0);
  (void)strcat(shown, "\n"); /* NOLINT(clang-analyzer-security.insecureAPI.strcpy): a byte was left for it */
  (void)!write(STDERR_FILENO, shown, strlen(shown));
  vw_exit_note_alarm();
  vw_exit_note_end(VW_EXIT_REQUEUE);
  if (s->ranks.threads) vw_ranks_abort(&s->ranks, VW_EXIT_REQUEUE);
  vw_fault_exit(VW_EXIT_REQUEUE); /* the launcher ends the others */
}

vw_status vw_watch_start(vw_session *s, const vw_session_options *o, double seconds) {
  s->options.out = o->out;
  if (s->ranks.size > 1 && !s->ranks.threads && seconds > 0 && s->ranks.rank == 0)
    vw_log(VW_LOG_INFO, "watchdog: MPI does not give threads here: each rank watches only itself");
  return vw_watchdog_start(&s->ranks, seconds, alarm_raised, s, &s->watchdog);
}
