/* Attention of one head by the register tiles of gemm.h: T queries, J keys, D channels, wherever they lie; all keys, or
 * (causal, J = T) query t sees keys 0..t. A block of rows at a time: its scores stay in the cache, no T x J matrix is ever stored.
 *
 *   forward        S = Q K' / sqrt(D);  lse = log sum exp S;  Y = exp(S - lse) V
 *   gradient       P = exp(S - lse);  dS = P (dY V' - dY . Y) / sqrt(D);  dQ = dS K
 *                  and, a block of keys at a time, dK = dS' Q, dV = P' dY
 *
 * A block's bits depend on its rows and all columns alone: the same for any number of threads, however blocks are
 * shared out. The gradient makes S and dY V' twice, for dQ and for dK and dV: 7 products, not 5; in exchange no sum
 * crosses threads. */
#ifndef VW_KERNELS_CPU_ATTENTION_HEAD_H
#define VW_KERNELS_CPU_ATTENTION_HEAD_H
#include "kernels/cpu/gemm.h"

/* Of a block, a multiple of every tile's rows: scores of 4096 columns take 256 KB of the second-level cache. */
enum { VW_HEAD_ROWS = 16 };

/* A matrix of D columns, rows `stride` apart. */
typedef struct vw_head_rows {
  const float *at;
  int64_t stride, n;
} vw_head_rows;

typedef struct vw_head {
  const vw_tile *tile;
  int64_t D;
  bool causal;
  vw_head_rows q, k, v;
  vw_head_rows dy, y; /* of the gradient */
  float *lse;         /* [T]: written forward, read by the gradient */
} vw_head;

/* What a thread keeps: columns packed for the products, a block's scores. */
typedef struct vw_head_room vw_head_room;
struct vw_head_room {
  float *x_across, *z_across, *x_down, *z_down; /* packed: [D][NR] panels over columns, [columns][NR] panels over D */
  float *a, *s, *d, *out, *delta;
};

/* Floats that a thread needs for heads of up to `columns` columns. */
int64_t vw_head_floats(const vw_tile *t, int64_t columns, int64_t D, bool gradient);
vw_head_room vw_head_room_of(const vw_tile *t, int64_t columns, int64_t D, bool gradient, float *scratch);

/* Forward: packs keys and values; then rows first..first+n of y and lse, n at most VW_HEAD_ROWS. */
void vw_head_pack(const vw_head *h, const vw_head_room *r);
void vw_head_block(const vw_head *h, const vw_head_room *r, int64_t first, int64_t n, float *y, int64_t stride);

/* Gradient to queries first..first+n, behind vw_head_pack_keys; dq at row `first`. */
void vw_head_pack_keys(const vw_head *h, const vw_head_room *r);
void vw_head_block_dq(const vw_head *h, const vw_head_room *r, int64_t first, int64_t n, float *dq, int64_t stride);
/* Gradient to keys first..first+n, behind vw_head_pack_queries; dk and dv at row `first`. */
void vw_head_pack_queries(const vw_head *h, const vw_head_room *r);
void vw_head_block_dkv(const vw_head *h, const vw_head_room *r, int64_t first, int64_t n, float *dk, float *dv,
                       int64_t stride);
#endif
