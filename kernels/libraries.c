#include "kernels/libraries.h"

#include "kernels/backend.h"

#include "core/log.h"

#include <stdlib.h>
#include <string.h>

#ifdef VW_WITH_CUDA
static vw_status open_cudnn(vw_context *ctx) {
  const char *named = getenv("VISWORDS_CUDNN_LIBRARY");
  const vw_status st = vw_cuda_open_cudnn(ctx);
  if (st != VW_ERR_UNSUPPORTED || (named && *named && strcmp(named, "none") != 0)) return st;
  if (!named || !*named)
    vw_log(VW_LOG_INFO, "%s; convolutions and attention run on viswords' own kernels, which are slower",
           vw_error_message());
  vw_error_clear();
  return VW_OK;
}
#endif

vw_status vw_libraries_for_convolutions(vw_context *ctx) {
#ifdef VW_WITH_CUDA
  if (ctx->backend == VW_CUDA) return open_cudnn(ctx);
#endif
  ctx->convolutions = true;
  return VW_OK;
}
