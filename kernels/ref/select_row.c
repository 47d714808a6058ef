/* select_row and its gradient, by definition. */
#include "kernels/select_row.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t B = c->in[SELECT_X].dim[0], T = c->in[SELECT_X].dim[1], C = c->in[SELECT_X].dim[2];
  for (int64_t b = 0; b < B; b++)
    for (int64_t i = 0; i < C; i++)
      vw_f64(&c->out[0])[b * C + i] = vw_f64(&c->in[SELECT_X])[(b * T + vw_i32(&c->in[SELECT_POSITION])[b]) * C + i];
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t B = c->out[0].dim[0], T = c->out[0].dim[1], C = c->out[0].dim[2];
  for (int64_t b = 0; b < B; b++)
    for (int64_t t = 0; t < T; t++)
      for (int64_t i = 0; i < C; i++)
        vw_f64(&c->out[0])[(b * T + t) * C + i] =
            t == vw_i32(&c->in[SELECT_GRAD_POSITION])[b] ? vw_f64(&c->in[SELECT_GRAD_DY])[b * C + i] : 0;
  return VW_OK;
}

const vw_kernel select_row_ref = {.run = run}, select_row_grad_ref = {.run = run_grad};
