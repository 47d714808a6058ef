/* concat and channels, by definition. */
#include "kernels/concat.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t C1 = vw_last_dim(&c->in[CONCAT_A]), C2 = vw_last_dim(&c->in[CONCAT_B]);
  for (int64_t n = 0; n < vw_rows(&c->out[0]); n++)
    for (int64_t i = 0; i < C1 + C2; i++)
      vw_f64(&c->out[0])[n * (C1 + C2) + i] =
          i < C1 ? vw_f64(&c->in[CONCAT_A])[n * C1 + i] : vw_f64(&c->in[CONCAT_B])[n * C2 + i - C1];
  return VW_OK;
}

static vw_status run_channels(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_channels_attr *a = c->attr;
  const int64_t C = vw_last_dim(&c->in[0]);
  for (int64_t n = 0; n < vw_rows(&c->out[0]); n++)
    for (int64_t i = 0; i < a->count; i++)
      vw_f64(&c->out[0])[n * a->count + i] = vw_f64(&c->in[0])[n * C + a->first + i];
  return VW_OK;
}

const vw_kernel concat_ref = {.run = run}, channels_ref = {.run = run_channels};
