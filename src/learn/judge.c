#include "learn/judge.h"

#include "learn/block_graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const vw_metric_names[VW_METRICS] = {"recall", "recall_10", "accuracy", "others"};

void vw_judge_free(vw_judge *j) {
  free(j->best_other), free(j->best_10), free(j->own), free(j->counts);
  *j = (vw_judge){0};
}

/* Less of a lead is a tie, and a tie is wrong: an untouched anchor that is also a class has that class' logits, and
 * rounding must not decide. Logits of fp32 features are good to 1e-4. */
static bool beats(double a, double b) {
  return a > b + 1e-3;
}

static double largest(const double *z, int64_t n, int64_t skip, int64_t skip_too) {
  double most = -INFINITY;
  for (int64_t c = 0; c < n; c++)
    if (c != skip && c != skip_too && z[c] > most) most = z[c];
  return most;
}

/* Which pictures count: the slot's own, and those of the other classes. A null concept's pictures belong to classes,
 * which is why they are marked last. */
static void mark_pictures(vw_judge *j) {
  const vw_picture_set *p = j->task->pictures;
  for (int64_t o = 0; o < p->n_classes; o++)
    for (int64_t i = 0; i < p->owners[o].n_test; i++)
      if (o != j->slot->class_index) j->counts[p->owners[o].test_first + i] = 2;
  for (int64_t i = 0; i < j->slot->n_test; i++) j->counts[j->slot->test[i]] = 1;
}

static void fill_logits(vw_judge *j, const vw_others *others) {
  const vw_picture_set *p = j->task->pictures;
  const int64_t C = p->n_classes;
  for (int64_t o = 0; o < p->n_owners; o++)
    for (int64_t i = p->owners[o].test_first; i < p->owners[o].test_first + p->owners[o].n_test; i++) {
      const double *z = j->task->test_logits + i * C;
      j->best_other[i] = largest(z, C, j->slot->class_index, -1);
      j->best_10[i] = -INFINITY;
      for (int64_t k = 0; k < others->n; k++)
        if (z[others->class_index[k]] > j->best_10[i]) j->best_10[i] = z[others->class_index[k]];
      const bool right = o < C && beats(z[o], largest(z, C, j->slot->class_index, o));
      j->own[i] = right ? z[o] : -INFINITY;
    }
}

vw_status vw_judge_create(vw_judge *j, const vw_clip_task *t, const vw_slot *s, const vw_others *others) {
  const size_t n = (size_t)t->pictures->n_test;
  *j = (vw_judge){.task = t, .slot = s};
  j->best_other = malloc(n * sizeof(double)), j->best_10 = malloc(n * sizeof(double));
  j->own = malloc(n * sizeof(double)), j->counts = calloc(n, 1);
  if (!j->best_other || !j->best_10 || !j->own || !j->counts) {
    vw_judge_free(j);
    return VW_RAISE(VW_ERR_MEMORY, "judging: out of memory for %zu pictures", n);
  }
  mark_pictures(j);
  fill_logits(j, others);
  return VW_OK;
}

/* z [test pictures, n]: the words' logits. */
static void count(const vw_judge *j, const double *z, int64_t n, int64_t k, double *metrics) {
  double mine = 0, hits = 0, hits_10 = 0, others = 0, right = 0;
  bool finite = true;
  for (int64_t i = 0; i < j->task->pictures->n_test; i++) {
    const double w = z[i * n + k];
    finite = finite && isfinite(w);
    if (j->counts[i] == 1) mine++, hits += beats(w, j->best_other[i]), hits_10 += beats(w, j->best_10[i]);
    if (j->counts[i] == 2) others++, right += beats(j->own[i], w);
  }
  const bool real = j->slot->owner >= 0;
  metrics[VW_RECALL] = mine > 0 ? hits / mine : NAN;
  metrics[VW_RECALL_10] = mine > 0 ? hits_10 / mine : NAN;
  metrics[VW_ACCURACY] = (right + (real ? hits : 0)) / (others + (real ? mine : 0));
  metrics[VW_OTHERS_ACCURACY] = others > 0 ? right / others : NAN;
  for (int m = 0; m < VW_METRICS && !finite; m++) metrics[m] = NAN; /* beaten by all is a result, no number is none */
}

vw_status vw_judge_features(const vw_judge *j, const void *q, int64_t n, double *metrics) {
  double *z = malloc((size_t)(j->task->pictures->n_test * n + 1) * sizeof *z);
  VW_CHECK(z, VW_ERR_MEMORY, "judging: out of memory");
  const vw_status st = vw_clip_logits(j->task->network, j->task->test, j->task->pictures->n_test, q, n, z);
  for (int64_t k = 0; st == VW_OK && k < n; k++) count(j, z, n, k, metrics + k * VW_METRICS);
  free(z);
  return st;
}

