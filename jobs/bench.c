/* `bench`: chooses what is measured; `bench clip`: rates of learning words with a CLIP text encoder, with and without
 * each saving, against this machine's sgemm.
 *
 * Pictures and the other classes' logits are made up: they cost the same. tools/bench/clip_text.py does the same work
 * in PyTorch. Times are medians over repetitions of at least --seconds in all. */
#include "jobs/bench.h"

#include "core/text.h"
#include "jobs/session.h"

#include "core/durable.h"
#include "kernels/rate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_RUNS = 4096 };

double vw_bench_now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
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

static int by_value(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Median seconds of a step. */
static vw_status time_program(vw_program *p, double seconds, double *median) {
  static double times[MAX_RUNS];
  int n = 0;
  VW_TRY(vw_program_run(p)); /* caches, pages, threads */
  VW_TRY(vw_program_wait(p));
  for (const double start = vw_bench_now(); n < MAX_RUNS && (n < 3 || vw_bench_now() - start < seconds); n++) {
    const double begun = vw_bench_now();
    VW_TRY(vw_program_run(p));
    VW_TRY(vw_program_wait(p));
    times[n] = vw_bench_now() - begun;
  }
  qsort(times, (size_t)n, sizeof *times, by_value);
  *median = times[n / 2];
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
  double seconds = 0;
  vw_status st = VW_OK;
  VW_GOTO(vw_bench_text_step(b, v->P, v->T, K, &s));
  VW_GOTO(time_program(s.program, b->seconds, &seconds));
  report(b, v, K, seconds, vw_graph_flops(s.graph), vw_program_memory_of(s.program).arena);
  if (v->P) VW_GOTO(vw_bench_keep(b, "step", (int64_t[]){K, v->P, v->T}, 3, &s, seconds)); /* as studies learn */
  if (b->ops) VW_GOTO(vw_bench_print_ops(s.program));
cleanup:
  vw_bench_program_close(&s);
  return st;
}

static vw_status run_clip(vw_bench *b, const char *dir, const char *trials, const char *only) {
  char kernels[128];
  vw_kernel_set(&b->ctx, kernels);
  VW_TRY(vw_sgemm_rate(2048, 1, &b->sgemm));
  if (b->ctx.backend == VW_CPU) b->rates.product = b->sgemm, b->rates.changed = true;
  if (!b->json)
    (void)vw_print(stdout, "%s: text encoder %lld x %lld layers; %s, %d thread%s; sgemm %.1f GFLOP/s\n", dir,
                   (long long)b->n->net.text.tower.t.width, (long long)b->n->net.text.tower.t.layers, kernels,
                   b->ctx.threads, b->ctx.threads == 1 ? "" : "s", 1e-9 * b->sgemm);
  for (int i = 0; i < VARIANTS; i++) {
    if (only && strcmp(only, variants[i].name) != 0) continue;
    if (!b->json) (void)vw_print(stdout, "%s: %s\n", variants[i].name, variants[i].what);
    VW_TRY(vw_bench_each("trials", trials, measure, &(clip_rows){b, &variants[i]}));
  }
  return VW_OK;
}

typedef struct bench_options {
  const char *trials, *variant;
  vw_bench_gpu_options gpu;
} bench_options;

/* WHAT MODEL_DIR [TEXTS|PICTURES] */
static vw_status run(vw_bench *b, const char *const *positional, const bench_options *o) {
  const char *what = positional[0], *dir = positional[1], *data = positional[2];
  const bool tokenizer = !strcmp(what, "tokenizer"), pictures = !strcmp(what, "preprocess"),
             load = !strcmp(what, "load"), gpu = !strcmp(what, "gpu");
  const bool sd = !strcmp(what, "sd");
  VW_CHECK(tokenizer || pictures || load || gpu || sd || !strcmp(what, "clip"), VW_ERR_ARG,
           "bench '%s': choose clip, gpu, load, sd, tokenizer or preprocess", what);
  VW_CHECK((tokenizer || pictures) == (data != NULL), VW_ERR_ARG, "bench %s: expected %s", what,
           tokenizer  ? "MODEL_DIR TEXTS_FILE"
           : pictures ? "MODEL_DIR PICTURES_FOLDER"
                      : "MODEL_DIR alone");
  if (sd) return vw_bench_sd(b, dir, o->gpu.pictures ? o->gpu.pictures : "1,4");
  VW_TRY(vw_clip_network_open(&b->n, dir, &b->ctx));
  if (tokenizer) return vw_bench_tokenizer(b, dir, data);
  if (pictures) return vw_bench_preprocess(b, dir, data);
  if (gpu) return vw_bench_gpu(b, dir, &o->gpu);
  return load ? vw_bench_load(b, dir) : run_clip(b, dir, o->trials ? o->trials : "1,16,64,256", o->variant);
}

/* To standard output with --json, to a file with --save. */
static vw_status write_json(const vw_bench *b) {
  json_t *all = b->head ? json_incref(b->head)
                        : json_pack("{s:f, s:i}", "sgemm_gflops", 1e-9 * b->sgemm, "threads", b->ctx.threads);
  json_object_set(all, b->head ? "networks" : "rows", b->rows);
  char *text = json_dumps(all, JSON_INDENT(1));
  json_decref(all);
  VW_CHECK(text, VW_ERR_MEMORY, "bench: out of memory");
  if (b->json) (void)fputs(text, stdout), (void)fputc('\n', stdout);
  const vw_status st = b->save ? vw_file_write(b->save, text, (int64_t)strlen(text)) : VW_OK;
  free(text);
  return st;
}

/* Opens the backend (the default: cuda for `gpu`, else cpu), runs, prints. */
static vw_status open_and_run(vw_bench *b, const char *const *positional, const char *backend_name, int64_t threads,
                              const char *cache, const bench_options *o) {
  char folder[VW_PATH_BYTES];
  vw_backend backend = VW_CPU;
  if (!backend_name) backend_name = !strcmp(positional[0], "gpu") ? "cuda" : "cpu";
  VW_TRY(vw_backend_named(backend_name, &backend));
  VW_TRY(vw_context_open(&b->ctx, backend, (int)threads, 0));
  b->rows = json_array();
  vw_status st = vw_precision_named(b->precision ? b->precision : "auto", &b->ctx);
  if (st == VW_OK) st = vw_cache_folder(cache, "", folder);
  if (st == VW_OK) st = vw_rates_open(&b->rates, &b->ctx, folder);
  if (st == VW_OK) st = run(b, positional, o);
  if (st == VW_OK) st = vw_rates_save(&b->rates);
  vw_rates_close(&b->rates);
  if (st == VW_OK) st = write_json(b);
  json_decref(b->rows), json_decref(b->head);
  vw_clip_network_close(b->n);
  vw_context_close(&b->ctx);
  return st;
}

int vw_job_bench(int argc, char **argv) {
  vw_bench b = {.seconds = 3};
  bench_options o = {0};
  int64_t threads = 1;
  const char *positional[3], *backend = NULL, *cache = NULL;
  const vw_option options[] = {
      {"trials", 0, VW_OPT_STRING, &o.trials, "LIST",
       "clip, gpu: trials in a batch (default 1,16,64,256; gpu: also 1024,1600)"},
      {"variant", 0, VW_OPT_STRING, &o.variant, "NAME", "clip: plain, pooled or cached; default: all"},
      {"pictures", 0, VW_OPT_STRING, &o.gpu.pictures, "LIST",
       "gpu, sd: pictures in a batch (default 1,16,64,256; sd: 1,4)"},
      {"only", 0, VW_OPT_STRING, &o.gpu.only, "NAME", "gpu: ceilings, text or image; default: all"},
      {"order", 0, VW_OPT_INT, &o.gpu.order, "N",
       "gpu: order of the products that give the ceilings (default 8192; cpu 2048, ref 128)"},
      {"timed", 0, VW_OPT_FLAG, &o.gpu.timed, NULL,
       "gpu: on cuda, time the algorithms for each product first, as studies with plan.algorithms: timed"},
      {"seconds", 0, VW_OPT_DOUBLE, &b.seconds, "S", "time for each row (default 3)"},
      {"threads", 't', VW_OPT_INT, &threads, "N", "threads (default 1)"},
      {"backend", 'b', VW_OPT_STRING, &backend, "NAME", "ref, cpu or cuda (default cpu; gpu: cuda)"},
      {"precision", 0, VW_OPT_STRING, &b.precision, "NAME", "of cuda: auto (mixed), fp32, tf32, mixed, bf16"},
      {"cache", 0, VW_OPT_STRING, &cache, "DIR",
       "where rates are left for 'viswords plan'; default: ~/.cache/viswords"},
      {"ops", 0, VW_OPT_FLAG, &b.ops, NULL, "clip, sd: time by op of one step"},
      {"json", 0, VW_OPT_FLAG, &b.json, NULL, "as JSON"},
      {"save", 0, VW_OPT_STRING, &b.save, "FILE", "the JSON into a file, beside the table"},
      {0}};
  static const char *const names[] = {"WHAT", "MODEL_DIR", "DATA"};
  const vw_command_line c = {
      "bench",
      "clip MODEL_DIR | gpu MODEL_DIR | sd MODEL_DIR | load MODEL_DIR | tokenizer MODEL_DIR TEXTS_FILE | preprocess "
      "MODEL_DIR "
      "PICTURES_FOLDER",
      "Rates of a training step of a CLIP text encoder (directory with real weights, or of 'viswords random-clip'); of "
      "both towers and each of their kernels against the ceilings of a device; of reading weights; of tokenising a "
      "file of texts, one a line; of reading pictures.",
      options,
      names,
      2,
      3};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  o.gpu.trials = o.trials;
  return vw_report(open_and_run(&b, positional, backend, threads, cache, &o));
}
