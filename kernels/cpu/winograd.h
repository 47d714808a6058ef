/* Convolutions of 3 x 3 taps and stride 1 by Winograd's F(2 x 2, 3 x 3): four results of a channel from 16 products in
 * place of 36 (Lavin & Gray 2016, arXiv 1509.09308, eq. 5 to 8 and 12). A tile is 2 x 2 results and the 4 x 4 inputs d
 * that they read; g are a weight's taps:
 *
 *   Y = A' [ sum_c (G g G') * (B' d B) ] A
 *
 *        1  0 -1  0         1   0   0
 *   B' = 0  1  1  0    G = 1/2 1/2 1/2    A' = 1  1  1  0
 *        0 -1  1  0        1/2 -1/2 1/2        0  1 -1 -1
 *        0  1  0 -1         0   0   1
 *
 * The sums over channels are 16 matrix products, one for each place in the 4 x 4, by the register tiles of gemm.h. The
 * weight is read as it is packed for the plain product, and transformed a piece of a panel at a time for many tiles: no
 * copy of 16 numbers in place of 9 is kept. Transformed inputs lie as a panel reads them, [block of tiles][piece of
 * channels][place][tiles of MR][channel][MR]: front to back, as fast as memory gives them. The gradient is the same with
 * inputs and outputs exchanged and taps in reverse; it turns the pieces first (gemm.h).
 *
 * Bits: an element is 16 chains of multiply-adds over the channels, then sums in a fixed order, from its own reads: the
 * same for any number of pictures and threads. Errors, with u the rounding of one operation: along one axis the three
 * products of a result have, in place of variance 1, variance 2 for d0 - d2 times g0 and 2 x 3/4 for d1 + d2 and
 * d2 - d1 times (g0 +- g1 + g2) / 2, together 5 for 3; in two dimensions 25 for 9. So sums of the same length are of
 * terms larger by 5/3 in the root mean square, and so is their error; the transforms add 2 + 4 + 4 roundings a term.
 * Nothing else grows: all factors are 1 and 1/2. */
#ifndef VW_KERNELS_CPU_WINOGRAD_H
#define VW_KERNELS_CPU_WINOGRAD_H
#include "kernels/cpu/gemm.h"

typedef struct vw_winograd {
  int64_t B, H, W;           /* the result [B, H, W, p.M] */
  int64_t from_h, from_w, K; /* what is read: p.a [B, from_h, from_w, K] */
  int64_t top, left;         /* zeros before it; may be negative */
  bool reversed;             /* tap (2 - u, 2 - v) stands where tap (u, v) is used */
  vw_product p;              /* as of the plain product with k counted tap by tap, without gather and activation */
} vw_winograd;

/* Whether it is worth it: by the shape of one picture alone. */
bool vw_winograd_pays(int64_t H, int64_t W, int64_t K, int64_t M);

/* Floats of scratch, aligned to VW_ALIGN; only sizes of `w` are read. */
int64_t vw_winograd_floats(const vw_tile *t, const vw_winograd *w, int threads);
void vw_winograd_run(const vw_context *ctx, const vw_tile *t, const vw_winograd *w, float *scratch);
#endif
