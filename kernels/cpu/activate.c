/* activate, geglu and their gradients on the CPU: pieces of PIECE elements, or rows, by threads. Traffic: inputs read
 * and the result written once. */
#include "kernels/activate.h"

#include "kernels/cpu/activation.h"

enum { PIECE = 1024 };

VW_SIMD static void piece(vw_activation act, const float *x, float *y, int64_t n) {
  vw_act(act, x, y, n);
}

VW_SIMD static void piece_grad(vw_activation act, const float *x, const float *dy, float *dx, int64_t n) {
  vw_act_grad(act, x, dy, dx, n);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->in[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static) if (n > PIECE)
  for (int64_t i = 0; i < n; i += PIECE)
    piece(((const vw_activate_attr *)c->attr)->act, vw_f32(&c->in[0]) + i, vw_f32(&c->out[0]) + i,
          n - i < PIECE ? n - i : PIECE);
  return VW_OK;
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const int64_t n = vw_count(&c->out[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static) if (n > PIECE)
  for (int64_t i = 0; i < n; i += PIECE)
    piece_grad(((const vw_activate_attr *)c->attr)->act, vw_f32(&c->in[ACTIVATE_GRAD_X]) + i,
               vw_f32(&c->in[ACTIVATE_GRAD_DY]) + i, vw_f32(&c->out[0]) + i, n - i < PIECE ? n - i : PIECE);
  return VW_OK;
}

VW_SIMD static void geglu_row(const float *restrict value, const float *restrict gate, float *restrict y, int64_t C) {
#pragma omp simd
  for (int64_t i = 0; i < C; i++) {
    float density;
    y[i] = value[i] * (gate[i] * vw_normalf(gate[i], &density));
  }
}

VW_SIMD static void geglu_row_grad(const float *restrict value, const float *restrict gate, const float *restrict dy,
                                   float *restrict dvalue, float *restrict dgate, int64_t C) {
#pragma omp simd
  for (int64_t i = 0; i < C; i++) {
    float density;
    const float phi = vw_normalf(gate[i], &density);
    dvalue[i] = dy[i] * (gate[i] * phi);
    dgate[i] = dy[i] * value[i] * (phi + gate[i] * density);
  }
}

static vw_status run_geglu(vw_context *ctx, const vw_call *c) {
  const int64_t N = vw_rows(&c->out[0]), C = vw_last_dim(&c->out[0]);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t n = 0; n < N; n++) {
    const float *x = vw_f32(&c->in[0]) + n * 2 * C;
    geglu_row(x, x + C, vw_f32(&c->out[0]) + n * C, C);
  }
  return VW_OK;
}

static vw_status run_geglu_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *dy = &c->in[ACTIVATE_GRAD_DY];
  const int64_t N = vw_rows(dy), C = vw_last_dim(dy);
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t n = 0; n < N; n++) {
    const float *x = vw_f32(&c->in[ACTIVATE_GRAD_X]) + n * 2 * C;
    float *dx = vw_f32(&c->out[0]) + n * 2 * C;
    geglu_row_grad(x, x + C, vw_f32(dy) + n * C, dx, dx + C, C);
  }
  return VW_OK;
}

const vw_kernel activate_cpu = {.run = run}, activate_grad_cpu = {.run = run_grad};
const vw_kernel geglu_cpu = {.run = run_geglu}, geglu_grad_cpu = {.run = run_geglu_grad};
