/* cast on the CPU: pieces of 4096 elements by threads. Traffic: x read and y written once. */
#include "kernels/cast.h"

enum { PIECE = 4096 };

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[0], *y = &c->out[0];
  const size_t from = vw_dtype_bytes(x->dtype), to = vw_dtype_bytes(y->dtype);
  const int64_t n = vw_count(x);
#pragma omp parallel for num_threads(ctx->threads) schedule(static) if (n > PIECE)
  for (int64_t i = 0; i < n; i += PIECE) /* the contract lets floats in alone: they always convert */
    (void)vw_convert((char *)y->data + (size_t)i * to, y->dtype, (const char *)x->data + (size_t)i * from, x->dtype,
                     n - i < PIECE ? n - i : PIECE);
  return VW_OK;
}

const vw_kernel cast_cpu = {.run = run};
