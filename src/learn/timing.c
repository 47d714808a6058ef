#include "learn/timing.h"

#include "cluster/progress.h"
#include "core/random.h"
#include "kernels/linear.h"

#include <stdlib.h>
#include <string.h>

/* Far beyond what is timed: no step reaches the end of the schedule or a second row of the record. */
static const int64_t endless = (int64_t)1 << 40;

static bool is_float(vw_dtype t) {
  return t == VW_F32 || t == VW_F64 || t == VW_F16 || t == VW_BF16;
}

/* Small numbers for reals, with balls of radius 1. */
static vw_status fill_leaf(vw_program *p, const vw_leaf *leaf, uint64_t key, const vw_block_kind *k,
                           const vw_step_shape *s) {
  vw_tensor t = leaf->tensor;
  const int64_t n = vw_count(&t);
  const bool real = is_float(t.dtype), radius = !strcmp(leaf->name, "radius");
  t.dtype = real ? VW_F64 : t.dtype;
  t.data = calloc((size_t)n + 1, 8);
  VW_CHECK(t.data, VW_ERR_MEMORY, "timing: out of memory for leaf '%s'", leaf->name);
  for (int64_t j = 0; real && j < n; j++)
    vw_f64(&t)[j] = radius ? 1 : 0.1 * vw_uniform(vw_draw_u32(key, 0, 0, (uint32_t)j)) - 0.05;
  for (int64_t j = 0; t.dtype == VW_I32 && j < n; j++) vw_i32(&t)[j] = k->task->made_up(s, leaf->name, j);
  const vw_status st = vw_program_write(p, leaf->value, &t);
  free(t.data);
  return st;
}

static vw_status ready(const vw_graph *g, const vw_block_kind *k, const vw_step_shape *s, const vw_policy *policy,
                       vw_program **p) {
  const vw_network *n = k->in.network;
  VW_TRY(vw_program_create(p, g, n->ctx, policy));
  VW_TRY(vw_weights_bind(n->weights, *p));
  for (int64_t i = 0; i < vw_program_leaf_count(*p); i++) {
    const vw_leaf leaf = vw_program_leaf(*p, i);
    if (leaf.kind == VW_LEAF_WEIGHT || leaf.kind == VW_LEAF_FILL) continue;
    VW_TRY(fill_leaf(*p, &leaf, (uint64_t)i, k, s));
  }
  return vw_program_prepare(*p);
}

bool vw_can_name(const vw_block_kind *k, vw_timed what) {
  return what == VW_TIMED_STEP || k->task->part;
}

bool vw_can_time(const vw_block_kind *k, vw_timed what) {
  if (what == VW_TIMED_CACHE) return k->task->part && k->task->time_cache;
  return vw_can_name(k, what) && k->task->made_up;
}

static vw_status step_graph(vw_graph *g, const vw_block_kind *k, const vw_block_shape *shape) {
  vw_learn_config learn = k->in.model->learn;
  vw_block_shape s = *shape;
  learn.steps = s.every = endless, s.points = 1, s.segments = k->cut.segments;
  return vw_block_task_graph(g, k->task, &k->in, &learn, &s, VW_BLOCK_TRAIN);
}

/* All that shapes a step but the network. */
static void name_step(const vw_block_kind *k, const vw_step_shape *s, vw_part_name *name) {
  const vw_learn_config *learn = &k->in.model->learn;
  const vw_transformer_config *text = &k->in.network->text.tower.t;
  const int64_t vectors = k->in.vectors, segments = k->cut.segments;
  int64_t size[6 + VW_TASK_SIZES] = {s->K, learn->positives, learn->negatives, learn->optimiser};
  memcpy(size + 4, s->size, sizeof s->size);
  size[4 + VW_TASK_SIZES] = vectors, size[5 + VW_TASK_SIZES] = segments;
  (void)snprintf(name->kind, sizeof name->kind, "%s step %lldx%lld", k->task->name, (long long)text->width,
                 (long long)text->layers);
  /* times of words of one vector, and of steps that keep all, keep their names */
  const size_t named = segments > 1 ? 2 : vectors > 1 ? 1 : 0;
  name->shape = vw_hash_bytes(size, (4 + VW_TASK_SIZES + named) * sizeof *size);
}

