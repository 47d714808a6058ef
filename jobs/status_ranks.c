#include "jobs/status_ranks.h"

#include "cluster/progress.h"
#include "core/text.h"
#include "io/json.h"
#include "jobs/slurm_jobs.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char ending[] = "ranks.jsonl";
static const char *const life_names[] = {"running", "finished", "stopped", "failed", "silent", "killed"};

/* ---- looking ----------------------------------------------------------------------------------------------------- */

/* The part that a file of DIR/log is of; false: it is another file. */
static bool part_of_name(const char *name, char part[VW_PART_TEXT]) {
  const size_t n = strlen(name), end = sizeof ending - 1;
  if (n < end || strcmp(name + n - end, ending) != 0) return false;
  const size_t length = n - end ? n - end - 1 : 0; /* without the '-' */
  if (length >= VW_PART_TEXT || (length && name[length] != '-')) return false;
  if (length && strncmp(name, "part-", 5) != 0) return false;
  memcpy(part, name, length);
  part[length] = 0;
  return true;
}

/* A living run counts in its lock every few seconds; its ranks write now and then. */
static void judge_life(const char *dir, vw_rank_view *v) {
  vw_lock_sign lock;
  double last = v->run.time;
  if (!strcmp(v->run.state, "finished") || !strcmp(v->run.state, "stopped") || !strcmp(v->run.state, "failed"))
    v->life = v->run.state[0] == 's' ? VW_RUN_STOPPED : v->run.state[1] == 'i' ? VW_RUN_FINISHED : VW_RUN_FAILED;
  const bool is_held = vw_lock_look(dir, v->part, &lock);
  for (int64_t i = 0; i < v->run.ranks; i++) last = fmax(last, v->ranks[i].time);
  v->silent = fmax(0, v->now - last);
  if (v->life != VW_RUN_LIVES) return;
  if (is_held) v->silent = fmin(v->silent, fmax(0, lock.age));
  v->life = !is_held || lock.is_dead ? VW_RUN_DEAD : v->silent > vw_lock_lease() ? VW_RUN_SILENT : VW_RUN_LIVES;
}

static void look_at(const char *dir, const char *part, vw_rank_views *views) {
  vw_rank_view *v = &views->view[views->n];
  char path[VW_PATH_BYTES];
  *v = (vw_rank_view){.now = vw_wall_seconds()};
  (void)snprintf(v->part, sizeof v->part, "%s", part);
  if (vw_rank_file_path(dir, part, path) != VW_OK || vw_rank_file_read(path, &v->run, &v->ranks) != VW_OK) {
    vw_error_clear();
    return;
  }
  vw_rank_totals_of(&v->run, v->ranks, &v->totals);
  judge_life(dir, v);
  views->living += v->life == VW_RUN_LIVES;
  views->n++;
}

static int by_name(const void *a, const void *b) {
  const vw_rank_view *x = a, *y = b;
  return strcmp(x->part, y->part);
}

vw_status vw_rank_views_look(const char *dir, vw_rank_views *views) {
  char path[VW_PATH_BYTES], part[VW_PART_TEXT];
  vw_status st = VW_OK;
  *views = (vw_rank_views){0};
  VW_TRY(vw_path_format(path, "%s/log", dir));
  DIR *folder = opendir(path);
  for (const struct dirent *e; st == VW_OK && folder && (e = readdir(folder));) {
    if (!part_of_name(e->d_name, part)) continue;
    vw_rank_view *more = realloc(views->view, (size_t)(views->n + 1) * sizeof *more);
    if (more) views->view = more;
    st = more ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", dir);
    if (st == VW_OK) look_at(dir, part, views);
  }
  if (folder) (void)closedir(folder);
  if (st != VW_OK) vw_rank_views_free(views);
  if (views->n) qsort(views->view, (size_t)views->n, sizeof *views->view, by_name);
  return st;
}

void vw_rank_views_free(vw_rank_views *views) {
  for (int64_t i = 0; i < views->n; i++) free(views->view[i].ranks);
  free(views->view);
  *views = (vw_rank_views){0};
}

/* A rank that works and has written nothing for longer than its steps and the lock's lease explain. */
static bool is_silent(const vw_rank_view *v, const vw_rank_record *r) {
  const double few = 10, lines_a_second = 10;
  if (strcmp(r->state, "working") != 0) return false;
  return v->now - r->time > vw_lock_lease() + few * r->step_seconds + (double)v->run.ranks / lines_a_second;
}

/* ---- saying it --------------------------------------------------------------------------------------------------- */

