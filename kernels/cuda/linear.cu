/* linear and its gradient: products on cuBLASLt (product.cuh) and one pass for the activation.
 *
 *   z = x W^T + b;  y = act(z) + residual          dz = dy act'(z);  dx = dz W
 *
 * Without an activation all of it is one product: the bias is cuBLASLt's epilogue, the residual its C. With one the
 * product writes z, which the gradient needs, and one more pass writes y: cuBLASLt has no QuickGELU, and its GELU is
 * the tanh approximation, not the contract's exact one. Passes move 8 elements a thread in 16-byte accesses; traffic:
 * z (with the residual) or dy and z read once, y or dz written once; some 20 operations an element.
 *
 * bf16 factors are summed in fp32. fp32 factors stay fp32, or are rounded to TF32 where the context allows it
 * (vw_context.tf32) and the layer is not a head (vw_linear_attr.exact). */
#include "kernels/linear.h"

#include "kernels/cuda/activation.cuh"
#include "kernels/cuda/product.cuh"
#include "kernels/cuda/vector.cuh"

enum { THREADS = 256, PER_BLOCK = THREADS * VW_PACK };

template <typename Z, typename Y, typename R>
__global__ static void __launch_bounds__(THREADS)
    linear_act_kernel(Y *__restrict__ y, const Z *__restrict__ z, const R *__restrict__ residual, vw_activation a,
                      int64_t n) {
  const int64_t i = vw_thread() * VW_PACK;
  if (i >= n) return;
  float x[VW_PACK], add[VW_PACK] = {};
  vw_load_some(z, i, n, x);
  if (residual) vw_load_some(residual, i, n, add);
  for (int j = 0; j < VW_PACK; j++) x[j] = vw_act(a, x[j]) + add[j];
  vw_store_some(y, i, n, x);
}

/* z is NULL without an activation: then only the storage type changes (of dy, or of a residual). */
template <typename D, typename Y, typename Z>
__global__ static void __launch_bounds__(THREADS)
    linear_grad_act_kernel(D *__restrict__ dz, const Y *__restrict__ dy, const Z *__restrict__ z, vw_activation a,
                           int64_t n) {
  const int64_t i = vw_thread() * VW_PACK;
  if (i >= n) return;
  float d[VW_PACK], x[VW_PACK];
  vw_load_some(dy, i, n, d);
  if (z) {
    vw_load_some(z, i, n, x);
    for (int j = 0; j < VW_PACK; j++) d[j] *= vw_act_grad(a, x[j]);
  }
  vw_store_some(dz, i, n, d);
}

/* ---- the product ------------------------------------------------------------------------------------------------ */

static void release(vw_context *ctx, vw_call *c) {
  vw_product_destroy(ctx, static_cast<vw_product *>(c->state));
  c->state = nullptr;
}

static vw_status prepare_product(vw_context *ctx, vw_call *c, const vw_product_spec *spec) {
  vw_product *p = nullptr;
  if (!spec->N) return VW_OK;
  VW_TRY(vw_product_create(ctx, spec, c->scratch, &p));
  c->state = p;
  return VW_OK;
}

/* ---- linear ----------------------------------------------------------------------------------------------------- */

static vw_activation act_of(const vw_call *c) {
  return static_cast<const vw_linear_attr *>(c->attr)->act;
}

/* Where the product goes: z with an activation, else y. */
static const vw_tensor *product_of(const vw_call *c) {
  return &c->out[act_of(c) == VW_ACT_NONE ? LINEAR_Y : LINEAR_Z];
}

static vw_status check_stored(const vw_tensor *t, const char *what) {
  VW_CHECK(t->dtype == VW_F32 || t->dtype == VW_BF16, VW_ERR_UNSUPPORTED,
           "linear on cuda stores f32 or bf16, %s is %s: change the dtype policy", what, vw_dtype_name(t->dtype));
  return VW_OK;
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  (void)ctx;
  const vw_tensor *x = &c->in[LINEAR_X], *weight = &c->in[LINEAR_WEIGHT], *y = &c->out[LINEAR_Y];
  const vw_tensor *bias = &c->in[LINEAR_BIAS], *residual = &c->in[LINEAR_RESIDUAL];
  VW_TRY(check_stored(weight, "the weight"));
  VW_TRY(check_stored(y, "the result"));
  if (vw_present(bias)) VW_TRY(check_stored(bias, "the bias"));
  if (act_of(c) != VW_ACT_NONE) VW_TRY(check_stored(&c->out[LINEAR_Z], "the pre-activation"));
  VW_CHECK(x->dtype == weight->dtype, VW_ERR_UNSUPPORTED,
           "linear on cuda multiplies like types, not %s by %s: change the dtype policy", vw_dtype_name(x->dtype),
           vw_dtype_name(weight->dtype));
  if (vw_present(residual)) VW_TRY(check_stored(residual, "the residual"));
  c->scratch_bytes = vw_product_scratch();
  return VW_OK;
}

static bool allows_tf32(const vw_context *ctx, const vw_call *c) {
  return ctx->tf32 && !static_cast<const vw_linear_attr *>(c->attr)->exact;
}

/* cuBLASLt adds a C of D's type: another residual is first copied to where the result goes, and added in place. */
static bool needs_copy(const vw_call *c) {
  const vw_tensor *residual = &c->in[LINEAR_RESIDUAL];
  return act_of(c) == VW_ACT_NONE && vw_present(residual) && residual->dtype != c->out[LINEAR_Y].dtype;
}