static vw_status graph_of(vw_graph *g, const vw_block_kind *k, vw_timed what, const vw_block_shape *s,
                          const vw_policy **policy, vw_part_name *name) {
  *policy = &k->in.network->policy;
  VW_CHECK(vw_can_name(k, what), VW_ERR_UNSUPPORTED, "the task '%s' does not say how its time is made up",
           k->task->name);
  if (what != VW_TIMED_STEP) return k->task->part(&k->in, (vw_task_part)what, k->piece, g, policy, name);
  name_step(k, &s->step, name);
  return step_graph(g, k, s);
}

vw_status vw_timed_name_of(const vw_block_kind *k, vw_timed what, vw_timed_name *name) {
  const vw_policy *policy = NULL;
  vw_part_name part = {0};
  vw_block_shape s;
  vw_graph *g = NULL;
  vw_work work = {0};
  memset(name, 0, sizeof *name);
  VW_TRY(vw_learn_shape_of(k->task, &k->in, k->rows, &s));
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = graph_of(g, k, what, &s, &policy, &part);
  if (st == VW_OK) st = vw_program_work(g, policy, &work);
  (void)snprintf(name->kind, sizeof name->kind, "%s", part.kind);
  name->shape = part.shape, name->flops = work.flops;
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

static vw_status time_once(const vw_block_kind *k, const vw_graph *g, const vw_step_shape *s, const vw_policy *policy,
                           double seconds, double *one) {
  vw_program *p = NULL;
  vw_status st = ready(g, k, s, policy, &p);
  if (st == VW_OK) st = seconds > 0 ? time_program(p, seconds, one) : vw_program_run(p);
  if (st == VW_OK) st = vw_program_wait(p);
  vw_program_destroy(p);
  return st;
}

vw_status vw_time_runs(const vw_block_kind *k, vw_timed what, double seconds, double *one) {
  const vw_policy *policy = NULL;
  vw_part_name ignored;
  vw_block_shape s;
  vw_graph *g = NULL;
  int64_t runs = 0;
  vw_status st = VW_OK;
  *one = 0;
  VW_CHECK(vw_can_time(k, what), VW_ERR_UNSUPPORTED, "the task '%s' does not say how to time this", k->task->name);
  if (what == VW_TIMED_CACHE) return k->task->time_cache(&k->in, seconds, one);
  if (what == VW_TIMED_JUDGE && k->task->time_judge) return k->task->time_judge(&k->in, k->piece, seconds, one);
  VW_TRY(vw_learn_shape_of(k->task, &k->in, k->rows, &s));
  VW_GOTO(vw_graph_create(&g));
  VW_GOTO(graph_of(g, k, what, &s, &policy, &ignored));
  if (what != VW_TIMED_JUDGE || k->task->draws_parts) {
    VW_GOTO(time_once(k, g, &s.step, policy, seconds, one));
    goto cleanup;
  }
  VW_GOTO(time_once(k, g, &s.step, policy, 0, one));
  const double start = vw_seconds();
  for (; runs < 3 || vw_seconds() - start < seconds; runs++) VW_GOTO(time_once(k, g, &s.step, policy, 0, one));
  *one = (vw_seconds() - start) / (double)runs;
cleanup:
  vw_graph_destroy(g);
  return st;
}

vw_status vw_time_open(const vw_block_kind *k, vw_timed_program *out) {
  const vw_policy *policy = NULL;
  vw_part_name ignored;
  vw_block_shape s;
  *out = (vw_timed_program){0};
  VW_CHECK(vw_can_time(k, VW_TIMED_STEP), VW_ERR_UNSUPPORTED, "the task '%s' does not say how to time this",
           k->task->name);
  VW_TRY(vw_learn_shape_of(k->task, &k->in, k->rows, &s));
  VW_TRY(vw_graph_create(&out->graph));
  VW_TRY(graph_of(out->graph, k, VW_TIMED_STEP, &s, &policy, &ignored));
  return ready(out->graph, k, &s.step, policy, &out->program);
}

void vw_time_close(vw_timed_program *t) {
  vw_program_destroy(t->program);
  vw_graph_destroy(t->graph);
  *t = (vw_timed_program){0};
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
