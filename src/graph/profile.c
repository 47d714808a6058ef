/* What a program consists of, call by call, and how long each takes alone. */
#include "graph/program_internal.h"

#include <inttypes.h>
#include <time.h>

int64_t vw_program_call_count(const vw_program *p) {
  return p->n_calls;
}

vw_call_view vw_program_call(const vw_program *p, int64_t i) {
  const plan_call *c = &p->calls[i];
  return (vw_call_view){.op = c->op, .attr = c->attr, .in = c->in, .out = c->out, .threads = c->threads};
}

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { RECORDED = 32 }; /* runs of a call in one recording */

/* Runs of a call between two waits, as the backend starts calls in a step: recorded where it can record. */
static vw_status time_recorded(vw_program *p, const plan_call *c, int64_t repeats, double *seconds) {
  const vw_recorder *r = p->memory_ops->recorder;
  const int64_t n = repeats < RECORDED ? repeats : RECORDED, replays = (repeats + n - 1) / n;
  void *recording = NULL;
  double start = 0;
  vw_status st = r->begin(p->ctx), ran = VW_OK;
  if (st != VW_OK) return vw_fail(st, __FILE__, __LINE__, "recording %s", c->op->name);
  for (int64_t j = 0; j < n && ran == VW_OK; j++) ran = vw_call_run(p, c);
  st = r->end(p->ctx, &recording);
  VW_GOTO(vw_first(ran, st));
  VW_GOTO(r->replay(p->ctx, recording)); /* the first brings the recording to the device */
  VW_GOTO(p->memory_ops->synchronise(p->ctx));
  start = now();
  for (int64_t j = 0; j < replays; j++) VW_GOTO(r->replay(p->ctx, recording));
  VW_GOTO(p->memory_ops->synchronise(p->ctx));
  *seconds = (now() - start) / (double)(replays * n);
cleanup:
  r->forget(p->ctx, recording);
  return st;
}

static vw_status time_call(vw_program *p, const plan_call *c, int64_t repeats, double *seconds) {
  VW_TRY(p->memory_ops->synchronise(p->ctx));
  if (p->memory_ops->recorder && repeats > 1) return time_recorded(p, c, repeats, seconds);
  const double start = now();
  for (int64_t j = 0; j < repeats; j++) VW_TRY(vw_call_run(p, c));
  VW_TRY(p->memory_ops->synchronise(p->ctx));
  *seconds = (now() - start) / (double)repeats;
  return VW_OK;
}

/* In the order of the program, as a call's inputs are overwritten by later calls: an index read behind its time could
 * point anywhere. Outputs never share memory with inputs, so a repetition computes the same again. */
vw_status vw_program_time_calls(vw_program *p, const int64_t *repeats, double *seconds) {
  VW_CHECK(p->prepared, VW_ERR_ARG, "program: run before prepare");
  for (int64_t i = 0; i < p->n_calls; i++) {
    const plan_call *c = &p->calls[i];
    VW_CHECK(repeats[i] >= 0, VW_ERR_ARG, "program: call %" PRId64 " is to run %" PRId64 " times", i, repeats[i]);
    seconds[i] = 0;
    if (repeats[i])
      VW_TRY(time_call(p, c, repeats[i], &seconds[i]));
    else
      VW_TRY(vw_call_run(p, c));
  }
  return p->memory_ops->synchronise(p->ctx);
}
