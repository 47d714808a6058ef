#include "learn/timing.h"

#include "cluster/progress.h"
#include "core/random.h"
#include "kernels/linear.h"

#include <stdlib.h>
#include <string.h>

/* Far beyond what is timed: no step reaches the end of the schedule or a second row of the record. */
static const int64_t endless = (int64_t)1 << 40;

/* Entry j of an integer leaf: every template has the longest prefix and tail, pools are the pictures in order. */
static int32_t integer_of(const char *name, int64_t j, const vw_block_shape *s) {
  if (!strcmp(name, "row_word") || !strcmp(name, "slot_pool")) return (int32_t)j;
  if (strstr(name, "tive_pool")) return (int32_t)(j % (s->pictures > 0 ? s->pictures : 1));
  if (!strcmp(name, "positive_count")) return (int32_t)(s->positive_pool / s->slots);
  if (!strcmp(name, "negative_count")) return (int32_t)(s->negative_pool / s->slots);
  if (!strcmp(name, "slot_count")) return (int32_t)s->M;
  if (!strcmp(name, "template_of") || !strcmp(name, "row_template")) return (int32_t)(j % s->M);
  if (!strcmp(name, "length_of")) return (int32_t)s->T;
  if (!strcmp(name, "pooled_of")) return (int32_t)(s->T - 1);
  if (!strcmp(name, "prefix_len")) return (int32_t)s->P;
  return 0;
}

static bool is_float(vw_dtype t) {
  return t == VW_F32 || t == VW_F64 || t == VW_F16 || t == VW_BF16;
}

/* Small numbers for reals, with balls of radius 1. */
static vw_status fill_leaf(vw_program *p, const vw_leaf *leaf, uint64_t key, const vw_block_shape *s) {
  vw_tensor t = leaf->tensor;
  const int64_t n = vw_count(&t);
  const bool real = is_float(t.dtype), radius = !strcmp(leaf->name, "radius");
  t.dtype = real ? VW_F64 : t.dtype;
  t.data = calloc((size_t)n + 1, 8);
  VW_CHECK(t.data, VW_ERR_MEMORY, "timing: out of memory for leaf '%s'", leaf->name);
  for (int64_t j = 0; real && j < n; j++)
    vw_f64(&t)[j] = radius ? 1 : 0.1 * vw_uniform(vw_draw_u32(key, 0, 0, (uint32_t)j)) - 0.05;
  for (int64_t j = 0; t.dtype == VW_I32 && j < n; j++) vw_i32(&t)[j] = integer_of(leaf->name, j, s);
  const vw_status st = vw_program_write(p, leaf->value, &t);
  free(t.data);
  return st;
}

static vw_status ready(const vw_graph *g, vw_clip_network *n, const vw_block_shape *s, vw_program **p) {
  VW_TRY(vw_program_create(p, g, n->ctx, &n->policy));
  VW_TRY(vw_weights_bind(n->weights, *p));
  for (int64_t i = 0; i < vw_program_leaf_count(*p); i++) {
    const vw_leaf leaf = vw_program_leaf(*p, i);
    if (leaf.kind == VW_LEAF_WEIGHT || leaf.kind == VW_LEAF_FILL) continue;
    VW_TRY(fill_leaf(*p, &leaf, (uint64_t)i, s));
  }
  return vw_program_prepare(*p);
}

enum { WORD_BATCH = 32 }; /* of learn/judge.c */

static vw_status graph_of(vw_graph *g, const vw_block_kind *k, vw_timed what, const vw_block_shape *shape) {
  const vw_clip_network *n = k->network;
  vw_learn_config learn = *k->learn;
  vw_block_shape s = *shape;
  const int64_t T = s.P + s.T < n->text.positions ? s.P + s.T : n->text.positions;
  learn.steps = s.every = endless, s.points = 1;
  if (what == VW_TIMED_STEP) return vw_block_graph(g, &n->text, &learn, &s, n->scale, VW_BLOCK_TRAIN);
  if (what == VW_TIMED_TEXTS) return vw_text_pass_graph(g, n, T);
  if (what == VW_TIMED_WORDS) return vw_word_feature_graph(g, &n->text, WORD_BATCH, WORD_BATCH, &s);
  return vw_image_pass_graph(g, n);
}

vw_status vw_timed_name_of(const vw_block_kind *k, vw_timed what, vw_timed_name *name) {
  static const char *const names[VW_TIMED] = {"step", "texts", "words", "picture"};
  const vw_clip_network *n = k->network;
  const bool image = what == VW_TIMED_PICTURE;
  vw_block_shape s;
  vw_graph *g = NULL;
  vw_work work = {0};
  memset(name, 0, sizeof *name);
  VW_TRY(vw_learn_shape_of(n, k->learn, k->pictures, k->concepts, k->rows, &s));
  (void)snprintf(name->kind, sizeof name->kind, "%s %lldx%lld", names[what],
                 (long long)(image ? n->vision.t.width : n->text.t.width),
                 (long long)(image ? n->vision.t.layers : n->text.t.layers));
  const int64_t step[] =
      {s.K, s.slots, s.M, s.P, s.T, s.pictures, k->learn->positives, k->learn->negatives, k->learn->optimiser},
                words[] = {s.M, s.P, s.T}, texts[] = {s.P + s.T}, picture[] = {n->vision.image_size};
  name->shape = what == VW_TIMED_STEP    ? vw_hash_bytes(step, sizeof step)
                : what == VW_TIMED_WORDS ? vw_hash_bytes(words, sizeof words)
                : what == VW_TIMED_TEXTS ? vw_hash_bytes(texts, sizeof texts)
                                         : vw_hash_bytes(picture, sizeof picture);
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = graph_of(g, k, what, &s);
  if (st == VW_OK) st = vw_program_work(g, image ? &n->image_policy : &n->policy, &work);
  name->flops = work.flops;
  vw_graph_destroy(g);
  return st;
}

