/* The matrix product behind linear and patch_embed: c [N, M] = act(a [N, K] b + bias) + residual, row-major fp32.
 *
 *   panels    b is packed once into panels of NR columns, [K][NR] each, padded with zeros (frozen weights: in prepare,
 *             shared by all programs of the process; others: at every run, into scratch). Large frozen weights that
 *             lie in 16 bits in their files stay so: a piece of a panel is made fp32, which is exact, while it is in
 *             the cache, and used for many rows: the same bits for half the memory
 *   a         is packed at every run into tiles of MR rows, [K][MR] each; where a_z is given, times act'(a_z)
 *   threads   each makes its own panels with all rows and all of k, KC at a time; then the panel's bias, activation
 *             and residual while it is in the cache
 *   turned    the product with a weight the other way round (a gradient) can read the weight as it is packed for the
 *             result: a thread turns a piece of a panel while it is in the cache, and uses it for many rows
 *
 * Bits: an element is one chain of fused multiply-adds over k, from its row of a and its column of b: the same for any
 * number of threads, any number of rows, and for AVX2 and AVX-512. */
#ifndef VW_KERNELS_CPU_GEMM_H
#define VW_KERNELS_CPU_GEMM_H
#include "kernels/op.h"

typedef struct vw_tile {
  const char *name; /* "avx512", "avx2", "portable" */
  int MR, NR;       /* rows and columns of a register tile */
  int KC;           /* k at a time */
  int lanes;        /* columns of a vector */
  /* c [rows, columns], of the NR columns packed in b; columns of c are written up to whole vectors. */
  void (*run)(int rows, int columns, int64_t k, const float *a, const float *b, float *c, int64_t ldc, bool first);
  /* The same for any number of rows: tiles of a lie one behind the other, [k][MR] each, rows of c are NR apart. b stays
   * in the first-level cache; the next tile of a is asked for while one is multiplied. */
  void (*sweep)(int64_t rows, int columns, int64_t k, const float *a, const float *b, float *c, bool first);
} vw_tile;

const vw_tile *vw_tile_best(void);              /* the fastest that this processor runs */
const vw_tile *vw_tile_named(const char *name); /* NULL: this processor does not run it */

typedef struct vw_product vw_product;
struct vw_product {
  int64_t N, M, K;
  const float *a; /* [N, K] */
  /* Where a is not stored: n elements of row `row` from k0 on, as they lie in memory or made in `room` (n floats, at
   * most VW_GATHERED). `of` is the caller's. */
  const float *(*gather)(const vw_product *p, int64_t row, int64_t k0, int64_t n, float *room);
  const void *of;
  const float *a_z;      /* [N, K] or NULL: a is multiplied by act'(a_z) */
  const void *b;         /* packed: vw_pack_b, vw_pack_taps, or vw_pack_halves */
  vw_dtype b_type;       /* VW_F32, or the 16 bits of vw_pack_halves */
  int64_t turned_taps;   /* 0; or the taps of a weight [K / taps, M, taps], and b is packed for the result (transposed,
                          * [K / taps, M taps]) in place of the gradient */
  float *c;              /* [N, M] */
  float *z;              /* [N, M]: where act is not none, the sum before it; else NULL */
  const float *bias;     /* [M] or NULL */
  const float *residual; /* [N, M] or NULL */
  const float *shift;    /* [N / shift_rows, M] or NULL: added to shift_rows rows each */
  int64_t shift_rows;    /* counted from row -shift_from on */
  int64_t shift_from;
  vw_activation act; /* of the result, or (with a_z) of the operand */
};
enum { VW_GATHERED = 64 };

/* Floats of packed operands. */
int64_t vw_packed_a(const vw_tile *t, int64_t N, int64_t K);
int64_t vw_packed_b(const vw_tile *t, int64_t M, int64_t K);

/* transposed: b = w' with w [M, K]; else b = w [K, M]; converted to fp32. `out` is aligned to VW_ALIGN. */
void vw_pack_b(const vw_context *ctx, const vw_tile *t, bool transposed, int64_t M, int64_t K, const vw_parts *w,
               float *out);

/* Where input i of a call lies, in one part or more. */
static inline vw_parts vw_parts_of(const vw_call *c, int i) {
  return c->parts[i] ? *c->parts[i] : (vw_parts){1, {c->in[i]}};
}

/* `scratch`: vw_packed_a floats, aligned to VW_ALIGN. */
void vw_product_run(const vw_context *ctx, const vw_tile *t, const vw_product *p, float *scratch);

/* The same for a convolution's weight [O, C, taps]; b = [K, M] with k counted tap by tap:
 *   of the result     K = taps C, M = O: b[tap C + c, o] = w[o, c, tap]        (transposed)
 *   of the gradient   K = taps O, M = C: b[tap O + o, c] = w[o, c, tap] */
void vw_pack_taps(const vw_context *ctx, const vw_tile *t, bool transposed, int64_t M, int64_t K, int64_t taps,
                  const vw_parts *w, float *out);

/* Both, for parts that are all of one 16-bit type, which `out` keeps; taps 1: as vw_pack_b. */
void vw_pack_halves(const vw_context *ctx, const vw_tile *t, bool transposed, int64_t M, int64_t K, int64_t taps,
                    const vw_parts *w, uint16_t *out);
/* n numbers of such a type, a multiple of 8, to fp32. */
void vw_widen(const uint16_t *h, vw_dtype type, int64_t n, float *out);

/* k0..k0+k of a panel of p->b as a tile reads it, [k][NR]: where it lies, or widened or turned into `room` (k NR
 * floats). Of a
 * turned weight k0 is whole tiles of NR from a tap's first on, and k ends within the tap. */
const float *vw_product_block(const vw_tile *t, const vw_product *p, int64_t panel, int64_t k0, int64_t k, float *room);

/* Up to so many rows, reading the weight is what a product costs, and turning would double it; from there on turning
 * costs a tenth or two, for half the memory. */
enum { VW_OWN_ROWS = 64 };

/* Packed weights shared in the process, counted by reference; keyed by the weight's address, type, shape and packing.
 * taps 1: vw_pack_b, more: vw_pack_taps. What lies in one 16-bit type stays in it if it is large; products of weights
 * that fit into a cache would wait for the conversion. */
typedef struct vw_packed vw_packed;
vw_status vw_packed_get(const vw_context *ctx, bool transposed, int64_t M, int64_t K, int64_t taps, const vw_parts *w,
                        vw_packed **out);
void vw_packed_put(vw_packed *p); /* NULL allowed */
const void *vw_packed_data(const vw_packed *p);
vw_dtype vw_packed_type(const vw_packed *p); /* of the data */
int64_t vw_packed_bytes(void);               /* of all weights packed now */
/* For a kernel's `measure`: what vw_packed_get will hold for input `weight` of the call, of weights that lie in files
 * as the call says (vw_call.stored). */
vw_kept vw_packed_plan(const vw_call *c, int weight, bool transposed, int64_t M, int64_t K, int64_t taps);
#endif
