/* Planning: storage types, which nodes are needed, lifetimes, offsets in one arena, calls. */
#include "graph/internal.h"
#include "graph/program_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

vw_policy vw_default_policy(vw_backend b) {
  const vw_dtype t = b == VW_REF ? VW_F64 : VW_F32;
  return (vw_policy){.param = t, .act = t, .residual = t, .head = t, .stat = t};
}

vw_policy vw_bf16_policy(void) {
  return (vw_policy){.param = VW_BF16, .act = VW_BF16, .residual = VW_F32, .head = VW_F32, .stat = VW_F32};
}

vw_dtype vw_resolve(const vw_policy *p, vw_dtype role) {
  switch (role) {
  case VW_PARAM:
    return p->param;
  case VW_ACT:
    return p->act;
  case VW_RESIDUAL:
    return p->residual;
  case VW_HEAD:
    return p->head;
  case VW_STAT:
    return p->stat;
  default:
    return role;
  }
}

static size_t aligned(size_t bytes) {
  return (bytes + VW_ALIGN - 1) / VW_ALIGN * VW_ALIGN;
}

static vw_status copy_values(vw_program *p, const vw_graph *g, const vw_policy *policy) {
  p->n_values = g->n_values;
  p->values = calloc((size_t)g->n_values + 1, sizeof *p->values);
  p->n_leaves = g->n_leaves;
  p->leaves = calloc((size_t)g->n_leaves + 1, sizeof *p->leaves);
  VW_CHECK(p->values && p->leaves, VW_ERR_MEMORY, "program: out of memory");
  for (int64_t i = 0; i < g->n_values; i++) {
    plan_value *v = &p->values[i];
    v->tensor = g->values[i].tensor;
    v->tensor.dtype = vw_graph_storage(g, policy, (vw_value)i);
    v->leaf = g->values[i].leaf;
    v->stored = vw_graph_policy(g, policy, (vw_value)i)->stored;
    v->first = v->last = -1;
    v->storage = (vw_value)i;
  }
  memcpy(p->leaves, g->leaves, (size_t)g->n_leaves * sizeof *p->leaves);
  return VW_OK;
}

static vw_status add_call(vw_program *p, const vw_node *n) {
  plan_call *c = &p->calls[p->n_calls++];
  c->op = n->op;
  c->kernel = vw_kernel_of(p->ctx->backend, n->op->id);
  VW_CHECK(c->kernel && c->kernel->run, VW_ERR_UNSUPPORTED, "backend %s has no kernel for '%s'; use --backend cpu",
           vw_backend_name(p->ctx->backend), n->op->name);
  if (n->op->attr_size) {
    c->attr = malloc(n->op->attr_size);
    VW_CHECK(c->attr, VW_ERR_MEMORY, "program: out of memory");
    memcpy(c->attr, n->attr, n->op->attr_size);
  }
  memcpy(c->in_value, n->in, sizeof c->in_value);
  memcpy(c->out_value, n->out, sizeof c->out_value);
  return VW_OK;
}

/* An op that only renames its input needs no call: its output lies where the input lies. */
static bool make_alias(vw_program *p, const vw_node *n) {
  if (!n->op->alias || p->values[n->in[0]].tensor.dtype != p->values[n->out[0]].tensor.dtype) return false;
  p->values[n->out[0]].storage = n->in[0], p->values[n->out[0]].is_alias = true;
  return true;
}

static vw_status copy_calls(vw_program *p, const vw_graph *g) {
  vw_status st = VW_OK;
  uint8_t *node_needed = calloc((size_t)g->n_nodes + 1, 1), *value_needed = calloc((size_t)g->n_values + 1, 1);
  p->calls = calloc((size_t)g->n_nodes + 1, sizeof *p->calls);
  if (!node_needed || !value_needed || !p->calls) {
    st = VW_RAISE(VW_ERR_MEMORY, "program: out of memory");
    goto cleanup;
  }
  vw_mark_needed(g, node_needed, value_needed);
  for (int64_t i = 0; i < g->n_nodes; i++)
    if (node_needed[i] && !make_alias(p, &g->nodes[i])) VW_GOTO(add_call(p, &g->nodes[i]));
  for (int64_t i = 0; i < g->n_outputs; i++) p->values[g->outputs[i].value].last = p->n_calls;
cleanup:
  free(node_needed), free(value_needed);
  return st;
}

