/* take and its gradient, by definition: whole rows are copied, whatever their type; gradients are added row by row. */
#include "kernels/take.h"

#include <string.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_tensor *table = &c->in[TAKE_TABLE];
  if (vw_count(table) == 0) return VW_OK;
  const size_t row = vw_bytes(table) / (size_t)table->dim[0];
  for (int64_t b = 0; b < c->out[0].dim[0]; b++)
    memcpy((char *)c->out[0].data + (size_t)b * row,
           (const char *)table->data + (size_t)vw_i32(&c->in[TAKE_INDEX])[b] * row, row);
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_tensor *dy = &c->in[TAKE_GRAD_DY], *dtable = &c->out[0];
  const int64_t B = dy->dim[0], N = dtable->dim[0], S = N ? vw_count(dtable) / N : 0;
  for (int64_t n = 0; n < N; n++)
    for (int64_t s = 0; s < S; s++) {
      double sum = 0;
      for (int64_t b = 0; b < B; b++) {
        double x = 0;
        if (vw_i32(&c->in[TAKE_GRAD_INDEX])[b] != n) continue;
        VW_TRY(vw_convert(&x, VW_F64, (const char *)dy->data + (size_t)(b * S + s) * vw_dtype_bytes(dy->dtype),
                          dy->dtype, 1));
        sum += x;
      }
      VW_TRY(vw_convert((char *)dtable->data + (size_t)(n * S + s) * vw_dtype_bytes(dtable->dtype), dtable->dtype, &sum,
                        VW_F64, 1));
    }
  return VW_OK;
}

const vw_kernel take_ref = {.run = run}, take_grad_ref = {.run = run_grad};
