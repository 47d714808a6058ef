/* Where a backend keeps its data. ref and cpu: this process' memory; cuda: the device's. */
#ifndef VW_KERNELS_MEMORY_H
#define VW_KERNELS_MEMORY_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is enqueued between begin and end is kept instead of run; replay enqueues all of it at once, with the same
 * arguments. Kernels read what changes between steps from the backend's memory, so a recording stays right. */
typedef struct vw_recorder {
  vw_status (*begin)(vw_context *ctx);
  /* Ends what begin began, also after a failed call in between: then *recording may be NULL. The caller forgets it. */
  vw_status (*end)(vw_context *ctx, void **recording);
  /* Runs at most VW_RUNS_AHEAD replays ahead of the backend: further calls wait. */
  vw_status (*replay)(vw_context *ctx, void *recording);
  void (*forget)(vw_context *ctx, void *recording); /* NULL allowed */
} vw_recorder;
enum { VW_RUNS_AHEAD = 16 };

typedef struct vw_memory {
  /* Zeroed, VW_ALIGN-aligned. Errors: VW_ERR_MEMORY. */
  vw_status (*allocate)(vw_context *ctx, size_t bytes, void **out);
  void (*release)(vw_context *ctx, void *p);
  vw_status (*upload)(vw_context *ctx, void *dst, const void *src, size_t bytes); /* host to backend; done on return */
  vw_status (*download)(vw_context *ctx, void *dst, const void *src, size_t bytes); /* waits for enqueued work */
  vw_status (*synchronise)(vw_context *ctx);
  bool host;                   /* pointers may be read by the host */
  const vw_recorder *recorder; /* NULL: starting a kernel costs nothing worth saving */
} vw_memory;

/* Bytes of a device: what this context's memory holds now and held at most; what the device has free (for all programs
 * on it) and in all. Zeros for backends in host memory. */
typedef struct vw_memory_use {
  int64_t held, most, free, total;
} vw_memory_use;
vw_memory_use vw_memory_used(const vw_context *ctx);

/* NULL: this build has no such backend. */
const vw_memory *vw_memory_of(vw_backend b);

/* Opens a backend: threads (>= 1), for cuda the device of this rank. Errors: VW_ERR_UNSUPPORTED (not built in),
 * VW_ERR_DEVICE (no device or driver). Close releases handles and streams. */
vw_status vw_context_open(vw_context *ctx, vw_backend b, int threads, int local_rank);
void vw_context_close(vw_context *ctx);

/* Chooses how exactly the backend computes, before anything is built on it; a context opens with VW_COMPUTE_FP32.
 * Errors: VW_ERR_UNSUPPORTED: ref and cpu have no other. */
vw_status vw_context_set_precision(vw_context *ctx, vw_precision precision);
/* "fp64", "fp32", "tf32", "mixed", "bf16". */
const char *vw_precision_name(const vw_context *ctx);

/* Names what decides bits: backend, kind of products, vector width and libraries, or GPU and cuBLASLt:
 * "cpu fma avx2 gcc-12 glibc-2.36", with " winograd" behind it where a network of convolutions is open. `text` holds 128 bytes. */
void vw_kernel_set(const vw_context *ctx, char text[128]);

#ifdef __cplusplus
}
#endif
#endif
