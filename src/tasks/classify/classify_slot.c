/* A concept's pictures, and the logits of the classes its word competes with. */
#include "tasks/classify/classify.h"

#include "core/random.h"
#include "study/trial.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vw_slot_free(vw_slot *s) {
  free(s->positive), free(s->negative), free(s->test);
  *s = (vw_slot){0};
}

static vw_status reserve(vw_slot *s, const vw_picture_set *p) {
  s->positive = malloc((size_t)(p->n_train + 1) * sizeof(int32_t));
  s->negative = malloc((size_t)(p->n_train + 1) * sizeof(int32_t));
  s->test = malloc((size_t)(p->n_test + 1) * sizeof(int32_t));
  VW_CHECK(s->positive && s->negative && s->test, VW_ERR_MEMORY, "out of memory for %lld pictures",
           (long long)p->n_train);
  return VW_OK;
}

static void fill_real(vw_slot *s, const vw_picture_set *p) {
  for (int64_t o = 0; o < p->n_owners; o++) {
    const vw_picture_owner *w = &p->owners[o];
    const bool mine = o == s->owner;
    for (int64_t i = 0; i < w->n_train; i++) {
      if (mine)
        s->positive[s->n_positive++] = (int32_t)(w->train_first + i);
      else if (o < p->n_classes)
        s->negative[s->n_negative++] = (int32_t)(w->train_first + i);
    }
    for (int64_t i = 0; mine && i < w->n_test; i++) s->test[s->n_test++] = (int32_t)(w->test_first + i);
  }
}

/* Shuffled pictures: no concept at all (docs/protocol.md, null concept). Pictures of the classes come first in the set.
 */
static vw_status fill_null(vw_slot *s, const vw_classify *t, const char *concept) {
  const vw_picture_set *p = t->pictures;
  const vw_stream stream = {.data = p->data->name, .concept = concept, .replica = 0, .seed = t->seed};
  const int64_t n_train = p->class_train, n_test = p->class_test;
  uint64_t key = 0;
  uint32_t i = 0;
  VW_TRY(vw_stream_key(&stream, &key));
  VW_TRY(vw_draw_distinct(key, VW_DRAW_NULL, &i, n_train, p->data->train, s->positive, &s->n_positive));
  VW_TRY(vw_draw_distinct(key, VW_DRAW_NULL, &i, n_test, p->data->test, s->test, &s->n_test));
  for (int32_t k = 0; k < n_train; k++) {
    bool mine = false;
    for (int64_t j = 0; j < s->n_positive; j++) mine |= s->positive[j] == k;
    if (!mine) s->negative[s->n_negative++] = k;
  }
  return VW_OK;
}

vw_status vw_slot_create(vw_slot *s, const vw_classify *t, const char *concept, bool is_null) {
  const vw_picture_set *p = t->pictures;
  vw_status st = VW_OK;
  *s = (vw_slot){.owner = -1, .class_index = -1};
  VW_GOTO(reserve(s, p));
  if (is_null) {
    VW_GOTO(fill_null(s, t, concept));
  } else {
    for (int64_t o = 0; o < p->n_owners; o++)
      if (!strcmp(p->owners[o].name, concept)) s->owner = o;
    if (s->owner < 0)
      st = VW_RAISE(VW_ERR_ARG, "concept '%s' has no pictures in data set '%s'", concept, p->data->name);
    if (st != VW_OK) goto cleanup;
    if (s->owner < p->n_classes) s->class_index = s->owner;
    fill_real(s, p);
  }
  if (!s->n_negative || !s->n_positive || !s->n_test)
    st = VW_RAISE(
        VW_ERR_INPUT,
        "data set '%s', concept '%s': %lld positive, %lld negative and %lld test pictures; each must be at least 1",
        p->data->name, concept, (long long)s->n_positive, (long long)s->n_negative, (long long)s->n_test);
cleanup:
  if (st != VW_OK) vw_slot_free(s);
  return st;
}

/* log(sum exp z) without one entry; skip < 0: none. */
static double log_sum_exp(const double *z, int64_t n, int64_t skip) {
  double most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < n; i++)
    if (i != skip && z[i] > most) most = z[i];
  if (most == -INFINITY) return most;
  for (int64_t i = 0; i < n; i++)
    if (i != skip) sum += exp(z[i] - most);
  return most + log(sum);
}