static void print_summary(const vw_rank_view *v, const char *end) {
  const vw_run_record *run = &v->run;
  const vw_rank_totals *t = &v->totals;
  const char *name = v->part[0] ? v->part : "run";
  const bool has_steps = t->unit_steps > 0;
  (void)vw_print(stdout, "  %s: %s", name, life_names[v->life]);
  if (v->life != VW_RUN_LIVES) (void)vw_print(stdout, " %s ago", vw_duration_text(v->silent));
  if (run->stage[0])
    (void)vw_print(stdout, ", %s %lld of %lld %s", run->stage, (long long)t->units, (long long)run->total, run->unit);
  (void)vw_print(stdout, " on %lld rank%s", (long long)run->ranks, run->ranks == 1 ? "" : "s");
  if (v->life == VW_RUN_LIVES) {
    if (t->rate > 0) (void)vw_print(stdout, ", %.4g %s/s", t->rate, has_steps ? "trial-steps" : run->unit);
    if (t->left >= 0 && run->stage[0]) (void)vw_print(stdout, ", %s left", vw_duration_text(t->left));
    if (run->is_operations) (void)vw_print(stdout, ", %.3g TFLOP left", 1e-12 * t->cost_left);
    if (t->heard < run->ranks && run->stage[0])
      (void)vw_print(stdout, ", %lld of the ranks have begun", (long long)t->heard);
  }
  if (v->life == VW_RUN_STOPPED || v->life == VW_RUN_SILENT || v->life == VW_RUN_DEAD)
    (void)vw_print(stdout, "; the same command goes on");
  (void)fputs(end, stdout);
}

typedef struct line {
  const vw_rank_record *rank;
  bool is_silent;
} line;

static int by_need(const void *a, const void *b) {
  const line *x = a, *y = b;
  const double rx = vw_rank_rate(x->rank), ry = vw_rank_rate(y->rank);
  if (x->is_silent != y->is_silent) return x->is_silent ? -1 : 1;
  return rx != ry ? (rx < ry ? -1 : 1) : (x->rank->rank > y->rank->rank) - (x->rank->rank < y->rank->rank);
}

static int by_rank(const void *a, const void *b) {
  const line *x = a, *y = b;
  return (x->rank->rank > y->rank->rank) - (x->rank->rank < y->rank->rank);
}

static void print_rank(const vw_rank_view *v, const line *l, const char *end) {
  const vw_rank_record *r = l->rank;
  char step[48] = "-", rate[24] = "-", left[24] = "-", cost[24] = "-";
  if (r->steps) (void)snprintf(step, sizeof step, "%lld/%lld", (long long)r->step, (long long)r->steps);
  if (vw_rank_rate(r) > 0) (void)snprintf(rate, sizeof rate, "%.4g", vw_rank_rate(r));
  if (vw_rank_item_left(r) >= 0) (void)snprintf(left, sizeof left, "%s", vw_duration_text(vw_rank_item_left(r)));
  if (v->run.is_operations && r->cost > 0) (void)snprintf(cost, sizeof cost, "%.3g", 1e-12 * vw_rank_cost_left(r));
  (void)vw_print(stdout, "  %5lld %-12.24s %-10.12s %-14.14s %13s %10s %12s %10s  ", (long long)r->rank, r->host,
                 r->state[0] ? r->stage : "-",
                 r->item[0]    ? r->item
                 : r->state[0] ? r->state
                               : "nothing yet",
                 step, rate, left, cost);
  if (l->is_silent) (void)vw_print(stdout, "SILENT for ");
  if (r->state[0]) (void)vw_print(stdout, "%s", vw_duration_text(fmax(0, v->now - r->time)));
  if (r->state[0] && !l->is_silent) (void)vw_print(stdout, " ago");
  (void)fputs(end, stdout);
}

static void print_ranks(const vw_rank_view *v, int64_t most, const char *end) {
  line *lines = calloc((size_t)v->run.ranks + 1, sizeof *lines);
  int64_t n = v->run.ranks, silent = 0;
  if (!lines) return;
  for (int64_t i = 0; i < n; i++) {
    lines[i] = (line){&v->ranks[i], is_silent(v, &v->ranks[i])};
    silent += lines[i].is_silent;
  }
  qsort(lines, (size_t)n, sizeof *lines, by_need);
  if (n > most) n = most;
  qsort(lines, (size_t)n, sizeof *lines, by_rank);
  (void)vw_print(stdout, "  %5s %-12s %-10s %-14s %13s %10s %12s %10s  %s", "rank", "host", "stage", "block", "step",
                 "rate/s", "left", "TFLOP left", "seen");
  (void)fputs(end, stdout);
  for (int64_t i = 0; i < n; i++) print_rank(v, &lines[i], end);
  if (n < v->run.ranks) {
    (void)vw_print(stdout, "  and %lld faster ranks; %lld silent in all", (long long)(v->run.ranks - n),
                   (long long)silent);
    (void)fputs(end, stdout);
  }
  free(lines);
}

