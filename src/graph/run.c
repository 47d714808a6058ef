/* Data in and out of a program, and the executor: a loop over calls. */
#include "graph/program_internal.h"

#include "core/pulse.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

vw_status vw_program_own(vw_program *p, plan_value *v) {
  if (v->tensor.data) return VW_OK;
  void *data = NULL;
  const size_t bytes = vw_bytes(&v->tensor);
  VW_TRY(p->memory_ops->allocate(p->ctx, bytes ? bytes : 1, &data));
  v->tensor.data = data, v->owned = true;
  p->memory.leaves += (int64_t)bytes;
  return VW_OK;
}

int64_t vw_program_leaf_count(const vw_program *p) {
  return p->n_leaves;
}

vw_leaf vw_program_leaf(const vw_program *p, int64_t i) {
  const leaf_record *l = &p->leaves[i];
  return (vw_leaf){.value = l->value, .kind = l->kind, .name = l->name, .tensor = p->values[l->value].tensor};
}

static vw_status leaf_value(vw_program *p, vw_value leaf, const char *what, plan_value **out) {
  VW_CHECK(leaf >= 0 && leaf < p->n_values && p->values[leaf].leaf >= 0, VW_ERR_ARG,
           "program: cannot %s value %d: it is no leaf", what, leaf);
  *out = &p->values[leaf];
  return VW_OK;
}

vw_status vw_program_bind(vw_program *p, vw_value leaf, const void *data) {
  plan_value *v = NULL;
  VW_TRY(leaf_value(p, leaf, "bind", &v));
  const leaf_record *l = &p->leaves[v->leaf];
  VW_CHECK(!p->prepared && !v->owned, VW_ERR_ARG, "program: leaf '%s' is bound too late or twice", l->name);
  VW_CHECK(l->kind == VW_LEAF_WEIGHT || l->kind == VW_LEAF_INPUT, VW_ERR_ARG,
           "program: leaf '%s' belongs to the program", l->name);
  v->tensor.data = (void *)(uintptr_t)data; /* kernels never write a weight or an input */
  return VW_OK;
}

vw_status vw_program_bind_inputs(vw_program *p, const vw_program *from) {
  for (int64_t i = 0; i < p->n_leaves; i++) {
    const plan_value *mine = &p->values[p->leaves[i].value], *theirs = NULL;
    if (p->leaves[i].kind != VW_LEAF_INPUT || mine->tensor.data) continue;
    for (int64_t j = 0; j < from->n_leaves && !theirs; j++)
      if (from->leaves[j].kind == VW_LEAF_INPUT && !strcmp(from->leaves[j].name, p->leaves[i].name))
        theirs = &from->values[from->leaves[j].value];
    if (!theirs || !theirs->tensor.data) continue;
    VW_CHECK(vw_same_shape(&mine->tensor, &theirs->tensor) && mine->tensor.dtype == theirs->tensor.dtype, VW_ERR_ARG,
             "program: leaf '%s' is %s %s here, %s %s there", p->leaves[i].name, vw_dtype_name(mine->tensor.dtype),
             vw_shape_text(&mine->tensor), vw_dtype_name(theirs->tensor.dtype), vw_shape_text(&theirs->tensor));
    VW_TRY(vw_program_bind(p, p->leaves[i].value, theirs->tensor.data));
  }
  return VW_OK;
}

vw_status vw_program_place(vw_program *p, vw_value output, void *data) {
  VW_CHECK(output >= 0 && output < p->n_values && p->values[output].leaf < 0 && p->values[output].storage == output &&
               p->values[output].last == p->n_calls && !p->prepared,
           VW_ERR_ARG, "program: value %d is no output that can be placed", output);
  p->values[output].placed = data;
  return VW_OK;
}

static bool convertible(vw_dtype a, vw_dtype b) {
  const bool float_a = a == VW_F32 || a == VW_F64 || a == VW_F16 || a == VW_BF16;
  const bool float_b = b == VW_F32 || b == VW_F64 || b == VW_F16 || b == VW_BF16;
  return a == b || (float_a && float_b);
}

bool vw_program_packs(const vw_program *p, vw_value leaf) {
  bool read = false;
  for (int64_t i = 0; i < p->n_calls; i++)
    for (int j = 0; j < p->calls[i].op->n_in; j++) {
      const vw_value v = p->calls[i].in_value[j];
      if (v == VW_NONE || vw_program_base(p, v) != &p->values[leaf]) continue;
      /* parts are stacked along the first axis, which a view may have cut otherwise */
      const bool stacked = p->values[v].tensor.dim[0] == p->values[leaf].tensor.dim[0];
      if (!stacked || !(p->calls[i].kernel->packs >> j & 1)) return false;
      read = true;
    }
  return read;
}

