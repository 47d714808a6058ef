/* A network is described once: build -> reverse -> program (dtypes, lifetimes, binding), an array of calls.
 *
 *   1  vw_graph_create; descriptions call op builders and vw_weight/vw_input/...
 *   2  vw_reverse emits the gradient nodes
 *   3  vw_program_create resolves roles to storage types, measures scratch and lays out one arena
 *   4  leaves are bound; vw_program_prepare
 *   5  vw_program_run, as often as wanted
 *
 * The graph may be destroyed once its programs are created. The graph calls that op contracts use (vw_emit,
 * vw_value_tensor, vw_wanted) stand in kernels/op.h. */
#ifndef VW_GRAPH_GRAPH_H
#define VW_GRAPH_GRAPH_H

#include "kernels/memory.h"
#include "kernels/op.h"

typedef enum vw_leaf_kind {
  VW_LEAF_WEIGHT, /* frozen, bound by name, shared by programs */
  VW_LEAF_INPUT,  /* data of this program: bound (borrowed) or written */
  VW_LEAF_STATE,  /* owned by the program, survives runs; in-place ops update it */
  VW_LEAF_FILL    /* constant of the program */
} vw_leaf_kind;

enum { VW_NAME_BYTES = 128 };

/* Storage type of each role; and the type in which the weights that kernels only pack lie in their files, which kernels
 * may keep (VW_F32 where it is not known): memory is planned with it, results do not depend on it. */
typedef struct vw_policy {
  vw_dtype param, act, residual, head, stat, stored;
} vw_policy;
vw_policy vw_default_policy(vw_backend b); /* ref: f64; cpu, cuda: f32 */
/* Weights and activations in bf16; the residual stream, heads and statistics stay f32. */
vw_policy vw_bf16_policy(void);
vw_dtype vw_resolve(const vw_policy *p, vw_dtype role);

vw_status vw_graph_create(vw_graph **g);
void vw_graph_destroy(vw_graph *g); /* NULL allowed */

/* The first failure of any builder since creation, with its trail; VW_OK when all is well. */
vw_status vw_graph_status(const vw_graph *g);

/* Scopes: parts of one graph with storage types of their own, as a text encoder in fp32 before a network in bf16.
 * Every leaf and node belongs to the scope that is current when it is described (0 at first); gradient nodes belong to
 * the scope of the values whose gradient they make. Values of a role pass from one scope to another through vw_cast
 * alone (kernels/cast.h); every other op refuses them. Integers and explicit storage types pass freely. */
enum { VW_SCOPES = 4 };
/* Makes `scope` (0 to VW_SCOPES - 1) current and returns the one before, for going back to it. */
int vw_graph_scope(vw_graph *g, int scope);
/* The policy of a scope, copied; NULL: none of its own, the policy that a program is created with counts. May be called
 * until the program is created, and again for another program. */
void vw_graph_set_policy(vw_graph *g, int scope, const vw_policy *policy);
/* The storage type of a value in a program that is created with `policy`. */
vw_dtype vw_graph_storage(const vw_graph *g, const vw_policy *policy, vw_value v);
/* The policy of a value's scope: its own, or `policy`. */
const vw_policy *vw_graph_policy(const vw_graph *g, const vw_policy *policy, vw_value v);

/* Leaves. Names are unique within a graph and printf-formatted; a weight's name is its name in the hub's file, where
 * "a.{q,k,v}_proj.weight" means those tensors stacked along the first axis. */
