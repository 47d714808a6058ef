/* conv2d and its gradient on the CPU: implicit matrix products by the register tiles of gemm.h.
 *
 *   result     rows: positions of y; k: (tap, input channel); columns: output channels
 *   gradient   rows: positions of x; k: (tap, output channel); columns: input channels
 *
 * What Winograd's algorithm makes faster (winograd.h; by the shape of one picture alone) runs by it, anything else so:
 * rows of the left factor are never stored: a run of channels of one tap lies in the picture as it is needed, the
 * padding is a run of zeros. They are packed for the tiles WAVE floats at a time, so scratch does not grow with the
 * pictures. The weight is packed once, in prepare, and shared by all plans of the process; the gradient turns what is
 * packed for the result (gemm.h), as these weights are most of a network's. bias, shift and residual are added while a
 * panel is in the cache.
 *
 * Bits: an element is one chain of multiply-adds over k, from its own reads: the same for any number of pictures and
 * threads. A gradient with stride 2 multiplies zeros for three taps of four: three layers of a network have it. */
#include "kernels/conv2d.h"

#include "kernels/cpu/winograd.h"
#include <string.h>

enum { ROWS = 192, WAVE = 4 << 20 }; /* ROWS: those of gemm.c; WAVE: floats of packed rows at a time */

/* How rows of the left factor lie in a picture [B, H, W, C] that is read: row (b, i, j) reads for tap (u, v) position
 * ((up i + sign u + top) / down, ...). */
typedef struct reads {
  const float *picture;
  int64_t H, W, C, rows_h, rows_w, K; /* rows_h, rows_w: rows of a picture; K: taps of a side */
  int64_t up, sign, top, left, down;
  int64_t first; /* row of the whole that is row 0 of the product */
} reads;

/* Index of the first channel that row reads for a tap, -1: zeros. */
static int64_t read_at(const reads *r, int64_t row, int64_t tap) {
  const int64_t at = r->first + row, j = at % r->rows_w, i = at / r->rows_w % r->rows_h,
                b = at / (r->rows_w * r->rows_h);
  const int64_t h = r->up * i + r->sign * (tap / r->K) + r->top, w = r->up * j + r->sign * (tap % r->K) + r->left;
  if (h < 0 || w < 0 || h % r->down || w % r->down || h / r->down >= r->H || w / r->down >= r->W) return -1;
  return ((b * r->H + h / r->down) * r->W + w / r->down) * r->C;
}

/* A run of one tap is given as it lies; one that crosses taps is put together. */
static const float *gather(const vw_product *p, int64_t row, int64_t k0, int64_t n, float *room) {
  static const float zeros[VW_GATHERED];
  const reads *r = p->of;
  const int64_t tap = k0 / r->C, c = k0 % r->C;
  if (c + n <= r->C) {
    const int64_t at = read_at(r, row, tap);
    return at < 0 ? zeros : r->picture + at + c;
  }
  for (int64_t done = 0; done < n;) {
    const int64_t k = k0 + done, from = k % r->C, left = r->C - from, run = left < n - done ? left : n - done;
    const int64_t at = read_at(r, row, k / r->C);
    memcpy(room + done, at < 0 ? zeros : r->picture + at + from, (size_t)run * sizeof *room);
    done += run;
  }
  return room;
}

/* ---- one product, by Winograd's algorithm or in waves of rows */

typedef struct sizes {
  int64_t N, M, K, taps, wave; /* wave: rows at a time */
  int64_t a;                   /* floats of scratch before the packed weight */
  bool winograd;
} sizes;

static int64_t aligned_floats(int64_t n) {
  return (n + 15) / 16 * 16;
}

