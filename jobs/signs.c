#include "jobs/signs.h"

#include "cluster/progress.h"
#include "core/fault.h"
#include "core/log.h"
#include "jobs/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A rank writes this often, and all together at most so many lines a second: a file system with many clients of one
 * file hands its locks from node to node. */
static const double least_seconds = 2, most_lines = 50;

static const double between_lines = 30;

static void copy(char *to, size_t size, const char *from) {
  (void)snprintf(to, size, "%s", from);
}

/* The first failure is told, and ends the telling. */
static void keep(vw_signs *s, vw_status st) {
  if (st == VW_OK) return;
  vw_log(VW_LOG_WARN, "viswords status will not see this rank any more: %s", vw_error_message());
  vw_error_clear();
  s->is_open = false;
}

static void put(vw_signs *s) {
  if (!s->is_open) return;
  s->mine.time = vw_wall_seconds();
  s->due = vw_seconds() + s->interval;
  keep(s, vw_rank_file_put(s->path, &s->mine));
}

static void put_if_due(vw_signs *s) {
  if (s->is_open && vw_seconds() >= s->due) put(s);
}

static void put_run(vw_signs *s) {
  if (!s->is_open || s->mine.rank != 0) return;
  s->run.time = vw_wall_seconds();
  keep(s, vw_rank_file_put_run(s->path, &s->run));
}

static void write_line(vw_signs *s, const char *event) {
  if (!s->is_open || s->metrics < 0) return;
  s->next_line = vw_seconds() + between_lines;
  keep(s, vw_metrics_line(s->metrics, s->path, event));
}

vw_status vw_signs_open(vw_signs *s, const vw_ranks *ranks, const char *dir, const char *part) {
  const double now = vw_wall_seconds(), shared = (double)ranks->size / most_lines;
  const double least = vw_fault_seconds("VISWORDS_SIGN_SECONDS", least_seconds);
  *s = (vw_signs){.metrics = -1, .interval = shared > least ? shared : least};
  s->mine = (vw_rank_record){.rank = ranks->rank, .pid = getpid(), .started = now, .loss = NAN};
  s->run = (vw_run_record){.ranks = ranks->size, .pid = getpid(), .started = now, .time = now};
  copy(s->mine.host, sizeof s->mine.host, ranks->host), copy(s->run.host, sizeof s->run.host, ranks->host);
  copy(s->mine.state, sizeof s->mine.state, "waiting"), copy(s->run.state, sizeof s->run.state, "running");
  VW_TRY(vw_rank_file_path(dir, part, s->path));
  if (ranks->rank == 0) {
    VW_TRY(vw_rank_file_create(s->path, &s->run));
    VW_TRY(vw_metrics_open(dir, part, &s->metrics));
  }
  s->is_open = true;
  return VW_OK;
}

void vw_signs_begin(vw_signs *s, const vw_signs_stage *stage) {
  const double now = vw_wall_seconds();
  vw_run_record *run = &s->run;
  copy(run->stage, sizeof run->stage, stage->stage), copy(run->unit, sizeof run->unit, stage->unit);
  run->items = stage->items, run->before = stage->before, run->total = stage->before + stage->left;
  run->is_operations = stage->is_operations && stage->cost > 0;
  run->cost = stage->cost > 0 ? stage->cost : (double)stage->left;
  run->stage_started = now;
  const vw_rank_record was = s->mine;
  s->mine = (vw_rank_record){.rank = was.rank, .pid = was.pid, .started = now, .item_started = now, .loss = NAN};
  copy(s->mine.host, sizeof s->mine.host, was.host), copy(s->mine.stage, sizeof s->mine.stage, stage->stage);
  copy(s->mine.state, sizeof s->mine.state, "waiting");
  put_run(s);
  write_line(s, "begin");
  s->due = 0;
}

void vw_signs_item(vw_signs *s, const char *name, int64_t units, double cost) {
  vw_rank_record *r = &s->mine;
  copy(r->state, sizeof r->state, "working"), copy(r->item, sizeof r->item, name);
  r->step = r->steps = 0, r->step_seconds = 0, r->units = units, r->item_started = vw_wall_seconds();
  r->cost = units ? s->run.is_operations || cost > 0 ? cost : (double)units : 0;
  s->first = -1;
  put_if_due(s);
}

void vw_signs_step(vw_signs *s, int64_t done, int64_t steps) {
  vw_rank_record *r = &s->mine;
  const double now = vw_seconds();
  if (s->first < 0) {
    s->first = done, s->begun = now; /* the first step also prepares: it is not timed */
    r->step = done - 1;
  } else if (done > s->first) {
    r->step_seconds = (now - s->begun) / (double)(done - s->first);
  }
  r->unit_steps += (double)(r->units * (done - r->step));
  if (steps > 0) r->cost_made += r->cost * (double)(done - r->step) / (double)steps;
  r->step = done, r->steps = steps;
  if (!s->is_open || now < s->due) return;
  put(s);
  if (now >= s->next_line) write_line(s, "running");
}

void vw_signs_loss(vw_signs *s, double loss) {
  s->mine.loss = loss;
}

void vw_signs_item_done(vw_signs *s) {
  vw_rank_record *r = &s->mine;
  r->ended = vw_wall_seconds();
  r->items++, r->done += r->units, r->cost_done += r->cost;
  if (!r->steps) r->cost_made += r->cost;
  r->cost = 0, r->units = 0, r->step = r->steps = 0, r->item[0] = 0;
  put_if_due(s);
  if (s->is_open && vw_seconds() >= s->next_line) write_line(s, "running");
}

void vw_signs_waiting(vw_signs *s) {
  copy(s->mine.state, sizeof s->mine.state, "waiting");
  put(s);
}

void vw_signs_end(vw_signs *s) {
  put_run(s);
  write_line(s, "end");
}

void vw_signs_close(vw_signs *s, const char *state) {
  copy(s->mine.state, sizeof s->mine.state, state), copy(s->run.state, sizeof s->run.state, state);
  put(s);
  put_run(s);
  if (s->metrics >= 0) (void)close(s->metrics);
  s->metrics = -1, s->is_open = false;
}
