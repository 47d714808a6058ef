/* What a program will do, counted from the graph: which nodes run, their operations, the bytes they move. */
#include "graph/internal.h"

#include <stdlib.h>

void vw_mark_needed(const vw_graph *g, uint8_t *node_needed, uint8_t *value_needed) {
  for (int64_t i = 0; i < g->n_outputs; i++) value_needed[g->outputs[i].value] = 1;
  for (int64_t i = g->n_nodes - 1; i >= 0; i--) {
    const vw_node *n = &g->nodes[i];
    bool need = false;
    for (int j = 0; j < n->op->n_out; j++) need |= value_needed[n->out[j]] || n->op->in_place[j];
    if (!need) continue;
    node_needed[i] = 1;
    for (int j = 0; j < n->op->n_in; j++)
      if (n->in[j] != VW_NONE) value_needed[n->in[j]] = 1;
  }
}

static vw_tensor stored(const vw_graph *g, const vw_policy *policy, vw_value v) {
  vw_tensor t = vw_value_tensor(g, v);
  t.dtype = vw_graph_storage(g, policy, v);
  return t;
}

static void count_node(const vw_graph *g, const vw_policy *policy, const vw_node *n, vw_work *sum) {
  vw_tensor in[VW_MAX_IN] = {0}, out[VW_MAX_OUT] = {0};
  for (int j = 0; j < n->op->n_in; j++) in[j] = stored(g, policy, n->in[j]);
  for (int j = 0; j < n->op->n_out; j++) out[j] = stored(g, policy, n->out[j]);
  if (n->op->alias && in[0].dtype == out[0].dtype) return; /* nothing runs */
  if (n->op->flops) sum->flops += n->op->flops(in, n->attr, out);
  sum->bytes += vw_op_bytes(n->op, n->attr, in, out);
  sum->calls++;
}

vw_status vw_program_work(const vw_graph *g, const vw_policy *policy, vw_work *out) {
  const vw_policy fallback = vw_default_policy(VW_CPU);
  *out = (vw_work){0};
  VW_TRY(vw_graph_status(g));
  uint8_t *needed = calloc((size_t)(g->n_nodes + g->n_values) + 1, 1);
  VW_CHECK(needed, VW_ERR_MEMORY, "graph: out of memory");
  vw_mark_needed(g, needed, needed + g->n_nodes);
  for (int64_t i = 0; i < g->n_nodes; i++)
    if (needed[i]) count_node(g, policy ? policy : &fallback, &g->nodes[i], out);
  free(needed);
  return VW_OK;
}
