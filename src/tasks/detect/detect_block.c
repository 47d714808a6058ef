/* The words of a block while they are learned: one concept's pictures, the patches that answer for its boxes, and the
 * draws of its streams. */
#include "tasks/detect/detect.h"
#include "tasks/detect/detect_graph.h"
#include "tasks/leaves.h"

#include "core/random.h"

#include <stdlib.h>
#include <string.h>

typedef struct words_of_block {
  int64_t K, streams;
  vw_detect_slot slot;
  vw_patches patches; /* of the slot's pictures */
  int32_t *boxes;     /* [pictures] */
  int32_t *matched;   /* [pictures, N]; NULL: matched at every step */
  int32_t *first;     /* then [pictures + 1] */
  double *place;      /* and [first[pictures], N] */
  uint64_t *keys;     /* [streams] */
} words_of_block;

void vw_detect_end(void *block) {
  words_of_block *b = block;
  if (!b) return;
  vw_detect_slot_free(&b->slot);
  vw_patches_free(&b->patches);
  free(b->matched), free(b->first), free(b->place), free(b->boxes), free(b->keys), free(b);
}

static vw_status load_pictures(words_of_block *b, const vw_detect *t) {
  const int64_t pictures = b->slot.n_positive + b->slot.n_negative;
  const vw_patch_list list = {.set = t->pictures,
                              .network = t->network,
                              .weights = t->task.in.weights,
                              .cache = t->task.in.cache,
                              .scene = b->slot.scene,
                              .n = pictures};
  VW_TRY(vw_patches_load(&list, &b->patches));
  b->boxes = malloc((size_t)pictures * sizeof *b->boxes);
  if (t->learn->matching == VW_MATCHING_DYNAMIC) {
    b->first = malloc(((size_t)pictures + 1) * sizeof *b->first);
    VW_CHECK(b->first && b->boxes, VW_ERR_MEMORY, "block: out of memory");
    return vw_detect_places(&b->slot, t->pictures, &b->patches, b->first, b->boxes, &b->place);
  }
  b->matched = malloc((size_t)(pictures * b->patches.N) * sizeof *b->matched);
  VW_CHECK(b->matched && b->boxes, VW_ERR_MEMORY, "block: out of memory");
  return vw_detect_targets(&b->slot, t->pictures, &b->patches, b->matched, b->boxes);
}

vw_status vw_detect_begin(vw_task *task, const vw_trial *trials, const uint64_t *keys, int64_t K, vw_step_shape *s,
                          void **block) {
  const vw_detect *t = (const vw_detect *)task;
  words_of_block *b = calloc(1, sizeof *b);
  *block = b;
  VW_CHECK(b, VW_ERR_MEMORY, "block: out of memory");
  for (int64_t k = 0; k < K; k++)
    VW_CHECK(!strcmp(trials[k].concept, trials[0].concept), VW_ERR_ARG, "block: words of several concepts");
  b->K = K, b->streams = t->learn->streams == VW_STREAMS_CONCEPT ? 1 : K;
  b->keys = malloc((size_t)K * sizeof *keys);
  VW_CHECK(b->keys, VW_ERR_MEMORY, "block: out of memory");
  memcpy(b->keys, keys, (size_t)K * sizeof *keys);
  for (int64_t k = 0; b->streams == 1 && k < K; k++)
    VW_CHECK(keys[k] == keys[0], VW_ERR_ARG, "block: words of several streams");
  VW_TRY(vw_detect_slot_create(&b->slot, &t->task.in, trials[0].concept, trials[0].null_concept));
  VW_TRY(load_pictures(b, t));
  s->size[VW_DETECT_M] = t->prompts.t.M, s->size[VW_DETECT_P] = t->prompts.t.P, s->size[VW_DETECT_T] = t->prompts.t.T;
  s->size[VW_DETECT_STREAMS] = b->streams, s->size[VW_DETECT_PATCHES] = b->patches.N;
  s->size[VW_DETECT_POSITIVES] = b->slot.n_positive, s->size[VW_DETECT_NEGATIVES] = b->slot.n_negative;
  s->size[VW_DETECT_BOXES] = b->first ? b->first[b->slot.n_positive] : 0;
  return VW_OK;
}

