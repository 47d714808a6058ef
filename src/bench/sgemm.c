/* The yardstick of rates on CPUs. */
#include "bench/bench.h"

#include "kernels/rate.h"
#include "learn/timing.h"

enum { ORDER = 2048 };

vw_status vw_bench_sgemm(vw_bench *b) {
  vw_context own;
  vw_status st = vw_sgemm_rate(ORDER, 1, &b->sgemm);
  b->sgemm_is_own = st == VW_ERR_UNSUPPORTED;
  if (!b->sgemm_is_own) return st;
  vw_error_clear();
  VW_TRY(vw_context_open(&own, VW_CPU, b->ctx.threads, 0));
  st = vw_time_product(&own, 1, &b->sgemm);
  vw_context_close(&own);
  return st;
}

const char *vw_bench_sgemm_is(const vw_bench *b) {
  return b->sgemm_is_own ? "no OpenBLAS here, our own product" : "sgemm";
}
