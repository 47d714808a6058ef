/* How long runs take: their medians; and rates that settle, as a device under load slows down for half a minute (power,
 * heat), so that what it reaches at first is not what a study gets. */
#include "bench/bench.h"

#include "core/text.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_RUNS = 4096 };
enum { WINDOWS = 120, LEAST_WINDOWS = 6 }; /* of the time that a rate may take; that a rate needs */
#define TOLERANCE 0.01

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

vw_status vw_bench_run(vw_program *p, vw_bench_rate *r) {
  const double begun = vw_bench_now(), cpu = vw_bench_cpu();
  VW_TRY(vw_program_run(p));
  VW_TRY(vw_program_wait(p));
  r->one = vw_bench_now() - begun, r->cpu = vw_bench_cpu() - cpu;
  return VW_OK;
}

vw_status vw_bench_median(vw_program *p, double seconds, vw_bench_rate *r) {
  static double times[MAX_RUNS], cpu[MAX_RUNS];
  vw_bench_rate one = {0};
  int n = 0;
  VW_TRY(vw_bench_run(p, r)); /* caches, pages, threads */
  if (r->one > seconds) return VW_OK;
  for (const double start = vw_bench_now(); n < MAX_RUNS && (n < 3 || vw_bench_now() - start < seconds); n++) {
    VW_TRY(vw_bench_run(p, &one));
    times[n] = one.one, cpu[n] = one.cpu;
  }
  qsort(times, (size_t)n, sizeof *times, by_value), qsort(cpu, (size_t)n, sizeof *cpu, by_value);
  r->one = times[n / 2], r->cpu = cpu[n / 2];
  return VW_OK;
}

static vw_status time_window(vw_program *p, int64_t runs, double *one) {
  const double start = vw_bench_now();
  for (int64_t i = 0; i < runs; i++) VW_TRY(vw_program_run(p));
  VW_TRY(vw_program_wait(p));
  *one = (vw_bench_now() - start) / (double)runs;
  return VW_OK;
}

static double mean_of(const double *window, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += window[i];
  return n ? sum / n : 0;
}

bool vw_bench_has_settled(const double *window, int n, double *one) {
  const int third = n / 3;
  *one = mean_of(window + n - (third ? third : n), third ? third : n);
  if (n < LEAST_WINDOWS) return false;
  return fabs(*one - mean_of(window + n - 2 * third, third)) <= TOLERANCE * *one;
}

vw_status vw_bench_settle(vw_program *p, double seconds, vw_bench_rate *r) {
  double window[WINDOWS + LEAST_WINDOWS];
  int n = 0;
  *r = (vw_bench_rate){0};
  for (int i = 0; i < 3; i++) VW_TRY(time_window(p, 1, &window[0])); /* caches and threads; a recording; a replay */
  const double wanted = window[0] > 0 ? seconds / WINDOWS / window[0] : 1;
  const int64_t runs = wanted < 1 ? 1 : (int64_t)wanted;
  const double start = vw_bench_now(), cpu_start = vw_bench_cpu();
  do {
    VW_TRY(time_window(p, runs, &window[n++]));
    r->measured = vw_bench_now() - start;
    r->settled = vw_bench_has_settled(window, n, &r->one) && r->measured >= seconds / 3;
  } while (!r->settled && r->measured < seconds && n < WINDOWS + LEAST_WINDOWS);
  r->cpu = (vw_bench_cpu() - cpu_start) / (double)(n * runs);
  return VW_OK;
}

void vw_bench_settle_print(const vw_bench *b, const vw_bench_rate *r) {
  if (!b->settle || b->json) return;
  (void)vw_print(stdout, "          %s: the last third of %.1f s%s\n", r->settled ? "settled" : "NOT settled",
                 r->measured, r->settled ? "" : " is not within 1 % of the third before");
}

void vw_bench_settle_json(const vw_bench *b, const vw_bench_rate *r, json_t *row) {
  if (!b->settle) return;
  json_object_set_new(row, "settled", json_boolean(r->settled));
  json_object_set_new(row, "measured_s", json_real(r->measured));
}
