/* The copy ceiling of every backend: many copies are enqueued, then waited for. */
#include "kernels/rate.h"

#include "kernels/backend.h"
#include <time.h>

enum { ROUND = 8 }; /* copies between two waits: a wait's own time disappears */

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static vw_status copy(vw_context *ctx, void *to, const void *from, size_t bytes) {
#ifdef VW_WITH_CUDA
  if (ctx->backend == VW_CUDA) return vw_cuda_copy(ctx, to, from, bytes);
#endif
  vw_cpu_copy(ctx, to, from, bytes);
  return VW_OK;
}

/* Rounds until `seconds` are over, at least three; the fastest counts: anything else the machine does only slows. */
static vw_status fastest_round(vw_context *ctx, void *to, const void *from, size_t bytes, double seconds,
                               double *best) {
  const vw_memory *memory = vw_memory_of(ctx->backend);
  const double start = now();
  *best = 1e30;
  for (int round = 0; round < 3 || now() - start < seconds; round++) {
    const double begun = now();
    for (int i = 0; i < ROUND; i++) VW_TRY(copy(ctx, to, from, bytes));
    VW_TRY(memory->synchronise(ctx));
    const double one = (now() - begun) / ROUND;
    if (one < *best) *best = one;
  }
  return VW_OK;
}

vw_status vw_copy_rate(vw_context *ctx, size_t bytes, double seconds, double *bytes_per_second) {
  const vw_memory *memory = vw_memory_of(ctx->backend);
  void *from = NULL, *to = NULL;
  double best = 0;
  vw_status st = VW_OK;
  VW_GOTO(memory->allocate(ctx, bytes, &from));
  VW_GOTO(memory->allocate(ctx, bytes, &to));
  VW_GOTO(fastest_round(ctx, to, from, bytes, seconds, &best));
  *bytes_per_second = 2.0 * (double)bytes / best;
cleanup:
  if (from) memory->release(ctx, from);
  if (to) memory->release(ctx, to);
  return st;
}
