/* How many threads a call is worth. Waking a thread that sleeps costs some ten microseconds, on a busy machine more: a
 * small call is done by then. Results do not depend on it (kernels/op.h). */
#include "graph/program_internal.h"

/* A slow core of today: a thread too few costs little, a thread too many costs a wait. */
static const double flops_per_second = 2e10, bytes_per_second = 5e9, seconds_worth_a_thread = 5e-5;

/* Seconds of one thread, a lower bound: operations, or reading weights, or writing results. Other inputs are not
 * counted, as gathers read a small part of theirs. */
static double seconds_of(const plan_call *c) {
  double read = 0, written = 0;
  const double flops = c->op->flops ? c->op->flops(c->in, c->attr, c->out) : 0;
  for (int j = 0; j < c->op->n_in; j++)
    if (c->call.frozen & 1u << j) read += (double)vw_bytes(&c->in[j]);
  for (int j = 0; j < c->op->n_out; j++) written += (double)vw_bytes(&c->out[j]);
  const double moved = (read + written) / bytes_per_second, computed = flops / flops_per_second;
  return moved > computed ? moved : computed;
}

/* Two numbers of threads alone, one and the most that a call of the program can use: OpenMP ends threads that a smaller
 * team does not need, and makes them again for the next larger one. */
void vw_program_choose_threads(vw_program *p) {
  double longest = 0;
  for (int64_t i = 0; i < p->n_calls; i++) {
    const double seconds = seconds_of(&p->calls[i]);
    if (seconds > longest) longest = seconds;
  }
  const double worth = longest / seconds_worth_a_thread;
  const int team = worth < p->ctx->threads ? (int)worth : p->ctx->threads;
  for (int64_t i = 0; i < p->n_calls; i++) {
    const bool is_large = seconds_of(&p->calls[i]) >= 2 * seconds_worth_a_thread;
    p->calls[i].threads = is_large && team > 1 ? team : 1;
  }
}

vw_status vw_call_run(const vw_program *p, const plan_call *c) {
  vw_context *ctx = p->ctx;
  const int all = ctx->threads;
  ctx->threads = c->threads;
  const vw_status st = c->kernel->run(ctx, &c->call);
  ctx->threads = all;
  return st;
}
