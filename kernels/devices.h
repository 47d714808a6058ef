/* The CUDA devices of this machine, as `doctor` shows them, and what the exchange between ranks needs of one. The only
 * way to CUDA for code that knows no CUDA header; builds without CUDA say so. */
#ifndef VW_KERNELS_DEVICES_H
#define VW_KERNELS_DEVICES_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { VW_DEVICES = 32, VW_DEVICE_TEXT = 256, VW_OLDEST_CAPABILITY = 80 };

typedef struct vw_device {
  char name[VW_DEVICE_TEXT], bus[32]; /* "NVIDIA H100 80GB HBM3", "0000:18:00.0" */
  int capability;                     /* 90 for 9.0 */
  int multiprocessors;
  int64_t memory, free;         /* bytes */
  char problem[VW_DEVICE_TEXT]; /* "" or why viswords cannot use it, and the way out */
} vw_device;

/* Versions as CUDA codes them: 13000 for 13.0; 0: unknown. */
typedef struct vw_devices {
  int toolkit;       /* this program was built with it */
  int runtime;       /* libcudart that is loaded */
  int driver;        /* the newest runtime that the driver can serve; 0: no driver */
  int64_t cublas_lt; /* 130101 for 13.1.1 */
  int n;             /* visible devices; the first VW_DEVICES are described */
  vw_device device[VW_DEVICES];
} vw_devices;

/* Fills what can be known. Takes a context on every device, for the free memory. Errors: VW_ERR_UNSUPPORTED (built
 * without CUDA); VW_ERR_DEVICE: no driver, a driver too old for the runtime (both versions and the way out), no device
 * visible, or none that viswords can use (the first one's problem). */
vw_status vw_devices_look(vw_devices *d);

/* The device of an open cuda context on its node's bus: "0000:18:00.0"; "" for other backends. */
void vw_device_bus(const vw_context *ctx, char text[32]);

/* The stream of an open cuda context, a cudaStream_t. NULL: another backend. */
void *vw_device_stream(const vw_context *ctx);

/* Pinned memory of the host, which the device copies from and to at full speed. Release takes NULL. Errors:
 * VW_ERR_MEMORY; VW_ERR_UNSUPPORTED for other backends. */
vw_status vw_pinned_allocate(vw_context *ctx, size_t bytes, void **out);
void vw_pinned_release(vw_context *ctx, void *p);

/* out[n] = the sum of slices[n_slices, n] on the device of an open cuda context, in the order of slices, in double,
 * rounded once to `type`, VW_F32 or VW_F64: the bits of vw_transport_sum. Enqueues. Errors: VW_ERR_UNSUPPORTED for
 * other backends and types. */
vw_status vw_device_sum(vw_context *ctx, void *out, const void *slices, int64_t n_slices, int64_t n, vw_dtype type);

#ifdef __cplusplus
}
#endif
#endif
