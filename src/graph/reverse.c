/* Reverse mode in two sweeps (Griewank & Walther 2008, ch. 3): upwards, which values depend on a wanted leaf; downwards
 * from the loss, emitting gradient nodes where both hold. Frozen weights and all that precedes the word cost nothing.
 */
#include "graph/internal.h"
#include "kernels/add.h"

#include <stdlib.h>
#include <string.h>

static void mark_dependents(const vw_graph *g, const vw_value *leaves, int n, uint8_t *depends) {
  for (int i = 0; i < n; i++) depends[leaves[i]] = 1;
  for (int64_t i = 0; i < g->n_nodes; i++) {
    const vw_node *node = &g->nodes[i];
    bool any = false;
    if (!node->op->gradient) continue; /* draws, indices: constants to the derivative */
    for (int j = 0; j < node->op->n_in; j++) any |= node->in[j] != VW_NONE && depends[node->in[j]];
    if (any)
      for (int j = 0; j < node->op->n_out; j++) depends[node->out[j]] = 1;
  }
}

static void accumulate(vw_graph *g, vw_value *slot, vw_value d) {
  *slot = *slot == VW_NONE ? d : vw_add(g, *slot, d);
}

/* Where the gradients of a node belong: its own scope, except for a cast. */
static int scope_of_inputs(const vw_graph *g, const vw_node *n) {
  for (int j = 0; j < n->op->n_in; j++)
    if (vw_wanted(g, n, j)) return g->values[n->in[j]].scope;
  return g->scope;
}

/* Gradients of one node's inputs, from those of its outputs. grad has one entry a value that existed before reverse. */
static vw_status backpropagate(vw_graph *g, int64_t i, vw_value *grad) {
  const vw_node node = g->nodes[i]; /* a copy: emitting moves the table */
  vw_value dy[VW_MAX_OUT], dx[VW_MAX_IN];
  bool reached = false, asked = false;
  for (int j = 0; j < node.op->n_out; j++) reached |= (dy[j] = grad[node.out[j]]) != VW_NONE;
  for (int j = 0; j < node.op->n_in; j++) dx[j] = VW_NONE, asked |= vw_wanted(g, &node, j);
  if (!reached || !asked || !node.op->gradient) return VW_OK;
  g->scope = scope_of_inputs(g, &node);
  VW_TRY(node.op->gradient(g, &node, dy, dx));
  for (int j = 0; j < node.op->n_in; j++)
    if (dx[j] != VW_NONE && vw_wanted(g, &node, j)) accumulate(g, &grad[node.in[j]], dx[j]);
  return vw_graph_status(g);
}

/* Where the gradients of each node will begin, for vw_recompute; of several reverse modes in one graph nothing is kept. */
static vw_status keep_places(vw_graph *g, int64_t n_nodes) {
  const bool is_first = !g->n_forward;
  free(g->gradient_from);
  g->gradient_from = NULL;
  if (!is_first) return VW_OK;
  g->n_forward = n_nodes;
  g->gradient_from = calloc((size_t)n_nodes + 1, sizeof *g->gradient_from);
  VW_CHECK(g->gradient_from, VW_ERR_MEMORY, "reverse: out of memory");
  return VW_OK;
}

vw_status vw_reverse_from(vw_graph *g, vw_value y, vw_value dy, const vw_value *leaves, int n, vw_value *grads) {
  VW_TRY(vw_graph_status(g));
  const int64_t n_values = g->n_values, n_nodes = g->n_nodes;
  const int scope = g->scope;
  vw_status st = VW_OK;
  uint8_t *depends = calloc((size_t)n_values + 1, 1);
  vw_value *grad = malloc((size_t)(n_values + 1) * sizeof *grad);
  if (!depends || !grad) {
    st = VW_RAISE(VW_ERR_MEMORY, "reverse: out of memory");
    goto cleanup;
  }
  for (int64_t i = 0; i < n_values; i++) grad[i] = VW_NONE;
  mark_dependents(g, leaves, n, depends);
  g->wanted = depends;
  if (depends[y]) grad[y] = dy;
  VW_GOTO(keep_places(g, n_nodes));
  for (int64_t i = n_nodes - 1; i >= 0; i--) {
    if (g->gradient_from) g->gradient_from[i] = g->n_nodes;
    VW_GOTO(backpropagate(g, i, grad));
  }
  g->gradient_end = g->n_nodes;
  for (int i = 0; i < n; i++) grads[i] = grad[leaves[i]];
cleanup:
  g->wanted = NULL, g->scope = scope;
  free(depends), free(grad);
  return st;
}

vw_status vw_reverse(vw_graph *g, vw_value loss, const vw_value *leaves, int n, vw_value *grads) {
  VW_TRY(vw_graph_status(g));
  const int scope = vw_graph_scope(g, g->values[loss].scope);
  const vw_value ones = vw_fill(g, vw_value_tensor(g, loss), 1.0);
  (void)vw_graph_scope(g, scope);
  return vw_reverse_from(g, loss, ones, leaves, n, grads);
}
