#include "learn/memory.h"

#include <stdlib.h>
#include <string.h>

/* A graph's memory by its plan; the caller destroys the graph. */
static vw_status measure(const vw_graph *g, const vw_clip_network *n, const vw_policy *policy, int64_t *bytes,
                         int64_t *weights) {
  vw_program_memory m = {0};
  VW_TRY(vw_program_measure(g, n->ctx, policy, &m));
  *bytes = m.arena + m.leaves, *weights = m.weights;
  return VW_OK;
}

/* The sizes that the templates give: prefix, tail and number of templates, the judging one included. */
static vw_status template_sizes(const vw_clip_network *n, const vw_learn_config *learn, vw_block_shape *s) {
  vw_templates t = {0};
  const char **texts = malloc((size_t)(learn->templates.n + 1) * sizeof *texts);
  VW_CHECK(texts, VW_ERR_MEMORY, "templates: out of memory");
  for (int64_t i = 0; i < learn->templates.n; i++) texts[i] = learn->templates.name[i];
  texts[learn->templates.n] = learn->judge_template;
  const vw_status st = vw_templates_create(&t, n->tokenizer, texts, learn->templates.n + 1, n->text.positions);
  free((void *)texts);
  VW_TRY(st);
  s->M = t.M, s->P = t.P, s->T = t.T;
  vw_templates_destroy(&t);
  return VW_OK;
}

vw_status vw_learn_shape_of(const vw_clip_network *n, const vw_learn_config *learn, const vw_picture_set *pictures,
                            int64_t concepts, int64_t rows, vw_block_shape *shape) {
  const int64_t slots = rows < concepts ? rows : concepts;
  const int64_t points = learn->loss_points < learn->steps ? learn->loss_points : learn->steps;
  *shape = (vw_block_shape){.K = rows,
                            .slots = slots < 1 ? 1 : slots,
                            .pictures = pictures->n_train,
                            .positive_pool = slots * pictures->data->train,
                            .negative_pool = slots * pictures->n_train,
                            .points = points < 1 ? 1 : points,
                            .every = 1};
  return template_sizes(n, learn, shape);
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
    t.dtype = vw_resolve(policy, t.dtype);
    if (!is_there) bytes += (int64_t)vw_bytes(&t);
  }
  return bytes;
}

/* A program beside the one that owns the inputs and lends its arena (learn/block.c). */
static vw_status measure_beside(const vw_clip_network *n, const vw_learn_config *learn, const vw_block_shape *shape,
                                vw_block_mode mode, const vw_graph *owner, const vw_program_memory *lent,
                                int64_t *bytes) {
  vw_graph *g = NULL;
  vw_program_memory m = {0};
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = vw_block_graph(g, &n->text, learn, shape, n->scale, mode);
  if (st == VW_OK) st = vw_program_measure(g, n->ctx, &n->policy, &m);
  if (st == VW_OK) *bytes += vw_program_arena_beside(&m, lent) + own_leaves(g, owner, &n->policy);
  vw_graph_destroy(g);
  return st;
}

/* The most that a rank takes: with slices, one that computes all of them (a team of one). The update's inputs gradient
 * and loss are the sum of the slices. */
static vw_status measure_steps(const vw_clip_network *n, const vw_learn_config *learn, const vw_block_shape *shape,
                               const vw_graph *owner, const vw_program_memory *lent, int64_t *bytes) {
  const int64_t head = (int64_t)vw_dtype_bytes(vw_resolve(&n->policy, VW_HEAD));
  const int64_t row = (shape->K * n->text.t.width + shape->K) * head;
  vw_block_shape part = *shape;
  if (shape->slices <= 1) return measure_beside(n, learn, shape, VW_BLOCK_TRAIN, owner, lent, bytes);
  VW_TRY(measure_beside(n, learn, shape, VW_BLOCK_UPDATE, owner, lent, bytes));
  for (part.slice = 0; part.slice < part.slices; part.slice++)
    VW_TRY(measure_beside(n, learn, &part, VW_BLOCK_SLICE, owner, lent, bytes));
  *bytes += shape->slices * row;
  return VW_OK;
}

static vw_status measure_block(vw_clip_network *n, const vw_learn_config *learn, const vw_block_shape *shape,
                               vw_learn_memory *m) {
  vw_graph *g = NULL;
  vw_program_memory lent = {0};
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = vw_block_graph(g, &n->text, learn, shape, n->scale, VW_BLOCK_WATCH);
  if (st == VW_OK) st = vw_program_measure(g, n->ctx, &n->policy, &lent);
  m->block = lent.arena + lent.leaves, m->weights = lent.weights;
  if (st == VW_OK) st = measure_steps(n, learn, shape, g, &lent, &m->block);
  vw_graph_destroy(g);
  return st;
}

