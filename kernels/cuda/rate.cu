/* What `viswords bench gpu` holds kernels against: the device's own copy. */
#include "kernels/backend.h"
#include "kernels/cuda/device.cuh"

extern "C" vw_status vw_cuda_copy(vw_context *ctx, void *to, const void *from, size_t bytes) {
  VW_CUDA_TRY(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, vw_cuda_of(ctx)->stream));
  return VW_OK;
}
