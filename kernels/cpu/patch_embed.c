/* patch_embed on the CPU: the patches of one picture are gathered in the weight's order (channel, row, column), one
 * product makes all of them and adds the positions, then the class token is written. */
#include "kernels/patch_embed.h"

#include "kernels/cpu/gemm.h"

/* Scratch: patches, their packed form, and the packed weight where it is not frozen. */
typedef struct layout {
  int64_t n, D, P, K; /* patches of a picture, width, patch side, 3 P P */
  size_t patches, a, b;
} layout;

static size_t aligned_floats(int64_t n) {
  return ((size_t)n + 15) / 16 * 16;
}

static layout layout_of(const vw_call *c) {
  const int64_t P = c->in[PATCH_WEIGHT].dim[2];
  layout l = {.n = c->out[0].dim[1] - 1, .D = c->out[0].dim[2], .P = P, .K = 3 * P * P};
  const vw_tile *t = vw_tile_best();
  l.patches = aligned_floats(l.n * l.K);
  l.a = aligned_floats(vw_packed_a(t, l.n, l.K));
  l.b = c->frozen >> PATCH_WEIGHT & 1 ? 0 : aligned_floats(vw_packed_b(t, l.D, l.K));
  return l;
}

static vw_status measure(vw_context *ctx, vw_call *c) {
  (void)ctx;
  const layout l = layout_of(c);
  c->scratch_bytes = (l.patches + l.a + l.b) * sizeof(float);
  if (!l.b) c->kept = vw_packed_plan(c, PATCH_WEIGHT, true, l.D, l.K, 1);
  return VW_OK;
}

static vw_status prepare(vw_context *ctx, vw_call *c) {
  vw_packed *packed = NULL;
  const layout l = layout_of(c);
  const vw_parts w = vw_parts_of(c, PATCH_WEIGHT);
  if (l.b) return VW_OK;
  VW_TRY(vw_packed_get(ctx, true, l.D, l.K, 1, &w, &packed));
  c->state = packed;
  return VW_OK;
}

static void release(vw_context *ctx, vw_call *c) {
  (void)ctx;
  vw_packed_put(c->state);
  c->state = NULL;
}

/* Patch i of a picture of width W, from channels last to channels first. */
static void gather(const float *pixels, int64_t W, int64_t P, int64_t i, float *patch) {
  const int64_t top = i / (W / P) * P, left = i % (W / P) * P;
  for (int64_t ch = 0; ch < 3; ch++)
    for (int64_t py = 0; py < P; py++)
      for (int64_t px = 0; px < P; px++) patch[(ch * P + py) * P + px] = pixels[((top + py) * W + left + px) * 3 + ch];
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const vw_tensor *in = c->in;
  const layout l = layout_of(c);
  const vw_tile *t = vw_tile_best();
  const int64_t B = c->out[0].dim[0], H = in[PATCH_PIXELS].dim[1], W = in[PATCH_PIXELS].dim[2], D = l.D;
  const float *position = vw_f32(&in[PATCH_POSITION]), *class_embedding = vw_f32(&in[PATCH_CLASS]);
  float *patches = c->scratch, *a = patches + l.patches;
  const vw_parts w = vw_parts_of(c, PATCH_WEIGHT);
  if (!c->state) vw_pack_b(ctx, t, true, D, l.K, &w, a + l.a);
  for (int64_t b = 0; b < B; b++) {
    const float *pixels = vw_f32(&in[PATCH_PIXELS]) + b * H * W * 3;
    float *x = vw_f32(&c->out[0]) + b * (l.n + 1) * D;
#pragma omp parallel for num_threads(ctx->threads) schedule(static)
    for (int64_t i = 0; i < l.n; i++) gather(pixels, W, l.P, i, patches + i * l.K);
    const vw_product p = {.N = l.n,
                          .M = D,
                          .K = l.K,
                          .a = patches,
                          .b = c->state ? vw_packed_data(c->state) : a + l.a,
                          .b_type = c->state ? vw_packed_type(c->state) : VW_F32,
                          .c = x + D,
                          .residual = position + D};
    vw_product_run(ctx, t, &p, a);
    for (int64_t d = 0; d < D; d++) x[d] = class_embedding[d] + position[d];
  }
  return VW_OK;
}

const vw_kernel patch_embed_cpu = {
    .run = run, .measure = measure, .prepare = prepare, .release = release, .packs = 1u << PATCH_WEIGHT};
