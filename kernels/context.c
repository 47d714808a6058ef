/* Opens backends and hands out their memory. ref and cpu keep their data in this process. */
#include "kernels/memory.h"

#include "core/align.h"
#include "kernels/backend.h"
#include "kernels/pages.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vw_status host_allocate(vw_context *ctx, size_t bytes, void **out) {
  (void)ctx;
  const size_t padded = (bytes + VW_ALIGN - 1) / VW_ALIGN * VW_ALIGN;
  *out = NULL;
  VW_CHECK(padded >= bytes, VW_ERR_MEMORY, "out of memory: %zu bytes asked for", bytes);
  void *p = vw_host_pages(padded);
  VW_CHECK(p, VW_ERR_MEMORY,
           "out of memory: the system refused %zu bytes; run fewer ranks on this node or smaller blocks", bytes);
  memset(p, 0, padded);
  *out = p;
  return VW_OK;
}

static void host_release(vw_context *ctx, void *p) {
  (void)ctx;
  free(p);
}

static vw_status host_copy(vw_context *ctx, void *dst, const void *src, size_t bytes) {
  (void)ctx;
  if (bytes) memcpy(dst, src, bytes);
  return VW_OK;
}

static vw_status host_synchronise(vw_context *ctx) {
  (void)ctx;
  return VW_OK;
}

static const vw_memory host_memory = {.allocate = host_allocate,
                                      .release = host_release,
                                      .upload = host_copy,
                                      .download = host_copy,
                                      .synchronise = host_synchronise,
                                      .host = true};

const vw_memory *vw_memory_of(vw_backend b) {
  if (b != VW_CUDA) return &host_memory;
#ifdef VW_WITH_CUDA
  return &vw_cuda_memory;
#else
  return NULL;
#endif
}

static const char *const precision_names[VW_PRECISIONS] = {"fp32", "tf32", "mixed", "bf16"};

vw_status vw_context_set_precision(vw_context *ctx, vw_precision precision) {
  VW_CHECK(ctx->backend == VW_CUDA || precision == VW_COMPUTE_FP32, VW_ERR_UNSUPPORTED,
           "backend %s computes in %s alone: leave plan.precision at auto, or choose --backend cuda for %s",
           vw_backend_name(ctx->backend), vw_precision_name(ctx), precision_names[precision]);
  ctx->precision = precision, ctx->tf32 = precision != VW_COMPUTE_FP32;
  return VW_OK;
}

const char *vw_precision_name(const vw_context *ctx) {
  return ctx->backend == VW_REF ? "fp64" : precision_names[ctx->precision];
}

vw_memory_use vw_memory_used(const vw_context *ctx) {
#ifdef VW_WITH_CUDA
  if (ctx->backend == VW_CUDA && ctx->device) return vw_cuda_memory_use(ctx);
#endif
  (void)ctx;
  return (vw_memory_use){0};
}

vw_status vw_context_open(vw_context *ctx, vw_backend b, int threads, int local_rank) {
  VW_CHECK(threads >= 1, VW_ERR_ARG, "threads is %d, must be at least 1", threads);
  VW_CHECK(local_rank >= 0, VW_ERR_ARG, "local rank is %d, must not be negative", local_rank);
  *ctx = (vw_context){.backend = b, .threads = threads};
  VW_TRY(vw_cpu_open(ctx)); /* also for ref and cuda: the host's threads are one setting */
  if (b == VW_CUDA) {
#ifdef VW_WITH_CUDA
    VW_TRY(vw_cuda_open(ctx, local_rank));
#else
    return VW_RAISE(VW_ERR_UNSUPPORTED, "this viswords was built without CUDA: use --backend cpu, or configure with "
                                        "-DVISWORDS_CUDA=ON where a CUDA toolkit is installed");
#endif
  }
  return VW_OK;
}

void vw_context_close(vw_context *ctx) {
#ifdef VW_WITH_CUDA
  if (ctx->backend == VW_CUDA) vw_cuda_close(ctx);
#endif
  ctx->device = NULL;
}

void vw_kernel_set(const vw_context *ctx, char text[128]) {
  switch (ctx->backend) {
  case VW_CPU:
    vw_cpu_kernel_set(ctx, text);
    return;
#ifdef VW_WITH_CUDA
  case VW_CUDA:
    vw_cuda_kernel_set(ctx, text);
    return;
#endif
  default:
    (void)snprintf(text, 128, "%s", vw_backend_name(ctx->backend));
  }
}
