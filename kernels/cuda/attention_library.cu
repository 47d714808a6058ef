/* Attention on cuDNN: one fused operation forward. Backward a graph of operations that the library fuses, of which it
 * keeps ds [B, heads, T, J] in its workspace, so that no sum is shared between blocks of threads and a run repeats bit
 * for bit:
 *
 *   o = sum(dy y)            p = exp(scale q k^T - lse)      dv = p^T dy
 *   ds = scale p (dy v^T - o)        dk = ds^T q             dq = ds k
 */
#include "kernels/cuda/attention_library.cuh"

#include "core/align.h"

#include "kernels/cuda/cudnn.cuh"
#include "kernels/cuda/vector.cuh"

#include <cmath>
#include <cstdio>
#include <cstdlib>

enum { LEAST_QUERIES = 256, MOST_D = 128 };
static const int64_t MOST_WORKSPACE = static_cast<int64_t>(12) << 30;

/* uids; numbers in vw_attention_call. */
enum { Q = 1, K, V, Y, LSE, SCALE, FORWARD_ITEMS = SCALE, ONE, DY, DQ, DK, DV, O, BACKWARD_ITEMS = O };

struct vw_attention_call {
  vw_cudnn_binding *binding;
  float scale, one;
};

/* [B, heads, rows, D] with positions `stride` apart; turned: the last two axes exchanged. */
static void heads_of(const vw_attention_shape &s, int64_t rows, int64_t stride, bool turned, int64_t (&dim)[4],
                     int64_t (&step)[4]) {
  const int64_t d[] = {s.B, s.heads, turned ? s.D : rows, turned ? rows : s.D};
  const int64_t t[] = {rows * stride, s.D, turned ? 1 : stride, turned ? stride : 1};
  for (int i = 0; i < 4; i++) dim[i] = d[i], step[i] = t[i];
}

static vw_cudnn_item heads(vw_cudnn_graph *g, int64_t uid, const vw_attention_shape &s, int64_t rows, int64_t stride,
                           bool turned) {
  int64_t dim[4], step[4];
  heads_of(s, rows, stride, turned, dim, step);
  return vw_cudnn_tensor(g, uid, VW_BF16, dim, step);
}

static vw_cudnn_item statistics(vw_cudnn_graph *g, int64_t uid, const vw_attention_shape &s) {
  const int64_t dim[] = {s.B, s.heads, s.T, 1}, step[] = {s.heads * s.T, s.T, 1, 1};
  return uid ? vw_cudnn_tensor(g, uid, VW_F32, dim, step) : vw_cudnn_inner(g, VW_F32, dim, step);
}

/* Scores of every query and key, fp32; turned: keys first, as factors of a product in bf16. */
static vw_cudnn_item scores(vw_cudnn_graph *g, const vw_attention_shape &s, bool turned) {
  const int64_t dim[] = {s.B, s.heads, turned ? s.J : s.T, turned ? s.T : s.J};
  const int64_t step[] = {s.heads * s.T * s.J, s.T * s.J, turned ? 1 : s.J, turned ? s.J : 1};
  return vw_cudnn_inner(g, turned ? VW_BF16 : VW_F32, dim, step);
}

static void describe_forward(vw_cudnn_graph *g, const vw_attention_shape &s) {
  const int64_t C = s.heads * s.D;
  const vw_cudnn_attention a = {heads(g, Q, s, s.T, s.q_stride, false),
                                heads(g, K, s, s.J, s.kv_stride, false),
                                heads(g, V, s, s.J, s.kv_stride, false),
                                heads(g, Y, s, s.T, C, false),
                                statistics(g, LSE, s),
                                vw_cudnn_number(g, SCALE)};
  vw_cudnn_attend(g, &a);
}

/* sum(dy y), which a binding gives room for. */
static vw_cudnn_item project(vw_cudnn_graph *g, const vw_attention_shape &s, vw_cudnn_item dy) {
  const int64_t C = s.heads * s.D, dim[] = {s.B, s.heads, s.T, s.D}, step[] = {s.T * C, s.T * s.D, C, 1};
  const vw_cudnn_item y = heads(g, Y, s, s.T, C, false), each = vw_cudnn_inner(g, VW_F32, dim, step);
  const vw_cudnn_item sum = statistics(g, 0, s), o = statistics(g, O, s), one = vw_cudnn_number(g, ONE);
  vw_cudnn_elements(g, VW_CUDNN_MULTIPLY, dy, y, each);
  vw_cudnn_sum(g, each, sum);
  vw_cudnn_elements(g, VW_CUDNN_MULTIPLY, sum, one, o);
  return o;
}

/* A product of the turned scores `x` with `b`. */
static void product_of_turned(vw_cudnn_graph *g, const vw_attention_shape &s, vw_cudnn_item x, vw_cudnn_item b,
                              vw_cudnn_item y) {
  const vw_cudnn_item turned = scores(g, s, true);
  vw_cudnn_turn(g, x, turned);
  vw_cudnn_product(g, turned, b, y);
}

