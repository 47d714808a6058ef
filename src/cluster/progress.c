#include "cluster/progress.h"

#include "core/text.h"
#include <inttypes.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

enum { BUFFERS = 4, DURATION_BYTES = 32 };
static const double redraw = 0.2, first_interval = 10, longest_interval = 600, growth = 1.25;

double vw_seconds(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *vw_duration_text(double seconds) {
  static _Thread_local char buffers[BUFFERS][DURATION_BYTES];
  static _Thread_local unsigned next;
  char *text = buffers[next++ % BUFFERS];
  const int64_t s = seconds > 0 && seconds < 1e15 ? (int64_t)llround(seconds) : 0;
  const int64_t minute = 60, hour = 3600, day = 86400;
  if (seconds < 10)
    (void)snprintf(text, DURATION_BYTES, "%.1f s", seconds > 0 ? seconds : 0.0);
  else if (s < minute)
    (void)snprintf(text, DURATION_BYTES, "%" PRId64 " s", s);
  else if (s < hour)
    (void)snprintf(text, DURATION_BYTES, "%" PRId64 " min %02" PRId64 " s", s / minute, s % minute);
  else if (s < day)
    (void)snprintf(text, DURATION_BYTES, "%" PRId64 " h %02" PRId64 " min", s / hour, s % hour / minute);
  else
    (void)snprintf(text, DURATION_BYTES, "%" PRId64 " d %02" PRId64 " h", s / day, s % day / hour);
  return text;
}

/* "learn 120/1600 trials (8 %), 45.2/s"; the length. */
static int format_done(char *text, const vw_progress *p, int64_t done, double elapsed, double *rate) {
  const double percent = p->total > 0 ? floor(100.0 * (double)done / (double)p->total) : 100;
  int n = snprintf(text, VW_PROGRESS_TEXT, "%.40s %" PRId64 "/%" PRId64 " %.20s (%.0f %%)", p->stage, done, p->total,
                   p->unit, percent);
  *rate = elapsed > 0 ? (double)(done - p->start_done) / elapsed : 0;
  if (*rate >= 0.1)
    n += snprintf(text + n, (size_t)(VW_PROGRESS_TEXT - n), ", %.*f/s", *rate < 100 ? 1 : 0, *rate);
  else if (*rate > 0)
    n += snprintf(text + n, (size_t)(VW_PROGRESS_TEXT - n), ", %.1f/h", *rate * 3600);
  return n;
}

void vw_progress_format(char text[VW_PROGRESS_TEXT], const vw_progress *p, int64_t done, double elapsed) {
  double rate;
  const int n = format_done(text, p, done, elapsed, &rate);
  if (rate > 0 && done < p->total)
    (void)snprintf(text + n, (size_t)(VW_PROGRESS_TEXT - n), ", %s left",
                   vw_duration_text((double)(p->total - done) / rate));
}

static void print_line(const vw_progress *p, const char *text, bool is_last) {
  char when[32];
  const time_t now = time(NULL);
  struct tm tm;
  if (p->is_terminal) {
    /* K: clears what a longer line left; of a line that goes on below, \r would not find the begin */
    (void)vw_print(p->out, VW_TERMINAL_CUTS "\r%s\033[K" VW_TERMINAL_WRAPS, text);
    if (is_last) (void)vw_print(p->out, "\n");
  } else {
    (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    (void)vw_print(p->out, "%s %s\n", when, text);
  }
  (void)fflush(p->out);
}

void vw_progress_start(vw_progress *p, FILE *out, const char *stage, const char *unit, int64_t done, int64_t total) {
  *p = (vw_progress){.out = out, .stage = stage, .unit = unit, .total = total, .start_done = done};
  p->is_terminal = out && isatty(fileno(out));
  p->interval = p->is_terminal ? redraw : first_interval;
  p->start = vw_seconds(), p->due = p->start + p->interval;
}

void vw_progress_update(vw_progress *p, int64_t done) {
  char text[VW_PROGRESS_TEXT];
  if (!p->out) return;
  const double now = vw_seconds();
  if (now < p->due) return;
  vw_progress_format(text, p, done, now - p->start);
  print_line(p, text, false);
  if (!p->is_terminal) p->interval = fmin(growth * p->interval, longest_interval);
  p->due = now + p->interval;
}

void vw_progress_finish(vw_progress *p, int64_t done) {
  char text[VW_PROGRESS_TEXT];
  double rate;
  if (!p->out) return;
  const double elapsed = vw_seconds() - p->start;
  const int n = format_done(text, p, done, elapsed, &rate);
  (void)snprintf(text + n, (size_t)(VW_PROGRESS_TEXT - n), ", took %s", vw_duration_text(elapsed));
  print_line(p, text, true);
}
