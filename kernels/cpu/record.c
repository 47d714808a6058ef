#include "kernels/record.h"

#include <string.h>

static vw_status run_record(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t every = ((const vw_record_attr *)c->attr)->every, step = vw_i64(&c->in[RECORD_STEP])[0];
  const vw_tensor *before = &c->in[RECORD_HISTORY], *x = &c->in[RECORD_X];

  if (c->out[0].data != before->data) memcpy(c->out[0].data, before->data, vw_bytes(before));
  if (step >= 0 && step % every == 0 && step / every < before->dim[0])
    memcpy((char *)c->out[0].data + (size_t)(step / every) * vw_bytes(x), x->data, vw_bytes(x));
  return VW_OK;
}

static vw_status run_advance(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  vw_i64(&c->out[0])[0] = vw_i64(&c->in[0])[0] + 1;
  return VW_OK;
}

const vw_kernel record_cpu = {.run = run_record}, advance_cpu = {.run = run_advance};
