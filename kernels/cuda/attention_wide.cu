/* attention of wide heads: an autoencoder's one head of 512 channels over 4,096 positions and more, which no fused
 * kernel's shared memory holds. Of a head, in pieces of n queries:
 *
 *   1  scores   S = q k^T                  a product on tensor cores, fp32 results
 *   2  rows     p = softmax(S / sqrt(D))   one block a query: its largest score and sum, then p; lse
 *   3  values   y = p v                    a product, p in the type of v
 *
 * A piece is as many queries as MOST_SCORES bytes of scores hold, a multiple of PIECE: it depends on the number of
 * positions alone. So do all sums, and a picture has the same bits in any batch. Operations: 4 T^2 D a head. Traffic a
 * piece: S written and read (twice where a row is not cached), p written and read: 16 T^2 bytes in bf16, 20 in fp32,
 * where p replaces S. At 4,096 positions of 512 channels in bf16 34 GFLOP and 268 MB: some 50 and 65 us at the rates of
 * an H200. */
#include "kernels/cuda/attention_wide.cuh"

#include "kernels/cuda/product.cuh"

#include <cstdlib>

#ifndef VW_ATTENTION_SCORES /* bytes; tests have less, so that small calls have several pieces */
#define VW_ATTENTION_SCORES (static_cast<int64_t>(128) << 20)
#endif
enum { THREADS = 256, WARPS = THREADS / 32, PIECE = 128, LEAST_D = 129, BLOCK = 256 };
static const int64_t MOST_SCORES = VW_ATTENTION_SCORES;

using geometry = vw_attention_geometry;

struct vw_attention_wide {
  vw_product *scores, *values, *last_scores,
      *last_values; /* last: of a piece with fewer queries; NULL: there is none */
};

/* Rows of scores and probabilities lie `row` elements apart; `most` queries in a piece. */
struct pieces {
  int64_t row, most;
};