/* `result`, `from`: pictures that are written and read. */
static sizes sizes_of(const vw_context *ctx, const vw_tensor *result, const vw_tensor *from, const vw_tensor *weight,
                      int64_t stride) {
  const vw_tile *t = vw_tile_best();
  const int64_t inner = from->dim[3], side = weight->dim[2];
  sizes s = {.N = vw_rows(result), .M = result->dim[3], .K = side * side * inner, .taps = side * side};
  s.winograd = side == 3 && stride == 1 && vw_winograd_pays(result->dim[1], result->dim[2], inner, s.M);
  if (s.winograd) {
    const vw_winograd w = {.B = result->dim[0], .H = result->dim[1], .W = result->dim[2], .K = inner};
    s.a = aligned_floats(vw_winograd_floats(t, &w, ctx->threads));
    return s;
  }
  const int64_t blocks = WAVE / (ROWS * (s.K > 0 ? s.K : 1));
  s.wave = (blocks > 1 ? blocks : 1) * ROWS;
  if (s.wave > s.N) s.wave = s.N;
  s.a = aligned_floats(vw_packed_a(t, s.wave, s.K));
  return s;
}

static int64_t stride_of(const vw_call *c) {
  return ((const vw_conv2d_attr *)c->attr)->stride;
}

static sizes forward_sizes(const vw_context *ctx, const vw_call *c) {
  return sizes_of(ctx, &c->out[0], &c->in[CONV_X], &c->in[CONV_WEIGHT], stride_of(c));
}

static sizes gradient_sizes(const vw_context *ctx, const vw_call *c) {
  return sizes_of(ctx, &c->out[0], &c->in[CONV_GRAD_DY], &c->in[CONV_GRAD_WEIGHT], stride_of(c));
}

/* Packed rows of a wave or what Winograd's algorithm wants, then the packed weight where it is not frozen. */
static void set_scratch(vw_call *c, int weight, const sizes *s) {
  const int64_t b = c->frozen >> weight & 1 ? 0 : aligned_floats(vw_packed_b(vw_tile_best(), s->M, s->K));
  c->scratch_bytes = (size_t)(s->a + b) * sizeof(float);
  const vw_tensor *w = &c->in[weight]; /* frozen: packed for the result, whoever reads it */
  if (!b) c->kept = vw_packed_plan(c, weight, true, w->dim[0], w->dim[1] * s->taps, s->taps);
}

static vw_status prepare_weight(vw_context *ctx, vw_call *c, int weight) {
  vw_packed *packed = NULL;
  const vw_parts w = vw_parts_of(c, weight);
  const vw_tensor *shape = &c->in[weight];
  const int64_t taps = shape->dim[2] * shape->dim[3];
  if (!(c->frozen >> weight & 1)) return VW_OK;
  VW_TRY(vw_packed_get(ctx, true, shape->dim[0], shape->dim[1] * taps, taps, &w, &packed));
  c->state = packed;
  return VW_OK;
}

static void release(vw_context *ctx, vw_call *c) {
  (void)ctx;
  vw_packed_put(c->state);
  c->state = NULL;
}

static const void *weight_of(vw_context *ctx, const vw_call *c, int weight, bool transposed, const sizes *s) {
  const vw_tile *t = vw_tile_best();
  if (c->state) return vw_packed_data(c->state);
  float *b = (float *)c->scratch + s->a;
  const vw_parts w = vw_parts_of(c, weight);
  if (s->taps > 1)
    vw_pack_taps(ctx, t, transposed, s->M, s->K, s->taps, &w, b);
  else
    vw_pack_b(ctx, t, transposed, s->M, s->K, &w, b);
  return b;
}

/* `whole`: the product of all rows. */
static void run_waves(vw_context *ctx, const vw_call *c, const sizes *s, const vw_product *whole, reads *r) {
  for (int64_t first = 0; first < s->N; first += s->wave) {
    vw_product p = *whole;
    r->first = p.shift_from = first;
    p.N = s->N - first < s->wave ? s->N - first : s->wave;
    p.gather = gather, p.of = r;
    p.c += first * s->M;
    if (p.residual) p.residual += first * s->M;
    vw_product_run(ctx, vw_tile_best(), &p, c->scratch);
  }
}

