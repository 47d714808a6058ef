/* Attention without masks, one (row, head) a thread at a time, by the register tiles of gemm.h:
 *
 *   S = Q K' / sqrt(D) [QUERIES, T];  lse = log sum exp S;  Y = exp(S - max) V / sum
 *
 * K' and V are packed once a head, queries and probabilities as they are used. The scores of a block of queries stay in
 * the cache (64 x 577 floats: 144 KB); the whole T x T matrix is never written. One thread makes all of a head: the
 * same bits for any number of threads. */
#include "kernels/cpu/attention_dense.h"

#include "kernels/attention.h"
#include "kernels/cpu/activation.h"
#include "kernels/cpu/gemm.h"
#include <math.h>
#include <omp.h>
#include <string.h>

enum { QUERIES = 64, LEAST_ROWS = 32 }; /* QUERIES: a multiple of every tile's rows */

bool vw_attention_is_dense(const vw_tensor *in, bool causal) {
  return !causal && !vw_present(&in[ATTN_PREFIX]) && !vw_present(&in[ATTN_LENGTH]) && in[ATTN_QKV].dim[1] >= LEAST_ROWS;
}

/* One head's operands; a thread's part of the scratch holds what is packed and the scores. */
typedef struct head {
  const vw_tile *tile;
  int64_t T, C, D, keys, width; /* keys, width: T and D in whole panels */
  const float *qkv;             /* [T, 3C], at the head */
  float *y, *lse;               /* [T, C] at the head, [T] */
  float *k, *v;                 /* packed: panels of [D][NR] over keys, of [T][NR] over width */
  float *a, *s, *out;           /* packed queries or probabilities, scores [QUERIES, keys], result [QUERIES, width] */
} head;

static int64_t whole(int64_t n, int64_t size) {
  return (n + size - 1) / size * size;
}

/* Sets the parts of a thread's scratch; returns its floats. */
static int64_t lay_out(head *h, float *scratch) {
  const int64_t NR = h->tile->NR, longer = h->T > h->D ? h->T : h->D;
  h->keys = whole(h->T, NR), h->width = whole(h->D, NR);
  const int64_t sizes[] = {h->keys * h->D, h->width * h->T, QUERIES * longer, QUERIES * h->keys, QUERIES * h->width};
  float **const parts[] = {&h->k, &h->v, &h->a, &h->s, &h->out};
  int64_t at = 0;
  for (int i = 0; i < 5; i++) {
    if (scratch) *parts[i] = scratch + at;
    at += whole(sizes[i], 16);
  }
  return at;
}

static head head_of(const vw_tensor *in, int64_t heads) {
  const vw_tensor *qkv = &in[ATTN_QKV];
  head h = {.tile = vw_tile_best(), .T = qkv->dim[1], .C = qkv->dim[2] / 3};
  h.D = h.C / heads;
  return h;
}

size_t vw_attention_dense_scratch(const vw_context *ctx, const vw_tensor *in, int64_t heads) {
  head h = head_of(in, heads);
  return (size_t)(ctx->threads * lay_out(&h, NULL)) * sizeof(float);
}

static void pack_keys_and_values(const head *h) {
  const int64_t NR = h->tile->NR;
  memset(h->k, 0, (size_t)(h->keys * h->D) * sizeof *h->k);
  memset(h->v, 0, (size_t)(h->width * h->T) * sizeof *h->v);
  for (int64_t t = 0; t < h->T; t++) {
    const float *key = h->qkv + t * 3 * h->C + h->C, *value = key + h->C;
    float *k = h->k + t / NR * NR * h->D + t % NR;
    for (int64_t d = 0; d < h->D; d++) k[d * NR] = key[d];
    for (int64_t d = 0; d < h->D; d += NR)
      memcpy(h->v + d * h->T + t * NR, value + d, (size_t)(h->D - d < NR ? h->D - d : NR) * sizeof *value);
  }
}

/* n rows of `length` floats, `stride` apart, to tiles of [length][MR]; the last tile repeats the last row. */
VW_SIMD static void pack_rows(const head *h, const float *rows, int64_t stride, int64_t n, int64_t length) {
  const int64_t MR = h->tile->MR;
  const float *row[VW_MOST_ROWS];
  for (int64_t i = 0; i < n; i += MR) {
    for (int64_t j = 0; j < VW_MOST_ROWS; j++) row[j] = rows + (i + j < n ? i + j : n - 1) * stride;
    vw_interleave(row, length, (int)MR, h->a + i * length);
  }
}

/* c [n, panels NR] = packed rows times packed panels, sums over `length`. */
static void multiply(const head *h, const float *b, int64_t n, int64_t columns, int64_t length, float *c) {
  const int64_t MR = h->tile->MR, NR = h->tile->NR;
  for (int64_t p = 0; p < columns; p += NR)
    for (int64_t i = 0; i < n; i += MR)
      h->tile->run((int)(n - i < MR ? n - i : MR), length, h->a + i * length, b + p * length, c + i * columns + p,
                   columns, true);
}

/* Scores before scaling to exponentials, in place; returns the log-sum-exp and writes 1 / sum. */
VW_SIMD static float exponentials(float *s, int64_t n, float scale, float *share) {
  float largest = s[0], sum = 0;
#pragma omp simd reduction(max : largest)
  for (int64_t j = 0; j < n; j++) largest = s[j] > largest ? s[j] : largest;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < n; j++) sum += s[j] = vw_expf(scale * (s[j] - largest));
  *share = 1 / sum;
  return scale * largest + logf(sum);
}

static void block(const head *h, int64_t first, int64_t n) {
  float share[QUERIES];
  pack_rows(h, h->qkv + first * 3 * h->C, 3 * h->C, n, h->D);
  multiply(h, h->k, n, h->keys, h->D, h->s);
  for (int64_t i = 0; i < n; i++)
    h->lse[first + i] = exponentials(h->s + i * h->keys, h->T, 1 / sqrtf((float)h->D), &share[i]);
  pack_rows(h, h->s, h->keys, n, h->T);
  multiply(h, h->v, n, h->width, h->T, h->out);
  for (int64_t i = 0; i < n; i++)
    for (int64_t d = 0; d < h->D; d++) h->y[(first + i) * h->C + d] = h->out[i * h->width + d] * share[i];
}

vw_status vw_attention_dense(vw_context *ctx, const vw_call *c) {
  const int64_t heads = ((const vw_attention_attr *)c->attr)->heads, pairs = c->out[ATTN_Y].dim[0] * heads;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
  for (int64_t pair = 0; pair < pairs; pair++) {
    head h = head_of(c->in, heads);
    const int64_t floats = lay_out(&h, NULL), at = pair / heads * h.T, column = pair % heads * h.D;
    (void)lay_out(&h, (float *)c->scratch + omp_get_thread_num() * floats);
    h.qkv = vw_f32(&c->in[ATTN_QKV]) + at * 3 * h.C + column;
    h.y = vw_f32(&c->out[ATTN_Y]) + at * h.C + column;
    h.lse = vw_f32(&c->out[ATTN_LSE]) + pair * h.T;
    pack_keys_and_values(&h);
    for (int64_t t = 0; t < h.T; t += QUERIES) block(&h, t, h.T - t < QUERIES ? h.T - t : QUERIES);
  }
  return VW_OK;
}
