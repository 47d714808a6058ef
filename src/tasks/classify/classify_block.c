/* The words of a block while they are learned: their concepts' pictures and tables, and the draws of their streams. */
#include "tasks/classify/classify.h"
#include "tasks/classify/classify_graph.h"
#include "tasks/leaves.h"

#include "core/random.h"

#include <stdlib.h>
#include <string.h>

typedef struct words_of_block {
  const vw_classify *t;
  int64_t K, n_slots;
  int32_t *row_slot; /* [K] */
  vw_slot *slots;
  uint64_t *keys; /* [K] */
} words_of_block;

void vw_classify_end(void *block) {
  words_of_block *r = block;
  if (!r) return;
  for (int64_t i = 0; r->slots && i < r->n_slots; i++) vw_slot_free(&r->slots[i]);
  free(r->slots), free(r->row_slot), free(r->keys), free(r);
}

/* Gives every trial the slot of its concept, in order of appearance. */
static vw_status find_slots(words_of_block *r, const vw_trial *trials, const uint64_t *keys) {
  const int64_t K = r->K;
  r->row_slot = calloc((size_t)K, sizeof *r->row_slot), r->keys = calloc((size_t)K, sizeof *r->keys);
  r->slots = calloc((size_t)K, sizeof *r->slots);
  VW_CHECK(r->row_slot && r->keys && r->slots, VW_ERR_MEMORY, "block: out of memory");
  memcpy(r->keys, keys, (size_t)K * sizeof *keys);
  for (int64_t k = 0; k < K; k++) {
    int64_t same = 0;
    while (same < k && strcmp(trials[same].concept, trials[k].concept) != 0) same++;
    if (same < k) {
      r->row_slot[k] = r->row_slot[same];
      continue;
    }
    VW_TRY(vw_slot_create(&r->slots[r->n_slots], r->t, trials[k].concept, trials[k].null_concept));
    r->row_slot[k] = (int32_t)r->n_slots++;
  }
  return VW_OK;
}

vw_status vw_classify_begin(vw_task *task, const vw_trial *trials, const uint64_t *keys, int64_t K, vw_step_shape *s,
                            void **block) {
  const vw_classify *t = (const vw_classify *)task;
  words_of_block *r = calloc(1, sizeof *r);
  *block = r;
  VW_CHECK(r, VW_ERR_MEMORY, "block: out of memory");
  r->t = t, r->K = K;
  VW_TRY(find_slots(r, trials, keys));
  s->size[VW_CLASSIFY_SLOTS] = r->n_slots, s->size[VW_CLASSIFY_PICTURES] = t->pictures->n_train;
  s->size[VW_CLASSIFY_M] = t->prompts.t.M, s->size[VW_CLASSIFY_P] = t->prompts.t.P;
  s->size[VW_CLASSIFY_T] = t->prompts.t.T;
  for (int64_t i = 0; i < r->n_slots; i++) {
    s->size[VW_CLASSIFY_POSITIVES] += r->slots[i].n_positive;
    s->size[VW_CLASSIFY_NEGATIVES] += r->slots[i].n_negative;
  }
  return VW_OK;
}

/* A pool of picture indices: all slots' lists one after the other, and each row's part of it. */
static vw_status write_pool(const words_of_block *r, vw_program *p, const vw_graph *g, const char *name, bool positive,
                            int64_t entries) {
  const int64_t K = r->K;
  int32_t *pool = malloc((size_t)(entries + 2 * K) * sizeof *pool + sizeof *pool), *offset = pool + entries,
          *count = offset + K;
  int64_t *start = calloc((size_t)r->n_slots + 1, sizeof *start);
  char leaf[64];
  vw_status st = VW_OK;
  if (!pool || !start) {
    st = VW_RAISE(VW_ERR_MEMORY, "block: out of memory");
    goto cleanup;
  }
  for (int64_t i = 0, at = 0; i < r->n_slots; i++) {
    const vw_slot *s = &r->slots[i];
    const int64_t n = positive ? s->n_positive : s->n_negative;
    memcpy(pool + at, positive ? s->positive : s->negative, (size_t)n * sizeof *pool);
    start[i] = at, at += n;
  }
  for (int64_t k = 0; k < K; k++) {
    const vw_slot *s = &r->slots[r->row_slot[k]];
    offset[k] = (int32_t)start[r->row_slot[k]], count[k] = (int32_t)(positive ? s->n_positive : s->n_negative);
  }
  (void)snprintf(leaf, sizeof leaf, "%s_pool", name);
  VW_GOTO(vw_write_leaf(p, g, leaf, vw_shape(VW_I32, entries), pool));
  (void)snprintf(leaf, sizeof leaf, "%s_offset", name);
  VW_GOTO(vw_write_leaf(p, g, leaf, vw_shape(VW_I32, K), offset));
  (void)snprintf(leaf, sizeof leaf, "%s_count", name);
  VW_GOTO(vw_write_leaf(p, g, leaf, vw_shape(VW_I32, K), count));
cleanup:
  free(pool), free(start);
  return st;
}