void vw_rank_view_print(const vw_rank_view *v, int64_t most, const char *end) {
  print_summary(v, end);
  if (most > 0 && (v->life == VW_RUN_LIVES || v->life == VW_RUN_SILENT)) print_ranks(v, most, end);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static json_t *number(double x) {
  return isfinite(x) ? json_real(x) : json_null();
}

static json_t *json_of_rank(const vw_rank_view *v, const vw_rank_record *r) {
  const double left = vw_rank_item_left(r);
  if (!r->state[0]) return json_pack("{s:I, s:n}", "rank", (json_int_t)r->rank, "state");
  return json_pack("{s:I, s:s, s:o, s:s, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:b}", "rank", (json_int_t)r->rank,
                   "state", r->state, "host", vw_json_name(r->host), "stage", r->stage, "block", vw_json_name(r->item),
                   "step", (json_int_t)r->step, "steps", (json_int_t)r->steps, "rate", number(vw_rank_rate(r)),
                   "seconds_left", left >= 0 ? number(left) : json_null(), "cost_left", number(vw_rank_cost_left(r)),
                   "loss", number(r->loss), "seen_seconds_ago", number(v->now - r->time), "is_silent", is_silent(v, r));
}

static json_t *json_of_view(const vw_rank_view *v) {
  const vw_rank_totals *t = &v->totals;
  json_t *ranks = json_array();
  for (int64_t i = 0; i < v->run.ranks; i++) json_array_append_new(ranks, json_of_rank(v, &v->ranks[i]));
  return json_pack("{s:o, s:s, s:o, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:b, s:o}", "part", vw_json_name(v->part),
                   "life", life_names[v->life], "silent_seconds", number(v->silent), "stage", v->run.stage, "unit",
                   v->run.unit, "done", (json_int_t)t->units, "total", (json_int_t)v->run.total, "rate",
                   number(t->rate), "seconds_left", t->left >= 0 ? number(t->left) : json_null(), "cost_left",
                   number(t->cost_left), "cost_is_operations", v->run.is_operations, "ranks", ranks);
}

json_t *vw_rank_views_json(const vw_rank_views *views) {
  json_t *all = json_array();
  for (int64_t i = 0; i < views->n; i++) json_array_append_new(all, json_of_view(&views->view[i]));
  return all;
}

/* ---- watching ---------------------------------------------------------------------------------------------------- */

/* Lines of the terminal. */
static int64_t terminal_lines(void) {
  enum { USUAL = 24 };
  struct winsize size;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row ? size.ws_row : USUAL;
}

static void print_time(const char *end) {
  char when[32];
  const time_t now = time(NULL);
  struct tm utc;
  (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  (void)vw_print(stdout, "%s", when);
  (void)fputs(end, stdout);
}

static void print_views(const char *dir, const vw_rank_views *views, bool is_terminal, bool json) {
  enum { MOST_LINES = 40, AROUND = 5 };
  const char *end = is_terminal ? "\033[K\n" : "\n";
  const int64_t room = is_terminal ? terminal_lines() - AROUND : MOST_LINES;
  const int64_t share = views->living ? (room - views->n) / views->living - 2 : 0;
  if (json) {
    json_t *all = vw_rank_views_json(views);
    (void)vw_json_print(all, JSON_COMPACT, stdout);
    (void)vw_print(stdout, "\n");
    json_decref(all);
    return;
  }
  if (is_terminal) (void)fputs("\033[H" VW_TERMINAL_CUTS, stdout);
  print_time(": ");
  (void)vw_print(stdout, "%s", dir);
  (void)fputs(end, stdout);
  for (int64_t i = 0; i < views->n; i++) vw_rank_view_print(&views->view[i], share > 1 ? share : 1, end);
  if (!views->n) (void)vw_print(stdout, "  nothing has run here"), (void)fputs(end, stdout);
  if (is_terminal) (void)fputs("\033[J" VW_TERMINAL_WRAPS, stdout);
}

/* Slurm is asked once a minute, and only while nothing works. */
static bool is_queued(const char *dir, double *asked) {
  const double now = vw_seconds(), between = 60;
  vw_slurm_jobs jobs = {0};
  if (*asked > 0 && now - *asked < between) return true;
  *asked = now;
  if (vw_slurm_jobs_look(dir, &jobs) != VW_OK) vw_error_clear();
  const bool any = jobs.active > 0;
  vw_slurm_jobs_free(&jobs);
  return any;
}

static void wait_for(double seconds) {
  const struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)(1e9 * (seconds - floor(seconds)))};
  (void)nanosleep(&t, NULL);
}

vw_status vw_rank_views_watch(const char *dir, double every, bool json, bool *failed) {
  const bool is_terminal = !json && isatty(STDOUT_FILENO);
  const double between = every > 0 ? every : is_terminal ? 2 : 10;
  double asked = 0;
  bool goes_on = true;
  if (is_terminal) (void)fputs("\033[2J", stdout);
  for (bool is_first = true; goes_on; is_first = false) {
    vw_rank_views views;
    vw_lock_sign lock;
    if (!is_first) wait_for(between);
    VW_TRY(vw_rank_views_look(dir, &views));
    print_views(dir, &views, is_terminal, json);
    if (fflush(stdout) != 0) return vw_rank_views_free(&views), VW_RAISE(VW_ERR_IO, "standard output is closed");
    *failed = false;
    for (int64_t i = 0; i < views.n; i++) *failed |= views.view[i].life >= VW_RUN_FAILED;
    const bool begins = !views.n && vw_lock_look(dir, NULL, &lock) && !lock.is_dead && lock.age < vw_lock_lease();
    goes_on = views.living || begins || is_queued(dir, &asked);
    vw_rank_views_free(&views);
  }
  return VW_OK;
}
