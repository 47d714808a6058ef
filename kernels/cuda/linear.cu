/* linear and its gradient on cuBLASLt:
 *
 *   z = x W^T + b;  y = act(z) + residual          dz = dy act'(z);  dx = dz W
 *
 * Row-major tensors are column-major transposes, so with W [M, K] as stored: Y^T (M x N) = op_T(W) X^T and
 * dX^T (K x N) = W^T dZ^T. Without an activation all of it is one product: the bias is cuBLASLt's epilogue, the
 * residual its C with beta 1. With an activation the product writes z, which the gradient needs, and one more pass
 * writes y: cuBLASLt has no QuickGELU, and its GELU is the tanh approximation, not the contract's exact one.
 *
 * fp32 products stay fp32 (no TF32). The algorithm is cuBLASLt's first choice for shapes, types and 16-byte alignment,
 * taken once in prepare; split sums go through the workspace, never in place: the same bits in every run on one GPU
 * model. Activation passes: 4 elements a thread would not help, they are bound by memory; traffic z, residual, y once.
 */
#include "kernels/linear.h"

#include "kernels/backend.h"
#include "kernels/cuda/device.cuh"

#include <cstdint>
#include <cstdlib>

enum { THREADS = 256 };
static const size_t WORKSPACE = static_cast<size_t>(32) << 20; /* what cuBLAS asks for on 9.0; shared by all calls */
static const size_t WORKSPACE_ALIGNMENT = 256;                 /* more than VW_ALIGN: the launcher rounds up */
static const uint32_t ALIGNMENT = 16;                          /* the widest vector load; the arena keeps to it */

/* ---- activations ----------------------------------------------------------------------------------------------- */

__device__ static float act(vw_activation a, float z) {
  if (a == VW_ACT_QUICK_GELU) return z / (1.0f + expf(-1.702f * z));
  if (a == VW_ACT_GELU) return 0.5f * z * erfcf(-z * 0.70710678f);
  return z;
}

__device__ static float act_grad(vw_activation a, float z) {
  if (a == VW_ACT_QUICK_GELU) {
    const float s = 1.0f / (1.0f + expf(-1.702f * z));
    return s + 1.702f * z * s * (1.0f - s);
  }
  if (a == VW_ACT_GELU) return 0.5f * erfcf(-z * 0.70710678f) + z * 0.39894228f * expf(-0.5f * z * z);
  return 1.0f;
}

template <typename Z, typename Y>
__global__ static void __launch_bounds__(THREADS)
    linear_act_kernel(Y *__restrict__ y, const Z *__restrict__ z, const Y *__restrict__ residual, vw_activation a,
                      int64_t n) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
  if (i >= n) return;
  vw_store(y, i, act(a, vw_load(z, i)) + (residual ? vw_load(residual, i) : 0.0f));
}

/* z is NULL without an activation: then only the storage type changes (also used for a bias). */
template <typename D, typename Y, typename Z>
__global__ static void __launch_bounds__(THREADS)
    linear_grad_act_kernel(D *__restrict__ dz, const Y *__restrict__ dy, const Z *__restrict__ z, vw_activation a,
                           int64_t n) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
  if (i >= n) return;
  vw_store(dz, i, vw_load(dy, i) * (z ? act_grad(a, vw_load(z, i)) : 1.0f));
}

/* ---- the product ------------------------------------------------------------------------------------------------ */

/* Column-major D (rows x cols) = op(A) B [+ C] [+ bias]; A is the weight as stored: K x M, leading dimension K. */
typedef struct product {
  cublasLtMatmulDesc_t desc;
  cublasLtMatrixLayout_t a, b, d;
  cublasLtMatmulAlgo_t algo;
  void *bias; /* the bias in D's type, owned; NULL where it is stored so */
} product;