plan_value *vw_program_base(const vw_program *p, vw_value v) {
  while (p->values[v].is_alias) v = p->values[v].storage;
  return &p->values[v];
}

/* The value whose memory v lives in: an in-place output lives in its state. */
static plan_value *storage_of(vw_program *p, vw_value v) {
  while (p->values[v].storage != v) v = p->values[v].storage;
  return &p->values[v];
}

static void touch(plan_value *v, int64_t call) {
  if (v->first < 0) v->first = call;
  if (v->last < call) v->last = call;
}

/* A value lives as long as its aliases are read. */
static void lengthen_lives(vw_program *p) {
  for (int64_t i = 0; i < p->n_values; i++) {
    const plan_value *v = &p->values[i];
    if (!v->is_alias || v->last < 0) continue;
    plan_value *base = vw_program_base(p, (vw_value)i);
    if (base->first < 0) base->first = v->last; /* a leaf that is read through the alias alone */
    if (v->last > base->last) base->last = v->last;
  }
}

static vw_status find_lifetimes(vw_program *p) {
  for (int64_t i = 0; i < p->n_calls; i++) {
    plan_call *c = &p->calls[i]; /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): add_call gives each its op */
    for (int j = 0; j < c->op->n_in; j++) {
      if (c->in_value[j] == VW_NONE) continue;
      const plan_value *base = vw_program_base(p, c->in_value[j]);
      VW_CHECK(!base->overwritten || base->overwritten - 1 == i, VW_ERR_ARG,
               "%s reads a state that an earlier node has updated in place", c->op->name);
      touch(&p->values[c->in_value[j]], i);
    }
    for (int j = 0; j < c->op->n_out; j++) {
      touch(&p->values[c->out_value[j]], i);
      if (!c->op->in_place[j]) continue;
      const vw_value from = c->in_value[c->op->in_place[j] - 1];
      p->values[c->out_value[j]].storage = from;
      p->values[from].overwritten = i + 1;
    }
  }
  lengthen_lives(p);
  return VW_OK;
}

static int by_size(const void *a, const void *b) {
  const plan_value *const *x = a, *const *y = b;
  const size_t sx = vw_bytes(&(*x)->tensor), sy = vw_bytes(&(*y)->tensor);
  if (sx != sy) return sx < sy ? 1 : -1;
  return *x < *y ? -1 : *x > *y; /* same layout on every machine */
}

/* Largest first, each at the lowest offset free during its life. `placed` is kept sorted by offset. */
static vw_status place_values(vw_program *p) {
  plan_value **list = malloc((size_t)(p->n_values + 1) * sizeof(void *)),
             **placed = malloc((size_t)(p->n_values + 1) * sizeof(void *));
  vw_status st = VW_OK;
  int64_t n = 0, n_placed = 0;
  if (!list || !placed) {
    st = VW_RAISE(VW_ERR_MEMORY, "program: out of memory");
    goto cleanup;
  }
  for (int64_t i = 0; i < p->n_values; i++)
    if (p->values[i].leaf < 0 && p->values[i].first >= 0 && p->values[i].storage == i) list[n++] = &p->values[i];
  qsort(list, (size_t)n, sizeof *list, by_size);
  for (int64_t i = 0; i < n; i++) {
    plan_value *v = list[i];
    const size_t bytes = aligned(vw_bytes(&v->tensor));
    size_t offset = 0;
    for (int64_t j = 0; j < n_placed; j++) {
      const plan_value *o = placed[j];
      if (o->last < v->first || o->first > v->last) continue;
      if (offset + bytes <= o->offset) break;
      const size_t end = o->offset + aligned(vw_bytes(&o->tensor));
      if (end > offset) offset = end;
    }
    v->offset = offset;
    int64_t at = n_placed++;
    for (; at > 0 && placed[at - 1]->offset > offset; at--) placed[at] = placed[at - 1];
    placed[at] = v;
    if (offset + bytes > p->arena_bytes) p->arena_bytes = offset + bytes;
    p->memory.without_reuse += (int64_t)bytes;
  }
cleanup:
  free(list), free((void *)placed);
  return st;
}

