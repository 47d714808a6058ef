/* What every file of this folder shares: the device of a context, checked calls and launches, storage types, warps. */
#ifndef VW_KERNELS_CUDA_DEVICE_CUH
#define VW_KERNELS_CUDA_DEVICE_CUH

#include "kernels/memory.h"

#include <climits>
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>

struct vw_cuda_held {
  const void *data;
  size_t bytes;
};

/* vw_context.device of the cuda backend. One stream: calls are ordered as the program lists them. */
struct vw_cuda {
  int device; /* ordinal among the visible ones */
  cudaStream_t stream;
  cublasLtHandle_t blas;
  cudaDeviceProp properties;
  cudaEvent_t done[VW_RUNS_AHEAD]; /* of the last replays; replay n uses n % VW_RUNS_AHEAD */
  int64_t replays;
  vw_cuda_held *held; /* [n_held] what vw_cuda_memory gave out */
  int64_t n_held, room_held;
  size_t bytes, most_bytes;        /* in all, now and at most */
  struct vw_products *products;    /* algorithms chosen so far (product.cu); NULL: none */
  struct vw_cudnn *cudnn;          /* cudnn.cu; NULL: no network asked for it */
  struct vw_turned_weight *turned; /* conv2d_library.cu */
};

static inline vw_cuda *vw_cuda_of(const vw_context *ctx) {
  return static_cast<vw_cuda *>(ctx->device);
}

#define VW_CUDA_TRY(call)                                                                                              \
  do {                                                                                                                 \
    const cudaError_t error_ = (call);                                                                                 \
    if (error_ != cudaSuccess) return VW_RAISE(VW_ERR_DEVICE, "%s: %s", #call, cudaGetErrorString(error_));            \
  } while (0)

#define VW_CUBLAS_TRY(call)                                                                                            \
  do {                                                                                                                 \
    const cublasStatus_t error_ = (call);                                                                              \
    if (error_ != CUBLAS_STATUS_SUCCESS)                                                                               \
      return VW_RAISE(VW_ERR_DEVICE, "%s: %s", #call, cublasLtGetStatusString(error_));                                \
  } while (0)

/* Enqueues kernel(arguments...) on the context's stream: as many blocks as hold `items` of `per_block`; nothing where
 * there are none. A bad configuration is seen here, a fault of an earlier kernel too. Static shared memory ends at
 * 48 KiB: `shared` bytes beyond that are asked for. Any other compiler is that of tests/emulator, which brings
 * vw_emulate.
 */
template <typename... P, typename... A>
static vw_status vw_launch(const vw_context *ctx, const char *name, void (*kernel)(P...), int64_t items,
                           int64_t per_block, dim3 threads, size_t shared, A... arguments) {
  const size_t always = 48 << 10;
  const int64_t blocks = (items + per_block - 1) / per_block;
  if (!blocks) return VW_OK;
  VW_CHECK(blocks <= INT_MAX, VW_ERR_ARG, "%s: %lld items exceed the grid of a launch", name,
           static_cast<long long>(items));
#ifdef __CUDACC__
  if (shared > always)
    VW_CUDA_TRY(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)));
  kernel<<<static_cast<unsigned>(blocks), threads, shared, vw_cuda_of(ctx)->stream>>>(arguments...);
#else
  (void)ctx, (void)always;
  vw_emulate(name, reinterpret_cast<const void *>(kernel), static_cast<unsigned>(blocks), threads, shared,
             [=] { kernel(arguments...); });
#endif
  const cudaError_t error = cudaGetLastError();
  VW_CHECK(error == cudaSuccess, VW_ERR_DEVICE, "cuda kernel %s: %s", name, cudaGetErrorString(error));
  return VW_OK;
}

/* Heads, statistics and words are fp32 on cuda, whatever the policy stores elsewhere. */
static inline vw_status vw_check_f32(const char *op, const char *what, const vw_tensor *t) {
  VW_CHECK(t->dtype == VW_F32, VW_ERR_UNSUPPORTED, "%s on cuda keeps %s in f32, not %s: change the dtype policy", op,
           what, vw_dtype_name(t->dtype));
  return VW_OK;
}

/* Kernels compute in fp32 and store what the dtype policy says. */
__device__ inline float vw_load(const float *p, int64_t i) {
  return p[i];
}
__device__ inline float vw_load(const __nv_bfloat16 *p, int64_t i) {
  return __bfloat162float(p[i]);
}
__device__ inline void vw_store(float *p, int64_t i, float x) {
  p[i] = x;
}
__device__ inline void vw_store(__nv_bfloat16 *p, int64_t i, float x) {
  p[i] = __float2bfloat16_rn(x);
}

/* Calls f with a value of the storage type of t, so that f instantiates a kernel for it: f32 and bf16. */
template <typename F> static vw_status vw_with_type(const char *op, const vw_tensor *t, F f) {
  switch (t->dtype) {
  case VW_F32:
    return f(float());
  case VW_BF16:
    return f(__nv_bfloat16());
  default:
    return VW_RAISE(VW_ERR_UNSUPPORTED, "%s on cuda stores f32 or bf16, not %s: change the dtype policy", op,
                    vw_dtype_name(t->dtype));
  }
}

template <typename T> static T *vw_data(const vw_tensor *t) {
  return static_cast<T *>(t->data);
}

/* The same result in every lane: a butterfly, so the order is fixed. All 32 lanes must come. */
__device__ inline float vw_warp_sum(float x) {
  for (int lane = 16; lane; lane /= 2) x += __shfl_xor_sync(0xffffffffu, x, lane);
  return x;
}
__device__ inline float vw_warp_max(float x) {
  for (int lane = 16; lane; lane /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, lane));
  return x;
}

#ifdef __CUDACC__
/* The launch's `shared` bytes, on 16. */
__device__ inline float *vw_shared(void) {
  extern __shared__ __align__(16) float vw_shared_floats[];
  return vw_shared_floats;
}
#endif

/* Item of a launch with one thread each. */
__device__ inline int64_t vw_thread(void) {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

#endif
