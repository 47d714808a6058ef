/* Building: values, nodes, leaves, outputs. Nothing is executed while a network is described. */
#include "graph/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

vw_status vw_grow(void **array, int64_t n, int64_t *cap, size_t size) {
  if (n < *cap) return VW_OK;
  const int64_t want = *cap ? 2 * *cap : 64;
  void *more = realloc(*array, (size_t)want * size);
  VW_CHECK(more, VW_ERR_MEMORY, "graph: cannot grow a table to %lld entries", (long long)want);
  *array = more, *cap = want;
  return VW_OK;
}

vw_status vw_graph_create(vw_graph **g) {
  *g = calloc(1, sizeof **g);
  VW_CHECK(*g, VW_ERR_MEMORY, "graph: out of memory");
  return VW_OK;
}

void vw_graph_destroy(vw_graph *g) {
  if (!g) return;
  for (int64_t i = 0; i < g->n_attrs; i++) free(g->attrs[i]);
  free(g->attrs), free(g->values), free(g->nodes), free(g->leaves), free(g->outputs), free(g->gradient_from);
  free(g);
}

/* Keeps the first failure: what comes after it in a description fails only because of it. */
static vw_status keep(vw_graph *g, vw_status st) {
  if (st != VW_OK && g->status == VW_OK) {
    g->status = st;
    (void)snprintf(g->message, sizeof g->message, "%s", vw_error_message());
  }
  return st;
}

vw_status vw_graph_status(const vw_graph *g) {
  if (g->status == VW_OK) return VW_OK;
  return VW_RAISE(g->status, "%s", g->message);
}

static vw_status add_value(vw_graph *g, vw_tensor t, int64_t node, int64_t leaf, vw_value *out) {
  VW_CHECK(t.ndim >= 1 && t.ndim <= VW_MAX_DIMS, VW_ERR_ARG, "graph: a value of %d dimensions", t.ndim);
  for (int i = 0; i < t.ndim; i++) VW_CHECK(t.dim[i] >= 0, VW_ERR_ARG, "graph: a value of shape %s", vw_shape_text(&t));
  VW_TRY(vw_grow((void **)&g->values, g->n_values, &g->cap_values, sizeof *g->values));
  t.data = NULL;
  g->values[g->n_values] = (value_record){.tensor = t, .node = node, .leaf = leaf, .scope = g->scope};
  *out = (vw_value)g->n_values++;
  return VW_OK;
}

static vw_status copy_attr(vw_graph *g, const vw_op *op, const void *attr, const void **out) {
  *out = NULL;
  if (!op->attr_size) return VW_OK;
  VW_TRY(vw_grow((void **)&g->attrs, g->n_attrs, &g->cap_attrs, sizeof *g->attrs));
  void *copy = malloc(op->attr_size);
  VW_CHECK(copy, VW_ERR_MEMORY, "graph: out of memory");
  memcpy(copy, attr, op->attr_size);
  g->attrs[g->n_attrs++] = copy;
  *out = copy;
  return VW_OK;
}

/* A role is resolved by the scope of its value: a kernel gets the types of one policy. */
static vw_status check_scope(const vw_graph *g, const vw_op *op, int i, vw_value v) {
  VW_CHECK(v == VW_NONE || op->crosses || g->values[v].tensor.dtype < VW_STORAGE_TYPES ||
               g->values[v].scope == g->scope,
           VW_ERR_ARG, "%s: input %d %s is of scope %d, this is scope %d: put vw_cast between", op->name, i,
           vw_shape_text(&g->values[v].tensor), g->values[v].scope, g->scope);
  return VW_OK;
}

