/* What an op is: its contract, its kernels, and the few graph calls that a contract needs.
 *
 * A contract (kernels/<op>.h, <op>.c) knows shapes, checks, gradient rule and FLOPs; kernels (ref/, cpu/, cuda/<op>)
 * know one backend. One line in ops.def enters an op; all tables are generated from it. Nothing here knows of words. */
#ifndef VW_KERNELS_OP_H
#define VW_KERNELS_OP_H

#include "core/status.h"
#include "core/tensor.h"
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vw_backend { VW_REF, VW_CPU, VW_CUDA, VW_BACKENDS } vw_backend;
const char *vw_backend_name(vw_backend b); /* "ref", "cpu", "cuda" */

/* Ids of ops, in the order of ops.def. */
typedef enum vw_op_id {
#define VW_OP(name, ref, cpu, cuda) VW_OP_##name,
#include "kernels/ops.def"
#undef VW_OP
  VW_OPS
} vw_op_id;

enum { VW_MAX_IN = 10, VW_MAX_OUT = 6 };

/* ---- what a contract sees of a graph (implemented in src/graph) ------------------------------------------------ */

typedef struct vw_graph vw_graph;
typedef int32_t vw_value; /* index of a value in its graph */
enum { VW_NONE = -1 };    /* no value: an absent optional input, a gradient that nothing asks for */

typedef struct vw_op vw_op;

typedef struct vw_node {
  const vw_op *op;
  const void *attr;       /* the op's typed struct, owned by the graph */
  vw_value in[VW_MAX_IN]; /* VW_NONE where optional and absent */
  vw_value out[VW_MAX_OUT];
} vw_node;

/* Appends a node. `attr` (op->attr_size bytes) is copied. Writes op->n_out values. The first failure is kept in the
 * graph: later calls return it and write VW_NONE, so that a description needs no checks between its lines. */
vw_status vw_emit(vw_graph *g, const vw_op *op, const void *attr, const vw_value *in, vw_value *out);

/* Shape and role (or storage type) of a value; data is NULL. VW_NONE gives a zero tensor (ndim 0). */
vw_tensor vw_value_tensor(const vw_graph *g, vw_value v);

/* During reverse mode: is the gradient of n->in[i] asked for? */
bool vw_wanted(const vw_graph *g, const vw_node *n, int i);

struct vw_op {
  const char *name;
  vw_op_id id;
  int n_in, n_out;
  uint32_t
      optional; /* bit i: input i may be VW_NONE (its tensor then has dtype 0, ndim 0 and data NULL: use vw_present) */
  size_t attr_size; /* 0: none */
  /* 1 + index of the input whose storage output i takes over (an update in place of a state leaf); 0: own storage. */
  int8_t in_place[VW_MAX_OUT];
  bool alias;   /* the one output holds the same numbers as input 0: where both have one type it lies there, uncalled */
  bool crosses; /* inputs may be values of another scope than the current one (src/graph's vw_graph_scope) */
  /* All checks, once, when the node is built. Writes shapes and roles (VW_ACT, VW_HEAD, ...) of out. */
  vw_status (*infer)(const vw_tensor *in, const void *attr, vw_tensor *out);
  /* Emits nodes. dy[i] is VW_NONE where no gradient arrives. Writes dx[i] for wanted inputs only; dx starts as VW_NONE.
   * dx[i] may be a dy[i] itself (a pass-through). NULL: no gradient flows (integer inputs, draws, updates). */
  vw_status (*gradient)(vw_graph *g, const vw_node *n, const vw_value *dy, vw_value *dx);
  /* Floating-point operations of one run; NULL: counted as none. */
  double (*flops)(const vw_tensor *in, const void *attr, const vw_tensor *out);
  /* Bytes that one run moves, for ops that look up a part of an input; storage types are resolved. NULL: every input
   * and output once. Use vw_op_bytes. */
  double (*bytes)(const vw_tensor *in, const void *attr, const vw_tensor *out);
};

/* Bytes that one run of `op` reads and writes at least: each input and output once, of a table only the rows that are
 * looked up. Storage types must be resolved; absent inputs have ndim 0. Caches and scratch do not count. */
