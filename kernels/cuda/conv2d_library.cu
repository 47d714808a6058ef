/* conv2d on cuDNN: products of bf16 factors, channels in multiples of 8, everything on 16 bytes; other calls stay with
 * the kernels of conv2d.cu.
 *
 * The library wants a weight's taps outside of its channels, [O, K, K, C]: a copy of it is made once and shared by all
 * calls that use the weight, forward and gradient. It writes the sums in bf16; bias, shift and residual are added in
 * one more pass: 8 elements a thread, y read and written once, the residual read once. */
#include "kernels/cuda/conv2d.cuh"

#include "kernels/backend.h"
#include "kernels/cuda/cudnn.cuh"
#include "kernels/cuda/library_check.cuh"
#include "kernels/cuda/vector.cuh"

#include <cstdio>
#include <cstdlib>

enum { THREADS = 256, TAPS_OUTSIDE = 1 };
static const int64_t MOST_WORKSPACE = static_cast<int64_t>(256) << 20;

using bf16 = __nv_bfloat16;

/* ---- a weight with its taps outside ------------------------------------------------------------------------------ */

/* A copy that calls of a device share. */
struct vw_turned_weight {
  const void *from;
  void *data;
  int64_t users;
  vw_turned_weight *next;
};

__global__ static void __launch_bounds__(THREADS)
    turn_weight_kernel(bf16 *__restrict__ to, const bf16 *__restrict__ from, int64_t C, int64_t taps, int64_t n) {
  const int64_t i = vw_thread();
  if (i >= n) return;
  const int64_t c = i % C, tap = i / C % taps, o = i / (C * taps);
  to[i] = from[(o * C + c) * taps + tap];
}

static vw_status turn_weight(vw_context *ctx, const vw_tensor *w, void *to) {
  VW_TRY(vw_launch(ctx, "conv2d_weight", turn_weight_kernel, vw_count(w), THREADS, THREADS, 0, static_cast<bf16 *>(to),
                   vw_data<const bf16>(w), w->dim[1], w->dim[2] * w->dim[3], vw_count(w)));
  return vw_cuda_memory.synchronise(ctx);
}

static vw_status take_weight(vw_context *ctx, const vw_tensor *w, vw_turned_weight **out) {
  vw_cuda *cuda = vw_cuda_of(ctx);
  vw_turned_weight *t = cuda->turned;
  while (t && t->from != w->data) t = t->next;
  if (!t) {
    t = static_cast<vw_turned_weight *>(calloc(1, sizeof *t));
    VW_CHECK(t, VW_ERR_MEMORY, "out of memory: the copy of a weight");
    t->from = w->data, t->next = cuda->turned, cuda->turned = t;
    VW_TRY(vw_cuda_memory.allocate(ctx, vw_bytes(w), &t->data));
    VW_TRY(turn_weight(ctx, w, t->data));
  }
  t->users++;
  *out = t;
  return VW_OK;
}

static void leave_weight(vw_context *ctx, vw_turned_weight *t) {
  vw_turned_weight **at = &vw_cuda_of(ctx)->turned;
  if (!t || --t->users > 0) return;
  while (*at != t) at = &(*at)->next;
  *at = t->next;
  if (t->data) vw_cuda_memory.release(ctx, t->data);
  free(t);
}

void vw_conv2d_library_close(vw_cuda *cuda) {
  while (cuda->turned) {
    vw_turned_weight *next = cuda->turned->next;
    if (cuda->turned->data) (void)cudaFree(cuda->turned->data);
    free(cuda->turned);
    cuda->turned = next;
  }
}

/* ---- bias, shift, residual --------------------------------------------------------------------------------------- */

/* A pack of y; shift has a row for every `positions` rows of y. */
__global__ static void __launch_bounds__(THREADS)
    conv2d_add_kernel(bf16 *__restrict__ y, const bf16 *__restrict__ bias, const bf16 *__restrict__ shift,
                      const bf16 *__restrict__ residual, int64_t C, int64_t positions, int64_t n) {
  const int64_t i = vw_thread() * VW_PACK;
  if (i >= n) return;
  const int64_t c = i % C;
  float sum[VW_PACK], add[VW_PACK];
  vw_load_pack(y + i, sum);
  const auto accumulate = [&](const bf16 *from) {
    vw_load_pack(from, add);
    for (int j = 0; j < VW_PACK; j++) sum[j] += add[j];
  };
  if (bias) accumulate(bias + c);
  if (shift) accumulate(shift + i / (C * positions) * C + c);
  if (residual) accumulate(residual + i);
  vw_store_pack(y + i, sum);
}