static int64_t up_to(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

static pieces pieces_of(const geometry &g) {
  const int64_t row = up_to(g.T, VW_PACK), fits = MOST_SCORES / (row * static_cast<int64_t>(sizeof(float)));
  const int64_t most = fits < PIECE ? static_cast<int64_t>(PIECE) : fits / PIECE * PIECE;
  return {row, most < g.T ? most : g.T};
}

bool vw_attention_is_wide(const vw_tensor *in, const void *attr) {
  const geometry g = vw_attention_geometry_of(in, attr);
  return g.B && g.T && g.D >= LEAST_D && g.D % VW_PACK == 0 && !vw_attention_is_few(g.T, g.D) && !g.causal &&
         !vw_present(&in[ATTN_PREFIX]) && !vw_present(&in[ATTN_LENGTH]);
}

static size_t scores_bytes(const pieces &p) {
  return static_cast<size_t>(up_to(p.most * p.row * static_cast<int64_t>(sizeof(float)), BLOCK));
}

size_t vw_attention_wide_scratch(const geometry &g, vw_dtype stored) {
  const pieces p = pieces_of(g);
  const int64_t apart = stored == VW_F32 ? 0 : p.most * p.row * static_cast<int64_t>(vw_dtype_bytes(stored));
  return vw_product_scratch() + scores_bytes(p) + static_cast<size_t>(apart);
}

static float *scores_of(const vw_call *c) {
  return reinterpret_cast<float *>(vw_product_behind(c->scratch));
}

static void *probabilities_of(const vw_call *c, const pieces &p) {
  char *scores = vw_product_behind(c->scratch);
  return c->in[ATTN_QKV].dtype == VW_F32 ? scores : scores + scores_bytes(p);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

struct largest {
  float most, sum; /* of exp(x - most) */
};

__device__ static largest joined(const largest &a, const largest &b) {
  const float most = fmaxf(a.most, b.most);
  return {most, (a.sum > 0 ? a.sum * expf(a.most - most) : 0.0f) + (b.sum > 0 ? b.sum * expf(b.most - most) : 0.0f)};
}

/* The row's, in every thread. The lower lane's set comes first: both lanes of a pair compute the same. */
__device__ static largest of_block(largest mine) {
  __shared__ float most[WARPS], sum[WARPS];
  for (unsigned lane = 1; lane < 32; lane *= 2) {
    const largest other = {__shfl_xor_sync(0xffffffffu, mine.most, static_cast<int>(lane)),
                           __shfl_xor_sync(0xffffffffu, mine.sum, static_cast<int>(lane))};
    mine = threadIdx.x & lane ? joined(other, mine) : joined(mine, other);
  }
  if (threadIdx.x % 32 == 0) most[threadIdx.x / 32] = mine.most, sum[threadIdx.x / 32] = mine.sum;
  __syncthreads();
  largest all = {most[0], sum[0]};
  for (int w = 1; w < WARPS; w++) all = joined(all, {most[w], sum[w]});
  return all;
}

/* One block a query; p may be the scores themselves: a thread writes what it alone reads. */
template <typename P>
__global__ static void __launch_bounds__(THREADS)
    attention_rows_kernel(P *p, const float *scores, float *__restrict__ lse, int64_t T, int64_t row, float scale) {
  const float *from = scores + static_cast<int64_t>(blockIdx.x) * row;
  P *to = p + static_cast<int64_t>(blockIdx.x) * row;
  largest mine = {-INFINITY, 0};
  for (int64_t i = threadIdx.x * VW_PACK; i < T; i += THREADS * VW_PACK) {
    float x[VW_PACK], most = mine.most, sum = 0;
    vw_load_upto(from, i, T, T, x);
    for (int j = 0; j < VW_PACK && i + j < T; j++) x[j] *= scale, most = fmaxf(most, x[j]);
    for (int j = 0; j < VW_PACK && i + j < T; j++) sum += expf(x[j] - most);
    mine.sum = (mine.sum > 0 ? mine.sum * expf(mine.most - most) : 0.0f) + sum, mine.most = most;
  }
  const largest all = of_block(mine);
  const float factor = 1.0f / all.sum;
  for (int64_t i = threadIdx.x * VW_PACK; i < T; i += THREADS * VW_PACK) {
    float x[VW_PACK];
    vw_load_upto(from, i, T, T, x);
    for (int j = 0; j < VW_PACK && i + j < T; j++) x[j] = expf(x[j] * scale - all.most) * factor;
    vw_store_upto(to, i, T, T, x);
  }
  if (threadIdx.x == 0) lse[blockIdx.x] = all.most + logf(all.sum);
}

/* ---- a call ------------------------------------------------------------------------------------------------------ */

static size_t bytes_of(const vw_tensor *t, int64_t elements) {
  return static_cast<size_t>(elements) * vw_dtype_bytes(t->dtype);
}

/* Element `at` of a tensor. */
static char *at(const vw_tensor *t, int64_t element) {
  return static_cast<char *>(t->data) + bytes_of(t, element);
}

/* Both products of a piece of n queries. */
static vw_status create_pair(vw_context *ctx, const vw_call *c, const geometry &g, const pieces &p, int64_t n,
                             vw_product **scores, vw_product **values) {
  const vw_tensor *qkv = &c->in[ATTN_QKV];
  const vw_factors_spec qk = {"scores", true, ctx->tf32, qkv->dtype, VW_F32, g.T, g.D, n, 3 * g.C, 3 * g.C, p.row};
  const vw_factors_spec pv = {"values", false, ctx->tf32, qkv->dtype, qkv->dtype, g.D, g.T, n, 3 * g.C, p.row, g.C};
  VW_TRY(vw_factors_create(ctx, &qk, at(qkv, g.C), qkv->data, scores_of(c), c->scratch, scores));
  return vw_factors_create(ctx, &pv, at(qkv, 2 * g.C), probabilities_of(c, p), c->out[ATTN_Y].data, c->scratch, values);
}

vw_status vw_attention_wide_bind(vw_context *ctx, const vw_call *c, vw_attention_wide **out) {
  const geometry g = vw_attention_geometry_of(c->in, c->attr);
  const vw_tensor *qkv = &c->in[ATTN_QKV], *y = &c->out[ATTN_Y];
  const pieces p = pieces_of(g);
  *out = nullptr;
  if (qkv->dtype != y->dtype || c->out[ATTN_LSE].dtype != VW_F32 ||
      !vw_packs(static_cast<const char *>(qkv->data), g.C) || !vw_packs(static_cast<const char *>(y->data), g.C))
    return VW_OK;
  vw_attention_wide *w = static_cast<vw_attention_wide *>(calloc(1, sizeof *w));
  VW_CHECK(w, VW_ERR_MEMORY, "out of memory: the call of an attention");
  vw_status st = create_pair(ctx, c, g, p, p.most, &w->scores, &w->values);
  if (st == VW_OK && g.T % p.most) st = create_pair(ctx, c, g, p, g.T % p.most, &w->last_scores, &w->last_values);
  if (st != VW_OK) {
    vw_attention_wide_unbind(ctx, w);
    return st;
  }
  *out = w;
  return VW_OK;
}

void vw_attention_wide_unbind(vw_context *ctx, vw_attention_wide *w) {
  if (!w) return;
  for (vw_product *p : {w->scores, w->values, w->last_scores, w->last_values}) vw_product_destroy(ctx, p);
  free(w);
}

/* Queries first .. first + n - 1 of head h of picture b. */
static vw_status run_piece(vw_context *ctx, const vw_call *c, const geometry &g, const vw_attention_wide *w,
                           const pieces &p, int64_t b, int64_t h, int64_t first) {
  const vw_tensor *qkv = &c->in[ATTN_QKV], *y = &c->out[ATTN_Y];
  const int64_t left = g.T - first, n = left < p.most ? left : p.most, row = b * g.T * 3 * g.C + h * g.D;
  const bool is_whole = n == p.most;
  float *scores = scores_of(c), *lse = vw_f32(&c->out[ATTN_LSE]) + (b * g.heads + h) * g.T + first;
  void *to = probabilities_of(c, p);
  VW_TRY(vw_factors_run(ctx, is_whole ? w->scores : w->last_scores, at(qkv, row + g.C), at(qkv, row + first * 3 * g.C),
                        scores, c->scratch));
  VW_TRY(vw_with_type("attention", qkv, [&](auto x) {
    using X = decltype(x);
    return vw_launch(ctx, "attention_rows", attention_rows_kernel<X>, n, 1, THREADS, 0, static_cast<X *>(to),
                     static_cast<const float *>(scores), lse, g.T, p.row, g.scale);
  }));
  return vw_factors_run(ctx, is_whole ? w->values : w->last_values, at(qkv, row + 2 * g.C), to,
                        at(y, (b * g.T + first) * g.C + h * g.D), c->scratch);
}

vw_status vw_attention_wide_run(vw_context *ctx, const vw_call *c, const vw_attention_wide *w) {
  const geometry g = vw_attention_geometry_of(c->in, c->attr);
  const pieces p = pieces_of(g);
  for (int64_t b = 0; b < g.B; b++)
    for (int64_t h = 0; h < g.heads; h++)
      for (int64_t first = 0; first < g.T; first += p.most) VW_TRY(run_piece(ctx, c, g, w, p, b, h, first));
  return VW_OK;
}
