#include "learn/memory.h"

#include "learn/block_graph.h"

#include <stdlib.h>
#include <string.h>

/* Whose memory is measured. */
typedef struct measured {
  const vw_task_kind *task;
  const vw_task_inputs *in;
  const vw_learn_config *learn;
  const vw_network *n;
} measured;

static measured measured_of(const vw_task_kind *task, const vw_task_inputs *in) {
  return (measured){task, in, &in->model->learn, in->network};
}

static vw_status emit(const measured *of, vw_graph *g, const vw_block_shape *s, vw_block_mode mode) {
  return vw_block_task_graph(g, of->task, of->in, of->learn, s, mode);
}

vw_status vw_learn_shape_of(const vw_task_kind *task, const vw_task_inputs *in, int64_t rows, vw_block_shape *shape) {
  const vw_learn_config *l = &in->model->learn;
  const int64_t points = l->loss_points < l->steps ? l->loss_points : l->steps;
  *shape = (vw_block_shape){.step = {.K = rows}, .vectors = in->vectors, .points = points < 1 ? 1 : points, .every = 1};
  return task->shape(in, rows, &shape->step);
}

/* Bytes of the leaves of `g` that are no inputs of `from`, whose inputs it uses. */
static int64_t own_leaves(const vw_graph *g, const vw_graph *from, const vw_policy *policy) {
  int64_t bytes = 0;
  for (int64_t i = 0; i < vw_graph_leaf_count(g); i++) {
    const vw_leaf leaf = vw_graph_leaf(g, i);
    vw_tensor t = leaf.tensor;
    bool is_there = leaf.kind == VW_LEAF_WEIGHT;
    for (int64_t j = 0; leaf.kind == VW_LEAF_INPUT && j < vw_graph_leaf_count(from) && !is_there; j++) {
      const vw_leaf other = vw_graph_leaf(from, j);
      is_there = other.kind == VW_LEAF_INPUT && !strcmp(other.name, leaf.name);
    }
    t.dtype = vw_graph_storage(g, policy, leaf.value);
    if (!is_there) bytes += (int64_t)vw_bytes(&t);
  }
  return bytes;
}

/* A program beside the one that owns the inputs and lends its arena (learn/block.c). */
static vw_status measure_beside(const measured *of, const vw_block_shape *shape, vw_block_mode mode,
                                const vw_graph *owner, const vw_program_memory *lent, vw_learn_memory *sum) {
  const vw_network *n = of->n;
  vw_graph *g = NULL;
  vw_program_memory m = {0};
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = emit(of, g, shape, mode);
  if (st == VW_OK) st = vw_program_measure(g, n->ctx, &n->policy, &m);
  if (st == VW_OK) sum->block += vw_program_arena_beside(&m, lent) + own_leaves(g, owner, &n->policy);
  if (m.weights > sum->weights) sum->weights = m.weights; /* a step has all that the fixed set has */
  vw_graph_destroy(g);
  return st;
}

/* The most that a rank takes: with slices, one that computes all of them (a team of one). The update's inputs gradient
 * and loss are the sum of the slices. */
static vw_status measure_steps(const measured *of, const vw_block_shape *shape, const vw_graph *owner,
                               const vw_program_memory *lent, vw_learn_memory *sum) {
  const int64_t head = (int64_t)vw_dtype_bytes(vw_resolve(&of->n->policy, VW_HEAD));
  const int64_t row = (shape->step.K * of->in->vectors * of->n->width + shape->step.K) * head;
  vw_block_shape part = *shape;
  if (shape->step.slices <= 1) return measure_beside(of, shape, VW_BLOCK_TRAIN, owner, lent, sum);
  VW_TRY(measure_beside(of, shape, VW_BLOCK_UPDATE, owner, lent, sum));
  for (part.step.slice = 0; part.step.slice < part.step.slices; part.step.slice++)
    VW_TRY(measure_beside(of, &part, VW_BLOCK_SLICE, owner, lent, sum));
  sum->block += shape->step.slices * row;
  return VW_OK;
}

static vw_status measure_block(const measured *of, const vw_block_shape *shape, vw_learn_memory *m) {
  vw_graph *g = NULL;
  vw_program_memory lent = {0};
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = emit(of, g, shape, VW_BLOCK_WATCH);
  if (st == VW_OK) st = vw_program_measure(g, of->n->ctx, &of->n->policy, &lent);
  m->block = lent.arena + lent.leaves, m->weights = lent.weights;
  if (st == VW_OK) st = measure_steps(of, shape, g, &lent, m);
  if (st == VW_OK && of->learn->watch_every) st = measure_beside(of, shape, VW_BLOCK_LOOK, g, &lent, m);
  vw_graph_destroy(g);
  return st;
}

static vw_status measure_pass(const measured *of, int i, vw_learn_memory *out) {
  const vw_policy *policy = NULL;
  vw_graph *g = NULL;
  vw_program_memory m = {0};
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = of->task->pass(of->in, i, g, &policy);
  if (st == VW_OK) st = vw_program_measure(g, of->n->ctx, policy, &m);
  vw_graph_destroy(g);
  out->pass[i] = m.arena + m.leaves;
  if (of->task->passes[i].has_own_weights) out->weights += m.weights;
  return st;
}

/* What does not depend on a block's rows. */
static vw_status measure_passes(const measured *of, vw_learn_memory *out) {
  *out = (vw_learn_memory){0};
  for (int i = 0; i < of->task->n_passes; i++) VW_TRY(measure_pass(of, i, out));
  return VW_OK;
}

