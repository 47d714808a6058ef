/* What kernels/context.c asks of the folders of backends: opening, closing, naming themselves. */
#ifndef VW_KERNELS_BACKEND_H
#define VW_KERNELS_BACKEND_H
#include "kernels/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* kernels/cpu/context.c: ctx->threads for OpenMP and OpenBLAS alike. */
vw_status vw_cpu_open(vw_context *ctx);
void vw_cpu_kernel_set(const vw_context *ctx, char text[128]);
/* kernels/cpu/rate.c: a copy by all threads of ctx. */
void vw_cpu_copy(const vw_context *ctx, void *to, const void *from, size_t bytes);
/* kernels/cpu/openblas.c: OpenBLAS' own description: version, threading, core type; NULL: there is none. */
const char *vw_cpu_blas(void);

/* kernels/cuda/device.cu; only in builds with CUDA. Nothing touches the driver before vw_cuda_open. */
vw_status vw_cuda_open(vw_context *ctx, int local_rank);
void vw_cuda_close(vw_context *ctx);
void vw_cuda_kernel_set(const vw_context *ctx, char text[128]);
vw_status vw_cuda_open_cudnn(vw_context *ctx); /* kernels/cuda/cudnn.cu; errors: VW_ERR_UNSUPPORTED says why not */
vw_memory_use vw_cuda_memory_use(const vw_context *ctx);
/* kernels/cuda/rate.cu: enqueues a copy from device memory to device memory. */
vw_status vw_cuda_copy(vw_context *ctx, void *to, const void *from, size_t bytes);
extern const vw_memory vw_cuda_memory;

/* kernels/cuda/devices.cu, behind kernels/devices.h. */
struct vw_devices;
vw_status vw_cuda_count(int *n); /* visible devices, at least one; errors as vw_devices_look */
vw_status vw_cuda_devices_look(struct vw_devices *d);
void *vw_cuda_stream(const vw_context *ctx);
void vw_cuda_bus(const vw_context *ctx, char text[32]);
vw_status vw_cuda_pinned_allocate(size_t bytes, void **out);
void vw_cuda_pinned_release(void *p);
vw_status vw_cuda_sum(vw_context *ctx, void *out, const void *slices, int64_t n_slices, int64_t n, vw_dtype type);

#ifdef __cplusplus
}
#endif
#endif