static void describe_call(vw_program *p, plan_call *c) {
  for (int j = 0; j < c->op->n_in; j++) {
    if (c->in_value[j] == VW_NONE) continue;
    const plan_value *v = vw_program_base(p, c->in_value[j]);
    c->in[j] = p->values[c->in_value[j]].tensor;
    c->call.parts[j] = v->parts, c->call.stored[j] = v->stored;
    if (v->leaf >= 0 && p->leaves[v->leaf].kind == VW_LEAF_WEIGHT) c->call.frozen |= 1u << j;
  }
  for (int j = 0; j < c->op->n_out; j++) c->out[j] = p->values[c->out_value[j]].tensor;
  c->call.in = c->in, c->call.out = c->out, c->call.attr = c->attr;
}

static vw_status measure_scratch(vw_program *p) {
  for (int64_t i = 0; i < p->n_calls; i++) {
    plan_call *c = &p->calls[i];
    describe_call(p, c);
    if (c->kernel->measure) VW_TRY(c->kernel->measure(p->ctx, &c->call));
    if (aligned(c->call.scratch_bytes) > p->scratch_bytes) p->scratch_bytes = aligned(c->call.scratch_bytes);
  }
  return VW_OK;
}

static vw_status fill_leaf(vw_program *p, plan_value *v, double fill) {
  const int64_t n = vw_count(&v->tensor);
  double *host = malloc((size_t)n * sizeof *host + 1);
  VW_CHECK(host, VW_ERR_MEMORY, "program: out of memory");
  for (int64_t i = 0; i < n; i++) host[i] = fill;
  vw_tensor t = v->tensor;
  t.dtype = VW_F64, t.data = host;
  const vw_status st = vw_program_write(p, (vw_value)(v - p->values), &t);
  free(host);
  return st;
}

static vw_status allocate(vw_program *p, const vw_program *beside) {
  p->borrows = beside && beside->ctx == p->ctx && vw_program_arena_beside(&p->memory, &beside->memory) == 0;
  if (p->borrows)
    p->arena = beside->arena, p->memory.arena = 0;
  else
    VW_TRY(p->memory_ops->allocate(p->ctx, p->arena_bytes + p->scratch_bytes + VW_ALIGN, &p->arena));
#ifndef NDEBUG
  if (p->memory_ops->host && !p->borrows)
    memset(p->arena, 0xff, p->arena_bytes + p->scratch_bytes); /* NaN: an unwritten output shows */
#endif
  for (int64_t i = 0; i < p->n_leaves; i++) {
    plan_value *v = &p->values[p->leaves[i].value];
    if (p->leaves[i].kind == VW_LEAF_STATE) VW_TRY(vw_program_own(p, v));
    if (p->leaves[i].kind == VW_LEAF_FILL) VW_TRY(fill_leaf(p, v, p->leaves[i].fill));
  }
  return VW_OK;
}

static bool is_counted(const vw_program *p, int64_t call) {
  const vw_kept *k = &p->calls[call].call.kept;
  const plan_value *base = vw_program_base(p, p->calls[call].in_value[k->input]);
  for (int64_t i = 0; i < call; i++) {
    const vw_kept *other = &p->calls[i].call.kept;
    if (other->bytes == k->bytes && other->form == k->form &&
        vw_program_base(p, p->calls[i].in_value[other->input]) == base)
      return true;
  }
  return false;
}

/* Weights as they are held: in their storage type where a kernel reads them, and every copy that kernels keep. */
static void count_weights(vw_program *p) {
  for (int64_t i = 0; i < p->n_leaves; i++)
    if (p->leaves[i].kind == VW_LEAF_WEIGHT && !vw_program_packs(p, p->leaves[i].value))
      p->memory.weights += (int64_t)vw_bytes(&p->values[p->leaves[i].value].tensor);
  for (int64_t i = 0; i < p->n_calls; i++)
    if (p->calls[i].call.kept.bytes && !is_counted(p, i)) p->memory.weights += (int64_t)p->calls[i].call.kept.bytes;
}

/* Everything but memory: what the program will hold is known, nothing is allocated on the backend. */
static vw_status lay_out(vw_program *p, const vw_graph *g, const vw_policy *policy) {
  VW_TRY(copy_values(p, g, policy));
  VW_TRY(copy_calls(p, g));
  VW_TRY(find_lifetimes(p));
  VW_TRY(place_values(p));
  VW_TRY(measure_scratch(p));
  p->memory.arena = (int64_t)(p->arena_bytes + p->scratch_bytes + VW_ALIGN);
  p->memory.scratch = (int64_t)p->scratch_bytes;
  count_weights(p);
  return VW_OK;
}

int64_t vw_program_arena_beside(const vw_program_memory *p, const vw_program_memory *beside) {
  return p->arena <= beside->arena ? 0 : p->arena;
}