static void product_fini(vw_context *ctx, product *p) {
  if (p->bias) vw_cuda_memory.release(ctx, p->bias);
  if (p->desc) (void)cublasLtMatmulDescDestroy(p->desc);
  if (p->a) (void)cublasLtMatrixLayoutDestroy(p->a);
  if (p->b) (void)cublasLtMatrixLayoutDestroy(p->b);
  if (p->d) (void)cublasLtMatrixLayoutDestroy(p->d);
  *p = product();
}

static cudaDataType_t storage(vw_dtype t) {
  return t == VW_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

/* cuBLASLt adds a bias of D's own type: another one is converted once. */
static vw_status convert_bias(vw_context *ctx, product *p, const vw_tensor *bias, const vw_tensor *out) {
  const int64_t n = vw_count(bias);
  VW_TRY(vw_cuda_memory.allocate(ctx, static_cast<size_t>(n) * vw_dtype_bytes(out->dtype), &p->bias));
  VW_TRY(vw_with_type("linear", out, [&](auto d) {
    return vw_with_type("linear", bias, [&](auto t) {
      return vw_launch(ctx, "linear_bias", linear_grad_act_kernel<decltype(d), decltype(t), float>, n, THREADS, THREADS,
                       0, static_cast<decltype(d) *>(p->bias), vw_data<const decltype(t)>(bias),
                       static_cast<const float *>(nullptr), VW_ACT_NONE, n);
    });
  }));
  return vw_cuda_memory.synchronise(ctx);
}

static vw_status describe_bias(vw_context *ctx, product *p, const vw_tensor *bias, const vw_tensor *out) {
  const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
  const cudaDataType_t type = storage(out->dtype);
  if (bias->dtype != out->dtype) VW_TRY(convert_bias(ctx, p, bias, out));
  const void *data = p->bias ? p->bias : bias->data;
  VW_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
  VW_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &type, sizeof type));
  VW_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &data, sizeof data));
  return VW_OK;
}

