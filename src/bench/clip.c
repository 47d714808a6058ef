/* `bench clip`: rates of learning words with a CLIP text encoder, with and without each saving, against this machine's
 * sgemm.
 *
 * Pictures and the other classes' logits are made up: they cost the same. tools/bench/clip_text.py does the same work
 * in PyTorch. Times are medians over repetitions of at least --seconds in all. */
#include "bench/bench.h"

#include "core/text.h"
#include "kernels/rate.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

double vw_bench_now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double vw_bench_cpu(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const struct variant {
  const char *name, *what;
  int64_t P, T; /* cached prefix and computed positions */
} variants[] = {
    {"plain", "all 77 positions a trial and step", 0, 77},
    {"pooled", "nothing behind end-of-text: 7 positions", 0, VW_BENCH_PROMPT},
    {"cached", "prefix keys and values cached: 2 positions", VW_BENCH_PREFIX, VW_BENCH_PROMPT - VW_BENCH_PREFIX},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

/* Every number of a list like "1,16,64". */
vw_status vw_bench_each(const char *option, const char *list, vw_status (*each)(void *user, int64_t number),
                        void *user) {
  for (const char *at = list; *at;) {
    char *end = NULL;
    const int64_t number = strtoll(at, &end, 10);
    VW_CHECK(end != at && number > 0 && (*end == ',' || !*end), VW_ERR_ARG, "--%s '%s': numbers, separated by commas",
             option, list);
    VW_TRY(each(user, number));
    at = *end ? end + 1 : end;
  }
  return VW_OK;
}

vw_status vw_bench_print_ops(vw_program *p) {
  double seconds[VW_OPS] = {0}, total = 0;
  int64_t calls[VW_OPS] = {0};
  static const char *const names[] = {
#define VW_OP(name, ref, cpu, cuda) #name,
#include "kernels/ops.def"
#undef VW_OP
  };
  VW_TRY(vw_program_profile(p, seconds, calls));
  for (int i = 0; i < VW_OPS; i++) total += seconds[i];
  for (int i = 0; i < VW_OPS; i++)
    if (calls[i])
      (void)vw_print(stdout, "      %-22s %4lld calls %9.3f ms %5.1f %%\n", names[i], (long long)calls[i],
                     1e3 * seconds[i], 100 * seconds[i] / total);
  return VW_OK;
}

static void report(vw_bench *b, const struct variant *v, int64_t K, double seconds, double flops, int64_t bytes) {
  const double rate = (double)K / seconds, achieved = flops / seconds;
  if (!b->json)
    (void)vw_print(
        stdout,
        "  %-7s %5lld trials  %10.2f ms/step  %10.1f trial-steps/s  %7.1f GFLOP/s  %5.1f %% of sgemm  %6.1f MiB\n",
        v->name, (long long)K, 1e3 * seconds, rate, 1e-9 * achieved, 100 * achieved / b->sgemm,
        (double)bytes / 1048576);
  (void)fflush(stdout);
  json_array_append_new(b->rows, json_pack("{s:s, s:I, s:f, s:f, s:f, s:f}", "variant", v->name, "trials",
                                           (json_int_t)K, "seconds", seconds, "trial_steps_per_s", rate, "gflops",
                                           1e-9 * achieved, "share_of_sgemm", achieved / b->sgemm));
}

typedef struct clip_rows {
  vw_bench *b;
  const struct variant *variant;
} clip_rows;

vw_status vw_bench_keep(vw_bench *b, const char *what, const int64_t *sizes, int n, const vw_bench_program *p,
                        double seconds) {
  const vw_clip_network *net = b->n;
  const bool image = !strcmp(what, "picture");
  char kind[VW_RATE_KIND];
  (void)snprintf(kind, sizeof kind, "%s %lldx%lld", what,
                 (long long)(image ? net->vision.t.width : net->net.text.tower.t.width),
                 (long long)(image ? net->vision.t.layers : net->net.text.tower.t.layers));
  return vw_rates_put(&b->rates, kind, vw_hash_bytes(sizes, (size_t)n * sizeof *sizes), vw_graph_flops(p->graph),
                      seconds);
}

static vw_status measure(void *user, int64_t K) {
  const clip_rows *r = user;
  vw_bench *b = r->b;
  const struct variant *v = r->variant;
  vw_bench_program s = {0};
  vw_bench_rate rate = {0};
  vw_status st = VW_OK;
  VW_GOTO(vw_bench_text_step(b, v->P, v->T, K, &s));
  VW_GOTO(vw_bench_median(s.program, b->seconds, &rate));
  report(b, v, K, rate.one, vw_graph_flops(s.graph), vw_program_memory_of(s.program).arena);
  if (v->P)
    VW_GOTO(
        vw_bench_keep(b, "classification step", (int64_t[]){K, v->P, v->T}, 3, &s, rate.one)); /* as studies learn */
  if (b->ops) VW_GOTO(vw_bench_print_ops(s.program));
cleanup:
  vw_bench_program_close(&s);
  return st;
}

vw_status vw_bench_clip(vw_bench *b, const char *dir, const char *trials, const char *only) {
  char kernels[128];
  vw_kernel_set(&b->ctx, kernels);
  VW_TRY(vw_bench_sgemm(b));
  if (b->ctx.backend == VW_CPU) b->rates.product = b->sgemm, b->rates.changed = true;
  if (!b->json)
    (void)vw_print(stdout, "%s: text encoder %lld x %lld layers; %s, %d thread%s; %s %.1f GFLOP/s\n", dir,
                   (long long)b->n->net.text.tower.t.width, (long long)b->n->net.text.tower.t.layers, kernels,
                   b->ctx.threads, b->ctx.threads == 1 ? "" : "s", vw_bench_sgemm_is(b), 1e-9 * b->sgemm);
  for (int i = 0; i < VARIANTS; i++) {
    if (only && strcmp(only, variants[i].name) != 0) continue;
    if (!b->json) (void)vw_print(stdout, "%s: %s\n", variants[i].name, variants[i].what);
    VW_TRY(vw_bench_each("trials", trials, measure, &(clip_rows){b, &variants[i]}));
  }
  return VW_OK;
}