static vw_status add_rest(vw_context *ctx, const vw_call *c) {
  const vw_tensor *y = &c->out[0];
  const bf16 *bias = vw_data<const bf16>(&c->in[CONV_BIAS]), *shift = vw_data<const bf16>(&c->in[CONV_SHIFT]);
  const bf16 *residual = vw_data<const bf16>(&c->in[CONV_RESIDUAL]);
  const int64_t n = vw_count(y);
  if (!bias && !shift && !residual) return VW_OK;
  return vw_launch(ctx, "conv2d_add", conv2d_add_kernel, n, THREADS * VW_PACK, THREADS, 0, vw_data<bf16>(y), bias,
                   shift, residual, y->dim[3], y->dim[1] * y->dim[2], n);
}

/* ---- the call ---------------------------------------------------------------------------------------------------- */

struct operands {
  const vw_tensor *x, *w, *y;
  const vw_conv2d_attr *attr;
  bool forward;
  int weight; /* the input that w is */
};

static operands operands_of(const vw_call *c, bool forward) {
  const vw_conv2d_attr *a = static_cast<const vw_conv2d_attr *>(c->attr);
  if (forward) return {&c->in[CONV_X], &c->in[CONV_WEIGHT], &c->out[0], a, true, CONV_WEIGHT};
  return {&c->out[0], &c->in[CONV_GRAD_WEIGHT], &c->in[CONV_GRAD_DY], a, false, CONV_GRAD_WEIGHT};
}

static bool is_bf16(const vw_tensor *t) {
  return !vw_present(t) || t->dtype == VW_BF16;
}

static bool is_on_pack(const vw_tensor *t) {
  return reinterpret_cast<uintptr_t>(t->data) % VW_PACK_ALIGNMENT == 0;
}

/* The weight is frozen: its copy stays right. */
static bool takes(const vw_call *c, const operands &o) {
  bool fits = o.w->dim[0] % VW_PACK == 0 && o.w->dim[1] % VW_PACK == 0 && vw_count(o.y) > 0 && vw_count(o.x) > 0;
  for (const vw_tensor *t : {o.x, o.w, o.y}) fits = fits && is_bf16(t);
  for (int i = CONV_BIAS; o.forward && i <= CONV_RESIDUAL; i++) fits = fits && is_bf16(&c->in[i]);
  return fits && (c->frozen >> o.weight & 1u);
}

static vw_cudnn_item picture(vw_cudnn_graph *g, int64_t uid, const vw_tensor *t) {
  const int64_t B = t->dim[0], H = t->dim[1], W = t->dim[2], C = t->dim[3];
  const int64_t dim[] = {B, C, H, W}, stride[] = {C * H * W, 1, C * W, C};
  return vw_cudnn_tensor(g, uid, t->dtype, dim, stride);
}

static void describe(vw_cudnn_graph *g, const void *user) {
  const operands &o = *static_cast<const operands *>(user);
  const int64_t C = o.w->dim[1], K = o.w->dim[2];
  const int64_t stride[] = {C * K * K, 1, K * C, C};
  const vw_padding &p = o.attr->padding;
  const vw_cudnn_item x = picture(g, 1, o.x), w = vw_cudnn_tensor(g, 2, o.w->dtype, o.w->dim, stride);
  const vw_cudnn_convolution taps = {o.forward, o.attr->stride,    {p.top, p.left}, {p.bottom, p.right}, x,
                                     w,         picture(g, 3, o.y)};
  vw_cudnn_convolve(g, &taps);
}

static void key_of(const operands &o, char key[VW_CUDNN_KEY]) {
  const vw_padding &p = o.attr->padding;
  (void)snprintf(key, VW_CUDNN_KEY, "%s %lldx%lldx%lldx%lld %lld side %lld stride %lld pad %lld %lld %lld %lld",
                 o.forward ? "convolve" : "convolve_back", static_cast<long long>(o.x->dim[0]),
                 static_cast<long long>(o.x->dim[1]), static_cast<long long>(o.x->dim[2]),
                 static_cast<long long>(o.x->dim[3]), static_cast<long long>(o.w->dim[0]),
                 static_cast<long long>(o.w->dim[2]), static_cast<long long>(o.attr->stride),
                 static_cast<long long>(p.top), static_cast<long long>(p.bottom), static_cast<long long>(p.left),
                 static_cast<long long>(p.right));
}

