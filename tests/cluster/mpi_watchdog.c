/* The watchdog between real ranks. Without an argument: slow ranks, ranks that wait for them and ranks that come late to
 * the end raise no alarm. "deadlock": ranks 0 and 1 wait for each other, which rank 0 sees. Exit code 9: an alarm. */
#include "cluster/watchdog.h"
#include "core/pulse.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const double limit = 0.4;

static void rest(double seconds) {
  const struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
  (void)nanosleep(&t, NULL);
}

static void alarmed(void *user, const char *what, const char *kept) {
  (void)fprintf(stderr, "alarm: %s; kept: %s\n", what, kept);
  (void)fflush(stderr);
  vw_ranks_abort(user, 9);
}

/* Moves for a while, longer than the limit. */
static void work(void) {
  for (int i = 0; i < 20; i++) vw_pulse(), rest(limit / 10);
}

static void wait_for_ever(void) {
  vw_pulse_stage("gathering", "nothing");
  vw_pulse_wait();
  for (;;) rest(1);
}

int main(int argc, char **argv) {
  vw_ranks r;
  vw_watchdog *w = NULL;
  if (vw_ranks_open(&r, &argc, &argv) != VW_OK) return 1;
  bool ok = vw_watchdog_start(&r, -1, alarmed, &r, &w) == VW_ERR_ARG && !w;
  ok = ok && vw_watchdog_start(&r, 0, alarmed, &r, &w) == VW_OK && !w;
  vw_watchdog_stop(w);
  ok = ok && vw_watchdog_start(&r, limit, alarmed, &r, &w) == VW_OK && w;
  if (!ok) return 1;
  vw_pulse_stage("testing", "all");
  vw_pulse_item("one");
  if (argc > 1 && strcmp(argv[1], "deadlock") == 0) wait_for_ever();
  for (int turn = 0; ok && turn < r.size; turn++) { /* one works, the others wait for it */
    if (turn == r.rank) work();
    ok = vw_ranks_barrier(&r) == VW_OK;
  }
  if (r.rank == r.size - 1) work(); /* late */
  vw_watchdog_stop(w);
  vw_ranks_close(&r);
  return ok ? 0 : 1;
}