vw_status vw_program_bind_parts(vw_program *p, vw_value leaf, const vw_parts *parts) {
  plan_value *v = NULL;
  VW_TRY(leaf_value(p, leaf, "bind", &v));
  const leaf_record *l = &p->leaves[v->leaf];
  VW_CHECK(!p->prepared && l->kind == VW_LEAF_WEIGHT && vw_program_packs(p, leaf), VW_ERR_ARG,
           "program: leaf '%s' cannot be bound in parts: it is prepared, no weight, or not only packed", l->name);
  vw_tensor expected = v->tensor;
  VW_CHECK(parts->n >= 1 && parts->n <= VW_MAX_PARTS && expected.dim[0] % parts->n == 0, VW_ERR_ARG,
           "program: leaf '%s' %s in %d parts", l->name, vw_shape_text(&expected), parts->n);
  expected.dim[0] /= parts->n;
  for (int i = 0; i < parts->n; i++)
    VW_CHECK(vw_same_shape(&parts->part[i], &expected) && convertible(expected.dtype, parts->part[i].dtype), VW_ERR_ARG,
             "program: part %d of leaf '%s' is %s %s, expected %s", i, l->name, vw_dtype_name(parts->part[i].dtype),
             vw_shape_text(&parts->part[i]), vw_shape_text(&expected));
  v->parts = parts;
  return VW_OK;
}

static vw_status check_host(const plan_value *v, const vw_tensor *host) {
  VW_CHECK(vw_same_shape(&v->tensor, host) && convertible(v->tensor.dtype, host->dtype), VW_ERR_ARG,
           "program: a host tensor %s %s for a value %s %s", vw_dtype_name(host->dtype), vw_shape_text(host),
           vw_dtype_name(v->tensor.dtype), vw_shape_text(&v->tensor));
  return VW_OK;
}

vw_status vw_program_write(vw_program *p, vw_value leaf, const vw_tensor *host) {
  plan_value *v = NULL;
  VW_TRY(leaf_value(p, leaf, "write", &v));
  VW_TRY(check_host(v, host));
  VW_TRY(vw_program_own(p, v));
  VW_CHECK(v->owned, VW_ERR_ARG, "program: leaf '%s' is borrowed: it cannot be written", p->leaves[v->leaf].name);
  const size_t bytes = vw_bytes(&v->tensor);
  if (!bytes) return VW_OK;
  if (host->dtype == v->tensor.dtype) return p->memory_ops->upload(p->ctx, v->tensor.data, host->data, bytes);
  void *staged = malloc(bytes);
  VW_CHECK(staged, VW_ERR_MEMORY, "program: out of memory");
  vw_status st = vw_convert(staged, v->tensor.dtype, host->data, host->dtype, vw_count(host));
  if (st == VW_OK) st = p->memory_ops->upload(p->ctx, v->tensor.data, staged, bytes);
  free(staged);
  return st;
}

vw_status vw_program_read(vw_program *p, vw_value value, const vw_tensor *host) {
  VW_CHECK(value >= 0 && value < p->n_values && p->values[value].tensor.data, VW_ERR_ARG,
           "program: value %d has no data", value);
  const plan_value *v = &p->values[value];
  VW_TRY(check_host(v, host));
  const size_t bytes = vw_bytes(&v->tensor);
  if (!bytes) return VW_OK;
  if (host->dtype == v->tensor.dtype) return p->memory_ops->download(p->ctx, host->data, v->tensor.data, bytes);
  void *staged = malloc(bytes);
  VW_CHECK(staged, VW_ERR_MEMORY, "program: out of memory");
  vw_status st = p->memory_ops->download(p->ctx, staged, v->tensor.data, bytes);
  if (st == VW_OK) st = vw_convert(host->data, host->dtype, staged, v->tensor.dtype, vw_count(host));
  free(staged);
  return st;
}

static vw_status run_calls(vw_program *p) {
  for (int64_t i = 0; i < p->n_calls; i++) {
    vw_pulse();
    VW_TRY(vw_call_run(p, &p->calls[i]));
  }
  return VW_OK;
}

static vw_status record(vw_program *p) {
  const vw_recorder *r = p->memory_ops->recorder;
  VW_TRY(r->begin(p->ctx));
  const vw_status ran = run_calls(p);
  const vw_status ended = r->end(p->ctx, &p->recording);
  return ran != VW_OK ? ran : ended;
}

/* The first run is not recorded: it loads kernels and shows mistakes where they are, and most programs run once. */
vw_status vw_program_run(vw_program *p) {
  VW_CHECK(p->prepared, VW_ERR_ARG, "program: run before prepare");
  const vw_recorder *r = p->memory_ops->recorder;
  if (!r || !p->has_run) {
    p->has_run = true;
    return run_calls(p);
  }
  if (!p->recording) VW_TRY(record(p));
  vw_pulse();
  return r->replay(p->ctx, p->recording);
}

vw_status vw_program_wait(vw_program *p) {
  return p->memory_ops->synchronise(p->ctx);
}

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

vw_status vw_program_profile(vw_program *p, double *seconds, int64_t *calls) {
  VW_CHECK(p->prepared, VW_ERR_ARG, "program: run before prepare");
  for (int64_t i = 0; i < p->n_calls; i++) {
    const double start = now();
    VW_TRY(vw_call_run(p, &p->calls[i]));
    VW_TRY(p->memory_ops->synchronise(p->ctx));
    seconds[p->calls[i].op->id] += now() - start, calls[p->calls[i].op->id]++;
  }
  return VW_OK;
}

vw_program_memory vw_program_memory_of(const vw_program *p) {
  return p->memory;
}
