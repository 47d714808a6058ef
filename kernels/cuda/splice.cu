/* Splice and its gradient:
 *
 *   x[b,t] = tail[m,t] + (0 <= j < n ? words[row_word[b], j] : 0),  m = row_template[b], j = t - word_pos[m]
 *   dwords[k,j] = sum over rows b with row_word[b] == k, in row order, of dx[b, word_pos[m] + j]
 *
 * Forward: 8 channels a thread, in 16-byte accesses where rows allow it; traffic: tail read and x written once.
 * Gradient: one block a word, each thread owns channels and adds the word's rows in order: no atomics, repeatable bit
 * for bit. The block finds its rows 256 at a time, a thread a row, and lists them in shared memory in row order
 * (ballots and their counts); traffic: row_word (B int32, from L2) and the word's rows of dx once. One operation an
 * element. */
#include "kernels/splice.h"

#include "kernels/cuda/segments.cuh"
#include "kernels/cuda/vector.cuh"

enum { THREADS = VW_LISTED }; /* the gradient's blocks list rows */

/* Pack i of row-major packs, `packs` a row of C channels; whole: rows lie in packs. */
template <typename P, typename X>
__global__ static void __launch_bounds__(THREADS)
    splice_kernel(X *__restrict__ x, const float *__restrict__ words, const P *__restrict__ tail,
                  const int32_t *__restrict__ row_word, const int32_t *__restrict__ row_template,
                  const int32_t *__restrict__ word_pos, int64_t rows, int64_t T, int64_t C, int64_t n, bool whole) {
  const int64_t packs = (C + VW_PACK - 1) / VW_PACK, i = vw_thread(), at = i / packs, c = i % packs * VW_PACK;
  if (at >= rows) return;
  const int64_t b = at / T, t = at % T, m = row_template[b];
  const int64_t end = whole ? C : 0; /* of what is read in packs */
  float v[VW_PACK], add[VW_PACK] = {};
  vw_load_upto(tail + (m * T + t) * C, c, end, C, v);
  const int64_t j = t - word_pos[m];
  if (j >= 0 && j < n) vw_load_upto(words + (row_word[b] * n + j) * C, c, end, C, add);
  for (int k = 0; k < VW_PACK; k++) v[k] += add[k];
  vw_store_upto(x + at * C, c, end, C, v);
}

/* Channels of all vectors in passes of THREADS; the list is made again for each: words have a few hundred channels.
 * N: channels of a word, n C, which lie in a row in dx too. */
template <typename X>
__global__ static void __launch_bounds__(THREADS)
    splice_grad_kernel(float *__restrict__ dwords, const X *__restrict__ dx, const int32_t *__restrict__ row_word,
                       const int32_t *__restrict__ row_template, const int32_t *__restrict__ word_pos, int64_t B,
                       int64_t T, int64_t C, int64_t N) {
  __shared__ int64_t list[VW_LISTED];
  __shared__ int counts[VW_LISTED_WARPS];
  const int64_t k = blockIdx.x;
  for (int64_t c0 = 0; c0 < N; c0 += THREADS) {
    const int64_t c = c0 + threadIdx.x;
    float sum = 0;
    for (int64_t b0 = 0; b0 < B; b0 += VW_LISTED) {
      const int n = vw_list_rows(list, counts, row_word, k, b0, B,
                                 [=](int64_t b) { return (b * T + word_pos[row_template[b]]) * C; });
      if (c < N)
        for (int i = 0; i < n; i++) sum += vw_load(dx, list[i] + c);
    }
    if (c < N) dwords[k * N + c] = sum;
  }
}

template <typename P, typename X> static vw_status launch(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->out[0];
  const int64_t rows = vw_rows(x), C = x->dim[2], packs = (C + VW_PACK - 1) / VW_PACK;
  const bool whole = vw_packs(vw_data<X>(x), C) && vw_packs(vw_data<P>(&c->in[SPLICE_TAIL]), C) &&
                     vw_packs(vw_f32(&c->in[SPLICE_WORDS]), C);
  return vw_launch(ctx, "splice", splice_kernel<P, X>, rows * packs, THREADS, THREADS, 0, vw_data<X>(x),
                   vw_f32(&c->in[SPLICE_WORDS]), vw_data<const P>(&c->in[SPLICE_TAIL]), vw_i32(&c->in[SPLICE_ROW_WORD]),
                   vw_i32(&c->in[SPLICE_ROW_TEMPLATE]), vw_i32(&c->in[SPLICE_WORD_POS]), rows, x->dim[1], C,
                   c->in[SPLICE_WORDS].dim[1] / C, whole);
}

template <typename X> static vw_status launch_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *dx = &c->in[SPLICE_GRAD_DX];
  return vw_launch(ctx, "splice_grad", splice_grad_kernel<X>, c->out[0].dim[0], 1, THREADS, 0, vw_f32(&c->out[0]),
                   vw_data<const X>(dx), vw_i32(&c->in[SPLICE_GRAD_ROW_WORD]), vw_i32(&c->in[SPLICE_GRAD_ROW_TEMPLATE]),
                   vw_i32(&c->in[SPLICE_GRAD_WORD_POS]), dx->dim[0], dx->dim[1], dx->dim[2], c->out[0].dim[1]);
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

extern "C" const vw_kernel splice_cuda = {run, nullptr, nullptr, nullptr, 0};
extern "C" const vw_kernel splice_grad_cuda = {run_grad, nullptr, nullptr, nullptr, 0};
