/* linear and its gradient on the CPU: products of gemm.h with everything fused into their panels.
 *
 *   forward   z = x W' + b;  y = act(z) + residual
 *   gradient  dx = (dy act'(z)) W: the activation's derivative is applied as dy is packed
 *
 * Frozen weights are packed once, in prepare, others at every run. A gradient of many rows reads what is packed for the
 * forward product (gemm.h, turned); one of few rows has a copy of its own, as reading the weight is what it costs. */
#include "kernels/linear.h"

#include "kernels/cpu/gemm.h"

static size_t aligned_floats(int64_t n) {
  return ((size_t)n + 15) / 16 * 16;
}

/* Packed a, then packed b where the weight is not frozen. */
static void set_scratch(vw_call *c, int weight, int64_t N, int64_t M, int64_t K) {
  const vw_tile *t = vw_tile_best();
  const int64_t b = c->frozen >> weight & 1 ? 0 : vw_packed_b(t, M, K);
  c->scratch_bytes = (aligned_floats(vw_packed_a(t, N, K)) + aligned_floats(b)) * sizeof(float);
}

/* How weight w [out, in] is packed for a call: W' for the forward product and what reads the same, else W. */
typedef struct packing {
  bool transposed;
  int64_t M, K;
} packing;

static packing packing_of(const vw_tensor *w, bool transposed) {
  return transposed ? (packing){true, w->dim[0], w->dim[1]} : (packing){false, w->dim[1], w->dim[0]};
}

static void keep(vw_call *c, int weight, bool transposed) {
  const packing p = packing_of(&c->in[weight], transposed);
  if (c->frozen >> weight & 1) c->kept = vw_packed_plan(c, weight, p.transposed, p.M, p.K, 1);
}

static vw_status set_state(vw_context *ctx, vw_call *c, int weight, bool transposed) {
  vw_packed *packed = NULL;
  const packing p = packing_of(&c->in[weight], transposed);
  const vw_parts w = vw_parts_of(c, weight);
  if (!(c->frozen >> weight & 1)) return VW_OK;
  VW_TRY(vw_packed_get(ctx, p.transposed, p.M, p.K, 1, &w, &packed));
  c->state = packed;
  return VW_OK;
}

static void release(vw_context *ctx, vw_call *c) {
  (void)ctx;
  vw_packed_put(c->state);
  c->state = NULL;
}

static void run_product(vw_context *ctx, const vw_call *c, vw_product *p, int weight, bool transposed) {
  const vw_tile *t = vw_tile_best();
  if (c->state) {
    p->b = vw_packed_data(c->state), p->b_type = vw_packed_type(c->state);
  } else {
    float *b = (float *)c->scratch + aligned_floats(vw_packed_a(t, p->N, p->K));
    const vw_parts w = vw_parts_of(c, weight);
    vw_pack_b(ctx, t, transposed, p->M, p->K, &w, b);
    p->b = b, p->b_type = VW_F32;
  }
  vw_product_run(ctx, t, p, c->scratch);
}

/* ---- forward: N rows, K inputs, M outputs */

static vw_status measure(vw_context *ctx, vw_call *c) {
  (void)ctx;
  const vw_tensor *x = &c->in[LINEAR_X];
  set_scratch(c, LINEAR_WEIGHT, vw_rows(x), c->in[LINEAR_WEIGHT].dim[0], vw_last_dim(x));
  keep(c, LINEAR_WEIGHT, true);
  return VW_OK;
}

static vw_status prepare(vw_context *ctx, vw_call *c) {
  return set_state(ctx, c, LINEAR_WEIGHT, true);
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *x = &c->in[LINEAR_X];
  vw_product p = {.N = vw_rows(x),
                  .M = c->in[LINEAR_WEIGHT].dim[0],
                  .K = vw_last_dim(x),
                  .a = vw_f32(x),
                  .c = vw_f32(&c->out[LINEAR_Y]),
                  .bias = vw_f32(&c->in[LINEAR_BIAS]),
                  .residual = vw_f32(&c->in[LINEAR_RESIDUAL]),
                  .act = ((const vw_linear_attr *)c->attr)->act};
  if (p.act != VW_ACT_NONE) p.z = vw_f32(&c->out[LINEAR_Z]);
  run_product(ctx, c, &p, LINEAR_WEIGHT, true);
  return VW_OK;
}

/* ---- gradient: the product's sums run over the outputs */

static bool is_turned(const vw_call *c) {
  return (c->frozen >> LINEAR_GRAD_WEIGHT & 1) && vw_rows(&c->in[LINEAR_GRAD_DY]) > VW_OWN_ROWS;
}

static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  (void)ctx;
  const vw_tensor *dy = &c->in[LINEAR_GRAD_DY];
  set_scratch(c, LINEAR_GRAD_WEIGHT, vw_rows(dy), c->in[LINEAR_GRAD_WEIGHT].dim[1], vw_last_dim(dy));
  keep(c, LINEAR_GRAD_WEIGHT, is_turned(c));
  return VW_OK;
}

static vw_status prepare_grad(vw_context *ctx, vw_call *c) {
  return set_state(ctx, c, LINEAR_GRAD_WEIGHT, is_turned(c));
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const vw_tensor *dy = &c->in[LINEAR_GRAD_DY];
  vw_product p = {.N = vw_rows(dy),
                  .M = c->in[LINEAR_GRAD_WEIGHT].dim[1],
                  .K = vw_last_dim(dy),
                  .a = vw_f32(dy),
                  .c = vw_f32(&c->out[0]),
                  .turned_taps = is_turned(c),
                  .act = ((const vw_linear_attr *)c->attr)->act};
  if (p.act != VW_ACT_NONE) p.a_z = vw_f32(&c->in[LINEAR_GRAD_Z]);
  run_product(ctx, c, &p, LINEAR_GRAD_WEIGHT, false);
  return VW_OK;
}

const vw_kernel linear_cpu = {
    .run = run, .measure = measure, .prepare = prepare, .release = release, .packs = 1u << LINEAR_WEIGHT};
const vw_kernel linear_grad_cpu = {.run = run_grad,
                                   .measure = measure_grad,
                                   .prepare = prepare_grad,
                                   .release = release,
                                   .packs = 1u << LINEAR_GRAD_WEIGHT};