double vw_op_bytes(const vw_op *op, const void *attr, const vw_tensor *in, const vw_tensor *out);

static inline bool vw_present(const vw_tensor *t) {
  return t->ndim > 0;
}

/* ---- what a kernel sees ------------------------------------------------------------------------------------------ */

/* How exactly a backend computes; what is stored follows from it (src/graph's policy), words and losses never change.
 */
typedef enum vw_precision {
  VW_COMPUTE_FP32,  /* everything; ref: double */
  VW_COMPUTE_TF32,  /* storage fp32, factors of products rounded to TF32 */
  VW_COMPUTE_MIXED, /* texts as VW_COMPUTE_TF32; pictures in bf16, a transformer's residual stream in fp32 */
  VW_COMPUTE_BF16,  /* texts and pictures in bf16, a transformer's residual stream in fp32 */
  VW_PRECISIONS
} vw_precision;

typedef struct vw_context {
  vw_backend backend;
  int threads;  /* OpenMP threads of this rank, >= 1 */
  void *device; /* cuda: struct vw_cuda (stream, handles), else NULL */
  vw_precision precision;
  bool convolutions; /* a network of convolutions is open: the kernel set names what they run on */
  bool tf32; /* follows from precision: factors of fp32 products may be rounded to TF32, but for results of role VW_HEAD
              */
} vw_context;

/* A frozen weight as it lies in its files: tensors of one shape, each of any float type, stacked along the first axis.
 */
enum { VW_MAX_PARTS = 8 };
typedef struct vw_parts {
  int n;
  vw_tensor part[VW_MAX_PARTS];
} vw_parts;

/* A copy of a frozen input that a kernel makes in `prepare`, in an order of its own. Calls whose copies have the same
 * input, form and size share one. */
typedef struct vw_kept {
  int input;
  int64_t form;
  size_t bytes; /* 0: none */
} vw_kept;

typedef struct vw_call {
  const vw_tensor *in, *out; /* bound; indexed by the op's enums */
  /* Where input i really lies, or NULL; only for inputs that the kernel packs (vw_kernel.packs). in[i].data is then
   * NULL. */
  const vw_parts *parts[VW_MAX_IN];
  /* The type in which frozen input i lies in its files, as far as it is known when memory is planned (vw_policy.stored):
   * for `measure` alone. */
  vw_dtype stored[VW_MAX_IN];
  const void *attr; /* the op's typed struct */
  void *scratch;    /* from the program, VW_ALIGN-aligned, shared between calls: holds nothing between runs */
  size_t scratch_bytes;
  vw_kept kept;    /* from `measure` */
  void *state;     /* from prepare; freed by release */
  uint32_t frozen; /* bit i: input i is a weight: its data stay as they are from prepare to release */
} vw_call;

typedef struct vw_kernel {
  /* Enqueues; no allocation, no synchronisation. Every output element is written (arenas hold garbage). Repeatable bit
   * for bit, for any number of threads: parallel over outputs, sums in fixed order, no atomics. */
  vw_status (*run)(vw_context *ctx, const vw_call *c);
  /* Optional: says how much scratch it wants (c->scratch_bytes) and what prepare will keep (c->kept), before memory is
   * planned; shapes are set, data is not. */
  vw_status (*measure)(vw_context *ctx, vw_call *c);
  /* Optional: after leaves are bound; chooses, may repack weights, sets c->state. */
  vw_status (*prepare)(vw_context *ctx, vw_call *c);
  void (*release)(vw_context *ctx, vw_call *c);
  /* Bit i: of input i, where it is frozen, the data are read in prepare alone, and taken in parts too. */
  uint32_t packs;
} vw_kernel;

/* NULL where the backend lacks the op. */
const vw_kernel *vw_kernel_of(vw_backend backend, vw_op_id id);

/* ---- shared by contracts ----------------------------------------------------------------------------------------- */

typedef enum vw_activation { VW_ACT_NONE, VW_ACT_QUICK_GELU, VW_ACT_GELU, VW_ACT_SILU } vw_activation;

#ifdef __cplusplus
}
#endif
#endif