static vw_status emit(vw_graph *g, const vw_op *op, const void *attr, const vw_value *in, vw_value *out) {
  vw_tensor shape[VW_MAX_IN] = {0}, made[VW_MAX_OUT] = {0};
  VW_CHECK(op->n_in <= VW_MAX_IN && op->n_out <= VW_MAX_OUT, VW_ERR_ARG, "%s: too many inputs or outputs", op->name);
  for (int i = 0; i < op->n_in; i++) {
    VW_CHECK(in[i] != VW_NONE || op->optional >> i & 1u, VW_ERR_ARG, "%s: input %d is missing", op->name, i);
    VW_CHECK(in[i] >= VW_NONE && in[i] < g->n_values, VW_ERR_ARG, "%s: input %d is no value of this graph", op->name,
             i);
    shape[i] = vw_value_tensor(g, in[i]);
    VW_TRY(check_scope(g, op, i, in[i]));
  }
  vw_node node = {.op = op};
  VW_TRY(copy_attr(g, op, attr, &node.attr));
  VW_TRY(op->infer(shape, node.attr, made));
  for (int i = 0; i < op->n_in; i++) node.in[i] = in[i];
  for (int i = 0; i < op->n_out; i++) {
    if (op->in_place[i]) {
      const vw_value from = in[op->in_place[i] - 1];
      VW_CHECK(g->values[from].leaf >= 0 && g->leaves[g->values[from].leaf].kind == VW_LEAF_STATE, VW_ERR_ARG,
               "%s: input %d is updated in place and must be a state", op->name, op->in_place[i] - 1);
    }
    VW_TRY(add_value(g, made[i], g->n_nodes, -1, &node.out[i]));
  }
  VW_TRY(vw_grow((void **)&g->nodes, g->n_nodes, &g->cap_nodes, sizeof *g->nodes));
  g->nodes[g->n_nodes++] = node;
  for (int i = 0; i < op->n_out; i++) out[i] = node.out[i];
  return VW_OK;
}

vw_status vw_emit(vw_graph *g, const vw_op *op, const void *attr, const vw_value *in, vw_value *out) {
  for (int i = 0; i < op->n_out; i++) out[i] = VW_NONE;
  if (g->status != VW_OK) return g->status;
  return keep(g, emit(g, op, attr, in, out));
}

int vw_graph_scope(vw_graph *g, int scope) {
  const int before = g->scope;
  if (scope < 0 || scope >= VW_SCOPES)
    (void)keep(g, VW_RAISE(VW_ERR_ARG, "graph: scope %d, expected 0 to %d", scope, VW_SCOPES - 1));
  else
    g->scope = scope;
  return before;
}

void vw_graph_set_policy(vw_graph *g, int scope, const vw_policy *policy) {
  if (scope < 0 || scope >= VW_SCOPES) {
    (void)keep(g, VW_RAISE(VW_ERR_ARG, "graph: scope %d, expected 0 to %d", scope, VW_SCOPES - 1));
    return;
  }
  g->has_policy[scope] = policy != NULL;
  if (policy) g->policy[scope] = *policy;
}

const vw_policy *vw_graph_policy(const vw_graph *g, const vw_policy *policy, vw_value v) {
  const int scope = g->values[v].scope;
  return g->has_policy[scope] ? &g->policy[scope] : policy;
}

vw_dtype vw_graph_storage(const vw_graph *g, const vw_policy *policy, vw_value v) {
  if (v < 0 || v >= g->n_values) return VW_F32;
  return vw_resolve(vw_graph_policy(g, policy, v), g->values[v].tensor.dtype);
}

vw_tensor vw_value_tensor(const vw_graph *g, vw_value v) {
  if (v < 0 || v >= g->n_values) return (vw_tensor){0};
  return g->values[v].tensor;
}

bool vw_wanted(const vw_graph *g, const vw_node *n, int i) {
  return g->wanted && n->in[i] != VW_NONE && g->wanted[n->in[i]];
}

static vw_status add_leaf(vw_graph *g, vw_tensor shape, vw_leaf_kind kind, double fill, const char *name,
                          vw_value *out) {
  VW_CHECK(!name[0] || vw_find(g, name) == VW_NONE, VW_ERR_ARG, "graph: two values are named '%s'", name);
  VW_TRY(vw_grow((void **)&g->leaves, g->n_leaves, &g->cap_leaves, sizeof *g->leaves));
  VW_TRY(add_value(g, shape, -1, g->n_leaves, out));
  leaf_record *l = &g->leaves[g->n_leaves++];
  *l = (leaf_record){.value = *out, .kind = kind, .fill = fill};
  (void)snprintf(l->name, sizeof l->name, "%s", name);
  return VW_OK;
}

