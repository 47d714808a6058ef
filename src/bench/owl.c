/* `bench owl`: what learning and judging words for an OWL-v2 network cost: the tower on a picture, a step of words whose
 * pictures are cached, words at the patches of a picture. For each: time, counted FLOPs against this machine's sgemm,
 * memory as planned and as held. tools/bench/owl.py does the same in PyTorch. Pictures are made up: they cost the same.
 */
#include "bench/bench.h"

#include "core/text.h"
#include "kernels/rate.h"
#include "learn/block_graph.h"
#include "networks/owlv2.h"
#include "tasks/detect/detect.h"
#include "tasks/detect/detect_graph.h"
#include "tasks/leaves.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURES = 8, EXAMPLES = 4 }; /* with the concept and as many without; of them a step takes */
/* Far beyond what a benchmark runs: no step reaches the end of the schedule or a second row of the record. */
static const int64_t endless = (int64_t)1 << 40;

typedef struct owl_bench {
  vw_bench *b;
  vw_owlv2_network *n;
} owl_bench;

static void report(vw_bench *b, const char *pass, const char *unit, int64_t n, const vw_bench_rate *r, double flops,
                   const vw_program_memory *m, int64_t taken) {
  const double giga = 1e9, mega = 1e6, seconds = r->one, rate = (double)n / seconds;
  const int64_t planned = m->arena + m->leaves + m->weights;
  if (!b->json)
    (void)vw_print(stdout,
                   "  %-7s %5" PRId64 "  %10.2f ms  %10.3f %s/s  %8.1f GFLOP/s  %5.1f %% of sgemm  %9.1f MB planned "
                   " %9.1f MB held\n",
                   pass, n, 1e3 * seconds, rate, unit, flops / seconds / giga, 100 * flops / seconds / b->sgemm,
                   (double)planned / mega, (double)taken / mega);
  if (!b->json && r->cpu > 0) (void)vw_print(stdout, "          %.2f CPU seconds\n", r->cpu);
  if (r->measured > 0) vw_bench_settle_print(b, r); /* judging has the host's part: its shortest time counts */
  (void)fflush(stdout);
  json_t *row =
      json_pack("{s:s, s:I, s:s, s:f, s:f, s:f, s:f, s:I, s:I}", "pass", pass, "batch", (json_int_t)n, "unit", unit,
                "seconds", seconds, "per_second", rate, "gflops", flops / seconds / giga, "share_of_sgemm",
                flops / seconds / b->sgemm, "bytes_planned", (json_int_t)planned, "bytes_held", (json_int_t)taken);
  if (r->measured > 0) vw_bench_settle_json(b, r, row);
  if (r->cpu > 0) json_object_set_new(row, "cpu_seconds", json_real(r->cpu));
  json_array_append_new(b->rows, row);
}

static int32_t zero_of(const void *user, const char *leaf, int64_t j) {
  (void)user, (void)leaf, (void)j;
  return 0;
}

static int32_t of_step(const void *user, const char *leaf, int64_t j) {
  return vw_detection_kind.made_up(user, leaf, j);
}

/* Times out->graph; it is closed in any case. */
static vw_status measure(owl_bench *o, const char *pass, const char *unit, int64_t n, const vw_policy *policy,
                         vw_bench_integer integer, const void *user, vw_bench_program *p) {
  vw_bench *b = o->b;
  vw_program_memory m;
  vw_bench_rate rate = {0};
  const int64_t before = vw_bench_held(&b->ctx);
  vw_status st = VW_OK;
  VW_GOTO(vw_program_measure(p->graph, &b->ctx, policy, &m));
  VW_GOTO(vw_bench_ready(b, policy, integer, user, p));
  VW_GOTO(b->settle ? vw_bench_settle(p->program, b->seconds, &rate) : vw_bench_median(p->program, b->seconds, &rate));
  report(b, pass, unit, n, &rate, vw_graph_flops(p->graph), &m, vw_bench_held(&b->ctx) - before);
  if (b->ops) VW_GOTO(vw_bench_print_ops(p->program));
cleanup:
  vw_bench_program_close(p);
  return st;
}

static vw_status picture(owl_bench *o, const char *trials) {
  vw_bench_program p = {0};
  (void)trials;
  VW_TRY(vw_graph_create(&p.graph));
  const vw_status st = vw_owlv2_picture_graph(p.graph, o->n);
  if (st == VW_OK) return measure(o, "picture", "pictures", 1, &o->n->clip.image_policy, zero_of, NULL, &p);
  vw_bench_program_close(&p);
  return st;
}

/* A step of K words of one concept: they share template and pictures. */
static vw_status step_of(void *user, int64_t K) {
  owl_bench *o = user;
  const vw_learn_config learn = {
      .optimiser = VW_PGD, .steps = endless, .eta = 0.1, .positives = EXAMPLES, .negatives = EXAMPLES};
  const vw_block_shape shape = {.step = {.K = K,
                                         .size = {[VW_DETECT_M] = 1,
                                                  [VW_DETECT_P] = VW_BENCH_PREFIX,
                                                  [VW_DETECT_T] = VW_BENCH_PROMPT - VW_BENCH_PREFIX,
                                                  [VW_DETECT_STREAMS] = 1,
                                                  [VW_DETECT_POSITIVES] = PICTURES,
                                                  [VW_DETECT_NEGATIVES] = PICTURES,
                                                  [VW_DETECT_PATCHES] = vw_owlv2_patches(o->n)}},
                                .points = 1,
                                .every = endless};
  const vw_detect_step step = {
      .text = &o->n->clip.net.text.tower, .learn = &learn, .type = vw_owlv2_embedding_type(o->n)};
  const vw_block_loss loss = {vw_detect_emit, &step};
  vw_bench_program p = {0};
  VW_TRY(vw_graph_create(&p.graph));
  const vw_status st = vw_block_graph(p.graph, &loss, &learn, &shape, o->n->clip.net.width, VW_BLOCK_TRAIN);
  if (st == VW_OK) return measure(o, "step", "trial-steps", K, &o->n->clip.net.policy, of_step, &shape.step, &p);
  vw_bench_program_close(&p);
  return st;
}

