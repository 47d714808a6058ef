/* Where a backend keeps its data. ref and cpu: this process' memory; cuda: the device's. */
#ifndef VW_KERNELS_MEMORY_H
#define VW_KERNELS_MEMORY_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vw_memory {
  /* Zeroed, VW_ALIGN-aligned. Errors: VW_ERR_MEMORY. */
  vw_status (*allocate)(vw_context *ctx, size_t bytes, void **out);
  void (*release)(vw_context *ctx, void *p);
  vw_status (*upload)(vw_context *ctx, void *dst, const void *src, size_t bytes); /* host to backend; done on return */
  vw_status (*download)(vw_context *ctx, void *dst, const void *src, size_t bytes); /* waits for enqueued work */
  vw_status (*synchronise)(vw_context *ctx);
  bool host; /* pointers may be read by the host */
} vw_memory;

/* NULL: this build has no such backend. */
const vw_memory *vw_memory_of(vw_backend b);

/* Opens a backend: threads (>= 1), for cuda the device of this rank. Errors: VW_ERR_UNSUPPORTED (not built in),
 * VW_ERR_DEVICE (no device or driver). Close releases handles and streams. */
vw_status vw_context_open(vw_context *ctx, vw_backend b, int threads, int local_rank);
void vw_context_close(vw_context *ctx);

/* Names what decides bits: backend, kind of products, vector width and libraries, or GPU and cuBLASLt:
 * "cpu fma avx2 gcc-12 glibc-2.36". `text` holds 128 bytes. */
void vw_kernel_set(const vw_context *ctx, char text[128]);

#ifdef __cplusplus
}
#endif
#endif
