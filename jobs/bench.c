/* `bench`: chooses what is measured; `bench clip`: rates of learning words with a CLIP text encoder, with and without
 * each saving, against this machine's sgemm.
 *
 * Pictures and the other classes' logits are made up: they cost the same. tools/bench/clip_text.py does the same work
 * in PyTorch. Times are medians over repetitions of at least --seconds in all. */
#include "jobs/bench.h"
#include "jobs/session.h"

#include "core/random.h"
#include "kernels/rate.h"
#include "learn/block_graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PREFIX = 5, PROMPT = 7, PICTURES = 256, MAX_RUNS = 4096 };

double vw_bench_now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "a photo of a <w>": start a photo of a | word end. */
static const struct variant {
  const char *name, *what;
  int64_t P, T; /* cached prefix and computed positions */
} variants[] = {
    {"plain", "all 77 positions a trial and step", 0, 77},
    {"pooled", "nothing behind end-of-text: 7 positions", 0, PROMPT},
    {"cached", "prefix keys and values cached: 2 positions", PREFIX, PROMPT - PREFIX},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

/* Every leaf gets data of the right kind: small numbers for reals, the prompt's places for integers. */
static vw_status fill_leaves(vw_program *p, const struct variant *v) {
  vw_status st = VW_OK;
  for (int64_t i = 0; i < vw_program_leaf_count(p) && st == VW_OK; i++) {
    const vw_leaf leaf = vw_program_leaf(p, i);
    if (leaf.kind == VW_LEAF_WEIGHT || leaf.kind == VW_LEAF_FILL) continue;
    vw_tensor t = leaf.tensor;
    const int64_t n = vw_count(&t);
    const bool real = t.dtype == VW_F32 || t.dtype == VW_F64;
    t.dtype = real ? VW_F64 : t.dtype;
    t.data = calloc((size_t)n + 1, 8);
    if (!t.data) return VW_RAISE(VW_ERR_MEMORY, "bench: out of memory");
    for (int64_t j = 0; real && j < n; j++)
      vw_f64(&t)[j] = 0.1 * vw_uniform(vw_draw_u32((uint64_t)i, 0, 0, (uint32_t)j)) - 0.05;
    for (int64_t j = 0; t.dtype == VW_I32 && j < n; j++) {
      int32_t *x = vw_i32(&t) + j;
      if (!strcmp(leaf.name, "row_word") || strstr(leaf.name, "tive_pool"))
        *x = (int32_t)j;
      else if (strstr(leaf.name, "tive_count"))
        *x = PICTURES / 2;
      else if (!strcmp(leaf.name, "slot_count"))
        *x = 1;
      else if (!strcmp(leaf.name, "word_pos"))
        *x = (int32_t)(PREFIX - v->P);
      else if (!strcmp(leaf.name, "length_of"))
        *x = (int32_t)v->T;
      else if (!strcmp(leaf.name, "pooled_of"))
        *x = (int32_t)(PROMPT - 1 - v->P);
      else if (!strcmp(leaf.name, "prefix_len"))
        *x = PREFIX;
    }
    for (int64_t j = 0; !strcmp(leaf.name, "radius") && j < n; j++) vw_f64(&t)[j] = 1;
    st = vw_program_write(p, leaf.value, &t);
    free(t.data);
  }
  return st;
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
  for (const double start = vw_bench_now(); n < MAX_RUNS && (n < 3 || vw_bench_now() - start < seconds); n++) {
    const double begun = vw_bench_now();
    VW_TRY(vw_program_run(p));
    times[n] = vw_bench_now() - begun;
  }
  qsort(times, (size_t)n, sizeof *times, by_value);
  *median = times[n / 2];
  return VW_OK;
}

static vw_status print_ops(vw_program *p) {
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
      (void)printf("      %-22s %4lld calls %9.3f ms %5.1f %%\n", names[i], (long long)calls[i], 1e3 * seconds[i],
                   100 * seconds[i] / total);
  return VW_OK;
}

static void report(vw_bench *b, const struct variant *v, int64_t K, double seconds, double flops, int64_t bytes) {
  const double rate = (double)K / seconds, achieved = flops / seconds;
  if (!b->json)
    (void)printf(
        "  %-7s %5lld trials  %10.2f ms/step  %10.1f trial-steps/s  %7.1f GFLOP/s  %5.1f %% of sgemm  %6.1f MiB\n",
        v->name, (long long)K, 1e3 * seconds, rate, 1e-9 * achieved, 100 * achieved / b->sgemm,
        (double)bytes / 1048576);
  (void)fflush(stdout);
  json_array_append_new(b->rows, json_pack("{s:s, s:I, s:f, s:f, s:f, s:f}", "variant", v->name, "trials",
                                           (json_int_t)K, "seconds", seconds, "trial_steps_per_s", rate, "gflops",
                                           1e-9 * achieved, "share_of_sgemm", achieved / b->sgemm));
}

static vw_status measure(vw_bench *b, const struct variant *v, int64_t K) {
  const vw_learn_config learn = {.optimiser = VW_PGD, .steps = 1 << 20, .eta = 0.1, .positives = 8, .negatives = 8};
  const vw_block_shape shape = {.K = K,
                                .slots = 1,
                                .M = 1,
                                .P = v->P,
                                .T = v->T,
                                .pictures = PICTURES,
                                .positive_pool = PICTURES / 2,
                                .negative_pool = PICTURES / 2,
                                .points = 1,
                                .every = 1 << 20};
  vw_graph *g = NULL;
  vw_program *p = NULL;
  double seconds = 0;
  vw_status st = VW_OK;
  VW_GOTO(vw_graph_create(&g));
  VW_GOTO(vw_block_graph(g, &b->n->text, &learn, &shape, b->n->scale, VW_BLOCK_TRAIN));
  VW_GOTO(vw_program_create(&p, g, &b->ctx, &b->n->policy));
  VW_GOTO(vw_weights_bind(b->n->weights, p));
  VW_GOTO(fill_leaves(p, v));
  VW_GOTO(vw_program_prepare(p));
  VW_GOTO(time_program(p, b->seconds, &seconds));
  report(b, v, K, seconds, vw_graph_flops(g), vw_program_memory_of(p).arena);
  if (b->ops) VW_GOTO(print_ops(p));
cleanup:
  vw_program_destroy(p);
  vw_graph_destroy(g);
  return st;
}

static vw_status run_clip(vw_bench *b, const char *dir, const char *trials, const char *only) {
  char kernels[128];
  vw_kernel_set(&b->ctx, kernels);
  VW_TRY(vw_sgemm_rate(2048, 1, &b->sgemm));
  if (!b->json)
    (void)printf("%s: text encoder %lld x %lld layers; %s, %d thread%s; sgemm %.1f GFLOP/s\n", dir,
                 (long long)b->n->text.t.width, (long long)b->n->text.t.layers, kernels, b->ctx.threads,
                 b->ctx.threads == 1 ? "" : "s", 1e-9 * b->sgemm);
  for (int i = 0; i < VARIANTS; i++) {
    if (only && strcmp(only, variants[i].name) != 0) continue;
    if (!b->json) (void)printf("%s: %s\n", variants[i].name, variants[i].what);
    for (const char *at = trials; *at;) {
      char *end = NULL;
      const int64_t K = strtoll(at, &end, 10);
      VW_CHECK(end != at && K > 0 && (*end == ',' || !*end), VW_ERR_ARG, "--trials '%s': numbers, separated by commas",
               trials);
      VW_TRY(measure(b, &variants[i], K));
      at = *end ? end + 1 : end;
    }
  }
  return VW_OK;
}

/* WHAT MODEL_DIR [TEXTS|PICTURES] */
static vw_status run(vw_bench *b, const char *const *positional, const char *trials, const char *only) {
  const char *what = positional[0], *dir = positional[1], *data = positional[2];
  const bool tokenizer = !strcmp(what, "tokenizer"), pictures = !strcmp(what, "preprocess"),
             load = !strcmp(what, "load");
  VW_CHECK(tokenizer || pictures || load || !strcmp(what, "clip"), VW_ERR_ARG,
           "bench '%s': choose clip, load, tokenizer or preprocess", what);
  VW_CHECK((tokenizer || pictures) == (data != NULL), VW_ERR_ARG, "bench %s: expected %s", what,
           tokenizer  ? "MODEL_DIR TEXTS_FILE"
           : pictures ? "MODEL_DIR PICTURES_FOLDER"
                      : "MODEL_DIR alone");
  VW_TRY(vw_clip_network_open(&b->n, dir, &b->ctx));
  if (tokenizer) return vw_bench_tokenizer(b, dir, data);
  if (pictures) return vw_bench_preprocess(b, dir, data);
  return load ? vw_bench_load(b, dir) : run_clip(b, dir, trials, only);
}

int vw_job_bench(int argc, char **argv) {
  vw_bench b = {.seconds = 3};
  vw_backend backend = VW_CPU;
  int64_t threads = 1;
  const char *positional[3], *trials = "1,16,64,256", *backend_name = "cpu", *only = NULL;
  const vw_option options[] = {
      {"trials", 0, VW_OPT_STRING, &trials, "LIST", "clip: numbers of trials in a batch (default 1,16,64,256)"},
      {"variant", 0, VW_OPT_STRING, &only, "NAME", "clip: plain, pooled or cached; default: all"},
      {"seconds", 0, VW_OPT_DOUBLE, &b.seconds, "S", "time for each row (default 3)"},
      {"threads", 't', VW_OPT_INT, &threads, "N", "threads (default 1)"},
      {"backend", 'b', VW_OPT_STRING, &backend_name, "NAME", "cpu (default) or ref"},
      {"ops", 0, VW_OPT_FLAG, &b.ops, NULL, "clip: time by op of one step"},
      {"json", 0, VW_OPT_FLAG, &b.json, NULL, "as JSON"},
      {0}};
  static const char *const names[] = {"WHAT", "MODEL_DIR", "DATA"};
  const vw_command_line c = {
      "bench",
      "clip MODEL_DIR | load MODEL_DIR | tokenizer MODEL_DIR TEXTS_FILE | preprocess MODEL_DIR PICTURES_FOLDER",
      "Rates of a training step of a CLIP text encoder (directory with real weights, or of 'viswords random-clip'); of "
      "reading weights; of tokenising a file of texts, one a line; of reading pictures.",
      options,
      names,
      2,
      3};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  vw_status st = vw_backend_named(backend_name, &backend);
  if (st == VW_OK) st = vw_context_open(&b.ctx, backend, (int)threads, 0);
  if (st != VW_OK) return vw_report(st);
  b.rows = json_array();
  st = run(&b, positional, trials, only);
  if (st == VW_OK && b.json) {
    json_t *all =
        json_pack("{s:f, s:i, s:O}", "sgemm_gflops", 1e-9 * b.sgemm, "threads", b.ctx.threads, "rows", b.rows);
    (void)json_dumpf(all, stdout, JSON_INDENT(1));
    (void)printf("\n");
    json_decref(all);
  }
  json_decref(b.rows);
  vw_clip_network_close(b.n);
  vw_context_close(&b.ctx);
  return vw_report(st);
}
