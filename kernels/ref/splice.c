/* splice and its gradient, by definition: plain double loops. */
#include "kernels/splice.h"

static vw_status run(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const int64_t B = c->out[0].dim[0], T = c->out[0].dim[1], C = c->out[0].dim[2], n = c->in[SPLICE_WORDS].dim[1] / C;
  const int32_t *row_word = vw_i32(&c->in[SPLICE_ROW_WORD]), *row_template = vw_i32(&c->in[SPLICE_ROW_TEMPLATE]);
  for (int64_t b = 0; b < B; b++) {
    const int64_t m = row_template[b];
    const double *word = vw_f64(&c->in[SPLICE_WORDS]) + row_word[b] * n * C;
    for (int64_t t = 0; t < T; t++) {
      const int64_t j = t - vw_i32(&c->in[SPLICE_WORD_POS])[m];
      for (int64_t i = 0; i < C; i++)
        vw_f64(&c->out[0])[(b * T + t) * C + i] =
            vw_f64(&c->in[SPLICE_TAIL])[(m * T + t) * C + i] + (j >= 0 && j < n ? word[j * C + i] : 0);
    }
  }
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  (void)ctx;
  const vw_tensor *dx = &c->in[SPLICE_GRAD_DX];
  const int64_t B = dx->dim[0], T = dx->dim[1], C = dx->dim[2], K = c->out[0].dim[0];
  double *dwords = vw_f64(&c->out[0]);
  const int64_t n = c->out[0].dim[1] / C;
  for (int64_t i = 0; i < K * n * C; i++) dwords[i] = 0;
  for (int64_t b = 0; b < B; b++) {
    const int64_t k = vw_i32(&c->in[SPLICE_GRAD_ROW_WORD])[b], m = vw_i32(&c->in[SPLICE_GRAD_ROW_TEMPLATE])[b];
    const int64_t t = vw_i32(&c->in[SPLICE_GRAD_WORD_POS])[m];
    for (int64_t i = 0; i < n * C; i++) dwords[k * n * C + i] += vw_f64(dx)[(b * T + t) * C + i];
  }
  return VW_OK;
}

const vw_kernel splice_ref = {.run = run}, splice_grad_ref = {.run = run_grad};
