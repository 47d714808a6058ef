/* Shared by the files of src/graph; nobody else includes it. */
#ifndef VW_GRAPH_INTERNAL_H
#define VW_GRAPH_INTERNAL_H

#include "graph/graph.h"

typedef struct value_record {
  vw_tensor tensor; /* shape; role or storage type; no data */
  int64_t node;     /* the node that makes it; -1: a leaf */
  int64_t leaf;     /* index into leaves; -1: made by a node */
  int scope;
} value_record;

typedef struct leaf_record {
  vw_value value;
  vw_leaf_kind kind;
  double fill;
  char name[VW_NAME_BYTES];
} leaf_record;

typedef struct output_record {
  vw_value value;
  char name[VW_NAME_BYTES];
} output_record;

struct vw_graph {
  value_record *values;
  vw_node *nodes;
  leaf_record *leaves;
  output_record *outputs;
  int64_t n_values, n_nodes, n_leaves, n_outputs;
  int64_t cap_values, cap_nodes, cap_leaves, cap_outputs;
  void **attrs; /* copies of attributes, owned */
  int64_t n_attrs, cap_attrs;
  const uint8_t *wanted;  /* during vw_reverse: values whose gradient is asked for */
  int64_t n_forward;      /* nodes that were there when the first vw_reverse began; 0: none did */
  int64_t *gradient_from; /* [n_forward] the first node of a node's gradients; NULL: not known any more (recompute.c) */
  int64_t gradient_end;   /* behind the last gradient */
  int scope;              /* of what is described now */
  vw_policy policy[VW_SCOPES]; /* of scopes that have one of their own */
  bool has_policy[VW_SCOPES];
  vw_status status; /* first failure of any builder */
  char message[1024];
};

/* Makes room for one more element of `size` bytes. */
vw_status vw_grow(void **array, int64_t n, int64_t *cap, size_t size);

/* Sets node_needed[i] for the nodes that a program runs: an output or a state update needs them. Both arrays are zeros
 * before, one entry a node and one a value. */
void vw_mark_needed(const vw_graph *g, uint8_t *node_needed, uint8_t *value_needed);

#endif
