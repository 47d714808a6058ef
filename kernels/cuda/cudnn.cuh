/* cuDNN's graphs, opened by name (cudnn.cu): describing one, choosing an engine that repeats bit for bit, running it.
 *
 *   1  vw_libraries_for_convolutions (kernels/libraries.h), once a context, where a network wants it
 *   2  vw_cudnn_plan_of a key: what was planned before, or `describe` is asked for the operations and cuDNN's
 *      heuristics for an engine. NULL where there is no library or no engine: the caller has kernels of its own.
 *   3  vw_cudnn_bind a plan to the data of a call; vw_cudnn_run, as often as wanted
 *
 * Nothing is allocated, chosen or compiled in vw_cudnn_run: it may be recorded. */
#ifndef VW_KERNELS_CUDA_CUDNN_CUH
#define VW_KERNELS_CUDA_CUDNN_CUH

#include "kernels/cuda/device.cuh"

struct vw_cudnn;         /* of a device: the library's handle and its plans */
struct vw_cudnn_plan;    /* an engine for one key */
struct vw_cudnn_binding; /* a plan with data */

/* Operations while they are described. A step that fails makes those after it do nothing: only the end is checked. */
struct vw_cudnn_graph;
typedef void *vw_cudnn_item; /* a descriptor of the library */

/* Tensors of 4 dimensions: one whose data a binding gives under `uid`, one between operations, one number in the host's
 * memory. */
vw_cudnn_item vw_cudnn_tensor(vw_cudnn_graph *g, int64_t uid, vw_dtype type, const int64_t *dim, const int64_t *stride);
vw_cudnn_item vw_cudnn_inner(vw_cudnn_graph *g, vw_dtype type, const int64_t *dim, const int64_t *stride);
vw_cudnn_item vw_cudnn_number(vw_cudnn_graph *g, int64_t uid);

struct vw_cudnn_convolution {
  bool forward; /* y = x * w; else x, the gradient to the input, of y and w */
  int64_t stride, before[2], behind[2];
  vw_cudnn_item x, w, y;
};
void vw_cudnn_convolve(vw_cudnn_graph *g, const vw_cudnn_convolution *c);

/* y = a * b, a - b, exp(a), an element each (b NULL); a times b over the last two axes; the sum over the last axis; x
 * with its last two axes exchanged. */
enum vw_cudnn_step { VW_CUDNN_MULTIPLY, VW_CUDNN_SUBTRACT, VW_CUDNN_EXP };
void vw_cudnn_elements(vw_cudnn_graph *g, vw_cudnn_step step, vw_cudnn_item a, vw_cudnn_item b, vw_cudnn_item y);
void vw_cudnn_product(vw_cudnn_graph *g, vw_cudnn_item a, vw_cudnn_item b, vw_cudnn_item y);
void vw_cudnn_sum(vw_cudnn_graph *g, vw_cudnn_item x, vw_cudnn_item y);
void vw_cudnn_turn(vw_cudnn_graph *g, vw_cudnn_item x, vw_cudnn_item y);

/* y = softmax(scale q k^T) v of [B, heads, T or J, D], and the logarithms of the softmax's sums [B, heads, T, 1]. */
struct vw_cudnn_attention {
  vw_cudnn_item q, k, v, y, lse, scale;
};
void vw_cudnn_attend(vw_cudnn_graph *g, const vw_cudnn_attention *a);

enum { VW_CUDNN_KEY = 96 };
struct vw_cudnn_limits {
  int64_t workspace; /* bytes */
  bool compiles;     /* engines that are compiled here, in some seconds, count too */
};
typedef void (*vw_cudnn_describe)(vw_cudnn_graph *g, const void *user);
/* The plan of `key` (words and numbers: it stands in plan.yaml), owned by the device. *plan is NULL where the caller's
 * own kernels are to run. Errors: VW_ERR_UNSUPPORTED where a recorded engine does not exist here; VW_ERR_MEMORY. */
vw_status vw_cudnn_plan_of(vw_context *ctx, const char *key, vw_cudnn_limits limits, vw_cudnn_describe describe,
                           const void *user, vw_cudnn_plan **plan);
/* Whether a plan says what runs for `key`, or may choose by time. Where not, a caller's kernel that is expected to be as
 * fast is to run without asking. */
bool vw_cudnn_is_asked(const vw_context *ctx, const char *key);
/* Whether the plan was tried against an own kernel; what came of it. One that disagrees is not given out again, and is
 * recorded as none; VW_ERR_UNSUPPORTED where a plan.yaml asks for it. */
bool vw_cudnn_is_tried(const vw_cudnn_plan *plan);
vw_status vw_cudnn_judge(vw_cudnn_plan *plan, bool agrees);

/* Engines of a plan that was not judged yet, in the order of the heuristics; more than one where algorithms are timed.
 * vw_cudnn_use makes the plan the i-th of them until another is used; vw_cudnn_judge ends the choice. */
int vw_cudnn_candidates(const vw_cudnn_plan *plan);
const char *vw_cudnn_key(const vw_cudnn_plan *plan);
void vw_cudnn_use(vw_cudnn_plan *plan, int i);

/* Bytes, on VW_ALIGN; before the plan is judged enough for every candidate. */
size_t vw_cudnn_workspace(const vw_cudnn_plan *plan);

/* data[i] belongs to uid i + 1. Errors: VW_ERR_DEVICE. */
vw_status vw_cudnn_bind(vw_context *ctx, const vw_cudnn_plan *plan, void *const *data, int n, void *workspace,
                        vw_cudnn_binding **out);
void vw_cudnn_unbind(vw_cudnn_binding *b); /* NULL allowed */
vw_status vw_cudnn_run(vw_context *ctx, const vw_cudnn_binding *b);

size_t vw_cudnn_version(const vw_cuda *cuda); /* 91900 for 9.19.0; 0: not opened */
void vw_cudnn_close(vw_cuda *cuda);

#endif
