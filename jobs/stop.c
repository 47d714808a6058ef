#include "jobs/stop.h"

#include "cluster/progress.h"
#include "core/text.h"
#include "jobs/jobs.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t stop_flag;
static double deadline = INFINITY, kept; /* of vw_seconds; seconds before it */
static double asked = NAN, longest;      /* when somebody asked last; the longest that nobody did, of late */

static void on_stop(int signal_number) {
  (void)signal_number;
  stop_flag = 1;
}

/* Who started the run may have it ignore some of them (nohup, a shell's background job): that stays. */
void vw_stop_signals_install(void) {
  static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU};
  struct sigaction a = {.sa_handler = on_stop};
  (void)sigemptyset(&a.sa_mask);
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
    struct sigaction before;
    if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
      (void)sigaction(signals[i], &a, NULL);
  }
}

static double unit(char letter) {
  switch (letter) {
  case 0:
  case 's':
    return 1;
  case 'm':
    return 60;
  case 'h':
    return 3600;
  case 'd':
    return 86400;
  default:
    return 0;
  }
}

vw_status vw_stop_time(const char *option, const char *text, double *seconds) {
  char *end = NULL;
  int h = 0, m = 0, s = 0, length = 0;
  *seconds = 0;
  if (sscanf(text, "%d:%2d:%2d%n", &h, &m, &s, &length) == 3 && !text[length])
    *seconds = h < 0 || m < 0 || m > 59 || s < 0 || s > 59 ? 0 : 3600.0 * h + 60.0 * m + s;
  else if ((*seconds = strtod(text, &end)) > 0 && (!*end || !end[1]))
    *seconds *= unit(*end);
  else
    *seconds = 0;
  VW_CHECK(*seconds > 0 && isfinite(*seconds), VW_ERR_ARG,
           "%s '%s': expected a time such as 90 (seconds), 30m, 3.5h, 1d or 3:30:00", option, text);
  return VW_OK;
}

void vw_stop_after(double seconds) {
  static const double share = 0.05, most = 30;
  deadline = vw_seconds() + seconds;
  kept = fmin(share * seconds, most);
}

void vw_stop_reserve(double seconds) {
  static const double caution = 3; /* a file system that others use is not as fast every time */
  kept = fmax(kept, caution * seconds);
}

void vw_stop_begin(void) {
  asked = NAN, longest = 0;
}

/* Now and then is a step, a pass of a network: the next will not end in less. Cheap units after a dear one let it be
 * forgotten. */
bool vw_stop_requested(void) {
  static const double memory = 0.9;
  if (stop_flag) return true;
  if (!(deadline < INFINITY)) return false;
  const double now = vw_seconds();
  longest = fmax(memory * longest, asked <= now ? now - asked : 0);
  asked = now;
  return now + kept + longest >= deadline;
}

int vw_stop_tell(const char *out) {
  (void)vw_print(stderr,
                 "stopped on request or at the end of --max-time; all is saved in %s, the same command goes on\n", out);
  return VW_EXIT_REQUEUE;
}