static vw_status make(vw_program **out, const vw_graph *g, vw_context *ctx, const vw_policy *policy, bool with_memory,
                      const vw_program *beside) {
  const vw_policy fallback = vw_default_policy(ctx->backend);
  VW_TRY(vw_graph_status(g));
  vw_program *p = calloc(1, sizeof *p);
  VW_CHECK(p, VW_ERR_MEMORY, "program: out of memory");
  p->ctx = ctx;
  p->memory_ops = vw_memory_of(ctx->backend);
  vw_status st = lay_out(p, g, policy ? policy : &fallback);
  if (st == VW_OK && with_memory) st = allocate(p, beside);
  if (st == VW_OK)
    *out = p;
  else
    vw_program_destroy(p);
  return st;
}

vw_status vw_program_create_beside(vw_program **out, const vw_graph *g, vw_context *ctx, const vw_policy *policy,
                                   const vw_program *beside) {
  *out = NULL;
  const vw_status st = make(out, g, ctx, policy, true, beside);
  return st == VW_OK ? st : vw_fail(st, __FILE__, __LINE__, "vw_program_create");
}

vw_status vw_program_create(vw_program **out, const vw_graph *g, vw_context *ctx, const vw_policy *policy) {
  return vw_program_create_beside(out, g, ctx, policy, NULL);
}

vw_status vw_program_measure(const vw_graph *g, vw_context *ctx, const vw_policy *policy, vw_program_memory *out) {
  vw_program *p = NULL;
  *out = (vw_program_memory){0};
  VW_TRY(make(&p, g, ctx, policy, false, NULL));
  *out = p->memory;
  for (int64_t i = 0; i < p->n_leaves; i++)
    if (p->leaves[i].kind != VW_LEAF_WEIGHT) out->leaves += (int64_t)vw_bytes(&p->values[p->leaves[i].value].tensor);
  vw_program_destroy(p);
  return VW_OK;
}

void vw_program_destroy(vw_program *p) {
  if (!p) return;
  if (p->recording) p->memory_ops->recorder->forget(p->ctx, p->recording);
  for (int64_t i = 0; i < p->n_calls; i++) {
    plan_call *c = &p->calls[i];
    if (c->kernel && c->kernel->release && c->call.state) c->kernel->release(p->ctx, &c->call);
    free(c->attr);
  }
  for (int64_t i = 0; p->values && i < p->n_values; i++)
    if (p->values[i].owned) p->memory_ops->release(p->ctx, p->values[i].tensor.data);
  if (p->arena && !p->borrows) p->memory_ops->release(p->ctx, p->arena);
  free(p->calls), free(p->values), free(p->leaves);
  free(p);
}

/* Data pointers of every value: leaves where they are bound, the rest in the arena, in-place outputs in their state. */
static void connect_values(vw_program *p) {
  for (int64_t i = 0; i < p->n_values; i++) {
    plan_value *v = &p->values[i];
    if (v->leaf < 0 && v->first >= 0 && v->storage == i)
      v->tensor.data = v->placed ? v->placed : (char *)p->arena + v->offset;
  }
  for (int64_t i = 0; i < p->n_values; i++) p->values[i].tensor.data = storage_of(p, (vw_value)i)->tensor.data;
}

static vw_status check_bound(const vw_program *p) {
  for (int64_t i = 0; i < p->n_leaves; i++) {
    const plan_value *v = &p->values[p->leaves[i].value];
    VW_CHECK(v->tensor.data || v->parts || v->first < 0 || vw_count(&v->tensor) == 0, VW_ERR_ARG,
             "program: leaf '%s' %s has no data", p->leaves[i].name, vw_shape_text(&v->tensor));
  }
  return VW_OK;
}

vw_status vw_program_prepare(vw_program *p) {
  VW_CHECK(!p->prepared, VW_ERR_ARG, "program: prepared twice");
  VW_TRY(check_bound(p));
  connect_values(p);
  for (int64_t i = 0; i < p->n_calls; i++) {
    plan_call *c = &p->calls[i];
    describe_call(p, c);
    c->call.scratch = c->call.scratch_bytes ? (char *)p->arena + p->arena_bytes : NULL;
    if (c->kernel->prepare) VW_TRY(c->kernel->prepare(p->ctx, &c->call));
  }
  vw_program_choose_threads(p);
  p->prepared = true;
  return VW_OK;
}
