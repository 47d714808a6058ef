/* splice and its gradient on the CPU: rows are copied by threads; the gradient is a segmented sum in row order, a
 * thread to a range of words. Traffic: the output once. */
#include "kernels/splice.h"

#include <string.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t B = c->out[0].dim[0], T = c->out[0].dim[1], C = c->out[0].dim[2];
  const int64_t word_size = c->in[SPLICE_WORDS].dim[1]; /* n C */
  const int32_t *row_word = vw_i32(&c->in[SPLICE_ROW_WORD]), *row_template = vw_i32(&c->in[SPLICE_ROW_TEMPLATE]);
  const float *words = vw_f32(&c->in[SPLICE_WORDS]), *tail = vw_f32(&c->in[SPLICE_TAIL]);
  float *out = vw_f32(&c->out[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t b = 0; b < B; b++) {
    const int64_t m = row_template[b];
    float *x = out + b * T * C, *at = x + vw_i32(&c->in[SPLICE_WORD_POS])[m] * C;
    const float *word = words + row_word[b] * word_size;
    memcpy(x, tail + m * T * C, (size_t)(T * C) * sizeof *x);
    for (int64_t i = 0; i < word_size; i++) at[i] += word[i];
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *dx = &c->in[SPLICE_GRAD_DX];
  const int64_t B = dx->dim[0], T = dx->dim[1], C = dx->dim[2], K = c->out[0].dim[0];
  const int64_t word_size = c->out[0].dim[1]; /* n C */
  const int32_t *row_word = vw_i32(&c->in[SPLICE_GRAD_ROW_WORD]),
                *row_template = vw_i32(&c->in[SPLICE_GRAD_ROW_TEMPLATE]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t k = 0; k < K; k++) {
    float *dword = vw_f32(&c->out[0]) + k * word_size;
    memset(dword, 0, (size_t)word_size * sizeof *dword);
    for (int64_t b = 0; b < B; b++) {
      if (row_word[b] != k) continue;
      const float *row = vw_f32(dx) + (b * T + vw_i32(&c->in[SPLICE_GRAD_WORD_POS])[row_template[b]]) * C;
      for (int64_t i = 0; i < word_size; i++) dword[i] += row[i];
    }
  }
  return VW_OK;
}

const vw_kernel splice_cpu = {.run = run}, splice_grad_cpu = {.run = run_grad};