static vw_status measure_all(const measured *of, int64_t rows, vw_step_cut cut, const vw_learn_memory *passes,
                             vw_learn_memory *out) {
  vw_block_shape shape;
  *out = *passes;
  VW_TRY(vw_learn_shape_of(of->task, of->in, rows, &shape));
  shape.step.slices = cut.slices, shape.segments = cut.segments;
  VW_TRY(measure_block(of, &shape, out));
  out->weights += passes->weights;
  int64_t pass = 0;
  for (int i = 0; i < of->task->n_passes; i++)
    if (out->pass[i] > pass) pass = out->pass[i];
  const bool is_beside = of->task->sample && of->learn->watch_pictures; /* words draw while they are learned */
  out->peak = out->weights + (is_beside ? out->block + pass : out->block > pass ? out->block : pass);
  return VW_OK;
}

vw_status vw_learn_memory_of(const vw_task_kind *task, const vw_task_inputs *in, int64_t rows, vw_step_cut cut,
                             vw_learn_memory *out) {
  const measured of = measured_of(task, in);
  vw_learn_memory passes;
  VW_TRY(measure_passes(&of, &passes));
  return measure_all(&of, rows, cut, &passes, out);
}

/* Bytes that are missing; 0: it fits. */
static int64_t missing(const vw_learn_memory *m, const vw_learn_limit *limit) {
  const int64_t peak = limit->peak ? m->peak - limit->peak : 0, block = limit->block ? m->block - limit->block : 0;
  const int64_t more = peak > block ? peak : block;
  return more > 0 ? more : 0;
}

bool vw_learn_fits(const vw_learn_memory *m, const vw_learn_limit *limit) {
  return missing(m, limit) == 0;
}

vw_status vw_learn_rows_within(const vw_task_kind *task, const vw_task_inputs *in, vw_step_cut cut,
                               const vw_learn_limit *limit, int64_t most, int64_t *rows) {
  const measured of = measured_of(task, in);
  int64_t fits = 0, fails = most + 1;
  vw_learn_memory passes;
  VW_TRY(measure_passes(&of, &passes));
  while (fails - fits > 1) {
    vw_learn_memory m;
    const int64_t middle = fails == most + 1 ? most : fits + (fails - fits) / 2; /* try `most` first; it usually fits */
    VW_TRY(measure_all(&of, middle, cut, &passes, &m));
    if (vw_learn_fits(&m, limit))
      fits = middle;
    else
      fails = middle;
  }
  *rows = fits;
  return VW_OK;
}

vw_status vw_learn_segments_within(const vw_task_kind *task, const vw_task_inputs *in, int64_t rows, int64_t slices,
                                   const vw_learn_limit *limit, int64_t *segments, vw_learn_memory *out) {
  static const int64_t tried[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, VW_MOST_SEGMENTS};
  const measured of = measured_of(task, in);
  int64_t least = INT64_MAX;
  vw_learn_memory passes, m;
  VW_TRY(measure_passes(&of, &passes));
  for (size_t i = 0; i < sizeof tried / sizeof *tried && least > 0; i++) {
    VW_TRY(measure_all(&of, rows, (vw_step_cut){slices, tried[i]}, &passes, &m));
    if (missing(&m, limit) >= least) break; /* more cuts bring nothing any more */
    least = missing(&m, limit), *segments = tried[i], *out = m;
  }
  return VW_OK;
}

/* ---- choices ----------------------------------------------------------------------------------------------------- */

static vw_status write_zeros(vw_program *p, const vw_leaf *leaf) {
  vw_tensor zero = leaf->tensor;
  zero.data = calloc((size_t)vw_count(&zero) + 1, vw_dtype_bytes(zero.dtype));
  VW_CHECK(zero.data, VW_ERR_MEMORY, "out of memory");
  const vw_status st = vw_program_write(p, leaf->value, &zero);
  free(zero.data);
  return st;
}

vw_status vw_learn_prepare_alone(const vw_network *n, const vw_graph *g, const vw_policy *policy) {
  vw_program *p = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_program_create(&p, g, n->ctx, policy));
  VW_GOTO(vw_weights_bind(n->weights, p));
  for (int64_t i = 0; i < vw_program_leaf_count(p); i++) {
    const vw_leaf leaf = vw_program_leaf(p, i);
    if (leaf.kind == VW_LEAF_INPUT || leaf.kind == VW_LEAF_STATE) VW_GOTO(write_zeros(p, &leaf));
  }
  VW_GOTO(vw_program_prepare(p));
cleanup:
  vw_program_destroy(p);
  return st;
}

vw_status vw_learn_rehearse(const vw_task_kind *task, const vw_task_inputs *in, int64_t rows, int64_t segments) {
  const measured of = measured_of(task, in);
  vw_block_shape shape;
  VW_TRY(vw_learn_shape_of(task, in, rows, &shape));
  shape.segments = segments;
  const int modes = of.learn->watch_every ? 3 : 2; /* VW_BLOCK_TRAIN, _WATCH, _LOOK */
  for (int what = 0; what < modes + task->n_passes; what++) {
    const vw_policy *policy = &of.n->policy;
    const bool is_pass = what >= modes;
    vw_graph *g = NULL;
    if (is_pass && !task->passes[what - modes].has_own_weights) continue;
    vw_status st = vw_graph_create(&g);
    if (st == VW_OK)
      st = is_pass ? task->pass(in, what - modes, g, &policy) : emit(&of, g, &shape, (vw_block_mode)what);
    if (st == VW_OK) st = vw_learn_prepare_alone(of.n, g, policy);
    vw_graph_destroy(g);
    VW_TRY(st);
  }
  return VW_OK;
}
