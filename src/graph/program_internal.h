/* Shared by the files that make and run programs. */
#ifndef VW_GRAPH_PROGRAM_INTERNAL_H
#define VW_GRAPH_PROGRAM_INTERNAL_H

#include "core/align.h"
#include "graph/internal.h"

typedef struct plan_value {
  vw_tensor tensor;      /* storage type resolved; data from prepare on (leaves: from binding on) */
  vw_dtype stored;       /* of a weight: what its policy says of the files */
  const vw_parts *parts; /* a weight that is only packed: where it lies instead; borrowed */
  int64_t leaf;          /* -1: made by a call */
  int64_t first, last;   /* calls between which the value lives; -1: never touched */
  int64_t overwritten;   /* 1 + the call that updates it in place; 0: none */
  vw_value storage;      /* itself, or the value whose memory it takes over */
  bool is_alias;         /* the same numbers as `storage`, under another shape: no call makes it */
  size_t offset;         /* in the arena */
  bool owned;            /* data was allocated by this program */
  void *placed;          /* an output's memory outside the arena; NULL: none */
} plan_value;

typedef struct plan_call {
  const vw_op *op;
  const vw_kernel *kernel;
  void *attr;
  vw_value in_value[VW_MAX_IN], out_value[VW_MAX_OUT];
  vw_tensor in[VW_MAX_IN], out[VW_MAX_OUT];
  vw_call call;
  int threads; /* of its runs: at most the context's (threads.c) */
} plan_call;

struct vw_program {
  vw_context *ctx;
  const vw_memory *memory_ops;
  plan_value *values;
  plan_call *calls;
  leaf_record *leaves;
  int64_t n_values, n_calls, n_leaves;
  size_t arena_bytes, scratch_bytes;
  void *arena;
  vw_program_memory memory;
  bool borrows; /* the arena is another program's */
  bool prepared, has_run;
  void *recording; /* all calls, where the backend can record them; from the second run on */
};

/* The value whose numbers v has: itself unless it is an alias. */
plan_value *vw_program_base(const vw_program *p, vw_value v);

/* Gives a leaf zeroed memory of its own, if it has none. */
vw_status vw_program_own(vw_program *p, plan_value *v);

/* Sets every call's threads. */
void vw_program_choose_threads(vw_program *p);

/* Runs a call with as many threads as it is worth. */
vw_status vw_call_run(const vw_program *p, const plan_call *c);

#endif
