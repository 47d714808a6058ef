#include "kernels/algorithms.h"

#include <stdlib.h>

#ifdef VW_WITH_CUDA
static bool chooses(const vw_context *ctx) {
  return ctx->backend == VW_CUDA;
}
#endif

void vw_algorithms_time(vw_context *ctx, bool on) {
#ifdef VW_WITH_CUDA
  if (chooses(ctx)) vw_cuda_algorithms_time(ctx, on);
#else
  (void)ctx, (void)on;
#endif
}

vw_status vw_algorithms_text(const vw_context *ctx, char **text) {
#ifdef VW_WITH_CUDA
  if (chooses(ctx)) return vw_cuda_algorithms_text(ctx, text);
#else
  (void)ctx;
#endif
  *text = calloc(1, 1);
  VW_CHECK(*text, VW_ERR_MEMORY, "out of memory: the text of a plan");
  return VW_OK;
}

vw_status vw_algorithms_obey(vw_context *ctx, const char *text) {
#ifdef VW_WITH_CUDA
  if (chooses(ctx)) return vw_cuda_algorithms_obey(ctx, text);
#else
  (void)ctx, (void)text;
#endif
  return VW_OK;
}
