/* Progress on standard error: one line drawn again and again on a terminal; elsewhere plain lines with the time, every
 * 10 s at first, more and more rarely later. No MPI: the caller says how much is done (vw_queue_done on rank 0). */
#ifndef VW_CLUSTER_PROGRESS_H
#define VW_CLUSTER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { VW_PROGRESS_TEXT = 160 };

/* On a terminal: a line that is longer than it is wide is cut, from the one to the other. */
#define VW_TERMINAL_CUTS  "\033[?7l"
#define VW_TERMINAL_WRAPS "\033[?7h"

typedef struct vw_progress {
  FILE *out; /* NULL: silent */
  bool is_terminal;
  const char *stage, *unit; /* borrowed: "learn", "trials" */
  int64_t total, start_done;
  double start, due, interval; /* seconds of vw_seconds */
} vw_progress;

/* Seconds of a clock that only goes forward. */
double vw_seconds(void);

/* "42 s", "3 min 05 s", "2 h 14 min", "5 d 03 h". Four static buffers per thread. */
const char *vw_duration_text(double seconds);

/* "learn 120/1600 trials (8 %), 45.2/s, 33 s left": the rate counts what was done since the start (`start_done` were
 * done before: a resumed run), elapsed seconds ago. */
void vw_progress_format(char text[VW_PROGRESS_TEXT], const vw_progress *p, int64_t done, double elapsed);

/* out: stderr, or NULL on all ranks but one. */
void vw_progress_start(vw_progress *p, FILE *out, const char *stage, const char *unit, int64_t done, int64_t total);
/* Prints if it is time; costs a clock read. */
void vw_progress_update(vw_progress *p, int64_t done);
/* The last line, always printed: with the time it took instead of the time left. */
void vw_progress_finish(vw_progress *p, int64_t done);

#endif