/* At least three runs, after one that fills caches and starts threads. */
static vw_status time_program(vw_program *p, double seconds, double *one) {
  int64_t runs = 0;
  VW_TRY(vw_program_run(p));
  VW_TRY(vw_program_wait(p));
  const double start = vw_seconds();
  do {
    VW_TRY(vw_program_run(p));
    if (runs % 8 == 7) VW_TRY(vw_program_wait(p)); /* as a run does not wait for each step */
    runs++;
  } while (runs < 3 || vw_seconds() - start < seconds);
  VW_TRY(vw_program_wait(p));
  *one = (vw_seconds() - start) / (double)runs;
  return VW_OK;
}

static vw_status time_once(const vw_block_kind *k, const vw_graph *g, const vw_block_shape *s, double seconds,
                           double *one) {
  vw_program *p = NULL;
  vw_status st = ready(g, k->network, s, &p);
  if (st == VW_OK) st = seconds > 0 ? time_program(p, seconds, one) : vw_program_run(p);
  if (st == VW_OK) st = vw_program_wait(p);
  vw_program_destroy(p);
  return st;
}

vw_status vw_time_runs(const vw_block_kind *k, vw_timed what, double seconds, double *one) {
  vw_block_shape s;
  vw_graph *g = NULL;
  int64_t runs = 0;
  vw_status st = VW_OK;
  *one = 0;
  VW_CHECK(what != VW_TIMED_PICTURE, VW_ERR_ARG, "pictures are timed with their files");
  VW_TRY(vw_learn_shape_of(k->network, k->learn, k->pictures, k->concepts, k->rows, &s));
  VW_GOTO(vw_graph_create(&g));
  VW_GOTO(graph_of(g, k, what, &s));
  if (what != VW_TIMED_WORDS) {
    VW_GOTO(time_once(k, g, &s, seconds, one));
    goto cleanup;
  }
  VW_GOTO(time_once(k, g, &s, 0, one));
  const double start = vw_seconds();
  for (; runs < 3 || vw_seconds() - start < seconds; runs++) VW_GOTO(time_once(k, g, &s, 0, one));
  *one = (vw_seconds() - start) / (double)runs;
cleanup:
  vw_graph_destroy(g);
  return st;
}

/* The fastest of some products of n x n matrices, in seconds. */
static vw_status time_square(vw_context *ctx, int64_t n, double seconds, double *best) {
  const vw_policy policy = vw_default_policy(ctx->backend);
  vw_graph *g = NULL;
  vw_program *p = NULL;
  vw_status st = VW_OK;
  vw_tensor host = vw_shape(VW_F64, n, n);
  host.data = calloc((size_t)(n * n), sizeof(double));
  VW_CHECK(host.data, VW_ERR_MEMORY, "timing: out of memory");
  for (int64_t i = 0; i < n * n; i++) vw_f64(&host)[i] = vw_uniform(vw_draw_u32(7, 0, 0, (uint32_t)i)) - 0.5;
  VW_GOTO(vw_graph_create(&g));
  const vw_value x = vw_input(g, vw_shape(VW_ACT, n, n), "x"), w = vw_input(g, vw_shape(VW_PARAM, n, n), "w");
  vw_output(g, vw_linear(g, x, (vw_linear_weights){w, VW_NONE}, VW_ACT_NONE, VW_NONE, VW_ACT), "y");
  VW_GOTO(vw_program_create(&p, g, ctx, &policy));
  VW_GOTO(vw_program_write(p, x, &host));
  VW_GOTO(vw_program_write(p, w, &host));
  VW_GOTO(vw_program_prepare(p));
  const double start = vw_seconds();
  *best = 1e30;
  for (int run = 0; run < 4 || vw_seconds() - start < seconds; run++) {
    const double begun = vw_seconds();
    VW_GOTO(vw_program_run(p));
    VW_GOTO(vw_program_wait(p));
    if (vw_seconds() - begun < *best) *best = vw_seconds() - begun;
  }
cleanup:
  vw_program_destroy(p);
  vw_graph_destroy(g);
  free(host.data);
  return st;
}

/* Matrices grow until a product takes its share of the time: what is slow (ref, an emulated device) stays with small
 * ones. */
vw_status vw_time_product(vw_context *ctx, double seconds, double *flops_per_second) {
  const int64_t most = ctx->backend == VW_CUDA ? 4096 : ctx->backend == VW_CPU ? 1024 : 96;
  double best = 0;
  for (int64_t n = most > 64 ? 64 : most;; n = 4 * n < most ? 4 * n : most) {
    VW_TRY(time_square(ctx, n, n == most ? seconds : 0, &best));
    *flops_per_second = 2.0 * (double)n * (double)n * (double)n / best;
    if (n == most || 16 * best > seconds) return VW_OK;
  }
}
