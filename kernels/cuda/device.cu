/* The device of a rank: opening it with clear errors, its memory, its name. Nothing here runs before the cuda backend
 * is asked for: a binary with CUDA starts on machines without a driver. */
#include "kernels/backend.h"
#include "kernels/cuda/product.cuh"

#include <cstdio>
#include <cstdlib>

enum { OLDEST_MAJOR = 8 };

static vw_status find_device(int local_rank, int *device) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) (void)cudaGetLastError(); /* not sticky: a later try starts clean */
  VW_CHECK(error == cudaSuccess && count > 0, VW_ERR_DEVICE, "no CUDA device: %s; use --backend cpu",
           error == cudaSuccess ? "none is visible (CUDA_VISIBLE_DEVICES?)" : cudaGetErrorString(error));
  *device = local_rank % count;
  return VW_OK;
}

static vw_status open_device(vw_cuda *cuda) {
  VW_CUDA_TRY(cudaSetDevice(cuda->device));
  VW_CUDA_TRY(cudaGetDeviceProperties(&cuda->properties, cuda->device));
  VW_CHECK(cuda->properties.major >= OLDEST_MAJOR, VW_ERR_DEVICE,
           "CUDA device %d (%s) has compute capability %d.%d, viswords needs %d.0; use --backend cpu", cuda->device,
           cuda->properties.name, cuda->properties.major, cuda->properties.minor, static_cast<int>(OLDEST_MAJOR));
  VW_CUDA_TRY(cudaStreamCreateWithFlags(&cuda->stream, cudaStreamNonBlocking));
  VW_CUBLAS_TRY(cublasLtCreate(&cuda->blas));
  return VW_OK;
}

extern "C" vw_status vw_cuda_open(vw_context *ctx, int local_rank) {
  int device = 0;
  VW_TRY(find_device(local_rank, &device));
  vw_cuda *cuda = static_cast<vw_cuda *>(calloc(1, sizeof *cuda));
  VW_CHECK(cuda, VW_ERR_MEMORY, "out of memory: the state of a CUDA device");
  cuda->device = device;
  ctx->device = cuda;
  const vw_status st = open_device(cuda);
  if (st != VW_OK) vw_cuda_close(ctx);
  return st;
}

extern "C" void vw_cuda_close(vw_context *ctx) {
  vw_cuda *cuda = vw_cuda_of(ctx);
  if (!cuda) return;
  vw_products_close(cuda);
  if (cuda->blas) (void)cublasLtDestroy(cuda->blas);
  if (cuda->stream) (void)cudaStreamDestroy(cuda->stream);
  free(cuda);
  ctx->device = nullptr;
}

/* Two devices of one name and one library choose the same algorithms: this names what decides bits. */
extern "C" void vw_cuda_kernel_set(const vw_context *ctx, char text[128]) {
  const vw_cuda *cuda = vw_cuda_of(ctx);
  (void)snprintf(text, 128, "cuda cublaslt-%zu sm_%d%d %d SMs %.64s", cublasLtGetVersion(), cuda->properties.major,
                 cuda->properties.minor, cuda->properties.multiProcessorCount, cuda->properties.name);
}

static vw_status device_synchronise(vw_context *ctx) {
  VW_CUDA_TRY(cudaStreamSynchronize(vw_cuda_of(ctx)->stream));
  return VW_OK;
}

static vw_status device_allocate(vw_context *ctx, size_t bytes, void **out) {
  const size_t size = bytes ? bytes : 1;
  *out = nullptr;
  const cudaError_t error = cudaMalloc(out, size);
  if (error == cudaErrorMemoryAllocation) {
    size_t free_bytes = 0, total = 0;
    (void)cudaGetLastError();
    (void)cudaMemGetInfo(&free_bytes, &total);
    return VW_RAISE(VW_ERR_MEMORY, "CUDA device %d (%s): %zu bytes asked for, %zu of %zu free; use smaller blocks",
                    vw_cuda_of(ctx)->device, vw_cuda_of(ctx)->properties.name, size, free_bytes, total);
  }
  VW_CUDA_TRY(error);
  VW_CUDA_TRY(cudaMemsetAsync(*out, 0, size, vw_cuda_of(ctx)->stream));
  return device_synchronise(ctx);
}

static void device_release(vw_context *ctx, void *p) {
  (void)ctx;
  (void)cudaFree(p);
}

static vw_status device_copy(vw_context *ctx, void *dst, const void *src, size_t bytes, cudaMemcpyKind kind) {
  if (!bytes) return VW_OK;
  VW_CUDA_TRY(cudaMemcpyAsync(dst, src, bytes, kind, vw_cuda_of(ctx)->stream));
  return device_synchronise(ctx);
}

static vw_status device_upload(vw_context *ctx, void *dst, const void *src, size_t bytes) {
  return device_copy(ctx, dst, src, bytes, cudaMemcpyHostToDevice);
}

static vw_status device_download(vw_context *ctx, void *dst, const void *src, size_t bytes) {
  return device_copy(ctx, dst, src, bytes, cudaMemcpyDeviceToHost);
}

/* In the order of vw_memory: nvcc's C++17 has no designated initialisers. */
extern "C" const vw_memory vw_cuda_memory = {device_allocate, device_release,     device_upload,
                                             device_download, device_synchronise, false /* host */};
