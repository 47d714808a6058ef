/* cross_attention and its gradient on the CPU, by the blocks of attention_head.h.
 *
 *   y, dq   a (row, head) and CHUNK queries a thread at a time; the packed keys of a head serve its chunks
 *   dkv     a (row, head) and a block of keys a thread at a time, into the scratch [B, J, 2C]; then the sum over the
 *           rows that share keys, in row order, a thread to a range of keys
 *
 * The same bits for any number of threads. */
#include "kernels/cross_attention.h"

#include "kernels/cpu/attention_head.h"
#include "kernels/cpu/simd.h"
#include <omp.h>
#include <string.h>

enum { CHUNK = 32 * VW_HEAD_ROWS };

typedef struct shape {
  int64_t B, T, C, J, D, heads, chunks, blocks; /* chunks of queries, blocks of keys */
} shape;

/* From q, kv and lse, which forward and gradient have. */
static shape shape_of(const vw_tensor *q, const vw_tensor *kv, int64_t heads) {
  shape s = {.B = q->dim[0], .C = vw_last_dim(q), .J = kv->dim[1], .heads = heads};
  s.T = s.B ? vw_rows(q) / s.B : 0, s.D = s.C / heads;
  s.chunks = (s.T + CHUNK - 1) / CHUNK, s.blocks = (s.J + VW_HEAD_ROWS - 1) / VW_HEAD_ROWS;
  return s;
}

static const vw_cross_attention_attr *attr_of(const vw_call *c) {
  return c->attr;
}

static vw_head_rows rows_of(const vw_tensor *t, int64_t at, int64_t stride, int64_t n) {
  return (vw_head_rows){vw_f32(t) + at, stride, n};
}

/* ---- forward */

static vw_status measure(vw_context *ctx, vw_call *c) {
  const shape s = shape_of(&c->in[XATTN_Q], &c->in[XATTN_KV], attr_of(c)->heads);
  c->scratch_bytes = (size_t)(ctx->threads * vw_head_floats(vw_tile_best(), s.J, s.D, false)) * sizeof(float);
  return VW_OK;
}

static vw_head head_of(const shape *s, const vw_tensor *q, const vw_tensor *kv, const vw_tensor *row_kv,
                       const vw_tensor *lse, int64_t pair) {
  const int64_t b = pair / s->heads, h = pair % s->heads, keys = vw_i32(row_kv)[b] * s->J * 2 * s->C + h * s->D;
  return (vw_head){.tile = vw_tile_best(),
                   .D = s->D,
                   .q = rows_of(q, b * s->T * s->C + h * s->D, s->C, s->T),
                   .k = rows_of(kv, keys, 2 * s->C, s->J),
                   .v = rows_of(kv, keys + s->C, 2 * s->C, s->J),
                   .lse = vw_f32(lse) + pair * s->T};
}

static vw_status run(vw_context *ctx, const vw_call *c) {
  const shape s = shape_of(&c->in[XATTN_Q], &c->in[XATTN_KV], attr_of(c)->heads);
  const int64_t floats = vw_head_floats(vw_tile_best(), s.J, s.D, false);
#pragma omp parallel num_threads(ctx->threads)
  {
    const vw_head_room room =
        vw_head_room_of(vw_tile_best(), s.J, s.D, false, (float *)c->scratch + omp_get_thread_num() * floats);
    int64_t packed = -1;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < s.B * s.heads * s.chunks; i++) {
      const int64_t pair = i / s.chunks, from = i % s.chunks * CHUNK, to = s.T - from < CHUNK ? s.T : from + CHUNK;
      const vw_head h = head_of(&s, &c->in[XATTN_Q], &c->in[XATTN_KV], &c->in[XATTN_ROW_KV], &c->out[XATTN_LSE], pair);
      float *y = vw_f32(&c->out[XATTN_Y]) + (h.q.at - vw_f32(&c->in[XATTN_Q]));
      if (packed != pair) vw_head_pack(&h, &room);
      packed = pair;
      for (int64_t t = from; t < to; t += VW_HEAD_ROWS)
        vw_head_block(&h, &room, t, to - t < VW_HEAD_ROWS ? to - t : VW_HEAD_ROWS, y + t * s.C, s.C);
    }
  }
  return VW_OK;
}

/* ---- gradient */

static shape grad_shape(const vw_call *c) {
  return shape_of(&c->in[XATTNG_Q], &c->in[XATTNG_KV], attr_of(c)->heads);
}

/* Of a thread: columns are keys for dq, queries for dkv. */
static int64_t grad_floats(const shape *s) {
  return vw_head_floats(vw_tile_best(), s->J > s->T ? s->J : s->T, s->D, true);
}