vw_status vw_detect_leaves(vw_task *task, void *block, const vw_step_shape *s, vw_program *p, const vw_graph *g) {
  const vw_detect *t = (const vw_detect *)task;
  const words_of_block *b = block;
  const int64_t with = b->slot.n_positive, without = b->slot.n_negative, all = with + without, N = b->patches.N;
  VW_TRY(vw_prompts_write(&t->prompts, p, g));
  VW_TRY(vw_write_streams(p, g, b->keys, b->streams, b->K));
  VW_TRY(vw_write_pool(p, g, "template", 0, t->prompts.t.M, t->learn->templates.n, b->streams));
  VW_TRY(vw_write_pool(p, g, "positive", 0, with, with, b->streams));
  if (t->learn->negatives && vw_find(g, "negative_pool") != VW_NONE)
    VW_TRY(vw_write_pool(p, g, "negative", with, without, without, b->streams));
  VW_TRY(vw_write_leaf(p, g, "features", vw_shape(b->patches.type, all, N, b->patches.C), b->patches.all.embedding));
  VW_TRY(vw_write_leaf(p, g, "shift", vw_shape(VW_F64, all, N), b->patches.all.shift));
  VW_TRY(vw_write_leaf(p, g, "scale", vw_shape(VW_F64, all, N), b->patches.all.scale));
  if (b->matched) VW_TRY(vw_write_leaf(p, g, "matched", vw_shape(VW_I32, all, N), b->matched));
  if (b->first) VW_TRY(vw_write_leaf(p, g, "first_box", vw_shape(VW_I32, all + 1), b->first));
  if (b->first) VW_TRY(vw_write_leaf(p, g, "place", vw_shape(VW_F64, s->size[VW_DETECT_BOXES], N), b->place));
  return vw_write_leaf(p, g, "boxes", vw_shape(VW_I32, all), b->boxes);
}

/* ---- draws on the host ------------------------------------------------------------------------------------------- */

/* pool NULL: the numbers below n. */
static void draw_row(uint64_t key, int64_t step, uint32_t purpose, const int64_t *pool, int64_t n, int64_t count,
                     int32_t *out) {
  for (int64_t i = 0; i < count; i++) {
    const uint32_t k = vw_below(vw_draw_u32(key, (uint64_t)step, purpose, (uint32_t)i), (uint32_t)n);
    out[i] = pool ? (int32_t)pool[k] : (int32_t)k;
  }
}

static vw_status tell_set(const vw_draw_sink *to, const vw_learn_config *learn, const vw_detect_slot *s, uint64_t key,
                          bool watch, int64_t n) {
  const uint32_t set = watch ? VW_DRAW_WATCH : 0;
  int32_t *template = NULL, *positive = NULL, *negative = NULL;
  VW_TRY(to->add(to->user, watch ? "watch_template" : "template", vw_shape(VW_I32, n), &template));
  VW_TRY(to->add(to->user, watch ? "watch_positive" : "positive", vw_shape(VW_I32, n, learn->positives), &positive));
  VW_TRY(to->add(to->user, watch ? "watch_negative" : "negative", vw_shape(VW_I32, n, learn->negatives), &negative));
  for (int64_t i = 0; i < n; i++) {
    draw_row(key, i, VW_DRAW_TEMPLATE + set, NULL, learn->templates.n, 1, template + i);
    draw_row(key, i, VW_DRAW_POSITIVE + set, s->scene, s->n_positive, learn->positives,
             positive + i * learn->positives);
    draw_row(key, i, VW_DRAW_NEGATIVE + set, s->scene + s->n_positive, s->n_negative, learn->negatives,
             negative + i * learn->negatives);
  }
  return VW_OK;
}

static vw_status tell_list(const vw_draw_sink *to, const char *name, const int64_t *x, int64_t n) {
  int32_t *data = NULL;
  VW_TRY(to->add(to->user, name, vw_shape(VW_I32, n), &data));
  for (int64_t i = 0; i < n; i++) data[i] = (int32_t)x[i];
  return VW_OK;
}

vw_status vw_detect_draws(vw_task *task, const vw_trial *trial, uint64_t key, const vw_draw_sink *to) {
  const vw_detect *t = (const vw_detect *)task;
  const int64_t word = to->random_word;
  vw_detect_slot s = {0};
  vw_status st = vw_detect_slot_create(&s, &t->task.in, trial->concept, trial->null_concept);
  if (st == VW_OK) st = tell_set(to, t->learn, &s, key, false, t->learn->steps);
  if (st == VW_OK) st = tell_set(to, t->learn, &s, key, true, vw_task_watch_draws(&vw_detection_kind, t->learn));
  if (st == VW_OK) st = tell_list(to, "with", s.scene, s.n_positive);
  if (st == VW_OK) st = tell_list(to, "kept", s.kept, s.n_positive);
  if (st == VW_OK) st = tell_list(to, "without", s.scene + s.n_positive, s.n_negative);
  if (st == VW_OK) st = tell_list(to, "judged", s.judged, s.n_judged);
  if (st == VW_OK) st = tell_list(to, "judged_kept", s.judged_kept, s.n_judged);
  if (st == VW_OK) st = tell_list(to, "random_word", &word, 1);
  vw_detect_slot_free(&s);
  return st;
}