static void describe_backward(vw_cudnn_graph *g, const vw_attention_shape &s) {
  const int64_t C = s.heads * s.D;
  int64_t dim[4], step[4];
  heads_of(s, s.J, s.kv_stride, false, dim, step);
  const vw_cudnn_item q = heads(g, Q, s, s.T, s.q_stride, false), k_turned = heads(g, K, s, s.J, s.kv_stride, true),
                      v_turned = heads(g, V, s, s.J, s.kv_stride, true), lse = statistics(g, LSE, s),
                      scale = vw_cudnn_number(g, SCALE), dy = heads(g, DY, s, s.T, C, false);
  const vw_cudnn_item o = project(g, s, dy);

  const vw_cudnn_item raw = scores(g, s, false), scaled = scores(g, s, false), shifted = scores(g, s, false),
                      p = scores(g, s, false);
  vw_cudnn_product(g, q, k_turned, raw);
  vw_cudnn_elements(g, VW_CUDNN_MULTIPLY, raw, scale, scaled);
  vw_cudnn_elements(g, VW_CUDNN_SUBTRACT, scaled, lse, shifted);
  vw_cudnn_elements(g, VW_CUDNN_EXP, shifted, nullptr, p);
  product_of_turned(g, s, p, dy, heads(g, DV, s, s.J, s.kv_stride, false));

  const vw_cudnn_item dp = scores(g, s, false), less = scores(g, s, false), weighted = scores(g, s, false),
                      ds = scores(g, s, false);
  vw_cudnn_product(g, dy, v_turned, dp);
  vw_cudnn_elements(g, VW_CUDNN_SUBTRACT, dp, o, less);
  vw_cudnn_elements(g, VW_CUDNN_MULTIPLY, less, p, weighted);
  vw_cudnn_elements(g, VW_CUDNN_MULTIPLY, weighted, scale, ds);
  product_of_turned(g, s, ds, q, heads(g, DK, s, s.J, s.kv_stride, false));

  const vw_cudnn_item k = vw_cudnn_inner(g, VW_BF16, dim, step);
  vw_cudnn_turn(g, k_turned, k);
  vw_cudnn_product(g, ds, k, heads(g, DQ, s, s.T, s.q_stride, false));
}

static void describe(vw_cudnn_graph *g, const void *user) {
  const vw_attention_shape &s = *static_cast<const vw_attention_shape *>(user);
  if (s.forward)
    describe_forward(g, s);
  else
    describe_backward(g, s);
}

static vw_status plan_of(vw_context *ctx, const vw_attention_shape *s, vw_cudnn_plan **plan) {
  char key[VW_CUDNN_KEY];
  *plan = nullptr;
  if (s->B == 0 || s->T < LEAST_QUERIES || s->D > MOST_D || s->D % VW_PACK) return VW_OK;
  (void)snprintf(key, sizeof key, "%s %lldx%lldx%lldx%lldx%lld rows %lld %lld", s->forward ? "attend" : "attend_back",
                 static_cast<long long>(s->B), static_cast<long long>(s->heads), static_cast<long long>(s->T),
                 static_cast<long long>(s->J), static_cast<long long>(s->D), static_cast<long long>(s->q_stride),
                 static_cast<long long>(s->kv_stride));
  if (s->has_rival && !vw_cudnn_is_asked(ctx, key)) return VW_OK;
  return vw_cudnn_plan_of(ctx, key, {MOST_WORKSPACE, true}, describe, s, plan);
}

/* sum(dy y) before the workspace. */
static size_t before_workspace(const vw_attention_shape *s) {
  const size_t bytes = s->forward ? 0 : static_cast<size_t>(s->B * s->heads * s->T) * sizeof(float);
  return (bytes + VW_ALIGN - 1) / VW_ALIGN * VW_ALIGN;
}

vw_status vw_attention_library_scratch(vw_context *ctx, const vw_attention_shape *s, int64_t *bytes) {
  vw_cudnn_plan *plan = nullptr;
  VW_TRY(plan_of(ctx, s, &plan));
  *bytes = plan ? static_cast<int64_t>(before_workspace(s) + vw_cudnn_workspace(plan)) : -1;
  return VW_OK;
}

vw_status vw_attention_library_try(vw_context *ctx, const vw_attention_shape *s, const vw_call *c,
                                   const vw_library_kernel *kernel, bool *agrees) {
  vw_cudnn_plan *plan = nullptr;
  *agrees = false;
  VW_TRY(plan_of(ctx, s, &plan));
  if (!plan) return VW_OK;
  *agrees = true;
  if (vw_cudnn_is_tried(plan)) return VW_OK;
  return vw_library_try(ctx, c, kernel, plan, agrees);
}

vw_status vw_attention_library_bind(vw_context *ctx, const vw_attention_shape *s, const vw_attention_data *d,
                                    void *scratch, vw_attention_call **out) {
  vw_cudnn_plan *plan = nullptr;
  *out = nullptr;
  VW_TRY(plan_of(ctx, s, &plan));
  VW_CHECK(plan, VW_ERR_DEVICE, "attention: the library's plan is gone");
  vw_attention_call *call = static_cast<vw_attention_call *>(calloc(1, sizeof *call));
  VW_CHECK(call, VW_ERR_MEMORY, "out of memory: the call of an attention");
  call->scale = 1.0f / sqrtf(static_cast<float>(s->D)), call->one = 1.0f;
  const auto plain = [](const void *p) { return const_cast<void *>(p); };
  void *const data[] = {plain(d->q), plain(d->k),  plain(d->v), d->y,  d->lse, &call->scale,
                        &call->one,  plain(d->dy), d->dq,       d->dk, d->dv,  scratch};
  const vw_status st =
      vw_cudnn_bind(ctx, plan, data, s->forward ? static_cast<int>(FORWARD_ITEMS) : static_cast<int>(BACKWARD_ITEMS),
                    static_cast<char *>(scratch) + before_workspace(s), &call->binding);
  if (st != VW_OK) {
    free(call);
    return st;
  }
  *out = call;
  return VW_OK;
}

vw_status vw_attention_library_run(vw_context *ctx, const vw_attention_call *call) {
  return vw_cudnn_run(ctx, call->binding);
}

void vw_attention_library_unbind(vw_attention_call *call) {
  if (call) vw_cudnn_unbind(call->binding);
  free(call);
}