static vw_value leaf(vw_graph *g, vw_tensor shape, vw_leaf_kind kind, const char *fmt, va_list ap) {
  char name[VW_NAME_BYTES];
  vw_value out = VW_NONE;
  if (g->status != VW_OK) return VW_NONE;
  const int n = vsnprintf(name, sizeof name, fmt, ap);
  if (n <= 0 || n >= VW_NAME_BYTES)
    (void)keep(g, VW_RAISE(VW_ERR_ARG, "graph: a leaf's name is empty or longer than %d bytes", VW_NAME_BYTES - 1));
  else
    (void)keep(g, add_leaf(g, shape, kind, 0, name, &out));
  return out;
}

#define LEAF_FUNCTION(function, kind)                                                                                  \
  vw_value function(vw_graph *g, vw_tensor shape, const char *fmt, ...) {                                              \
    va_list ap;                                                                                                        \
    va_start(ap, fmt);                                                                                                 \
    const vw_value v = leaf(g, shape, kind, fmt, ap);                                                                  \
    va_end(ap);                                                                                                        \
    return v;                                                                                                          \
  }
LEAF_FUNCTION(vw_weight, VW_LEAF_WEIGHT)
LEAF_FUNCTION(vw_input, VW_LEAF_INPUT)
LEAF_FUNCTION(vw_state, VW_LEAF_STATE)

vw_value vw_fill(vw_graph *g, vw_tensor shape, double value) {
  vw_value out = VW_NONE;
  if (g->status == VW_OK) (void)keep(g, add_leaf(g, shape, VW_LEAF_FILL, value, "", &out));
  return out;
}

static vw_status add_output(vw_graph *g, vw_value v, const char *name) {
  VW_CHECK(v >= 0 && v < g->n_values, VW_ERR_ARG, "graph: output '%s' is no value of this graph", name);
  VW_CHECK(vw_find(g, name) == VW_NONE, VW_ERR_ARG, "graph: two values are named '%s'", name);
  VW_TRY(vw_grow((void **)&g->outputs, g->n_outputs, &g->cap_outputs, sizeof *g->outputs));
  output_record *o = &g->outputs[g->n_outputs++];
  o->value = v;
  (void)snprintf(o->name, sizeof o->name, "%s", name);
  return VW_OK;
}

void vw_output(vw_graph *g, vw_value v, const char *fmt, ...) {
  char name[VW_NAME_BYTES];
  va_list ap;
  if (g->status != VW_OK) return;
  va_start(ap, fmt);
  (void)vsnprintf(name, sizeof name, fmt, ap);
  va_end(ap);
  (void)keep(g, add_output(g, v, name));
}

vw_value vw_find(const vw_graph *g, const char *name) {
  for (int64_t i = 0; i < g->n_leaves; i++)
    if (!strcmp(g->leaves[i].name, name)) return g->leaves[i].value;
  for (int64_t i = 0; i < g->n_outputs; i++)
    if (!strcmp(g->outputs[i].name, name)) return g->outputs[i].value;
  return VW_NONE;
}

double vw_graph_flops(const vw_graph *g) {
  double sum = 0;
  for (int64_t i = 0; i < g->n_nodes; i++) {
    const vw_node *n = &g->nodes[i];
    vw_tensor in[VW_MAX_IN], out[VW_MAX_OUT];
    if (!n->op->flops) continue;
    for (int j = 0; j < n->op->n_in; j++) in[j] = vw_value_tensor(g, n->in[j]);
    for (int j = 0; j < n->op->n_out; j++) out[j] = vw_value_tensor(g, n->out[j]);
    sum += n->op->flops(in, n->attr, out);
  }
  return sum;
}

int64_t vw_graph_leaf_count(const vw_graph *g) {
  return g->n_leaves;
}

vw_leaf vw_graph_leaf(const vw_graph *g, int64_t i) {
  const leaf_record *l = &g->leaves[i];
  return (vw_leaf){.value = l->value, .kind = l->kind, .name = l->name, .tensor = g->values[l->value].tensor};
}