/* forward: D = W x (M x N); else D = W^T dz (K x N). `out` gives D's type. */
static vw_status describe(vw_context *ctx, product *p, bool forward, const vw_tensor *weight, const vw_tensor *bias,
                          const vw_tensor *out, int64_t N) {
  const uint64_t M = static_cast<uint64_t>(weight->dim[0]), K = static_cast<uint64_t>(weight->dim[1]);
  const uint64_t inner = forward ? K : M, outer = forward ? M : K;
  const cublasOperation_t op = forward ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cudaDataType_t in_type = storage(weight->dtype);
  VW_CUBLAS_TRY(cublasLtMatmulDescCreate(&p->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  VW_CUBLAS_TRY(cublasLtMatmulDescSetAttribute(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, &op, sizeof op));
  if (bias && vw_present(bias)) VW_TRY(describe_bias(ctx, p, bias, out));
  VW_CUBLAS_TRY(cublasLtMatrixLayoutCreate(&p->a, in_type, K, M, static_cast<int64_t>(K)));
  VW_CUBLAS_TRY(
      cublasLtMatrixLayoutCreate(&p->b, in_type, inner, static_cast<uint64_t>(N), static_cast<int64_t>(inner)));
  VW_CUBLAS_TRY(cublasLtMatrixLayoutCreate(&p->d, storage(out->dtype), outer, static_cast<uint64_t>(N),
                                           static_cast<int64_t>(outer)));
  return VW_OK;
}

static vw_status set_limits(cublasLtMatmulPreference_t limits) {
  const uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  const cublasLtMatmulPreferenceAttributes_t alignments[] = {
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES};
  VW_CUBLAS_TRY(cublasLtMatmulPreferenceSetAttribute(limits, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &WORKSPACE,
                                                     sizeof WORKSPACE));
  VW_CUBLAS_TRY(cublasLtMatmulPreferenceSetAttribute(limits, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &schemes,
                                                     sizeof schemes));
  for (const cublasLtMatmulPreferenceAttributes_t which : alignments)
    VW_CUBLAS_TRY(cublasLtMatmulPreferenceSetAttribute(limits, which, &ALIGNMENT, sizeof ALIGNMENT));
  return VW_OK;
}

static vw_status choose(vw_cuda *cuda, product *p, const vw_tensor *weight, int64_t N) {
  cublasLtMatmulPreference_t limits = nullptr;
  cublasLtMatmulHeuristicResult_t best;
  int found = 0;
  VW_CUBLAS_TRY(cublasLtMatmulPreferenceCreate(&limits));
  vw_status st = set_limits(limits);
  cublasStatus_t error = CUBLAS_STATUS_SUCCESS;
  if (st == VW_OK)
    error = cublasLtMatmulAlgoGetHeuristic(cuda->blas, p->desc, p->a, p->b, p->d, p->d, limits, 1, &best, &found);
  (void)cublasLtMatmulPreferenceDestroy(limits);
  VW_TRY(st);
  VW_CHECK(error == CUBLAS_STATUS_SUCCESS && found > 0 && best.state == CUBLAS_STATUS_SUCCESS, VW_ERR_UNSUPPORTED,
           "linear: cuBLASLt has no algorithm for %lld rows and weight %s %s: %s", static_cast<long long>(N),
           vw_dtype_name(weight->dtype), vw_shape_text(weight), cublasLtGetStatusString(error));
  p->algo = best.algo;
  return VW_OK;
}

/* Scratch: up to 255 bytes of padding, the workspace, then what the caller keeps behind it. */
static char *workspace_of(const vw_call *c) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(c->scratch);
  return static_cast<char *>(c->scratch) + (WORKSPACE_ALIGNMENT - at % WORKSPACE_ALIGNMENT) % WORKSPACE_ALIGNMENT;
}

static vw_status check_aligned(const char *what, const void *data) {
  VW_CHECK(reinterpret_cast<uintptr_t>(data) % ALIGNMENT == 0, VW_ERR_ARG,
           "linear: %s lies at %p, must be aligned to %u bytes", what, data, ALIGNMENT);
  return VW_OK;
}

static vw_status multiply(const vw_cuda *cuda, const product *p, const vw_tensor *weight, const void *b,
                          const void *residual, void *d, void *workspace) {
  const float one = 1.0f, beta = residual ? 1.0f : 0.0f;
  VW_CUBLAS_TRY(cublasLtMatmul(cuda->blas, p->desc, &one, weight->data, p->a, b, p->b, &beta, residual ? residual : d,
                               p->d, d, p->d, &p->algo, workspace, WORKSPACE, cuda->stream));
  return VW_OK;
}

static void release(vw_context *ctx, vw_call *c) {
  product *p = static_cast<product *>(c->state);
  if (p) product_fini(ctx, p);
  free(p);
  c->state = nullptr;
}

static vw_status prepare_product(vw_context *ctx, vw_call *c, bool forward, const vw_tensor *weight,
                                 const vw_tensor *bias, const vw_tensor *out, int64_t N) {
  if (!N) return VW_OK;
  VW_TRY(check_aligned("the weight", weight->data));
  VW_TRY(check_aligned("the result", out->data));
  product *p = static_cast<product *>(calloc(1, sizeof *p));
  VW_CHECK(p, VW_ERR_MEMORY, "out of memory: the plan of a linear layer");
  c->state = p; /* released with the call, also after a failure */
  VW_TRY(describe(ctx, p, forward, weight, bias, out, N));
  return choose(vw_cuda_of(ctx), p, weight, N);
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
  VW_CHECK(!vw_present(residual) || residual->dtype == y->dtype, VW_ERR_UNSUPPORTED,
           "linear on cuda: residual is %s, the result is %s: change the dtype policy", vw_dtype_name(residual->dtype),
           vw_dtype_name(y->dtype));
  c->scratch_bytes = WORKSPACE_ALIGNMENT + WORKSPACE;
  return VW_OK;
}

static vw_status prepare(vw_context *ctx, vw_call *c) {
  const vw_tensor *x = &c->in[LINEAR_X];
  VW_TRY(check_aligned("x", x->data));
  VW_TRY(check_aligned("the residual", c->in[LINEAR_RESIDUAL].data));
  return prepare_product(ctx, c, true, &c->in[LINEAR_WEIGHT], &c->in[LINEAR_BIAS], product_of(c), vw_rows(x));
}

template <typename Z, typename Y> static vw_status activate(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->out[LINEAR_Y]);
  return vw_launch(ctx, "linear_act", linear_act_kernel<Z, Y>, n, THREADS, THREADS, 0, vw_data<Y>(&c->out[LINEAR_Y]),
                   vw_data<const Z>(&c->out[LINEAR_Z]), vw_data<const Y>(&c->in[LINEAR_RESIDUAL]), act_of(c), n);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const product *p = static_cast<const product *>(c->state);
  if (!p) return VW_OK; /* no rows */
  const bool plain = act_of(c) == VW_ACT_NONE;
  VW_TRY(multiply(vw_cuda_of(ctx), p, &c->in[LINEAR_WEIGHT], c->in[LINEAR_X].data,
                  plain ? c->in[LINEAR_RESIDUAL].data : nullptr, product_of(c)->data, workspace_of(c)));
  if (plain) return VW_OK;
  return vw_with_type("linear", &c->out[LINEAR_Z], [&](auto z) {
    return vw_with_type("linear", &c->out[LINEAR_Y],
                        [&](auto y) { return activate<decltype(z), decltype(y)>(ctx, c); });
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
  c->scratch_bytes = WORKSPACE_ALIGNMENT + WORKSPACE + (needs_dz(c) ? dz : 0);
  return VW_OK;
}

static vw_status prepare_grad(vw_context *ctx, vw_call *c) {
  const vw_tensor *dy = &c->in[LINEAR_GRAD_DY];
  VW_TRY(check_aligned("dy", dy->data));
  return prepare_product(ctx, c, false, &c->in[LINEAR_GRAD_WEIGHT], nullptr, &c->out[0], vw_rows(dy));
}

template <typename D, typename Y, typename Z> static vw_status scale(vw_context *ctx, const vw_call *c, void *dz) {
  const vw_tensor *dy = &c->in[LINEAR_GRAD_DY];
  return vw_launch(ctx, "linear_grad_act", linear_grad_act_kernel<D, Y, Z>, vw_count(dy), THREADS, THREADS, 0,
                   static_cast<D *>(dz), vw_data<const Y>(dy), vw_data<const Z>(&c->in[LINEAR_GRAD_Z]), act_of(c),
                   vw_count(dy));
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const product *p = static_cast<const product *>(c->state);
  if (!p) return VW_OK;
  const vw_tensor *dy = &c->in[LINEAR_GRAD_DY], *weight = &c->in[LINEAR_GRAD_WEIGHT];
  const vw_tensor *z = vw_present(&c->in[LINEAR_GRAD_Z]) ? &c->in[LINEAR_GRAD_Z] : dy; /* its type where absent */
  void *dz = dy->data;
  if (needs_dz(c)) {
    dz = workspace_of(c) + WORKSPACE;
    VW_TRY(vw_with_type("linear_grad", weight, [&](auto d) {
      return vw_with_type("linear_grad", dy, [&](auto y) {
        return vw_with_type("linear_grad", z,
                            [&](auto t) { return scale<decltype(d), decltype(y), decltype(t)>(ctx, c, dz); });
      });
    }));
  }
  return multiply(vw_cuda_of(ctx), p, weight, dz, nullptr, c->out[0].data, workspace_of(c));
}

extern "C" const vw_kernel linear_cuda = {run, measure, prepare, release};
extern "C" const vw_kernel linear_grad_cuda = {run_grad, measure_grad, prepare_grad, release};
