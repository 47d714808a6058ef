/* What a plan consists of, call by call, and how long each takes alone. */
#include "graph/program_internal.h"

#include <inttypes.h>
#include <time.h>

int64_t vw_program_call_count(const vw_program *p) {
  return p->n_calls;
}

vw_call_view vw_program_call(const vw_program *p, int64_t i) {
  const plan_call *c = &p->calls[i];
  return (vw_call_view){.op = c->op, .attr = c->attr, .in = c->in, .out = c->out};
}

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* In the order of the plan, as a call's inputs are overwritten by later calls: an index read behind its time could
 * point anywhere. Outputs never share memory with inputs, so a repetition computes the same again. */
vw_status vw_program_time_calls(vw_program *p, const int64_t *repeats, double *seconds) {
  VW_CHECK(p->prepared, VW_ERR_ARG, "program: run before prepare");
  for (int64_t i = 0; i < p->n_calls; i++) {
    const plan_call *c = &p->calls[i];
    VW_CHECK(repeats[i] >= 0, VW_ERR_ARG, "program: call %" PRId64 " is to run %" PRId64 " times", i, repeats[i]);
    seconds[i] = 0;
    if (!repeats[i]) {
      VW_TRY(c->kernel->run(p->ctx, &c->call));
      continue;
    }
    VW_TRY(p->memory_ops->synchronise(p->ctx));
    const double start = now();
    for (int64_t j = 0; j < repeats[i]; j++) VW_TRY(c->kernel->run(p->ctx, &c->call));
    VW_TRY(p->memory_ops->synchronise(p->ctx));
    seconds[i] = (now() - start) / (double)repeats[i];
  }
  return p->memory_ops->synchronise(p->ctx);
}
