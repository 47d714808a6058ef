/* select_row and its gradient on the CPU: rows are copied. */
#include "kernels/select_row.h"

#include <string.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t B = c->in[SELECT_X].dim[0], T = c->in[SELECT_X].dim[1], C = c->in[SELECT_X].dim[2];
  const int32_t *position = vw_i32(&c->in[SELECT_POSITION]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t b = 0; b < B; b++)
    memcpy(vw_f32(&c->out[0]) + b * C, vw_f32(&c->in[SELECT_X]) + (b * T + position[b]) * C, (size_t)C * sizeof(float));
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const int64_t B = c->out[0].dim[0], T = c->out[0].dim[1], C = c->out[0].dim[2];
  const int32_t *position = vw_i32(&c->in[SELECT_GRAD_POSITION]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t b = 0; b < B; b++) {
    float *dx = vw_f32(&c->out[0]) + b * T * C;
    memset(dx, 0, (size_t)(T * C) * sizeof *dx);
    memcpy(dx + position[b] * C, vw_f32(&c->in[SELECT_GRAD_DY]) + b * C, (size_t)C * sizeof *dx);
  }
  return VW_OK;
}

const vw_kernel select_row_cpu = {.run = run}, select_row_grad_cpu = {.run = run_grad};