static vw_status measure_texts(vw_clip_network *n, int64_t tokens, vw_learn_memory *m) {
  vw_graph *g = NULL;
  int64_t ignored = 0;
  const int64_t T = tokens < n->text.positions ? tokens : n->text.positions;
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = vw_text_pass_graph(g, n, T);
  if (st == VW_OK) st = measure(g, n, &n->policy, &m->texts, &ignored);
  vw_graph_destroy(g);
  return st;
}

static vw_status measure_pictures(vw_clip_network *n, vw_learn_memory *m) {
  vw_graph *g = NULL;
  int64_t weights = 0;
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = vw_image_pass_graph(g, n);
  if (st == VW_OK) st = measure(g, n, &n->image_policy, &m->pictures, &weights);
  vw_graph_destroy(g);
  m->weights += weights;
  return st;
}

static int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

/* What does not depend on a block's rows. */
static vw_status measure_passes(vw_clip_network *n, const vw_block_shape *shape, vw_learn_memory *out) {
  *out = (vw_learn_memory){0};
  VW_TRY(measure_texts(n, shape->P + shape->T, out));
  return measure_pictures(n, out);
}

static vw_status measure_all(vw_clip_network *n, const vw_learn_config *learn, const vw_block_shape *shape,
                             const vw_learn_memory *passes, vw_learn_memory *out) {
  *out = *passes;
  VW_TRY(measure_block(n, learn, shape, out));
  out->weights += passes->weights;
  out->peak = out->weights + larger(out->block, larger(out->texts, out->pictures));
  return VW_OK;
}

vw_status vw_learn_memory_of(vw_clip_network *n, const vw_learn_config *learn, const vw_picture_set *pictures,
                             int64_t concepts, int64_t rows, int64_t slices, vw_learn_memory *out) {
  vw_block_shape shape;
  vw_learn_memory passes;
  VW_TRY(vw_learn_shape_of(n, learn, pictures, concepts, rows, &shape));
  shape.slices = slices;
  VW_TRY(measure_passes(n, &shape, &passes));
  return measure_all(n, learn, &shape, &passes, out);
}

vw_status vw_learn_rows_within(vw_clip_network *n, const vw_learn_config *learn, const vw_picture_set *pictures,
                               int64_t concepts, int64_t slices, int64_t bytes, int64_t most, int64_t *rows) {
  int64_t fits = 0, fails = most + 1;
  vw_block_shape shape;
  vw_learn_memory passes;
  VW_TRY(vw_learn_shape_of(n, learn, pictures, concepts, most, &shape));
  VW_TRY(measure_passes(n, &shape, &passes));
  while (fails - fits > 1) {
    vw_learn_memory m;
    const int64_t middle = fails == most + 1 ? most : fits + (fails - fits) / 2; /* try `most` first; it usually fits */
    const int64_t slots = middle < concepts ? middle : concepts;
    shape.K = middle, shape.slices = slices, shape.slots = slots < 1 ? 1 : slots;
    shape.positive_pool = slots * pictures->data->train, shape.negative_pool = slots * pictures->n_train;
    VW_TRY(measure_all(n, learn, &shape, &passes, &m));
    if (m.peak <= bytes)
      fits = middle;
    else
      fails = middle;
  }
  *rows = fits;
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

vw_status vw_learn_prepare_alone(vw_clip_network *n, const vw_graph *g, const vw_policy *policy) {
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

vw_status vw_learn_rehearse(vw_clip_network *n, const vw_learn_config *learn, const vw_picture_set *pictures,
                            int64_t concepts, int64_t rows) {
  vw_block_shape shape;
  VW_TRY(vw_learn_shape_of(n, learn, pictures, concepts, rows, &shape));
  for (int what = 0; what < 3; what++) {
    vw_graph *g = NULL;
    const bool image = what == 2;
    vw_status st = vw_graph_create(&g);
    if (st == VW_OK)
      st =
          image ? vw_image_pass_graph(g, n) : vw_block_graph(g, &n->text, learn, &shape, n->scale, (vw_block_mode)what);
    if (st == VW_OK) st = vw_learn_prepare_alone(n, g, image ? &n->image_policy : &n->policy);
    vw_graph_destroy(g);
    VW_TRY(st);
  }
  return VW_OK;
}