/* Gradients of every row's keys and values, then the threads' rooms. */
static vw_status measure_grad(vw_context *ctx, vw_call *c) {
  const shape s = grad_shape(c);
  const int64_t rows = attr_of(c)->dkv ? (s.B * s.J * 2 * s.C + 15) / 16 * 16 : 0;
  c->scratch_bytes = (size_t)(rows + ctx->threads * grad_floats(&s)) * sizeof(float);
  return VW_OK;
}

static vw_head grad_head_of(const shape *s, const vw_call *c, int64_t pair) {
  const int64_t at = pair / s->heads * s->T * s->C + pair % s->heads * s->D;
  vw_head h = head_of(s, &c->in[XATTNG_Q], &c->in[XATTNG_KV], &c->in[XATTNG_ROW_KV], &c->in[XATTNG_LSE], pair);
  h.dy = rows_of(&c->in[XATTNG_DY], at, s->C, s->T);
  h.y = rows_of(&c->in[XATTNG_Y], at, s->C, s->T);
  return h;
}

static void queries(const shape *s, const vw_call *c, float *scratch) {
  const vw_head_room room = vw_head_room_of(vw_tile_best(), s->J, s->D, true, scratch);
  int64_t packed = -1;
#pragma omp for schedule(static)
  for (int64_t i = 0; i < s->B * s->heads * s->chunks; i++) {
    const int64_t pair = i / s->chunks, from = i % s->chunks * CHUNK, to = s->T - from < CHUNK ? s->T : from + CHUNK;
    const vw_head h = grad_head_of(s, c, pair);
    float *dq = vw_f32(&c->out[XATTNG_DQ]) + (h.q.at - vw_f32(&c->in[XATTNG_Q]));
    if (packed != pair) vw_head_pack_keys(&h, &room);
    packed = pair;
    for (int64_t t = from; t < to; t += VW_HEAD_ROWS)
      vw_head_block_dq(&h, &room, t, to - t < VW_HEAD_ROWS ? to - t : VW_HEAD_ROWS, dq + t * s->C, s->C);
  }
}

/* Into rows [B, J, 2C]. */
static void keys(const shape *s, const vw_call *c, float *rows, float *scratch) {
  const vw_head_room room = vw_head_room_of(vw_tile_best(), s->T, s->D, true, scratch);
  int64_t packed = -1;
#pragma omp for schedule(static)
  for (int64_t i = 0; i < s->B * s->heads * s->blocks; i++) {
    const int64_t pair = i / s->blocks, j = i % s->blocks * VW_HEAD_ROWS;
    const int64_t n = s->J - j < VW_HEAD_ROWS ? s->J - j : VW_HEAD_ROWS;
    const vw_head h = grad_head_of(s, c, pair);
    float *dk = rows + (pair / s->heads * s->J + j) * 2 * s->C + pair % s->heads * s->D;
    if (packed != pair) vw_head_pack_queries(&h, &room);
    packed = pair;
    vw_head_block_dkv(&h, &room, j, n, dk, dk + s->C, 2 * s->C);
  }
}

/* dkv of one state: the sum over the rows that read it. */
VW_SIMD static void sum_rows(const shape *s, const int32_t *row_kv, int64_t k, int64_t j, const float *rows,
                             float *dkv) {
  const int64_t n = 2 * s->C;
  memset(dkv, 0, (size_t)n * sizeof *dkv);
  for (int64_t b = 0; b < s->B; b++) {
    if (row_kv[b] != k) continue;
    const float *from = rows + (b * s->J + j) * n;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) dkv[i] += from[i];
  }
}

static vw_status run_grad(vw_context *ctx, const vw_call *c) {
  const shape s = grad_shape(c);
  const vw_cross_attention_attr *a = c->attr;
  const int64_t floats = grad_floats(&s), K = c->in[XATTNG_KV].dim[0];
  float *rows = c->scratch, *rooms = rows + (a->dkv ? (s.B * s.J * 2 * s.C + 15) / 16 * 16 : 0);
#pragma omp parallel num_threads(ctx->threads)
  {
    float *room = rooms + omp_get_thread_num() * floats;
    if (a->dq) queries(&s, c, room);
    if (a->dkv) {
      keys(&s, c, rows, room);
#pragma omp for schedule(static)
      for (int64_t i = 0; i < K * s.J; i++)
        sum_rows(&s, vw_i32(&c->in[XATTNG_ROW_KV]), i / s.J, i % s.J, rows, vw_f32(&c->out[XATTNG_DKV]) + i * 2 * s.C);
    }
  }
  return VW_OK;
}

const vw_kernel cross_attention_cpu = {.run = run, .measure = measure};
const vw_kernel cross_attention_grad_cpu = {.run = run_grad, .measure = measure_grad};