/* Rows of the tables of logits are slot * M + template: drawing a template draws the row. */
static vw_status write_table_rows(const words_of_block *r, vw_program *p, const vw_graph *g) {
  const int64_t M = r->t->prompts.t.M, K = r->K, rows = r->n_slots * M;
  int32_t *x = malloc((size_t)(2 * rows + 4 * K) * sizeof *x);
  VW_CHECK(x, VW_ERR_MEMORY, "block: out of memory");
  int32_t *pool = x, *template_of = pool + rows, *offset = template_of + rows, *count = offset + K,
          *row_word = count + K;
  uint32_t *key = (uint32_t *)calloc((size_t)(2 * K), sizeof *key);
  vw_status st = VW_OK;
  if (!key) st = VW_RAISE(VW_ERR_MEMORY, "block: out of memory");
  if (st != VW_OK) goto cleanup;
  for (int32_t i = 0; i < rows; i++) pool[i] = i, template_of[i] = (int32_t)(i % M);
  for (int64_t k = 0; k < K; k++) {
    offset[k] = (int32_t)(r->row_slot[k] * M), count[k] = (int32_t)r->t->learn_templates, row_word[k] = (int32_t)k;
    key[2 * k] = (uint32_t)r->keys[k], key[2 * k + 1] = (uint32_t)(r->keys[k] >> 32);
  }
  VW_GOTO(vw_write_leaf(p, g, "slot_pool", vw_shape(VW_I32, rows), pool));
  VW_GOTO(vw_write_leaf(p, g, "slot_offset", vw_shape(VW_I32, K), offset));
  VW_GOTO(vw_write_leaf(p, g, "slot_count", vw_shape(VW_I32, K), count));
  VW_GOTO(vw_write_leaf(p, g, "template_of", vw_shape(VW_I32, rows), template_of));
  VW_GOTO(vw_write_leaf(p, g, "row_word", vw_shape(VW_I32, K), row_word));
  VW_GOTO(vw_write_leaf(p, g, "key", vw_shape(VW_U32, K, 2), key));
cleanup:
  free(x), free(key);
  return st;
}

static vw_status write_logit_tables(const words_of_block *r, vw_program *p, const vw_graph *g) {
  const int64_t M = r->t->prompts.t.M, P = r->t->pictures->n_train, rows = r->n_slots * M;
  double *rest = malloc((size_t)(rows * P) * sizeof *rest), *truth = malloc((size_t)(rows * P) * sizeof *truth);
  vw_status st = VW_OK;
  if (!rest || !truth)
    st = VW_RAISE(VW_ERR_MEMORY, "block: out of memory for tables of %lld x %lld", (long long)rows, (long long)P);
  for (int64_t i = 0; st == VW_OK && i < r->n_slots; i++)
    VW_GOTO(vw_slot_tables(&r->slots[i], r->t, rest + i * M * P, truth + i * M * P));
  if (st == VW_OK) VW_GOTO(vw_write_leaf(p, g, "rest", vw_shape(VW_F64, rows, P), rest));
  if (st == VW_OK) VW_GOTO(vw_write_leaf(p, g, "truth", vw_shape(VW_F64, rows, P), truth));
cleanup:
  free(rest), free(truth);
  return st;
}

vw_status vw_classify_leaves(vw_task *task, void *block, const vw_step_shape *s, vw_program *p, const vw_graph *g) {
  const vw_classify *t = (const vw_classify *)task;
  const words_of_block *r = block;
  VW_TRY(vw_prompts_write(&t->prompts, p, g));
  VW_TRY(write_table_rows(r, p, g));
  if (t->learn->positives) VW_TRY(write_pool(r, p, g, "positive", true, s->size[VW_CLASSIFY_POSITIVES]));
  if (t->learn->negatives) VW_TRY(write_pool(r, p, g, "negative", false, s->size[VW_CLASSIFY_NEGATIVES]));
  VW_TRY(write_logit_tables(r, p, g));
  const vw_tensor features =
      vw_shape(vw_clip_feature_type(t->network), s->size[VW_CLASSIFY_PICTURES], t->network->net.text.tower.projection);
  return vw_write_leaf(p, g, "features", features, t->train);
}

/* ---- draws on the host ------------------------------------------------------------------------------------------- */

static void draw_row(uint64_t key, int64_t step, uint32_t purpose, const int32_t *pool, int64_t n, int64_t count,
                     int32_t *out) {
  for (int64_t i = 0; i < count; i++) {
    const uint32_t k = vw_below(vw_draw_u32(key, (uint64_t)step, purpose, (uint32_t)i), (uint32_t)n);
    out[i] = pool ? pool[k] : (int32_t)k;
  }
}

void vw_classify_draws(const vw_classify *t, const vw_slot *slot, uint64_t key, bool watch_set, int64_t first,
                       int64_t n, const vw_draw_list *out) {
  const uint32_t set = watch_set ? VW_DRAW_WATCH : 0;
  const int64_t pos = t->learn->positives, neg = t->learn->negatives;
  for (int64_t i = 0; i < n; i++) {
    draw_row(key, first + i, VW_DRAW_TEMPLATE + set, NULL, t->learn_templates, 1, out->template + i);
    draw_row(key, first + i, VW_DRAW_POSITIVE + set, slot->positive, slot->n_positive, pos, out->positive + i * pos);
    draw_row(key, first + i, VW_DRAW_NEGATIVE + set, slot->negative, slot->n_negative, neg, out->negative + i * neg);
  }
}
