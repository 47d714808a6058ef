#include "learn/cost.h"

#include "learn/block.h"

#include <math.h>
#include <stdlib.h>

typedef struct vw_cost_entry {
  vw_block_kind kind;
  vw_block_cost cost;
} vw_cost_entry;

void vw_costs_free(vw_costs *c) {
  free(c->entries);
  *c = (vw_costs){0};
}

static bool same(const vw_block_kind *a, const vw_block_kind *b) {
  return a->task == b->task && a->in.network == b->in.network && a->in.model == b->in.model &&
         a->in.pictures == b->in.pictures && a->in.concepts == b->in.concepts && a->in.vectors == b->in.vectors &&
         a->rows == b->rows && a->cut.slices == b->cut.slices && a->cut.segments == b->cut.segments;
}

/* A training step, or a draw of a look, whole: slices are parts of the same work. */
static vw_status count(const vw_block_kind *k, vw_block_mode mode, vw_work *work) {
  const vw_network *n = k->in.network;
  vw_block_shape shape;
  vw_graph *g = NULL;
  VW_TRY(vw_learn_shape_of(k->task, &k->in, k->rows, &shape));
  shape.segments = k->cut.segments;
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = vw_block_task_graph(g, k->task, &k->in, &k->in.model->learn, &shape, mode);
  if (st == VW_OK) st = vw_program_work(g, &n->policy, work);
  vw_graph_destroy(g);
  return st;
}

/* The looks on the way as steps of the same work. */
static vw_status add_looks(const vw_block_kind *k, vw_block_cost *out) {
  const vw_learn_config *l = &k->in.model->learn;
  vw_work look = {0};
  if (!l->watch_every) return VW_OK;
  VW_TRY(count(k, VW_BLOCK_LOOK, &look));
  const int64_t looks = l->steps / l->watch_every + 1;
  const double draws = (double)(looks * vw_task_watch_draws(k->task, l));
  if (out->step.flops > 0) out->runs += (int64_t)ceil(draws * look.flops / out->step.flops);
  return VW_OK;
}

static vw_status measure(const vw_block_kind *k, vw_block_cost *out) {
  *out = (vw_block_cost){.runs = k->in.model->learn.steps + 2 * vw_task_watch_draws(k->task, &k->in.model->learn)};
  VW_TRY(vw_learn_memory_of(k->task, &k->in, k->rows, k->cut, &out->memory));
  VW_TRY(count(k, VW_BLOCK_TRAIN, &out->step));
  return add_looks(k, out);
}

vw_status vw_costs_find(vw_costs *c, const vw_block_kind *kind, vw_block_cost *out) {
  for (int64_t i = 0; i < c->n; i++)
    if (same(&c->entries[i].kind, kind)) {
      *out = c->entries[i].cost;
      return VW_OK;
    }
  VW_TRY(measure(kind, out));
  vw_cost_entry *grown = realloc(c->entries, (size_t)(c->n + 1) * sizeof *grown);
  VW_CHECK(grown, VW_ERR_MEMORY, "no memory for %lld costs", (long long)c->n + 1);
  c->entries = grown;
  c->entries[c->n++] = (vw_cost_entry){*kind, *out};
  return VW_OK;
}

/* A product with a weight does two operations a row for each of its numbers. Processors do some ten operations in the
 * time that a byte takes from memory, and reach most of their speed from some 64 rows of a product on (docs/
 * benchmarks.md: ViT-L/14). A trial has as many rows as its templates have positions behind the prefix. */
vw_status vw_block_efficient_rows(const vw_block_kind *kind, int64_t *rows) {
  enum { PRODUCT_ROWS = 64 };
  static const int64_t largest_cache = 32 << 20;
  const vw_transformer_config *text = &kind->in.network->text.tower.t;
  const int64_t width = text->width, layers = text->layers;
  const int64_t weights = layers * 12 * width * width * (int64_t)sizeof(float); /* q k v out, and twice 4 in the MLP */
  vw_block_shape shape;
  *rows = 1;
  if (weights <= largest_cache || !kind->task->product_rows) return VW_OK;
  VW_TRY(vw_learn_shape_of(kind->task, &kind->in, 1, &shape));
  const int64_t of_one = kind->task->product_rows(&shape.step);
  *rows = (PRODUCT_ROWS + of_one - 1) / of_one;
  return VW_OK;
}
