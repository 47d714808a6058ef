#include "kernels/devices.h"

#include "kernels/backend.h"

#include <string.h>

vw_status vw_devices_look(vw_devices *d) {
  memset(d, 0, sizeof *d);
#ifdef VW_WITH_CUDA
  return vw_cuda_devices_look(d);
#else
  return VW_RAISE(VW_ERR_UNSUPPORTED, "this viswords was built without CUDA: configure with -DVISWORDS_CUDA=ON where a "
                                      "CUDA toolkit >= 12.4 is installed");
#endif
}

void vw_device_bus(const vw_context *ctx, char text[32]) {
  text[0] = 0;
#ifdef VW_WITH_CUDA
  if (ctx->backend == VW_CUDA) vw_cuda_bus(ctx, text);
#endif
  (void)ctx;
}

void *vw_device_stream(const vw_context *ctx) {
#ifdef VW_WITH_CUDA
  if (ctx->backend == VW_CUDA) return vw_cuda_stream(ctx);
#endif
  (void)ctx;
  return NULL;
}

vw_status vw_pinned_allocate(vw_context *ctx, size_t bytes, void **out) {
  *out = NULL;
#ifdef VW_WITH_CUDA
  if (ctx->backend == VW_CUDA) return vw_cuda_pinned_allocate(bytes, out);
#endif
  return VW_RAISE(VW_ERR_UNSUPPORTED, "backend %s has no pinned memory (%zu bytes asked for)",
                  vw_backend_name(ctx->backend), bytes);
}

void vw_pinned_release(vw_context *ctx, void *p) {
#ifdef VW_WITH_CUDA
  if (ctx->backend == VW_CUDA) vw_cuda_pinned_release(p);
#endif
  (void)ctx, (void)p;
}

vw_status vw_device_sum(vw_context *ctx, void *out, const void *slices, int64_t n_slices, int64_t n, vw_dtype type) {
#ifdef VW_WITH_CUDA
  if (ctx->backend == VW_CUDA) return vw_cuda_sum(ctx, out, slices, n_slices, n, type);
#endif
  (void)out, (void)slices, (void)n_slices, (void)n;
  return VW_RAISE(VW_ERR_UNSUPPORTED, "backend %s sums no slices of %s on a device", vw_backend_name(ctx->backend),
                  vw_dtype_name(type));
}