static void run_winograd(vw_context *ctx, const vw_call *c, const vw_product *whole, const reads *r) {
  vw_winograd w = {.B = c->out[0].dim[0], .H = r->rows_h, .W = r->rows_w, .from_h = r->H, .from_w = r->W, .K = r->C};
  w.reversed = r->sign < 0;
  w.top = w.reversed ? 2 - r->top : -r->top, w.left = w.reversed ? 2 - r->left : -r->left;
  w.p = *whole;
  w.p.a = r->picture;
  vw_winograd_run(ctx, vw_tile_best(), &w, c->scratch);
}

/* ---- forward */

static vw_status measure(vw_context *ctx, vw_call *c) {
  const sizes s = forward_sizes(ctx, c);
  set_scratch(c, CONV_WEIGHT, &s);
  return VW_OK;
}

static vw_status prepare(vw_context *ctx, vw_call *c) {
  return prepare_weight(ctx, c, CONV_WEIGHT);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_conv2d_attr *a = c->attr;
  const vw_tensor *x = &c->in[CONV_X], *y = &c->out[0];
  const sizes s = forward_sizes(ctx, c);
  reads r = {.picture = vw_f32(x), .H = x->dim[1], .W = x->dim[2], .C = x->dim[3], .rows_h = y->dim[1]};
  r.rows_w = y->dim[2], r.K = c->in[CONV_WEIGHT].dim[2];
  r.up = a->stride, r.sign = 1, r.top = -a->padding.top, r.left = -a->padding.left, r.down = 1;
  const vw_product whole = {.M = s.M,
                            .K = s.K,
                            .b = weight_of(ctx, c, CONV_WEIGHT, true, &s),
                            .b_type = c->state ? vw_packed_type(c->state) : VW_F32,
                            .c = vw_f32(y),
                            .bias = vw_f32(&c->in[CONV_BIAS]),
                            .residual = vw_f32(&c->in[CONV_RESIDUAL]),
                            .shift = vw_f32(&c->in[CONV_SHIFT]),
                            .shift_rows = y->dim[1] * y->dim[2]};
  if (s.winograd)
    run_winograd(ctx, c, &whole, &r);
  else
    run_waves(ctx, c, &s, &whole, &r);
  return VW_OK;
}

/* ---- gradient */

static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  const sizes s = gradient_sizes(ctx, c);
  set_scratch(c, CONV_GRAD_WEIGHT, &s);
  return VW_OK;
}

static vw_status prepare_grad(vw_context *ctx, vw_call *c) {
  return prepare_weight(ctx, c, CONV_GRAD_WEIGHT);
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_conv2d_attr *a = c->attr;
  const vw_tensor *dy = &c->in[CONV_GRAD_DY], *dx = &c->out[0];
  const sizes s = gradient_sizes(ctx, c);
  reads r = {.picture = vw_f32(dy), .H = dy->dim[1], .W = dy->dim[2], .C = dy->dim[3], .rows_h = dx->dim[1]};
  r.rows_w = dx->dim[2], r.K = c->in[CONV_GRAD_WEIGHT].dim[2];
  r.up = 1, r.sign = -1, r.top = a->padding.top, r.left = a->padding.left, r.down = a->stride;
  const vw_product whole = {.M = s.M,
                            .K = s.K,
                            .b = weight_of(ctx, c, CONV_GRAD_WEIGHT, false, &s),
                            .b_type = c->state ? vw_packed_type(c->state) : VW_F32,
                            .turned_taps = c->state ? s.taps : 0,
                            .c = vw_f32(dx)};
  if (s.winograd)
    run_winograd(ctx, c, &whole, &r);
  else
    run_waves(ctx, c, &s, &whole, &r);
  return VW_OK;
}

const vw_kernel conv2d_cpu = {
    .run = run, .measure = measure, .prepare = prepare, .release = release, .packs = 1u << CONV_WEIGHT};
const vw_kernel conv2d_grad_cpu = {.run = run_grad,
                                   .measure = measure_grad,
                                   .prepare = prepare_grad,
                                   .release = release,
                                   .packs = 1u << CONV_GRAD_WEIGHT};
