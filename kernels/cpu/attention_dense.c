/* Attention without prefix and lengths: a (row, head) and CHUNK queries, or a block of keys, a thread at a time, by the register
 * tiles of attention_head.h. The packed columns of a head serve all its chunks that one thread makes, so that a single
 * head of 9,216 positions keeps all threads busy: the same bits for any number of them. */
#include "kernels/cpu/attention_dense.h"

#include "kernels/cpu/attention_head.h"
#include <omp.h>

enum { CHUNK = 32 * VW_HEAD_ROWS, LEAST_ROWS = 32, LEAST_FIXED_ROWS = 16 };

bool vw_attention_is_dense(const vw_tensor *in, const vw_attention_attr *a) {
  const int64_t least = a->fixed ? LEAST_FIXED_ROWS : LEAST_ROWS;
  if (vw_present(&in[ATTN_PREFIX]) || vw_present(&in[ATTN_LENGTH])) return false;
  return (!a->causal || a->fixed) && in[ATTN_QKV].dim[1] >= least;
}

typedef struct shape {
  int64_t B, T, C, D, heads, chunks;
  bool causal;
} shape;

static shape shape_of(const vw_tensor *qkv, const vw_attention_attr *a) {
  shape s = {.B = qkv->dim[0], .T = qkv->dim[1], .C = qkv->dim[2] / 3, .heads = a->heads, .causal = a->causal};
  s.D = s.C / s.heads, s.chunks = (s.T + CHUNK - 1) / CHUNK;
  return s;
}

size_t vw_attention_dense_scratch(const vw_context *ctx, const vw_tensor *in, const vw_attention_attr *a,
                                  bool gradient) {
  const shape s = shape_of(&in[ATTN_QKV], a);
  return (size_t)(ctx->threads * vw_head_floats(vw_tile_best(), s.T, s.D, gradient)) * sizeof(float);
}

static vw_head_room room_of(const shape *s, const vw_call *c, bool gradient) {
  const vw_tile *t = vw_tile_best();
  float *scratch = (float *)c->scratch + omp_get_thread_num() * vw_head_floats(t, s->T, s->D, gradient);
  return vw_head_room_of(t, s->T, s->D, gradient, scratch);
}

/* Queries, keys and values of a pair (row, head). */
static vw_head head_of(const shape *s, const vw_tensor *qkv, const vw_tensor *lse, int64_t pair) {
  const float *at = vw_f32(qkv) + pair / s->heads * s->T * 3 * s->C + pair % s->heads * s->D;
  return (vw_head){.tile = vw_tile_best(),
                   .D = s->D,
                   .causal = s->causal,
                   .q = {at, 3 * s->C, s->T},
                   .k = {at + s->C, 3 * s->C, s->T},
                   .v = {at + 2 * s->C, 3 * s->C, s->T},
                   .lse = vw_f32(lse) + pair * s->T};
}

static int64_t block_of(int64_t at, int64_t end) {
  return end - at < VW_HEAD_ROWS ? end - at : VW_HEAD_ROWS;
}

vw_status vw_attention_dense(vw_context *ctx, const vw_call *c) {
  const shape s = shape_of(&c->in[ATTN_QKV], c->attr);
#pragma omp parallel num_threads(ctx->threads)
  {
    const vw_head_room room = room_of(&s, c, false);
    int64_t packed = -1;
#pragma omp for schedule(static)
    for (int64_t i = 0; i < s.B * s.heads * s.chunks; i++) {
      const int64_t pair = i / s.chunks, from = i % s.chunks * CHUNK, to = s.T - from < CHUNK ? s.T : from + CHUNK;
      const vw_head h = head_of(&s, &c->in[ATTN_QKV], &c->out[ATTN_LSE], pair);
      float *y = vw_f32(&c->out[ATTN_Y]) + pair / s.heads * s.T * s.C + pair % s.heads * s.D;
      if (packed != pair) vw_head_pack(&h, &room);
      packed = pair;
      for (int64_t t = from; t < to; t += VW_HEAD_ROWS) vw_head_block(&h, &room, t, block_of(t, to), y + t * s.C, s.C);
    }
  }
  return VW_OK;
}

/* Chunk i of all pairs: of queries (`of_keys` false) or of keys and values. */
static void grad_chunk(const shape *s, const vw_call *c, const vw_head_room *room, int64_t i, bool of_keys,
                       int64_t *packed) {
  const int64_t pair = i / s->chunks, from = i % s->chunks * CHUNK, to = s->T - from < CHUNK ? s->T : from + CHUNK;
  const int64_t at = pair / s->heads * s->T * s->C + pair % s->heads * s->D, C = s->C;
  vw_head h = head_of(s, &c->in[ATTNG_QKV], &c->in[ATTNG_LSE], pair);
  h.dy = (vw_head_rows){vw_f32(&c->in[ATTNG_DY]) + at, C, s->T};
  h.y = (vw_head_rows){vw_f32(&c->in[ATTNG_Y]) + at, C, s->T};
  float *d = vw_f32(&c->out[0]) + (h.q.at - vw_f32(&c->in[ATTNG_QKV]));
  if (*packed != pair) (of_keys ? vw_head_pack_queries : vw_head_pack_keys)(&h, room);
  *packed = pair;
  for (int64_t t = from; t < to; t += VW_HEAD_ROWS) {
    float *row = d + t * 3 * C;
    if (of_keys)
      vw_head_block_dkv(&h, room, t, block_of(t, to), row + C, row + 2 * C, 3 * C);
    else
      vw_head_block_dq(&h, room, t, block_of(t, to), row, 3 * C);
  }
}

vw_status vw_attention_dense_grad(vw_context *ctx, const vw_call *c) {
  const shape s = shape_of(&c->in[ATTNG_QKV], c->attr);
#pragma omp parallel num_threads(ctx->threads)
  {
    const vw_head_room room = room_of(&s, c, true);
    for (int of_keys = 0; of_keys < 2; of_keys++) {
      int64_t packed = -1;
#pragma omp for schedule(static)
      for (int64_t i = 0; i < s.B * s.heads * s.chunks; i++) grad_chunk(&s, c, &room, i, of_keys, &packed);
    }
  }
  return VW_OK;
}
