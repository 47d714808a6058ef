/* What files of the cache folder are named by. */
#include "kernels/memory.h"

#include <stdio.h>

void vw_kernel_set(const vw_context *ctx, char text[128]) {
  (void)ctx;
  (void)snprintf(text, 128, "kernels");
}

const char *vw_backend_name(vw_backend kind) {
  (void)kind;
  return "cpu";
}

const char *vw_precision_name(const vw_context *ctx) {
  (void)ctx;
  return "fp32";
}