vw_value vw_weight(vw_graph *g, vw_tensor shape, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
vw_value vw_input(vw_graph *g, vw_tensor shape, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
vw_value vw_state(vw_graph *g, vw_tensor shape, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
vw_value vw_fill(vw_graph *g, vw_tensor shape, double value);

/* Keeps a value readable after a run. */
void vw_output(vw_graph *g, vw_value v, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* VW_NONE when there is no leaf or output of that name. */
vw_value vw_find(const vw_graph *g, const char *name);

/* Reverse mode in two sweeps: nodes that depend on a wanted leaf, nodes that reach the loss; gradients are emitted only
 * where both hold. The loss may have any shape: its sum is differentiated. grads[i]: gradient of leaves[i], VW_NONE
 * where the loss does not depend on it. */
vw_status vw_reverse(vw_graph *g, vw_value loss, const vw_value *leaves, int n, vw_value *grads);

/* The same from a given gradient of `y` (a value of its shape): vector-Jacobian products. */
vw_status vw_reverse_from(vw_graph *g, vw_value y, vw_value dy, const vw_value *leaves, int n, vw_value *grads);

/* After one vw_reverse, and when all outputs are described: cuts the forward nodes into at most `segments` segments,
 * keeps what crosses the cuts, and makes what a gradient reads of the inside of a segment a second time, just before
 * the gradients of that segment. Cuts are chosen for the least memory of programs with `policy`, which may be NULL as
 * in vw_program_work (recompute.c says how). All values and all bits stay what they were, the counted operations grow
 * by less than those of a forward pass. Does nothing for less than two segments, in a graph without gradients, and
 * where no cut saves memory. Errors: VW_ERR_ARG (too many segments, a second time, several reverse modes),
 * VW_ERR_MEMORY. */
enum { VW_MOST_SEGMENTS = 64 };
vw_status vw_recompute(vw_graph *g, const vw_policy *policy, int64_t segments);

/* Counted floating-point operations of one run of all nodes. */
double vw_graph_flops(const vw_graph *g);

typedef struct vw_leaf {
  vw_value value;
  vw_leaf_kind kind;
  const char *name; /* owned by the graph or program it was asked of */
  vw_tensor tensor; /* of a program: storage type resolved, data where bound */
} vw_leaf;
int64_t vw_graph_leaf_count(const vw_graph *g);
vw_leaf vw_graph_leaf(const vw_graph *g, int64_t i);

/* ---- program ----------------------------------------------------------------------------------------------------- */

typedef struct vw_program vw_program;

/* Makes a program for the backend of ctx, which must outlive it. policy: of all scopes without one of their own; NULL:
 * vw_default_policy of the backend. Errors: VW_ERR_UNSUPPORTED naming an op the backend lacks; VW_ERR_MEMORY. */
vw_status vw_program_create(vw_program **p, const vw_graph *g, vw_context *ctx, const vw_policy *policy);
void vw_program_destroy(vw_program *p); /* NULL allowed */

/* The same in the arena of a program of the same context that lives longer and never runs at the same time: outputs of
 * one are lost when the other runs. A program whose values do not fit there gets an arena of its own. */
vw_status vw_program_create_beside(vw_program **p, const vw_graph *g, vw_context *ctx, const vw_policy *policy,
                                   const vw_program *beside);
/* Binds every input that `from` (which lives longer) has data for, by name; what is bound or written already, and what
 * `from` lacks, is left alone. Errors: VW_ERR_ARG where shapes or storage types differ. */
vw_status vw_program_bind_inputs(vw_program *p, const vw_program *from);

int64_t vw_program_leaf_count(const vw_program *p);
vw_leaf vw_program_leaf(const vw_program *p, int64_t i);

/* Binds a leaf to memory of the backend that outlives the program (weights shared by programs; for ref and cpu any
 * host memory). Shape and resolved storage type must match. */
vw_status vw_program_bind(vw_program *p, vw_value leaf, const void *data);

/* Has an output written to memory of the backend that outlives the program, instead of the arena. Before prepare. */
vw_status vw_program_place(vw_program *p, vw_value output, void *data);

/* A weight that every call only packs into an order of its own: it need not exist in its resolved type. */
bool vw_program_packs(const vw_program *p, vw_value leaf);
/* Binds such a weight to where it lies in its files; `parts` and their data outlive the program. */
vw_status vw_program_bind_parts(vw_program *p, vw_value leaf, const vw_parts *parts);

/* Host to a leaf that the program owns (inputs that are not bound, states): converts between float types. Shape must
 * match. */
vw_status vw_program_write(vw_program *p, vw_value leaf, const vw_tensor *host);
/* A leaf or an output to the host; converts to host->dtype. */
vw_status vw_program_read(vw_program *p, vw_value v, const vw_tensor *host);

/* After binding: every leaf has data; kernels choose and repack. Once. */
vw_status vw_program_prepare(vw_program *p);
/* Enqueues one run. Reading a value waits for it; so does vw_program_wait, which also tells what went wrong since. */
vw_status vw_program_run(vw_program *p);
vw_status vw_program_wait(vw_program *p);

/* Runs once with a clock around every call; seconds[op id] and calls[op id] are added to (VW_OPS entries each). */
vw_status vw_program_profile(vw_program *p, double *seconds, int64_t *calls);

/* One call of a prepared program (src/graph/profile.c); the tensors and attributes are the program's. */
typedef struct vw_call_view {
  const vw_op *op;
  const void *attr;
  const vw_tensor *in, *out; /* op->n_in and op->n_out of them, storage types resolved; absent inputs have ndim 0 */
  int threads;               /* that a run takes: no more than the call is worth, at most the context's */
} vw_call_view;
int64_t vw_program_call_count(const vw_program *p);
vw_call_view vw_program_call(const vw_program *p, int64_t i);

/* Runs every call in order; call i repeats[i] times in a row between two waits, seconds[i] is then the mean time of one
 * (what it reads may lie in caches). Backends that record programs record the repetitions of a call too, and may run it
 * more often. repeats[i] = 0: once and untimed, seconds[i] = 0. Calls that update states in place move them on at every
 * repetition. */
vw_status vw_program_time_calls(vw_program *p, const int64_t *repeats, double *seconds);

/* Bytes the program owns: arena (values by lifetime + scratch) and leaves, and what the arena would be without reuse.
 * Beside them: weights, which programs share, with the copies that kernels keep of them. */
typedef struct vw_program_memory {
  int64_t arena, scratch, leaves, without_reuse, weights;
} vw_program_memory;
vw_program_memory vw_program_memory_of(const vw_program *p);
/* The arena that vw_program_create_beside adds to what `beside` holds: 0 where it fits. */
int64_t vw_program_arena_beside(const vw_program_memory *p, const vw_program_memory *beside);

/* The same before anything is allocated; inputs count as leaves that the program owns. Errors as vw_program_create. */
vw_status vw_program_measure(const vw_graph *g, vw_context *ctx, const vw_policy *policy, vw_program_memory *out);

/* What one run of a program does, from shapes alone: no context, no device, no memory is needed. Only nodes that an
 * output or a state update needs are counted, as a program runs no others.
 *   flops   the ops' own counts (vw_op.flops): products and attention; what is not counted is bound by memory
 *   bytes   what the calls read and write, each input and output once a call, of a table the rows that are looked up
 *           (vw_op_bytes): a lower bound of the traffic where nothing stays in a cache
 *   calls   kernels started
 * A time at given rates is the sum over calls of max(flops / rate, bytes / rate), at least the larger of both sums. */
typedef struct vw_work {
  double flops, bytes;
  int64_t calls;
} vw_work;
/* policy: storage types, which decide the bytes; NULL: vw_default_policy(VW_CPU). Errors: the graph's own, if a builder
 * failed; VW_ERR_MEMORY. */
vw_status vw_program_work(const vw_graph *g, const vw_policy *policy, vw_work *out);

#endif
