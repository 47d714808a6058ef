/* take, by definition: whole rows are copied, whatever their type. */
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

const vw_kernel take_ref = {.run = run};