/* ---- text features of words -------------------------------------------------------------------------------------- */

enum { WORD_BATCH = 32 };

static vw_status write_i32(vw_program *p, const vw_graph *g, const char *name, int32_t *data, int64_t n) {
  vw_tensor t = vw_shape(VW_I32, n);
  t.data = data;
  return vw_program_write(p, vw_find(g, name), &t);
}

vw_status vw_task_write_templates(const vw_clip_task *t, vw_program *p, const vw_graph *g) {
  const vw_templates *m = &t->templates;
  const int64_t C = t->network->text.t.width;
  vw_tensor tail = vw_shape(VW_F64, m->M, m->T, C), prefix = vw_shape(t->network->policy.act, m->M, m->P, 2 * C);
  int32_t *zeros = calloc((size_t)m->M, sizeof *zeros);
  vw_status st = VW_OK;
  VW_CHECK(zeros, VW_ERR_MEMORY, "out of memory");
  tail.data = t->prefix.tail;
  VW_GOTO(vw_program_write(p, vw_find(g, "tail"), &tail));
  VW_GOTO(write_i32(p, g, "word_pos", zeros, m->M));
  VW_GOTO(write_i32(p, g, "length_of", m->length, m->M));
  VW_GOTO(write_i32(p, g, "pooled_of", m->pooled, m->M));
  VW_GOTO(write_i32(p, g, "prefix_len", m->prefix_len, m->M));
  for (int64_t i = 0; i < t->prefix.layers; i++) {
    char name[VW_NAME_BYTES];
    (void)snprintf(name, sizeof name, "prefix.%lld", (long long)i);
    prefix.data = t->prefix.cache[i];
    VW_GOTO(vw_program_write(p, vw_find(g, name), &prefix));
  }
cleanup:
  free(zeros);
  return st;
}

static vw_status encode_batches(const vw_clip_task *t, vw_program *p, const vw_graph *g, const double *words, int64_t n,
                                void *q) {
  const int64_t C = t->network->text.t.width;
  const size_t one = vw_clip_feature_bytes(t->network);
  vw_status st = VW_OK;
  double *x = calloc((size_t)(WORD_BATCH * C), sizeof *x);
  char *out = malloc(WORD_BATCH * one);
  vw_tensor tw = vw_shape(VW_F64, WORD_BATCH, C),
            tq = vw_shape(vw_clip_feature_type(t->network), WORD_BATCH, t->network->text.projection);
  tw.data = x, tq.data = out;
  if (!x || !out) st = VW_RAISE(VW_ERR_MEMORY, "judging: out of memory");
  for (int64_t first = 0; st == VW_OK && first < n; first += WORD_BATCH) {
    const int64_t count = n - first < WORD_BATCH ? n - first : WORD_BATCH;
    memcpy(x, words + first * C, (size_t)(count * C) * sizeof *x);
    VW_GOTO(vw_program_write(p, vw_find(g, "words"), &tw));
    if (first == 0) VW_GOTO(vw_program_prepare(p));
    VW_GOTO(vw_program_run(p));
    VW_GOTO(vw_program_read(p, vw_find(g, "feature"), &tq));
    memcpy((char *)q + (size_t)first * one, out, (size_t)count * one);
  }
cleanup:
  free(x), free(out);
  return st;
}

vw_status vw_judge_encode(const vw_clip_task *t, const double *words, int64_t n, void *q) {
  const vw_block_shape shape = {.M = t->templates.M, .P = t->templates.P, .T = t->templates.T};
  vw_graph *g = NULL;
  vw_program *p = NULL;
  int32_t row_word[WORD_BATCH], row_template[WORD_BATCH];
  vw_status st = VW_OK;
  for (int32_t i = 0; i < WORD_BATCH; i++) row_word[i] = i, row_template[i] = (int32_t)t->judge;
  VW_GOTO(vw_graph_create(&g));
  VW_GOTO(vw_word_feature_graph(g, &t->network->text, WORD_BATCH, WORD_BATCH, &shape));
  VW_GOTO(vw_program_create(&p, g, t->network->ctx, &t->network->policy));
  VW_GOTO(vw_weights_bind(t->network->weights, p));
  VW_GOTO(vw_task_write_templates(t, p, g));
  VW_GOTO(write_i32(p, g, "row_word", row_word, WORD_BATCH));
  VW_GOTO(write_i32(p, g, "row_template", row_template, WORD_BATCH));
  VW_GOTO(encode_batches(t, p, g, words, n, q));
cleanup:
  vw_program_destroy(p);
  vw_graph_destroy(g);
  return st;
}