static vw_status steps(owl_bench *o, const char *trials) {
  return vw_bench_each("trials", trials, step_of, o);
}

/* The logits of as many words as judging takes at a time, then each one's best boxes. */
static vw_status judge_once(const owl_bench *o, vw_bench_program *p, double *z, const double *boxes,
                            vw_patch_logit *room, double *out) {
  const int64_t N = vw_owlv2_patches(o->n), words = VW_DETECT_WORDS, one = 1;
  VW_TRY(vw_program_run(p->program));
  VW_TRY(vw_read_leaf(p->program, p->graph, "logits", vw_shape(VW_F64, words, one, N), z));
  for (int64_t k = 0; k < words; k++) vw_detect_best(z + k * N, boxes, N, 960, 0, room, out);
  return VW_OK;
}

static vw_status time_judging(const owl_bench *o, vw_bench_program *p, double *least) {
  const int64_t N = vw_owlv2_patches(o->n);
  double *z = malloc((size_t)(VW_DETECT_WORDS * N) * sizeof *z), *boxes = calloc((size_t)(4 * N), sizeof *boxes);
  double *out = malloc((size_t)(VW_DETECT_TOP * VW_DETECT_NUMBERS) * sizeof *out);
  vw_patch_logit *room = malloc((size_t)N * sizeof *room);
  vw_status st = z && boxes && out && room ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "bench: out of memory");
  *least = 0;
  for (const double start = vw_bench_now(); st == VW_OK && (*least == 0 || vw_bench_now() - start < o->b->seconds);) {
    const double begun = vw_bench_now();
    st = judge_once(o, p, z, boxes, room, out);
    const double taken = vw_bench_now() - begun;
    if (*least == 0 || taken < *least) *least = taken;
  }
  free(z), free(boxes), free(out), free(room);
  return st;
}

static vw_status judging(owl_bench *o, const char *trials) {
  const vw_policy *policy = &o->n->clip.net.policy;
  vw_bench *b = o->b;
  vw_bench_program p = {0};
  vw_program_memory m;
  vw_bench_rate rate = {0};
  vw_status st = VW_OK;
  (void)trials;
  const int64_t before = vw_bench_held(&b->ctx);
  VW_TRY(vw_graph_create(&p.graph));
  VW_GOTO(vw_detect_logits_graph(p.graph, o->n, VW_DETECT_WORDS));
  VW_GOTO(vw_program_measure(p.graph, &b->ctx, policy, &m));
  VW_GOTO(vw_bench_ready(b, policy, zero_of, NULL, &p));
  VW_GOTO(time_judging(o, &p, &rate.one));
  report(b, "judge", "words", VW_DETECT_WORDS, &rate, vw_graph_flops(p.graph), &m, vw_bench_held(&b->ctx) - before);
cleanup:
  vw_bench_program_close(&p);
  return st;
}

static const struct pass {
  const char *name, *what;
  vw_status (*measure)(owl_bench *o, const char *trials);
} passes[] = {
    {"picture", "the tower and heads on a picture: what is kept of it", picture},
    {"step", "words of one concept, 4 + 4 pictures of 8 + 8 that are kept; prefix cached: 2 positions", steps},
    {"judge", "words at the patches of a picture, and the best 100 boxes of each", judging},
};
enum { PASSES = sizeof passes / sizeof *passes };

static vw_status measure_all(owl_bench *o, const char *dir, const char *trials, const char *only) {
  vw_bench *b = o->b;
  const vw_clip_network *c = &o->n->clip;
  char kernels[128];
  vw_kernel_set(&b->ctx, kernels);
  VW_TRY(vw_bench_sgemm(b));
  if (!b->json)
    (void)vw_print(stdout,
                   "%s: pictures of %" PRId64 " px, %" PRId64 " patches, text encoder %" PRId64 " x %" PRId64
                   " layers; %s in %s, %d thread%s; %s %.1f GFLOP/s\n",
                   dir, c->vision.image_size, vw_owlv2_patches(o->n), c->net.text.tower.t.width,
                   c->net.text.tower.t.layers, kernels, vw_precision_name(&b->ctx), b->ctx.threads,
                   b->ctx.threads == 1 ? "" : "s", vw_bench_sgemm_is(b), 1e-9 * b->sgemm);
  for (int i = 0; i < PASSES; i++) {
    if (only && strcmp(only, passes[i].name) != 0) continue;
    if (!b->json) (void)vw_print(stdout, "%s: %s\n", passes[i].name, passes[i].what);
    VW_TRY(passes[i].measure(o, trials));
  }
  return VW_OK;
}

vw_status vw_bench_owl(vw_bench *b, const char *dir, const char *trials, const char *only) {
  owl_bench o = {.b = b};
  bool known = !only;
  for (int i = 0; i < PASSES && !known; i++) known = !strcmp(only, passes[i].name);
  VW_CHECK(known, VW_ERR_ARG, "bench owl: --only '%s': choose picture, step or judge", only);
  VW_TRY(vw_owlv2_network_open(&o.n, dir, &b->ctx));
  b->n = &o.n->clip;
  const vw_status st = measure_all(&o, dir, trials, only);
  b->n = NULL;
  vw_owlv2_network_close(o.n);
  return st;
}