static vw_status prepare(vw_context *ctx, vw_call *c) {
  const vw_tensor *x = &c->in[LINEAR_X];
  const void *residual = c->in[LINEAR_RESIDUAL].data;
  const void *added = act_of(c) != VW_ACT_NONE ? nullptr : needs_copy(c) ? c->out[LINEAR_Y].data : residual;
  const vw_product_spec spec = {
      true, allows_tf32(ctx, c), &c->in[LINEAR_WEIGHT], &c->in[LINEAR_BIAS], product_of(c), vw_rows(x), x->data, added};
  VW_TRY(vw_check_aligned("linear", "the residual", residual));
  VW_TRY(vw_check_aligned("linear", "the result", c->out[LINEAR_Y].data));
  return prepare_product(ctx, c, &spec);
}

template <typename Z, typename Y, typename R> static vw_status activate(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->out[LINEAR_Y]);
  return vw_launch(ctx, "linear_act", linear_act_kernel<Z, Y, R>, n, PER_BLOCK, THREADS, 0,
                   vw_data<Y>(&c->out[LINEAR_Y]), vw_data<const Z>(&c->out[LINEAR_Z]),
                   vw_data<const R>(&c->in[LINEAR_RESIDUAL]), act_of(c), n);
}

static vw_status copy_residual(vw_context *ctx, const vw_call *c) {
  const vw_tensor *residual = &c->in[LINEAR_RESIDUAL], *y = &c->out[LINEAR_Y];
  return vw_with_type("linear", y, [&](auto ty) {
    return vw_with_type("linear", residual, [&](auto tr) {
      return vw_launch(ctx, "linear_residual", linear_grad_act_kernel<decltype(ty), decltype(tr), float>, vw_count(y),
                       PER_BLOCK, THREADS, 0, vw_data<decltype(ty)>(y), vw_data<const decltype(tr)>(residual),
                       static_cast<const float *>(nullptr), VW_ACT_NONE, vw_count(y));
    });
  });
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  if (!c->state) return VW_OK; /* no rows */
  const vw_tensor *y = &c->out[LINEAR_Y], *residual = &c->in[LINEAR_RESIDUAL];
  if (needs_copy(c)) VW_TRY(copy_residual(ctx, c));
  VW_TRY(vw_product_run(ctx, static_cast<const vw_product *>(c->state), c->scratch));
  if (act_of(c) == VW_ACT_NONE) return VW_OK;
  return vw_with_type("linear", &c->out[LINEAR_Z], [&](auto z) {
    return vw_with_type("linear", y, [&](auto ty) {
      return vw_with_type("linear", vw_present(residual) ? residual : y,
                          [&](auto tr) { return activate<decltype(z), decltype(ty), decltype(tr)>(ctx, c); });
    });
  });
}

/* ---- its gradient: scratch is the workspace, then dz where dy is not it ------------------------------------------ */

static bool needs_dz(const vw_call *c) {
  return act_of(c) != VW_ACT_NONE || c->in[LINEAR_GRAD_DY].dtype != c->in[LINEAR_GRAD_WEIGHT].dtype;
}

static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  (void)ctx;
  const vw_tensor *weight = &c->in[LINEAR_GRAD_WEIGHT];
  VW_TRY(check_stored(weight, "the weight"));
  VW_TRY(check_stored(&c->out[0], "dx"));
  const size_t dz = static_cast<size_t>(vw_count(&c->in[LINEAR_GRAD_DY])) * vw_dtype_bytes(weight->dtype);
  c->scratch_bytes = vw_product_scratch() + (needs_dz(c) ? dz : 0);
  return VW_OK;
}

/* What the product reads: dy itself, or behind the workspace. */
static void *dz_of(const vw_call *c) {
  return needs_dz(c) ? vw_product_behind(c->scratch) : c->in[LINEAR_GRAD_DY].data;
}

static vw_status prepare_grad(vw_context *ctx, vw_call *c) {
  const vw_tensor *dy = &c->in[LINEAR_GRAD_DY];
  const vw_product_spec spec = {
      false, allows_tf32(ctx, c), &c->in[LINEAR_GRAD_WEIGHT], nullptr, &c->out[0], vw_rows(dy), dz_of(c), nullptr};
  VW_TRY(vw_check_aligned("linear", "dy", dy->data));
  VW_TRY(vw_check_aligned("linear", "z", c->in[LINEAR_GRAD_Z].data));
  return prepare_product(ctx, c, &spec);
}

template <typename D, typename Y, typename Z> static vw_status scale(vw_context *ctx, const vw_call *c, void *dz) {
  const vw_tensor *dy = &c->in[LINEAR_GRAD_DY];
  return vw_launch(ctx, "linear_grad_act", linear_grad_act_kernel<D, Y, Z>, vw_count(dy), PER_BLOCK, THREADS, 0,
                   static_cast<D *>(dz), vw_data<const Y>(dy), vw_data<const Z>(&c->in[LINEAR_GRAD_Z]), act_of(c),
                   vw_count(dy));
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  if (!c->state) return VW_OK;
  const vw_tensor *dy = &c->in[LINEAR_GRAD_DY], *weight = &c->in[LINEAR_GRAD_WEIGHT];
  const vw_tensor *z = vw_present(&c->in[LINEAR_GRAD_Z]) ? &c->in[LINEAR_GRAD_Z] : dy; /* its type where absent */
  if (needs_dz(c)) {
    VW_TRY(vw_with_type("linear_grad", weight, [&](auto d) {
      return vw_with_type("linear_grad", dy, [&](auto y) {
        return vw_with_type("linear_grad", z,
                            [&](auto t) { return scale<decltype(d), decltype(y), decltype(t)>(ctx, c, dz_of(c)); });
      });
    }));
  }
  return vw_product_run(ctx, static_cast<const vw_product *>(c->state), c->scratch);
}

extern "C" const vw_kernel linear_cuda = {run, measure, prepare, release, 0};
extern "C" const vw_kernel linear_grad_cuda = {run_grad, measure_grad, prepare_grad, release, 0};