vw_status vw_slot_tables(const vw_slot *s, const vw_classify *t, double *rest, double *truth) {
  const vw_picture_set *p = t->pictures;
  const size_t one = vw_clip_feature_bytes(t->network);
  const int64_t n_classes = p->n_classes, P = p->n_train;
  memcpy(truth, t->truth, (size_t)(t->prompts.t.M * P) * sizeof *truth);
  if (s->class_index < 0) { /* competes with all classes: the task's own table */
    memcpy(rest, t->rest, (size_t)(t->prompts.t.M * P) * sizeof *rest);
    return VW_OK;
  }
  double *z = malloc((size_t)(P * n_classes) * sizeof *z);
  vw_status st = VW_OK;
  VW_CHECK(z, VW_ERR_MEMORY, "out of memory for the logits of %lld pictures x %lld classes", (long long)P,
           (long long)n_classes);
  for (int64_t m = 0; m < t->prompts.t.M; m++) {
    VW_GOTO(vw_clip_logits(t->network, t->train, P, (const char *)t->class_text + (size_t)(m * n_classes) * one,
                           n_classes, z));
    for (int64_t i = 0; i < P; i++) rest[m * P + i] = log_sum_exp(z + i * n_classes, n_classes, s->class_index);
  }
cleanup:
  free(z);
  return st;
}

vw_status vw_classify_tables(vw_classify *t) {
  const vw_picture_set *p = t->pictures;
  const size_t one = vw_clip_feature_bytes(t->network);
  const int64_t C = p->n_classes, P = p->n_train, M = t->prompts.t.M;
  double *z = malloc((size_t)(P * C + 1) * sizeof *z);
  vw_status st = VW_OK;
  t->rest = malloc((size_t)(M * P) * sizeof *t->rest), t->truth = calloc((size_t)(M * P), sizeof *t->truth);
  t->test_logits = malloc((size_t)(p->n_test * C + 1) * sizeof *t->test_logits);
  if (!z || !t->rest || !t->truth || !t->test_logits) {
    st = VW_RAISE(VW_ERR_MEMORY, "out of memory for the logits of %lld pictures x %lld classes", (long long)P,
                  (long long)C);
    goto cleanup;
  }
  for (int64_t m = 0; m < M; m++) {
    VW_GOTO(vw_clip_logits(t->network, t->train, P, (const char *)t->class_text + (size_t)(m * C) * one, C, z));
    for (int64_t i = 0; i < P; i++) t->rest[m * P + i] = log_sum_exp(z + i * C, C, -1);
    for (int64_t o = 0; o < C; o++)
      for (int64_t i = p->owners[o].train_first; i < p->owners[o].train_first + p->owners[o].n_train; i++)
        t->truth[m * P + i] = z[i * C + o];
  }
  VW_GOTO(vw_clip_logits(t->network, t->test, p->n_test, (const char *)t->class_text + (size_t)(t->judge * C) * one, C,
                         t->test_logits));
cleanup:
  free(z);
  return st;
}

vw_status vw_slot_others(const vw_slot *s, const vw_classify *t, const char *concept, vw_others *out) {
  const int64_t C = t->pictures->n_classes;
  const vw_stream stream = {.data = t->pictures->data->name, .concept = concept, .replica = 0, .seed = t->seed};
  const int64_t available = C - (s->class_index >= 0);
  uint64_t key = 0;
  VW_TRY(vw_stream_key(&stream, &key));
  *out = (vw_others){0};
  for (uint32_t i = 0; out->n < VW_OTHERS && out->n < available && i < UINT32_MAX; i++) {
    const int32_t k = (int32_t)vw_below(vw_draw_u32(key, 0, VW_DRAW_BASELINE, i), (uint32_t)C);
    bool skip = k == s->class_index;
    for (int64_t j = 0; j < out->n; j++) skip |= out->class_index[j] == k;
    if (!skip) out->class_index[out->n++] = k;
  }
  return VW_OK;
}
