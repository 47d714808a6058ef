/* What every file of this folder shares: the device of a context, checked calls and launches, storage types. */
#ifndef VW_KERNELS_CUDA_DEVICE_CUH
#define VW_KERNELS_CUDA_DEVICE_CUH

#include "kernels/memory.h"

#include <climits>
#include <cublasLt.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>

/* vw_context.device of the cuda backend. One stream: calls are ordered as the plan lists them. */
struct vw_cuda {
  int device; /* ordinal among the visible ones */
  cudaStream_t stream;
  cublasLtHandle_t blas;
  cudaDeviceProp properties;
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

/* After every launch: a bad configuration is seen here, a fault of an earlier kernel too. */
static inline vw_status vw_launched(const char *kernel) {
  const cudaError_t error = cudaGetLastError();
  VW_CHECK(error == cudaSuccess, VW_ERR_DEVICE, "cuda kernel %s: %s", kernel, cudaGetErrorString(error));
  return VW_OK;
}

/* Blocks of `per_block` items that hold n of them. */
static inline vw_status vw_grid(const char *op, int64_t n, int64_t per_block, unsigned *blocks) {
  const int64_t count = (n + per_block - 1) / per_block;
  VW_CHECK(count <= INT_MAX, VW_ERR_ARG, "%s: %lld items exceed the grid of a launch", op, static_cast<long long>(n));
  *blocks = static_cast<unsigned>(count);
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

#ifdef __CUDACC__
/* The same sum in every lane: a butterfly, so the order is fixed. */
__device__ inline float vw_warp_sum(float x) {
  for (int lane = 16; lane; lane /= 2) x += __shfl_xor_sync(0xffffffffu, x, lane);
  return x;
}
#endif

#endif
