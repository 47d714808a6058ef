/* A training step that several ranks share (learn/team.h). */
#include "learn/block_internal.h"

#include "core/align.h"

#include <stdlib.h>
#include <string.h>

void *vw_block_leaf_data(const vw_block_part_program *p, const char *name) {
  const vw_value v = vw_find(p->graph, name);
  for (int64_t i = 0; v != VW_NONE && i < vw_program_leaf_count(p->program); i++) {
    const vw_leaf leaf = vw_program_leaf(p->program, i);
    if (leaf.value == v) return leaf.tensor.data;
  }
  return NULL;
}

static vw_status bind(const vw_block_part_program *p, const char *name, const void *data) {
  const vw_value v = vw_find(p->graph, name);
  VW_CHECK(v != VW_NONE && data, VW_ERR_ARG, "block: there is no '%s' to bind", name);
  return vw_program_bind(p->program, v, data);
}

/* Elements up to the next aligned place. */
static int64_t whole_lines(int64_t n, vw_dtype type) {
  const int64_t line = VW_ALIGN / (int64_t)vw_dtype_bytes(type);
  return (n + line - 1) / line * line;
}

static char *row_of(const vw_sliced_step *d, int64_t slice) {
  return (char *)d->rows + (size_t)(slice * d->n) * vw_dtype_bytes(d->type);
}

static size_t loss_at(const vw_block_run *r) {
  return (size_t)whole_lines(r->s->K * r->s->C, r->sliced->type) * vw_dtype_bytes(r->sliced->type);
}

/* Consecutive slices to each member, the larger shares last. */
static void share_out(const vw_sliced_step *d, int64_t slices) {
  for (int i = 0; i < d->team->size; i++) d->count[i] = slices * (i + 1) / d->team->size - slices * i / d->team->size;
}

static vw_status allocate(vw_block_run *r, int64_t slices) {
  vw_sliced_step *d = r->sliced;
  vw_context *ctx = r->t->in.network->ctx;
  const vw_memory *m = vw_memory_of(ctx->backend);
  const size_t row = (size_t)d->n * vw_dtype_bytes(d->type);
  d->count = calloc((size_t)d->team->size, sizeof *d->count);
  d->slices = calloc((size_t)slices, sizeof *d->slices);
  VW_CHECK(d->count && d->slices, VW_ERR_MEMORY, "block: out of memory");
  share_out(d, slices);
  VW_TRY(m->allocate(ctx, (size_t)slices * row, &d->rows));
  return m->allocate(ctx, row, &d->sum);
}

static vw_status add_slice(const vw_block_run *r, int64_t slice, vw_block_part_program *p) {
  const vw_sliced_step *d = r->sliced;
  VW_TRY(vw_block_add_program(r, VW_BLOCK_SLICE, slice, p));
  VW_TRY(bind(p, "words", vw_block_leaf_data(&r->trained, "words")));
  VW_TRY(bind(p, "step", vw_block_leaf_data(&r->trained, "step")));
  VW_TRY(vw_program_bind_inputs(p->program, r->watch.program));
  VW_TRY(vw_program_place(p->program, vw_find(p->graph, "gradient"), row_of(d, slice)));
  return vw_program_place(p->program, vw_find(p->graph, "loss"), row_of(d, slice) + loss_at(r));
}

vw_status vw_sliced_create(vw_block_run *r, vw_team *team) {
  vw_sliced_step *d = r->sliced = calloc(1, sizeof *d);
  VW_CHECK(d, VW_ERR_MEMORY, "block: out of memory");
  d->team = team, d->type = vw_resolve(&r->t->in.network->policy, VW_HEAD);
  d->n = whole_lines(r->s->K * r->s->C, d->type) + whole_lines(r->s->K, d->type);
  VW_TRY(allocate(r, r->shape.step.slices));
  VW_TRY(bind(&r->trained, "gradient", d->sum));
  VW_TRY(bind(&r->trained, "loss", (char *)d->sum + loss_at(r)));
  int64_t first = 0;
  for (int i = 0; i < team->rank; i++) first += d->count[i];
  for (int64_t i = 0; i < d->count[team->rank]; i++) VW_TRY(add_slice(r, first + i, &d->slices[i]));
  return VW_OK;
}

vw_status vw_sliced_prepare(const vw_block_run *r) {
  const vw_sliced_step *d = r->sliced;
  for (int64_t i = 0; i < d->count[d->team->rank]; i++) VW_TRY(vw_program_prepare(d->slices[i].program));
  return VW_OK;
}

void vw_sliced_free(vw_block_run *r) {
  vw_sliced_step *d = r->sliced;
  if (!d) return;
  vw_context *ctx = r->t->in.network->ctx;
  for (int64_t i = 0; d->slices && d->count && i < d->count[d->team->rank]; i++) vw_block_drop_program(&d->slices[i]);
  if (d->rows) vw_memory_of(ctx->backend)->release(ctx, d->rows);
  if (d->sum) vw_memory_of(ctx->backend)->release(ctx, d->sum);
  free(d->count), free(d->slices), free(d);
  r->sliced = NULL;
}

static int64_t bytes_of(const vw_block_part_program *p) {
  const vw_program_memory m = vw_program_memory_of(p->program);
  return m.arena + m.leaves;
}

int64_t vw_block_bytes(const vw_block_run *r) {
  const vw_sliced_step *d = r->sliced;
  int64_t bytes = bytes_of(&r->watch) + bytes_of(&r->trained);
  if (r->look.program) bytes += bytes_of(&r->look);
  if (!d) return bytes;
  for (int64_t i = 0; i < d->count[d->team->rank]; i++) bytes += bytes_of(&d->slices[i]);
  return bytes + (r->shape.step.slices + 1) * d->n * (int64_t)vw_dtype_bytes(d->type);
}

vw_status vw_sliced_run(const vw_block_run *r, unsigned *wants) {
  const vw_sliced_step *d = r->sliced;
  for (int64_t i = 0; i < d->count[d->team->rank]; i++) VW_TRY(vw_program_run(d->slices[i].program));
  VW_TRY(vw_team_meet(d->team, VW_OK, wants, NULL));
  if (*wants & VW_TEAM_FAILED) return VW_OK;
  VW_TRY(vw_transport_sum(d->team->data, d->rows, d->count, d->n, d->type, d->sum));
  return vw_program_run(r->trained.program);
}
