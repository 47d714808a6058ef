/* Splice and its gradient:
 *
 *   x[b,t] = tail[m,t] + (t == word_pos[m] ? words[row_word[b]] : 0),  m = row_template[b]
 *   dwords[k] = sum over rows b with row_word[b] == k, in row order, of dx[b, word_pos[m]]
 *
 * Forward: one block a position (b, t), threads over channels; traffic: tail read and x written once. Gradient: one
 * block a word, each thread owns channels and adds the word's rows in order: no atomics, repeatable bit for bit. Every
 * block looks through row_word (B int32 from L2, K of them); blocks are few hundred rows. */
#include "kernels/splice.h"

#include "kernels/cuda/device.cuh"

enum { THREADS = 256 };

template <typename P, typename X>
__global__ static void __launch_bounds__(THREADS)
    splice_kernel(X *__restrict__ x, const float *__restrict__ words, const P *__restrict__ tail,
                  const int32_t *__restrict__ row_word, const int32_t *__restrict__ row_template,
                  const int32_t *__restrict__ word_pos, int64_t T, int64_t C) {
  const int64_t at = blockIdx.x, b = at / T, t = at % T, m = row_template[b];
  const bool here = t == word_pos[m];
  const float *word = words + row_word[b] * C;
  for (int64_t c = threadIdx.x; c < C; c += THREADS)
    vw_store(x, at * C + c, vw_load(tail, (m * T + t) * C + c) + (here ? word[c] : 0.0f));
}

template <typename X>
__global__ static void __launch_bounds__(THREADS)
    splice_grad_kernel(float *__restrict__ dwords, const X *__restrict__ dx, const int32_t *__restrict__ row_word,
                       const int32_t *__restrict__ row_template, const int32_t *__restrict__ word_pos, int64_t B,
                       int64_t T, int64_t C) {
  const int64_t k = blockIdx.x;
  for (int64_t c = threadIdx.x; c < C; c += THREADS) {
    float sum = 0;
    for (int64_t b = 0; b < B; b++)
      if (row_word[b] == k) sum += vw_load(dx, (b * T + word_pos[row_template[b]]) * C + c);
    dwords[k * C + c] = sum;
  }
}

template <typename P, typename X> static vw_status launch(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->out[0];
  return vw_launch(ctx, "splice", splice_kernel<P, X>, vw_rows(x), 1, THREADS, 0, vw_data<X>(x),
                   vw_f32(&c->in[SPLICE_WORDS]), vw_data<const P>(&c->in[SPLICE_TAIL]), vw_i32(&c->in[SPLICE_ROW_WORD]),
                   vw_i32(&c->in[SPLICE_ROW_TEMPLATE]), vw_i32(&c->in[SPLICE_WORD_POS]), x->dim[1], x->dim[2]);
}

template <typename X> static vw_status launch_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *dx = &c->in[SPLICE_GRAD_DX];
  return vw_launch(ctx, "splice_grad", splice_grad_kernel<X>, c->out[0].dim[0], 1, THREADS, 0, vw_f32(&c->out[0]),
                   vw_data<const X>(dx), vw_i32(&c->in[SPLICE_GRAD_ROW_WORD]), vw_i32(&c->in[SPLICE_GRAD_ROW_TEMPLATE]),
                   vw_i32(&c->in[SPLICE_GRAD_WORD_POS]), dx->dim[0], dx->dim[1], dx->dim[2]);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  VW_TRY(vw_check_f32("splice", "words", &c->in[SPLICE_WORDS]));
  return vw_with_type("splice", &c->in[SPLICE_TAIL], [&](auto p) {
    return vw_with_type("splice", &c->out[0], [&](auto x) { return launch<decltype(p), decltype(x)>(ctx, c); });
  });
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  VW_TRY(vw_check_f32("splice_grad", "gradients of words", &c->out[0]));
  return vw_with_type("splice_grad", &c->in[SPLICE_GRAD_DX], [&](auto x) { return launch_grad<decltype(x)>(ctx, c); });
}

extern "C" const vw_kernel splice_cuda = {run, nullptr, nullptr, nullptr};
extern "C" const vw_kernel splice_grad_cuda = {run_grad, nullptr, nullptr, nullptr};
