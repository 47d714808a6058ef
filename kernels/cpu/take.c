/* take and its gradient on the CPU. take copies whole rows, whatever their type. The gradient is a segmented sum in row
 * order: a thread makes PIECE elements of a row of the table from all rows of dy that belong to it. fp32 is added as it
 * lies there; f16 and bf16 are widened to fp32, f64 stays double, and the sum is rounded once. */
#include "kernels/take.h"

#include "kernels/cpu/simd.h"
#include <string.h>

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *table = &c->in[TAKE_TABLE];
  if (vw_count(table) == 0) return VW_OK;
  const size_t row = vw_bytes(table) / (size_t)table->dim[0];
  const int64_t B = c->out[0].dim[0];
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t b = 0; b < B; b++)
    memcpy((char *)c->out[0].data + (size_t)b * row,
           (const char *)table->data + (size_t)vw_i32(&c->in[TAKE_INDEX])[b] * row, row);
  return VW_OK;
}

enum { PIECE = 1024 };

/* Elements at..at+n of row k of the table; S: elements of a row. */
VW_SIMD static void sum_piece(const vw_call *c, int64_t k, int64_t S, int64_t at, int64_t n) {
  const vw_tensor *dy = &c->in[TAKE_GRAD_DY], *out = &c->out[0];
  const bool is_double = dy->dtype == VW_F64;
  const int32_t *index = vw_i32(&c->in[TAKE_GRAD_INDEX]);
  float sum[PIECE] = {0}, room[PIECE];
  double wide[PIECE] = {0};
  for (int64_t b = 0; b < dy->dim[0]; b++) {
    if (index[b] != k) continue;
    const char *from = (const char *)dy->data + (size_t)(b * S + at) * vw_dtype_bytes(dy->dtype);
    if (is_double) {
      for (int64_t i = 0; i < n; i++) wide[i] += ((const double *)from)[i];
      continue;
    }
    const float *x = (const float *)from;
    if (dy->dtype != VW_F32) {
      (void)vw_convert(room, VW_F32, from, dy->dtype, n); /* floats alone reach a gradient */
      x = room;
    }
#pragma omp simd
    for (int64_t i = 0; i < n; i++) sum[i] += x[i];
  }
  char *to = (char *)out->data + (size_t)(k * S + at) * vw_dtype_bytes(out->dtype);
  (void)vw_convert(to, out->dtype, is_double ? (const void *)wide : sum, is_double ? VW_F64 : VW_F32, n);
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const int64_t N = c->out[0].dim[0], S = N ? vw_count(&c->out[0]) / N : 0;
#pragma omp parallel for num_threads(ctx->threads) schedule(static) collapse(2)
  for (int64_t k = 0; k < N; k++)
    for (int64_t at = 0; at < S; at += PIECE) sum_piece(c, k, S, at, S - at < PIECE ? S - at : PIECE);
  return VW_OK;
}

const vw_kernel take_cpu = {.run = run}, take_grad_cpu = {.run = run_grad};
