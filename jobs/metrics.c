#include "jobs/metrics.h"

#include "io/json.h"
#include "io/rank_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Does the file end in the middle of a line? */
static bool is_cut(const char *path) {
  struct stat info;
  char last = '\n';
  const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) (void)!pread(fd, &last, 1, info.st_size - 1);
  (void)close(fd);
  return last != '\n';
}

vw_status vw_metrics_open(const char *dir, const char *part, int *fd) {
  char path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(path, "%s/metrics%s%s.jsonl", dir, part[0] ? "-" : "", part));
  VW_TRY(vw_file_append(path, fd));
  if (is_cut(path)) (void)!write(*fd, "\n", 1);
  return VW_OK;
}

static json_t *number(double x, bool is_known) {
  return is_known && isfinite(x) ? json_real(x) : json_null();
}

static json_t *when_text(double seconds) {
  char when[32];
  const time_t at = (time_t)seconds;
  struct tm utc;
  (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &utc));
  return json_string(when);
}

static json_t *line_of(const vw_run_record *run, const vw_rank_record *ranks, const char *event) {
  vw_rank_totals t;
  vw_rank_totals_of(run, ranks, &t);
  const double now = vw_wall_seconds();
  const vw_rank_record *slowest = t.slowest >= 0 ? &ranks[t.slowest] : NULL;
  json_t *o = json_pack("{s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "time", when_text(now), "event",
                        event, "stage", run->stage, "unit", run->unit, "ranks", (json_int_t)run->ranks, "ranks_heard",
                        (json_int_t)t.heard, "items_done", (json_int_t)t.items, "items", (json_int_t)run->items, "done",
                        (json_int_t)t.units, "total", (json_int_t)run->total, "seconds",
                        number(now - run->stage_started, true));
  json_t *rates = json_pack("{s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "trial_steps",
                            number(t.unit_steps, true), "rate", number(t.rate, t.rate > 0), "seconds_left",
                            number(t.left, t.left >= 0), "cost_left", number(t.cost_left, true), "cost_is_operations",
                            run->is_operations, "rank_rate_min", number(t.slow, slowest), "rank_rate_mean",
                            number(t.middle, slowest), "rank_rate_max", number(t.fast, slowest), "slowest_rank",
                            slowest ? json_integer((json_int_t)slowest->rank) : json_null(), "slowest_host",
                            slowest ? vw_json_name(slowest->host) : json_null());
  json_t *losses =
      json_pack("{s:I, s:o, s:o, s:o}", "losses", (json_int_t)t.losses, "loss_min", number(t.loss_least, t.losses > 0),
                "loss_mean", number(t.loss_mean, t.losses > 0), "loss_max", number(t.loss_most, t.losses > 0));
  const bool is_whole = o && rates && losses && json_object_update(o, rates) == 0 && json_object_update(o, losses) == 0;
  json_decref(rates), json_decref(losses);
  if (is_whole) return o;
  json_decref(o);
  return NULL;
}

/* One write: lines of a file that is appended to do not mix. */
static vw_status append(int fd, json_t *line) {
  char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(7)) : NULL;
  const size_t bytes = text ? strlen(text) : 0;
  VW_CHECK(text, VW_ERR_MEMORY, "metrics.jsonl: out of memory");
  text[bytes] = '\n'; /* in place of its end */
  const ssize_t n = write(fd, text, bytes + 1);
  const int err = errno;
  free(text);
  VW_CHECK(n == (ssize_t)(bytes + 1), VW_ERR_IO, "metrics.jsonl: cannot write: %s",
           n < 0 ? strerror(err) : "only a part");
  return VW_OK;
}

vw_status vw_metrics_line(int fd, const char *path, const char *event) {
  vw_run_record run;
  vw_rank_record *ranks = NULL;
  VW_TRY(vw_rank_file_read(path, &run, &ranks));
  json_t *line = line_of(&run, ranks, event);
  free(ranks);
  const vw_status st = append(fd, line);
  json_decref(line);
  return st;
}