static vw_status plan_of(vw_context *ctx, const vw_call *c, const operands &o, vw_cudnn_plan **plan) {
  char key[VW_CUDNN_KEY];
  *plan = nullptr;
  if (!takes(c, o)) return VW_OK;
  key_of(o, key);
  return vw_cudnn_plan_of(ctx, key, {MOST_WORKSPACE, false}, describe, &o, plan);
}

vw_status vw_conv2d_library_measure(vw_context *ctx, vw_call *c, bool forward) {
  const operands o = operands_of(c, forward);
  vw_cudnn_plan *plan = nullptr;
  VW_TRY(plan_of(ctx, c, o, &plan));
  if (!plan) return VW_OK;
  c->scratch_bytes = vw_cudnn_workspace(plan);
  if (o.w->dim[2] > 1) c->kept = {o.weight, TAPS_OUTSIDE, vw_bytes(o.w)};
  return VW_OK;
}

struct library_call {
  vw_cudnn_binding *binding;
  vw_turned_weight *weight; /* NULL: as it is, of one tap */
  bool forward;
};

static vw_status bind(vw_context *ctx, vw_call *c, bool forward) {
  const operands o = operands_of(c, forward);
  vw_cudnn_plan *plan = nullptr;
  VW_TRY(plan_of(ctx, c, o, &plan));
  library_call *own = static_cast<library_call *>(calloc(1, sizeof *own));
  VW_CHECK(own, VW_ERR_MEMORY, "out of memory: the call of a convolution");
  c->state = own, own->forward = forward; /* what fails from here on is released with the program */
  if (o.w->dim[2] > 1) VW_TRY(take_weight(ctx, o.w, &own->weight));
  void *const data[] = {o.x->data, own->weight ? own->weight->data : o.w->data, o.y->data};
  return vw_cudnn_bind(ctx, plan, data, 3, c->scratch, &own->binding);
}

static vw_status bind_forward(vw_context *ctx, vw_call *c) {
  return bind(ctx, c, true);
}

static vw_status bind_gradient(vw_context *ctx, vw_call *c) {
  return bind(ctx, c, false);
}

static bool is_on_packs(const vw_call *c, const operands &o) {
  bool on_packs = true;
  for (const vw_tensor *t : {o.x, o.w, o.y}) on_packs = on_packs && is_on_pack(t);
  for (int i = CONV_BIAS; o.forward && i <= CONV_RESIDUAL; i++) on_packs = on_packs && is_on_pack(&c->in[i]);
  return on_packs;
}

vw_status vw_conv2d_library_prepare(vw_context *ctx, vw_call *c, bool forward, vw_conv2d_run run) {
  const operands o = operands_of(c, forward);
  vw_cudnn_plan *plan = nullptr;
  VW_TRY(plan_of(ctx, c, o, &plan));
  if (!plan || !is_on_packs(c, o) || c->scratch_bytes < vw_cudnn_workspace(plan)) return VW_OK;
  if (!vw_cudnn_is_tried(plan)) {
    const vw_library_kernel kernel = {forward ? static_cast<int>(CONV_RESIDUAL) + 1
                                              : static_cast<int>(CONV_GRAD_WEIGHT) + 1,
                                      1,
                                      forward ? bind_forward : bind_gradient,
                                      run,
                                      vw_conv2d_library_release,
                                      false};
    bool agrees = false;
    VW_TRY(vw_library_try(ctx, c, &kernel, plan, &agrees));
    if (!agrees) return VW_OK;
  }
  return bind(ctx, c, forward);
}

vw_status vw_conv2d_library_run(vw_context *ctx, const vw_call *c) {
  const library_call *own = static_cast<const library_call *>(c->state);
  VW_TRY(vw_cudnn_run(ctx, own->binding));
  return own->forward ? add_rest(ctx, c) : VW_OK;
}

void vw_conv2d_library_release(vw_context *ctx, vw_call *c) {
  library_call *own = static_cast<library_call *>(c->state);
  if (!own) return;
  vw_cudnn_unbind(own->binding);
  leave_weight(ctx, own->weight);
  free(own);
  c->state = nullptr;
}
